// A warp for each row.

extern "C" __global__ void weight_norm_forward(
    const real* magnitude, const real* direction, real* y, long long rows, long long width
) {
    if (row() >= rows) return;
    const real* v = direction + row() * width;
    wide scale = widen(magnitude[row()]) / sqrt(inner(v, v, width));
    for (long long j = lane(); j < width; j += 32) y[row() * width + j] = narrow(scale * widen(v[j]));
}

// What of the gradient is along the row.
extern "C" __global__ void weight_norm_of_magnitude(
    const real* gradient, const real* direction, real* y, long long rows, long long width
) {
    if (row() >= rows) return;
    const real *g = gradient + row() * width, *v = direction + row() * width;
    wide along = inner(g, v, width) / sqrt(inner(v, v, width));
    if (lane() == 0) y[row()] = narrow(along);
}

// What of the gradient is across the row, times magnitude over length, written over the gradient.
extern "C" __global__ void weight_norm_of_direction(
    const real* magnitude, const real* direction, real* gradient, long long rows, long long width
) {
    if (row() >= rows) return;
    const real* v = direction + row() * width;
    real* g = gradient + row() * width;
    wide square = inner(v, v, width);
    wide along = inner(g, v, width) / square;
    wide scale = widen(magnitude[row()]) / sqrt(square);
    for (long long j = lane(); j < width; j += 32) {
        g[j] = narrow(scale * (widen(g[j]) - along * widen(v[j])));
    }
}
