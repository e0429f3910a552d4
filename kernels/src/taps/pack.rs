//! Weights in the order in which tiles read them.

use rayon::prelude::*;
use tensor::{Buffer, Element};

use super::stage::ChannelBlock;
use super::{BLOCK, Class, Plan};
use crate::simd::{self, Loadable, MOST_LANES, Simd, Vectorised};

/// Output channels that one tile computes: up to two vectors.
#[derive(Clone, Copy, Debug)]
pub struct OutputBlock {
    /// First output channel.
    pub first: usize,
    /// Output channels, of which the last vector may be partly filled.
    pub len: usize,
    /// Vectors: 1 or 2.
    pub vectors: usize,
}

/// Cuts output channels into blocks of two vectors, and one at the end if that is enough.
pub fn output_blocks(channels: usize, lanes: usize) -> Vec<OutputBlock> {
    (0..channels)
        .step_by(2 * lanes)
        .map(|first| {
            let len = (2 * lanes).min(channels - first);
            OutputBlock { first, len, vectors: len.div_ceil(lanes) }
        })
        .collect()
}

/// The weights of a plan in a tensor of parameters.
#[derive(Clone, Copy)]
pub struct Weights<'a, A> {
    /// The tensor's elements.
    pub data: &'a [A],
    /// The element that is the first weight.
    pub first: usize,
    /// Elements between neighbouring taps, input channels and output channels. Channels of one kind are
    /// neighbours.
    pub steps: [usize; 3],
}

/// The weights of a plan, of the type of features: for each class and output block,
/// `[input block][tap][channel group][output channel][channel of the group]`, padded with zeros to whole
/// vectors and groups.
pub struct Packed {
    memory: Buffer,
    outputs: Vec<OutputBlock>,
    /// Where the weights of `class * outputs + output` start.
    starts: Vec<usize>,
}

impl Packed {
    /// Packs weights for `channels` output channels.
    pub fn new<T: Loadable>(
        plan: &Plan,
        inputs: &[ChannelBlock],
        channels: usize,
        weights: Weights<'_, T::Acc>,
    ) -> Self {
        let lanes = simd::lanes::<T::Acc>();
        let outputs = output_blocks(channels, lanes);
        let groups: usize = inputs.iter().map(|b| b.len.div_ceil(T::GROUP)).sum();
        let len = |class: &Class, output: &OutputBlock| {
            class.taps.len() * groups * output.vectors * lanes * T::GROUP
        };
        let mut starts = vec![0];
        for class in &plan.classes {
            for output in &outputs {
                starts.push(starts[starts.len() - 1] + len(class, output));
            }
        }
        let mut memory = Buffer::uninitialised::<T>(starts[starts.len() - 1]);
        let mut rest = memory.as_mut_slice::<T>();
        let mut parts = Vec::new();
        for class in &plan.classes {
            for output in &outputs {
                let (part, after) = rest.split_at_mut(len(class, output));
                parts.push((class, output, part));
                rest = after;
            }
        }
        parts.into_par_iter().with_max_len(1).for_each(|(class, output, mut rest)| {
            for input in inputs {
                for tap in &class.taps {
                    let groups = input.len.div_ceil(T::GROUP);
                    let to;
                    (to, rest) = rest.split_at_mut(groups * output.vectors * lanes * T::GROUP);
                    simd::run(PackBlock { weights, tap: tap.weight, input, output, to });
                }
            }
        });
        Packed { memory, outputs, starts }
    }

    /// The blocks of output channels.
    pub fn outputs(&self) -> &[OutputBlock] {
        &self.outputs
    }

    /// The weights of one class and output block.
    pub fn weights<T: Element>(&self, class: usize, output: usize) -> &[T] {
        let index = class * self.outputs.len() + output;
        &self.memory.as_slice()[self.starts[index]..self.starts[index + 1]]
    }
}

/// Output channels of a block, at most.
const OUTPUTS: usize = 2 * MOST_LANES;

/// Packs one tap's weights of a block of input channels and a block of output channels.
struct PackBlock<'a, T: Loadable> {
    weights: Weights<'a, T::Acc>,
    tap: usize,
    input: &'a ChannelBlock,
    output: &'a OutputBlock,
    to: &'a mut [T],
}

impl<T: Loadable> Vectorised<T::Acc> for PackBlock<'_, T> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<S: Simd<Scalar = T::Acc>>(self) {
        let PackBlock { weights: Weights { data, first, steps }, tap, input, output, to } = self;
        let [tap_step, input_step, output_step] = steps;
        let start = first + tap * tap_step + input.offset * input_step + output.first * output_step;
        let width = output.vectors * S::LANES;
        assert!(
            width <= OUTPUTS && output.len <= width && to.len().is_multiple_of(width * T::GROUP)
        );
        if output_step == 1 {
            let mut rows = [[T::default(); OUTPUTS]; 2];
            for (group, to) in to.chunks_exact_mut(width * T::GROUP).enumerate() {
                for (k, narrow) in rows.iter_mut().enumerate().take(T::GROUP) {
                    *narrow = [T::default(); OUTPUTS];
                    if group * T::GROUP + k < input.len {
                        let row =
                            &data[start + (group * T::GROUP + k) * input_step..][..output.len];
                        // SAFETY: the row is no longer than `narrow`.
                        unsafe { narrow_row::<T, S>(row, narrow) };
                    }
                }
                match T::GROUP {
                    1 => to.copy_from_slice(&rows[0][..width]),
                    _ => {
                        // As one loop over pairs it becomes vector instructions.
                        let pairs = rows[0].iter().zip(&rows[1]);
                        let to = to.as_chunks_mut::<2>().0.iter_mut();
                        to.zip(pairs).for_each(|(to, (&a, &b))| *to = [a, b]);
                    }
                }
            }
            return;
        }
        assert_eq!(input_step, 1, "input or output channels are neighbours");
        let mut block = [[T::default(); BLOCK]; OUTPUTS];
        for (output, narrow) in block.iter_mut().enumerate().take(output.len) {
            let row = &data[start + output * output_step..][..input.len];
            // SAFETY: the row is no longer than `narrow`.
            unsafe { narrow_row::<T, S>(row, narrow) };
        }
        for (group, to) in to.chunks_exact_mut(width * T::GROUP).enumerate() {
            for (to, block) in to.chunks_exact_mut(T::GROUP).zip(&block) {
                to.copy_from_slice(&block[group * T::GROUP..][..T::GROUP]);
            }
        }
    }
}

/// Rounds a row to features.
///
/// # Safety
/// `to` must be as long as the row at least, and the instruction set of `S` enabled.
#[inline(always)]
unsafe fn narrow_row<T: Loadable, S: Simd<Scalar = T::Acc>>(row: &[T::Acc], to: &mut [T]) {
    let whole = row.len() - row.len() % S::LANES;
    for at in (0..whole).step_by(S::LANES) {
        // SAFETY: `at + LANES` is at most the length of the row, and of `to`.
        unsafe { T::store::<S>(to.as_mut_ptr().add(at), S::load(row.as_ptr().add(at))) };
    }
    to[whole..].iter_mut().zip(&row[whole..]).for_each(|(to, &weight)| *to = T::narrow(weight));
}
