// A warp for each row.

struct WeightNormForward {
    const real* magnitude;   // [rows]
    const real* direction;   // [rows, width]
    real* y;                 // [rows, width]
    long long rows, width;
};

extern "C" __global__ void weight_norm_forward(__grid_constant__ const WeightNormForward a) {
    if (row() >= a.rows) return;
    const real* v = a.direction + row() * a.width;
    wide scale = widen(a.magnitude[row()]) / sqrt(inner(v, v, a.width));
    for (long long j = lane(); j < a.width; j += 32) a.y[row() * a.width + j] = narrow(scale * widen(v[j]));
}

struct WeightNormOfMagnitude {
    const real *gradient, *direction;
    real* y;   // [rows]
    long long rows, width;
};

// The part of the gradient that is along the row.
extern "C" __global__ void weight_norm_of_magnitude(
    __grid_constant__ const WeightNormOfMagnitude a
) {
    if (row() >= a.rows) return;
    const real *g = a.gradient + row() * a.width, *v = a.direction + row() * a.width;
    wide along = inner(g, v, a.width) / sqrt(inner(v, v, a.width));
    if (lane() == 0) a.y[row()] = narrow(along);
}

struct WeightNormOfDirection {
    const real* magnitude;   // [rows]
    const real* direction;
    real* gradient;          // [rows, width], of the weight; becomes that of the direction
    long long rows, width;
};

// The part of the gradient that is orthogonal to the row, times magnitude over length.
extern "C" __global__ void weight_norm_of_direction(
    __grid_constant__ const WeightNormOfDirection a
) {
    if (row() >= a.rows) return;
    const real* v = a.direction + row() * a.width;
    real* g = a.gradient + row() * a.width;
    wide square = inner(v, v, a.width);
    wide along = inner(g, v, a.width) / square;
    wide scale = widen(a.magnitude[row()]) / sqrt(square);
    for (long long j = lane(); j < a.width; j += 32) {
        g[j] = narrow(scale * (widen(g[j]) - along * widen(v[j])));
    }
}
