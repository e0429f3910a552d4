//! Batch normalisation with leaky ReLU.
//!
//! `y = f((x - mean) / sqrt(variance + epsilon) * gamma + beta)`, `f(v) = v` above 0 and
//! `slope * v` below; per channel, the last axis. Ioffe and Szegedy, *Batch normalization* (ICML
//! 2015).
//!
//! The result is lazy: a convolution that reads it computes it as it loads, so that only `x`
//! stays in memory. Any other consumer gets it computed once.
//!
//! With batch statistics, mean and variance are functions of `x`. With `g` the gradient of the
//! normalised, scaled value, `n` values per channel and `z` the normalised value,
//!
//! `d beta = sum g`, `d gamma = sum g z`, `d x = gamma / deviation * (g - d beta / n - z d gamma / n)`
//!
//! and with running statistics `d x = gamma / deviation * g`.

pub mod check;
mod cpu;
pub(crate) mod cuda;

use tensor::{
    Buffer, DType, Device, Error, Feature, Float, LazyExpr, Result, Tensor, bf16, same_device,
    with_device, with_features,
};

use crate::simd::Loadable;
use crate::taps::moments::ChannelStatistics;
use crate::taps::stage::{Activation, Source};

/// Mean and variance per channel, as measured over a batch.
#[derive(Clone, Debug)]
pub struct Moments {
    /// `[channels]`.
    pub mean: Tensor,
    /// `[channels]`, divided by the number of values (biased).
    pub variance: Tensor,
    /// Number of values per channel.
    pub count: usize,
}

impl Moments {
    /// Converts statistics to the dtype of the tensor that they were computed from.
    pub(crate) fn from_measured<T: Float>(statistics: &ChannelStatistics) -> Self {
        let tensor = |values: &[f64]| {
            Tensor::build::<T>([values.len()], |out| {
                out.iter_mut().zip(values).for_each(|(out, &v)| *out = T::from_f64(v));
            })
        };
        Moments {
            mean: tensor(&statistics.mean),
            variance: tensor(&statistics.variance),
            count: statistics.count,
        }
    }
}

/// What to normalise by.
#[derive(Clone, Copy, Debug)]
pub enum Statistics<'a> {
    /// Training: the batch statistics, which must be those of the tensor to be normalised.
    Batch(&'a Moments),
    /// Constants: evaluation.
    Running {
        /// `[channels]`.
        mean: &'a Tensor,
        /// `[channels]`.
        variance: &'a Tensor,
    },
}

/// Mean and variance of every channel (the last axis) of `x`.
///
/// # Errors
/// When `x` is empty or not floating.
pub fn moments(x: &Tensor) -> Result<Moments> {
    let channels = x.shape().last();
    if x.shape().elements() == 0 {
        return Err(Error::shape("batch_norm", format!("no values to measure in {}", x.shape())));
    }
    with_features!("batch_norm", x,
        gpu => cuda::moments(gpu, x),
        T => Ok(Moments::from_measured::<<T as Feature>::Acc>(&cpu::moments::<T>(x.data(), channels)))
    )
}

/// Normalises `x` per channel (features may be bf16, vectors beside them f32), scales by `gamma`, shifts by `beta`, and applies leaky ReLU with
/// the given slope (1 leaves negative values as they are); see the [module](self).
///
/// # Errors
/// When shapes or dtypes do not fit each other.
pub fn batch_norm(
    x: &Tensor,
    statistics: Statistics<'_>,
    gamma: &Tensor,
    beta: &Tensor,
    epsilon: f64,
    slope: f64,
) -> Result<Tensor> {
    let (mean, variance, batch) = match statistics {
        Statistics::Batch(m) => (&m.mean, &m.variance, Some(m.count)),
        Statistics::Running { mean, variance } => (mean, variance, None),
    };
    let channels = x.shape().last();
    if x.shape().elements() == 0 {
        return Err(Error::shape("batch_norm", format!("no values in {}", x.shape())));
    }
    for (name, vector) in [("mean", mean), ("variance", variance), ("gamma", gamma), ("beta", beta)]
    {
        if vector.dims() != [channels] || vector.dtype() != x.dtype().accumulator() {
            return Err(Error::shape(
                "batch_norm",
                format!(
                    "{name} is {} {}, for an input of {} {}",
                    vector.dtype(),
                    vector.shape(),
                    x.dtype(),
                    x.shape()
                ),
            ));
        }
    }
    if let Some(count) = batch.filter(|&count| count * channels != x.shape().elements()) {
        return Err(Error::shape(
            "batch_norm",
            format!("statistics over {count} values per channel, for an input of {}", x.shape()),
        ));
    }
    same_device("batch_norm", [x, mean, variance, gamma, beta])?;
    let [inverse_deviation, scale] = with_features!("batch_norm", x,
        gpu => cuda::scales(gpu, variance, gamma, epsilon),
        T => Ok(scales::<<T as Feature>::Acc>(variance, gamma, epsilon))
    )?;
    let (x, mean, shift) = (x.clone(), mean.clone(), beta.clone());
    let deferred = Normalised { x, mean, inverse_deviation, scale, shift, slope };
    let saved = deferred.clone();
    let result = Tensor::lazy(saved.x.shape(), saved.x.dtype(), deferred);
    Ok(result.recorded("batch_norm", &[&saved.x.clone(), gamma, beta], move |gradient, wanted| {
        let batch = batch.is_some();
        let gradients = with_features!("batch_norm", saved.x,
            gpu => cuda::backward(gpu, &saved, gradient, batch, wanted),
            T => Ok(cpu::backward::<T>(&saved, gradient, batch, wanted))
        )?;
        Ok(gradients.into())
    }))
}

