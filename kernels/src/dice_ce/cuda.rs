//! Spans of pixels, a block for each, then one block over images, then one thread over scales.

use tensor::gpu::{Acc, Gpu, In, Launch, Out, Program, Real, Source};
use tensor::{DType, Error, Result, Shape, Tensor};

use super::scale::{Extent, extents};
use super::{DiceCe, SegmentationLoss};
use crate::gpu::{ROWS, gpu_of};

const SOURCES: &[Source] =
    &[ROWS, Source { path: "kernels/src/dice_ce/dice_ce.cu", text: include_str!("dice_ce.cu") }];

tensor::kernels! {
    /// The kernels of `dice_ce.cu`.
    const KERNELS;

    dice_ce_spans => struct DiceCeSpans<'a> {
        logits: In<'a, Real>,
        labels: In<'a, u8>,
        sums: Out<'a, f64>,
        label_rows: usize,
        label_columns: usize,
        rows: usize,
        columns: usize,
    }

    dice_ce_terms => struct DiceCeTerms<'a> {
        sums: In<'a, f64>,
        weights: In<'a, f64>,
        slopes: Out<'a, f64>,
        terms: Out<'a, f64>,
        smooth: f64,
        entropy_share: f64,
        dice_share: f64,
        spans: usize,
        batch: usize,
        pixels: usize,
    }

    dice_ce_total => struct DiceCeTotal<'a> {
        terms: In<'a, f64>,
        total: Out<'a, Acc>,
        parts: Out<'a, f64>,
        weight: f64,
        entropy_weight: f64,
        dice_weight: f64,
        scales: usize,
    }

    dice_ce_backward => struct DiceCeBackward<'a> {
        logits: In<'a, Real>,
        labels: In<'a, u8>,
        slopes: In<'a, f64>,
        gradient: In<'a, Acc>,
        y: Out<'a, Real>,
        label_rows: usize,
        label_columns: usize,
        rows: usize,
        columns: usize,
        batch: usize,
    }
}

/// Pixels that a block sums.
const SPAN: usize = 1 << 11;

/// More would not fit the registers.
const MOST_CLASSES: usize = 16;

/// The classes of the study.
const STUDY: usize = 4;

/// The programs, for the study's classes.
pub fn programs(dtype: DType) -> Vec<Program> {
    vec![program(dtype, STUDY)]
}

fn program(dtype: DType, classes: usize) -> Program {
    Program::new(SOURCES, dtype)
        .with_kernels(KERNELS)
        .define("CLASSES", classes as i64)
        .define("SPAN", SPAN as i64)
}

/// A scale on the device.
struct Scale {
    logits: Tensor,
    extent: Extent,
    /// Derivatives by image, in float64.
    slopes: Tensor,
}

/// The loss, with all its sums left on the device.
pub(super) fn dice_ce(
    gpu: &dyn Gpu,
    logits: &[&Tensor],
    labels: &Tensor,
    weights: &[f64],
    settings: &DiceCe,
) -> Result<SegmentationLoss> {
    let classes = weights.len();
    if classes > MOST_CLASSES {
        let what = format!("{classes} classes are more than the {MOST_CLASSES} that a GPU takes");
        return Err(Error::value("dice_ce", what));
    }
    let (dtype, device) = (logits[0].dtype(), labels.device());
    let program = program(dtype, classes);
    let weights = Tensor::from_slice(weights, [classes])?.copy_to(&device)?;
    let extents = extents(logits, labels, classes)?;
    let (scales, finest) = (extents.len(), extents[0].weight);
    let mut kept = Vec::new();
    let mut terms = Tensor::uninitialised(&device, DType::F64, [scales, 2])?;
    for (index, (&logits, extent)) in logits.iter().zip(extents).enumerate() {
        let inputs = [logits, labels, &weights];
        let slopes = slopes(gpu, &program, inputs, &mut terms, index, extent, settings)?;
        kept.push(Scale { logits: logits.clone(), extent, slopes });
    }
    let mut parts = Tensor::uninitialised(&device, DType::F64, [2])?;
    let mut total = Tensor::uninitialised(&device, dtype.accumulator(), Shape::SCALAR)?;
    let args = DiceCeTotal {
        terms: program.input(&terms)?,
        total: program.output(&mut total)?,
        parts: program.output(&mut parts)?,
        weight: finest,
        entropy_weight: settings.cross_entropy_weight,
        dice_weight: settings.dice_weight,
        scales,
    };
    // SAFETY: there are two terms of every scale; one thread writes the loss and its two parts.
    unsafe { gpu.launch(&program, "dice_ce_total", Launch::blocks(1, 32), &args)? };
    let labels = labels.clone();
    let total = total.recorded("dice_ce", logits, move |gradient, wanted| {
        let scales = kept.iter().zip(wanted);
        let of = |scale: &Scale| backward(scale, &labels, &gradient, &program);
        scales.map(|(scale, wanted)| wanted.then(|| of(scale)).transpose()).collect()
    });
    Ok(SegmentationLoss { total, parts })
}

