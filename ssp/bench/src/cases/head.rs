//! Linear layers of the pretext tasks, and the other operations of DINO's head.

use kernels::l2_normalise::l2_normalise;
use kernels::linear::linear;
use kernels::weight_norm::weight_norm;
use serde_json::json;
use tensor::Tensor;

use super::super::case::{Argument, Case, Dtypes, Pass};
use super::super::shapes::Network;
use super::extents;

pub fn cases(network: &Network, dtypes: Dtypes) -> Vec<Case> {
    let [_, _, deepest] = network.deepest();
    let [hidden, bottleneck, outputs] = network.head;
    // Two global and six local crops of 64 images; SimCLR's 224 views.
    let (crops, views) = (16 * network.batch, 7 * network.batch);
    let widths = [deepest].into_iter().chain(network.mlp.iter().copied());
    let mut layers: Vec<([usize; 3], usize)> = Vec::new();
    for (from, &to) in widths.zip(&network.mlp) {
        match layers.iter_mut().find(|(shape, _)| *shape == [views, from, to]) {
            Some((_, uses)) => *uses += 1,
            None => layers.push(([views, from, to], 1)),
        }
    }
    let head = [(deepest, hidden), (hidden, hidden), (hidden, bottleneck), (bottleneck, outputs)];
    layers.extend(head.map(|(from, to)| ([crops, from, to], 1)));
    let mut cases: Vec<Case> =
        layers.into_iter().map(|(shape, uses)| layer(shape, uses, dtypes)).collect();
    cases.push(unit_rows([crops, bottleneck], dtypes));
    cases.push(unit_weights([outputs, bottleneck], dtypes));
    cases
}

fn layer([rows, from, to]: [usize; 3], uses: usize, dtypes: Dtypes) -> Case {
    let arguments = vec![
        Argument::normal([rows, from], dtypes.features),
        Argument::normal([to, from], dtypes.parameters),
        Argument::normal([to], dtypes.parameters),
    ];
    let y = Argument::normal([rows, to], dtypes.features);
    let bytes = arguments[0].bytes() + arguments[1].bytes() + y.bytes();
    let run = |t: &[Tensor]| linear(&t[0], &t[1], Some(&t[2]));
    let passes = [
        Pass::forward(bytes, run),
        Pass::gradient("data gradient", [0], bytes, run),
        Pass::gradient("weight gradient", [1], bytes, run),
    ];
    let flop = (2 * rows * from * to) as f64;
    Case {
        operation: "linear",
        shape: format!("{rows}, {from} to {to}"),
        uses,
        arguments,
        passes: passes.into_iter().map(|pass| pass.of_flop(flop)).collect(),
        peer: Some(json!({"rows": rows, "from": from, "to": to})),
    }
}

fn unit_rows(shape: [usize; 2], dtypes: Dtypes) -> Case {
    let x = Argument::normal(shape, dtypes.features);
    let run = |t: &[Tensor]| l2_normalise(&t[0]);
    Case {
        operation: "l2_normalise",
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

fn unit_weights([outputs, inputs]: [usize; 2], dtypes: Dtypes) -> Case {
    let magnitude = Argument::positive([outputs, 1], dtypes.parameters);
    let direction = Argument::normal([outputs, inputs], dtypes.parameters);
    let run = |t: &[Tensor]| weight_norm(&t[0], &t[1]);
    Case {
        operation: "weight_norm",
        shape: extents(&[outputs, inputs]),
        uses: 1,
        arguments: vec![magnitude, direction],
        passes: vec![
            Pass::forward(2.0 * direction.bytes(), run),
            Pass::gradient("backward", [1], 3.0 * direction.bytes(), run),
        ],
        peer: Some(json!({"outputs": outputs, "inputs": inputs})),
    }
}
