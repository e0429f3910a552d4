// A thread for each element. Backward writes over the gradient that it is given.

extern "C" __global__ void leaky_relu_forward(const real* x, real* y, double slope, long long count) {
    long long i = item();
    if (i >= count) return;
    wide value = widen(x[i]);
    y[i] = narrow(value > 0 ? value : (wide)slope * value);
}

extern "C" __global__ void leaky_relu_backward(const real* x, real* gradient, double slope, long long count) {
    long long i = item();
    if (i >= count) return;
    wide g = widen(gradient[i]);
    gradient[i] = narrow(widen(x[i]) > 0 ? g : (wide)slope * g);
}
