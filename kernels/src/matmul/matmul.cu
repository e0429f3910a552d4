// Products of the matrices of two batches.

struct MatmulBatched {
    Factor left, right;   // of the first product
    Real* out;            // [batch, rows, columns]
    long long batch;
};

// A block computes a tile of one product, or of several if the batch has more products than a launch
// has blocks along z.
extern "C" __global__ void matmul_batched(__grid_constant__ const MatmulBatched a) {
    long long first_row = (long long)blockIdx.y * TILE, first_column = (long long)blockIdx.x * TILE;
    long long rows = a.left.rows, inner = a.left.columns, columns = a.right.columns;
    for (long long index = blockIdx.z; index < a.batch; index += gridDim.z) {
        Factor left = a.left, right = a.right;
        left.first += index * rows * inner;
        right.first += index * inner * columns;
        Real* out = a.out + index * rows * columns;
        Acc sums[EACH][EACH];
        tile_product(left, right, first_row, first_column, 0, inner, sums);
        each_sum(sums, first_row, first_column, rows, columns, [&](long long row, long long column, Acc& sum) {
            out[row * columns + column] = to_real(sum);
        });
    }
}
