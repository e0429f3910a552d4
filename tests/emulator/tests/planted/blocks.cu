// Four blocks count themselves in the first number. BROKEN 1: without an atomic operation.
extern "C" __global__ void clear(float* y) { y[threadIdx.x] = 0; }

extern "C" __global__ void run(const float* x, float* y) {
    if (threadIdx.x == 0) {
#if BROKEN
        y[0] += 1;
#else
        atomicAdd(y, 1.0f);
#endif
    }
}
