//! Results projected onto one number, so that one backward pass covers them all.

use tensor::random::{Purpose, Stream};
use tensor::{DType, Feature, Result, Tensor, with_float};

use super::{Case, compare};

/// Random weights for every element of every result of a case.
pub struct Projection {
    weights: Vec<Vec<f64>>,
    /// The sum of the magnitudes of all projected terms, to which rounding is relative. If they are
    /// zero to within rounding, the largest argument takes their place.
    size: f64,
}

impl Projection {
    /// Random weights for the results of these arguments, the same for every dtype.
    pub fn new(results: &[Tensor], arguments: &[Tensor], seed: u64) -> Self {
        let mut weights = Vec::new();
        for (index, result) in results.iter().enumerate() {
            let mut stream = Stream::new(seed, Purpose::CHECK, 1, index as u32);
            // Rounded, so that a float32 run has the same weights.
            let weight = |_| f64::from(stream.normal() as f32);
            weights.push((0..result.shape().elements()).map(weight).collect());
        }
        let mut projection = Projection { weights, size: 0.0 };
        let size: f64 = projection.terms(results).map(f64::abs).sum();
        let total: f64 = projection.weights.iter().flatten().map(|weight| weight.abs()).sum();
        projection.size = total * compare::scale(size / total, arguments, results[0].dtype());
        projection
    }

    /// A scale for errors of gradients that are zero throughout, which leave nothing but rounding to
    /// compare: this share of the projected results.
    pub fn negligible(&self) -> f64 {
        1e-4 * self.size
    }

    /// The projection of the results.
    pub fn value(&self, results: &[Tensor]) -> f64 {
        self.terms(results).sum()
    }

    fn terms<'a>(&'a self, results: &'a [Tensor]) -> impl Iterator<Item = f64> + 'a {
        results.iter().zip(&self.weights).flat_map(|(result, weights)| {
            result.to_f64().into_iter().zip(weights).map(|(x, w)| x * w)
        })
    }

    /// Gradients of the projection with respect to the `wanted` arguments, by the tape.
    ///
    /// # Errors
    /// When the operation fails on the case, or its backward pass does.
    pub fn gradients(
        &self,
        case: &Case,
        arguments: &[Tensor],
        wanted: &[bool],
    ) -> Result<Vec<Option<Tensor>>> {
        let leaf = |(argument, &wanted): (&Tensor, &bool)| {
            if wanted { fresh(argument).map(Tensor::parameter) } else { Ok(argument.clone()) }
        };
        let arguments = arguments.iter().zip(wanted).map(leaf).collect::<Result<Vec<_>>>()?;
        let results = (case.run)(&arguments)?;
        let mut gradients = self.recorded(&results)?.backward()?;
        Ok(arguments.iter().map(|argument| gradients.take(argument)).collect())
    }

    fn recorded(&self, results: &[Tensor]) -> Result<Tensor> {
        let weights = results.iter().zip(&self.weights);
        let weights = weights.map(|(r, w)| of_dtype(w, r)).collect::<Result<Vec<_>>>()?;
        let parents: Vec<&Tensor> = results.iter().collect();
        let value = Tensor::scalar(self.value(results));
        // Backward starts with a gradient of 1.
        Ok(value.recorded("projection", &parents, move |_, wanted| {
            Ok(weights.into_iter().zip(wanted).map(|(w, wanted)| wanted.then_some(w)).collect())
        }))
    }
}

/// A tensor of the same values with memory and identity of its own.
fn fresh(tensor: &Tensor) -> Result<Tensor> {
    of_dtype(&tensor.to_f64(), tensor)
}

/// Values in the shape and dtype of `like`.
fn of_dtype(values: &[f64], like: &Tensor) -> Result<Tensor> {
    with_float!("projection", like.dtype(), T => {
        let values: Vec<T> = values.iter().map(|&v| T::from_f64(v)).collect();
        Tensor::from_slice(&values, like.shape())
    })
}

/// The same values in float64. Labels stay as they are.
pub fn widened(tensor: &Tensor) -> Result<Tensor> {
    match tensor.dtype() {
        DType::F32 => Tensor::from_slice(&tensor.to_f64(), tensor.shape()),
        _ => Ok(tensor.clone()),
    }
}
