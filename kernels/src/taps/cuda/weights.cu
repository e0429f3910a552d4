// Gradients of weights on tensor cores: for every tap, a matrix product of input channels by output
// channels, over pixels.
//
// A block has DOWN input channels and COLUMNS output channels of all taps, and sums over a span of
// tiles of PIXELS pixels: the patch that the taps read (`moving`, which may be two inputs side by side)
// and what stands at the pixels themselves (`still`). While a tile is multiplied the next is on its
// way. A warp has 16 input channels of a row of taps, so that what is read of `still` serves them all.

#define DOWN ((int)(16 * HIGH))
#define ACROSS ((int)COLUMNS)
#define DEEP ((int)PIXELS)
#define THREADS ((int)(32 * KERNEL * HIGH))
#define TAPS (SIDE * SIDE)
#define MOVING (DOWN + EIGHT)        // elements from pixel to pixel of a patch
#define STILL (ACROSS + EIGHT)       // and of what stands still
#define MOVING_PARTS (DOWN / EIGHT)
#define STILL_PARTS (ACROSS / EIGHT)

// Two blocks on a multiprocessor hide what one waits for. Ampere's code needs a few more registers
// than that leaves, and what would be spilled costs more.
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 900
#define RESIDENT 2
#else
#define RESIDENT 1
#endif

