// Lanes swap values through shared memory. BROKEN 1: nothing orders the write and the read; a
// shuffle, which all lanes must come to as well, does not.
extern "C" __global__ void run(Run a) {
    __shared__ float swap[256];
    int me = threadIdx.x;
    swap[me] = a.x[me];
#if BROKEN
    __shfl_xor_sync(0xffffffffu, 0, 1);
#else
    __syncwarp();
#endif
    a.y[me] = swap[me ^ 1];
}
