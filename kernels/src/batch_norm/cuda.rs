//! Batch normalisation on graphics processors: two passes to measure, one for the sums of the
//! gradient, one to apply each.

use tensor::gpu::{Argument, Gpu, Launch, Program, Source};
use tensor::{Buffer, DType, Device, Result, Tensor};

use super::{Moments, Normalised};
use crate::gpu::{changed, filled};

const SOURCES: &[Source] =
    &[Source { path: "kernels/src/batch_norm/batch_norm.cu", text: include_str!("batch_norm.cu") }];

/// Pixels of a span, at least.
const SPAN: usize = 1 << 9;

/// The kernels.
pub fn programs(dtype: DType) -> Vec<Program> {
    vec![Program::new(SOURCES, dtype)]
}

/// Pixels, cut into spans, by channels.
struct Spans {
    span: usize,
    spans: usize,
    pixels: usize,
    channels: usize,
}

impl Spans {
    fn of(x: &Tensor) -> Self {
        /// Spans that keep a large device busy.
        const MOST: usize = 1024;
        let channels = x.shape().last();
        let pixels = x.shape().elements() / channels;
        let span = pixels.div_ceil(MOST).max(SPAN);
        Spans { span, spans: pixels.div_ceil(span), pixels, channels }
    }

    fn launch(&self) -> Launch {
        const BLOCK: [u32; 3] = [32, 8, 1];
        let across = self.channels.div_ceil(BLOCK[0] as usize);
        Launch { blocks: [across as u32, self.spans as u32, 1], threads: BLOCK, shared: 0 }
    }

    fn sizes(&self) -> [Argument; 3] {
        [self.span, self.pixels, self.channels].map(Into::into)
    }

    /// Room for a sum of every span and channel.
    fn sums(&self, device: &Device) -> Result<Buffer> {
        Buffer::stale_on(device, DType::F64, self.spans * self.channels)
    }
}

/// Mean and variance of every channel: sums, then sums of squared distances from the mean.
pub(super) fn moments(gpu: &dyn Gpu, x: &Tensor) -> Result<Moments> {
    let (program, device, spans) = (Program::new(SOURCES, x.dtype()), x.device(), Spans::of(x));
    let channels = spans.channels;
    let sums = spans.sums(&device)?;
    let mut centre = None;
    let mut measured = Vec::new();
    for _ in 0..2 {
        let around = centre.as_ref().map_or(Default::default(), Buffer::address);
        let places = [x.address()?, around, sums.address()].map(Argument::from);
        let arguments = [places, spans.sizes()].concat();
        // SAFETY: `x` has so many pixels and channels; each block writes the sums of its span.
        unsafe { gpu.launch(&program, "batch_norm_measure", spans.launch(), &arguments)? };
        let wide = Buffer::stale_on(&device, DType::F64, channels)?;
        let means = Buffer::stale_on(&device, x.dtype(), channels)?;
        let places = [&sums, &wide, &means].map(|buffer| buffer.address().into());
        let sizes = [spans.spans, spans.pixels, channels].map(Argument::from);
        let arguments = [places, sizes].concat();
        // SAFETY: there are sums of so many spans and channels, and each channel has a thread.
        unsafe { gpu.launch(&program, "batch_norm_means", Launch::over(channels), &arguments)? };
        measured.push(Tensor::over(means, [channels], x.dtype()));
        centre = Some(wide);
    }
    let [mean, variance] = [measured[0].clone(), measured[1].clone()];
    Ok(Moments { mean, variance, count: spans.pixels })
}

/// `1 / deviation`, and that times `gamma`.
pub(super) fn scales(
    gpu: &dyn Gpu,
    variance: &Tensor,
    gamma: &Tensor,
    epsilon: f64,
) -> Result<[Tensor; 2]> {
    let (dtype, channels) = (gamma.dtype(), gamma.shape().elements());
    let scale = Buffer::stale_on(&gamma.device(), dtype, channels)?;
    let rest = [scale.address().into(), epsilon.into(), channels.into()];
    let (program, launch) = (Program::new(SOURCES, dtype), Launch::over(channels));
    let (name, inputs) = ("batch_norm_scales", [variance, gamma]);
    // SAFETY: all have an element for each channel, and each channel a thread.
    let inverse = unsafe { filled(gpu, &program, name, launch, &inputs, [channels], &rest)? };
    Ok([inverse, Tensor::over(scale, [channels], dtype)])
}

