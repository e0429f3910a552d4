// sum[ROWS][COLUMNS] = a[ROWS][K] b, in tiles of 32 x 32 by four warps, 16 of K at a time, brought by
// cp.async while the tile before is multiplied. b is [COLUMNS][K], or [K][COLUMNS] with B_ROWS.
typedef unsigned short bf16;

const int TILE = 32, STEP = 16;
const int PADDED_STEP = STEP + 8, PADDED_TILE = TILE + 8;   // rows 16 bytes apart from bank to bank
const int B_SIZE = B_ROWS ? STEP * PADDED_TILE : TILE * PADDED_STEP;

struct Product {
    const bf16 *a, *b;
    float* sum;
};

extern "C" __global__ void __launch_bounds__(128) product(Product args) {
    const bf16 *a = args.a, *b = args.b;
    __shared__ __align__(16) bf16 a_tile[2][TILE * PADDED_STEP];
    __shared__ __align__(16) bf16 b_tile[2][B_SIZE];
    int thread = threadIdx.x, lane = thread % 32, warp = thread / 32;
    int row = blockIdx.y * TILE, column = blockIdx.x * TILE;

    // 64 pieces of eight for each of the two; half of the threads bring one, half the other.
    auto bring = [&](int stage, int k) {
        int piece = thread % 64;
        if (thread < 64) {
            int r = piece / 2, c = piece % 2 * 8;
            bool there = row + r < ROWS;
            const bf16* from = a + (there ? (row + r) * K + k + c : 0);
            cp_async_16(&a_tile[stage][r * PADDED_STEP + c], from, there);
        } else if (B_ROWS) {
            int r = piece / 4, c = piece % 4 * 8;
            cp_async_16(&b_tile[stage][r * PADDED_TILE + c], b + (k + r) * COLUMNS + column + c);
        } else {
            int r = piece / 2, c = piece % 2 * 8;
            cp_async_16(&b_tile[stage][r * PADDED_STEP + c], b + (column + r) * K + k + c);
        }
        cp_async_commit();
    };

    // Warps lie two by two; each has 16 rows and two times 8 columns.
    int warp_row = warp / 2 * 16, warp_column = warp % 2 * 16;
    float sums[2][4] = {};
    bring(0, 0);
    for (int k = 0; k < K; k += STEP) {
        int stage = k / STEP % 2;
        if (k + STEP < K) {
            bring(1 - stage, k + STEP);
            cp_async_wait<1>();
        } else {
            cp_async_wait<0>();
        }
        __syncthreads();
        unsigned left[4], right[4];
        ldmatrix_x4(left, &a_tile[stage][(warp_row + lane % 16) * PADDED_STEP + lane / 16 * 8]);
        if (B_ROWS) {
            int c = warp_column + lane / 16 * 8;
            ldmatrix_x4_trans(right, &b_tile[stage][lane % 16 * PADDED_TILE + c]);
        } else {
            int r = warp_column + lane / 16 * 8 + lane % 8;
            ldmatrix_x4(right, &b_tile[stage][r * PADDED_STEP + lane / 8 % 2 * 8]);
        }
        for (int half = 0; half < 2; half++) {
            unsigned pair[2] = {right[2 * half], right[2 * half + 1]};
            mma_bf16(sums[half], left, pair);
        }
        __syncthreads();
    }
    for (int half = 0; half < 2; half++) {
        for (int i = 0; i < 4; i++) {
            int r = row + warp_row + lane / 4 + i / 2 * 8;
            int c = column + warp_column + half * 8 + lane % 4 * 2 + i % 2;
            if (r < ROWS) args.sum[r * COLUMNS + c] = sums[half][i];
        }
    }
}
