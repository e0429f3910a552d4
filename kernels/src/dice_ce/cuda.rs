//! Spans of pixels, a block for each, then one block over images, then one thread over scales.

use tensor::gpu::{Argument, Gpu, Launch, Program, Source};
use tensor::{Buffer, DType, Error, Result, Shape, Tensor};

use super::scale::{Extent, extents};
use super::{DiceCe, SegmentationLoss};
use crate::gpu::{ROWS, filled, filled_as, gpu_of};

const SOURCES: &[Source] =
    &[ROWS, Source { path: "kernels/src/dice_ce/dice_ce.cu", text: include_str!("dice_ce.cu") }];

/// Pixels that a block sums.
const SPAN: usize = 1 << 11;

/// More would not fit the registers.
const MOST_CLASSES: usize = 16;

/// The classes of the study.
const STUDY: usize = 4;

/// The kernels, for the study's classes.
pub fn programs(dtype: DType) -> Vec<Program> {
    vec![program(dtype, STUDY)]
}

fn program(dtype: DType, classes: usize) -> Program {
    Program::new(SOURCES, dtype).with("CLASSES", classes as i64).with("SPAN", SPAN as i64)
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
    let weights = Tensor::from_slice(weights, [classes])?.to(&device)?;
    let extents = extents(logits, labels, classes)?;
    let (scales, finest) = (extents.len(), extents[0].weight);
    let terms = Buffer::stale_on(&device, DType::F64, 2 * scales)?;
    let terms = Tensor::over(terms, [scales, 2], DType::F64);
    let mut kept = Vec::new();
    for (index, (&logits, extent)) in logits.iter().zip(extents).enumerate() {
        let slopes =
            slopes(gpu, &program, [logits, labels, &weights, &terms], index, extent, settings)?;
        kept.push(Scale { logits: logits.clone(), extent, slopes });
    }
    let parts = Buffer::stale_on(&device, DType::F64, 2)?;
    let shares = [finest, settings.cross_entropy_weight, settings.dice_weight];
    let mut rest = vec![Argument::from(parts.address())];
    rest.extend(shares.map(Argument::from));
    rest.push(scales.into());
    let launch = Launch::blocks(1, 32);
    // SAFETY: there are two terms of every scale; one thread writes the loss and its parts.
    let total = unsafe {
        let name = "dice_ce_total";
        filled_as(dtype.wide(), gpu, &program, name, launch, &[&terms], Shape::SCALAR, &rest)?
    };
    let labels = labels.clone();
    let total = total.recorded("dice_ce", logits, move |gradient, wanted| {
        let scales = kept.iter().zip(wanted);
        let of = |scale: &Scale| backward(scale, &labels, &gradient, &program);
        scales.map(|(scale, wanted)| wanted.then(|| of(scale)).transpose()).collect()
    });
    Ok(SegmentationLoss { total, parts: Tensor::over(parts, [2], DType::F64) })
}

/// Writes the terms of a scale, and returns what its gradient needs.
fn slopes(
    gpu: &dyn Gpu,
    program: &Program,
    [logits, labels, weights, terms]: [&Tensor; 4],
    index: usize,
    extent: Extent,
    settings: &DiceCe,
) -> Result<Tensor> {
    let (device, classes) = (logits.device(), logits.shape().last());
    let ([batch, label_rows, label_columns], [rows, columns]) =
        (labels.shape().as_array().unwrap_or_default(), extent.pixels);
    let pixels = rows * columns;
    let spans = pixels.div_ceil(SPAN);
    let double = |count| Buffer::stale_on(&device, DType::F64, count);
    let (sums, slopes) = (double(batch * spans * (1 + 3 * classes))?, batch * (1 + 2 * classes));
    let slopes = Tensor::over(double(slopes)?, [slopes], DType::F64);
    let places = [logits.address()?, labels.address()?, sums.address()].map(Argument::from);
    let sizes = [label_rows, label_columns, rows, columns].map(Argument::from);
    let launch = Launch {
        blocks: [spans as u32, batch as u32, 1],
        threads: [Launch::THREADS, 1, 1],
        shared: 0,
    };
    // SAFETY: tensors are of the extents that the arguments say; each block writes its own sums.
    unsafe {
        gpu.launch(program, "dice_ce_spans", launch, &[&places[..], &sizes].concat())?;
    }
    let share = extent.weight / batch as f64;
    let mut own_terms = terms.address()?;
    own_terms.0 += (2 * index * DType::F64.bytes()) as u64;
    let places = [sums.address(), weights.address()?, slopes.address()?, own_terms];
    let shares = [
        settings.smooth,
        settings.cross_entropy_weight * share / pixels as f64,
        settings.dice_weight * share,
    ];
    let mut arguments = places.map(Argument::from).to_vec();
    arguments.extend(shares.map(Argument::from));
    arguments.extend([spans, batch, pixels].map(Argument::from));
    let launch = Launch::blocks(1, Launch::THREADS);
    // SAFETY: there are sums of so many spans and images, derivatives of so many, two terms a scale.
    unsafe { gpu.launch(program, "dice_ce_terms", launch, &arguments)? };
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
    let rest = [label_rows, label_columns, *rows, *columns, batch].map(Argument::from);
    let (name, launch) = ("dice_ce_backward", Launch::over(batch * rows * columns));
    let inputs = [logits, labels, slopes, gradient];
    let gpu = &*gpu_of("dice_ce", logits)?;
    // SAFETY: tensors are of the extents that the arguments say; each thread has a pixel of its own.
    unsafe { filled(gpu, program, name, launch, &inputs, logits.shape(), &rest) }
}
