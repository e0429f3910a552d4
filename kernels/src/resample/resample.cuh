// Where the pixels of a target lie in a source, and what is read there.

// The map from normalised coordinates (x, y, 1) of the target to those of the source.
struct Map {
    double x[3], y[3];
};

// A place in the source, in its pixels.
struct Position {
    double row, column;
};

// Centre of pixel `index` of `count` in normalised coordinates.
__device__ __forceinline__ double normalised(long long index, long long count) {
    return (double)(2 * index + 1) / (double)count - 1.0;
}

// One coordinate of the source. Each operation is rounded by itself, in PyTorch's order, as on the
// CPU: that decides ties between nearest neighbours.
__device__ __forceinline__ double coordinate(
    const double* axis, double x, double y, long long extent
) {
    double offset = __dadd_rn(__dmul_rn(axis[1], y), axis[2]);
    double place = __dadd_rn(__dadd_rn(__dmul_rn(axis[0], x), offset), 1.0);
    return __dmul_rn(__dadd_rn(__dmul_rn(place, (double)extent), -1.0), 0.5);
}

// A source and a target, and the map between them.
struct Geometry {
    long long rows, columns, target_rows, target_columns;

    __device__ Position position(const Map& map, long long row, long long column) const {
        double x = normalised(column, target_columns), y = normalised(row, target_rows);
        return {coordinate(map.y, x, y, rows), coordinate(map.x, x, y, columns)};
    }
};

// The pixel that an index outside of an axis means: the nearest of the border, or none (-1).
__device__ __forceinline__ long long inside(long long index, long long extent, bool border) {
    if (index >= 0 && index < extent) return index;
    return !border ? -1 : index < 0 ? 0 : extent - 1;
}

// Index of the nearest pixel, halves to the even one; -1 for none.
__device__ __forceinline__ long long nearest(double position, long long extent, bool border) {
    // Whatever is further out is as good as these.
    position = fmin(fmax(position, -1.0), (double)extent);
    return inside((long long)rint(position), extent, border);
}

// The four pixels of an axis around a position, and their weights: cubic convolution with a = -0.75
// (Keys 1981), factored so that nothing cancels.
struct Taps {
    long long first;
    wide weight[4];

    __device__ Taps(double position, long long extent) {
        // Whatever is further out reads the same.
        position = fmin(fmax(position, -3.0), (double)extent + 1.0);
        double whole = floor(position);
        first = (long long)whole - 1;
        wide t = (wide)(position - whole), s = (wide)1 - t;
        weight[0] = (wide)-0.75 * t * s * s;
        weight[1] = near(t);
        weight[2] = near(s);
        weight[3] = (wide)-0.75 * s * t * t;
    }

    __device__ static wide near(wide d) { return ((wide)1.25 * d - (wide)2.25) * d * d + (wide)1; }

    // The weight that a pixel has in all.
    __device__ wide of(long long pixel, long long extent, bool border) const {
        wide sum = 0;
#pragma unroll
        for (int k = 0; k < 4; k++) {
            if (inside(first + k, extent, border) == pixel) sum += weight[k];
        }
        return sum;
    }
};

// The bicubic sample at a position, of what `read` has for each pixel of the source.
template <class Read>
__device__ __forceinline__ wide bicubic(
    Position at, long long rows, long long columns, bool border, Read read
) {
    Taps down(at.row, rows), along(at.column, columns);
    wide sum = 0;
#pragma unroll
    for (int k = 0; k < 4; k++) {
        long long row = inside(down.first + k, rows, border);
        if (row < 0) continue;
        wide line = 0;
#pragma unroll
        for (int t = 0; t < 4; t++) {
            long long column = inside(along.first + t, columns, border);
            if (column >= 0) line += along.weight[t] * read(row * columns + column);
        }
        sum += down.weight[k] * line;
    }
    return sum;
}
