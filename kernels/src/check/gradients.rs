//! Gradients compared with central finite differences.
//!
//! The results of a case are projected onto one number, with random weights. Every element of every
//! differentiable argument is then perturbed in turn.

use tensor::{DType, Result, Tensor, no_grad};

use super::compare::{largest, relative};
use super::{Case, Projection};

/// Step sizes of the differences. The first suits smooth functions: the five-point stencil errs by
/// some 1e-16 of the fifth derivative, and rounding by some 1e-12 of the value. Where the stencil
/// spans a kink, such as that of a leaky ReLU, differences mean nothing; a shorter step avoids the
/// kink, whereas a wrong gradient is wrong at every step.
const STEPS: [f64; 3] = [1e-4, 1e-5, 1e-6];

/// The largest acceptable error of a gradient, relative to the largest gradient of its argument.
pub const TOLERANCE: f64 = 1e-6;

/// How well gradients agree with finite differences.
#[derive(Clone, Debug, Default)]
pub struct Agreement {
    /// The largest error, relative to the largest gradient of its argument; infinite where a
    /// gradient or a difference is NaN.
    pub error: f64,
    /// Describes the element with that error: its case, argument and index, and both values.
    pub worst: String,
    /// The number of elements compared.
    pub elements: usize,
    /// How many of them needed a shorter step than the first.
    pub kinks: usize,
}

impl Agreement {
    /// Includes another comparison.
    pub fn merge(&mut self, other: Agreement) {
        self.elements += other.elements;
        self.kinks += other.kinks;
        if other.error > self.error {
            (self.error, self.worst) = (other.error, other.worst);
        }
    }
}

/// Compares the gradients of a case, in float64, with finite differences. They agree if the
/// [error](Agreement::error) is below [`TOLERANCE`].
///
/// ```
/// use kernels::check::{Argument, Case, TOLERANCE, against_differences};
///
/// # fn main() -> tensor::Result<()> {
/// let case = Case::new("softmax of [2, 3]", vec![Argument::normal([2, 3])], |x| {
///     Ok(vec![kernels::softmax::softmax(&x[0])?])
/// });
/// let agreement = against_differences(&case, 0)?;
/// assert!(agreement.error < TOLERANCE, "{}", agreement.worst);
/// assert_eq!(agreement.elements, 6);
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// When the operation fails on the case.
pub fn against_differences(case: &Case, seed: u64) -> Result<Agreement> {
    let arguments = case.draw(DType::F64, seed)?;
    let projection = Projection::new(&(case.run)(&arguments)?, &arguments, seed);
    let wanted: Vec<bool> = case.arguments.iter().map(|a| a.differentiable).collect();
    let gradients = projection.gradients(case, &arguments, &wanted)?;
    let mut agreement = Agreement::default();
    for (index, gradient) in gradients.into_iter().enumerate().filter(|&(i, _)| wanted[i]) {
        // The tape has no gradient of what the result does not depend on.
        let zeros = || vec![0.0; arguments[index].shape().elements()];
        let gradient = gradient.map_or_else(zeros, |g| g.to_f64());
        let perturbed = Perturbed { case, projection: &projection, arguments: &arguments, index };
        agreement.merge(perturbed.compare(&gradient)?);
    }
    Ok(agreement)
}

/// One argument of a case, whose elements are perturbed.
struct Perturbed<'a> {
    case: &'a Case,
    projection: &'a Projection,
    arguments: &'a [Tensor],
    index: usize,
}

impl Perturbed<'_> {
    fn compare(&self, gradient: &[f64]) -> Result<Agreement> {
        let differences = (0..gradient.len())
            .map(|element| self.difference(element, STEPS[0]))
            .collect::<Result<Vec<f64>>>()?;
        let scale = largest(&differences).max(self.projection.negligible());
        let mut agreement = Agreement::default();
        for (element, (&found, first)) in gradient.iter().zip(differences).enumerate() {
            let (mut difference, mut steps) = (first, 1);
            let error = |difference: f64| relative((found - difference).abs(), scale);
            while steps < STEPS.len() && error(difference) >= TOLERANCE {
                let shorter = self.difference(element, STEPS[steps])?;
                if error(shorter) < error(difference) {
                    difference = shorter;
                }
                steps += 1;
            }
            let worst = format!(
                "{}, argument {}, element {element}: gradient {found:.9e}, differences {:.9e}",
                self.case.name, self.index, difference
            );
            let kinks = usize::from(steps > 1);
            agreement.merge(Agreement { error: error(difference), worst, elements: 1, kinks });
        }
        Ok(agreement)
    }

    /// The five-point stencil: exact for polynomials of the fourth degree.
    fn difference(&self, element: usize, step: f64) -> Result<f64> {
        let around = [-2.0, -1.0, 1.0, 2.0].map(|steps| self.value(element, steps * step));
        let [a, b, c, d] = around;
        Ok((a? - 8.0 * b? + 8.0 * c? - d?) / (12.0 * step))
    }

    /// The projected results with one element changed by `step`.
    fn value(&self, element: usize, step: f64) -> Result<f64> {
        let mut arguments = self.arguments.to_vec();
        let original = &self.arguments[self.index];
        arguments[self.index] = Tensor::build::<f64>(original.shape(), |out| {
            out.copy_from_slice(original.data());
            out[element] += step;
        });
        Ok(self.projection.value(&no_grad(|| (self.case.run)(&arguments))?))
    }
}
