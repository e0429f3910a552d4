//! Tiles of images, a block for each. What happens to each image is a row of a table, so that one
//! launch of each pass serves a whole batch.

use std::sync::Arc;

use bytemuck::{Pod, Zeroable};
use tensor::gpu::{Address, Argument, Gpu, Launch, Memory, Program, Source};
use tensor::random::Purpose;
use tensor::{Buffer, DType, Device, Result, Tensor};

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

/// Rows and columns of a tile.
const TILE: [usize; 2] = [16, 64];

/// The kernels.
pub fn programs(dtype: DType) -> Vec<Program> {
    vec![program(SOURCES, dtype)]
}

/// A program whose kernels work on the same tiles.
pub(crate) fn program(sources: &'static [Source], dtype: DType) -> Program {
    let [rows, columns] = TILE.map(|extent| extent as i64);
    Program::new(sources, dtype).with("TILE_ROWS", rows).with("TILE_COLUMNS", columns)
}

/// An [`Adjustment`] as kernels read it.
#[repr(C)]
#[derive(Clone, Copy, Default, Pod, Zeroable)]
struct Row {
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
            row.noise = [low, high, Purpose::Noise.number(), noise.epoch, noise.sample, 0];
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

/// Images in the making: the first pass is the caller's, the others are [`finished`](Self::finished).
pub(crate) struct Making {
    gpu: Arc<dyn Gpu>,
    dtype: DType,
    shape: [usize; 4],
    images: Buffer,
    /// What blurs read.
    unblurred: Memory,
    /// Least and greatest value of every tile.
    extremes: Memory,
    table: Memory,
    weights: usize,
    beside: usize,
    blurs: Option<usize>,
    contrasts: bool,
}

impl Making {
    /// Memory for images of `[rows, columns]`, and a table on the device, with `beside` behind it:
    /// whole numbers of 8 bytes.
    pub fn new(
        gpu: Arc<dyn Gpu>,
        dtype: DType,
        size: [usize; 2],
        adjustments: &[Adjustment],
        beside: &[u8],
    ) -> Result<Self> {
        let Table { rows, weights, blurred, reach } = Table::new(adjustments);
        let mut bytes = bytemuck::cast_slice::<Row, u8>(&rows).to_vec();
        let weights_at = bytes.len();
        bytes.extend_from_slice(bytemuck::cast_slice(&weights));
        let beside_at = bytes.len();
        bytes.extend_from_slice(beside);
        let (count, pixels) = (adjustments.len(), size[0] * size[1]);
        let device = Device::Gpu(gpu.clone());
        Ok(Making {
            dtype,
            shape: [count, size[0], size[1], 1],
            images: Buffer::stale_on(&device, dtype, count * pixels)?,
            unblurred: Memory::stale(&gpu, blurred * pixels * dtype.wide().bytes())?,
            extremes: Memory::stale(&gpu, 2 * count * tiles(size) * dtype.wide().bytes())?,
            table: Memory::from_host(&gpu, &bytes)?,
            weights: weights_at,
            beside: beside_at,
            blurs: (blurred > 0).then_some(reach),
            contrasts: adjustments.iter().any(|adjustment| adjustment.contrast.is_some()),
            gpu,
        })
    }

    /// What was given to lie behind the table.
    pub fn beside(&self) -> Address {
        self.at(self.beside)
    }

    /// The images.
    pub fn images(&self) -> Address {
        self.images.address()
    }

    fn at(&self, bytes: usize) -> Address {
        Address(self.table.address().0 + bytes as u64)
    }

    /// Launches the first pass: a kernel that takes `inputs` and then adjustments, images, images in
    /// between, extremes, rows and columns.
    ///
    /// # Safety
    /// The kernel stays within its inputs, and writes by `first_pass` of `intensity.cuh`.
    pub unsafe fn first(&self, program: &Program, kernel: &str, inputs: &[Address]) -> Result<()> {
        let own = [
            self.table.address(),
            self.images(),
            self.unblurred.address(),
            self.extremes.address(),
        ];
        let addresses: Vec<Address> = inputs.iter().copied().chain(own).collect();
        // SAFETY: as the caller has it.
        unsafe { self.pass(program, kernel, &addresses, 0) }
    }

    /// Launches the passes that are left.
    pub fn finished(self) -> Result<Tensor> {
        let program = program(SOURCES, self.dtype);
        let [table, images, extremes] =
            [self.table.address(), self.images(), self.extremes.address()];
        if let Some(reach) = self.blurs {
            let inputs = [self.unblurred.address(), table, self.at(self.weights), images, extremes];
            let shared = TILE[0] * (TILE[1] + 2 * reach) * self.dtype.wide().bytes();
            // SAFETY: each image that has a blur has a place among those in between, where the first
            // pass has written it, and its weights; lines are as long as the widest of them.
            unsafe { self.pass(&program, "intensity_blur", &inputs, shared)? };
        }
        if self.contrasts {
            let inputs = [table, extremes, images];
            // SAFETY: the passes before have written images and the extremes of their tiles.
            unsafe { self.pass(&program, "intensity_contrast", &inputs, 0)? };
        }
        Ok(Tensor::over(self.images, self.shape, self.dtype))
    }

    /// Launches a pass over all tiles.
    ///
    /// # Safety
    /// The kernel stays within what it is given.
    unsafe fn pass(
        &self,
        program: &Program,
        kernel: &str,
        addresses: &[Address],
        shared: usize,
    ) -> Result<()> {
        let [count, rows, columns, _] = self.shape;
        if count * rows * columns == 0 {
            return Ok(());
        }
        let launch = Launch {
            shared: u32::try_from(shared).unwrap_or(u32::MAX),
            ..Launch::blocks(count * tiles([rows, columns]), Launch::THREADS)
        };
        let addresses = addresses.iter().copied().map(Argument::from);
        let arguments: Vec<Argument> =
            addresses.chain([rows, columns].map(Argument::from)).collect();
        // SAFETY: as the caller has it.
        unsafe { self.gpu.launch(program, kernel, launch, &arguments) }
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
    let making = Making::new(gpu, dtype, size, adjustments, &[])?;
    let program = program(SOURCES, dtype);
    // SAFETY: there are as many images as adjustments, of that size.
    unsafe { making.first(&program, "intensity_first", &[images.address()?])? };
    making.finished()
}