/// Running statistics after a batch: `(1 - momentum) running + momentum factor batch`, in place. It is
/// no operation of the tape.
///
/// # Errors
/// When shapes, dtypes or devices differ, or the dtype is not floating.
pub fn blend(running: &mut Tensor, batch: &Tensor, factor: f64, momentum: f64) -> Result<()> {
    if running.shape() != batch.shape() || running.dtype() != batch.dtype() {
        let what = format!("running statistics {} of a batch {}", running.shape(), batch.shape());
        return Err(Error::shape("batch_norm", what));
    }
    same_device("batch_norm", [&*running, batch])?;
    with_device!("batch_norm", running,
        gpu => cuda::blend(gpu, running, batch, factor, momentum),
        T => {
            let running = running.memory_mut()?.as_mut_slice::<T>();
            for (running, &new) in running.iter_mut().zip(batch.data::<T>()) {
                let new = factor * new.to_f64();
                *running = T::from_f64((1.0 - momentum) * running.to_f64() + momentum * new);
            }
            Ok(())
        }
    )
}

/// `1 / deviation`, and that times `gamma`.
fn scales<T: Float>(variance: &Tensor, gamma: &Tensor, epsilon: f64) -> [Tensor; 2] {
    let inverse = |v: T| 1.0 / (v.to_f64() + epsilon).sqrt();
    let (variance, gamma) = (variance.data::<T>(), gamma.data::<T>());
    let vector = |value: &dyn Fn(usize) -> f64| {
        Tensor::build::<T>([variance.len()], |out| {
            out.iter_mut().enumerate().for_each(|(c, out)| *out = T::from_f64(value(c)));
        })
    };
    [vector(&|c| inverse(variance[c])), vector(&|c| gamma[c].to_f64() * inverse(variance[c]))]
}

/// How to compute the result of [`batch_norm`] while reading its input.
#[derive(Clone)]
pub struct Normalised {
    x: Tensor,
    mean: Tensor,
    /// `1 / sqrt(variance + epsilon)`.
    inverse_deviation: Tensor,
    /// `gamma / sqrt(variance + epsilon)`.
    scale: Tensor,
    shift: Tensor,
    slope: f64,
}

impl Normalised {
    /// Values, mean, scale and shift.
    pub(crate) fn operands(&self) -> [&Tensor; 4] {
        [&self.x, &self.mean, &self.scale, &self.shift]
    }

    /// What negative values are multiplied by.
    pub(crate) fn slope(&self) -> f64 {
        self.slope
    }

    fn activation<T: Float>(&self) -> Activation<'_, T> {
        Activation {
            mean: self.mean.data(),
            scale: self.scale.data(),
            shift: self.shift.data(),
            slope: T::from_f64(self.slope),
        }
    }
}

impl LazyExpr for Normalised {
    fn compute(&self) -> Result<Buffer> {
        if let Some(gpu) = self.x.gpu() {
            return cuda::apply(&*gpu, self);
        }
        Ok(match self.x.dtype() {
            DType::F64 => cpu::apply::<f64>(self.x.data(), &self.activation()),
            DType::BF16 => cpu::apply::<bf16>(self.x.data(), &self.activation()),
            _ => cpu::apply::<f32>(self.x.data(), &self.activation()),
        })
    }

    fn device(&self) -> Device {
        self.x.device()
    }
}

/// A tensor as the taps read it: raw with the activation to apply, if it comes from
/// [`batch_norm`], else as it is.
pub(crate) fn source<T: Loadable>(x: &Tensor) -> Source<'_, T> {
    match x.lazy_expr::<Normalised>() {
        Some(normalised) => Source {
            data: normalised.x.data(),
            channels: x.shape().last(),
            activation: Some(normalised.activation()),
        },
        None => Source { data: x.data(), channels: x.shape().last(), activation: None },
    }
}
