//! Sums over taps on graphics processors.
//!
//! Features in bf16 are multiplied by tensor cores ([`tensor_core`]); in float32 and float64 by plain
//! kernels that any device runs ([`portable`]), with which the others are compared. Both leave sums in
//! parts, so that many blocks can work on one sum; they are added here.

mod portable;
mod tensor_core;

use tensor::gpu::{Acc, Gpu, In, Launch, Out, Program, Real, Source as File};
use tensor::{DType, Device, Error, Result, Shape, Tensor};

use crate::batch_norm::{Moments, Normalised};

/// Parts of the arguments of all kernels.
const ARGUMENTS: File =
    File { path: "kernels/src/taps/cuda/arguments.cuh", text: include_str!("arguments.cuh") };

const PARTS: &[File] =
    &[ARGUMENTS, File { path: "kernels/src/taps/cuda/parts.cu", text: include_str!("parts.cu") }];

tensor::kernel_struct! {
    /// An input, to be normalised and activated as it is read where `mean` is not null.
    struct Input<'a> {
        data: In<'a, Real>,
        mean: In<'a, Acc>,
        scale: In<'a, Acc>,
        shift: In<'a, Acc>,
        channels: usize,
        slope: f64,
    }
}

tensor::kernel_struct! {
    /// Extents of the input and of the output.
    struct Images {
        batch: usize,
        rows: usize,
        columns: usize,
        out_rows: usize,
        out_columns: usize,
    }
}

tensor::kernel_struct! {
    /// Statistics of tiles of results; see [`MeasuredTiles`].
    struct TileStatistics<'a> {
        means: Out<'a, f64>,
        squares: Out<'a, f64>,
        counts: Out<'a, f64>,
    }
}

tensor::kernels! {
    /// The kernels of `parts.cu`.
    const PARTS_KERNELS;

    taps_merge_tiles => struct TapsMergeTiles<'a> {
        of_tiles: TileStatistics<'a>,
        merged: TileStatistics<'a>,
        tiles: usize,
        channels: usize,
    }

    taps_statistics => struct TapsStatistics<'a> {
        of_tiles: TileStatistics<'a>,
        mean: Out<'a, Acc>,
        variance: Out<'a, Acc>,
        tiles: usize,
        channels: usize,
    }

    taps_add_parts, taps_add_many_parts => struct TapsAddParts<'a> {
        parts: In<'a, Acc>,
        y: Out<'a, Acc>,
        parts_count: usize,
        count: usize,
        rows: usize,
        columns: usize,
        transposed: i64,
    }

    taps_bias_parts => struct TapsBiasParts<'a> {
        gradient: In<'a, Real>,
        y: Out<'a, Acc>,
        span: usize,
        pixels: usize,
        outputs: usize,
    }
}

/// The program that adds parts.
fn parts_program(dtype: DType) -> Program {
    Program::new(PARTS, dtype).with_kernels(PARTS_KERNELS)
}

impl<'a> Input<'a> {
    /// No input: one without channels.
    const NONE: Self = Input {
        data: In::NULL,
        mean: In::NULL,
        scale: In::NULL,
        shift: In::NULL,
        channels: 0,
        slope: 0.0,
    };

    /// A tensor; a deferred batch normalisation is applied by the kernel as it reads.
    fn of(program: &Program, tensor: &'a Tensor) -> Result<Self> {
        let channels = tensor.shape().last();
        let Some(normalised) = tensor.lazy_expr::<Normalised>() else {
            return Ok(Input { data: program.input(tensor)?, channels, ..Self::NONE });
        };
        let [data, mean, scale, shift] = normalised.operands();
        Ok(Input {
            data: program.input(data)?,
            mean: program.input(mean)?,
            scale: program.input(scale)?,
            shift: program.input(shift)?,
            channels,
            slope: normalised.slope(),
        })
    }

