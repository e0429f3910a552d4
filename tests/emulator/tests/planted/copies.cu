// Reverses blocks of four numbers, brought by cp.async in two groups. BROKEN 1: does not wait.
// BROKEN 2: waits for the first group only. BROKEN 3: no barrier between the wait and other
// threads' reads. BROKEN 4: to an address that is no multiple of 16.
extern "C" __global__ void run(Run a) {
    extern __shared__ __align__(16) float tile[];
    int me = threadIdx.x;
    for (int half = 0; half < 2; half++) {
        int first = half * 128 + me * 4;
        if (me < 32) cp_async_16(tile + first + (BROKEN == 4), a.x + first);
        cp_async_commit();
    }
#if BROKEN == 2
    cp_async_wait<1>();
#elif BROKEN != 1
    cp_async_wait<0>();
#endif
#if BROKEN != 3
    __syncthreads();
#endif
    a.y[me] = tile[me ^ 3];
}
