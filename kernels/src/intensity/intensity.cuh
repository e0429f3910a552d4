// Intensity transforms of images, in tiles. A table has one row of parameters per image.

struct Adjustment {
    // The first step: scale * v + offset.
    double scale, offset;
    // Deviation of the noise (0: none), and the names of its stream.
    double deviation;
    Stream noise;
    // Which of the unblurred images is this one's (-1: no blur); where its weights
    // begin, first those of the rows; pixels that they reach to either side; what is added afterwards.
    long long unblurred, weights, tall, broad;
    double shift;
    // Whether there is contrast, and its exponent.
    long long contrast;
    double gamma;
    // Whether values above a number become `top` minus them.
    long long solarise;
    double above, top;
};

// What the first pass takes beside its source.
struct FirstPass {
    const Adjustment* adjustments;   // [images]
    Real* images;                    // [images, rows, columns]
    Acc* unblurred;                 // [blurred images, rows, columns], read by the blur
    Acc* extremes;                  // [images, tiles, 2], least and greatest values for contrast
    long long rows, columns;
};

// The tile that this block works on: blocks count through the tiles of each image in turn.
struct Tile {
    long long rows, columns, image, tiles, first_row, first_column;

    __device__ Tile(long long rows, long long columns) : rows(rows), columns(columns) {
        long long across = (columns + TILE_COLUMNS - 1) / TILE_COLUMNS;
        tiles = across * ((rows + TILE_ROWS - 1) / TILE_ROWS);
        image = blockIdx.x / tiles;
        long long tile = blockIdx.x % tiles;
        first_row = tile / across * TILE_ROWS;
        first_column = tile % across * TILE_COLUMNS;
    }

    // Calls `visit(row, column)` for each pixel, neighbours in a row by neighbouring threads.
    template <class Visit> __device__ __forceinline__ void each(Visit visit) const {
        for (int at = threadIdx.x; at < TILE_ROWS * TILE_COLUMNS; at += blockDim.x) {
            long long row = first_row + at / TILE_COLUMNS, column = first_column + at % TILE_COLUMNS;
            if (row < rows && column < columns) visit(row, column);
        }
    }
};

// Products and sums that are rounded one by one, as on the CPU: noise is the same, bit by bit.
__device__ __forceinline__ float times(float a, float b) { return __fmul_rn(a, b); }
__device__ __forceinline__ float plus(float a, float b) { return __fadd_rn(a, b); }

// A number above 0 and below 1, from the upper 23 bits.
__device__ __forceinline__ float open(unsigned bits) {
    return times(plus((float)(int)(bits >> 9), 0.5f), 1.0f / (1 << 23));
}

// Logarithm of a positive normal number: x = 2^e m with m from sqrt(1/2) to sqrt(2), and
// ln m = 2 artanh((m - 1) / (m + 1)).
__device__ __forceinline__ float log2_of(float x) {
    unsigned bits = __float_as_uint(x);
    int exponent = (int)(bits - 0x3f3504f3u) >> 23;
    float m = __uint_as_float(bits - ((unsigned)exponent << 23));
    float s = plus(m, -1.0f) / plus(m, 1.0f), q = times(s, s);
    float series = plus(1.0f / 7.0f, times(q, 1.0f / 9.0f));
    series = plus(1.0f / 5.0f, times(q, series));
    series = plus(1.0f / 3.0f, times(q, series));
    series = plus(1.0f, times(q, series));
    return plus((float)exponent, times(times(2.0f * 1.44269504f, s), series));
}

