// Matrices that are multiplied, stored by rows or by columns.

// A row or a column of a matrix in memory; null beyond the last.
struct Vector {
    const Real* first;
    long long step;
    __device__ Acc at(long long k) const { return first ? to_acc(first[k * step]) : Acc(0); }
};

// A step is the distance of neighbours along an axis, in elements.
struct Factor {
    const Real* first;
    long long rows, columns, row_step, column_step;
    __device__ Vector row(long long i) const {
        return {i < rows ? first + i * row_step : nullptr, column_step};
    }
    __device__ Vector column(long long j) const {
        return {j < columns ? first + j * column_step : nullptr, row_step};
    }
};
