//! Affine map of feature rows: the fully connected layer.

pub mod check;
mod cpu;

use tensor::{Error, Result, Shape, Tensor, with_float};

/// `x weightᵀ + bias`.
///
/// | tensor | shape |
/// |---|---|
/// | `x` | `[rows, in]` |
/// | `weight` | `[out, in]`, PyTorch's layout |
/// | `bias` | `[out]` |
/// | result | `[rows, out]` |
///
/// # Errors
/// When shapes do not fit or dtypes differ.
pub fn linear(x: &Tensor, weight: &Tensor, bias: Option<&Tensor>) -> Result<Tensor> {
    let size = Size::of(x, weight, bias)?;
    let y = with_float!("linear", x.dtype(), T => Ok(cpu::forward::<T>(size, x, weight, bias)))?;
    let (input, matrix) = (x.clone(), weight.clone());
    let mut parents = vec![x, weight];
    parents.extend(bias);
    Ok(y.recorded("linear", &parents, move |gradient, wanted| {
        with_float!("linear", gradient.dtype(), T => {
            let mut parts = vec![
                wanted[0].then(|| cpu::of_input::<T>(size, &gradient, &matrix)),
                wanted[1].then(|| cpu::of_weight::<T>(size, &gradient, &input)),
            ];
            parts.extend(wanted.get(2).map(|w| w.then(|| cpu::of_bias::<T>(size, &gradient))));
            Ok(parts)
        })
    }))
}

/// The three extents of the product.
#[derive(Clone, Copy)]
struct Size {
    rows: usize,
    inputs: usize,
    outputs: usize,
}

impl Size {
    fn of(x: &Tensor, weight: &Tensor, bias: Option<&Tensor>) -> Result<Self> {
        let (Some([rows, inputs]), Some([outputs, weight_inputs])) =
            (x.shape().as_array(), weight.shape().as_array())
        else {
            let what = format!(
                "rows {} and weight {} are not [rows, in] and [out, in]",
                x.shape(),
                weight.shape()
            );
            return Err(Error::shape("linear", what));
        };
        if inputs != weight_inputs {
            let what = format!("rows of {inputs} features for a weight of {weight_inputs}");
            return Err(Error::shape("linear", what));
        }
        if let Some(bias) = bias.filter(|bias| bias.shape() != Shape::from([outputs])) {
            let what = format!("bias {} is not [{outputs}]", bias.shape());
            return Err(Error::shape("linear", what));
        }
        if let Some(other) = bias.into_iter().chain([weight]).find(|t| t.dtype() != x.dtype()) {
            let what = format!("{} rows with {} parameters", x.dtype(), other.dtype());
            return Err(Error::shape("linear", what));
        }
        Ok(Size { rows, inputs, outputs })
    }
}
