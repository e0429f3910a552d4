// A warp for each row.

// Of a row of logits: the greatest, and the sum of the exponentials of all minus it.
struct Normaliser {
    Acc greatest, sum;
};

__device__ __forceinline__ Normaliser normaliser(const Real* x, long long width) {
    Normaliser of_row;
    of_row.greatest = -ACC_INFINITY;
    for (long long j = lane(); j < width; j += 32) {
        Acc value = to_acc(x[j]);
        if (value > of_row.greatest) of_row.greatest = value;
    }
    of_row.greatest = warp_max(of_row.greatest);
    of_row.sum = 0;
    for (long long j = lane(); j < width; j += 32) of_row.sum += exp(to_acc(x[j]) - of_row.greatest);
    of_row.sum = warp_sum(of_row.sum);
    return of_row;
}

struct SoftmaxForward {
    const Real* x;   // [rows, width]
    Real* y;         // [rows, width]
    long long rows, width;
};

extern "C" __global__ void softmax_forward(__grid_constant__ const SoftmaxForward a) {
    if (row() >= a.rows) return;
    long long width = a.width;
    const Real* x = a.x + row() * width;
    Real* y = a.y + row() * width;
    Normaliser of_row = normaliser(x, width);
    for (long long j = lane(); j < width; j += 32) {
        y[j] = to_real(exp(to_acc(x[j]) - of_row.greatest) / of_row.sum);
    }
}

struct SoftmaxBackward {
    const Real* x;    // [rows, width]
    Real* gradient;   // [rows, width], of the result; becomes that of x
    long long rows, width;
};

// p (g - sum p g), written over g; the probabilities p are computed again.
extern "C" __global__ void softmax_backward(__grid_constant__ const SoftmaxBackward a) {
    if (row() >= a.rows) return;
    long long width = a.width;
    const Real* x = a.x + row() * width;
    Real* gradient = a.gradient + row() * width;
    Normaliser of_row = normaliser(x, width);
    Acc inner = 0;
    for (long long j = lane(); j < width; j += 32) {
        inner += exp(to_acc(x[j]) - of_row.greatest) / of_row.sum * to_acc(gradient[j]);
    }
    inner = warp_sum(inner);
    for (long long j = lane(); j < width; j += 32) {
        Acc p = exp(to_acc(x[j]) - of_row.greatest) / of_row.sum;
        gradient[j] = to_real(p * (to_acc(gradient[j]) - inner));
    }
}
