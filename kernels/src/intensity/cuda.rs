//! Tiles of images, a block for each. The parameters of each image are a row of a table, so that
//! one launch of each pass processes the complete batch.

use std::sync::Arc;

use bytemuck::{Pod, Zeroable};
use tensor::gpu::{Acc, Gpu, In, Kernel, Launch, Memory, Out, Pointee, Program, Real, Source};
use tensor::random::Purpose;
use tensor::{DType, Device, Result, Tensor};

use super::{Adjustment, Blur, smoothing_kernel};
use crate::gpu::{PHILOX, ROWS, gpu_of};

/// The passes, for kernels that make images.
pub(crate) const INTENSITY: Source =
    Source { path: "kernels/src/intensity/intensity.cuh", text: include_str!("intensity.cuh") };

const SOURCES: &[Source] = &[
    ROWS,
    PHILOX,
    INTENSITY,
    Source { path: "kernels/src/intensity/intensity.cu", text: include_str!("intensity.cu") },
];

tensor::kernel_struct! {
    /// What the first pass takes beside its source.
    pub(crate) struct FirstPass<'a> {
        adjustments: In<'a, Row>,
        images: Out<'a, Real>,
        unblurred: Out<'a, Acc>,
        extremes: Out<'a, Acc>,
        rows: usize,
        columns: usize,
    }
}

tensor::kernels! {
    /// The kernels of `intensity.cu`.
    const KERNELS;

    intensity_first => struct IntensityFirst<'a> {
        x: In<'a, Real>,
        pass: FirstPass<'a>,
    }

    intensity_blur => struct IntensityBlur<'a> {
        unblurred: In<'a, Acc>,
        adjustments: In<'a, Row>,
        weights: In<'a, f64>,
        images: Out<'a, Real>,
        extremes: Out<'a, Acc>,
        rows: usize,
        columns: usize,
    }

    intensity_contrast => struct IntensityContrast<'a> {
        adjustments: In<'a, Row>,
        extremes: In<'a, Acc>,
        images: Out<'a, Real>,
        rows: usize,
        columns: usize,
    }
}

/// Rows and columns of a tile.
const TILE: [usize; 2] = [16, 64];

/// The programs.
pub fn programs(dtype: DType) -> Vec<Program> {
    vec![program(SOURCES, KERNELS, dtype)]
}

/// A program whose kernels work on the same tiles.
pub(crate) fn program(
    sources: &'static [Source],
    kernels: &'static [Kernel],
    dtype: DType,
) -> Program {
    let [rows, columns] = TILE.map(|extent| extent as i64);
    Program::new(sources, dtype)
        .with_kernels(kernels)
        .define("TILE_ROWS", rows)
        .define("TILE_COLUMNS", columns)
}

/// An [`Adjustment`] as kernels read it.
#[repr(C)]
#[derive(Clone, Copy, Default, Pod, Zeroable)]
pub(crate) struct Row {
    affine: [f64; 2],
    deviation: f64,
    /// Both halves of the seed, purpose, epoch and sample; and a gap.
    noise: [u32; 6],
    unblurred: i64,
    weights: i64,
    /// What the blur reaches to either side, in pixels down and along.
    reach: [i64; 2],
    shift: f64,
    contrast: i64,
    gamma: f64,
    solarise: i64,
    above_and_top: [f64; 2],
}

impl Pointee for Row {
    const CUDA: &'static str = "Adjustment";
}

/// Adjustments as kernels read them, and the weights of their blurs.
struct Table {
    rows: Vec<Row>,
    weights: Vec<f64>,
    blurred: usize,
    /// The furthest that a blur reaches along a row.
    reach: usize,
}

impl Table {
    fn new(adjustments: &[Adjustment]) -> Self {
        let mut table = Table { rows: vec![], weights: vec![], blurred: 0, reach: 0 };
        for adjustment in adjustments {
            let row = table.row(adjustment);
            table.rows.push(row);
        }
        table
    }

    fn row(&mut self, adjustment: &Adjustment) -> Row {
        let Adjustment { affine, noise, blur, contrast, solarise } = *adjustment;
        let mut row = Row {
            affine,
            unblurred: -1,
            contrast: contrast.is_some().into(),
            gamma: contrast.unwrap_or_default(),
            solarise: solarise.is_some().into(),
            above_and_top: solarise.unwrap_or_default(),
            ..Row::default()
        };
        if let Some(noise) = noise {
            row.deviation = noise.deviation;
            let [low, high] = [noise.seed as u32, (noise.seed >> 32) as u32];
            row.noise = [low, high, Purpose::NOISE.number(), noise.epoch, noise.sample, 0];
        }
        if let Some(Blur { sigma, shift }) = blur {
            let kernels = sigma.map(smoothing_kernel);
            row.unblurred = self.blurred as i64;
            row.weights = self.weights.len() as i64;
            row.reach = [&kernels[0], &kernels[1]].map(|kernel| (kernel.len() / 2) as i64);
            row.shift = shift;
            self.blurred += 1;
            self.reach = self.reach.max(kernels[1].len() / 2);
            self.weights.extend(kernels.concat());
        }
        row
    }
}

