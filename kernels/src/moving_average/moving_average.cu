struct MovingAverage {
    const Chunk* chunks;      // one for each block
    const double* momentum;   // in device memory, since it changes from step to step
};

// The averages of all parameters, a block for each chunk of one of them. Products are rounded before
// they are added, as they are on the CPU.
extern "C" __global__ void moving_average(__grid_constant__ const MovingAverage a) {
    Chunk chunk = a.chunks[blockIdx.x];
    Acc* averages = chunk.parts[0];
    const Acc* values = chunk.parts[1];
    Acc keep = (Acc)*a.momentum, take = (Acc)(1 - *a.momentum);
#pragma unroll 4
    for (long long i = threadIdx.x; i < chunk.count; i += blockDim.x) {
#if REAL == 64
        averages[i] = __dadd_rn(__dmul_rn(keep, averages[i]), __dmul_rn(take, values[i]));
#else
        averages[i] = __fadd_rn(__fmul_rn(keep, averages[i]), __fmul_rn(take, values[i]));
#endif
    }
}
