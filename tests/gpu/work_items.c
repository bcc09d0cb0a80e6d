/* The threads of a GPU's block as coroutines on one CPU thread, so that they can wait for each other. */
#include <stdlib.h>
#include <ucontext.h>

enum { MOST = 1024, STACK = 1 << 16 };

static ucontext_t scheduler, items[MOST];
static char stacks[MOST][STACK];
static enum { RUNNING, WAITING, DONE } state[MOST];
static int group[3], local[MOST][3], current;

typedef void Kernel(void *, void *, void *, void *, void *, void *, void *, void *, void *, void *, void *, void *);
static Kernel *kernel;
static void **arguments;

int work_group(unsigned axis) { return group[axis]; }
int work_item(unsigned axis) { return local[current][axis]; }

void work_wait(void) {
    state[current] = WAITING;
    swapcontext(&items[current], &scheduler);
}

static void work(void) {
    void **a = arguments; /* a kernel takes as many as it has */
    kernel(a[0], a[1], a[2], a[3], a[4], a[5], a[6], a[7], a[8], a[9], a[10], a[11]);
    state[current] = DONE;
}

/* 0; 1: some threads of a block wait at a barrier that others never reach. */
static int run_block(const int *threads) {
    int count = threads[0] * threads[1] * threads[2], waiting;
    for (int i = 0; i < count; i++) {
        local[i][0] = i % threads[0];
        local[i][1] = i / threads[0] % threads[1];
        local[i][2] = i / threads[0] / threads[1];
        getcontext(&items[i]);
        items[i].uc_stack.ss_sp = stacks[i];
        items[i].uc_stack.ss_size = STACK;
        items[i].uc_link = &scheduler;
        makecontext(&items[i], work, 0);
    }
    do {
        waiting = 0;
        for (current = 0; current < count; current++) {
            swapcontext(&scheduler, &items[current]);
            waiting += state[current] == WAITING;
        }
    } while (waiting == count);
    return waiting != 0;
}

int run_kernel(Kernel *function, void **pointers, const int *blocks, const int *threads) {
    kernel = function;
    arguments = pointers;
    for (group[2] = 0; group[2] < blocks[2]; group[2]++)
        for (group[1] = 0; group[1] < blocks[1]; group[1]++)
            for (group[0] = 0; group[0] < blocks[0]; group[0]++)
                if (run_block(threads))
                    return 1;
    return 0;
}
