//! Batch normalisation on graphics processors: two passes to measure, one for the sums of the
//! gradient, one to apply each.

use tensor::gpu::{Acc, Gpu, In, Launch, Out, Program, Real, Source};
use tensor::{Buffer, DType, Device, Result, Tensor};

use super::{Moments, Normalised};

const SOURCES: &[Source] =
    &[Source { path: "kernels/src/batch_norm/batch_norm.cu", text: include_str!("batch_norm.cu") }];

tensor::kernels! {
    /// The kernels of `batch_norm.cu`.
    const KERNELS;

    batch_norm_measure => struct BatchNormMeasure<'a> {
        x: In<'a, Real>,
        centre: In<'a, f64>,
        sums: Out<'a, f64>,
        span: usize,
        pixels: usize,
        channels: usize,
    }

    batch_norm_means => struct BatchNormMeans<'a> {
        sums: In<'a, f64>,
        exact: Out<'a, f64>,
        means: Out<'a, Acc>,
        spans: usize,
        pixels: usize,
        channels: usize,
    }

    batch_norm_scales => struct BatchNormScales<'a> {
        variance: In<'a, Acc>,
        gamma: In<'a, Acc>,
        inverse: Out<'a, Acc>,
        scale: Out<'a, Acc>,
        epsilon: f64,
        channels: usize,
    }

    batch_norm_apply => struct BatchNormApply<'a> {
        x: In<'a, Real>,
        mean: In<'a, Acc>,
        scale: In<'a, Acc>,
        shift: In<'a, Acc>,
        y: Out<'a, Real>,
        slope: f64,
        span: usize,
        pixels: usize,
        channels: usize,
    }

    batch_norm_gradient_sums => struct BatchNormGradientSums<'a> {
        x: In<'a, Real>,
        mean: In<'a, Acc>,
        scale: In<'a, Acc>,
        shift: In<'a, Acc>,
        gradient: In<'a, Real>,
        sums: Out<'a, f64>,
        products: Out<'a, f64>,
        slope: f64,
        span: usize,
        pixels: usize,
        channels: usize,
    }

    batch_norm_gradient_vectors => struct BatchNormGradientVectors<'a> {
        sums: In<'a, f64>,
        products: In<'a, f64>,
        inverse: In<'a, Acc>,
        scale: In<'a, Acc>,
        dbeta: Out<'a, Acc>,
        dgamma: Out<'a, Acc>,
        towards: Out<'a, Acc>,
        constant: Out<'a, Acc>,
        spans: usize,
        share: f64,
        channels: usize,
    }

    batch_norm_backward => struct BatchNormBackward<'a> {
        x: In<'a, Real>,
        mean: In<'a, Acc>,
        scale: In<'a, Acc>,
        shift: In<'a, Acc>,
        towards: In<'a, Acc>,
        constant: In<'a, Acc>,
        gradient: Out<'a, Real>,
        slope: f64,
        span: usize,
        pixels: usize,
        channels: usize,
    }

    batch_norm_blend => struct BatchNormBlend<'a> {
        running: Out<'a, Acc>,
        batch: In<'a, Acc>,
        factor: f64,
        momentum: f64,
        channels: usize,
    }
}

/// Pixels of a span, at least.
const SPAN: usize = 1 << 6;

/// Threads of a block.
const BLOCK: usize = 256;

/// The programs.
pub fn programs(dtype: DType) -> Vec<Program> {
    vec![program(dtype, 1), program(dtype, vector(dtype))]
}

/// A program whose threads have `vector` neighbouring channels each.
fn program(dtype: DType, vector: usize) -> Program {
    Program::new(SOURCES, dtype)
        .with_kernels(KERNELS)
        .define("VECTOR", vector as i64)
        .define("BLOCK", BLOCK as i64)
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

    /// A sum for every span and channel.
    fn sums(&self, device: &Device) -> Result<Tensor> {
        Tensor::uninitialised(device, DType::F64, [self.spans, self.channels])
    }
}

