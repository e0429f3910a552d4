// A warp for each row.

struct WeightNormForward {
    const Real* magnitude;   // [rows]
    const Real* direction;   // [rows, width]
    Real* y;                 // [rows, width]
    long long rows, width;
};

extern "C" __global__ void weight_norm_forward(__grid_constant__ const WeightNormForward a) {
    if (row() >= a.rows) return;
    const Real* v = a.direction + row() * a.width;
    Acc scale = to_acc(a.magnitude[row()]) / sqrt(inner(v, v, a.width));
    for (long long j = lane(); j < a.width; j += 32) a.y[row() * a.width + j] = to_real(scale * to_acc(v[j]));
}

struct WeightNormOfMagnitude {
    const Real *gradient, *direction;
    Real* y;   // [rows]
    long long rows, width;
};

// The part of the gradient that is along the row.
extern "C" __global__ void weight_norm_of_magnitude(
    __grid_constant__ const WeightNormOfMagnitude a
) {
    if (row() >= a.rows) return;
    const Real *g = a.gradient + row() * a.width, *v = a.direction + row() * a.width;
    Acc along = inner(g, v, a.width) / sqrt(inner(v, v, a.width));
    if (lane() == 0) a.y[row()] = to_real(along);
}

struct WeightNormOfDirection {
    const Real* magnitude;   // [rows]
    const Real* direction;
    Real* gradient;          // [rows, width], of the weight; becomes that of the direction
    long long rows, width;
};

// The part of the gradient that is orthogonal to the row, times magnitude over length.
extern "C" __global__ void weight_norm_of_direction(
    __grid_constant__ const WeightNormOfDirection a
) {
    if (row() >= a.rows) return;
    const Real* v = a.direction + row() * a.width;
    Real* g = a.gradient + row() * a.width;
    Acc square = inner(v, v, a.width);
    Acc along = inner(g, v, a.width) / square;
    Acc scale = to_acc(a.magnitude[row()]) / sqrt(square);
    for (long long j = lane(); j < a.width; j += 32) {
        g[j] = to_real(scale * (to_acc(g[j]) - along * to_acc(v[j])));
    }
}
