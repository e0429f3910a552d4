// Arithmetic of equal shapes, a thread for each element.

#define EACH                                                                                        \
    long long i = item();                                                                           \
    if (i >= count) return;

extern "C" __global__ void add(const real* a, const real* b, real* y, long long count) {
    EACH
    y[i] = narrow(widen(a[i]) + widen(b[i]));
}

extern "C" __global__ void sub(const real* a, const real* b, real* y, long long count) {
    EACH
    y[i] = narrow(widen(a[i]) - widen(b[i]));
}

extern "C" __global__ void mul(const real* a, const real* b, real* y, long long count) {
    EACH
    y[i] = narrow(widen(a[i]) * widen(b[i]));
}

extern "C" __global__ void affine(
    const real* x, real* y, double scale, double offset, long long count
) {
    EACH
    y[i] = narrow((wide)scale * widen(x[i]) + (wide)offset);
}
