struct SgdStep {
    const Chunk* chunks;           // one for each block
    const double* learning_rate;   // in device memory, since it changes from step to step
    const double* weight_decay;    // likewise
    double momentum;
    long long nesterov;            // whether to look ahead (Nesterov 1983)
};

// The update of all parameters, a block for each chunk of one of them.
extern "C" __global__ void sgd(__grid_constant__ const SgdStep a) {
    Chunk chunk = a.chunks[blockIdx.x];
    Acc *values = chunk.parts[0], *momenta = chunk.parts[1];
    const Acc* gradients = chunk.parts[2];
    Acc rate = (Acc)*a.learning_rate, decay = chunk.mark ? (Acc)*a.weight_decay : 0;
    Acc keep = (Acc)a.momentum;
#pragma unroll 4
    for (long long i = threadIdx.x; i < chunk.count; i += blockDim.x) {
        Acc value = values[i], gradient = gradients[i] + decay * value;
        Acc direction = keep * momenta[i] + gradient;
        momenta[i] = direction;
        values[i] = value - rate * (a.nesterov ? gradient + keep * direction : direction);
    }
}