    /// One or two tensors side by side.
    fn pair(program: &Program, tensors: &'a [Tensor]) -> Result<[Self; 2]> {
        let input =
            |at| tensors.get(at).map_or(Ok(Input::NONE), |tensor| Self::of(program, tensor));
        Ok([input(0)?, input(1)?])
    }
}

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
        let mut programs = vec![portable::program(self, dtype), parts_program(dtype)];
        if dtype == DType::BF16 {
            programs.extend(tensor_core::programs(self));
        }
        programs
    }

    fn specialised(self, files: &'static [File], dtype: DType) -> Program {
        Program::new(files, dtype)
            .define("KERNEL", self.kernel as i64)
            .define("STRIDE", self.stride as i64)
            .define("TRANSPOSED", i64::from(self.transposed))
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

/// Weights by tap, input and output channel, in the dtype that parameters have.
#[derive(Clone, Copy, Debug)]
pub struct Weights<'a> {
    /// The tensor that has them.
    pub tensor: &'a Tensor,
    /// The element that is the first weight.
    pub first: usize,
    /// Elements between neighbouring taps, input channels and output channels.
    pub steps: [usize; 3],
}

/// For each channel of every tile of a result, the mean and the sum of squared distances from it, in
/// float64.
struct MeasuredTiles {
    means: Tensor,
    squares: Tensor,
    /// Pixels of each tile.
    counts: Tensor,
    tiles: usize,
}

impl MeasuredTiles {
    fn new(device: &Device, tiles: usize, channels: usize) -> Result<Self> {
        let double = |shape: &[usize]| Tensor::uninitialised(device, DType::F64, shape);
        let (means, squares) = (double(&[tiles, channels])?, double(&[tiles, channels])?);
        Ok(MeasuredTiles { means, squares, counts: double(&[tiles])?, tiles })
    }

    /// Statistics of runs of tiles, if there are more tiles than one block adds quickly.
    fn merged(
        mut self,
        gpu: &dyn Gpu,
        dtype: DType,
        device: &Device,
        channels: usize,
    ) -> Result<Self> {
        /// As in the kernel.
        const TILES: usize = 64;
        if self.tiles <= 2 * TILES {
            return Ok(self);
        }
        let (program, tiles) = (parts_program(dtype), self.tiles);
        let mut merged = MeasuredTiles::new(device, tiles.div_ceil(TILES), channels)?;
        let launch = runs(channels, merged.tiles);
        let args = TapsMergeTiles {
            of_tiles: self.arguments(&program)?,
            merged: merged.arguments(&program)?,
            tiles,
            channels,
        };
        // SAFETY: there are statistics of `tiles` tiles and `channels` channels, and of a run for each
        // block along y.
        unsafe { gpu.launch(&program, "taps_merge_tiles", launch, &args)? };
        Ok(merged)
    }

    fn arguments(&mut self, program: &Program) -> Result<TileStatistics<'_>> {
        Ok(TileStatistics {
            means: program.output(&mut self.means)?,
            squares: program.output(&mut self.squares)?,
            counts: program.output(&mut self.counts)?,
        })
    }
}

impl<'a> TileStatistics<'a> {
    /// What a kernel measures, if it does.
    fn of(program: &Program, tiles: Option<&'a mut MeasuredTiles>) -> Result<Self> {
        let none = TileStatistics { means: Out::NULL, squares: Out::NULL, counts: Out::NULL };
        tiles.map_or(Ok(none), |tiles| tiles.arguments(program))
    }
}

impl Taps {
    fn pixels(&self) -> usize {
        self.batch * self.output[0] * self.output[1]
    }

