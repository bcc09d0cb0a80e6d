/* What generated OpenCL C asks of a device, in terms of work_items.c. */
typedef unsigned int uint;
typedef unsigned short ushort;
typedef unsigned char uchar;

#define OVERLOADED __attribute__((overloadable))
#define CLK_LOCAL_MEM_FENCE 1

int work_group(uint axis);
int work_item(uint axis);
void work_wait(void);
float expf(float);
float fmaxf(float, float);
float fminf(float, float);

#define get_group_id work_group
#define get_local_id work_item
#define barrier(fence) work_wait()
#define INFINITY __builtin_inff()
#define convert_int(x) ((int)(x))

static OVERLOADED int max(int a, int b) { return a > b ? a : b; }
static OVERLOADED int min(int a, int b) { return a < b ? a : b; }
static OVERLOADED float max(float a, float b) { return fmaxf(a, b); }
static OVERLOADED float min(float a, float b) { return fminf(a, b); }
static OVERLOADED float exp(float x) { return expf(x); }
