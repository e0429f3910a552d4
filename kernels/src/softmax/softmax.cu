// A warp for each row.

// Of a row of logits: the greatest, and the sum of the exponentials of all minus it.
struct Normaliser {
    wide greatest, sum;
};

__device__ __forceinline__ Normaliser normaliser(const real* x, long long width) {
    Normaliser of_row;
    of_row.greatest = -INFINITE;
    for (long long j = lane(); j < width; j += 32) {
        wide value = widen(x[j]);
        if (value > of_row.greatest) of_row.greatest = value;
    }
    of_row.greatest = warp_max(of_row.greatest);
    of_row.sum = 0;
    for (long long j = lane(); j < width; j += 32) of_row.sum += exp(widen(x[j]) - of_row.greatest);
    of_row.sum = warp_sum(of_row.sum);
    return of_row;
}

struct SoftmaxForward {
    const real* x;   // [rows, width]
    real* y;         // [rows, width]
    long long rows, width;
};

extern "C" __global__ void softmax_forward(__grid_constant__ const SoftmaxForward a) {
    if (row() >= a.rows) return;
    long long width = a.width;
    const real* x = a.x + row() * width;
    real* y = a.y + row() * width;
    Normaliser of_row = normaliser(x, width);
    for (long long j = lane(); j < width; j += 32) {
        y[j] = narrow(exp(widen(x[j]) - of_row.greatest) / of_row.sum);
    }
}

struct SoftmaxBackward {
    const real* x;    // [rows, width]
    real* gradient;   // [rows, width], of the result; becomes that of x
    long long rows, width;
};

// p (g - sum p g), written over g; the probabilities p are computed again.
extern "C" __global__ void softmax_backward(__grid_constant__ const SoftmaxBackward a) {
    if (row() >= a.rows) return;
    long long width = a.width;
    const real* x = a.x + row() * width;
    real* gradient = a.gradient + row() * width;
    Normaliser of_row = normaliser(x, width);
    wide inner = 0;
    for (long long j = lane(); j < width; j += 32) {
        inner += exp(widen(x[j]) - of_row.greatest) / of_row.sum * widen(gradient[j]);
    }
    inner = warp_sum(inner);
    for (long long j = lane(); j < width; j += 32) {
        wide p = exp(widen(x[j]) - of_row.greatest) / of_row.sum;
        gradient[j] = narrow(p * (widen(gradient[j]) - inner));
    }
}
