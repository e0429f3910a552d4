//! Shapes, broadcasting, sums over axes and matrix products: the building blocks of custom
//! networks, on the finest features of the network and the matrices of its pretext tasks.

use kernels::{add, expand, matmul, permute, reshape, sum_axes};
use serde_json::json;
use tensor::{Result, Shape, Tensor};

use super::super::case::{Argument, Case, Dtypes, Pass};
use super::super::shapes::Network;
use super::extents;

pub fn cases(network: &Network, dtypes: Dtypes) -> Vec<Case> {
    let finest = network.finest();
    vec![
        reshaping(finest, dtypes),
        permutation(finest, dtypes),
        expansion(finest, dtypes),
        sums(finest, [1, 2], dtypes),
        sums(finest, [0, 3], dtypes),
        bias(finest, dtypes),
        product([7 * network.batch, network.mlp[0], network.mlp[0]], dtypes),
    ]
}

/// Two passes, forward and the gradient of the first argument.
fn both(
    forward: f64,
    backward: f64,
    run: impl Fn(&[Tensor]) -> Result<Tensor> + Clone + 'static,
) -> Vec<Pass> {
    vec![Pass::forward(forward, run.clone()), Pass::gradient("backward", [0], backward, run)]
}

/// A reshape moves no element.
fn reshaping(shape: [usize; 4], dtypes: Dtypes) -> Case {
    let [batch, rows, columns, channels] = shape;
    let written = size_of::<Shape>() as f64;
    let run = move |t: &[Tensor]| reshape(&t[0], [batch, rows * columns, channels]);
    Case {
        operation: "reshape",
        shape: extents(&shape),
        uses: 1,
        arguments: vec![Argument::normal(shape, dtypes.features)],
        passes: both(written, written, run),
        peer: Some(json!({"shape": shape})),
    }
}

/// Permutes to PyTorch's order of axes.
fn permutation(shape: [usize; 4], dtypes: Dtypes) -> Case {
    let x = Argument::normal(shape, dtypes.features);
    Case {
        operation: "permute",
        shape: format!("{}, channels first", extents(&shape)),
        uses: 1,
        arguments: vec![x],
        passes: both(2.0 * x.bytes(), 2.0 * x.bytes(), |t| permute(&t[0], &[0, 3, 1, 2])),
        peer: Some(json!({"shape": shape})),
    }
}

/// Broadcasts a value per channel to every pixel.
fn expansion(shape: [usize; 4], dtypes: Dtypes) -> Case {
    let row = Argument::normal([shape[3]], dtypes.features);
    let bytes = row.bytes() + Argument::normal(shape, dtypes.features).bytes();
    Case {
        operation: "expand",
        shape: format!("{} to {}", shape[3], extents(&shape)),
        uses: 1,
        arguments: vec![row],
        passes: both(bytes, bytes, move |t| expand(&t[0], shape)),
        peer: Some(json!({"shape": shape})),
    }
}

fn sums(shape: [usize; 4], axes: [usize; 2], dtypes: Dtypes) -> Case {
    let x = Argument::normal(shape, dtypes.features);
    Case {
        operation: "sum_axes",
        shape: format!("{} over {axes:?}", extents(&shape)),
        uses: 1,
        arguments: vec![x],
        passes: both(x.bytes(), x.bytes(), move |t| sum_axes(&t[0], &axes, false)),
        peer: Some(json!({"shape": shape, "axes": axes})),
    }
}

/// A bias for each channel, and its gradient.
fn bias(shape: [usize; 4], dtypes: Dtypes) -> Case {
    let x = Argument::normal(shape, dtypes.features);
    let arguments = vec![Argument::normal([shape[3]], dtypes.features), x];
    Case {
        operation: "broadcast",
        shape: format!("{} + {}", shape[3], extents(&shape)),
        uses: 1,
        arguments,
        passes: both(2.0 * x.bytes(), x.bytes(), |t| add(&t[0], &t[1])),
        peer: Some(json!({"shape": shape})),
    }
}

fn product([rows, inner, columns]: [usize; 3], dtypes: Dtypes) -> Case {
    let arguments = vec![
        Argument::normal([rows, inner], dtypes.features),
        Argument::normal([inner, columns], dtypes.features),
    ];
    let y = Argument::normal([rows, columns], dtypes.features);
    let bytes = arguments[0].bytes() + arguments[1].bytes() + y.bytes();
    let run = |t: &[Tensor]| matmul(&t[0], &t[1]);
    let passes = [
        Pass::forward(bytes, run),
        Pass::gradient("left gradient", [0], bytes, run),
        Pass::gradient("right gradient", [1], bytes, run),
    ];
    let flop = (2 * rows * inner * columns) as f64;
    Case {
        operation: "matmul",
        shape: format!("{rows} x {inner} by {inner} x {columns}"),
        uses: 1,
        arguments,
        passes: passes.into_iter().map(|pass| pass.of_flop(flop)).collect(),
        peer: Some(json!({"rows": rows, "inner": inner, "columns": columns})),
    }
}