/// Images that are being made: the caller launches the first pass, and [`finished`](Self::finished) the
/// others.
pub(crate) struct Making {
    gpu: Arc<dyn Gpu>,
    dtype: DType,
    images: Tensor,
    /// What blurs read.
    unblurred: Tensor,
    /// Least and greatest value of every tile.
    extremes: Tensor,
    table: Memory,
    /// Where the weights of blurs begin in the table, in bytes.
    weights: usize,
    /// Where the caller's rows begin in the table, in bytes.
    beside: usize,
    blurs: Option<usize>,
    contrasts: bool,
}

impl Making {
    /// Memory for images of `[rows, columns]`, and a table on the device, followed by the caller's rows
    /// `beside`: 64-bit integers.
    pub fn new(
        gpu: Arc<dyn Gpu>,
        dtype: DType,
        [rows, columns]: [usize; 2],
        adjustments: &[Adjustment],
        beside: &[u8],
    ) -> Result<Self> {
        let Table { rows: table, weights, blurred, reach } = Table::new(adjustments);
        let mut bytes = bytemuck::cast_slice::<Row, u8>(&table).to_vec();
        let weights_at = bytes.len();
        bytes.extend_from_slice(bytemuck::cast_slice(&weights));
        let beside_at = bytes.len();
        bytes.extend_from_slice(beside);
        let (count, device) = (adjustments.len(), Device::Gpu(gpu.clone()));
        let wide = |shape: &[usize]| Tensor::uninitialised(&device, dtype.accumulator(), shape);
        Ok(Making {
            dtype,
            images: Tensor::uninitialised(&device, dtype, [count, rows, columns, 1])?,
            unblurred: wide(&[blurred, rows, columns])?,
            extremes: wide(&[count, tiles([rows, columns]), 2])?,
            table: Memory::from_host(&gpu, &bytes)?,
            weights: weights_at,
            beside: beside_at,
            blurs: (blurred > 0).then_some(reach),
            contrasts: adjustments.iter().any(|adjustment| adjustment.contrast.is_some()),
            gpu,
        })
    }

    fn size(&self) -> [usize; 3] {
        let [count, rows, columns, _] = self.images.shape().as_array().unwrap_or_default();
        [count, rows, columns]
    }

    /// A block for each tile, with `shared` bytes; none where there are no pixels.
    pub fn launch(&self, shared: usize) -> Option<Launch> {
        let [count, rows, columns] = self.size();
        let shared = u32::try_from(shared).unwrap_or(u32::MAX);
        let blocks = Launch::blocks(count * tiles([rows, columns]), Launch::THREADS);
        (count * rows * columns > 0).then_some(Launch { shared, ..blocks })
    }

    /// Arguments of the first pass, and the caller's rows.
    pub fn first_pass<T>(&mut self, program: &Program) -> Result<(FirstPass<'_>, In<'_, T>)> {
        let [_, rows, columns] = self.size();
        let pass = FirstPass {
            adjustments: In::within(&self.table, 0),
            images: program.output(&mut self.images)?,
            unblurred: program.output(&mut self.unblurred)?,
            extremes: program.output(&mut self.extremes)?,
            rows,
            columns,
        };
        Ok((pass, In::within(&self.table, self.beside)))
    }

    /// Launches the other passes.
    pub fn finished(mut self) -> Result<Tensor> {
        let (program, [_, rows, columns]) = (program(SOURCES, KERNELS, self.dtype), self.size());
        let shared = |reach| TILE[0] * (TILE[1] + 2 * reach) * self.dtype.accumulator().bytes();
        let blur = self.blurs.and_then(|reach| self.launch(shared(reach)));
        if let Some(launch) = blur {
            let args = IntensityBlur {
                unblurred: program.input(&self.unblurred)?,
                adjustments: In::within(&self.table, 0),
                weights: In::within(&self.table, self.weights),
                images: program.output(&mut self.images)?,
                extremes: program.output(&mut self.extremes)?,
                rows,
                columns,
            };
            // SAFETY: each image that has a blur has weights and an unblurred image, which the first
            // pass has written; shared memory is for the blur that reaches furthest.
            unsafe { self.gpu.launch(&program, "intensity_blur", launch, &args)? };
        }
        if let Some(launch) = self.launch(0).filter(|_| self.contrasts) {
            let args = IntensityContrast {
                adjustments: In::within(&self.table, 0),
                extremes: program.input(&self.extremes)?,
                images: program.output(&mut self.images)?,
                rows,
                columns,
            };
            // SAFETY: earlier passes have written the images and the extremes of their tiles.
            unsafe { self.gpu.launch(&program, "intensity_contrast", launch, &args)? };
        }
        Ok(self.images)
    }
}

/// Tiles of an image.
fn tiles([rows, columns]: [usize; 2]) -> usize {
    rows.div_ceil(TILE[0]) * columns.div_ceil(TILE[1])
}

/// Adjusts images of `[rows, columns]`.
pub(super) fn adjust(
    images: &Tensor,
    adjustments: &[Adjustment],
    size: [usize; 2],
) -> Result<Tensor> {
    let (gpu, dtype) = (gpu_of("intensity", images)?, images.dtype());
    let mut making = Making::new(gpu.clone(), dtype, size, adjustments, &[])?;
    let program = program(SOURCES, KERNELS, dtype);
    if let Some(launch) = making.launch(0) {
        let (pass, _) = making.first_pass::<Row>(&program)?;
        let args = IntensityFirst { x: program.input(images)?, pass };
        // SAFETY: there are as many images as adjustments, of that size.
        unsafe { gpu.launch(&program, "intensity_first", launch, &args)? };
    }
    making.finished()
}
