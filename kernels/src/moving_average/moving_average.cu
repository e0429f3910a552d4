// The average of one parameter, a thread for each value. Products are rounded before they are added,
// as they are on the CPU.
extern "C" __global__ void moving_average(
    real* average, const real* value, double keep, double take, long long count
) {
    long long i = item();
    if (i >= count) return;
#if REAL == 64
    average[i] = __dadd_rn(__dmul_rn(keep, average[i]), __dmul_rn(take, value[i]));
#else
    wide kept = __fmul_rn((float)keep, widen(average[i]));
    average[i] = narrow(__fadd_rn(kept, __fmul_rn((float)take, widen(value[i]))));
#endif
}
