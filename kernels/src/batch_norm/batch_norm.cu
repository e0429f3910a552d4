// Channels are the last axis. A thread has VECTOR neighbouring channels, which it reads at once, of
// every blockDim.y-th pixel of a span; neighbouring threads have neighbouring channels, then pixels.
// Sums over pixels are taken in spans, then over spans, in an order that extents alone decide.

struct __align__(VECTOR * sizeof(real)) Values {
    real at[VECTOR];
};

// The channels of this thread, and the pixels of this block.
struct Part {
    long long first, start, end, channels;

    __device__ Part(long long span, long long pixels, long long channels)
        : first(((long long)blockIdx.x * blockDim.x + threadIdx.x) * VECTOR),
          start(blockIdx.y * span),
          end(start + span < pixels ? start + span : pixels),
          channels(channels) {}

    __device__ bool there() const { return first < channels; }

    // Calls body(offset of the values) for each of this thread's pixels.
    template <class Body> __device__ __forceinline__ void each(Body body) const {
        if (!there()) return;
#pragma unroll 4
        for (long long pixel = start + threadIdx.y; pixel < end; pixel += blockDim.y) {
            body(pixel * channels + first);
        }
    }

    // This thread's channels of a vector.
    template <class T> __device__ __forceinline__ void load(const T* vector, T (&own)[VECTOR]) const {
#pragma unroll
        for (int i = 0; i < VECTOR; i++) own[i] = there() ? vector[first + i] : T(0);
    }
};

__device__ __forceinline__ Values values_at(const real* data, long long offset) {
    return *reinterpret_cast<const Values*>(data + offset);
}

// Sums over the pixels of a block, written by its first row of threads. BLOCK: its threads.
__device__ __forceinline__ void write_sums(const double (&sums)[VECTOR], double* to, const Part& part) {
    __shared__ double partial[VECTOR][BLOCK];
    int own = threadIdx.y * blockDim.x + threadIdx.x;
#pragma unroll
    for (int i = 0; i < VECTOR; i++) partial[i][own] = sums[i];
    __syncthreads();
    for (int rows = blockDim.y / 2; rows > 0; rows /= 2) {
        if (threadIdx.y < rows) {
#pragma unroll
            for (int i = 0; i < VECTOR; i++) partial[i][own] += partial[i][own + rows * blockDim.x];
        }
        __syncthreads();
    }
    if (threadIdx.y == 0 && part.there()) {
#pragma unroll
        for (int i = 0; i < VECTOR; i++) to[blockIdx.y * part.channels + part.first + i] = partial[i][own];
    }
    __syncthreads();
}

// The sum over spans of a channel: a block of 32 channels by 32 runs of spans. All threads of the
// block call it; the sum is in those of the first run.
__device__ __forceinline__ double sum_of_spans(const double* sums, long long channel, long long spans, long long channels) {
    __shared__ double partial[32][33];
    double sum = 0;
    if (channel < channels) {
#pragma unroll 4
        for (long long span = threadIdx.y; span < spans; span += 32) sum += sums[span * channels + channel];
    }
    partial[threadIdx.y][threadIdx.x] = sum;
    __syncthreads();
    for (int rows = 16; rows > 0; rows /= 2) {
        if (threadIdx.y < rows) {
            partial[threadIdx.y][threadIdx.x] += partial[threadIdx.y + rows][threadIdx.x];
        }
        __syncthreads();
    }
    sum = partial[0][threadIdx.x];
    __syncthreads();
    return sum;
}

// Sums of x, or of its squared distance from `centre` where that is not null.
extern "C" __global__ void __launch_bounds__(BLOCK) batch_norm_measure(
    const real* x, const double* centre, double* sums, long long span, long long pixels,
    long long channels
) {
    Part part(span, pixels, channels);
    double sum[VECTOR] = {}, middle[VECTOR] = {};
    if (centre) part.load(centre, middle);
    part.each([&](long long offset) {
        Values here = values_at(x, offset);
#pragma unroll
        for (int i = 0; i < VECTOR; i++) {
            double value = (double)widen(here.at[i]) - middle[i];
            sum[i] += centre ? value * value : value;
        }
    });
    write_sums(sum, sums, part);
}

// Means over pixels from the sums of spans, in float64 and in what statistics are stored in.
extern "C" __global__ void __launch_bounds__(1024) batch_norm_means(
    const double* sums, double* exact, wide* means, long long spans, long long pixels,
    long long channels
) {
    long long channel = (long long)blockIdx.x * 32 + threadIdx.x;
    double sum = sum_of_spans(sums, channel, spans, channels);
    if (threadIdx.y > 0 || channel >= channels) return;
    exact[channel] = sum / (double)pixels;
    means[channel] = (wide)(sum / (double)pixels);
}

