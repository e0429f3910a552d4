// A thread for each image and channel forward, for each value backward.

struct PoolForward {
    const Real* x;   // [batch, pixels, channels]
    Real* y;         // [batch, channels]
    long long batch, pixels, channels;
};

extern "C" __global__ void pool_forward(__grid_constant__ const PoolForward a) {
    long long i = thread_index();
    if (i >= a.batch * a.channels) return;
    const Real* first = a.x + i / a.channels * a.pixels * a.channels + i % a.channels;
    double sum = 0;
    for (long long pixel = 0; pixel < a.pixels; pixel++) sum += (double)to_acc(first[pixel * a.channels]);
    a.y[i] = to_real((Acc)(sum / (double)a.pixels));
}

struct PoolBackward {
    const Real* gradient;   // [batch, channels]
    Real* y;                // [batch, pixels, channels]
    long long batch, pixels, channels;
};

// Every pixel gets an equal share.
extern "C" __global__ void pool_backward(__grid_constant__ const PoolBackward a) {
    long long i = thread_index();
    if (i >= a.batch * a.pixels * a.channels) return;
    long long image = i / (a.pixels * a.channels);
    a.y[i] = to_real(to_acc(a.gradient[image * a.channels + i % a.channels]) * (Acc)(1.0 / (double)a.pixels));
}
