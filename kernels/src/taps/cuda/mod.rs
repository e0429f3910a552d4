//! Sums over taps on graphics processors.
//!
//! Features in bf16 are multiplied by tensor cores ([`tensor_core`]); in float32 and float64 by plain
//! kernels that any device runs ([`portable`]), which are also what the others are held against. What
//! both leave in parts, so that many blocks can work on one sum, is added here.

mod portable;
mod tensor_core;

use tensor::gpu::{Address, Argument, Gpu, Launch, Program, Source as File};
use tensor::{Buffer, DType, Device, Error, Result, Shape, Tensor};

use crate::batch_norm::{Moments, Normalised};

const PARTS: &[File] =
    &[File { path: "kernels/src/taps/cuda/parts.cu", text: include_str!("parts.cu") }];

/// Pixels over which a block sums the gradient of a bias, at least.
const SPAN: usize = 1 << 11;

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
    /// Every program for features of a dtype.
    pub fn programs(self, dtype: DType) -> Vec<Program> {
        let mut programs = vec![portable::program(self, dtype), Program::new(PARTS, dtype)];
        if dtype == DType::BF16 {
            programs.extend(tensor_core::programs(self));
        }
        programs
    }

    fn specialised(self, files: &'static [File], dtype: DType) -> Program {
        Program::new(files, dtype)
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

/// Weights in memory, by tap, input and output channel; of the dtype that parameters have.
#[derive(Clone, Debug)]
pub struct Weights {
    /// Where the first lies.
    pub first: Address,
    /// Elements between neighbouring taps, input channels and output channels.
    pub steps: [usize; 3],
    /// The device.
    pub device: Device,
}

impl Weights {
    /// A tensor's elements, so far apart.
    ///
    /// # Errors
    /// When it is deferred and the device fails.
    pub fn of(weight: &Tensor, steps: [usize; 3]) -> Result<Self> {
        Ok(Weights { first: weight.address()?, steps, device: weight.device() })
    }
}

/// Means, and sums of squared distances from them, of the channels of every tile, in float64.
struct TileMoments {
    means: Buffer,
    squares: Buffer,
    /// Pixels of each tile.
    counts: Buffer,
    tiles: usize,
}

impl TileMoments {
    fn new(device: &Device, tiles: usize, channels: usize) -> Result<Self> {
        let double = |count| Buffer::stale_on(device, DType::F64, count);
        let (means, squares) = (double(tiles * channels)?, double(tiles * channels)?);
        Ok(TileMoments { means, squares, counts: double(tiles)?, tiles })
    }

    /// Moments of runs of tiles, if there are so many tiles that one block would take its time.
    fn merged(self, gpu: &dyn Gpu, dtype: DType, device: &Device, channels: usize) -> Result<Self> {
        /// As the kernel has it.
        const TILES: usize = 64;
        if self.tiles <= 2 * TILES {
            return Ok(self);
        }
        let merged = TileMoments::new(device, self.tiles.div_ceil(TILES), channels)?;
        let mut arguments = Self::arguments(Some(&self)).to_vec();
        arguments.extend(Self::arguments(Some(&merged)));
        arguments.extend([self.tiles, channels].map(Argument::from));
        let (program, launch) = (Program::new(PARTS, dtype), runs(channels, merged.tiles));
        // SAFETY: there are moments of so many tiles and channels, and of each run of tiles.
        unsafe { gpu.launch(&program, "taps_moments_of_tiles", launch, &arguments)? };
        Ok(merged)
    }

    /// As kernels take them; nothing where nothing is measured.
    fn arguments(moments: Option<&Self>) -> [Argument; 3] {
        let all = moments.map(|m| [&m.means, &m.squares, &m.counts].map(|b| b.address()));
        all.unwrap_or([Address::NULL; 3]).map(Argument::from)
    }
}

impl Taps {
    fn pixels(&self) -> usize {
        self.batch * self.output[0] * self.output[1]
    }

    fn extents(&self, outputs: usize) -> [Argument; 6] {
        let ([rows, columns], [out_rows, out_columns]) = (self.input, self.output);
        [self.batch, rows, columns, out_rows, out_columns, outputs].map(Into::into)
    }

    /// Refuses more pixels than the kernels for tensor cores count: they do so in 32 bits.
    fn countable(&self) -> Result<()> {
        let images = [self.input, self.output];
        match images
            .into_iter()
            .find(|[rows, columns]| i32::try_from(self.batch * rows * columns).is_err())
        {
            None => Ok(()),
            Some([rows, columns]) => {
                let what = format!(
                    "{} images of {rows} x {columns} in bf16: more pixels than {}, which tensor cores \
                     are given at most; take fewer images, or float32",
                    self.batch,
                    i32::MAX
                );
                Err(Error::shape("taps", what))
            }
        }
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
        let sum = match inputs[0].dtype() {
            DType::BF16 => {
                self.countable()?;
                tensor_core::sum
            }
            _ => portable::sum,
        };
        let (result, moments) = sum(self, gpu, inputs, weights, bias, outputs, measure)?;
        let whole = |moments: TileMoments| self.moments(gpu, &result, moments);
        let moments = moments.map(whole).transpose()?;
        Ok((result, moments))
    }

    /// Moments of every channel of a result from those of its tiles.
    fn moments(&self, gpu: &dyn Gpu, result: &Tensor, tiles: TileMoments) -> Result<Moments> {
        let (dtype, channels) = (result.dtype(), result.shape().last());
        let tiles = tiles.merged(gpu, dtype, &result.device(), channels)?;
        let vector = || Buffer::stale_on(&result.device(), dtype.wide(), channels);
        let (mean, variance) = (vector()?, vector()?);
        let mut arguments = TileMoments::arguments(Some(&tiles)).to_vec();
        arguments.extend([&mean, &variance].map(|buffer| Argument::from(buffer.address())));
        arguments.extend([tiles.tiles, channels].map(Argument::from));
        let (program, launch) = (Program::new(PARTS, dtype), runs(channels, 1));
        // SAFETY: there are moments of so many tiles and channels, and each channel has a result.
        unsafe { gpu.launch(&program, "taps_moments", launch, &arguments)? };
        let vector = |buffer| Tensor::over(buffer, [channels], dtype.wide());
        Ok(Moments { mean: vector(mean), variance: vector(variance), count: self.pixels() })
    }

    /// The gradient of the weights, `[kernel, kernel, inputs, outputs]`, from that of the sum, and of
    /// the bias if `biased`.
    ///
    /// # Errors
    /// When the device has no memory left, or fails.
    pub fn of_parameters(
        &self,
        gpu: &dyn Gpu,
        inputs: &[Tensor],
        gradient: &Tensor,
        biased: bool,
    ) -> Result<(Tensor, Option<Tensor>)> {
        let (dtype, outputs) = (gradient.dtype(), gradient.shape().last());
        let channels: usize = inputs.iter().map(|input| input.shape().last()).sum();
        let kernel = self.kind.kernel;
        let shape = [kernel, kernel, channels, outputs];
        let bias = || self.of_bias(gpu, gradient);
        if dtype != DType::BF16 {
            let (parts, count) = portable::weights(self, gpu, inputs, gradient)?;
            let weight = added(gpu, dtype, parts, count, [channels, outputs], shape, false)?;
            return Ok((weight, biased.then(bias).transpose()?));
        }
        self.countable()?;
        if self.kind.transposed {
            // What reads through the taps is then the gradient, and the input stands still.
            let kind = Kind { transposed: false, ..self.kind };
            let taps = Taps { kind, input: self.output, output: self.input, ..*self };
            let moving = std::slice::from_ref(gradient);
            let parts = tensor_core::weights(&taps, gpu, moving, &inputs[0], false)?;
            let each = [outputs, channels];
            let weight = added(gpu, dtype, parts.weights, parts.count, each, shape, true)?;
            return Ok((weight, biased.then(bias).transpose()?));
        }
        let parts = tensor_core::weights(self, gpu, inputs, gradient, biased)?;
        let each = [channels, outputs];
        let weight = added(gpu, dtype, parts.weights, parts.count, each, shape, false)?;
        let bias = parts
            .biases
            .map(|biases| added(gpu, dtype, biases, parts.count, [1, outputs], [outputs], false));
        Ok((weight, bias.transpose()?))
    }

    /// The gradient of the bias.
    ///
    /// # Errors
    /// When the device has no memory left, or fails.
    pub fn of_bias(&self, gpu: &dyn Gpu, gradient: &Tensor) -> Result<Tensor> {
        let (dtype, outputs) = (gradient.dtype(), gradient.shape().last());
        let (span, count) = spans(self.pixels(), SPAN, outputs.div_ceil(32));
        let parts = Buffer::stale_on(&gradient.device(), dtype.wide(), count * outputs)?;
        let places = [gradient.address()?, parts.address()].map(Argument::from);
        let sizes = [span, self.pixels(), outputs].map(Argument::from);
        let (program, launch) = (Program::new(PARTS, dtype), runs(outputs, count));
        let arguments = [&places[..], &sizes].concat();
        // SAFETY: the gradient has so many pixels and channels; each thread writes an element of its
        // own, in the part of its span.
        unsafe { gpu.launch(&program, "taps_bias_parts", launch, &arguments)? };
        added(gpu, dtype, parts, count, [1, outputs], [outputs], false)
    }
}

/// The sum of `count` parts, each of blocks of `[rows, columns]`, which are transposed if `turned`.
fn added(
    gpu: &dyn Gpu,
    dtype: DType,
    parts: Buffer,
    count: usize,
    [rows, columns]: [usize; 2],
    shape: impl Into<Shape>,
    turned: bool,
) -> Result<Tensor> {
    /// With more parts than this, one thread would wait for its many reads one after another.
    const MANY: usize = 64;
    let shape = shape.into();
    let elements = shape.elements();
    if count == 1 && !turned {
        return Ok(Tensor::over(parts, shape, dtype.wide()));
    }
    let sum = Buffer::stale_on(&parts.device(), dtype.wide(), elements)?;
    let places = [&parts, &sum].map(|buffer| buffer.address().into());
    let sizes = [count, elements, rows, columns, usize::from(turned)].map(Argument::from);
    let (program, arguments) = (Program::new(PARTS, dtype), [&places[..], &sizes].concat());
    let (kernel, launch) = match count > MANY {
        true => ("taps_add_many_parts", runs(elements, 1)),
        false => ("taps_add_parts", Launch::over(elements)),
    };
    // SAFETY: there are so many parts of so many elements, and each element has a thread, or a run of
    // them.
    unsafe { gpu.launch(&program, kernel, launch, &arguments)? };
    Ok(Tensor::over(sum, shape, dtype.wide()))
}

/// Blocks of 32 columns by 32 runs.
fn runs(columns: usize, down: usize) -> Launch {
    Launch {
        blocks: [columns.div_ceil(32) as u32, down as u32, 1],
        threads: [32, 32, 1],
        shared: 0,
    }
}

/// How many pixels a block sums, `least` at least, and how many blocks share them. It depends on the
/// extents alone, so that equal inputs give equal bits on every device: few tiles are cut into many
/// spans.
fn spans(pixels: usize, least: usize, tiles: usize) -> (usize, usize) {
    /// Blocks that keep a large device busy.
    const BLOCKS: usize = 512;
    let spans = pixels.div_ceil(least).min(BLOCKS.div_ceil(tiles.max(1))).max(1);
    let span = pixels.div_ceil(spans).max(1);
    (span, pixels.div_ceil(span).max(1))
}

/// Two inputs as the kernels take them: raw, with the activation to apply. The second may be none.
fn sources(inputs: &[Tensor]) -> Result<Vec<Argument>> {
    let mut arguments = Vec::with_capacity(32);
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
