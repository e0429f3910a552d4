// A warp for each row.

// Rows shorter than this are divided by it (PyTorch's normalize).
#define SHORTEST ((Acc)1e-12)

struct L2NormaliseForward {
    const Real* x;   // [rows, width]
    Real* y;         // [rows, width]
    long long rows, width;
};

extern "C" __global__ void l2_normalise_forward(__grid_constant__ const L2NormaliseForward a) {
    if (row() >= a.rows) return;
    long long width = a.width;
    const Real* x = a.x + row() * width;
    Real* y = a.y + row() * width;
    Acc length = sqrt(inner(x, x, width));
    Acc scale = 1 / (length > SHORTEST ? length : SHORTEST);
    for (long long j = lane(); j < width; j += 32) y[j] = to_real(scale * to_acc(x[j]));
}

struct L2NormaliseBackward {
    const Real* x;    // [rows, width]
    Real* gradient;   // [rows, width], of the result; becomes that of x
    long long rows, width;
};

// The part of the gradient that is orthogonal to the row, over its length.
extern "C" __global__ void l2_normalise_backward(__grid_constant__ const L2NormaliseBackward a) {
    if (row() >= a.rows) return;
    long long width = a.width;
    const Real* x = a.x + row() * width;
    Real* gradient = a.gradient + row() * width;
    Acc length = sqrt(inner(x, x, width));
    Acc scale = 1 / (length > SHORTEST ? length : SHORTEST);
    Acc along = length > SHORTEST ? inner(gradient, x, width) * scale * scale : 0;
    for (long long j = lane(); j < width; j += 32) {
        gradient[j] = to_real(scale * (to_acc(gradient[j]) - along * to_acc(x[j])));
    }
}
