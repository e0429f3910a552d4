// Matrix products, whatever way the matrices lie.
//
// A block of 16 x 16 threads computes a tile of 64 x 64; each thread has 4 x 4 sums, 16 apart, so
// that neighbouring threads read neighbouring columns.

#define TILE 64
#define DEEP 16
#define APART 16
#define EACH (TILE / APART)

// c = a b, to which c itself (where `add`) or `bias` for every row (where there is one) is added.
// a is [rows, inner], b is [inner, columns]; `_step` is the distance of neighbours along an axis.
extern "C" __global__ void matrix_product(
    const real* a, const real* b, const real* bias, real* c, long long rows, long long inner,
    long long columns, long long a_row_step, long long a_column_step, long long b_row_step,
    long long b_column_step, long long add
) {
    __shared__ wide left[DEEP][TILE + 1], right[DEEP][TILE + 1];
    int thread = threadIdx.x, x = thread % APART, y = thread / APART;
    long long first_row = (long long)blockIdx.y * TILE, first_column = (long long)blockIdx.x * TILE;
    wide sums[EACH][EACH];
#pragma unroll
    for (int i = 0; i < EACH; i++) {
#pragma unroll
        for (int j = 0; j < EACH; j++) sums[i][j] = 0;
    }
    for (long long start = 0; start < inner; start += DEEP) {
        for (int i = thread; i < TILE * DEEP; i += APART * APART) {
            long long k = start + i / TILE, row = first_row + i % TILE, column = first_column + i % TILE;
            bool within = k < inner;
            left[i / TILE][i % TILE] =
                within && row < rows ? widen(a[row * a_row_step + k * a_column_step]) : wide(0);
            right[i / TILE][i % TILE] =
                within && column < columns ? widen(b[k * b_row_step + column * b_column_step]) : wide(0);
        }
        __syncthreads();
#pragma unroll
        for (int k = 0; k < DEEP; k++) {
#pragma unroll
            for (int i = 0; i < EACH; i++) {
#pragma unroll
                for (int j = 0; j < EACH; j++) {
                    sums[i][j] += left[k][y + i * APART] * right[k][x + j * APART];
                }
            }
        }
        __syncthreads();
    }
#pragma unroll
    for (int i = 0; i < EACH; i++) {
#pragma unroll
        for (int j = 0; j < EACH; j++) {
            long long row = first_row + y + i * APART, column = first_column + x + j * APART;
            if (row >= rows || column >= columns) continue;
            real* out = c + row * columns + column;
            wide sum = sums[i][j];
            if (add) sum += widen(*out);
            if (bias) sum += widen(bias[column]);
            *out = narrow(sum);
        }
    }
}
