// Matrix products of matrices that are stored by rows or by columns.

struct MatrixProduct {
    Factor left, right;
    const Real* bias;   // one row, may be null
    Real* out;
    long long add;      // whether to add to `out`
};

// out = left right, plus `bias` for every row, plus `out` itself where `add` is set.
extern "C" __global__ void matrix_product(__grid_constant__ const MatrixProduct a) {
    long long first_row = (long long)blockIdx.y * TILE, first_column = (long long)blockIdx.x * TILE;
    Factor left = a.left, right = a.right;
    long long rows = left.rows, inner = left.columns, columns = right.columns;
    Acc sums[EACH][EACH];
    tile_product(left, right, first_row, first_column, 0, inner, sums);
    each_sum(sums, first_row, first_column, rows, columns, [&](long long row, long long column, Acc& sum) {
        Real* out = a.out + row * columns + column;
        if (a.add) sum += to_acc(*out);
        if (a.bias) sum += to_acc(a.bias[column]);
        *out = to_real(sum);
    });
}
