//! What is hidden and what moves where is drawn on the host and sent as a table, a few numbers for each
//! patch; the device moves, fills and draws noise. Shuffles of single pixels send a number for each.

use bytemuck::{Pod, Zeroable, cast_slice};
use tensor::gpu::{In, Launch, Memory, Out, Pointee, Program, Real, Source};
use tensor::random::{Purpose, Stream};
use tensor::{DType, Error, Result, Tensor};

use super::cpu::Draws;
use super::grid::Grid;
use super::{Fill, Masked, PatchMask};
use crate::gpu::{PHILOX, gpu_of};

const SOURCES: &[Source] = &[
    PHILOX,
    Source { path: "kernels/src/patch_mask/patch_mask.cu", text: include_str!("patch_mask.cu") },
];

tensor::kernels! {
    /// The kernels of `patch_mask.cu`.
    const KERNELS;

    patch_mask_patches => struct PatchMaskPatches<'a> {
        images: In<'a, Real>,
        patches: In<'a, Patch>,
        used: In<'a, u32>,
        y: Out<'a, Real>,
        mask: Out<'a, u8>,
        rows: usize,
        columns: usize,
        channels: usize,
        count: usize,
        constant: f64,
        low: i64,
        high: i64,
        purpose: i64,
        step: i64,
    }

    patch_mask_pixels => struct PatchMaskPixels<'a> {
        images: In<'a, Real>,
        sources: In<'a, i32>,
        y: Out<'a, Real>,
        mask: Out<'a, u8>,
        channels: usize,
        count: usize,
    }
}

/// The programs, for the study's patches.
pub fn programs(dtype: DType) -> Vec<Program> {
    vec![program(dtype, PatchMask::default().patch)]
}

fn program(dtype: DType, [height, width]: [usize; 2]) -> Program {
    Program::new(SOURCES, dtype)
        .with_kernels(KERNELS)
        .define("HEIGHT", height as i64)
        .define("WIDTH", width as i64)
}

/// What a patch shows, as the kernel takes it.
#[derive(Clone, Copy, Pod, Zeroable)]
#[repr(C)]
struct Patch {
    /// A patch of the batch, or what it is filled with.
    source: i32,
    /// Its place among the hidden ones of its image, or -1.
    place: i32,
}

impl Pointee for Patch {
    const CUDA: &'static str = "Patch";
}

impl Patch {
    const CONSTANT: i32 = -1;
    const NOISE: i32 = -2;
}

/// The images with patches hidden, and which pixels are.
pub(super) fn hide(
    images: &Tensor,
    grid: Grid,
    settings: &PatchMask,
    draws: &mut Draws,
    (seed, step): (u64, u32),
) -> Result<Masked> {
    let [n, rows, columns, channels] = images.shape().as_array().unwrap_or_default();
    let count = images.shape().elements();
    if i32::try_from(count).is_err() {
        return Err(Error::shape("patch_mask", format!("{} is too large", images.shape())));
    }
    let (gpu, device, dtype) = (gpu_of("patch_mask", images)?, images.device(), images.dtype());
    let mut hidden = Tensor::uninitialised(&device, dtype, images.shape())?;
    let mut mask = Tensor::uninitialised(&device, DType::U8, [n, rows, columns])?;
    let (program, launch) = (program(dtype, settings.patch), Launch::over(count));
    if let Some(sources) = pixels(grid, settings.fill, draws) {
        let sources = Memory::from_host(&gpu, cast_slice(&sources))?;
        let args = PatchMaskPixels {
            images: program.input(images)?,
            sources: In::within(&sources, 0),
            y: program.output(&mut hidden)?,
            mask: program.output(&mut mask)?,
            channels,
            count,
        };
        // SAFETY: there is a source within the batch for each pixel; images and result have `count`
        // values; a thread for each.
        unsafe { gpu.launch(&program, "patch_mask_pixels", launch, &args)? };
    } else {
        let (patches, used) = patches(grid, settings.fill, draws);
        let patches = Memory::from_host(&gpu, cast_slice(&patches))?;
        let used = Memory::from_host(&gpu, cast_slice(&used))?;
        let args = PatchMaskPatches {
            images: program.input(images)?,
            patches: In::within(&patches, 0),
            used: In::within(&used, 0),
            y: program.output(&mut hidden)?,
            mask: program.output(&mut mask)?,
            rows,
            columns,
            channels,
            count,
            constant: if let Fill::Constant(value) = settings.fill { value } else { 0.0 },
            low: (seed as u32).into(),
            high: ((seed >> 32) as u32).into(),
            purpose: Purpose::MASK.number().into(),
            step: step.into(),
        };
        // SAFETY: there is an entry for each patch of the batch and each image; images and result have
        // `count` values; a thread for each.
        unsafe { gpu.launch(&program, "patch_mask_patches", launch, &args)? };
    }
    Ok(Masked { images: hidden, mask })
}

