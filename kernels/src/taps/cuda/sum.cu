// Sums over taps on tensor cores: an implicit matrix product of pixels by output channels, over taps
// and input channels.
//
// A block computes a tile of ROWS pixels by COLUMNS channels. Input channels come CHUNK at a time: the
// patch that all taps of the tile read, once, and the weights of all taps. While a chunk is multiplied
// the next is on its way; normalisation and activation are applied to it where it lies, by the thread
// that brought it. A warp has 64 pixels by WIDE channels of the tile.

#define ROWS ((int)(64 * WARPS_DOWN))
#define ACROSS ((int)WIDE)
#define COLUMNS ((int)(WIDE * WARPS_ACROSS))
#define THREADS ((int)(32 * WARPS_DOWN * WARPS_ACROSS))
#define TAPS (SIDE * SIDE)
#define DEEP ((int)CHUNK)
#define PIXEL (DEEP + EIGHT)         // elements from pixel to pixel of a patch
#define WEIGHTS (COLUMNS + EIGHT)    // and from row to row of the weights
#define PARTS (DEEP / EIGHT)         // copies of a pixel

// Weights as blocks read them: [columns / COLUMNS, chunks, taps, CHUNK, COLUMNS], zeros where there are
// none. Chunks of the second input follow those of the first. A block for each tap of a chunk, which
// reads along whichever axis lies in memory one after another, and turns what it read if need be.
extern "C" __global__ void __launch_bounds__(THREADS) taps_pack(
    const wide* weights, real* packed, long long tap_step, long long input_step,
    long long output_step, long long first_channels, long long second_channels, long long outputs
) {
    __shared__ wide turned[DEEP][COLUMNS + 1];
    int of_first = ((int)first_channels + DEEP - 1) / DEEP;
    int chunks = of_first + ((int)second_channels + DEEP - 1) / DEEP;
    int tap = blockIdx.x % TAPS, chunk = blockIdx.x / TAPS % chunks;
    int first_column = blockIdx.x / TAPS / chunks * COLUMNS;
    int first_channel = (chunk < of_first ? chunk : chunk - of_first) * DEEP;
    int channels = (int)(chunk < of_first ? first_channels : second_channels);
    weights += tap * tap_step + (chunk < of_first ? 0 : first_channels) * input_step;
    bool across = output_step == 1;
    for (int i = threadIdx.x; i < DEEP * COLUMNS; i += THREADS) {
        int k = across ? i / COLUMNS : i % DEEP, column = across ? i % COLUMNS : i / DEEP;
        bool there = first_channel + k < channels && first_column + column < outputs;
        long long at = (first_channel + k) * input_step + (first_column + column) * output_step;
        turned[k][column] = there ? weights[at] : 0;
    }
    __syncthreads();
    unsigned* to = reinterpret_cast<unsigned*>(packed + (long long)blockIdx.x * DEEP * COLUMNS);
    for (int i = threadIdx.x; i < DEEP * COLUMNS / 2; i += THREADS) {
        int k = i / (COLUMNS / 2), column = i % (COLUMNS / 2) * 2;
        to[i] = pack_bf16(turned[k][column], turned[k][column + 1]);
    }
}

// Mean and sum of squared distances from it of the tile's channels, over the pixels that there are
// (`targets` not below 0); returns how many those are. Two passes over the results, so that a mean far
// from zero costs no digits.
__device__ __forceinline__ double measure(
    const real* results, const int* targets, float* partial, double* means, double* squares,
    int columns
) {
    const int pairs = COLUMNS / 2, runs = THREADS / pairs;
    int pair = threadIdx.x % pairs, run = threadIdx.x / pairs;
    float centre[2] = {0, 0};
    double all = 0;
    for (int pass = 0; pass < 2; pass++) {
        float sum[2] = {0, 0}, there = 0;
        for (int row = run; row < ROWS; row += runs) {
            if (targets[row] < 0) continue;
            unsigned both = *reinterpret_cast<const unsigned*>(results + row * WEIGHTS + 2 * pair);
            float low = __uint_as_float(both << 16) - centre[0];
            float high = __uint_as_float(both & 0xffff0000u) - centre[1];
            sum[0] += pass ? low * low : low;
            sum[1] += pass ? high * high : high;
            there += 1;
        }
        float* own = partial + (run * pairs + pair) * 3;
        own[0] = sum[0];
        own[1] = sum[1];
        own[2] = there;
        __syncthreads();
        double total[2] = {0, 0};
        all = 0;
        for (int other = 0; other < runs; other++) {
            const float* from = partial + (other * pairs + pair) * 3;
            total[0] += from[0];
            total[1] += from[1];
            all += from[2];
        }
        __syncthreads();
        for (int i = 0; i < 2; i++) {
            if (!pass) centre[i] = (float)(total[i] / all);
            if (run > 0 || 2 * pair + i >= columns) continue;
            if (pass) squares[2 * pair + i] = total[i];
            else means[2 * pair + i] = centre[i];
        }
    }
    return all;
}

