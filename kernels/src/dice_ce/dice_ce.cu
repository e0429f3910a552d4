// CLASSES classes; SPAN pixels of one image for each block. Probabilities are computed again
// backwards: cheaper than keeping them.

// Of an image: cross entropy, then Σ p y, Σ p and Σ y by class.
#define SUMS (1 + 3 * CLASSES)
// Of an image: what a pixel's cross entropy counts, then by class the derivatives with respect to
// the probability of a pixel, where that is its label and where it is not.
#define SLOPES (1 + 2 * CLASSES)

// Labels, at the size of which a scale's logits are `rows` by `columns`.
struct Labels {
    const unsigned char* first;
    long long label_rows, label_columns, rows, columns;

    template <class Arguments>
    __device__ explicit Labels(const Arguments& a)
        : first(a.labels), label_rows(a.label_rows), label_columns(a.label_columns), rows(a.rows),
          columns(a.columns) {}

    // The label of the pixel that contains the centre of this one.
    __device__ int at(long long image, long long pixel) const {
        long long y = (2 * (pixel / columns) + 1) * label_rows / (2 * rows);
        long long x = (2 * (pixel % columns) + 1) * label_columns / (2 * columns);
        return first[(image * label_rows + y) * label_columns + x];
    }
};

// Logits become probabilities; ln Σ e^logit is returned.
__device__ __forceinline__ Acc softmax(const Real* logits, Acc (&p)[CLASSES]) {
    Acc greatest = -ACC_INFINITY, sum = 0;
#pragma unroll
    for (int c = 0; c < CLASSES; c++) {
        p[c] = to_acc(logits[c]);
        greatest = p[c] > greatest ? p[c] : greatest;
    }
#pragma unroll
    for (int c = 0; c < CLASSES; c++) {
        p[c] = exp(p[c] - greatest);
        sum += p[c];
    }
#pragma unroll
    for (int c = 0; c < CLASSES; c++) p[c] /= sum;
    return greatest + log(sum);
}

struct DiceCeSpans {
    const Real* logits;            // [batch, rows, columns, CLASSES]
    const unsigned char* labels;   // [batch, label_rows, label_columns]
    double* sums;                  // [batch, spans, SUMS]
    long long label_rows, label_columns, rows, columns;
};

// The sums of a span of an image: blocks along x are spans, along y images. A label that is no class
// makes the cross entropy no number.
extern "C" __global__ void dice_ce_spans(__grid_constant__ const DiceCeSpans a) {
    __shared__ double partial[SUMS][32];
    Labels map(a);
    long long image = blockIdx.y, pixels = a.rows * a.columns, start = blockIdx.x * SPAN;
    double own[SUMS];
#pragma unroll
    for (int i = 0; i < SUMS; i++) own[i] = 0;
    for (long long pixel = start + threadIdx.x; pixel < start + SPAN; pixel += blockDim.x) {
        if (pixel >= pixels) break;
        const Real* here = a.logits + (image * pixels + pixel) * CLASSES;
        int label = map.at(image, pixel);
        Acc p[CLASSES];
        Acc normaliser = softmax(here, p);
        own[0] += label < CLASSES ? (double)(normaliser - to_acc(here[label])) : (double)ACC_INFINITY;
#pragma unroll
        for (int c = 0; c < CLASSES; c++) {
            bool labelled = label == c;
            if (labelled) own[1 + 3 * c] += (double)p[c];
            own[2 + 3 * c] += (double)p[c];
            if (labelled) own[3 + 3 * c] += 1;
        }
    }
    double* to = a.sums + (image * gridDim.x + blockIdx.x) * SUMS;
#pragma unroll
    for (int i = 0; i < SUMS; i++) {
        double sum = block_sum(own[i], partial[i]);
        if (threadIdx.x == 0) to[i] = sum;
    }
}

struct DiceCeTerms {
    const double* sums;      // [batch, spans, SUMS]
    const double* weights;   // [CLASSES]
    double* slopes;          // [batch, SLOPES]
    double* terms;           // [2]
    double smooth, entropy_share, dice_share;
    long long spans, batch, pixels;
};

