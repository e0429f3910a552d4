//! Batch norm, pooling, concatenation, softmax, conversion and sums.

use kernels::batch_norm::{Statistics, batch_norm, moments};
use kernels::cast::cast;
use kernels::concat::concat;
use kernels::pool::global_average;
use kernels::reduce::mean;
use kernels::softmax::softmax;
use serde_json::json;
use tensor::{DType, Result, Tensor};

use super::super::case::{Argument, Case, Dtypes, Pass};
use super::super::shapes::Network;
use super::extents;
use data::CLASSES;

pub fn cases(network: &Network, dtypes: Dtypes) -> Vec<Case> {
    let batch = network.batch;
    let levels = network.channels.iter().enumerate();
    let norms = levels.map(|(level, &channels)| {
        let rows = network.rows(level);
        // Twice in the encoder, twice in the decoder, which lacks the coarsest resolution.
        let uses = if level + 1 < network.channels.len() { 4 } else { 2 };
        normalisation([batch, rows, rows, channels], uses, dtypes)
    });
    let mut cases: Vec<Case> = norms.collect();
    let [rows, columns, deepest] = network.deepest();
    // SimCLR's views, of which the deepest features are averaged.
    let views = 7 * batch;
    cases.push(pooling([views, rows, columns, deepest], dtypes));
    // DINO's global and local crops, of 64 images.
    let crops = [2, 6].map(|crops| [2 * crops * batch, deepest]);
    cases.push(joined(crops, dtypes));
    cases.push(probabilities([batch, network.size, network.size, CLASSES], dtypes));

    let features = Argument::normal(network.finest(), dtypes.features);
    let wide = if dtypes.features == DType::F32 { DType::F64 } else { DType::F32 };
    cases.push(conversion(network.finest(), dtypes.features, wide));
    cases.push(sums(features, network.finest()));
    cases
}

/// Batch norm with an activation, as in training. The statistics must be known before any value is
/// normalised, so the input is read twice; the gradient likewise.
fn normalisation(shape: [usize; 4], uses: usize, dtypes: Dtypes) -> Case {
    let channels = shape[3];
    let x = Argument::normal(shape, dtypes.features);
    let vector = Argument::positive([channels], dtypes.parameters);
    let run = |t: &[Tensor]| -> Result<Tensor> {
        let moments = moments(&t[0])?;
        batch_norm(&t[0], Statistics::Batch(&moments), &t[1], &t[2], 1e-5, 0.01)
    };
    Case {
        operation: "batch_norm",
        shape: extents(&shape),
        uses,
        arguments: vec![x, vector, vector],
        passes: vec![
            Pass::forward(3.0 * x.bytes(), run),
            Pass::gradient("backward", [0, 1, 2], 5.0 * x.bytes(), run),
        ],
        peer: Some(json!({"shape": shape})),
    }
}

fn pooling(shape: [usize; 4], dtypes: Dtypes) -> Case {
    let x = Argument::normal(shape, dtypes.features);
    let y = Argument::normal([shape[0], shape[3]], dtypes.features);
    let (run, bytes) = (|t: &[Tensor]| global_average(&t[0]), x.bytes() + y.bytes());
    Case {
        operation: "pool",
        shape: extents(&shape),
        uses: 1,
        arguments: vec![x],
        passes: vec![Pass::forward(bytes, run), Pass::gradient("backward", [0], bytes, run)],
        peer: Some(json!({"shape": shape})),
    }
}

fn joined(shapes: [[usize; 2]; 2], dtypes: Dtypes) -> Case {
    let parts = shapes.map(|shape| Argument::normal(shape, dtypes.features));
    let bytes = 2.0 * (parts[0].bytes() + parts[1].bytes());
    let run = |t: &[Tensor]| concat(&[&t[0], &t[1]], 0);
    Case {
        operation: "concat",
        shape: shapes.map(|shape| extents(&shape)).join(", "),
        uses: 1,
        arguments: parts.to_vec(),
        passes: vec![Pass::forward(bytes, run), Pass::gradient("backward", [0, 1], bytes, run)],
        peer: Some(json!({"shapes": shapes})),
    }
}

/// Logits to probabilities, at prediction.
fn probabilities(shape: [usize; 4], dtypes: Dtypes) -> Case {
    let x = Argument::normal(shape, dtypes.features);
    let run = |t: &[Tensor]| softmax(&t[0]);
    Case {
        operation: "softmax",
        shape: extents(&shape),
        uses: 1,
        arguments: vec![x],
        passes: vec![
            Pass::forward(2.0 * x.bytes(), run),
            Pass::gradient("backward", [0], 3.0 * x.bytes(), run),
        ],
        peer: Some(json!({"shape": shape})),
    }
}

fn conversion(shape: [usize; 4], from: DType, to: DType) -> Case {
    let [x, y] = [from, to].map(|dtype| Argument::normal(shape, dtype));
    let run = move |t: &[Tensor]| cast(&t[0], to);
    Case {
        operation: "cast",
        shape: format!("{}, {from} to {to}", extents(&shape)),
        uses: 1,
        arguments: vec![x],
        passes: vec![Pass::forward(x.bytes() + y.bytes(), run)],
        peer: Some(json!({"shape": shape, "from": from.name(), "to": to.name()})),
    }
}

fn sums(x: Argument, shape: [usize; 4]) -> Case {
    let run = |t: &[Tensor]| mean(&t[0]);
    Case {
        operation: "reduce",
        shape: extents(&shape),
        uses: 1,
        arguments: vec![x],
        passes: vec![
            Pass::forward(x.bytes(), run),
            Pass::gradient("backward", [0], x.bytes(), run),
        ],
        peer: Some(json!({"shape": shape})),
    }
}
