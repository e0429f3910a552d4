// A warp for each row.

// Rows shorter than this are divided by it (PyTorch's normalize).
#define SHORTEST ((wide)1e-12)

extern "C" __global__ void l2_normalise_forward(
    const real* x, real* y, long long rows, long long width
) {
    if (row() >= rows) return;
    x += row() * width;
    y += row() * width;
    wide length = sqrt(inner(x, x, width));
    wide scale = 1 / (length > SHORTEST ? length : SHORTEST);
    for (long long j = lane(); j < width; j += 32) y[j] = narrow(scale * widen(x[j]));
}

// What of the gradient is across the row, over its length, written over the gradient.
extern "C" __global__ void l2_normalise_backward(
    const real* x, real* gradient, long long rows, long long width
) {
    if (row() >= rows) return;
    x += row() * width;
    gradient += row() * width;
    wide length = sqrt(inner(x, x, width));
    wide scale = 1 / (length > SHORTEST ? length : SHORTEST);
    wide along = length > SHORTEST ? inner(gradient, x, width) * scale * scale : 0;
    for (long long j = lane(); j < width; j += 32) {
        gradient[j] = narrow(scale * (widen(gradient[j]) - along * widen(x[j])));
    }
}
