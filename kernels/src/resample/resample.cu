// A thread for each value of the target; backward, for each of the source.

// `map_step` is 1 where each image has a map of its own, 0 where all share one.
extern "C" __global__ void resample_forward(
    const real* x, const Map* maps, real* y, long long rows, long long columns, long long channels,
    long long target_rows, long long target_columns, long long map_step, long long to_nearest,
    long long border, long long count
) {
    long long i = item();
    if (i >= count) return;
    long long channel = i % channels, pixel = i / channels, size = target_rows * target_columns;
    long long image = pixel / size;
    Geometry g(rows, columns, target_rows, target_columns);
    int row = pixel % size / target_columns, column = pixel % target_columns;
    Position at = g.position(maps[image * map_step], row, column);
    const real* source = x + image * rows * columns * channels + channel;
    if (to_nearest) {
        int p = nearest(at.row, g.rows, border), q = nearest(at.column, g.columns, border);
        y[i] = p < 0 || q < 0 ? narrow(0) : source[(p * columns + q) * channels];
        return;
    }
    y[i] = narrow(bicubic(at, g.rows, g.columns, border, [&](int from) {
        return widen(source[from * channels]);
    }));
}

extern "C" __global__ void resample_labels(
    const unsigned char* x, const Map* maps, unsigned char* y, long long rows, long long columns,
    long long target_rows, long long target_columns, long long map_step, long long count
) {
    long long i = item();
    if (i >= count) return;
    long long size = target_rows * target_columns, image = i / size;
    Geometry g(rows, columns, target_rows, target_columns);
    int row = i % size / target_columns, column = i % target_columns;
    Position at = g.position(maps[image * map_step], row, column);
    int p = nearest(at.row, g.rows, false), q = nearest(at.column, g.columns, false);
    y[i] = p < 0 || q < 0 ? 0 : x[(image * rows + p) * columns + q];
}

// A range of indices, the last included.
struct Range {
    int first, last;
};

// The indices below `count` from one number to another, and one to either side for rounding. Where
// those are not numbers, all.
__device__ __forceinline__ Range between(double low, double high, int count) {
    return {
        low - 1 > 0 ? (int)fmin(low - 1, (double)count) : 0,
        high + 1 < count - 1 ? (int)fmax(high + 1, -1.0) : count - 1,
    };
}

// Pixels of the target that may read pixel (row, column) of the source: those within two pixels of
// it. `back` is the map from source to target; not a number where there is none.
__device__ void readers(
    const Geometry& g, const Map& back, int row, int column, Range& down, Range& along
) {
    double low[2] = {1e300, 1e300}, high[2] = {-1e300, -1e300};
    for (int corner = 0; corner < 4; corner++) {
        double x = (2.0 * (column + (corner & 1 ? 2 : -2)) + 1) / g.columns - 1;
        double y = (2.0 * (row + (corner & 2 ? 2 : -2)) + 1) / g.rows - 1;
        double p = coordinate(back.y, x, y, g.target_rows);
        double q = coordinate(back.x, x, y, g.target_columns);
        // Of what is no number nothing is left out: the comparison is the other way round.
        low[0] = !(p >= low[0]) ? p : low[0];
        high[0] = !(p <= high[0]) ? p : high[0];
        low[1] = !(q >= low[1]) ? q : low[1];
        high[1] = !(q <= high[1]) ? q : high[1];
    }
    down = between(low[0], high[0], g.target_rows);
    along = between(low[1], high[1], g.target_columns);
}

// The gradient of each pixel of the source, gathered from those that read it: no atomics, and an
// order of addition that is always the same.
extern "C" __global__ void resample_backward(
    const real* gradient, const Map* maps, const Map* backs, real* out, long long rows,
    long long columns, long long channels, long long target_rows, long long target_columns,
    long long map_step, long long to_nearest, long long border, long long count
) {
    long long i = item();
    if (i >= count) return;
    long long channel = i % channels, pixel = i / channels, image = pixel / (rows * columns);
    int row = pixel / columns % rows, column = pixel % columns;
    Geometry g(rows, columns, target_rows, target_columns);
    Range down = {0, g.target_rows - 1}, along = {0, g.target_columns - 1};
    bool edge = row == 0 || row == rows - 1 || column == 0 || column == columns - 1;
    // A border is read from however far away.
    if (!(border && edge)) readers(g, backs[image * map_step], row, column, down, along);
    const real* of_image = gradient + image * target_rows * target_columns * channels + channel;
    wide sum = 0;
    for (int r = down.first; r <= down.last; r++) {
        for (int c = along.first; c <= along.last; c++) {
            Position at = g.position(maps[image * map_step], r, c);
            wide weight;
            if (to_nearest) {
                weight = nearest(at.row, g.rows, border) == row
                    && nearest(at.column, g.columns, border) == column;
            } else {
                weight = Taps(at.row, g.rows).of(row, g.rows, border);
                if (weight != 0) weight *= Taps(at.column, g.columns).of(column, g.columns, border);
            }
            if (weight != 0) sum += weight * widen(of_image[(r * target_columns + c) * channels]);
        }
    }
    out[i] = narrow(sum);
}