// Cosine (or sine) of an angle uniform over the full turn: the upper two bits choose the quadrant,
// the rest an angle of -45 to 45 degrees about its middle.
__device__ __forceinline__ float turn(unsigned bits, bool sine) {
    float a = plus(times((float)(int)(bits << 2 >> 9), 1.0f / (1 << 23)), -0.5f);
    a = times(a, 1.57079632679489662f);
    float q = times(a, a);
    float s = plus(1.0f / 120.0f, -times(q, 1.0f / 5040.0f));
    s = plus(1.0f / 6.0f, -times(q, s));
    s = times(a, plus(1.0f, -times(q, s)));
    float c = plus(1.0f / 720.0f, -times(q, 1.0f / 40320.0f));
    c = plus(1.0f / 24.0f, -times(q, c));
    c = plus(0.5f, -times(q, c));
    c = plus(1.0f, -times(q, c));
    unsigned quadrant = bits >> 30;
    float value = sine == (quadrant % 2 == 0) ? s : c;
    bool negative = (sine ? quadrant : quadrant + quadrant % 2) & 2;
    return negative ? -value : value;
}

// Standard normal noise of a pixel (Box and Muller, 1958): of 64 pixels in a row, each of 16 blocks
// of four words serves every sixteenth.
__device__ __forceinline__ float normal_noise(const Stream& stream, long long pixel) {
    unsigned within = pixel % 64, quarter = within / 16;
    Words words = stream.block((unsigned)(pixel / 64 * 16) + within % 16);
    unsigned radius = quarter < 2 ? words.at[0] : words.at[2];
    unsigned angle = quarter < 2 ? words.at[1] : words.at[3];
    float length = sqrtf(times(-2.0f * 0.693147181f, log2_of(open(radius))));
    return times(length, turn(angle, quarter % 2 == 1));
}

// x^exponent for x from 0 to 1; 0 for what rounding has put below.
__device__ __forceinline__ double power(double x, double exponent) {
    return pow(x > 0 ? x : 0.0, exponent);
}
__device__ __forceinline__ float power(float x, float exponent) {
    return x > 1.17549435e-38f ? exp2f(exponent * log2f(x)) : 0.0f;
}

__device__ __forceinline__ Acc solarised(const Adjustment& a, Acc value) {
    return a.solarise && value > (Acc)a.above ? (Acc)a.top - value : value;
}

// A value before any blur.
__device__ __forceinline__ Acc begun(const Adjustment& a, long long pixel, Acc value) {
    value = (Acc)a.scale * value + (Acc)a.offset;
    if (a.deviation != 0) value += (Acc)(a.deviation * normal_noise(a.noise, pixel));
    return value;
}

// Writes a tile after any blur. Where contrast is still to come, also writes the tile's extremes.
// `partial` is shared and holds a number for each warp.
template <class Value>
__device__ __forceinline__ void write_tile(
    const Tile& tile, const Adjustment& a, Real* images, Acc* extremes, Acc* partial, Value value
) {
    Real* image = images + tile.image * tile.rows * tile.columns;
    Acc low = ACC_INFINITY, high = -ACC_INFINITY;
    tile.each([&](long long row, long long column) {
        Acc v = value(row, column);
        low = v < low ? v : low;
        high = v > high ? v : high;
        image[row * tile.columns + column] = to_real(a.contrast ? v : solarised(a, v));
    });
    if (!a.contrast) return;
    low = -block_max_everywhere(-low, partial);
    high = block_max_everywhere(high, partial);
    if (threadIdx.x == 0) {
        extremes[2 * (long long)blockIdx.x] = low;
        extremes[2 * (long long)blockIdx.x + 1] = high;
    }
}

// The first pass over a tile whose values are `value(row, column)`: into the image, or, where a blur
// follows, into the unblurred one.
template <class Value>
__device__ __forceinline__ void first_pass(
    const FirstPass& pass, const Tile& tile, Acc* partial, Value value
) {
    const Adjustment& a = pass.adjustments[tile.image];
    auto begin = [&](long long row, long long column) {
        return begun(a, row * tile.columns + column, value(row, column));
    };
    if (a.unblurred < 0) return write_tile(tile, a, pass.images, pass.extremes, partial, begin);
    Acc* image = pass.unblurred + a.unblurred * tile.rows * tile.columns;
    tile.each([&](long long row, long long column) {
        image[row * tile.columns + column] = begin(row, column);
    });
}
