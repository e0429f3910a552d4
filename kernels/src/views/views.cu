// Views of slices: blocks along y are views, threads along x their pixels. A table says what each view is
// of; the numbers are those of the host's passes (`resample`, `intensity`), in the same order.

#define MOST_TAPS 41

struct View {
    const void* pixels;
    const unsigned char* labels;    // null where there are none
    long long rows, columns, whole; // of the slice; whether pixels are 16-bit numbers, or floats
    double along[3], down[3];       // normalised column and row of the slice, from those of the view
    double scale, offset;
    double noise;                   // deviation; 0 where there is none
    long long low, high, epoch, sample;
    long long tall, wide;           // reach of the blur, below 0 where there is none
    double late;                    // added after the blur
    double contrast;                // 0 where there is none
    long long solarise;
    double threshold, top;
    double tall_weights[MOST_TAPS], wide_weights[MOST_TAPS];
};

// Purpose::Noise of the host's streams.
#define NOISE 3

// A coordinate of the slice, in pixels, of a normalised one of the view. Every operation is rounded by
// itself: a tie between nearest pixels is one on the host too.
__device__ __forceinline__ double source_at(const double (&line)[3], double x, double y, long long extent) {
    double at = __dadd_rn(__dadd_rn(__dmul_rn(line[0], x), __dadd_rn(__dmul_rn(line[1], y), line[2])), 1.0);
    return __dmul_rn(__dadd_rn(__dmul_rn(at, (double)extent), -1.0), 0.5);
}

__device__ __forceinline__ double normalised(long long index, long long count) {
    return __dadd_rn((double)(2 * index + 1) / (double)count, -1.0);
}

// Weights of four taps around a point a fraction t past the second (Keys 1981, a = -0.75).
__device__ __forceinline__ void cubic(float t, float (&weights)[4]) {
    float s = 1.0f - t;
    weights[0] = -0.75f * t * s * s;
    weights[1] = (1.25f * t - 2.25f) * t * t + 1.0f;
    weights[2] = (1.25f * s - 2.25f) * s * s + 1.0f;
    weights[3] = -0.75f * s * t * t;
}

__device__ __forceinline__ float pixel_of(const View& view, int row, int column) {
    if (row < 0 || column < 0 || row >= view.rows || column >= view.columns) return 0;
    long long at = row * view.columns + column;
    if (view.whole) return (float)static_cast<const unsigned short*>(view.pixels)[at];
    return static_cast<const float*>(view.pixels)[at];
}

// A standard normal number for a pixel: pixels come in 64, of which each block of Philox serves four.
__device__ __forceinline__ float noise_of(const View& view, unsigned pixel) {
    unsigned within = pixel % 64, pair = within / 32;
    unsigned block = pixel / 64 * 16 + within % 16;
    Words words = philox(
        {block, NOISE, (unsigned)view.epoch, (unsigned)view.sample}, (unsigned)view.low,
        (unsigned)view.high
    );
    unsigned of_radius = pair ? words.at[2] : words.at[0], of_angle = pair ? words.at[3] : words.at[1];
    float open = ((float)(int)(of_radius >> 9) + 0.5f) * (1.0f / 8388608.0f);
    float radius = sqrtf(-2.0f * logf(open));
    float fraction = (float)(int)((of_angle << 2) >> 9) * (1.0f / 8388608.0f) - 0.5f;
    float sine, cosine;
    sincosf(fraction * 1.57079633f, &sine, &cosine);
    unsigned quadrant = of_angle >> 30;
    float s = quadrant & 1 ? cosine : sine, c = quadrant & 1 ? -sine : cosine;
    if (quadrant & 2) s = -s, c = -c;
    return radius * (within % 32 < 16 ? c : s);
}

// The nearest pixel along an axis, halves to the even one; below 0 outside.
__device__ __forceinline__ long long nearest(double position, long long extent) {
    double last = (double)(extent - 1);
    double rounded = rint(fmin(fmax(position, -1.0), (double)extent));
    return rounded <= last ? (long long)rounded : -1;
}