/// Writes the terms of a scale, and returns what its gradient needs.
fn slopes(
    gpu: &dyn Gpu,
    program: &Program,
    [logits, labels, weights]: [&Tensor; 3],
    terms: &mut Tensor,
    index: usize,
    extent: Extent,
    settings: &DiceCe,
) -> Result<Tensor> {
    let (device, classes) = (logits.device(), logits.shape().last());
    let ([batch, label_rows, label_columns], [rows, columns]) =
        (labels.shape().as_array().unwrap_or_default(), extent.pixels);
    let pixels = rows * columns;
    let spans = pixels.div_ceil(SPAN);
    let double = |shape: &[usize]| Tensor::uninitialised(&device, DType::F64, shape);
    let mut sums = double(&[batch, spans, 1 + 3 * classes])?;
    let mut slopes = double(&[batch, 1 + 2 * classes])?;
    let args = DiceCeSpans {
        logits: program.input(logits)?,
        labels: program.input(labels)?,
        sums: program.output(&mut sums)?,
        label_rows,
        label_columns,
        rows,
        columns,
    };
    let launch = Launch {
        blocks: [spans as u32, batch as u32, 1],
        threads: [Launch::THREADS, 1, 1],
        shared: 0,
    };
    // SAFETY: logits and labels are of these extents; a block for each span of each image and its
    // sums.
    unsafe { gpu.launch(program, "dice_ce_spans", launch, &args)? };
    let share = extent.weight / batch as f64;
    let args = DiceCeTerms {
        sums: program.input(&sums)?,
        weights: program.input(weights)?,
        slopes: program.output(&mut slopes)?,
        terms: program.output_from(terms, 2 * index)?,
        smooth: settings.smooth,
        entropy_share: settings.cross_entropy_weight * share / pixels as f64,
        dice_share: settings.dice_weight * share,
        spans,
        batch,
        pixels,
    };
    let launch = Launch::blocks(1, Launch::THREADS);
    // SAFETY: there are sums of `spans` spans and slopes of `batch` images, a weight for each class,
    // and two terms for each scale.
    unsafe { gpu.launch(program, "dice_ce_terms", launch, &args)? };
    Ok(slopes)
}

/// The gradient of the loss with respect to a scale's logits.
fn backward(
    scale: &Scale,
    labels: &Tensor,
    gradient: &Tensor,
    program: &Program,
) -> Result<Tensor> {
    let Scale { logits, extent: Extent { pixels: [rows, columns], .. }, slopes } = scale;
    let [batch, label_rows, label_columns] = labels.shape().as_array().unwrap_or_default();
    let (gpu, count) = (&*gpu_of("dice_ce", logits)?, batch * rows * columns);
    let mut y = Tensor::uninitialised(&logits.device(), logits.dtype(), logits.shape())?;
    let args = DiceCeBackward {
        logits: program.input(logits)?,
        labels: program.input(labels)?,
        slopes: program.input(slopes)?,
        gradient: program.input(gradient)?,
        y: program.output(&mut y)?,
        label_rows,
        label_columns,
        rows: *rows,
        columns: *columns,
        batch,
    };
    // SAFETY: tensors are of these extents, with slopes for each image; a thread for each pixel.
    unsafe { gpu.launch(program, "dice_ce_backward", Launch::over(count), &args)? };
    Ok(y)
}