/// Mean and variance of every channel: sums, then sums of squared distances from the mean.
pub(super) fn moments(gpu: &dyn Gpu, x: &Tensor) -> Result<Moments> {
    let spans = Spans::of(x);
    let (mean, exact) = means(gpu, x, &spans, None)?;
    let (variance, _) = means(gpu, x, &spans, Some(&exact))?;
    Ok(Moments { mean, variance, count: spans.pixels })
}

/// The mean of every channel, or of its squared distance from `centre`; rounded, and in float64.
fn means(
    gpu: &dyn Gpu,
    x: &Tensor,
    spans: &Spans,
    centre: Option<&Tensor>,
) -> Result<(Tensor, Tensor)> {
    let (program, device) = (spans.program(x.dtype()), x.device());
    let &Spans { span, pixels, channels, .. } = spans;
    let mut sums = spans.sums(&device)?;
    let args = BatchNormMeasure {
        x: program.input(x)?,
        centre: program.optional_input(centre)?,
        sums: program.output(&mut sums)?,
        span,
        pixels,
        channels,
    };
    // SAFETY: `x` has `pixels` times `channels` elements, the centre one for each channel; a block for
    // each span and its sums.
    unsafe { gpu.launch(&program, "batch_norm_measure", spans.launch(), &args)? };
    let mut exact = Tensor::uninitialised(&device, DType::F64, [channels])?;
    let mut means = Tensor::uninitialised(&device, x.dtype().accumulator(), [channels])?;
    let args = BatchNormMeans {
        sums: program.input(&sums)?,
        exact: program.output(&mut exact)?,
        means: program.output(&mut means)?,
        spans: spans.spans,
        pixels,
        channels,
    };
    // SAFETY: there are sums of `spans` spans; 32 threads for each channel.
    unsafe { gpu.launch(&program, "batch_norm_means", over_spans(channels), &args)? };
    Ok((means, exact))
}

/// `1 / standard deviation`, and that times `gamma`.
pub(super) fn scales(
    gpu: &dyn Gpu,
    variance: &Tensor,
    gamma: &Tensor,
    epsilon: f64,
) -> Result<[Tensor; 2]> {
    let (program, channels) = (program(gamma.dtype(), 1), gamma.shape().elements());
    let vector = || Tensor::uninitialised(&gamma.device(), gamma.dtype(), [channels]);
    let [mut inverse, mut scale] = [vector()?, vector()?];
    let args = BatchNormScales {
        variance: program.input(variance)?,
        gamma: program.input(gamma)?,
        inverse: program.output(&mut inverse)?,
        scale: program.output(&mut scale)?,
        epsilon,
        channels,
    };
    // SAFETY: all have `channels` elements; a thread for each.
    unsafe { gpu.launch(&program, "batch_norm_scales", Launch::over(channels), &args)? };
    Ok([inverse, scale])
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
    let args = BatchNormBlend {
        running: program.output(running)?,
        batch: program.input(batch)?,
        factor,
        momentum,
        channels,
    };
    // SAFETY: both have `channels` elements; a thread for each.
    unsafe { gpu.launch(&program, "batch_norm_blend", Launch::over(channels), &args) }
}

/// Evaluates the deferred normalisation.
pub(super) fn apply(gpu: &dyn Gpu, saved: &Normalised) -> Result<Buffer> {
    let Normalised { x, mean, scale, shift, slope, .. } = saved;
    let spans = Spans::of(x);
    let program = spans.program(x.dtype());
    let mut y = Tensor::uninitialised(&x.device(), x.dtype(), x.shape())?;
    let args = BatchNormApply {
        x: program.input(x)?,
        mean: program.input(mean)?,
        scale: program.input(scale)?,
        shift: program.input(shift)?,
        y: program.output(&mut y)?,
        slope: *slope,
        span: spans.span,
        pixels: spans.pixels,
        channels: spans.channels,
    };
    // SAFETY: `x` and the result have `pixels` times `channels` elements, vectors one for each channel;
    // a block for each span.
    unsafe { gpu.launch(&program, "batch_norm_apply", spans.launch(), &args)? };
    y.into_memory()
}

