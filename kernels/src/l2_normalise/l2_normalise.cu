// A warp for each row.

// Rows shorter than this are divided by it (PyTorch's normalize).
#define SHORTEST ((wide)1e-12)

struct L2NormaliseForward {
    const real* x;   // [rows, width]
    real* y;         // [rows, width]
    long long rows, width;
};

extern "C" __global__ void l2_normalise_forward(__grid_constant__ const L2NormaliseForward a) {
    if (row() >= a.rows) return;
    long long width = a.width;
    const real* x = a.x + row() * width;
    real* y = a.y + row() * width;
    wide length = sqrt(inner(x, x, width));
    wide scale = 1 / (length > SHORTEST ? length : SHORTEST);
    for (long long j = lane(); j < width; j += 32) y[j] = narrow(scale * widen(x[j]));
}

struct L2NormaliseBackward {
    const real* x;    // [rows, width]
    real* gradient;   // [rows, width], of the result; becomes that of x
    long long rows, width;
};

// The part of the gradient that is orthogonal to the row, over its length.
extern "C" __global__ void l2_normalise_backward(__grid_constant__ const L2NormaliseBackward a) {
    if (row() >= a.rows) return;
    long long width = a.width;
    const real* x = a.x + row() * width;
    real* gradient = a.gradient + row() * width;
    wide length = sqrt(inner(x, x, width));
    wide scale = 1 / (length > SHORTEST ? length : SHORTEST);
    wide along = length > SHORTEST ? inner(gradient, x, width) * scale * scale : 0;
    for (long long j = lane(); j < width; j += 32) {
        gradient[j] = narrow(scale * (widen(gradient[j]) - along * widen(x[j])));
    }
}
