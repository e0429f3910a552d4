// Up to three passes: the steps before blur, the blur, and contrast, which needs the minimum and
// maximum of the image. Blocks with no work in a pass return at once.

struct IntensityFirst {
    const Real* x;   // [images, rows, columns]
    FirstPass pass;
};

extern "C" __global__ void intensity_first(__grid_constant__ const IntensityFirst args) {
    __shared__ Acc partial[32];
    long long rows = args.pass.rows, columns = args.pass.columns;
    Tile tile(rows, columns);
    const Real* from = args.x + tile.image * rows * columns;
    first_pass(args.pass, tile, partial, [&](long long row, long long column) {
        return to_acc(from[row * columns + column]);
    });
}

struct IntensityBlur {
    const Acc* unblurred;           // [blurred images, rows, columns]
    const Adjustment* adjustments;   // [images]
    const double* weights;           // of all blurs, one after another
    Real* images;                    // [images, rows, columns]
    Acc* extremes;                  // [images, tiles, 2]
    long long rows, columns;
};

// Both directions: a tile smoothed downwards, with the pixels left and right of it, then along.
extern "C" __global__ void intensity_blur(__grid_constant__ const IntensityBlur args) {
    __shared__ Acc partial[32];
    extern __shared__ Acc lines[];
    long long rows = args.rows, columns = args.columns;
    Tile tile(rows, columns);
    const Adjustment& a = args.adjustments[tile.image];
    if (a.unblurred < 0) return;
    const Acc* from = args.unblurred + a.unblurred * rows * columns;
    const double *down = args.weights + a.weights, *along = down + 2 * a.tall + 1;
    int width = TILE_COLUMNS + 2 * (int)a.broad;
    for (int at = threadIdx.x; at < TILE_ROWS * width; at += blockDim.x) {
        long long row = tile.first_row + at / width;
        long long column = tile.first_column - a.broad + at % width;
        Acc sum = 0;
        if (row < rows && column >= 0 && column < columns) {
            long long first = row < a.tall ? 0 : row - a.tall;
            long long last = row + a.tall < rows ? row + a.tall : rows - 1;
            for (long long r = first; r <= last; r++) {
                sum += (Acc)down[r - row + a.tall] * from[r * columns + column];
            }
        }
        lines[at] = sum;
    }
    __syncthreads();
    write_tile(tile, a, args.images, args.extremes, partial, [&](long long row, long long column) {
        const Acc* line = lines + (row - tile.first_row) * width + column - tile.first_column;
        Acc sum = 0;
        for (long long k = 0; k <= 2 * a.broad; k++) sum += (Acc)along[k] * line[k];
        return sum + (Acc)a.shift;
    });
}

struct IntensityContrast {
    const Adjustment* adjustments;   // [images]
    const Acc* extremes;            // [images, tiles, 2]
    Real* images;                    // [images, rows, columns]
    long long rows, columns;
};

// Contrast, ((v - low) / (range + 1e-7))^gamma * range + low, and what follows it.
extern "C" __global__ void intensity_contrast(__grid_constant__ const IntensityContrast args) {
    __shared__ Acc partial[32];
    long long rows = args.rows, columns = args.columns;
    Tile tile(rows, columns);
    const Adjustment& a = args.adjustments[tile.image];
    if (!a.contrast) return;
    Acc low = ACC_INFINITY, high = -ACC_INFINITY;
    const Acc* of_tiles = args.extremes + 2 * tile.image * tile.tiles;
    for (long long t = threadIdx.x; t < tile.tiles; t += blockDim.x) {
        low = of_tiles[2 * t] < low ? of_tiles[2 * t] : low;
        high = of_tiles[2 * t + 1] > high ? of_tiles[2 * t + 1] : high;
    }
    low = -block_max_everywhere(-low, partial);
    high = block_max_everywhere(high, partial);
    Acc range = high - low, inverse = (Acc)1 / (range + (Acc)1e-7), gamma = (Acc)a.gamma;
    Real* image = args.images + tile.image * rows * columns;
    tile.each([&](long long row, long long column) {
        Real& pixel = image[row * columns + column];
        Acc v = power((to_acc(pixel) - low) * inverse, gamma) * range + low;
        pixel = to_real(solarised(a, v));
    });
}
