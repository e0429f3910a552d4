//! Two-dimensional convolution, 3 x 3 or 1 x 1, with what surrounds it in the network.
//!
//! `y[n, i, j, o] = bias[o] + sum over r, c, k of x[n, i s + r - p, j s + c - p, k] w[r, c, k, o]`
//!
//! with stride `s` and padding `p` (1 for 3 x 3, 0 for 1 x 1; zeros outside), cross-correlation as
//! in PyTorch's `Conv2d`. Channels-last: `x` is `[n, rows, columns, in]`, `w` is
//! `[kernel rows, kernel columns, in, out]`, `y` is
//! `[n, rows.div_ceil(s), columns.div_ceil(s), out]`.
//!
//! Three things are fused in:
//! - several inputs are read as if concatenated along channels;
//! - an input that comes from [`batch_norm`](crate::batch_norm::batch_norm) is normalised and
//!   activated as it is read, so that neither forward nor backward keeps activations: only raw
//!   convolution outputs;
//! - mean and variance of the result are taken while it is in the cache.
//!
//! Gradients: that of `x` is the same sum with the taps turned round, that of `w` correlates `x`
//! with the gradient of `y`, that of `bias` is the gradient of `y` summed over pixels.

pub mod check;
mod cpu;
pub(crate) mod cuda;

use tensor::{Error, Result, Tensor, same_device, with_features};

use crate::batch_norm::Moments;

/// The tensors of one convolution, checked against each other.
#[derive(Clone)]
struct Convolution {
    inputs: Vec<Tensor>,
    weight: Tensor,
    bias: Option<Tensor>,
    stride: usize,
}

/// Convolves `inputs` (read side by side along channels) with `weight`; see the [module](self). Where
/// inputs are of bf16, weight and bias are of f32.
///
/// ```
/// use kernels::conv2d;
/// use tensor::Tensor;
///
/// # fn main() -> tensor::Result<()> {
/// // Sums over 3 x 3 pixels of an image of ones, zeros outside.
/// let image = Tensor::from_slice(&[1.0f32; 9], [1, 3, 3, 1])?;
/// let weight = Tensor::from_slice(&[1.0f32; 9], [3, 3, 1, 1])?.parameter();
/// let sums = conv2d(&[&image], &weight, None, 1)?;
/// assert_eq!(sums.data::<f32>(), [4.0, 6.0, 4.0, 6.0, 9.0, 6.0, 4.0, 6.0, 4.0]);
/// assert_eq!(conv2d(&[&image], &weight, None, 2)?.dims(), [1, 2, 2, 1]);
///
/// // How often each weight meets a pixel.
/// let gradients = kernels::sum(&sums)?.backward()?;
/// assert_eq!(gradients.get(&weight).unwrap().data::<f32>()[..3], [4.0, 6.0, 4.0]);
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// When shapes or dtypes do not fit each other, the kernel is neither 3 x 3 nor 1 x 1, or the
/// stride is neither 1 nor 2.
pub fn conv2d(
    inputs: &[&Tensor],
    weight: &Tensor,
    bias: Option<&Tensor>,
    stride: usize,
) -> Result<Tensor> {
    Ok(Convolution::new(inputs, weight, bias, stride)?.run(false)?.0)
}

/// As [`conv2d`], and the mean and variance of every channel of the result, which
/// [`batch_norm`](crate::batch_norm::batch_norm) takes.
///
/// # Errors
/// As [`conv2d`].
pub fn conv2d_with_moments(
    inputs: &[&Tensor],
    weight: &Tensor,
    bias: Option<&Tensor>,
    stride: usize,
) -> Result<(Tensor, Moments)> {
    let (result, moments) = Convolution::new(inputs, weight, bias, stride)?.run(true)?;
    match moments {
        Some(moments) => Ok((result, moments)),
        None => Err(Error::value("conv2d", "mean and variance of an empty result")),
    }
}

impl Convolution {
    fn new(
        inputs: &[&Tensor],
        weight: &Tensor,
        bias: Option<&Tensor>,
        stride: usize,
    ) -> Result<Self> {
        let refuse = |what: String| Err(Error::shape("conv2d", what));
        let Some([rows, columns, cin, cout]) = weight.shape().as_array() else {
            return refuse(format!(
                "the weight is {}, not [rows, columns, in, out]",
                weight.shape()
            ));
        };
        if rows != columns || ![1, 3].contains(&rows) {
            return refuse(format!("kernels are 3 x 3 or 1 x 1, not {rows} x {columns}"));
        }
        if ![1, 2].contains(&stride) || cin == 0 || cout == 0 {
            return refuse(format!("stride {stride} with weight {}", weight.shape()));
        }
        let mut channels = 0;
        for input in inputs {
            let pixels = |t: &Tensor| t.shape().as_array::<4>().map(|[n, h, w, _]| [n, h, w]);
            let same = pixels(input).is_some() && pixels(input) == pixels(inputs[0]);
            if !same || input.shape().elements() == 0 {
                let shapes: Vec<_> = inputs.iter().map(|i| i.shape()).collect();
                return refuse(format!(
                    "inputs are {shapes:?}, not [n, rows, columns, channels] alike but for channels"
                ));
            }
            channels += input.shape().last();
        }
        if channels != cin {
            return refuse(format!("{channels} input channels for a weight {}", weight.shape()));
        }
        if let Some(bias) = bias.filter(|bias| bias.dims() != [cout]) {
            return refuse(format!("a bias {} for {cout} output channels", bias.shape()));
        }
        let features = inputs[0].dtype();
        let strange = |&t: &&Tensor| t.dtype() != features;
        let strange = inputs.iter().copied().find(strange).map(Tensor::dtype);
        let narrow = (features.accumulator() != weight.dtype()).then_some(features);
        let bias_of = bias.map(Tensor::dtype).filter(|&dtype| dtype != weight.dtype());
        if let Some(found) = narrow.or(strange).or(bias_of) {
            return refuse(format!("{found} beside a weight of {}", weight.dtype()));
        }
        same_device("conv2d", inputs.iter().copied().chain([weight]).chain(bias))?;
        Ok(Convolution {
            inputs: inputs.iter().map(|&t| t.clone()).collect(),
            weight: weight.clone(),
            bias: bias.cloned(),
            stride,
        })
    }

    fn run(self, measure: bool) -> Result<(Tensor, Option<Moments>)> {
        let (result, moments) = with_features!("conv2d", self.inputs[0],
            gpu => cuda::forward(gpu, &self, measure),
            T => Ok(cpu::forward::<T>(&self, measure))
        )?;
        let this = self.clone();
        let parents: Vec<&Tensor> =
            self.inputs.iter().chain([&self.weight]).chain(&self.bias).collect();
        let result = result.recorded("conv2d", &parents, move |gradient, wanted| {
            with_features!("conv2d", gradient,
                gpu => cuda::backward(gpu, &this, &gradient, wanted),
                T => Ok(cpu::backward::<T>(&this, &gradient, wanted))
            )
        });
        Ok((result, moments))
    }
}
