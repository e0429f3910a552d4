//! Batch normalisation on graphics processors: two passes to measure, one for the sums of the
//! gradient, one to apply each.

use tensor::gpu::{Argument, Gpu, Launch, Program, Source};
use tensor::{Buffer, DType, Device, Result, Tensor};

use super::{Moments, Normalised};
use crate::gpu::{changed, filled};

const SOURCES: &[Source] =
    &[Source { path: "kernels/src/batch_norm/batch_norm.cu", text: include_str!("batch_norm.cu") }];

/// Pixels of a span, at least.
const SPAN: usize = 1 << 6;

/// Threads of a block.
const BLOCK: usize = 256;

/// The kernels.
pub fn programs(dtype: DType) -> Vec<Program> {
    vec![program(dtype, 1), program(dtype, vector(dtype))]
}

/// Of so many neighbouring channels for each thread.
fn program(dtype: DType, vector: usize) -> Program {
    Program::new(SOURCES, dtype).with("VECTOR", vector as i64).with("BLOCK", BLOCK as i64)
}

/// Elements that a thread reads at once.
fn vector(dtype: DType) -> usize {
    16 / dtype.bytes()
}

/// 32 channels by 32 runs of spans.
fn over_spans(channels: usize) -> Launch {
    let blocks = channels.div_ceil(32) as u32;
    Launch { blocks: [blocks, 1, 1], threads: [32, 32, 1], shared: 0 }
}

/// Pixels, cut into spans, by channels.
struct Spans {
    span: usize,
    spans: usize,
    pixels: usize,
    channels: usize,
    /// Neighbouring channels of a thread.
    vector: usize,
}

impl Spans {
    fn of(x: &Tensor) -> Self {
        /// Spans that keep a large device busy.
        const MOST: usize = 1024;
        let channels = x.shape().last();
        let pixels = x.shape().elements() / channels;
        let span = pixels.div_ceil(MOST).max(SPAN);
        let vector = vector(x.dtype());
        let vector = if channels.is_multiple_of(vector) { vector } else { 1 };
        Spans { span, spans: pixels.div_ceil(span), pixels, channels, vector }
    }

    fn launch(&self) -> Launch {
        let vectors = self.channels / self.vector;
        let across = vectors.next_power_of_two().min(32);
        Launch {
            blocks: [vectors.div_ceil(across) as u32, self.spans as u32, 1],
            threads: [across as u32, (BLOCK / across) as u32, 1],
            shared: 0,
        }
    }

    fn program(&self, dtype: DType) -> Program {
        program(dtype, self.vector)
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
    let (device, spans) = (x.device(), Spans::of(x));
    let (program, channels, dtype) = (spans.program(x.dtype()), spans.channels, x.dtype().wide());
    let sums = spans.sums(&device)?;
    let mut centre = None;
    let mut measured = Vec::new();
    for _ in 0..2 {
        let around = centre.as_ref().map_or(Default::default(), Buffer::address);
        let places = [x.address()?, around, sums.address()].map(Argument::from);
        let arguments = [places, spans.sizes()].concat();
        // SAFETY: `x` has so many pixels and channels; each block writes the sums of its span.
        unsafe { gpu.launch(&program, "batch_norm_measure", spans.launch(), &arguments)? };
        let exact = Buffer::stale_on(&device, DType::F64, channels)?;
        let means = Buffer::stale_on(&device, dtype, channels)?;
        let places = [&sums, &exact, &means].map(|buffer| buffer.address().into());
        let sizes = [spans.spans, spans.pixels, channels].map(Argument::from);
        let arguments = [places, sizes].concat();
        // SAFETY: there are sums of so many spans and channels, and each channel has a thread.
        unsafe { gpu.launch(&program, "batch_norm_means", over_spans(channels), &arguments)? };
        measured.push(Tensor::over(means, [channels], dtype));
        centre = Some(exact);
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
    let (program, launch) = (program(dtype, 1), Launch::over(channels));
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
    let (program, channels) = (program(running.dtype(), 1), running.shape().elements());
    let places = [running.memory_mut()?.address(), batch.address()?].map(Argument::from);
    let rest = [factor.into(), momentum.into(), channels.into()];
    let arguments = [&places[..], &rest].concat();
    // SAFETY: both have an element for each channel, and each channel a thread.
    unsafe { gpu.launch(&program, "batch_norm_blend", Launch::over(channels), &arguments) }
}

/// The whole value.
pub(super) fn apply(gpu: &dyn Gpu, kept: &Normalised) -> Result<Buffer> {
    let Normalised { x, mean, scale, shift, slope, .. } = kept;
    let spans = Spans::of(x);
    let (program, launch) = (spans.program(x.dtype()), spans.launch());
    let (name, inputs) = ("batch_norm_apply", [x, mean, scale, shift]);
    let rest = [&[(*slope).into()], &spans.sizes()[..]].concat();
    // SAFETY: `x` has so many pixels and channels, vectors an element for each channel.
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
    let (program, channels) = (spans.program(dtype), spans.channels);
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

    let vector = || Buffer::stale_on(&device, dtype.wide(), channels);
    let vectors = [vector()?, vector()?, vector()?, vector()?];
    let share = if batch { 1.0 / spans.pixels as f64 } else { 0.0 };
    let mut arguments = [&sums, &products].map(|sums| Argument::from(sums.address())).to_vec();
    arguments.extend([inverse_deviation.address()?, scale.address()?].map(Argument::from));
    arguments.extend(vectors.iter().map(|vector| Argument::from(vector.address())));
    let rest: [Argument; 3] = [spans.spans.into(), share.into(), channels.into()];
    arguments.extend(rest);
    let name = "batch_norm_gradient_vectors";
    // SAFETY: there are sums of so many spans and channels, and each channel has a thread.
    unsafe { gpu.launch(&program, name, over_spans(channels), &arguments)? };
    let [dbeta, dgamma, towards, constant] =
        vectors.map(|vector| Tensor::over(vector, [channels], dtype.wide()));

    let of_x = || {
        let inputs = [x, mean, scale, shift, &towards, &constant];
        let rest = [&[(*slope).into()], &spans.sizes()[..]].concat();
        let (name, launch) = ("batch_norm_backward", spans.launch());
        // SAFETY: `x` and the gradient have so many pixels and channels, vectors an element for each.
        unsafe { changed(gpu, &program, name, launch, &inputs, gradient, &rest) }
    };
    let dx = wanted[0].then(of_x).transpose()?;
    Ok([dx, wanted[1].then_some(dgamma), wanted[2].then_some(dbeta)])
}
