//! Weights in the order in which tiles read them.

use rayon::prelude::*;
use tensor::{Buffer, Element};

use super::stage::ChannelBlock;
use super::{Class, Plan};
use crate::simd::{self, Scalar};

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

/// The weights of a plan: for each class and output block,
/// `[input block][tap][channel][output channel]`, padded with zeros to whole vectors.
pub struct Packed {
    memory: Buffer,
    outputs: Vec<OutputBlock>,
    /// Where the weights of `class * outputs + output` start.
    starts: Vec<usize>,
}

impl Packed {
    /// Packs weights that `weight(tap.weight, input channel, output channels)` copies out.
    pub fn new<T, F>(plan: &Plan, inputs: &[ChannelBlock], channels: usize, weight: F) -> Self
    where
        T: Scalar,
        F: Fn(usize, usize, usize, &mut [T]) + Sync,
    {
        let lanes = simd::lanes::<T>();
        let outputs = output_blocks(channels, lanes);
        let input_channels: usize = inputs.iter().map(|b| b.len).sum();
        let len = |class: &Class, output: &OutputBlock| {
            class.taps.len() * input_channels * output.vectors * lanes
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
        parts.into_par_iter().for_each(|(class, output, part)| {
            let mut vectors = part.chunks_exact_mut(output.vectors * lanes);
            for input in inputs {
                for tap in &class.taps {
                    for channel in input.offset..input.offset + input.len {
                        let Some(to) = vectors.next() else { return };
                        let (filled, padding) = to.split_at_mut(output.len);
                        weight(tap.weight, channel, output.first, filled);
                        padding.fill(T::default());
                    }
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
