//! Losses at the sizes of the tasks.

use kernels::dice_ce::{DiceCe, dice_ce};
use kernels::dino_loss::{DinoLoss, dino_loss};
use kernels::masked_error::masked_error;
use kernels::nt_xent::{NtXent, nt_xent};
use serde_json::json;
use tensor::{Result, Tensor};

use super::super::case::{Argument, Case, Dtypes, Pass};
use super::super::shapes::Network;
use super::extents;
use data::CLASSES;

pub fn cases(network: &Network, dtypes: Dtypes) -> Vec<Case> {
    let width = network.mlp.last().copied().unwrap_or(1);
    vec![
        segmentation(network, dtypes),
        reconstruction([4 * network.batch, network.size, network.size, 1], dtypes),
        contrast([7 * network.batch, width], false, dtypes),
        contrast([2 * network.batch, width], true, dtypes),
        distillation(2 * network.batch, network.head[2], dtypes),
    ]
}

/// Dice and cross entropy at every resolution but the coarsest. The gradient needs the sums over an
/// image that the forward leaves, and reads the logits once more.
fn segmentation(network: &Network, dtypes: Dtypes) -> Case {
    let Network { batch, size, .. } = *network;
    let scales = network.channels.len() - 1;
    let logits = (0..scales).map(|scale| {
        let rows = network.rows(scale);
        Argument::normal([batch, rows, rows, CLASSES], dtypes.features)
    });
    let mut arguments: Vec<Argument> = logits.collect();
    let of_logits: f64 = arguments.iter().map(Argument::bytes).sum();
    let labels = Argument::classes([batch, size, size], CLASSES);
    arguments.push(labels);
    let run = move |t: &[Tensor]| -> Result<Tensor> {
        let logits: Vec<&Tensor> = t[..scales].iter().collect();
        Ok(dice_ce(&logits, &t[scales], &DiceCe::default())?.total)
    };
    let of: Vec<usize> = (0..scales).collect();
    Case {
        operation: "dice_ce",
        shape: format!("{}, {scales} scales", extents(&[batch, size, size, CLASSES])),
        uses: 1,
        arguments,
        passes: vec![
            Pass::forward(of_logits + labels.bytes(), run),
            Pass::gradient("backward", of, 2.0 * of_logits + labels.bytes(), run),
        ],
        peer: Some(json!({
            "batch": batch, "rows": size, "classes": CLASSES, "scales": scales,
        })),
    }
}

/// The error of hidden pixels, of the study's 128 images.
fn reconstruction(shape: [usize; 4], dtypes: Dtypes) -> Case {
    let x = Argument::normal(shape, dtypes.features);
    let target = Argument::normal(shape, dtypes.parameters);
    let mask = Argument::classes(&shape[..3], 2);
    let run = |t: &[Tensor]| masked_error(&t[0], &t[1], &t[2]);
    let read = x.bytes() + target.bytes() + mask.bytes();
    Case {
        operation: "masked_error",
        shape: extents(&shape),
        uses: 1,
        arguments: vec![x, target, mask],
        passes: vec![
            Pass::forward(read, run),
            Pass::gradient("backward", [0], read + x.bytes(), run),
        ],
        peer: Some(json!({"shape": shape})),
    }
}

/// SimCLR's loss, or PCL's, where rows have positions. The rows are read; their similarities need
/// not be written to memory.
fn contrast(shape: [usize; 2], positioned: bool, dtypes: Dtypes) -> Case {
    let rows = shape[0];
    let x = Argument::normal(shape, dtypes.features);
    let run = |t: &[Tensor]| nt_xent(&t[0], t.get(1), &NtXent::default());
    let task = if positioned { "PCL" } else { "SimCLR" };
    let flop = (2 * rows * rows * shape[1]) as f64;
    let mut arguments = vec![x];
    arguments.extend(positioned.then(|| Argument::positions(rows)));
    Case {
        operation: "nt_xent",
        shape: format!("{}, {task}", extents(&shape)),
        uses: 1,
        arguments,
        passes: vec![
            Pass::forward(x.bytes(), run).of_flop(flop),
            // The gradients of both factors.
            Pass::gradient("backward", [0], 2.0 * x.bytes(), run).of_flop(2.0 * flop),
        ],
        peer: Some(json!({"rows": rows, "width": shape[1], "positioned": positioned})),
    }
}

/// DINO's loss of eight views. A row's largest output must be known before the exponentials, and
/// their sum before the products; but a row is short enough to stay in the cache, so it counts once.
fn distillation(images: usize, outputs: usize, dtypes: Dtypes) -> Case {
    const VIEWS: usize = 8;
    let student = Argument::normal([VIEWS * images, outputs], dtypes.features);
    let teacher = Argument::normal([2 * images, outputs], dtypes.features);
    let centre = Argument::normal([outputs], dtypes.parameters);
    let settings =
        DinoLoss { views: VIEWS, student_temperature: 0.1, teacher_temperature: 0.04.into() };
    let run = move |t: &[Tensor]| dino_loss(&t[0], &t[1], &t[2], &settings);
    let read = student.bytes() + teacher.bytes() + centre.bytes();
    Case {
        operation: "dino_loss",
        shape: format!("{images} images, {VIEWS} views, {outputs}"),
        uses: 1,
        arguments: vec![student, teacher, centre],
        passes: vec![
            Pass::forward(read, run.clone()),
            Pass::gradient("backward", [0], read + student.bytes(), run),
        ],
        peer: Some(json!({"images": images, "views": VIEWS, "outputs": outputs})),
    }
}
