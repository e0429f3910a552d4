// Channels are the last axis. A thread has VECTOR neighbouring channels, which it reads at once, of
// every blockDim.y-th pixel of a span; neighbouring threads have neighbouring channels, then pixels.
// Sums over pixels are taken in spans, then over spans, in an order that extents alone decide.

struct __align__(VECTOR * sizeof(Real)) Values {
    Real at[VECTOR];
};

// The channels of this thread, and the pixels of this block.
struct Part {
    long long first, start, end, channels;

    template <class Arguments>
    __device__ explicit Part(const Arguments& a)
        : first(((long long)blockIdx.x * blockDim.x + threadIdx.x) * VECTOR),
          start(blockIdx.y * a.span),
          end(start + a.span < a.pixels ? start + a.span : a.pixels),
          channels(a.channels) {}

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

__device__ __forceinline__ Values values_at(const Real* data, long long offset) {
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
__device__ __forceinline__ double sum_of_spans(
    const double* sums, long long channel, long long spans, long long channels
) {
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

struct BatchNormMeasure {
    const Real* x;          // [pixels, channels]
    const double* centre;   // [channels], may be null
    double* sums;           // [spans, channels]
    long long span;         // pixels of a span
    long long pixels, channels;
};

// Sums of x, or of its squared distance from `centre` where that is not null.
extern "C" __global__ void __launch_bounds__(BLOCK) batch_norm_measure(
    __grid_constant__ const BatchNormMeasure a
) {
    Part part(a);
    double sum[VECTOR] = {}, middle[VECTOR] = {};
    if (a.centre) part.load(a.centre, middle);
    part.each([&](long long offset) {
        Values here = values_at(a.x, offset);
#pragma unroll
        for (int i = 0; i < VECTOR; i++) {
            double value = (double)to_acc(here.at[i]) - middle[i];
            sum[i] += a.centre ? value * value : value;
        }
    });
    write_sums(sum, a.sums, part);
}

struct BatchNormMeans {
    const double* sums;   // [spans, channels]
    double* exact;        // [channels]
    Acc* means;          // [channels]
    long long spans, pixels, channels;
};

// Means over pixels from the sums of spans, in float64 and in what statistics are stored in.
extern "C" __global__ void __launch_bounds__(1024) batch_norm_means(
    __grid_constant__ const BatchNormMeans a
) {
    long long channel = (long long)blockIdx.x * 32 + threadIdx.x;
    double sum = sum_of_spans(a.sums, channel, a.spans, a.channels);
    if (threadIdx.y > 0 || channel >= a.channels) return;
    a.exact[channel] = sum / (double)a.pixels;
    a.means[channel] = (Acc)(sum / (double)a.pixels);
}

struct BatchNormScales {
    const Acc *variance, *gamma;
    Acc *inverse, *scale;
    double epsilon;
    long long channels;
};

// What normalisation multiplies by: 1 / standard deviation, and that times gamma.
extern "C" __global__ void batch_norm_scales(__grid_constant__ const BatchNormScales a) {
    long long channel = thread_index();
    if (channel >= a.channels) return;
    double one = 1 / sqrt((double)a.variance[channel] + a.epsilon);
    a.inverse[channel] = (Acc)one;
    a.scale[channel] = (Acc)((double)a.gamma[channel] * one);
}

struct BatchNormApply {
    const Real* x;   // [pixels, channels]
    const Acc *mean, *scale, *shift;
    Real* y;         // [pixels, channels]
    double slope;
    long long span, pixels, channels;
};

extern "C" __global__ void __launch_bounds__(BLOCK) batch_norm_apply(
    __grid_constant__ const BatchNormApply a
) {
    Part part(a);
    Acc middle[VECTOR], factor[VECTOR], offset_of[VECTOR];
    part.load(a.mean, middle);
    part.load(a.scale, factor);
    part.load(a.shift, offset_of);
    part.each([&](long long offset) {
        Values here = values_at(a.x, offset);
#pragma unroll
        for (int i = 0; i < VECTOR; i++) {
            Acc value = (to_acc(here.at[i]) - middle[i]) * factor[i] + offset_of[i];
            here.at[i] = to_real(value > 0 ? value : value * (Acc)a.slope);
        }
        *reinterpret_cast<Values*>(a.y + offset) = here;
    });
}

// The gradient before the activation.
__device__ __forceinline__ Acc inner_gradient(
    Acc gradient, Acc distance, Acc scale, Acc shift, Acc slope
) {
    return distance * scale + shift > 0 ? gradient : gradient * slope;
}

struct BatchNormGradientSums {
    const Real* x;          // [pixels, channels]
    const Acc *mean, *scale, *shift;
    const Real* gradient;   // [pixels, channels]
    double *sums, *products;
    double slope;
    long long span, pixels, channels;
};

// Sums of the gradient before the activation, and of it times the distance from the mean.
extern "C" __global__ void __launch_bounds__(BLOCK) batch_norm_gradient_sums(
    __grid_constant__ const BatchNormGradientSums a
) {
    Part part(a);
    Acc middle[VECTOR], factor[VECTOR], offset_of[VECTOR];
    part.load(a.mean, middle);
    part.load(a.scale, factor);
    part.load(a.shift, offset_of);
    double sum[VECTOR] = {}, product[VECTOR] = {};
    part.each([&](long long offset) {
        Values here = values_at(a.x, offset), incoming = values_at(a.gradient, offset);
#pragma unroll
        for (int i = 0; i < VECTOR; i++) {
            Acc distance = to_acc(here.at[i]) - middle[i];
            Acc g = inner_gradient(to_acc(incoming.at[i]), distance, factor[i], offset_of[i], (Acc)a.slope);
            sum[i] += (double)g;
            product[i] += (double)(g * distance);
        }
    });
    write_sums(sum, a.sums, part);
    write_sums(product, a.products, part);
}

struct BatchNormGradientVectors {
    const double *sums, *products;
    const Acc *inverse, *scale;
    Acc *dbeta, *dgamma, *towards, *constant;
    long long spans;
    double share;   // 1 / pixels; 0 for running statistics
    long long channels;
};

// Gradients of beta and gamma from the sums of spans, and what they take from the gradient of x:
// dx = scale g + towards (x - mean) + constant.
extern "C" __global__ void __launch_bounds__(1024) batch_norm_gradient_vectors(
    __grid_constant__ const BatchNormGradientVectors a
) {
    long long channel = (long long)blockIdx.x * 32 + threadIdx.x;
    double sum = sum_of_spans(a.sums, channel, a.spans, a.channels);
    double product = sum_of_spans(a.products, channel, a.spans, a.channels);
    if (threadIdx.y > 0 || channel >= a.channels) return;
    double one = (double)a.inverse[channel], factor = -(double)a.scale[channel] * a.share;
    a.dbeta[channel] = (Acc)sum;
    a.dgamma[channel] = (Acc)(product * one);
    a.towards[channel] = (Acc)(factor * one * product * one);
    a.constant[channel] = (Acc)(factor * sum);
}

struct BatchNormBackward {
    const Real* x;    // [pixels, channels]
    const Acc *mean, *scale, *shift, *towards, *constant;
    Real* gradient;   // [pixels, channels], of the result; becomes that of x
    double slope;
    long long span, pixels, channels;
};

extern "C" __global__ void __launch_bounds__(BLOCK) batch_norm_backward(
    __grid_constant__ const BatchNormBackward a
) {
    Part part(a);
    Acc middle[VECTOR], factor[VECTOR], offset_of[VECTOR], slant[VECTOR], level[VECTOR];
    part.load(a.mean, middle);
    part.load(a.scale, factor);
    part.load(a.shift, offset_of);
    part.load(a.towards, slant);
    part.load(a.constant, level);
    part.each([&](long long offset) {
        Values here = values_at(a.x, offset), incoming = values_at(a.gradient, offset);
#pragma unroll
        for (int i = 0; i < VECTOR; i++) {
            Acc distance = to_acc(here.at[i]) - middle[i];
            Acc g = inner_gradient(to_acc(incoming.at[i]), distance, factor[i], offset_of[i], (Acc)a.slope);
            incoming.at[i] = to_real(g * factor[i] + distance * slant[i] + level[i]);
        }
        *reinterpret_cast<Values*>(a.gradient + offset) = incoming;
    });
}

struct BatchNormBlend {
    Acc* running;
    const Acc* batch;
    double factor, momentum;
    long long channels;
};

// Running statistics moved towards `factor` times those of a batch, in place.
extern "C" __global__ void batch_norm_blend(__grid_constant__ const BatchNormBlend a) {
    long long channel = thread_index();
    if (channel >= a.channels) return;
    double newest = a.factor * (double)a.batch[channel];
    a.running[channel] = (Acc)((1 - a.momentum) * (double)a.running[channel] + a.momentum * newest);
}
