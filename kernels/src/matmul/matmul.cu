struct MatmulBatched {
    const real *a, *b;
    real* c;              // [batch, rows, columns]
    long long batch, rows, inner, columns;
    long long a_row_step, a_column_step, b_row_step, b_column_step;
};

// Products of the matrices of two batches, of any orientation. A block computes a tile of one product,
// or of several where there are more than blocks along z.
extern "C" __global__ void matmul_batched(__grid_constant__ const MatmulBatched args) {
    long long rows = args.rows, inner = args.inner, columns = args.columns;
    long long first_row = (long long)blockIdx.y * TILE, first_column = (long long)blockIdx.x * TILE;
    for (long long index = blockIdx.z; index < args.batch; index += gridDim.z) {
        Factor left = {args.a + index * rows * inner, rows, inner, args.a_row_step, args.a_column_step};
        Factor right = {
            args.b + index * inner * columns, inner, columns, args.b_row_step, args.b_column_step,
        };
        real* out = args.c + index * rows * columns;
        wide sums[EACH][EACH];
        tile_product(left, right, first_row, first_column, 0, inner, sums);
        each_sum(sums, first_row, first_column, rows, columns, [&](long long row, long long column, wide& sum) {
            out[row * columns + column] = narrow(sum);
        });
    }
}
