// The gradient of the bias: a thread for each column, the rows in order.
extern "C" __global__ void linear_of_bias(
    const real* gradient, real* y, long long rows, long long columns
) {
    long long column = item();
    if (column >= columns) return;
    double sum = 0;
    for (long long row = 0; row < rows; row++) sum += (double)widen(gradient[row * columns + column]);
    y[column] = narrow((wide)sum);
}
