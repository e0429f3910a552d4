// A tile of a matrix product: 64 x 64 sums by a block of 16 x 16 threads, 4 x 4 each, 16 apart, so
// that neighbouring threads read neighbouring columns.
//
// The factors need not be stored as matrices: `left.row(i)` and `right.column(j)` return a type
// with a method `at(k)`. Each thread loads one row and one column of every tile, so that their
// addresses are computed once.

#define TILE 64
#define DEEP 16
#define APART 16
#define EACH (TILE / APART)
#define THREADS (APART * APART)

// The row and the column of this thread's first sum, within the tile.
__device__ __forceinline__ int tile_row() { return threadIdx.x / APART; }
__device__ __forceinline__ int tile_column() { return threadIdx.x % APART; }

// Calls body(row, column, sum) for each of this thread's sums that is within the result.
template <class Body>
__device__ __forceinline__ void each_sum(
    Acc (&sums)[EACH][EACH], long long first_row, long long first_column, long long rows,
    long long columns, Body body
) {
#pragma unroll
    for (int i = 0; i < EACH; i++) {
#pragma unroll
        for (int j = 0; j < EACH; j++) {
            long long row = first_row + tile_row() + i * APART;
            long long column = first_column + tile_column() + j * APART;
            if (row < rows && column < columns) body(row, column, sums[i][j]);
        }
    }
}

// sums = left right over k from `start` to `end`, of the tile that begins at the given row and
// column.
template <class Left, class Right>
__device__ __forceinline__ void tile_product(
    const Left& left, const Right& right, long long first_row, long long first_column,
    long long start, long long end, Acc (&sums)[EACH][EACH]
) {
    __shared__ Acc rows[DEEP][TILE + 1], columns[DEEP][TILE + 1];
    int own = threadIdx.x % TILE;
    auto row = left.row(first_row + own);
    auto column = right.column(first_column + own);
#pragma unroll
    for (int i = 0; i < EACH; i++) {
#pragma unroll
        for (int j = 0; j < EACH; j++) sums[i][j] = 0;
    }
    for (long long first = start; first < end; first += DEEP) {
#pragma unroll
        for (int k = threadIdx.x / TILE; k < DEEP; k += THREADS / TILE) {
            bool within = first + k < end;
            rows[k][own] = within ? row.at(first + k) : Acc(0);
            columns[k][own] = within ? column.at(first + k) : Acc(0);
        }
        __syncthreads();
#pragma unroll
        for (int k = 0; k < DEEP; k++) {
#pragma unroll
            for (int i = 0; i < EACH; i++) {
#pragma unroll
                for (int j = 0; j < EACH; j++) {
                    sums[i][j] +=
                        rows[k][tile_row() + i * APART] * columns[k][tile_column() + j * APART];
                }
            }
        }
        __syncthreads();
    }
}
