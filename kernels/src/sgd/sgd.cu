// The update of all parameters, a block for each chunk of one of them. What changes from step to step
// is read where it lies.
extern "C" __global__ void sgd(
    const Chunk* chunks, const double* learning_rate, const double* weight_decay, double momentum,
    long long nesterov
) {
    Chunk chunk = chunks[blockIdx.x];
    wide *values = chunk.parts[0], *momenta = chunk.parts[1];
    const wide* gradients = chunk.parts[2];
    wide rate = (wide)*learning_rate, decay = chunk.mark ? (wide)*weight_decay : 0;
    wide keep = (wide)momentum;
#pragma unroll 4
    for (long long i = threadIdx.x; i < chunk.count; i += blockDim.x) {
        wide value = values[i], gradient = gradients[i] + decay * value;
        wide direction = keep * momenta[i] + gradient;
        momenta[i] = direction;
        values[i] = value - rate * (nesterov ? gradient + keep * direction : direction);
    }
}
