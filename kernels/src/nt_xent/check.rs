//! Shapes of the checks.

use tensor::Tensor;
use tensor::random::Stream;

use super::{NtXent, nt_xent};
use crate::check::{Argument, Case};

/// Only one pair, features of one number, everything positive, a temperature at which exponentials
/// overflow float32, positions that meet around the end, more rows than one block.
pub fn awkward() -> Vec<Case> {
    let study = NtXent::default();
    let cold = NtXent { temperature: 0.01, ..study };
    let around = vec![0.0, 0.0, 0.95, 0.95, 0.5, 0.45, 0.55];
    vec![
        case([2, 3], None, study),
        case([4, 1], None, study),
        case([6, 5], None, cold),
        case([5, 4], Some(vec![0.3; 5]), study),
        case([7, 3], Some(around.clone()), NtXent { cyclic: true, ..study }),
        case([7, 3], Some(around), cold),
        case([66, 2], None, study),
    ]
}

/// Any small batch; with positions, each occurs twice.
pub fn random(stream: &mut Stream) -> Case {
    let (pairs, width) = (1 + stream.below(6), 2 + stream.below(7));
    let settings = NtXent {
        temperature: stream.uniform(0.05, 1.0),
        threshold: stream.uniform(0.01, 0.5),
        cyclic: stream.chance(0.5),
    };
    let mut twice = || [stream.uniform(0.0, 1.0); 2];
    let positions: Vec<f64> = (0..pairs).flat_map(|_| twice()).collect();
    case([2 * pairs, width], stream.chance(0.6).then_some(positions), settings)
}

fn case(shape: [usize; 2], positions: Option<Vec<f64>>, settings: NtXent) -> Case {
    let name = format!("{shape:?} at {positions:.2?}, {settings:?}");
    let kept = positions.clone();
    Case::new(name, vec![Argument::normal(shape)], move |x| {
        let tensor = |p: &Vec<f64>| Tensor::from_slice(p, [p.len()])?.copy_to(&x[0].device());
        let positions = positions.as_ref().map(tensor).transpose()?;
        Ok(vec![nt_xent(&x[0], positions.as_ref(), &settings)?])
    })
    .with_reference(move |x| vec![vec![term_by_term(&x[0], shape, kept.as_deref(), settings)]])
}

/// The formula of the module's page, row by row and pair by pair.
fn term_by_term(
    features: &[f64],
    [rows, width]: [usize; 2],
    positions: Option<&[f64]>,
    settings: NtXent,
) -> f64 {
    let row = |i: usize| &features[i * width..(i + 1) * width];
    let dot = |i: usize, j: usize| row(i).iter().zip(row(j)).map(|(a, b)| a * b).sum::<f64>();
    let s = |i, j| dot(i, j) / (dot(i, i) * dot(j, j)).sqrt() / settings.temperature;
    let positive = |i: usize, j: usize| match positions {
        None => i / 2 == j / 2,
        Some(positions) => {
            let d = (positions[i] - positions[j]).abs();
            let folded = if settings.cyclic { d.min(1.0 - d) } else { d };
            folded < settings.threshold - 1e-9
        }
    };
    let of_row = |i: usize| {
        let others = || (0..rows).filter(move |&j| j != i);
        let sum: f64 = others().map(|j| s(i, j).exp()).sum();
        let logs: Vec<f64> =
            others().filter(|&j| positive(i, j)).map(|j| s(i, j) - sum.ln()).collect();
        -logs.iter().sum::<f64>() / logs.len() as f64
    };
    (0..rows).map(of_row).sum::<f64>() / rows as f64
}
