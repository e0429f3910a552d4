//! Weights in the order in which tiles read them.

use rayon::prelude::*;
use tensor::{Buffer, Element};

use super::stage::ChannelBlock;
use super::{Class, Plan};
use crate::simd::{self, Loadable};

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
    /// Packs weights that `weight(tap.weight, input channel, output channels)` copies out.
    pub fn new<T, F>(plan: &Plan, inputs: &[ChannelBlock], channels: usize, weight: F) -> Self
    where
        T: Loadable,
        F: Fn(usize, usize, usize, &mut [T::Acc]) + Sync,
    {
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
        parts.into_par_iter().for_each(|(class, output, part)| {
            let mut vectors = part.chunks_exact_mut(output.vectors * lanes * T::GROUP);
            let mut row = vec![T::Acc::default(); output.len];
            for input in inputs {
                for tap in &class.taps {
                    for first in (0..input.len).step_by(T::GROUP) {
                        let Some(to) = vectors.next() else { return };
                        to.fill(T::default());
                        for k in 0..T::GROUP.min(input.len - first) {
                            weight(tap.weight, input.offset + first + k, output.first, &mut row);
                            let to = to[k..].iter_mut().step_by(T::GROUP);
                            to.zip(&row).for_each(|(to, &weight)| *to = T::narrow(weight));
                        }
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
