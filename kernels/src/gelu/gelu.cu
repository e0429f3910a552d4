// A thread for each element. Backward writes over the gradient that it is given.

// How likely a standard normal number is below x; by erfc, which keeps its digits far to the left.
__device__ __forceinline__ double below(double x) { return 0.5 * erfc(-x * 0.70710678118654752); }
__device__ __forceinline__ float below(float x) { return 0.5f * erfcf(-x * 0.70710678f); }

extern "C" __global__ void gelu_forward(const real* x, real* y, long long count) {
    long long i = item();
    if (i >= count) return;
    wide value = widen(x[i]);
    y[i] = narrow(value * below(value));
}

extern "C" __global__ void gelu_backward(const real* x, real* gradient, long long count) {
    long long i = item();
    if (i >= count) return;
    wide value = widen(x[i]);
    wide density = (wide)0.39894228040143268 * exp((wide)-0.5 * value * value);
    gradient[i] = narrow(widen(gradient[i]) * (below(value) + value * density));
}
