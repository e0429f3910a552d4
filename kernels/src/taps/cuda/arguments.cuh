// Parts of the arguments of all kernels here.

// An input, [batch, rows, columns, channels]. Where `mean` is not null, a value v is normalised and
// activated as it is read: with n = (v - mean) * scale + shift, n above 0, and slope * n below.
struct Input {
    const Real* data;
    const Acc *mean, *scale, *shift;
    long long channels;
    double slope;
};

// Extents of the input and of the output.
struct Images {
    long long batch, rows, columns, out_rows, out_columns;
};

// Statistics of tiles of results: for each channel the mean and the sum of squared distances from it,
// [tiles, channels], and the number of pixels, [tiles]. All null where they are not wanted.
struct TileStatistics {
    double *means, *squares, *counts;
};
