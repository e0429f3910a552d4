//! One pass over memory.

use rayon::prelude::*;
use tensor::{Element, Feature, Tensor};

/// Elements that one task converts.
const CHUNK: usize = 1 << 14;

/// Every value, rounded to the nearest of the new dtype.
pub fn convert<From: Feature, To: Feature>(x: &Tensor) -> Tensor {
    Tensor::build::<To>(x.shape(), |out| {
        let pairs = out.par_chunks_mut(CHUNK).zip(x.data::<From>().par_chunks(CHUNK));
        pairs.for_each(|(out, x)| {
            out.iter_mut().zip(x).for_each(|(out, x)| *out = To::from_f64(x.to_f64()));
        });
    })
}

/// Features as elements of the accumulator.
pub fn widened<T: Feature>(x: &Tensor) -> Tensor {
    if T::DTYPE == T::Acc::DTYPE { x.clone() } else { convert::<T, T::Acc>(x) }
}

/// Elements of the accumulator as features.
pub fn narrowed<T: Feature>(x: Tensor) -> Tensor {
    if T::DTYPE == T::Acc::DTYPE { x } else { convert::<T::Acc, T>(&x) }
}
