// A thread for each value of the target; backward, for each of the source.

struct ResampleForward {
    const Real* x;        // [images, rows, columns, channels]
    const Map* maps;      // from target to source
    Real* y;              // [images, target_rows, target_columns, channels]
    long long rows, columns, channels, target_rows, target_columns;
    long long map_step;   // 1 where each image has a map of its own, 0 where all share one
    long long to_nearest, border, count;
};

extern "C" __global__ void resample_forward(__grid_constant__ const ResampleForward a) {
    long long i = thread_index();
    if (i >= a.count) return;
    long long channel = i % a.channels, pixel = i / a.channels, size = a.target_rows * a.target_columns;
    long long image = pixel / size;
    Geometry g(a.rows, a.columns, a.target_rows, a.target_columns);
    int row = pixel % size / a.target_columns, column = pixel % a.target_columns;
    Position at = g.position(a.maps[image * a.map_step], row, column);
    const Real* source = a.x + image * a.rows * a.columns * a.channels + channel;
    if (a.to_nearest) {
        int p = nearest(at.row, g.rows, a.border), q = nearest(at.column, g.columns, a.border);
        a.y[i] = p < 0 || q < 0 ? to_real(0) : source[(p * a.columns + q) * a.channels];
        return;
    }
    a.y[i] = to_real(bicubic(at, g.rows, g.columns, a.border, [&](int from) {
        return to_acc(source[from * a.channels]);
    }));
}

struct ResampleLabels {
    const unsigned char* x;   // [images, rows, columns]
    const Map* maps;
    unsigned char* y;         // [images, target_rows, target_columns]
    long long rows, columns, target_rows, target_columns, map_step, count;
};

extern "C" __global__ void resample_labels(__grid_constant__ const ResampleLabels a) {
    long long i = thread_index();
    if (i >= a.count) return;
    long long size = a.target_rows * a.target_columns, image = i / size;
    Geometry g(a.rows, a.columns, a.target_rows, a.target_columns);
    int row = i % size / a.target_columns, column = i % a.target_columns;
    Position at = g.position(a.maps[image * a.map_step], row, column);
    int p = nearest(at.row, g.rows, false), q = nearest(at.column, g.columns, false);
    a.y[i] = p < 0 || q < 0 ? 0 : a.x[(image * a.rows + p) * a.columns + q];
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
        // Written so that NaN bounds exclude nothing.
        low[0] = !(p >= low[0]) ? p : low[0];
        high[0] = !(p <= high[0]) ? p : high[0];
        low[1] = !(q >= low[1]) ? q : low[1];
        high[1] = !(q <= high[1]) ? q : high[1];
    }
    down = between(low[0], high[0], g.target_rows);
    along = between(low[1], high[1], g.target_columns);
}

struct ResampleBackward {
    const Real* gradient;   // [images, target_rows, target_columns, channels]
    const Map* maps;        // from target to source
    const Map* backs;       // from source to target; not numbers where there is none
    Real* out;              // [images, rows, columns, channels]
    long long rows, columns, channels, target_rows, target_columns, map_step, to_nearest, border, count;
};

// The gradient of each pixel of the source, gathered from those that read it: no atomics, and an
// order of addition that is always the same.
extern "C" __global__ void resample_backward(__grid_constant__ const ResampleBackward a) {
    long long i = thread_index();
    if (i >= a.count) return;
    long long channel = i % a.channels, pixel = i / a.channels, image = pixel / (a.rows * a.columns);
    int row = pixel / a.columns % a.rows, column = pixel % a.columns;
    Geometry g(a.rows, a.columns, a.target_rows, a.target_columns);
    Range down = {0, g.target_rows - 1}, along = {0, g.target_columns - 1};
    bool edge = row == 0 || row == a.rows - 1 || column == 0 || column == a.columns - 1;
    // A border is read from however far away.
    if (!(a.border && edge)) readers(g, a.backs[image * a.map_step], row, column, down, along);
    const Real* of_image = a.gradient + image * a.target_rows * a.target_columns * a.channels + channel;
    Acc sum = 0;
    for (int r = down.first; r <= down.last; r++) {
        for (int c = along.first; c <= along.last; c++) {
            Position at = g.position(a.maps[image * a.map_step], r, c);
            Acc weight;
            if (a.to_nearest) {
                weight = nearest(at.row, g.rows, a.border) == row
                    && nearest(at.column, g.columns, a.border) == column;
            } else {
                weight = Taps(at.row, g.rows).of(row, g.rows, a.border);
                if (weight != 0) weight *= Taps(at.column, g.columns).of(column, g.columns, a.border);
            }
            if (weight != 0) sum += weight * to_acc(of_image[(r * a.target_columns + c) * a.channels]);
        }
    }
    a.out[i] = to_real(sum);
}
