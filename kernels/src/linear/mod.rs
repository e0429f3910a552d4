//! Affine map of feature rows: the fully connected layer.

pub mod check;
mod cpu;
pub(crate) mod cuda;

use tensor::{Error, Result, Shape, Tensor, same_device, with_features};

/// `x weightᵀ + bias`; where `x` is of bf16, weight and bias are of f32.
///
/// | tensor | shape |
/// |---|---|
/// | `x` | `[rows, in]` |
/// | `weight` | `[out, in]`, PyTorch's layout |
/// | `bias` | `[out]` |
/// | result | `[rows, out]` |
///
/// ```
/// use kernels::linear;
/// use tensor::Tensor;
///
/// # fn main() -> tensor::Result<()> {
/// let x = Tensor::from_slice(&[1.0f32, 2.0], [1, 2])?;
/// let weight = Tensor::from_slice(&[1.0f32, 0.0, 0.0, 1.0, 1.0, 1.0], [3, 2])?;
/// let bias = Tensor::from_slice(&[10.0f32, 20.0, 30.0], [3])?;
/// assert_eq!(linear(&x, &weight, Some(&bias))?.data::<f32>(), [11.0, 22.0, 33.0]);
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// When shapes do not fit, one is empty, or dtypes differ.
pub fn linear(x: &Tensor, weight: &Tensor, bias: Option<&Tensor>) -> Result<Tensor> {
    let size = Size::of(x, weight, bias)?;
    let y = with_features!("linear", x,
        gpu => cuda::forward(gpu, size, x, weight, bias),
        T => Ok(cpu::forward::<T>(size, x, weight, bias))
    )?;
    let (input, matrix) = (x.clone(), weight.clone());
    let mut parents = vec![x, weight];
    parents.extend(bias);
    Ok(y.recorded("linear", &parents, move |gradient, wanted| {
        let of_input = || {
            with_features!("linear", gradient,
                gpu => cuda::of_input(gpu, size, &gradient, &matrix),
                T => Ok(cpu::of_input::<T>(size, &gradient, &matrix))
            )
        };
        let of_weight = || {
            with_features!("linear", gradient,
                gpu => cuda::of_weight(gpu, size, &gradient, &input),
                T => Ok(cpu::of_weight::<T>(size, &gradient, &input))
            )
        };
        let of_bias = || {
            with_features!("linear", gradient,
                gpu => cuda::of_bias(gpu, size, &gradient),
                T => Ok(cpu::of_bias::<T>(size, &gradient))
            )
        };
        let parts: [&dyn Fn() -> Result<Tensor>; 3] = [&of_input, &of_weight, &of_bias];
        wanted.iter().zip(parts).map(|(wanted, part)| wanted.then(part).transpose()).collect()
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
        let wide = x.dtype().accumulator();
        if let Some(other) = bias.into_iter().chain([weight]).find(|t| t.dtype() != wide) {
            let what = format!("{} rows with {} parameters", x.dtype(), other.dtype());
            return Err(Error::shape("linear", what));
        }
        if rows == 0 || inputs == 0 || outputs == 0 {
            let what = format!("rows {} and weight {}: one is empty", x.shape(), weight.shape());
            return Err(Error::shape("linear", what));
        }
        same_device("linear", [x, weight].into_iter().chain(bias))?;
        Ok(Size { rows, inputs, outputs })
    }
}
