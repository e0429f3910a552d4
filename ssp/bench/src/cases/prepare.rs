//! Data augmentation: resampling, intensities, masks.

use std::f64::consts::FRAC_PI_6;

use kernels::intensity::{Adjustment, Blur, Noise, adjust};
use kernels::patch_mask::{PatchMask, patch_mask};
use kernels::resample::{Filter, Matrix, Padding, Sampling, resample};
use kernels::views::{Encoding, Place, View, render};
use serde_json::json;
use tensor::{DType, Tensor};

use super::super::case::{Argument, Case, Dtypes, Pass};
use super::super::shapes::Network;
use super::extents;

pub fn cases(network: &Network, dtypes: Dtypes) -> Vec<Case> {
    let shape = [network.batch, network.size, network.size, 1];
    vec![
        sampling(shape, dtypes),
        smoothing(shape),
        contrasted(shape),
        viewing(shape),
        masking(shape, dtypes),
    ]
}

/// Bicubic resampling with a rotation by 30 degrees and a slight reduction in size.
fn sampling(shape: [usize; 4], dtypes: Dtypes) -> Case {
    let x = Argument::normal(shape, dtypes.features);
    let matrix = Matrix::rotation(FRAC_PI_6.to_degrees()) * Matrix::scaling([1.1, 1.1]);
    let run = move |t: &[Tensor]| {
        let sampling = Sampling { filter: Filter::Bicubic, padding: Padding::Zeros };
        resample(&t[0], &[matrix], [shape[1], shape[2]], sampling)
    };
    Case {
        operation: "resample",
        shape: format!("{}, bicubic", extents(&shape)),
        uses: 1,
        arguments: vec![x],
        passes: vec![
            Pass::forward(2.0 * x.bytes(), run),
            Pass::gradient("backward", [0], 2.0 * x.bytes(), run),
        ],
        peer: Some(json!({"shape": shape})),
    }
}

fn smoothing(shape: [usize; 4]) -> Case {
    let blur = Some(Blur { sigma: [1.0, 1.0], shift: 0.0 });
    adjusting("blur", shape, Adjustment { blur, ..Adjustment::NOTHING })
}

/// The input is read twice, as its minimum and maximum must be known first.
fn contrasted(shape: [usize; 4]) -> Case {
    adjusting("contrast", shape, Adjustment { contrast: Some(1.2), ..Adjustment::NOTHING })
}

fn adjusting(name: &str, shape: [usize; 4], adjustment: Adjustment) -> Case {
    let x = Argument::normal(shape, DType::F32);
    Case {
        operation: "intensity",
        shape: format!("{}, {name}", extents(&shape)),
        uses: 1,
        arguments: vec![x],
        passes: vec![Pass::forward(2.0 * x.bytes(), move |t| {
            adjust(&t[0], &vec![adjustment; shape[0]])
        })],
        peer: None,
    }
}

/// A view of each of as many slices, as often noisy and blurred as in the study, all with contrast:
/// slices are read twice, as extremes must be known first.
fn viewing(shape: [usize; 4]) -> Case {
    let [batch, rows, columns, _] = shape;
    let bytes = rows * columns * Encoding::Whole.bytes();
    let matrix = Matrix::rotation(FRAC_PI_6.to_degrees()) * Matrix::scaling([1.1, 1.1]);
    let noise = Noise { seed: 0, epoch: 0, sample: 0, deviation: 0.1 };
    let blur = Blur { sigma: [1.0, 1.0], shift: 0.1 };
    let view = |i: usize| View {
        place: Place {
            size: [rows, columns],
            encoding: Encoding::Whole,
            pixels: i * bytes,
            labels: None,
        },
        matrix,
        adjustment: Adjustment {
            affine: [1e-4, -1.0],
            noise: i.is_multiple_of(5).then_some(noise),
            blur: (i % 5 == 1).then_some(blur),
            contrast: Some(1.2),
            solarise: None,
        },
    };
    let views: Vec<View> = (0..batch).map(view).collect();
    let slices = Argument::classes([batch * bytes], 256);
    let images = Argument::normal(shape, DType::F32);
    Case {
        operation: "views",
        shape: extents(&shape),
        uses: 1,
        arguments: vec![slices],
        passes: vec![Pass::forward(2.0 * slices.bytes() + images.bytes(), move |t| {
            render(&t[0], &views, [rows, columns], DType::F32)
        })],
        peer: None,
    }
}

fn masking(shape: [usize; 4], dtypes: Dtypes) -> Case {
    let x = Argument::normal(shape, dtypes.features);
    let mask = Argument::classes(&shape[..3], 2);
    let side = (shape[1] / 8).max(1);
    let settings = PatchMask { patch: [side, side], ..PatchMask::default() };
    Case {
        operation: "patch_mask",
        shape: format!("{}, patches of {side} x {side}", extents(&shape)),
        uses: 1,
        arguments: vec![x],
        passes: vec![Pass::forward(2.0 * x.bytes() + mask.bytes(), move |t| {
            Ok(patch_mask(&t[0], &settings, 0, 0)?.images)
        })],
        peer: None,
    }
}