// `parts` is [spans, taps, input channels, outputs]; `bias_parts`, where it is not null, [spans,
// outputs]: the sums of `still`, which must be raw then.
extern "C" __global__ void __launch_bounds__(THREADS, RESIDENT) taps_weight_parts(
    const real* first_data, const wide* first_mean, const wide* first_scale, const wide* first_shift,
    long long first_channels, double first_slope, const real* second_data, const wide* second_mean,
    const wide* second_scale, const wide* second_shift, long long second_channels,
    double second_slope, const real* still_data, const wide* still_mean, const wide* still_scale,
    const wide* still_shift, long long outputs, double still_slope, wide* parts, wide* bias_parts,
    long long span, long long batch, long long rows, long long columns, long long out_rows,
    long long out_columns, long long tile_rows, long long tile_columns
) {
    extern __shared__ __align__(16) unsigned char memory[];
    Tiling tiling(batch, rows, columns, out_rows, out_columns, tile_rows, tile_columns, DEEP);
    int patch = tiling.patch();
    // Where cells and pixels of the patch lie, which is the same for every tile; where in the patch the
    // first tap of a cell reads; then two patches and what stands still.
    int* cells = reinterpret_cast<int*>(memory);
    int* reads = cells + DEEP;
    int* places = reads + DEEP;
    int tables = (2 * DEEP + patch + 3) / 4 * 4;
    real* buffers = reinterpret_cast<real*>(memory + tables * sizeof(int));
    int stage_size = patch * MOVING + DEEP * STILL;
    for (int i = threadIdx.x; i < DEEP; i += THREADS) {
        cells[i] = tiling.cell(i).packed();
        reads[i] = tiling.first_read(i) * MOVING;
    }
    for (int i = threadIdx.x; i < patch; i += THREADS) places[i] = tiling.read(i).packed();

    // This block's input channels lie in one of the two inputs.
    int of_first = ((int)first_channels + DOWN - 1) / DOWN;
    bool in_first = blockIdx.x < of_first;
    Source moving = {
        in_first ? first_data : second_data,     in_first ? first_mean : second_mean,
        in_first ? first_scale : second_scale,   in_first ? first_shift : second_shift,
        (int)(in_first ? first_channels : second_channels),
        (wide)(in_first ? first_slope : second_slope),
    };
    Source still = {
        still_data, still_mean, still_scale, still_shift, (int)outputs, (wide)still_slope,
    };
    int first_row = (blockIdx.x - (in_first ? 0 : of_first)) * DOWN;
    int first_column = blockIdx.y * ACROSS;
    int moving_channel = first_row + threadIdx.x % MOVING_PARTS * EIGHT;
    int still_channel = first_column + threadIdx.x % STILL_PARTS * EIGHT;

    // The pixel that the patch has at an index, or that a cell stands for; -1 outside of the images.
    auto pixel = [&](const Tiling::Corner& corner, int index) {
        return tiling.pixel(corner, Tiling::Corner::of(places[index]));
    };
    auto place = [&](const Tiling::Corner& corner, int index) {
        Tiling::Corner at = Tiling::Corner::of(cells[index]);
        int image = corner.image + at.image, row = corner.row + at.row;
        int column = corner.column + at.column;
        bool inside = image < tiling.batch && row < out_rows && column < out_columns;
        return inside ? (image * (int)out_rows + row) * (int)out_columns + column : -1;
    };
    auto load = [&](int tile, int stage) {
        Tiling::Corner corner = tiling.corner(tile);
        real* to = buffers + stage * stage_size + threadIdx.x % MOVING_PARTS * EIGHT;
        for (int i = threadIdx.x; i < patch * MOVING_PARTS; i += THREADS) {
            int index = i / MOVING_PARTS;
            bring(moving, to + index * MOVING, pixel(corner, index), moving_channel);
        }
        to = buffers + stage * stage_size + patch * MOVING + threadIdx.x % STILL_PARTS * EIGHT;
        for (int i = threadIdx.x; i < DEEP * STILL_PARTS; i += THREADS) {
            int index = i / STILL_PARTS;
            bring(still, to + index * STILL, place(corner, index), still_channel);
        }
        cp_async_commit();
    };
    bool biased = bias_parts && blockIdx.x == 0;
    float bias[EIGHT] = {};
    auto arrive = [&](int tile, int stage) {
        cp_async_wait<0>();
        Tiling::Corner corner = tiling.corner(tile);
        real* at = buffers + stage * stage_size + threadIdx.x % MOVING_PARTS * EIGHT;
        if (moving.mean) {
            Affine affine(moving, moving_channel);
            for (int i = threadIdx.x; i < patch * MOVING_PARTS; i += THREADS) {
                int index = i / MOVING_PARTS;
                if (pixel(corner, index) >= 0) affine.apply(at + index * MOVING);
            }
        }
        at = buffers + stage * stage_size + patch * MOVING + threadIdx.x % STILL_PARTS * EIGHT;
        if (still.mean) {
            Affine affine(still, still_channel);
            for (int i = threadIdx.x; i < DEEP * STILL_PARTS; i += THREADS) {
                int index = i / STILL_PARTS;
                if (place(corner, index) >= 0) affine.apply(at + index * STILL);
            }
        }
        if (!biased) return;
        for (int i = threadIdx.x; i < DEEP * STILL_PARTS; i += THREADS) {
            uint4 all = *reinterpret_cast<const uint4*>(at + i / STILL_PARTS * STILL);
            unsigned pairs[4] = {all.x, all.y, all.z, all.w};
#pragma unroll
            for (int e = 0; e < 4; e++) {
                bias[2 * e] += __uint_as_float(pairs[e] << 16);
                bias[2 * e + 1] += __uint_as_float(pairs[e] & 0xffff0000u);
            }
        }
    };

    int lane = threadIdx.x % 32, warp = threadIdx.x / 32;
    int tap_row = warp % SIDE, own_row = warp / SIDE * 16;
    float sums[SIDE][ACROSS / 8][4] = {};
    auto multiply = [&](int stage) {
        const real* pixels = buffers + stage * stage_size;
        const real* standing = pixels + patch * MOVING + lane % 16 * STILL + lane / 16 * EIGHT;
        pixels += tap_row * tiling.patch_columns * MOVING + own_row + lane / 8 % 2 * EIGHT;
#pragma unroll 2
        for (int k = 0; k < DEEP; k += 16) {
            unsigned right[ACROSS / 16][4];
#pragma unroll
            for (int n = 0; n < ACROSS / 16; n++) {
                ldmatrix_x4_trans(right[n], standing + k * STILL + n * 16);
            }
            const real* from = pixels + reads[k + lane / 16 * 8 + lane % 8];
#pragma unroll
            for (int tap = 0; tap < SIDE; tap++) {
                unsigned left[4];
                ldmatrix_x4_trans(left, from + tap * MOVING);
#pragma unroll
                for (int n = 0; n < ACROSS / 8; n++) {
                    unsigned pair[2] = {right[n / 2][n % 2 * 2], right[n / 2][n % 2 * 2 + 1]};
                    mma_bf16(sums[tap][n], left, pair);
                }
            }
        }
    };

    int start = (int)(blockIdx.z * span), end = start + (int)span;
    if (end > tiling.tiles()) end = tiling.tiles();
    __syncthreads();
    load(start, 0);
    arrive(start, 0);
    __syncthreads();
    for (int tile = start; tile < end; tile++) {
        int stage = (tile - start) % 2;
        if (tile + 1 < end) load(tile + 1, 1 - stage);
        multiply(stage);
        if (tile + 1 < end) arrive(tile + 1, 1 - stage);
        __syncthreads();
    }

    long long inputs = first_channels + second_channels;
    long long skipped = in_first ? 0 : first_channels;
#pragma unroll
    for (int tap = 0; tap < SIDE; tap++) {
#pragma unroll
        for (int n = 0; n < ACROSS / 8; n++) {
#pragma unroll
            for (int i = 0; i < 4; i++) {
                int channel = first_row + own_row + lane / 4 + i / 2 * 8;
                int column = first_column + n * 8 + lane % 4 * 2 + i % 2;
                if (channel >= moving.channels || column >= outputs) continue;
                long long row = (blockIdx.z * TAPS + tap_row * SIDE + tap) * inputs;
                parts[(row + skipped + channel) * outputs + column] = sums[tap][n][i];
            }
        }
    }
    if (!biased) return;
    float* partial = reinterpret_cast<float*>(buffers);
#pragma unroll
    for (int e = 0; e < EIGHT; e++) partial[threadIdx.x * EIGHT + e] = bias[e];
    __syncthreads();
    for (int column = threadIdx.x; column < ACROSS && first_column + column < outputs; column += THREADS) {
        float sum = 0;
        for (int other = column / EIGHT; other < THREADS; other += STILL_PARTS) {
            sum += partial[other * EIGHT + column % EIGHT];
        }
        bias_parts[blockIdx.z * outputs + first_column + column] = sum;
    }
}
