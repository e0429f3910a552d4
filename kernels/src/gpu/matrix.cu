// Products of matrices that are stored by rows or by columns.

struct MatrixProduct {
    Factor left, right;
    const real* bias;   // one row, may be null
    real* out;
    long long add;      // whether to add to `out`
};

// out = left right, plus `bias` for every row, plus `out` itself where `add` is set.
extern "C" __global__ void matrix_product(__grid_constant__ const MatrixProduct a) {
    long long first_row = (long long)blockIdx.y * TILE, first_column = (long long)blockIdx.x * TILE;
    Factor left = a.left, right = a.right;
    long long rows = left.rows, inner = left.columns, columns = right.columns;
    wide sums[EACH][EACH];
    tile_product(left, right, first_row, first_column, 0, inner, sums);
    each_sum(sums, first_row, first_column, rows, columns, [&](long long row, long long column, wide& sum) {
        real* out = a.out + row * columns + column;
        if (a.add) sum += widen(*out);
        if (a.bias) sum += widen(a.bias[column]);
        *out = narrow(sum);
    });
}
