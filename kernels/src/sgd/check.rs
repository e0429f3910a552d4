//! Updates of two parameters, against the formula element by element.

use tensor::random::Stream;
use tensor::{Result, Tensor};

use super::{Sgd, Slot, Table, sgd};
use crate::check::{Argument, Case};

/// No momentum, no decay, a parameter of one element, of none, one longer than a chunk.
pub fn awkward() -> Vec<Case> {
    let update = |rate: f64, decay: f64, momentum, nesterov| Sgd {
        learning_rate: rate.into(),
        weight_decay: decay.into(),
        momentum,
        nesterov,
    };
    vec![
        case([3, 5], update(0.1, 0.1, 0.0, false), [false, false]),
        case([1, 7], update(0.01, 3e-5, 0.99, true), [true, true]),
        case([40_000, 2], update(0.01, 1e-4, 0.99, true), [true, false]),
        case([5, 0], update(0.01, 0.1, 0.99, false), [true, false]),
    ]
}

/// Any settings.
pub fn random(stream: &mut Stream) -> Case {
    let settings = Sgd {
        learning_rate: stream.uniform(0.0, 1.0).into(),
        weight_decay: stream.uniform(0.0, 0.1).into(),
        momentum: stream.uniform(0.0, 1.0),
        nesterov: stream.chance(0.5),
    };
    let lengths = [1 + stream.below(50), 1 + stream.below(50)];
    case(lengths, settings, [stream.chance(0.5), stream.chance(0.5)])
}

/// Arguments: value, momentum and gradient of the first parameter, then of the second. Results:
/// value and momentum of the first, then of the second, after two steps.
fn case(lengths: [usize; 2], settings: Sgd, decays: [bool; 2]) -> Case {
    let naive = settings.clone();
    let arguments = lengths.iter().flat_map(|&n| (0..3).map(move |_| Argument::normal([n])));
    Case::without_gradient(
        format!("{lengths:?} with {settings:?}, which decay {decays:?}"),
        arguments.collect(),
        move |x| two_steps(x, &settings, decays),
        move |x| {
            let [rate, decay] = [&naive.learning_rate, &naive.weight_decay].map(|n| n.value());
            let mut results = Vec::new();
            for (x, decays) in x.chunks(3).zip(decays) {
                let (mut value, mut momentum) = (x[0].clone(), x[1].clone());
                for _ in 0..2 {
                    for i in 0..value.len() {
                        let g = x[2][i] + if decays { decay * value[i] } else { 0.0 };
                        momentum[i] = naive.momentum * momentum[i] + g;
                        let ahead = g + naive.momentum * momentum[i];
                        let step = if naive.nesterov { ahead } else { momentum[i] };
                        value[i] -= rate * step;
                    }
                }
                results.extend([value, momentum]);
            }
            results
        },
    )
}

fn two_steps(x: &[Tensor], settings: &Sgd, decays: [bool; 2]) -> Result<Vec<Tensor>> {
    let (mut kept, mut table) = (Vec::new(), Table::default());
    for tensor in [&x[0], &x[1], &x[3], &x[4]] {
        kept.push(tensor.copy_to(&tensor.device())?.into_memory()?);
    }
    for _ in 0..2 {
        let pairs = kept.chunks_mut(2).zip([&x[2], &x[5]]).zip(decays);
        let slots = pairs.filter_map(|((pair, gradient), decays)| {
            let [value, momentum] = pair else { return None };
            Some(Slot { value, momentum, gradient, decays })
        });
        sgd(slots.collect(), settings, &mut table)?;
    }
    let like = [&x[0], &x[0], &x[3], &x[3]];
    Ok(kept
        .into_iter()
        .zip(like)
        .map(|(b, x)| Tensor::from_parts(b, x.shape(), x.dtype()))
        .collect())
}
