// Channels are the last axis, so that neighbouring threads read neighbouring channels. Sums over
// pixels are taken in spans, a block of 32 channels by 8 pixels for each, then over spans in order.

#define ACROSS 32
#define DOWN 8

// The channel of this thread, and the span of this block.
#define SPAN_OF_CHANNEL                                                                             \
    long long channel = (long long)blockIdx.x * ACROSS + threadIdx.x;                               \
    long long start = blockIdx.y * span;                                                            \
    long long end = start + span < pixels ? start + span : pixels;

// The sum over the pixels of a block, written by its first row of threads.
__device__ void write_sum(double sum, double* to, bool there) {
    __shared__ double parts[DOWN][ACROSS];
    parts[threadIdx.y][threadIdx.x] = sum;
    __syncthreads();
    if (threadIdx.y == 0 && there) {
        for (int i = 1; i < DOWN; i++) sum += parts[i][threadIdx.x];
        *to = sum;
    }
    __syncthreads();
}

// Sums of x, or of its squared distance from `centre` where that is not null.
extern "C" __global__ void batch_norm_measure(
    const real* x, const double* centre, double* sums, long long span, long long pixels,
    long long channels
) {
    SPAN_OF_CHANNEL
    bool there = channel < channels;
    double sum = 0, middle = there && centre ? centre[channel] : 0;
    for (long long pixel = start + threadIdx.y; there && pixel < end; pixel += DOWN) {
        double value = (double)widen(x[pixel * channels + channel]) - middle;
        sum += centre ? value * value : value;
    }
    write_sum(sum, sums + blockIdx.y * channels + channel, there);
}

// Means over pixels from the sums of spans, in float64 and in what tensors hold.
extern "C" __global__ void batch_norm_means(
    const double* sums, double* wide_means, real* means, long long spans, long long pixels,
    long long channels
) {
    long long channel = item();
    if (channel >= channels) return;
    double sum = 0;
    for (long long span = 0; span < spans; span++) sum += sums[span * channels + channel];
    wide_means[channel] = sum / (double)pixels;
    means[channel] = narrow((wide)(sum / (double)pixels));
}

// What normalisation multiplies by: 1 / deviation, and that times gamma.
extern "C" __global__ void batch_norm_scales(
    const real* variance, const real* gamma, real* inverse, real* scale, double epsilon,
    long long channels
) {
    long long channel = item();
    if (channel >= channels) return;
    double one = 1 / sqrt((double)widen(variance[channel]) + epsilon);
    inverse[channel] = narrow((wide)one);
    scale[channel] = narrow((wide)((double)widen(gamma[channel]) * one));
}

extern "C" __global__ void batch_norm_apply(
    const real* x, const real* mean, const real* scale, const real* shift, real* y, double slope,
    long long count, long long channels
) {
    long long i = item(), channel = i % channels;
    if (i >= count) return;
    wide value = (widen(x[i]) - widen(mean[channel])) * widen(scale[channel]) + widen(shift[channel]);
    y[i] = narrow(value > 0 ? value : value * (wide)slope);
}

// The gradient before the activation.
__device__ __forceinline__ wide inner_gradient(wide gradient, wide distance, wide scale, wide shift, wide slope) {
    return distance * scale + shift > 0 ? gradient : gradient * slope;
}

// Sums of the gradient before the activation, and of it times the distance from the mean.
extern "C" __global__ void batch_norm_gradient_sums(
    const real* x, const real* mean, const real* scale, const real* shift, const real* gradient,
    double* sums, double* products, double slope, long long span, long long pixels,
    long long channels
) {
    SPAN_OF_CHANNEL
    bool there = channel < channels;
    double sum = 0, product = 0;
    for (long long pixel = start + threadIdx.y; there && pixel < end; pixel += DOWN) {
        long long i = pixel * channels + channel;
        wide distance = widen(x[i]) - widen(mean[channel]);
        wide g = inner_gradient(
            widen(gradient[i]), distance, widen(scale[channel]), widen(shift[channel]), (wide)slope
        );
        sum += (double)g;
        product += (double)(g * distance);
    }
    write_sum(sum, sums + blockIdx.y * channels + channel, there);
    write_sum(product, products + blockIdx.y * channels + channel, there);
}

// Gradients of beta and gamma from the sums of spans, and what they take from the gradient of x:
// dx = scale g + towards (x - mean) + constant.
extern "C" __global__ void batch_norm_gradient_vectors(
    const double* sums, const double* products, const real* inverse, const real* scale, real* dbeta,
    real* dgamma, real* towards, real* constant, long long spans, double share, long long channels
) {
    long long channel = item();
    if (channel >= channels) return;
    double sum = 0, product = 0;
    for (long long span = 0; span < spans; span++) {
        sum += sums[span * channels + channel];
        product += products[span * channels + channel];
    }
    double one = (double)widen(inverse[channel]), factor = -(double)widen(scale[channel]) * share;
    dbeta[channel] = narrow((wide)sum);
    dgamma[channel] = narrow((wide)(product * one));
    towards[channel] = narrow((wide)(factor * one * product * one));
    constant[channel] = narrow((wide)(factor * sum));
}

// Written over the gradient of the result.
extern "C" __global__ void batch_norm_backward(
    const real* x, const real* mean, const real* scale, const real* shift, const real* towards,
    const real* constant, real* gradient, double slope, long long count, long long channels
) {
    long long i = item(), channel = i % channels;
    if (i >= count) return;
    wide distance = widen(x[i]) - widen(mean[channel]), factor = widen(scale[channel]);
    wide g = inner_gradient(widen(gradient[i]), distance, factor, widen(shift[channel]), (wide)slope);
    gradient[i] = narrow(g * factor + distance * widen(towards[channel]) + widen(constant[channel]));
}

// Running statistics moved towards `factor` times those of a batch, in place.
extern "C" __global__ void batch_norm_blend(
    real* running, const real* batch, double factor, double momentum, long long channels
) {
    long long channel = item();
    if (channel >= channels) return;
    double newest = factor * (double)widen(batch[channel]);
    double kept = (1 - momentum) * (double)widen(running[channel]);
    running[channel] = narrow((wide)(kept + momentum * newest));
}
