// Copies 256 numbers, by way of shared and of local memory. BROKEN 1: reads one behind the input.
// BROKEN 2: writes one before the output. BROKEN 3: one behind a shared array, 4: one behind the
// dynamic shared memory, 5: one behind a local array.
extern "C" __global__ void run(Run a) {
    __shared__ float fixed[256];
    extern __shared__ float dynamic[];
    float local[4];
    int me = threadIdx.x;
    fixed[me + (BROKEN == 3)] = a.x[me + (BROKEN == 1)];
    __syncthreads();
    dynamic[me + (BROKEN == 4)] = fixed[me];
    __syncthreads();
    for (int i = 0; i < 4 + (BROKEN == 5); i++) local[i] = dynamic[me];
    a.y[me - (BROKEN == 2)] = local[me % 4];
}
