//! What makes views of slices: sampling, intensities, masks.

use std::f64::consts::FRAC_PI_6;

use kernels::intensity::{blur, contrast};
use kernels::patch_mask::{PatchMask, patch_mask};
use kernels::resample::{Filter, Matrix, Padding, Sampling, resample};
use rayon::prelude::*;
use serde_json::json;
use tensor::{DType, Tensor};

use super::super::case::{Argument, Case, Dtypes, Pass};
use super::super::shapes::Network;
use super::extents;

pub fn cases(network: &Network, dtypes: Dtypes) -> Vec<Case> {
    let shape = [network.batch, network.size, network.size, 1];
    vec![sampling(shape, dtypes), smoothing(shape), contrasted(shape), masking(shape, dtypes)]
}

/// Bicubic, turned by 30 degrees and shrunk a little.
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
    let (x, pixels) = (Argument::normal(shape, DType::F32), shape[1] * shape[2]);
    let run = move |t: &[Tensor]| {
        Ok(Tensor::build::<f32>(shape, |out| {
            let images = t[0].data::<f32>().par_chunks(pixels).zip(out.par_chunks_mut(pixels));
            images.for_each(|(image, out)| blur(image, shape[2], [1.0, 1.0], [1.0, 0.0], out));
        }))
    };
    Case {
        operation: "intensity",
        shape: format!("{}, blur", extents(&shape)),
        uses: 1,
        arguments: vec![x],
        passes: vec![Pass::forward(2.0 * x.bytes(), run)],
        peer: None,
    }
}

/// A copy, and gamma in place. Extremes must be known first.
fn contrasted(shape: [usize; 4]) -> Case {
    let (x, pixels) = (Argument::normal(shape, DType::F32), shape[1] * shape[2]);
    let run = move |t: &[Tensor]| {
        Ok(Tensor::build::<f32>(shape, |out| {
            let images = t[0].data::<f32>().par_chunks(pixels).zip(out.par_chunks_mut(pixels));
            images.for_each(|(image, out)| {
                out.copy_from_slice(image);
                contrast(out, 1.2);
            });
        }))
    };
    Case {
        operation: "intensity",
        shape: format!("{}, contrast", extents(&shape)),
        uses: 1,
        arguments: vec![x],
        passes: vec![Pass::forward(2.0 * x.bytes(), run)],
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
