//! Sums over taps on graphics processors: tiles of 64 output pixels by 64 channels.
//!
//! Any device of any age runs these kernels, in float32 and float64.

use tensor::gpu::{Address, Argument, Gpu, Launch, Program, Source as File};
use tensor::{Buffer, DType, Device, Result, Tensor};

use crate::batch_norm::{Moments, Normalised};

const FILES: &[File] = &[
    File { path: "kernels/src/gpu/tile.cuh", text: include_str!("../gpu/tile.cuh") },
    File { path: "kernels/src/taps/taps.cu", text: include_str!("taps.cu") },
];

/// Pixels and channels of a tile.
const TILE: usize = 64;

/// Pixels over which a block sums the gradient of a weight, at least.
const SPAN: usize = 1 << 12;

/// Which input pixels are read: what the kernels are specialised for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kind {
    /// Rows and columns of the kernel; a kernel of 3 is padded by 1.
    pub kernel: usize,
    /// Pixels between neighbours.
    pub stride: usize,
    /// The adjoint of the convolution: pixels are `stride` apart in the output.
    pub transposed: bool,
}

impl Kind {
    /// The program for a dtype.
    pub fn program(self, dtype: DType) -> Program {
        Program::new(FILES, dtype)
            .with("KERNEL", self.kernel as i64)
            .with("STRIDE", self.stride as i64)
            .with("TRANSPOSED", i64::from(self.transposed))
    }
}

/// A sum over taps from images of one size to images of another.
#[derive(Clone, Copy, Debug)]
pub struct Taps {
    /// Which pixels are read.
    pub kind: Kind,
    /// Images.
    pub batch: usize,
    /// Rows and columns that are read.
    pub input: [usize; 2],
    /// Rows and columns that are written.
    pub output: [usize; 2],
}

/// Weights in memory, by tap, input and output channel.
#[derive(Clone, Copy, Debug)]
pub struct Weights {
    /// Where the first lies.
    pub first: Address,
    /// Elements between neighbouring taps, input channels and output channels.
    pub steps: [usize; 3],
}

impl Taps {
    fn pixels(&self) -> usize {
        self.batch * self.output[0] * self.output[1]
    }

    fn extents(&self, outputs: usize) -> [Argument; 6] {
        let ([rows, columns], [out_rows, out_columns]) = (self.input, self.output);
        [self.batch, rows, columns, out_rows, out_columns, outputs].map(Into::into)
    }

    /// The sum of `inputs`, side by side, through `weights`, and a bias; with the moments of every
    /// channel of it if `measure`.
    ///
    /// # Errors
    /// When the device has no memory left, or fails.
    pub fn sum(
        &self,
        gpu: &dyn Gpu,
        inputs: &[Tensor],
        weights: Weights,
        bias: Option<&Tensor>,
        outputs: usize,
        measure: bool,
    ) -> Result<(Tensor, Option<Moments>)> {
        let (dtype, device) = (inputs[0].dtype(), inputs[0].device());
        let program = self.kind.program(dtype);
        let [out_rows, out_columns] = self.output;
        let result = Buffer::stale_on(&device, dtype, self.pixels() * outputs)?;
        let tiles = self.pixels().div_ceil(TILE);
        let parts = match measure {
            true => Some([double(&device, tiles * outputs)?, double(&device, tiles * outputs)?]),
            false => None,
        };
        let part = |which: usize| parts.as_ref().map_or(Address::NULL, |p| p[which].address());
        let sources = sources(inputs)?;
        let bias = bias.map_or(Ok(Address::NULL), Tensor::address)?;
        let mut arguments = sources;
        arguments.push(weights.first.into());
        arguments.extend(weights.steps.map(Argument::from));
        arguments.extend([bias, result.address(), part(0), part(1)].map(Argument::from));
        arguments.extend(self.extents(outputs));
        let launch = Launch {
            blocks: [tiles.max(1) as u32, outputs.div_ceil(TILE) as u32, 1],
            threads: [Launch::THREADS, 1, 1],
            shared: 0,
        };
        // SAFETY: tensors are of the extents that the arguments say; each thread writes pixels of
        // its own, and each block moments of its own.
        unsafe { gpu.launch(&program, "taps_sum", launch, &arguments)? };
        let shape = [self.batch, out_rows, out_columns, outputs];
        let result = Tensor::over(result, shape, dtype);
        let moments = match parts {
            Some(parts) => Some(self.moments(gpu, dtype, &device, parts, outputs)?),
            None => None,
        };
        Ok((result, moments))
    }

    /// Moments of every channel from those of the tiles.
    fn moments(
        &self,
        gpu: &dyn Gpu,
        dtype: DType,
        device: &Device,
        [means, squares]: [Buffer; 2],
        channels: usize,
    ) -> Result<Moments> {
        /// Channels of a block, and runs of tiles.
        const BLOCK: u32 = 32;
        let vector = || Buffer::stale_on(device, dtype, channels);
        let (mean, variance) = (vector()?, vector()?);
        let places = [&means, &squares, &mean, &variance].map(|buffer| buffer.address().into());
        let tiles = self.pixels().div_ceil(TILE);
        let sizes = [tiles, self.pixels(), channels].map(Argument::from);
        let launch = Launch {
            blocks: [channels.div_ceil(BLOCK as usize) as u32, 1, 1],
            threads: [BLOCK, BLOCK, 1],
            shared: 0,
        };
        let arguments = [&places[..], &sizes].concat();
        // SAFETY: there are moments of so many tiles and channels, and each channel has a result.
        unsafe { gpu.launch(&self.kind.program(dtype), "taps_moments", launch, &arguments)? };
        let vector = |buffer| Tensor::over(buffer, [channels], dtype);
        Ok(Moments { mean: vector(mean), variance: vector(variance), count: self.pixels() })
    }

