//! One pass over memory each way, in chunks of a fixed number of pixels.

use rayon::prelude::*;
use tensor::{Error, Feature, Result, Tensor};

/// Pixels that one task works on.
const CHUNK: usize = 1 << 14;

/// Independent partial sums, which hide the latency of additions.
const LANES: usize = 16;

/// The number of hidden pixels.
pub fn hidden(mask: &[u8]) -> Result<usize> {
    let greatest = mask.par_chunks(CHUNK).map(|m| m.iter().fold(0, |a, &b| a.max(b))).max();
    if let Some(other) = greatest.filter(|&greatest| greatest > 1) {
        let what = format!("the mask holds {other}: it is 1 where a pixel is hidden, else 0");
        return Err(Error::value("masked_error", what));
    }
    let count = |mask: &[u8]| mask.iter().map(|&m| usize::from(m)).sum::<usize>();
    Ok(mask.par_chunks(CHUNK).map(count).sum())
}

/// The sum of squares over hidden pixels.
pub fn forward<T: Feature>(output: &[T], target: &[T::Acc], mask: &[u8], channels: usize) -> f64 {
    let chunks = output.par_chunks(CHUNK * channels.max(1));
    let chunks = chunks.zip(target.par_chunks(CHUNK * channels.max(1))).zip(mask.par_chunks(CHUNK));
    let sums: Vec<f64> = chunks
        .map(|((output, target), mask)| match channels {
            1 => squares(output, target, |i| mask[i]),
            _ => squares(output, target, |i| mask[i / channels]),
        })
        .collect();
    sums.iter().sum()
}

/// The sum of squares over the values of hidden pixels.
fn squares<T: Feature>(output: &[T], target: &[T::Acc], hidden: impl Fn(usize) -> u8) -> f64 {
    let mut sums = [0.0; LANES];
    for (i, (&output, &target)) in output.iter().zip(target).enumerate() {
        let difference = output.to_f64() - target.to_f64();
        sums[i % LANES] += if hidden(i) == 1 { difference * difference } else { 0.0 };
    }
    sums.iter().sum()
}

/// `slope * (output - target)` where pixels are hidden, zero elsewhere; as elements of type `G`.
pub fn backward<T: Feature, G: Feature<Acc = T::Acc>>(
    output: &Tensor,
    target: &Tensor,
    mask: &Tensor,
    channels: usize,
    slope: f64,
) -> Tensor {
    let (slope, length) = (T::Acc::from_f64(slope), CHUNK * channels.max(1));
    Tensor::build::<G>(output.shape(), |out| {
        let chunks = out.par_chunks_mut(length).zip(mask.data::<u8>().par_chunks(CHUNK));
        let chunks = chunks.zip(output.data::<T>().par_chunks(length));
        let chunks = chunks.zip(target.data::<T::Acc>().par_chunks(length));
        chunks.for_each(|(((out, mask), output), target)| match channels {
            1 => differences(out, output, target, slope, |i| mask[i]),
            _ => differences(out, output, target, slope, |i| mask[i / channels]),
        });
    })
}

fn differences<T: Feature, G: Feature<Acc = T::Acc>>(
    out: &mut [G],
    output: &[T],
    target: &[T::Acc],
    slope: T::Acc,
    hidden: impl Fn(usize) -> u8,
) {
    for (i, (out, (&output, &target))) in out.iter_mut().zip(output.iter().zip(target)).enumerate()
    {
        let difference = slope * (output.widen() - target);
        *out = if hidden(i) == 1 { G::narrow(difference) } else { G::default() };
    }
}
