// One barrier, passed by all. BROKEN 1: half of the threads come to another one. BROKEN 2: half of a
// warp waits at a barrier, half for the warp. BROKEN 3: lanes end that a shuffle names.
extern "C" __global__ void run(Run a) {
    bool lower = threadIdx.x % 32 < 16;
    a.y[threadIdx.x] = a.x[threadIdx.x];
#if BROKEN == 1
    if (lower) {
        __syncthreads();
    } else {
        __syncthreads();
    }
#elif BROKEN == 2
    if (lower) __syncthreads();
    __syncwarp();
#elif BROKEN == 3
    if (lower) return;
    a.y[threadIdx.x] = __shfl_xor_sync(0xffffffffu, a.x[threadIdx.x], 1);
#else
    __syncthreads();
#endif
}
