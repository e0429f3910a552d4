// Similarities come from a matrix product; the rest is a warp for each row.

// Rows shorter than this are not brought to length 1 (PyTorch's cosine_similarity).
#define SHORTEST ((wide)1e-8)

// Distances this close to the threshold count as equal to it: see TIE of the room.
#define TIE 1e-9

__device__ __forceinline__ wide at_least_shortest(wide length) {
    return length > SHORTEST ? length : SHORTEST;
}

// Rows brought to length 1, and their lengths.
extern "C" __global__ void nt_xent_unit(
    const real* features, real* unit, real* lengths, long long rows, long long width
) {
    if (row() >= rows) return;
    const real* x = features + row() * width;
    wide length = sqrt(inner(x, x, width));
    if (lane() == 0) lengths[row()] = narrow(length);
    wide scale = 1 / at_least_shortest(length);
    for (long long j = lane(); j < width; j += 32) unit[row() * width + j] = narrow(scale * widen(x[j]));
}

// Whether two rows are positives of each other: views of one image where there are no positions,
// else slices that lie closer than the threshold.
__device__ __forceinline__ bool positives(
    const double* positions, long long i, long long j, double threshold, long long cyclic
) {
    if (i == j) return false;
    if (!positions) return (i ^ 1) == j;
    double distance = fabs(positions[i] - positions[j]);
    if (cyclic && distance > 0.5) distance = fabs(1 - distance);
    return distance < threshold - TIE;
}

// The loss of each row; its similarities are replaced by the derivatives of the mean loss with
// respect to them over the temperature.
extern "C" __global__ void nt_xent_rows(
    const double* positions, real* similarities, double* losses, double temperature,
    double threshold, long long cyclic, long long rows
) {
    if (row() >= rows) return;
    long long i = row();
    real* s = similarities + i * rows;
    wide sharpen = (wide)(1 / temperature), greatest = -INFINITE, of_positives = 0, count = 0;
    for (long long j = lane(); j < rows; j += 32) {
        wide similarity = widen(s[j]) * sharpen;
        if (j != i && similarity > greatest) greatest = similarity;
        if (positives(positions, i, j, threshold, cyclic)) {
            of_positives += similarity;
            count += 1;
        }
    }
    greatest = warp_max(greatest);
    of_positives = warp_sum(of_positives);
    count = warp_sum(count);
    wide sum = 0;
    for (long long j = lane(); j < rows; j += 32) {
        if (j != i) sum += exp(widen(s[j]) * sharpen - greatest);
    }
    sum = warp_sum(sum);
    if (lane() == 0) losses[i] = (double)(greatest + log(sum) - of_positives / count);
    for (long long j = lane(); j < rows; j += 32) {
        wide slope = j == i ? wide(0) : exp(widen(s[j]) * sharpen - greatest) / sum;
        if (positives(positions, i, j, threshold, cyclic)) slope -= 1 / count;
        s[j] = narrow(slope / (wide)rows);
    }
}

// What is across each row changes its direction; written over what was summed over similarities.
extern "C" __global__ void nt_xent_across(
    const real* gradient, const real* unit, const real* lengths, real* y, double temperature,
    long long rows, long long width
) {
    if (row() >= rows) return;
    const real* u = unit + row() * width;
    real* g = y + row() * width;
    wide length = widen(lengths[row()]);
    wide along = length > SHORTEST ? inner(g, u, width) : wide(0);
    wide factor = widen(*gradient) / (wide)temperature / at_least_shortest(length);
    for (long long j = lane(); j < width; j += 32) {
        g[j] = narrow(factor * (widen(g[j]) - along * widen(u[j])));
    }
}
