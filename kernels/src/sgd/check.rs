//! Updates of two parameters, against the formula element by element.

use tensor::random::Stream;
use tensor::{Result, Tensor};

use super::{Sgd, Slot, sgd};
use crate::check::{Argument, Case};

/// No momentum, no decay, a parameter of one element, one longer than a chunk.
pub fn awkward() -> Vec<Case> {
    let plain = Sgd { learning_rate: 0.1, momentum: 0.0, nesterov: false };
    let study = Sgd { learning_rate: 0.01, momentum: 0.99, nesterov: true };
    vec![
        case([3, 5], plain, [0.0, 0.0]),
        case([1, 7], study, [3e-5, 3e-5]),
        case([40_000, 2], study, [1e-4, 0.0]),
        case([5, 5], Sgd { nesterov: false, ..study }, [0.1, 0.0]),
    ]
}

/// Any settings.
pub fn random(stream: &mut Stream) -> Case {
    let settings = Sgd {
        learning_rate: stream.uniform(0.0, 1.0),
        momentum: stream.uniform(0.0, 1.0),
        nesterov: stream.chance(0.5),
    };
    let lengths = [1 + stream.below(50), 1 + stream.below(50)];
    case(lengths, settings, [stream.uniform(0.0, 0.1), stream.uniform(0.0, 0.1)])
}

/// Arguments: value, momentum and gradient of the first parameter, then of the second. Results:
/// value and momentum of the first, then of the second, after two steps.
fn case(lengths: [usize; 2], settings: Sgd, decays: [f64; 2]) -> Case {
    let arguments = lengths.iter().flat_map(|&n| (0..3).map(move |_| Argument::normal([n])));
    Case::without_gradient(
        format!("{lengths:?} with {settings:?}, decay {decays:?}"),
        arguments.collect(),
        move |x| two_steps(x, settings, decays),
        move |x| {
            let mut results = Vec::new();
            for (x, decay) in x.chunks(3).zip(decays) {
                let (mut value, mut momentum) = (x[0].clone(), x[1].clone());
                for _ in 0..2 {
                    for i in 0..value.len() {
                        let g = x[2][i] + decay * value[i];
                        momentum[i] = settings.momentum * momentum[i] + g;
                        let ahead = g + settings.momentum * momentum[i];
                        let step = if settings.nesterov { ahead } else { momentum[i] };
                        value[i] -= settings.learning_rate * step;
                    }
                }
                results.extend([value, momentum]);
            }
            results
        },
    )
}

fn two_steps(x: &[Tensor], settings: Sgd, decays: [f64; 2]) -> Result<Vec<Tensor>> {
    let mut kept = Vec::new();
    for tensor in [&x[0], &x[1], &x[3], &x[4]] {
        kept.push(tensor.to(&tensor.device())?.into_memory()?);
    }
    for _ in 0..2 {
        let pairs = kept.chunks_mut(2).zip([&x[2], &x[5]]).zip(decays);
        let slots = pairs.filter_map(|((pair, gradient), weight_decay)| {
            let [value, momentum] = pair else { return None };
            Some(Slot { value, momentum, gradient, weight_decay })
        });
        sgd(slots.collect(), &settings)?;
    }
    let like = [&x[0], &x[0], &x[3], &x[3]];
    Ok(kept.into_iter().zip(like).map(|(b, x)| Tensor::over(b, x.shape(), x.dtype())).collect())
}