extern "C" __global__ void __launch_bounds__(THREADS) taps_sum(
    const real* first_data, const wide* first_mean, const wide* first_scale, const wide* first_shift,
    long long first_channels, double first_slope, const real* second_data, const wide* second_mean,
    const wide* second_scale, const wide* second_shift, long long second_channels,
    double second_slope, const real* packed, const wide* bias, real* y, double* means,
    double* squares, double* counts, long long batch, long long rows, long long columns,
    long long out_rows, long long out_columns, long long outputs, long long tile_rows,
    long long tile_columns
) {
    extern __shared__ __align__(16) unsigned char memory[];
    Source first = {
        first_data, first_mean, first_scale, first_shift, (int)first_channels, (wide)first_slope,
    };
    Source second = {
        second_data, second_mean, second_scale, second_shift, (int)second_channels, (wide)second_slope,
    };
    Tiling tiling(
        batch, rows, columns, (out_rows + SPREAD - 1) / SPREAD, (out_columns + SPREAD - 1) / SPREAD,
        tile_rows, tile_columns, ROWS
    );
    Tiling::Corner corner = tiling.corner(blockIdx.x);
    int class_row = blockIdx.z / SPREAD, class_column = blockIdx.z % SPREAD;
    int patch = tiling.patch(), first_column = blockIdx.y * COLUMNS;

    // Which pixels are read and written; then two patches and twice the weights, or the results.
    int* places = reinterpret_cast<int*>(memory);
    int* targets = places + patch;
    int tables = (patch + ROWS + 3) / 4 * 4;
    real* buffers = reinterpret_cast<real*>(memory + tables * sizeof(int));
    int stage_size = patch * PIXEL + TAPS * DEEP * WEIGHTS;

    for (int i = threadIdx.x; i < patch; i += THREADS) {
        places[i] = tiling.pixel(corner, tiling.read(i));
    }
    for (int i = threadIdx.x; i < ROWS; i += THREADS) {
        Tiling::Corner at = tiling.cell(i);
        int image = corner.image + at.image;
        int row = (corner.row + at.row) * SPREAD + class_row;
        int column = (corner.column + at.column) * SPREAD + class_column;
        bool there = image < tiling.batch && row < out_rows && column < out_columns;
        targets[i] = there ? (image * (int)out_rows + row) * (int)out_columns + column : -1;
    }
    __syncthreads();

    // The taps of this class: every so-manieth row and column of the kernel.
#if TRANSPOSED
    int tap_row = (class_row + PAD) % APART, tap_column = (class_column + PAD) % APART;
    int taps_down = (SIDE - tap_row + APART - 1) / APART;
    int taps_across = (SIDE - tap_column + APART - 1) / APART;
#else
    const int taps_down = SIDE, taps_across = SIDE;
#endif
    // Tap (i, j) of the class: its weights, and how far from the cell's first read it reads.
    auto tap = [&](int i, int j) {
#if TRANSPOSED
        return (tap_row + i * APART) * SIDE + tap_column + j * APART;
#else
        return i * SIDE + j;
#endif
    };
    auto read = [&](int i, int j) {
#if TRANSPOSED
        int down = (class_row + PAD - tap_row) / APART - i - LOW;
        int across = (class_column + PAD - tap_column) / APART - j - LOW;
        return down * tiling.patch_columns + across;
#else
        return i * tiling.patch_columns + j;
#endif
    };

    int of_first = ((int)first_channels + DEEP - 1) / DEEP;
    int chunks = of_first + ((int)second_channels + DEEP - 1) / DEEP;
    int part = threadIdx.x % PARTS;   // which eight channels of a chunk this thread brings

    auto load = [&](int chunk, int stage) {
        Source source = chunk < of_first ? first : second;
        int channel = (chunk < of_first ? chunk : chunk - of_first) * DEEP + part * EIGHT;
        real* to = buffers + stage * stage_size;
        for (int i = threadIdx.x; i < patch * PARTS; i += THREADS) {
            bring(source, to + i / PARTS * PIXEL + part * EIGHT, places[i / PARTS], channel);
        }
        to += patch * PIXEL;
        const real* from = packed + ((long long)blockIdx.y * chunks + chunk) * TAPS * DEEP * COLUMNS;
        for (int i = 0; i < taps_down * taps_across; i++) {
            int at = tap(i / taps_across, i % taps_across) * DEEP;
            for (int v = threadIdx.x; v < DEEP * COLUMNS / EIGHT; v += THREADS) {
                int row = at + v / (COLUMNS / EIGHT), column = v % (COLUMNS / EIGHT) * EIGHT;
                cp_async_16(to + row * WEIGHTS + column, from + row * COLUMNS + column);
            }
        }
        cp_async_commit();
    };
    auto arrive = [&](int chunk, int stage) {
        cp_async_wait<0>();
        Source source = chunk < of_first ? first : second;
        if (!source.mean) return;
        int channel = (chunk < of_first ? chunk : chunk - of_first) * DEEP + part * EIGHT;
        Affine affine(source, channel);
        real* at = buffers + stage * stage_size + part * EIGHT;
        for (int i = threadIdx.x; i < patch * PARTS; i += THREADS) {
            if (places[i / PARTS] >= 0) affine.apply(at + i / PARTS * PIXEL);
        }
    };

    int lane = threadIdx.x % 32, warp = threadIdx.x / 32;
    int warp_row = warp / (int)WARPS_ACROSS * 64, warp_column = warp % (int)WARPS_ACROSS * ACROSS;
    int reads[4];
#pragma unroll
    for (int m = 0; m < 4; m++) {
        reads[m] = tiling.first_read(warp_row + m * 16 + lane % 16) * PIXEL + lane / 16 * EIGHT;
    }
    float sums[4][ACROSS / 8][4] = {};
    auto multiply = [&](int stage) {
        const real* pixels = buffers + stage * stage_size;
        const real* weights = pixels + patch * PIXEL + warp_column + lane / 16 * EIGHT;
#pragma unroll
        for (int i = 0; i < taps_down; i++) {
#pragma unroll
            for (int j = 0; j < taps_across; j++) {
                int away = read(i, j) * PIXEL, at = tap(i, j) * DEEP + lane % 16;
#pragma unroll
                for (int k = 0; k < DEEP; k += 16) {
                    unsigned left[4][4], right[ACROSS / 16][4];
#pragma unroll
                    for (int m = 0; m < 4; m++) ldmatrix_x4(left[m], pixels + reads[m] + away + k);
#pragma unroll
                    for (int n = 0; n < ACROSS / 16; n++) {
                        ldmatrix_x4_trans(right[n], weights + (at + k) * WEIGHTS + n * 16);
                    }
#pragma unroll
                    for (int m = 0; m < 4; m++) {
#pragma unroll
                        for (int n = 0; n < ACROSS / 8; n++) {
                            unsigned pair[2] = {right[n / 2][n % 2 * 2], right[n / 2][n % 2 * 2 + 1]};
                            mma_bf16(sums[m][n], left[m], pair);
                        }
                    }
                }
            }
        }
    };

    load(0, 0);
    arrive(0, 0);
    __syncthreads();
    for (int chunk = 0; chunk < chunks; chunk++) {
        int stage = chunk % 2;
        if (chunk + 1 < chunks) load(chunk + 1, 1 - stage);
        multiply(stage);
        if (chunk + 1 < chunks) arrive(chunk + 1, 1 - stage);
        __syncthreads();
    }

    // Results, rounded, in shared memory, so that they leave in whole rows.
    real* results = buffers;
#pragma unroll
    for (int n = 0; n < ACROSS / 8; n++) {
        int column = warp_column + n * 8 + lane % 4 * 2;
        float add[2];
        for (int i = 0; i < 2; i++) {
            bool biased = bias && first_column + column + i < outputs;
            add[i] = biased ? bias[first_column + column + i] : 0;
        }
#pragma unroll
        for (int m = 0; m < 4; m++) {
            real* to = results + (warp_row + m * 16 + lane / 4) * WEIGHTS + column;
            const float(&sum)[4] = sums[m][n];
            *reinterpret_cast<unsigned*>(to) = pack_bf16(sum[0] + add[0], sum[1] + add[1]);
            *reinterpret_cast<unsigned*>(to + 8 * WEIGHTS) = pack_bf16(sum[2] + add[0], sum[3] + add[1]);
        }
    }
    __syncthreads();
    for (int i = threadIdx.x; i < ROWS * COLUMNS / EIGHT; i += THREADS) {
        int row = i / (COLUMNS / EIGHT), column = i % (COLUMNS / EIGHT) * EIGHT;
        if (targets[row] < 0) continue;
        const real* from = results + row * WEIGHTS + column;
        real* to = y + (long long)targets[row] * outputs + first_column + column;
        if (outputs % EIGHT == 0) {
            if (first_column + column < outputs) {
                *reinterpret_cast<uint4*>(to) = *reinterpret_cast<const uint4*>(from);
            }
            continue;
        }
        for (int e = 0; e < EIGHT && first_column + column + e < outputs; e++) to[e] = from[e];
    }
    if (means) {
        float* partial = reinterpret_cast<float*>(results + ROWS * WEIGHTS);
        long long at = blockIdx.x * outputs + first_column;
        double count = measure(
            results, targets, partial, means + at, squares + at, (int)outputs - first_column
        );
        if (threadIdx.x == 0 && blockIdx.y == 0) counts[blockIdx.x] = count;
    }
}
