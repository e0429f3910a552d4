// Matrix products, whatever way the matrices lie.

// A row or a column of a matrix in memory; null where there is none.
struct Vector {
    const real* first;
    long long step;
    __device__ wide at(long long k) const { return first ? widen(first[k * step]) : wide(0); }
};

// `_step` is the distance of neighbours along an axis.
struct Matrix {
    const real* first;
    long long rows, columns, row_step, column_step;
    __device__ Vector row(long long i) const {
        return {i < rows ? first + i * row_step : nullptr, column_step};
    }
    __device__ Vector column(long long j) const {
        return {j < columns ? first + j * column_step : nullptr, row_step};
    }
};

// c = a b, to which c itself (where `add`) or `bias` for every row (where there is one) is added.
// a is [rows, inner], b is [inner, columns], c lies row by row.
extern "C" __global__ void matrix_product(
    const real* a, const real* b, const real* bias, real* c, long long rows, long long inner,
    long long columns, long long a_row_step, long long a_column_step, long long b_row_step,
    long long b_column_step, long long add
) {
    Matrix left = {a, rows, inner, a_row_step, a_column_step};
    Matrix right = {b, inner, columns, b_row_step, b_column_step};
    long long first_row = (long long)blockIdx.y * TILE, first_column = (long long)blockIdx.x * TILE;
    wide sums[EACH][EACH];
    tile_product(left, right, first_row, first_column, 0, inner, sums);
    each_sum(sums, first_row, first_column, rows, columns, [&](long long row, long long column, wide& sum) {
        real* out = c + row * columns + column;
        if (add) sum += widen(*out);
        if (bias) sum += widen(bias[column]);
        *out = narrow(sum);
    });
}