extern "C" __global__ void views_sample(
    const View* views, float* images, unsigned char* labels, long long rows, long long columns
) {
    const View& view = views[blockIdx.y];
    long long i = item();
    if (i >= rows * columns) return;
    double y = normalised(i / columns, rows), x = normalised(i % columns, columns);
    double row = source_at(view.down, x, y, view.rows), column = source_at(view.along, x, y, view.columns);
    long long to = blockIdx.y * rows * columns + i;
    if (labels) {
        long long r = nearest(row, view.rows), c = nearest(column, view.columns);
        bool there = view.labels && r >= 0 && c >= 0;
        labels[to] = there ? view.labels[r * view.columns + c] : 0;
    }
    row = fmin(fmax(row, -3.0), (double)view.rows + 1);
    column = fmin(fmax(column, -3.0), (double)view.columns + 1);
    int first_row = (int)floor(row), first_column = (int)floor(column);
    float u[4], v[4], sums[4] = {};
    cubic((float)(column - first_column), u);
    cubic((float)(row - first_row), v);
#pragma unroll
    for (int k = 0; k < 4; k++) {
#pragma unroll
        for (int t = 0; t < 4; t++) {
            sums[t] += v[k] * pixel_of(view, first_row + k - 1, first_column + t - 1);
        }
    }
    float value = (sums[0] * u[0] + sums[1] * u[1]) + (sums[2] * u[2] + sums[3] * u[3]);
    value = (float)view.scale * value + (float)view.offset;
    if (view.noise > 0) value += (float)(view.noise * (double)noise_of(view, (unsigned)i));
    images[to] = value;
}

extern "C" __global__ void views_blur_down(
    const View* views, const float* images, float* smoothed, long long rows, long long columns
) {
    const View& view = views[blockIdx.y];
    long long i = item(), row = i / columns, first = blockIdx.y * rows * columns;
    if (view.tall < 0 || i >= rows * columns) return;
    float sum = 0;
    for (long long k = -view.tall; k <= view.tall; k++) {
        if (row + k < 0 || row + k >= rows) continue;
        sum += (float)view.tall_weights[k + view.tall] * images[first + i + k * columns];
    }
    smoothed[first + i] = sum;
}

extern "C" __global__ void views_blur_along(
    const View* views, const float* smoothed, float* images, long long rows, long long columns
) {
    const View& view = views[blockIdx.y];
    long long i = item(), column = i % columns, first = blockIdx.y * rows * columns;
    if (view.tall < 0 || i >= rows * columns) return;
    float sum = 0;
    for (long long k = -view.wide; k <= view.wide; k++) {
        if (column + k < 0 || column + k >= columns) continue;
        sum += (float)view.wide_weights[k + view.wide] * smoothed[first + i + k];
    }
    images[first + i] = sum + (float)view.late;
}

// Least and greatest value of every view that contrast wants: a block for each.
extern "C" __global__ void views_extremes(
    const View* views, const float* images, float* extremes, long long pixels
) {
    __shared__ float partial[32];
    const View& view = views[blockIdx.x];
    if (view.contrast == 0) return;
    const float* image = images + blockIdx.x * pixels;
    float least = image[0], most = image[0];
    for (long long i = threadIdx.x; i < pixels; i += blockDim.x) {
        least = fminf(least, image[i]);
        most = fmaxf(most, image[i]);
    }
    most = block_max_everywhere(most, partial);
    least = -block_max_everywhere(-least, partial);
    if (threadIdx.x > 0) return;
    extremes[2 * blockIdx.x] = least;
    extremes[2 * blockIdx.x + 1] = most;
}

// Contrast and solarisation.
extern "C" __global__ void views_finish(
    const View* views, const float* extremes, float* images, long long pixels
) {
    const View& view = views[blockIdx.y];
    long long i = item();
    if (i >= pixels || (view.contrast == 0 && !view.solarise)) return;
    float value = images[blockIdx.y * pixels + i];
    if (view.contrast != 0) {
        float least = extremes[2 * blockIdx.y], range = extremes[2 * blockIdx.y + 1] - least;
        float share = (value - least) * (1.0f / (range + 1e-7f));
        value = (share > 1.17549435e-38f ? powf(share, (float)view.contrast) : 0.0f) * range + least;
    }
    if (view.solarise && value > (float)view.threshold) value = (float)view.top - value;
    images[blockIdx.y * pixels + i] = value;
}
