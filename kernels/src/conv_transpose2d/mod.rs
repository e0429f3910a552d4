//! Transposed convolution with a 2 x 2 kernel at stride 2: the decoder's upsampling.
//!
//! `y[n, 2 i + r, 2 j + c, o] = bias[o] + sum over k of x[n, i, j, k] w[r, c, k, o]`
//!
//! as PyTorch's `ConvTranspose2d(in, out, 2, stride=2)`; channels-last: `x` is
//! `[n, rows, columns, in]`, `w` is `[2, 2, in, out]`, `y` is `[n, 2 rows, 2 columns, out]`. An
//! input that comes from [`batch_norm`](crate::batch_norm::batch_norm) is normalised and activated
//! as it is read.

pub mod check;
mod cpu;
pub(crate) mod cuda;

use tensor::{Error, Result, Tensor, same_device, with_features};

/// Doubles rows and columns of `x`; see the [module](self). Where `x` is of bf16, weight and bias are
/// of f32.
///
/// # Errors
/// When shapes or dtypes do not fit each other.
pub fn conv_transpose2d(x: &Tensor, weight: &Tensor, bias: Option<&Tensor>) -> Result<Tensor> {
    let refuse = |what: String| Err(Error::shape("conv_transpose2d", what));
    let Some([2, 2, cin, cout]) = weight.shape().as_array() else {
        return refuse(format!("the weight is {}, not [2, 2, in, out]", weight.shape()));
    };
    if x.shape().axes() != 4 || x.shape().last() != cin || x.shape().elements() == 0 || cout == 0 {
        return refuse(format!(
            "an input {} for a weight {}, not [n, rows, columns, {cin}]",
            x.shape(),
            weight.shape()
        ));
    }
    if let Some(bias) = bias.filter(|bias| bias.dims() != [cout]) {
        return refuse(format!("a bias {} for {cout} output channels", bias.shape()));
    }
    let misfit = (x.dtype().accumulator() != weight.dtype()).then_some(x);
    if let Some(other) = misfit.or(bias.filter(|bias| bias.dtype() != weight.dtype())) {
        return refuse(format!("{} beside a weight of {}", other.dtype(), weight.dtype()));
    }
    same_device("conv_transpose2d", [weight, x].into_iter().chain(bias))?;
    let result = with_features!("conv_transpose2d", x,
        gpu => cuda::forward(gpu, x, weight, bias),
        T => Ok(cpu::forward::<T>(x, weight, bias))
    )?;
    let parents: Vec<&Tensor> = [x, weight].into_iter().chain(bias).collect();
    let (x, weight) = (x.clone(), weight.clone());
    Ok(result.recorded("conv_transpose2d", &parents, move |gradient, wanted| {
        with_features!("conv_transpose2d", gradient,
            gpu => cuda::backward(gpu, &x, &weight, &gradient, wanted),
            T => Ok(cpu::backward::<T>(&x, &weight, &gradient, wanted))
        )
    }))
}
