struct LinearOfBias {
    const real* gradient;   // [rows, columns]
    real* y;                // [columns]
    long long rows, columns;
};

// The gradient of the bias: a thread for each column, the rows in order.
extern "C" __global__ void linear_of_bias(__grid_constant__ const LinearOfBias a) {
    long long column = item();
    if (column >= a.columns) return;
    double sum = 0;
    for (long long row = 0; row < a.rows; row++) sum += (double)widen(a.gradient[row * a.columns + column]);
    a.y[column] = narrow((wide)sum);
}
