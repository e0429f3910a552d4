// Similarities come from a matrix product; the rest is a warp for each row.

// Rows shorter than this are not scaled to length 1 (PyTorch's cosine_similarity).
#define SHORTEST ((Acc)1e-8)

// Distances this close to the threshold count as equal to it: see TIE in mod.rs.
#define TIE 1e-9

__device__ __forceinline__ Acc at_least_shortest(Acc length) {
    return length > SHORTEST ? length : SHORTEST;
}

struct NtXentUnit {
    const Real* features;   // [rows, width]
    Real *unit, *lengths;   // [rows, width] and [rows]
    long long rows, width;
};

// Rows scaled to length 1, and their lengths.
extern "C" __global__ void nt_xent_unit(__grid_constant__ const NtXentUnit a) {
    if (row() >= a.rows) return;
    const Real* x = a.features + row() * a.width;
    Acc length = sqrt(inner(x, x, a.width));
    if (lane() == 0) a.lengths[row()] = to_real(length);
    Acc scale = 1 / at_least_shortest(length);
    Real* unit = a.unit + row() * a.width;
    for (long long j = lane(); j < a.width; j += 32) unit[j] = to_real(scale * to_acc(x[j]));
}

struct NtXentRows {
    const double* positions;   // [rows]; null where rows are views of images, two of each
    Real* similarities;        // [rows, rows]
    double* losses;            // [rows]
    double temperature, threshold;
    long long cyclic, rows;
};

// Whether two rows are positives of each other: views of one image where there are no positions,
// otherwise slices whose positions are closer than the threshold.
__device__ __forceinline__ bool positives(const NtXentRows& a, long long i, long long j) {
    if (i == j) return false;
    if (!a.positions) return (i ^ 1) == j;
    double distance = fabs(a.positions[i] - a.positions[j]);
    if (a.cyclic && distance > 0.5) distance = fabs(1 - distance);
    return distance < a.threshold - TIE;
}

// The loss of each row; its similarities are replaced by the derivatives of the mean loss with
// respect to them over the temperature.
extern "C" __global__ void nt_xent_rows(__grid_constant__ const NtXentRows a) {
    long long i = row(), rows = a.rows;
    if (i >= rows) return;
    Real* s = a.similarities + i * rows;
    Acc sharpen = (Acc)(1 / a.temperature), greatest = -ACC_INFINITY, of_positives = 0, count = 0;
    for (long long j = lane(); j < rows; j += 32) {
        Acc similarity = to_acc(s[j]) * sharpen;
        if (j != i && similarity > greatest) greatest = similarity;
        if (positives(a, i, j)) {
            of_positives += similarity;
            count += 1;
        }
    }
    greatest = warp_max(greatest);
    of_positives = warp_sum(of_positives);
    count = warp_sum(count);
    Acc sum = 0;
    for (long long j = lane(); j < rows; j += 32) {
        if (j != i) sum += exp(to_acc(s[j]) * sharpen - greatest);
    }
    sum = warp_sum(sum);
    if (lane() == 0) a.losses[i] = (double)(greatest + log(sum) - of_positives / count);
    for (long long j = lane(); j < rows; j += 32) {
        Acc slope = j == i ? Acc(0) : exp(to_acc(s[j]) * sharpen - greatest) / sum;
        if (positives(a, i, j)) slope -= 1 / count;
        s[j] = to_real(slope / (Acc)rows);
    }
}

struct NtXentAcross {
    const Real* loss_gradient;           // one number
    const Real *unit, *lengths;          // [rows, width] and [rows]
    Real* gradient;                      // [rows, width]
    double temperature;
    long long rows, width;
};

// The gradient with respect to the features from that with respect to the rows of length 1, which it
// overwrites: only the part orthogonal to a row changes its direction.
extern "C" __global__ void nt_xent_across(__grid_constant__ const NtXentAcross a) {
    if (row() >= a.rows) return;
    const Real* u = a.unit + row() * a.width;
    Real* g = a.gradient + row() * a.width;
    Acc length = to_acc(a.lengths[row()]);
    Acc along = length > SHORTEST ? inner(g, u, a.width) : Acc(0);
    Acc factor = to_acc(*a.loss_gradient) / (Acc)a.temperature / at_least_shortest(length);
    for (long long j = lane(); j < a.width; j += 32) {
        g[j] = to_real(factor * (to_acc(g[j]) - along * to_acc(u[j])));
    }
}
