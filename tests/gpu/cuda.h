/* What generated CUDA C++ asks of a device, in terms of work_items.c. */
extern "C" {
int work_group(unsigned axis);
int work_item(unsigned axis);
void work_wait(void);
float expf(float);
float fmaxf(float, float);
float fminf(float, float);
}

struct Place {
    int x, y, z;
};

#define blockIdx (Place{work_group(0), work_group(1), work_group(2)})
#define threadIdx (Place{work_item(0), work_item(1), work_item(2)})
#define __syncthreads work_wait
#define __global__
#define __shared__ static
#define alignas(bytes) __attribute__((aligned(bytes))) /* which may follow static */
#define __launch_bounds__(...)
#define __expf expf
#define CUDART_INF_F __builtin_inff()
#define uint unsigned int
#define ushort unsigned short
#define uchar unsigned char

static inline int max(int a, int b) { return a > b ? a : b; }
static inline int min(int a, int b) { return a < b ? a : b; }
static inline float max(float a, float b) { return fmaxf(a, b); }
static inline float min(float a, float b) { return fminf(a, b); }
