struct LinearOfBias {
    const Real* gradient;   // [rows, columns]
    Real* y;                // [columns]
    long long rows, columns;
};

// The gradient of the bias: a thread for each column, the rows in order.
extern "C" __global__ void linear_of_bias(__grid_constant__ const LinearOfBias a) {
    long long column = thread_index();
    if (column >= a.columns) return;
    double sum = 0;
    for (long long row = 0; row < a.rows; row++) sum += (double)to_acc(a.gradient[row * a.columns + column]);
    a.y[column] = to_real((Acc)sum);
}
