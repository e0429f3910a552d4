// The update of one parameter, a thread for each value.
extern "C" __global__ void sgd(
    real* value, real* momentum, const real* gradient, double rate, double keep, double decay,
    long long nesterov, long long count
) {
    long long i = item();
    if (i >= count) return;
    wide v = widen(value[i]);
    wide g = widen(gradient[i]) + (wide)decay * v;
    wide m = (wide)keep * widen(momentum[i]) + g;
    momentum[i] = narrow(m);
    value[i] = narrow(v - (wide)rate * (nesterov ? g + (wide)keep * m : m));
}
