// Doubles every number. BROKEN 1: adds to what the output holds. BROKEN 2: reads shared memory that
// nobody has written. BROKEN 3: leaves one number of the output as it was.
extern "C" __global__ void run(Run a) {
    __shared__ float twice[256];
    int me = threadIdx.x;
    if (BROKEN == 3 && me == 100) return;
    if (BROKEN != 2 || me != 7) twice[me] = 2 * a.x[me];
#if BROKEN == 1
    a.y[me] += twice[me];
#else
    a.y[me] = twice[me];
#endif
}
