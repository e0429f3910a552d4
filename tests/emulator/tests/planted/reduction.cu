// Every thread of a block gets the block's sum. BROKEN 1: no barrier before the sums of the warps
// are read. BROKEN 2: none before they are overwritten in the second round.
extern "C" __global__ void __launch_bounds__(256) run(Run a) {
    __shared__ float part[8];
    float total = 0;
    for (int round = 0; round < 2; round++) {
        float sum = a.x[threadIdx.x] * round;
        for (int lanes = 16; lanes > 0; lanes /= 2) sum += __shfl_xor_sync(0xffffffffu, sum, lanes);
        if (threadIdx.x % 32 == 0) part[threadIdx.x / 32] = sum;
#if BROKEN != 1
        __syncthreads();
#endif
        for (int warp = 0; warp < 8; warp++) total += part[warp];
#if BROKEN != 2
        __syncthreads();
#endif
    }
    a.y[threadIdx.x] = total;
}