/// What every patch of the batch shows, and how many words of each image's stream that took to draw.
fn patches(grid: Grid, fill: Fill, draws: &mut Draws) -> (Vec<Patch>, Vec<u32>) {
    let images = draws.images.len();
    let visible = |patch: usize| Patch { source: patch as i32, place: -1 };
    let mut patches: Vec<Patch> = (0..images * grid.patches).map(visible).collect();
    for (image, drawn) in draws.images.iter_mut().enumerate() {
        let first = image * grid.patches;
        let mut order = drawn.hidden.clone();
        if fill == Fill::ShufflePatchesImage {
            drawn.stream.shuffle(&mut order);
        }
        for (place, (&patch, &other)) in drawn.hidden.iter().zip(&order).enumerate() {
            let source = match fill {
                Fill::Constant(_) => Patch::CONSTANT,
                Fill::GaussianNoise => Patch::NOISE,
                Fill::ReplacePatches => {
                    let other = drawn.stream.below(images - 1);
                    ((other + usize::from(other >= image)) * grid.patches + patch) as i32
                }
                _ => (first + other) as i32,
            };
            patches[first + patch] = Patch { source, place: place as i32 };
        }
    }
    if fill == Fill::ShufflePatchesBatch {
        let hidden = draws.hidden(grid);
        let mut sources = hidden.clone();
        draws.batch.shuffle(&mut sources);
        hidden.iter().zip(sources).for_each(|(&to, from)| patches[to].source = from as i32);
    }
    let used = draws.images.iter().map(|drawn| drawn.stream.position());
    (patches, used.collect())
}

/// For fills that shuffle pixels, the pixel that every pixel of the batch shows; below 0, counted from
/// -1, where it is hidden.
fn pixels(grid: Grid, fill: Fill, draws: &mut Draws) -> Option<Vec<i32>> {
    let images = draws.images.len();
    let mut sources: Vec<i32> = (0..(images * grid.pixels) as i32).collect();
    let mut shuffle = |pixels: Vec<usize>, stream: &mut Stream| {
        let mut from = pixels.clone();
        stream.shuffle(&mut from);
        pixels.into_iter().zip(from).for_each(|(to, from)| sources[to] = -1 - from as i32);
    };
    let of = |patches: &[usize]| -> Vec<usize> {
        patches.iter().flat_map(|&patch| grid.rows(patch)).flatten().collect()
    };
    match fill {
        Fill::ShufflePixelsPatch | Fill::ShufflePixelsImage => {
            for (image, drawn) in draws.images.iter_mut().enumerate() {
                let of_batch = |patch: &usize| image * grid.patches + patch;
                let hidden: Vec<usize> = drawn.hidden.iter().map(of_batch).collect();
                let together =
                    if fill == Fill::ShufflePixelsPatch { 1 } else { hidden.len().max(1) };
                let groups = hidden.chunks(together);
                groups.for_each(|patches| shuffle(of(patches), &mut drawn.stream));
            }
        }
        Fill::ShufflePixelsBatch => shuffle(of(&draws.hidden(grid)), &mut draws.batch),
        _ => return None,
    }
    Some(sources)
}
