//! A thread for each pixel. What is drawn goes to the device as a number for each patch; where pixels
//! are shuffled, as one for each hidden pixel too. Noise is drawn there, from the streams of the host.

use tensor::gpu::{Address, Argument, Launch, Program, Source};
use tensor::random::Purpose;
use tensor::{Buffer, DType, Result, Tensor};

use super::draw::{Draws, OfImage, numbers_taken, other, shuffled};
use super::grid::Grid;
use super::{Fill, Masked, PatchMask};
use crate::gpu::{PHILOX, gpu_of};

const SOURCES: &[Source] = &[
    PHILOX,
    Source { path: "kernels/src/patch_mask/patch_mask.cu", text: include_str!("patch_mask.cu") },
];

/// The kernels.
pub fn programs(dtype: DType) -> Vec<Program> {
    vec![Program::new(SOURCES, dtype)]
}

/// What hidden patches show, as the kernel has it.
struct Shown {
    kind: Kind,
    value: f64,
    /// For each hidden patch of the batch, what the kernel is to know of it.
    patches: Vec<usize>,
    /// For each pixel of these, the pixel that it shows.
    pixels: Vec<usize>,
}

/// Numbered as in the kernel.
#[derive(Clone, Copy)]
enum Kind {
    Constant,
    Noise,
    Patches,
    Pixels,
}

impl Shown {
    fn new(grid: Grid, fill: Fill, draws: &mut Draws) -> Self {
        let places = |count: usize| (0..count).collect::<Vec<usize>>();
        let shown = |kind, patches| Shown { kind, value: 0.0, patches, pixels: vec![] };
        let all: Vec<usize> = draws.hidden(grid).collect();
        match fill {
            Fill::Constant(value) => Shown { value, ..shown(Kind::Constant, all) },
            Fill::GaussianNoise => {
                let each = draws.images.iter().flat_map(|drawn| places(drawn.hidden.len()));
                shown(Kind::Noise, each.collect())
            }
            Fill::ShufflePatchesBatch => shown(Kind::Patches, shuffled(&all, &mut draws.batch)),
            Fill::ShufflePatchesImage | Fill::ReplacePatches => {
                shown(Kind::Patches, patches_by_image(grid, fill, draws))
            }
            Fill::ShufflePixelsBatch => {
                let pixels = shuffled(&pixels_of(grid, &all), &mut draws.batch);
                Shown { pixels, ..shown(Kind::Pixels, places(all.len())) }
            }
            Fill::ShufflePixelsPatch | Fill::ShufflePixelsImage => {
                let pixels = pixels_by_image(grid, fill, draws);
                Shown { pixels, ..shown(Kind::Pixels, places(all.len())) }
            }
        }
    }
}

/// The pixels of these patches.
fn pixels_of(grid: Grid, patches: &[usize]) -> Vec<usize> {
    patches.iter().flat_map(|&patch| grid.rows(patch)).flatten().collect()
}

/// The patch that each hidden one shows, where that is drawn by image.
fn patches_by_image(grid: Grid, fill: Fill, draws: &mut Draws) -> Vec<usize> {
    let (mut shown, count) = (Vec::new(), draws.images.len());
    for (image, OfImage { hidden, stream }) in draws.images.iter_mut().enumerate() {
        if fill == Fill::ReplacePatches {
            let of_other = |&p: &usize| other(image, count, stream) * grid.patches + p;
            shown.extend(hidden.iter().map(of_other));
        } else {
            let own = shuffled(hidden, stream).into_iter();
            shown.extend(own.map(|patch| image * grid.patches + patch));
        }
    }
    shown
}

/// The pixel that each of a hidden patch shows, where that is drawn by image.
fn pixels_by_image(grid: Grid, fill: Fill, draws: &mut Draws) -> Vec<usize> {
    let mut shown = Vec::new();
    for (image, OfImage { hidden, stream }) in draws.images.iter_mut().enumerate() {
        let together = if fill == Fill::ShufflePixelsPatch { 1 } else { hidden.len().max(1) };
        for patches in hidden.chunks(together) {
            let pixels = shuffled(&pixels_of(grid, patches), stream).into_iter();
            shown.extend(pixels.map(|pixel| image * grid.pixels + pixel));
        }
    }
    shown
}

/// Hides patches of images, `[n, rows, columns, channels]`.
pub(super) fn patch_mask(
    images: &Tensor,
    [n, rows, columns, channels]: [usize; 4],
    grid: Grid,
    settings: &PatchMask,
    seed: u64,
    step: u32,
) -> Result<Masked> {
    let (gpu, device) = (gpu_of("patch_mask", images)?, images.device());
    let mut draws = Draws::new(grid, n, settings, seed, step);
    let hidden: Vec<usize> = draws.hidden(grid).collect();
    let Shown { kind, value, patches, pixels } = Shown::new(grid, settings.fill, &mut draws);
    let mut table = vec![-1; n * grid.patches];
    hidden.iter().zip(patches).for_each(|(&patch, shown)| table[patch] = shown as i64);
    table.extend(pixels.iter().map(|&pixel| pixel as i64));
    let table = tensor::gpu::Memory::from_host(&gpu, bytemuck::cast_slice(&table))?;
    let pixels = Address(table.address().0 + (n * grid.patches * size_of::<i64>()) as u64);
    let (count, dtype) = (n * rows * columns, images.dtype());
    let out = Buffer::stale_on(&device, dtype, count * channels)?;
    let mask = Buffer::stale_on(&device, DType::U8, count)?;
    let addresses = [images.address()?, table.address(), pixels, out.address(), mask.address()];
    let [height, width] = settings.patch;
    let extents = [rows, columns, channels, height, width, kind as usize];
    let names = [seed.cast_signed(), Purpose::Mask as i64, i64::from(step)];
    let counts = [numbers_taken(grid, settings), count];
    let arguments: Vec<Argument> = addresses
        .map(Argument::from)
        .into_iter()
        .chain(extents.map(Argument::from))
        .chain([Argument::from(value)])
        .chain(names.map(Argument::Integer))
        .chain(counts.map(Argument::from))
        .collect();
    let program = Program::new(SOURCES, dtype);
    // SAFETY: there is a number for every patch, and what they point to is within the batch.
    unsafe { gpu.launch(&program, "patch_mask", Launch::over(count), &arguments)? };
    Ok(Masked {
        images: Tensor::over(out, images.shape(), dtype),
        mask: Tensor::over(mask, [n, rows, columns], DType::U8),
    })
}
