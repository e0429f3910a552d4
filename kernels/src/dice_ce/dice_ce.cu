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
    // That of the pixel in which the centre of this one lies.
    __device__ int at(long long image, long long pixel) const {
        long long y = (2 * (pixel / columns) + 1) * label_rows / (2 * rows);
        long long x = (2 * (pixel % columns) + 1) * label_columns / (2 * columns);
        return first[(image * label_rows + y) * label_columns + x];
    }
};

// Logits become probabilities; ln Σ e^logit is returned.
__device__ __forceinline__ wide softmax(const real* logits, wide (&p)[CLASSES]) {
    wide greatest = -INFINITE, sum = 0;
#pragma unroll
    for (int c = 0; c < CLASSES; c++) {
        p[c] = widen(logits[c]);
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

// The sums of a span of an image: blocks along x are spans, along y images. A label that is no class
// makes the cross entropy no number.
extern "C" __global__ void dice_ce_spans(
    const real* logits, const unsigned char* labels, double* sums, long long label_rows,
    long long label_columns, long long rows, long long columns
) {
    __shared__ double partial[SUMS][32];
    Labels map = {labels, label_rows, label_columns, rows, columns};
    long long image = blockIdx.y, pixels = rows * columns, start = blockIdx.x * SPAN;
    double own[SUMS];
#pragma unroll
    for (int i = 0; i < SUMS; i++) own[i] = 0;
    for (long long pixel = start + threadIdx.x; pixel < start + SPAN; pixel += blockDim.x) {
        if (pixel >= pixels) break;
        const real* here = logits + (image * pixels + pixel) * CLASSES;
        int label = map.at(image, pixel);
        wide p[CLASSES];
        wide normaliser = softmax(here, p);
        own[0] += label < CLASSES ? (double)(normaliser - widen(here[label])) : (double)INFINITE;
#pragma unroll
        for (int c = 0; c < CLASSES; c++) {
            bool labelled = label == c;
            if (labelled) own[1 + 3 * c] += (double)p[c];
            own[2 + 3 * c] += (double)p[c];
            if (labelled) own[3 + 3 * c] += 1;
        }
    }
    double* to = sums + (image * gridDim.x + blockIdx.x) * SUMS;
#pragma unroll
    for (int i = 0; i < SUMS; i++) {
        double sum = block_sum(own[i], partial[i]);
        if (threadIdx.x == 0) to[i] = sum;
    }
}

// One block, a warp for each image in turn: what the gradient needs of it, and the means of cross
// entropy and of one minus Dice over the batch. `weights` are of the classes and sum to 1.
extern "C" __global__ void dice_ce_terms(
    const double* sums, const double* weights, double* slopes, double* terms, double smooth,
    double entropy_share, double dice_share, long long spans, long long batch, long long pixels
) {
    __shared__ double entropies[32], losses[32];
    double entropy = 0, loss = 0;
    for (long long image = threadIdx.x / 32; image < batch; image += blockDim.x / 32) {
        double all[SUMS];
#pragma unroll
        for (int i = 0; i < SUMS; i++) all[i] = 0;
        for (long long span = lane(); span < spans; span += 32) {
#pragma unroll
            for (int i = 0; i < SUMS; i++) all[i] += sums[(image * spans + span) * SUMS + i];
        }
#pragma unroll
        for (int i = 0; i < SUMS; i++) all[i] = warp_sum(all[i]);
        if (lane() == 0) {
            double* slope = slopes + image * SLOPES;
            entropy += all[0];
            slope[0] = entropy_share;
#pragma unroll
            for (int c = 0; c < CLASSES; c++) {
                double both = all[1 + 3 * c], size = all[2 + 3 * c] + all[3 + 3 * c] + smooth;
                double elsewhere = dice_share * weights[c] * (2 * both + smooth) / (size * size);
                loss += weights[c] * (1 - (2 * both + smooth) / size);
                slope[1 + 2 * c] = elsewhere - dice_share * weights[c] * 2 / size;
                slope[2 + 2 * c] = elsewhere;
            }
        }
    }
    entropy = block_sum(entropy, entropies);
    loss = block_sum(loss, losses);
    if (threadIdx.x > 0) return;
    terms[0] = entropy / (double)(batch * pixels);
    terms[1] = loss / (double)batch;
}

// One thread: the loss over scales, and its parts. Scale k counts 2^-k of `weight`.
extern "C" __global__ void dice_ce_total(
    const double* terms, wide* total, double* parts, double weight, double entropy_weight,
    double dice_weight, long long scales
) {
    if (item() > 0) return;
    double entropy = 0, loss = 0;
    for (long long scale = 0; scale < scales; scale++, weight /= 2) {
        entropy += weight * terms[2 * scale];
        loss += weight * terms[2 * scale + 1];
    }
    *total = (wide)(entropy_weight * entropy + dice_weight * loss);
    parts[0] = entropy;
    parts[1] = loss;
}

// With g the derivative with respect to a probability, that with respect to a logit is
// p (g - Σ p g); cross entropy adds p - y. A thread for each pixel.
extern "C" __global__ void dice_ce_backward(
    const real* logits, const unsigned char* labels, const double* slopes, const wide* gradient,
    real* y, long long label_rows, long long label_columns, long long rows, long long columns,
    long long batch
) {
    long long i = item(), pixels = rows * columns;
    if (i >= batch * pixels) return;
    Labels map = {labels, label_rows, label_columns, rows, columns};
    const double* slope = slopes + i / pixels * SLOPES;
    int label = map.at(i / pixels, i % pixels);
    wide p[CLASSES], inner = 0, factor = *gradient, entropy = (wide)slope[0];
    softmax(logits + i * CLASSES, p);
#pragma unroll
    for (int c = 0; c < CLASSES; c++) inner += p[c] * (wide)slope[(label == c ? 1 : 2) + 2 * c];
#pragma unroll
    for (int c = 0; c < CLASSES; c++) {
        wide g = (wide)slope[(label == c ? 1 : 2) + 2 * c];
        wide here = p[c] * (g - inner + entropy) - (label == c ? entropy : wide(0));
        y[i * CLASSES + c] = narrow(factor * here);
    }
}
