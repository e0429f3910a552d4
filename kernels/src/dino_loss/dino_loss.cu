// A block for each row of outputs: there may be tens of thousands of them.

// ln Σ e^z over a row, z being (x - centre) / temperature, in every thread; no centre if it is null.
__device__ Acc log_sum(const Real* x, const Real* centre, Acc sharpen, long long width, Acc* partial) {
    Acc greatest = -ACC_INFINITY, sum = 0;
    for (long long k = threadIdx.x; k < width; k += blockDim.x) {
        Acc z = (to_acc(x[k]) - (centre ? to_acc(centre[k]) : Acc(0))) * sharpen;
        if (z > greatest) greatest = z;
    }
    greatest = block_max_everywhere(greatest, partial);
    for (long long k = threadIdx.x; k < width; k += blockDim.x) {
        Acc z = (to_acc(x[k]) - (centre ? to_acc(centre[k]) : Acc(0))) * sharpen;
        sum += exp(z - greatest);
    }
    return greatest + log(block_sum_everywhere(sum, partial));
}

struct DinoLossTeacher {
    const Real* teacher;         // [2 batch, outputs]
    const Real* centre;          // [outputs]
    Acc* normalisers;           // [2 batch]
    const double* temperature;   // in device memory, since it changes from step to step
    long long outputs;
};

// The teacher's normalisers: ln Σ e^((x - centre) / temperature) of every row.
extern "C" __global__ void dino_loss_teacher(__grid_constant__ const DinoLossTeacher a) {
    __shared__ Acc partial[32];
    const Real* x = a.teacher + blockIdx.x * a.outputs;
    Acc normaliser = log_sum(x, a.centre, (Acc)(1 / *a.temperature), a.outputs, partial);
    if (threadIdx.x == 0) a.normalisers[blockIdx.x] = normaliser;
}

struct DinoLossRows {
    const Real* student;                 // [views batch, outputs]
    const Real* teacher;                 // [2 batch, outputs]
    const Real* centre;                  // [outputs]
    const Acc* normalisers;             // [2 batch], by `dino_loss_teacher`
    Real* slopes;                        // [views batch, outputs]
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
    __shared__ Acc partial[32];
    __shared__ double whole[32];
    long long view = blockIdx.x / a.batch, image = blockIdx.x % a.batch;
    const Real* x = a.student + blockIdx.x * a.outputs;
    Real* slope = a.slopes + blockIdx.x * a.outputs;
    // Every view is compared with both global views, except with itself.
    const Real *first = view == 0 ? nullptr : a.teacher + image * a.outputs;
    const Real *second = view == 1 ? nullptr : a.teacher + (a.batch + image) * a.outputs;
    Acc of_first = a.normalisers[image], of_second = a.normalisers[a.batch + image];
    Acc sharpen = (Acc)(1 / a.student_temperature), sharpen_teacher = (Acc)(1 / *a.teacher_temperature);
    Acc normaliser = log_sum(x, nullptr, sharpen, a.outputs, partial);
    Acc targets = (first ? 1 : 0) + (second ? 1 : 0), share = (Acc)(a.each / a.student_temperature);
    double agreement = 0;
    for (long long k = threadIdx.x; k < a.outputs; k += blockDim.x) {
        Acc z = to_acc(x[k]) * sharpen, middle = to_acc(a.centre[k]), q = 0;
        if (first) q += exp((to_acc(first[k]) - middle) * sharpen_teacher - of_first);
        if (second) q += exp((to_acc(second[k]) - middle) * sharpen_teacher - of_second);
        agreement += (double)q * (double)(z - normaliser);
        slope[k] = to_real((targets * exp(z - normaliser) - q) * share);
    }
    agreement = block_sum(agreement, whole);
    if (threadIdx.x == 0) a.losses[blockIdx.x] = -agreement;
}

struct DinoLossBackward {
    const Real* loss_gradient;   // one number
    Real* gradient;              // [count], derivatives of the loss; becomes the gradient
    long long count;
};

extern "C" __global__ void dino_loss_backward(__grid_constant__ const DinoLossBackward a) {
    long long i = thread_index();
    if (i < a.count) a.gradient[i] = to_real(to_acc(*a.loss_gradient) * to_acc(a.gradient[i]));
}

struct DinoLossCentre {
    Real* centre;          // [outputs]
    const Real* teacher;   // [rows, outputs]
    double momentum;
    long long rows, outputs;
};

// Moves the centre after a batch, in place; a thread for each output.
extern "C" __global__ void dino_loss_centre(__grid_constant__ const DinoLossCentre a) {
    long long k = thread_index();
    if (k >= a.outputs) return;
    double sum = 0;
    for (long long row = 0; row < a.rows; row++) sum += (double)to_acc(a.teacher[row * a.outputs + k]);
    double kept = a.momentum * (double)to_acc(a.centre[k]);
    a.centre[k] = to_real((Acc)(kept + (1 - a.momentum) * sum / (double)a.rows));
}