/// `(1 - momentum) running + momentum factor batch`, in place.
pub(super) fn blend(
    gpu: &dyn Gpu,
    running: &mut Tensor,
    batch: &Tensor,
    factor: f64,
    momentum: f64,
) -> Result<()> {
    let (program, channels) = (Program::new(SOURCES, running.dtype()), running.shape().elements());
    let places = [running.memory_mut()?.address(), batch.address()?].map(Argument::from);
    let rest = [factor.into(), momentum.into(), channels.into()];
    let arguments = [&places[..], &rest].concat();
    // SAFETY: both have an element for each channel, and each channel a thread.
    unsafe { gpu.launch(&program, "batch_norm_blend", Launch::over(channels), &arguments) }
}

/// The whole value.
pub(super) fn apply(gpu: &dyn Gpu, kept: &Normalised) -> Result<Buffer> {
    let Normalised { x, mean, scale, shift, slope, .. } = kept;
    let (count, channels) = (x.shape().elements(), x.shape().last());
    let (program, launch) = (Program::new(SOURCES, x.dtype()), Launch::over(count));
    let (name, inputs) = ("batch_norm_apply", [x, mean, scale, shift]);
    let rest = [(*slope).into(), count.into(), channels.into()];
    // SAFETY: vectors have an element for each channel, and each element of `x` a thread.
    unsafe { filled(gpu, &program, name, launch, &inputs, x.shape(), &rest)?.into_memory() }
}

/// Gradients of `x`, `gamma` and `beta`, each if wanted. `batch` says whether mean and variance
/// were those of `x`.
pub(super) fn backward(
    gpu: &dyn Gpu,
    kept: &Normalised,
    gradient: Tensor,
    batch: bool,
    wanted: &[bool],
) -> Result<[Option<Tensor>; 3]> {
    let Normalised { x, mean, inverse_deviation, scale, shift, slope } = kept;
    let (dtype, device, spans) = (x.dtype(), x.device(), Spans::of(x));
    let (program, channels) = (Program::new(SOURCES, dtype), spans.channels);
    let [sums, products] = [spans.sums(&device)?, spans.sums(&device)?];
    let mut arguments = Vec::new();
    for tensor in [x, mean, scale, shift, &gradient] {
        arguments.push(Argument::from(tensor.address()?));
    }
    arguments.extend([sums.address(), products.address()].map(Argument::from));
    arguments.push((*slope).into());
    arguments.extend(spans.sizes());
    // SAFETY: `x` and the gradient have so many pixels and channels; each block writes the sums of
    // its span.
    unsafe { gpu.launch(&program, "batch_norm_gradient_sums", spans.launch(), &arguments)? };

    let vector = || Buffer::stale_on(&device, dtype, channels);
    let vectors = [vector()?, vector()?, vector()?, vector()?];
    let share = if batch { 1.0 / spans.pixels as f64 } else { 0.0 };
    let mut arguments = [&sums, &products].map(|sums| Argument::from(sums.address())).to_vec();
    arguments.extend([inverse_deviation.address()?, scale.address()?].map(Argument::from));
    arguments.extend(vectors.iter().map(|vector| Argument::from(vector.address())));
    let rest: [Argument; 3] = [spans.spans.into(), share.into(), channels.into()];
    arguments.extend(rest);
    let name = "batch_norm_gradient_vectors";
    // SAFETY: there are sums of so many spans and channels, and each channel has a thread.
    unsafe { gpu.launch(&program, name, Launch::over(channels), &arguments)? };
    let [dbeta, dgamma, towards, constant] =
        vectors.map(|vector| Tensor::over(vector, [channels], dtype));

    let of_x = || {
        let (count, inputs) = (x.shape().elements(), [x, mean, scale, shift, &towards, &constant]);
        let rest = [(*slope).into(), count.into(), channels.into()];
        let (name, launch) = ("batch_norm_backward", Launch::over(count));
        // SAFETY: vectors have an element for each channel, and each element of `x` a thread.
        unsafe { changed(gpu, &program, name, launch, &inputs, gradient, &rest) }
    };
    let dx = wanted[0].then(of_x).transpose()?;
    Ok([dx, wanted[1].then_some(dgamma), wanted[2].then_some(dbeta)])
}
