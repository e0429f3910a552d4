//! Every function of the table of pointwise functions.

use kernels::check::Values;
use kernels::pointwise::{FUNCTIONS, Function};
use serde_json::{Value, json};

use super::super::case::{Argument, Case, Dtypes, Pass};
use super::super::shapes::Network;
use super::extents;

/// Functions of one tensor on the widest features of DINO's head, where GELU is used; those of several,
/// which are limited by memory traffic, on the largest features of the network.
pub fn cases(network: &Network, dtypes: Dtypes) -> Vec<Case> {
    let head = [16 * network.batch, network.head[0]];
    let finest = network.finest();
    let shape = |function: &Function| match function.inputs.len() {
        1 => &head[..],
        _ => &finest[..],
    };
    FUNCTIONS.iter().map(|function| case(function, shape(function), dtypes)).collect()
}

fn case(function: &'static Function, shape: &[usize], dtypes: Dtypes) -> Case {
    let values = (function.domain)().into_iter();
    let arguments = values.map(|values| Argument::drawn(shape, values, dtypes.features));
    let arguments: Vec<Argument> = arguments.collect();
    let (inputs, bytes) = (arguments.len(), arguments[0].bytes());
    let mut passes = vec![Pass::forward((inputs + 1) as f64 * bytes, function.run)];
    let traffic = gradient_traffic(function);
    if traffic > 0 {
        let by = Vec::from_iter(0..inputs);
        passes.push(Pass::gradient("backward", by, traffic as f64 * bytes, function.run));
    }
    Case {
        operation: function.operation.name,
        shape: extents(shape),
        uses: 1,
        arguments,
        passes,
        peer: Some(peer(function, shape)),
    }
}

/// Number of tensors that the backward pass reads and writes: the gradient, the inputs that a derivative depends on,
/// and the results. Where every derivative is 1, it passes the gradient on.
fn gradient_traffic(function: &Function) -> usize {
    let computed: Vec<&str> =
        function.derivatives.iter().copied().filter(|&derivative| derivative != "1").collect();
    let is_name = |c: char| c.is_alphanumeric() || c == '_';
    let names = |text: &str, name: &str| text.split(|c| !is_name(c)).any(|word| word == name);
    let read = function.inputs.iter().filter(|input| computed.iter().any(|d| names(d, input)));
    if computed.is_empty() { 0 } else { 1 + read.count() + computed.len() }
}

/// What `tests/peers/kernels.py` needs to run the counterpart in PyTorch.
fn peer(function: &Function, shape: &[usize]) -> Value {
    let inputs = function.inputs.iter().zip((function.domain)());
    let inputs = inputs.map(|(name, values)| match values {
        Values::Normal { mean, deviation } => json!({"name": name, "normal": [mean, deviation]}),
        Values::Uniform { low, high } => json!({"name": name, "uniform": [low, high]}),
        Values::Classes(classes) => json!({"name": name, "classes": classes}),
    });
    json!({"shape": shape, "inputs": Vec::from_iter(inputs), "expression": function.peer})
}