// What normalisation multiplies by: 1 / deviation, and that times gamma.
extern "C" __global__ void batch_norm_scales(
    const wide* variance, const wide* gamma, wide* inverse, wide* scale, double epsilon,
    long long channels
) {
    long long channel = item();
    if (channel >= channels) return;
    double one = 1 / sqrt((double)variance[channel] + epsilon);
    inverse[channel] = (wide)one;
    scale[channel] = (wide)((double)gamma[channel] * one);
}

extern "C" __global__ void __launch_bounds__(BLOCK) batch_norm_apply(
    const real* x, const wide* mean, const wide* scale, const wide* shift, real* y, double slope,
    long long span, long long pixels, long long channels
) {
    Part part(span, pixels, channels);
    wide middle[VECTOR], factor[VECTOR], offset_of[VECTOR];
    part.load(mean, middle);
    part.load(scale, factor);
    part.load(shift, offset_of);
    part.each([&](long long offset) {
        Values here = values_at(x, offset);
#pragma unroll
        for (int i = 0; i < VECTOR; i++) {
            wide value = (widen(here.at[i]) - middle[i]) * factor[i] + offset_of[i];
            here.at[i] = narrow(value > 0 ? value : value * (wide)slope);
        }
        *reinterpret_cast<Values*>(y + offset) = here;
    });
}

// The gradient before the activation.
__device__ __forceinline__ wide inner_gradient(wide gradient, wide distance, wide scale, wide shift, wide slope) {
    return distance * scale + shift > 0 ? gradient : gradient * slope;
}

// Sums of the gradient before the activation, and of it times the distance from the mean.
extern "C" __global__ void __launch_bounds__(BLOCK) batch_norm_gradient_sums(
    const real* x, const wide* mean, const wide* scale, const wide* shift, const real* gradient,
    double* sums, double* products, double slope, long long span, long long pixels,
    long long channels
) {
    Part part(span, pixels, channels);
    wide middle[VECTOR], factor[VECTOR], offset_of[VECTOR];
    part.load(mean, middle);
    part.load(scale, factor);
    part.load(shift, offset_of);
    double sum[VECTOR] = {}, product[VECTOR] = {};
    part.each([&](long long offset) {
        Values here = values_at(x, offset), arriving = values_at(gradient, offset);
#pragma unroll
        for (int i = 0; i < VECTOR; i++) {
            wide distance = widen(here.at[i]) - middle[i];
            wide g = inner_gradient(widen(arriving.at[i]), distance, factor[i], offset_of[i], (wide)slope);
            sum[i] += (double)g;
            product[i] += (double)(g * distance);
        }
    });
    write_sums(sum, sums, part);
    write_sums(product, products, part);
}

// Gradients of beta and gamma from the sums of spans, and what they take from the gradient of x:
// dx = scale g + towards (x - mean) + constant.
extern "C" __global__ void __launch_bounds__(1024) batch_norm_gradient_vectors(
    const double* sums, const double* products, const wide* inverse, const wide* scale, wide* dbeta,
    wide* dgamma, wide* towards, wide* constant, long long spans, double share, long long channels
) {
    long long channel = (long long)blockIdx.x * 32 + threadIdx.x;
    double sum = sum_of_spans(sums, channel, spans, channels);
    double product = sum_of_spans(products, channel, spans, channels);
    if (threadIdx.y > 0 || channel >= channels) return;
    double one = (double)inverse[channel], factor = -(double)scale[channel] * share;
    dbeta[channel] = (wide)sum;
    dgamma[channel] = (wide)(product * one);
    towards[channel] = (wide)(factor * one * product * one);
    constant[channel] = (wide)(factor * sum);
}

// Written over the gradient of the result.
extern "C" __global__ void __launch_bounds__(BLOCK) batch_norm_backward(
    const real* x, const wide* mean, const wide* scale, const wide* shift, const wide* towards,
    const wide* constant, real* gradient, double slope, long long span, long long pixels,
    long long channels
) {
    Part part(span, pixels, channels);
    wide middle[VECTOR], factor[VECTOR], offset_of[VECTOR], slant[VECTOR], level[VECTOR];
    part.load(mean, middle);
    part.load(scale, factor);
    part.load(shift, offset_of);
    part.load(towards, slant);
    part.load(constant, level);
    part.each([&](long long offset) {
        Values here = values_at(x, offset), arriving = values_at(gradient, offset);
#pragma unroll
        for (int i = 0; i < VECTOR; i++) {
            wide distance = widen(here.at[i]) - middle[i];
            wide g = inner_gradient(widen(arriving.at[i]), distance, factor[i], offset_of[i], (wide)slope);
            arriving.at[i] = narrow(g * factor[i] + distance * slant[i] + level[i]);
        }
        *reinterpret_cast<Values*>(gradient + offset) = arriving;
    });
}

// Running statistics moved towards `factor` times those of a batch, in place.
extern "C" __global__ void batch_norm_blend(
    wide* running, const wide* batch, double factor, double momentum, long long channels
) {
    long long channel = item();
    if (channel >= channels) return;
    double newest = factor * (double)batch[channel];
    running[channel] = (wide)((1 - momentum) * (double)running[channel] + momentum * newest);
}
