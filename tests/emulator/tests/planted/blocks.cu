// Four blocks count themselves in the first number. BROKEN 1: without an atomic operation.
extern "C" __global__ void run(Run a) {
    if (threadIdx.x == 0) {
#if BROKEN
        a.y[0] += 1;
#else
        atomicAdd(a.y, 1.0f);
#endif
    }
}
