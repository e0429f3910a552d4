// A thread for each image and channel forward, for each value backward.

extern "C" __global__ void pool_forward(
    const real* x, real* y, long long batch, long long pixels, long long channels
) {
    long long i = item();
    if (i >= batch * channels) return;
    const real* first = x + i / channels * pixels * channels + i % channels;
    double sum = 0;
    for (long long pixel = 0; pixel < pixels; pixel++) sum += (double)widen(first[pixel * channels]);
    y[i] = narrow((wide)(sum / (double)pixels));
}

// Every pixel gets an equal share.
extern "C" __global__ void pool_backward(
    const real* gradient, real* y, long long batch, long long pixels, long long channels
) {
    long long i = item();
    if (i >= batch * pixels * channels) return;
    long long image = i / (pixels * channels);
    y[i] = narrow(widen(gradient[image * channels + i % channels]) * (wide)(1.0 / (double)pixels));
}
