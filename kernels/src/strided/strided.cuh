// A tensor read in another order than it has in memory.

// Axes of a view, outermost first, and then axes of one element. As View of strided/mod.rs merges
// axes, one or two are the rule, so that few divisions are needed.
struct Axes {
    long long extents[6], strides[6];

    // Where the element of an index is in memory.
    __device__ __forceinline__ long long offset(long long index) const {
        long long at = 0;
#pragma unroll
        for (int k = 5; k > 0; k--) {
            if (extents[k] == 1) continue;
            at += index % extents[k] * strides[k];
            index /= extents[k];
        }
        return at + index * strides[0];
    }
};