// One block, a warp for each image in turn: what the gradient needs of it, and the means of cross
// entropy and of one minus Dice over the batch. `weights` are of the classes and sum to 1.
extern "C" __global__ void dice_ce_terms(__grid_constant__ const DiceCeTerms a) {
    __shared__ double entropies[32], losses[32];
    double entropy = 0, loss = 0;
    for (long long image = threadIdx.x / 32; image < a.batch; image += blockDim.x / 32) {
        double all[SUMS];
#pragma unroll
        for (int i = 0; i < SUMS; i++) all[i] = 0;
        for (long long span = lane(); span < a.spans; span += 32) {
#pragma unroll
            for (int i = 0; i < SUMS; i++) all[i] += a.sums[(image * a.spans + span) * SUMS + i];
        }
#pragma unroll
        for (int i = 0; i < SUMS; i++) all[i] = warp_sum(all[i]);
        if (lane() == 0) {
            double* slope = a.slopes + image * SLOPES;
            entropy += all[0];
            slope[0] = a.entropy_share;
#pragma unroll
            for (int c = 0; c < CLASSES; c++) {
                double both = all[1 + 3 * c], size = all[2 + 3 * c] + all[3 + 3 * c] + a.smooth;
                double elsewhere = a.dice_share * a.weights[c] * (2 * both + a.smooth) / (size * size);
                loss += a.weights[c] * (1 - (2 * both + a.smooth) / size);
                slope[1 + 2 * c] = elsewhere - a.dice_share * a.weights[c] * 2 / size;
                slope[2 + 2 * c] = elsewhere;
            }
        }
    }
    entropy = block_sum(entropy, entropies);
    loss = block_sum(loss, losses);
    if (threadIdx.x > 0) return;
    a.terms[0] = entropy / (double)(a.batch * a.pixels);
    a.terms[1] = loss / (double)a.batch;
}

struct DiceCeTotal {
    const double* terms;   // [scales, 2]
    Acc* total;           // one number
    double* parts;         // [2]
    double weight;         // of the first scale
    double entropy_weight, dice_weight;
    long long scales;
};

// One thread: the loss over scales, and its parts. Scale k counts 2^-k of `weight`.
extern "C" __global__ void dice_ce_total(__grid_constant__ const DiceCeTotal a) {
    if (thread_index() > 0) return;
    double entropy = 0, loss = 0, weight = a.weight;
    for (long long scale = 0; scale < a.scales; scale++, weight /= 2) {
        entropy += weight * a.terms[2 * scale];
        loss += weight * a.terms[2 * scale + 1];
    }
    *a.total = (Acc)(a.entropy_weight * entropy + a.dice_weight * loss);
    a.parts[0] = entropy;
    a.parts[1] = loss;
}

struct DiceCeBackward {
    const Real* logits;            // [batch, rows, columns, CLASSES]
    const unsigned char* labels;   // [batch, label_rows, label_columns]
    const double* slopes;          // [batch, SLOPES]
    const Acc* gradient;          // one number
    Real* y;                       // [batch, rows, columns, CLASSES]
    long long label_rows, label_columns, rows, columns, batch;
};

// With g the derivative with respect to a probability, that with respect to a logit is
// p (g - Σ p g); cross entropy adds p - y. A thread for each pixel.
extern "C" __global__ void dice_ce_backward(__grid_constant__ const DiceCeBackward a) {
    long long i = thread_index(), pixels = a.rows * a.columns;
    if (i >= a.batch * pixels) return;
    Labels map(a);
    const double* slope = a.slopes + i / pixels * SLOPES;
    int label = map.at(i / pixels, i % pixels);
    Acc p[CLASSES], inner = 0, factor = *a.gradient, entropy = (Acc)slope[0];
    softmax(a.logits + i * CLASSES, p);
#pragma unroll
    for (int c = 0; c < CLASSES; c++) inner += p[c] * (Acc)slope[(label == c ? 1 : 2) + 2 * c];
#pragma unroll
    for (int c = 0; c < CLASSES; c++) {
        Acc g = (Acc)slope[(label == c ? 1 : 2) + 2 * c];
        Acc here = p[c] * (g - inner + entropy) - (label == c ? entropy : Acc(0));
        a.y[i * CLASSES + c] = to_real(factor * here);
    }
}
