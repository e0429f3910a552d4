// The last of four blocks to finish adds up what all have written, in their order.
// BROKEN 1: without the fence. BROKEN 2: every block adds up.
extern "C" __global__ void run(Run a) {
    __shared__ bool last;
    if (threadIdx.x == 0) {
        a.y[1 + blockIdx.x] = a.x[blockIdx.x + 1];
#if BROKEN != 1
        __threadfence();
#endif
        last = atomicAdd(&a.y[0], 1.0f) == gridDim.x - 1;
    }
    __syncthreads();
#if BROKEN != 2
    if (!last) return;
#endif
    if (threadIdx.x == 0) {
        float sum = 0;
        for (int block = 0; block < 4; block++) sum += a.y[1 + block];
        a.y[5 + (BROKEN ? blockIdx.x : 0)] = sum;
    }
}
