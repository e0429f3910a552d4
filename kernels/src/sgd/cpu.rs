//! All parameters cut into chunks of equal length, so that small ones do not wait for large ones.

use rayon::prelude::*;
use tensor::Float;

use super::{Sgd, Slot};

/// Elements that one task updates.
const CHUNK: usize = 1 << 14;

/// A part of a parameter.
struct Chunk<'a, T> {
    value: &'a mut [T],
    momentum: &'a mut [T],
    gradient: &'a [T],
    decays: bool,
}

/// Updates every slot; the parts of each have equal length.
pub fn update<T: Float>(slots: Vec<Slot>, settings: &Sgd) {
    let mut chunks: Vec<Chunk<T>> = Vec::new();
    for Slot { value, momentum, gradient, decays } in slots {
        let (value, momentum) = (value.as_mut_slice::<T>(), momentum.as_mut_slice::<T>());
        let parts = value.chunks_mut(CHUNK).zip(momentum.chunks_mut(CHUNK));
        let parts = parts.zip(gradient.data::<T>().chunks(CHUNK));
        chunks.extend(parts.map(|((value, momentum), gradient)| Chunk {
            value,
            momentum,
            gradient,
            decays,
        }));
    }
    chunks.into_par_iter().for_each(|chunk| match settings.nesterov {
        true => step::<T, true>(chunk, settings),
        false => step::<T, false>(chunk, settings),
    });
}

fn step<T: Float, const NESTEROV: bool>(slot: Chunk<T>, settings: &Sgd) {
    let rate = T::from_f64(settings.learning_rate.value());
    let keep = T::from_f64(settings.momentum);
    let decay = T::from_f64(if slot.decays { settings.weight_decay.value() } else { 0.0 });
    let parts = slot.value.iter_mut().zip(slot.momentum).zip(slot.gradient);
    for ((value, momentum), &gradient) in parts {
        let gradient = gradient + decay * *value;
        *momentum = keep * *momentum + gradient;
        let direction = if NESTEROV { gradient + keep * *momentum } else { *momentum };
        *value = *value - rate * direction;
    }
}
