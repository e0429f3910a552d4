//! Shapes of the checks.

use tensor::random::Stream;

use super::{DinoLoss, dino_loss, move_centre};
use crate::check::{Argument, Case};

/// Global views alone, one image, one output, rows around the width of the lanes, temperatures of
/// the study and colder; the centre, of more columns than one task averages.
pub fn awkward() -> Vec<Case> {
    let settings = |views, student_temperature, teacher: f64| DinoLoss {
        views,
        student_temperature,
        teacher_temperature: teacher.into(),
    };
    vec![
        case(1, 3, settings(2, 1.0, 1.0)),
        case(3, 1, settings(2, 1.0, 1.0)),
        case(2, 17, settings(8, 0.1, 0.04)),
        case(1, 33, settings(8, 0.05, 0.02)),
        case(4, 5, settings(3, 0.1, 0.04)),
        centre(1, 1, 0.9),
        centre(5, 1030, 0.9),
    ]
}

/// Any small batch, or its centre.
pub fn random(stream: &mut Stream) -> Case {
    let (batch, outputs) = (1 + stream.below(4), 1 + stream.below(9));
    if stream.chance(0.25) {
        return centre(batch, outputs, stream.uniform(0.0, 1.0));
    }
    let settings = DinoLoss {
        views: 2 + stream.below(4),
        student_temperature: stream.uniform(0.1, 1.0),
        teacher_temperature: stream.uniform(0.02, 1.0).into(),
    };
    case(batch, outputs, settings)
}

fn case(batch: usize, outputs: usize, settings: DinoLoss) -> Case {
    let arguments = vec![
        Argument::normal([settings.views * batch, outputs]),
        Argument::normal([2 * batch, outputs]).constant(),
        Argument::normal([outputs]).constant(),
    ];
    let (name, naive) =
        (format!("{batch} images, {outputs} outputs, {settings:?}"), settings.clone());
    Case::new(name, arguments, move |x| Ok(vec![dino_loss(&x[0], &x[1], &x[2], &settings)?]))
        .with_reference(move |x| vec![vec![pair_by_pair(x, batch, outputs, &naive)]])
}

/// The formula of the module's page, term by term.
fn pair_by_pair(x: &[Vec<f64>], batch: usize, outputs: usize, settings: &DinoLoss) -> f64 {
    let softmax = |z: Vec<f64>| {
        let largest = z.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let total: f64 = z.iter().map(|z| (z - largest).exp()).sum();
        z.into_iter().map(|z| (z - largest, total)).collect::<Vec<_>>()
    };
    let row = |rows: &[f64], view: usize, image: usize| {
        rows[(view * batch + image) * outputs..][..outputs].to_vec()
    };
    let teacher = |view, image| {
        let centred = row(&x[1], view, image).into_iter().zip(&x[2]).map(|(t, c)| t - c);
        softmax(centred.map(|t| t / settings.teacher_temperature.value()).collect())
    };
    let student = |view, image| {
        let outputs = row(&x[0], view, image).into_iter();
        softmax(outputs.map(|s| s / settings.student_temperature).collect())
    };
    let cross_entropy = |global, view, image| {
        let pairs = teacher(global, image).into_iter().zip(student(view, image));
        -pairs.map(|((q, of), (z, sum))| q.exp() / of * (z - sum.ln())).sum::<f64>()
    };
    let mut terms = Vec::new();
    for global in 0..2 {
        for view in (0..settings.views).filter(|&view| view != global) {
            terms.extend((0..batch).map(|image| cross_entropy(global, view, image)));
        }
    }
    terms.iter().sum::<f64>() / terms.len() as f64
}

fn centre(rows: usize, outputs: usize, momentum: f64) -> Case {
    Case::without_gradient(
        format!("centre of {rows} rows of {outputs}, momentum {momentum:.2}"),
        vec![Argument::normal([outputs]), Argument::normal([rows, outputs])],
        move |x| {
            let mut centre = x[0].copy_to(&x[0].device())?;
            move_centre(&mut centre, &x[1], momentum)?;
            Ok(vec![centre])
        },
        move |x| {
            let mean =
                |k: usize| (0..rows).map(|row| x[1][row * outputs + k]).sum::<f64>() / rows as f64;
            let moved = |k: usize| momentum * x[0][k] + (1.0 - momentum) * mean(k);
            vec![(0..outputs).map(moved).collect()]
        },
    )
}
