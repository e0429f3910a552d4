// Source positions of target pixels, and interpolation at those positions.

// The map from normalised coordinates (x, y, 1) of the target to those of the source.
struct Map {
    double x[3], y[3];
};

// A position in the source, in pixels.
struct Position {
    double row, column;
};

// Centre of pixel `index` of `count` in normalised coordinates.
__device__ __forceinline__ double normalised(int index, int count) {
    return (2.0 * index + 1.0) / count - 1.0;
}

// One coordinate of the source. Each operation is rounded by itself, in PyTorch's order, as on the
// CPU: that decides ties between nearest neighbours.
__device__ __forceinline__ double coordinate(
    const double* axis, double x, double y, int extent
) {
    double offset = __dadd_rn(__dmul_rn(axis[1], y), axis[2]);
    double place = __dadd_rn(__dadd_rn(__dmul_rn(axis[0], x), offset), 1.0);
    return __dmul_rn(__dadd_rn(__dmul_rn(place, (double)extent), -1.0), 0.5);
}

// Extents of a source and a target; pixels of an image can be counted by an int.
struct Geometry {
    int rows, columns, target_rows, target_columns;

    __device__ Geometry(
        long long rows, long long columns, long long target_rows, long long target_columns
    ) : rows((int)rows), columns((int)columns), target_rows((int)target_rows),
        target_columns((int)target_columns) {}

    // The source position of a target pixel.
    __device__ Position position(const Map& map, int row, int column) const {
        double x = normalised(column, target_columns), y = normalised(row, target_rows);
        return {coordinate(map.y, x, y, rows), coordinate(map.x, x, y, columns)};
    }
};

// Maps an index outside of an axis to the nearest border pixel, or to -1 for zero padding.
__device__ __forceinline__ int inside(int index, int extent, bool border) {
    if (index >= 0 && index < extent) return index;
    return !border ? -1 : index < 0 ? 0 : extent - 1;
}

// Index of the nearest pixel, halves to the even one; -1 for none.
__device__ __forceinline__ int nearest(double position, int extent, bool border) {
    // Positions further out are clamped: they are outside either way.
    position = fmin(fmax(position, -1.0), (double)extent);
    return inside((int)rint(position), extent, border);
}

// The four pixels of an axis around a position, and their weights: cubic convolution with a = -0.75
// (Keys 1981), factored so that nothing cancels.
struct Taps {
    int first;
    Acc weight[4];

    __device__ Taps(double position, int extent) {
        // Positions further out are clamped: they read the same values.
        position = fmin(fmax(position, -3.0), (double)extent + 1.0);
        double whole = floor(position);
        first = (int)whole - 1;
        Acc t = (Acc)(position - whole), s = (Acc)1 - t;
        weight[0] = (Acc)-0.75 * t * s * s;
        weight[1] = near(t);
        weight[2] = near(s);
        weight[3] = (Acc)-0.75 * s * t * t;
    }

    __device__ static Acc near(Acc d) { return ((Acc)1.25 * d - (Acc)2.25) * d * d + (Acc)1; }

    // The weight that a pixel has in all.
    __device__ Acc of(int pixel, int extent, bool border) const {
        Acc sum = 0;
#pragma unroll
        for (int k = 0; k < 4; k++) {
            if (inside(first + k, extent, border) == pixel) sum += weight[k];
        }
        return sum;
    }
};

// The bicubic sample at a position, of what `read` has for each pixel of the source.
template <class Read>
__device__ __forceinline__ Acc bicubic(
    Position at, int rows, int columns, bool border, Read read
) {
    Taps down(at.row, rows), along(at.column, columns);
    Acc sum = 0;
#pragma unroll
    for (int k = 0; k < 4; k++) {
        int row = inside(down.first + k, rows, border);
        if (row < 0) continue;
        Acc line = 0;
#pragma unroll
        for (int t = 0; t < 4; t++) {
            int column = inside(along.first + t, columns, border);
            if (column >= 0) line += along.weight[t] * read(row * columns + column);
        }
        sum += down.weight[k] * line;
    }
    return sum;
}