    /// The gradient of the weights, `[kernel, kernel, inputs, outputs]`, from that of the sum.
    ///
    /// # Errors
    /// When the device has no memory left, or fails.
    pub fn of_weights(
        &self,
        gpu: &dyn Gpu,
        inputs: &[Tensor],
        gradient: &Tensor,
    ) -> Result<Tensor> {
        let (dtype, device, outputs) =
            (gradient.dtype(), gradient.device(), gradient.shape().last());
        let kernel = self.kind.kernel;
        let channels: usize = inputs.iter().map(|input| input.shape().last()).sum();
        let rows = kernel * kernel * channels;
        let [across, down] = [rows, outputs].map(|n| n.div_ceil(TILE));
        let (span, spans) = spans(self.pixels(), across * down);
        let parts = Buffer::stale_on(&device, dtype, spans * rows * outputs)?;
        let mut arguments = sources(inputs)?;
        arguments.extend([gradient.address()?, parts.address()].map(Argument::from));
        arguments.push(span.into());
        arguments.extend(self.extents(outputs));
        let launch = Launch {
            blocks: [across as u32, down as u32, spans as u32],
            threads: [Launch::THREADS, 1, 1],
            shared: 0,
        };
        // SAFETY: tensors are of the extents that the arguments say; each thread writes elements of
        // its own, in the part of its span.
        unsafe {
            gpu.launch(&self.kind.program(dtype), "taps_weight_spans", launch, &arguments)?;
        }
        let shape = [kernel, kernel, channels, outputs];
        let sum = self.add_spans(gpu, &parts, dtype, spans, rows * outputs)?;
        Ok(Tensor::over(sum, shape, dtype))
    }

    /// The gradient of the bias.
    ///
    /// # Errors
    /// When the device has no memory left, or fails.
    pub fn of_bias(&self, gpu: &dyn Gpu, gradient: &Tensor) -> Result<Tensor> {
        let (dtype, device, outputs) =
            (gradient.dtype(), gradient.device(), gradient.shape().last());
        let across = outputs.div_ceil(Launch::THREADS as usize);
        let (span, spans) = spans(self.pixels(), across);
        let parts = Buffer::stale_on(&device, dtype, spans * outputs)?;
        let places = [gradient.address()?, parts.address()].map(Argument::from);
        let sizes = [span, self.pixels(), outputs].map(Argument::from);
        let launch = Launch {
            blocks: [across as u32, spans as u32, 1],
            threads: [Launch::THREADS, 1, 1],
            shared: 0,
        };
        let arguments = [&places[..], &sizes].concat();
        // SAFETY: the gradient has so many pixels and channels; each thread writes an element of its
        // own, in the part of its span.
        unsafe { gpu.launch(&self.kind.program(dtype), "taps_bias_spans", launch, &arguments)? };
        let sum = self.add_spans(gpu, &parts, dtype, spans, outputs)?;
        Ok(Tensor::over(sum, [outputs], dtype))
    }

    fn add_spans(
        &self,
        gpu: &dyn Gpu,
        parts: &Buffer,
        dtype: DType,
        spans: usize,
        count: usize,
    ) -> Result<Buffer> {
        let sum = Buffer::stale_on(&parts.device(), dtype, count)?;
        let places = [parts, &sum].map(|buffer| buffer.address().into());
        let sizes = [spans, count].map(Argument::from);
        let (program, arguments) = (self.kind.program(dtype), [places, sizes].concat());
        // SAFETY: there are so many parts of so many elements, and each element has a thread.
        unsafe { gpu.launch(&program, "taps_add_spans", Launch::over(count), &arguments)? };
        Ok(sum)
    }
}

/// How many pixels a block sums, and how many blocks share them. It depends on the extents alone, so
/// that equal inputs give equal bits on every device: few tiles are cut into many spans.
fn spans(pixels: usize, tiles: usize) -> (usize, usize) {
    /// Blocks that keep a large device busy.
    const BLOCKS: usize = 512;
    let spans = pixels.div_ceil(SPAN).min(BLOCKS.div_ceil(tiles.max(1))).max(1);
    let span = pixels.div_ceil(spans).max(1);
    (span, pixels.div_ceil(span).max(1))
}

fn double(device: &Device, count: usize) -> Result<Buffer> {
    Buffer::stale_on(device, DType::F64, count)
}

/// Two inputs as the kernels take them: raw, with the activation to apply. The second may be none.
fn sources(inputs: &[Tensor]) -> Result<Vec<Argument>> {
    let mut arguments = Vec::with_capacity(24);
    for at in 0..2 {
        let Some(input) = inputs.get(at) else {
            arguments.extend([Argument::from(Address::NULL); 4]);
            arguments.extend([Argument::Integer(0), Argument::Number(0.0)]);
            continue;
        };
        let (places, slope) = match input.recipe::<Normalised>() {
            Some(recipe) => (recipe.addresses()?, recipe.slope()),
            None => ([input.address()?, Address::NULL, Address::NULL, Address::NULL], 0.0),
        };
        arguments.extend(places.map(Argument::from));
        arguments.push(input.shape().last().into());
        arguments.push(slope.into());
    }
    Ok(arguments)
}
