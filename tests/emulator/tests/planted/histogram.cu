// Counts how many numbers leave which remainder by four; twos count as zeros. BROKEN 1: the counts may
// be cleared after they were counted. BROKEN 2: may be read before all have counted. BROKEN 3: counts
// without atomic operations.
extern "C" __global__ void run(Run a) {
    __shared__ int counts[4];
    int me = threadIdx.x;
    if (me / 32 == 3 && me % 32 < 4) counts[me % 32] = 0;
#if BROKEN != 1
    __syncthreads();
#endif
    int remainder = (int)a.x[me] % 4;
    int* count = counts + (remainder == 2 ? 0 : remainder);
#if BROKEN == 3
    *count += 1;
#else
    atomicAdd(count, 1);
#endif
#if BROKEN != 2
    __syncthreads();
#endif
    a.y[me] = counts[me % 4];
}
