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

struct DinoLossTeacher {
    const real* teacher;         // [2 batch, outputs]
    const real* centre;          // [outputs]
    wide* normalisers;           // [2 batch]
    const double* temperature;   // in device memory, since it changes from step to step
    long long outputs;
};

// The teacher's normalisers: ln Σ e^((x - centre) / temperature) of every row.
extern "C" __global__ void dino_loss_teacher(__grid_constant__ const DinoLossTeacher a) {
    __shared__ wide partial[32];
    const real* x = a.teacher + blockIdx.x * a.outputs;
    wide normaliser = log_sum(x, a.centre, (wide)(1 / *a.temperature), a.outputs, partial);
    if (threadIdx.x == 0) a.normalisers[blockIdx.x] = normaliser;
}

struct DinoLossRows {
    const real* student;                 // [views batch, outputs]
    const real* teacher;                 // [2 batch, outputs]
    const real* centre;                  // [outputs]
    const wide* normalisers;             // [2 batch], by `dino_loss_teacher`
    real* slopes;                        // [views batch, outputs]
    double* losses;                      // [views batch]
    const double* teacher_temperature;   // in device memory, since it changes from step to step
    double student_temperature;
    double each;                         // the weight of each cross entropy
    long long batch, outputs;
};

// The cross entropies of a row of the student with the one or two targets that it is compared with,
// and the derivatives of the loss with respect to it. Rows are view by view, and the first two views
// are the teacher's.
extern "C" __global__ void dino_loss_rows(__grid_constant__ const DinoLossRows a) {
    __shared__ wide partial[32];
    __shared__ double whole[32];
    long long view = blockIdx.x / a.batch, image = blockIdx.x % a.batch;
    const real* x = a.student + blockIdx.x * a.outputs;
    real* slope = a.slopes + blockIdx.x * a.outputs;
    // Every view is compared with both global views, except with itself.
    const real *first = view == 0 ? nullptr : a.teacher + image * a.outputs;
    const real *second = view == 1 ? nullptr : a.teacher + (a.batch + image) * a.outputs;
    wide of_first = a.normalisers[image], of_second = a.normalisers[a.batch + image];
    wide sharpen = (wide)(1 / a.student_temperature), sharpen_teacher = (wide)(1 / *a.teacher_temperature);
    wide normaliser = log_sum(x, nullptr, sharpen, a.outputs, partial);
    wide targets = (first ? 1 : 0) + (second ? 1 : 0), share = (wide)(a.each / a.student_temperature);
    double agreement = 0;
    for (long long k = threadIdx.x; k < a.outputs; k += blockDim.x) {
        wide z = widen(x[k]) * sharpen, middle = widen(a.centre[k]), q = 0;
        if (first) q += exp((widen(first[k]) - middle) * sharpen_teacher - of_first);
        if (second) q += exp((widen(second[k]) - middle) * sharpen_teacher - of_second);
        agreement += (double)q * (double)(z - normaliser);
        slope[k] = narrow((targets * exp(z - normaliser) - q) * share);
    }
    agreement = block_sum(agreement, whole);
    if (threadIdx.x == 0) a.losses[blockIdx.x] = -agreement;
}

struct DinoLossBackward {
    const real* loss_gradient;   // one number
    real* gradient;              // [count], derivatives of the loss; becomes the gradient
    long long count;
};

extern "C" __global__ void dino_loss_backward(__grid_constant__ const DinoLossBackward a) {
    long long i = item();
    if (i < a.count) a.gradient[i] = narrow(widen(*a.loss_gradient) * widen(a.gradient[i]));
}

struct DinoLossCentre {
    real* centre;          // [outputs]
    const real* teacher;   // [rows, outputs]
    double momentum;
    long long rows, outputs;
};

// Moves the centre after a batch, in place; a thread for each output.
extern "C" __global__ void dino_loss_centre(__grid_constant__ const DinoLossCentre a) {
    long long k = item();
    if (k >= a.outputs) return;
    double sum = 0;
    for (long long row = 0; row < a.rows; row++) sum += (double)widen(a.teacher[row * a.outputs + k]);
    double kept = a.momentum * (double)widen(a.centre[k]);
    a.centre[k] = narrow((wide)(kept + (1 - a.momentum) * sum / (double)a.rows));
}
