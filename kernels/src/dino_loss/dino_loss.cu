// A block for each row of outputs: there may be tens of thousands of them.

// ln Σ e^z over a row, z being (x - centre) / temperature, in every thread; no centre if it is null.
__device__ wide log_sum(const real* x, const real* centre, wide sharpen, long long width, wide* partial) {
    wide greatest = -INFINITE, sum = 0;
    for (long long k = threadIdx.x; k < width; k += blockDim.x) {
        wide z = (widen(x[k]) - (centre ? widen(centre[k]) : wide(0))) * sharpen;
        if (z > greatest) greatest = z;
    }
    greatest = block_max_everywhere(greatest, partial);
    for (long long k = threadIdx.x; k < width; k += blockDim.x) {
        wide z = (widen(x[k]) - (centre ? widen(centre[k]) : wide(0))) * sharpen;
        sum += exp(z - greatest);
    }
    return greatest + log(block_sum_everywhere(sum, partial));
}

// The teacher's normalisers: ln Σ e^((x - centre) / temperature) of every row.
extern "C" __global__ void dino_loss_teacher(
    const real* teacher, const real* centre, wide* normalisers, const double* temperature,
    long long width
) {
    __shared__ wide partial[32];
    const real* x = teacher + blockIdx.x * width;
    wide normaliser = log_sum(x, centre, (wide)(1 / *temperature), width, partial);
    if (threadIdx.x == 0) normalisers[blockIdx.x] = normaliser;
}

// The cross entropies of a row of the student with the one or two targets that it is held against,
// and the derivatives of the loss with respect to it. Rows are view by view, and the first two views
// are the teacher's.
extern "C" __global__ void dino_loss_rows(
    const real* student, const real* teacher, const real* centre, const wide* normalisers,
    real* slopes, double* losses, const double* teacher_temperature, double student_temperature,
    double each, long long batch, long long width
) {
    __shared__ wide partial[32];
    __shared__ double whole[32];
    long long view = blockIdx.x / batch, image = blockIdx.x % batch;
    const real* x = student + blockIdx.x * width;
    real* slope = slopes + blockIdx.x * width;
    // Every view is held against both global views but itself.
    const real *first = view == 0 ? nullptr : teacher + image * width;
    const real *second = view == 1 ? nullptr : teacher + (batch + image) * width;
    wide of_first = normalisers[image], of_second = normalisers[batch + image];
    wide sharpen = (wide)(1 / student_temperature), sharpen_teacher = (wide)(1 / *teacher_temperature);
    wide normaliser = log_sum(x, nullptr, sharpen, width, partial);
    wide targets = (first ? 1 : 0) + (second ? 1 : 0), share = (wide)(each / student_temperature);
    double agreement = 0;
    for (long long k = threadIdx.x; k < width; k += blockDim.x) {
        wide z = widen(x[k]) * sharpen, middle = widen(centre[k]), q = 0;
        if (first) q += exp((widen(first[k]) - middle) * sharpen_teacher - of_first);
        if (second) q += exp((widen(second[k]) - middle) * sharpen_teacher - of_second);
        agreement += (double)q * (double)(z - normaliser);
        slope[k] = narrow((targets * exp(z - normaliser) - q) * share);
    }
    agreement = block_sum(agreement, whole);
    if (threadIdx.x == 0) losses[blockIdx.x] = -agreement;
}

// Written over the derivatives.
extern "C" __global__ void dino_loss_backward(const real* gradient, real* slopes, long long count) {
    long long i = item();
    if (i < count) slopes[i] = narrow(widen(*gradient) * widen(slopes[i]));
}

// Moves the centre after a batch, in place; a thread for each output.
extern "C" __global__ void dino_loss_centre(
    real* centre, const real* teacher, double momentum, long long rows, long long width
) {
    long long k = item();
    if (k >= width) return;
    double sum = 0;
    for (long long row = 0; row < rows; row++) sum += (double)widen(teacher[row * width + k]);
    centre[k] = narrow((wide)(momentum * (double)widen(centre[k]) + (1 - momentum) * sum / (double)rows));
}