/// Gradients of `x`, `gamma` and `beta`, each if wanted. `batch` says whether mean and variance
/// were those of `x`.
pub(super) fn backward(
    gpu: &dyn Gpu,
    saved: &Normalised,
    mut gradient: Tensor,
    batch: bool,
    wanted: &[bool],
) -> Result<[Option<Tensor>; 3]> {
    let Normalised { x, mean, scale, shift, slope, .. } = saved;
    let spans = Spans::of(x);
    let program = spans.program(x.dtype());
    let &Spans { span, pixels, channels, .. } = &spans;
    let [dbeta, dgamma, towards, constant] =
        gradient_vectors(gpu, saved, &gradient, &spans, batch)?;
    let dx = if wanted[0] {
        let args = BatchNormBackward {
            x: program.input(x)?,
            mean: program.input(mean)?,
            scale: program.input(scale)?,
            shift: program.input(shift)?,
            towards: program.input(&towards)?,
            constant: program.input(&constant)?,
            gradient: program.output(&mut gradient)?,
            slope: *slope,
            span,
            pixels,
            channels,
        };
        // SAFETY: `x` and the gradient have `pixels` times `channels` elements, vectors one for each
        // channel; a block for each span.
        unsafe { gpu.launch(&program, "batch_norm_backward", spans.launch(), &args)? };
        Some(gradient)
    } else {
        None
    };
    Ok([dx, wanted[1].then_some(dgamma), wanted[2].then_some(dbeta)])
}

/// Gradients of `beta` and `gamma`, and the two vectors that the gradient of `x` takes.
fn gradient_vectors(
    gpu: &dyn Gpu,
    saved: &Normalised,
    gradient: &Tensor,
    spans: &Spans,
    batch: bool,
) -> Result<[Tensor; 4]> {
    let Normalised { x, mean, inverse_deviation, scale, shift, slope } = saved;
    let (program, device) = (spans.program(x.dtype()), x.device());
    let &Spans { span, pixels, channels, .. } = spans;
    let [mut sums, mut products] = [spans.sums(&device)?, spans.sums(&device)?];
    let args = BatchNormGradientSums {
        x: program.input(x)?,
        mean: program.input(mean)?,
        scale: program.input(scale)?,
        shift: program.input(shift)?,
        gradient: program.input(gradient)?,
        sums: program.output(&mut sums)?,
        products: program.output(&mut products)?,
        slope: *slope,
        span,
        pixels,
        channels,
    };
    // SAFETY: `x` and the gradient have `pixels` times `channels` elements, vectors one for each
    // channel; a block for each span and its sums.
    unsafe { gpu.launch(&program, "batch_norm_gradient_sums", spans.launch(), &args)? };

    let vector = || Tensor::uninitialised(&device, x.dtype().accumulator(), [channels]);
    let mut vectors = [vector()?, vector()?, vector()?, vector()?];
    let [dbeta, dgamma, towards, constant] = vectors.each_mut();
    let args = BatchNormGradientVectors {
        sums: program.input(&sums)?,
        products: program.input(&products)?,
        inverse: program.input(inverse_deviation)?,
        scale: program.input(scale)?,
        dbeta: program.output(dbeta)?,
        dgamma: program.output(dgamma)?,
        towards: program.output(towards)?,
        constant: program.output(constant)?,
        spans: spans.spans,
        share: if batch { 1.0 / pixels as f64 } else { 0.0 },
        channels,
    };
    let launch = over_spans(channels);
    // SAFETY: there are sums of `spans` spans, and vectors of `channels` elements; 32 threads for each
    // channel.
    unsafe { gpu.launch(&program, "batch_norm_gradient_vectors", launch, &args)? };
    Ok(vectors)
}
