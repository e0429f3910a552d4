//! How close is close enough, and how close it was.

use std::fmt;

use tensor::DType;

use crate::case::{Case, Golden, Goldens};

/// The largest error of a case in one precision, and all that is wrong with it.
#[derive(Debug)]
pub struct Agreement {
    /// The largest relative error, and the tensor that it is in.
    worst: (f64, String),
    /// One line for each tensor that disagrees.
    pub failures: Vec<String>,
}

/// What an error is relative to.
struct Scale {
    value: f64,
    name: &'static str,
}

impl Agreement {
    /// Compares what the engine found with what the case wants.
    pub fn of(case: &Case, found: &Goldens, dtype: DType) -> Self {
        let mut agreement = Agreement { worst: (0.0, String::new()), failures: Vec::new() };
        for (name, wanted) in case.results() {
            let tolerance = tolerance(&case.kind, name, dtype);
            match found.get(name) {
                None => agreement.failures.push(format!("{name} was not computed")),
                Some(found) if found.shape != wanted.shape => agreement.failures.push(format!(
                    "{name} has shape {:?} where {:?} is wanted",
                    found.shape, wanted.shape
                )),
                Some(found) => {
                    let scale = scale(case, name, wanted);
                    agreement.note(name, difference(found, wanted), &scale, tolerance);
                }
            }
        }
        let known: Vec<&String> = case.results().map(|(name, _)| name).collect();
        let extra = found.keys().filter(|name| !known.contains(name));
        agreement.failures.extend(extra.map(|name| format!("{name} is in no golden value")));
        agreement
    }

    fn note(&mut self, name: &str, difference: f64, scale: &Scale, tolerance: f64) {
        let error = if difference == 0.0 { 0.0 } else { difference / scale.value };
        if error > self.worst.0 {
            self.worst = (error, name.to_owned());
        }
        // Not `error > tolerance`: what is not a number must fail.
        if !(error <= tolerance) {
            self.failures.push(format!(
                "{name} is off by {error:.1e} of {} ({:.1e}); {tolerance:.0e} is allowed",
                scale.name, scale.value
            ));
        }
    }
}

impl fmt::Display for Agreement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (error, name) = &self.worst;
        if name.is_empty() { write!(f, "exact") } else { write!(f, "{error:.1e} ({name})") }
    }
}

/// The largest difference of two tensors; infinite where either is not a number.
fn difference(found: &Golden, wanted: &Golden) -> f64 {
    let differences = found.values.iter().zip(&wanted.values).map(|(a, b)| a - b).collect();
    Golden::list(differences).largest()
}

/// The agreement that the cases' README asks for.
fn tolerance(kind: &str, name: &str, dtype: DType) -> f64 {
    let late = name.starts_with("after.") || name == "out.eval_logits0";
    match dtype {
        DType::F64 if kind == "resample" || kind == "intensity" => 1e-6,
        DType::F64 => 1e-9,
        _ if late => 1e-3,
        _ => 1e-4,
    }
}

/// What the error of a tensor is relative to: its own largest value, but for biases that a batch
/// norm follows.
///
/// Subtracting the batch's mean cancels such a bias, so its gradient is exactly zero and golden
/// file and engine hold nothing but the rounding of a sum that cancels: the sum over all pixels
/// and images of the gradient with respect to the convolution's result. The convolution's weights
/// have as gradient the same terms, each times an input of order one, without the cancellation. So
/// the largest gradient of those weights is the size of what cancels, and what an error of the
/// bias is to be compared with. That the golden gradient is such a zero is tested, not assumed:
/// any other is held against its own largest value.
fn scale(case: &Case, name: &str, wanted: &Golden) -> Scale {
    /// Well above the rounding of a float64 sum, well below any gradient that means something.
    const ZERO: f64 = 1e-11;
    let own = wanted.largest();
    if name.starts_with("grad.")
        && let Some(layer) = name.strip_suffix(".bias")
        && let Some(weight) = case.result(&format!("{layer}.weight"))
        && own < ZERO * weight.largest()
    {
        return Scale { value: weight.largest(), name: "its layer's largest weight gradient" };
    }
    Scale { value: own, name: "its largest value" }
}