    fn images(&self) -> Images {
        let ([rows, columns], [out_rows, out_columns]) = (self.input, self.output);
        Images { batch: self.batch, rows, columns, out_rows, out_columns }
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
                    "{} images of {rows} x {columns} in bf16: more pixels than {}, the most \
                     that kernels for tensor cores count; take fewer images, or float32",
                    self.batch,
                    i32::MAX
                );
                Err(Error::shape("taps", what))
            }
        }
    }

    /// The sum of `inputs`, side by side, through `weights`, and a bias; with the statistics of every
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
        let (result, tiles) = sum(self, gpu, inputs, weights, bias, outputs, measure)?;
        let whole = |tiles: MeasuredTiles| self.statistics(gpu, &result, tiles);
        let statistics = tiles.map(whole).transpose()?;
        Ok((result, statistics))
    }

    /// Statistics of every channel of a result from those of its tiles.
    fn statistics(&self, gpu: &dyn Gpu, result: &Tensor, tiles: MeasuredTiles) -> Result<Moments> {
        let (dtype, device, channels) = (result.dtype(), result.device(), result.shape().last());
        let mut tiles = tiles.merged(gpu, dtype, &device, channels)?;
        let vector = || Tensor::uninitialised(&device, dtype.accumulator(), [channels]);
        let (program, mut mean, mut variance) = (parts_program(dtype), vector()?, vector()?);
        let args = TapsStatistics {
            tiles: tiles.tiles,
            of_tiles: tiles.arguments(&program)?,
            mean: program.output(&mut mean)?,
            variance: program.output(&mut variance)?,
            channels,
        };
        // SAFETY: there are statistics of `tiles` tiles, and two results, for each of the channels.
        unsafe { gpu.launch(&program, "taps_statistics", runs(channels, 1), &args)? };
        Ok(Moments { mean, variance, count: self.pixels() })
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
            // The gradient is then read through the taps, and the input at the pixel itself.
            let kind = Kind { transposed: false, ..self.kind };
            let taps = Taps { kind, input: self.output, output: self.input, ..*self };
            let tapped = std::slice::from_ref(gradient);
            let parts = tensor_core::weights(&taps, gpu, tapped, &inputs[0], false)?;
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
        let mut parts =
            Tensor::uninitialised(&gradient.device(), dtype.accumulator(), [count, outputs])?;
        let program = parts_program(dtype);
        let args = TapsBiasParts {
            gradient: program.input(gradient)?,
            y: program.output(&mut parts)?,
            span,
            pixels: self.pixels(),
            outputs,
        };
        // SAFETY: the gradient has `pixels` times `outputs` elements; there is a part of `outputs` for
        // each of the `count` spans along y.
        unsafe { gpu.launch(&program, "taps_bias_parts", runs(outputs, count), &args)? };
        added(gpu, dtype, parts, count, [1, outputs], [outputs], false)
    }
}

/// The sum of `count` parts, each of matrices of `[rows, columns]`, which are transposed on the way if
/// `transposed`.
fn added(
    gpu: &dyn Gpu,
    dtype: DType,
    parts: Tensor,
    count: usize,
    [rows, columns]: [usize; 2],
    shape: impl Into<Shape>,
    transposed: bool,
) -> Result<Tensor> {
    /// With more parts than this, one thread would wait for its many reads one after another.
    const MANY: usize = 64;
    let shape = shape.into();
    let elements = shape.elements();
    if count == 1 && !transposed {
        return Ok(Tensor::from_parts(parts.into_memory()?, shape, dtype.accumulator()));
    }
    let mut sum = Tensor::uninitialised(&parts.device(), dtype.accumulator(), shape)?;
    let program = parts_program(dtype);
    let args = TapsAddParts {
        parts: program.input(&parts)?,
        y: program.output(&mut sum)?,
        parts_count: count,
        count: elements,
        rows,
        columns,
        transposed: transposed.into(),
    };
    let (kernel, launch) = match count > MANY {
        true => ("taps_add_many_parts", runs(elements, 1)),
        false => ("taps_add_parts", Launch::over(elements)),
    };
    // SAFETY: there are `count` parts of as many elements as the sum has, which are whole matrices; a
    // thread, or 32 of them, for each element of the sum.
    unsafe { gpu.launch(&program, kernel, launch, &args)? };
    Ok(sum)
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
