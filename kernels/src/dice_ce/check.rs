//! Shapes of the checks.

use tensor::random::Stream;

use super::{DiceCe, dice_ce};
use crate::check::{Argument, Case};

/// Classes absent from the labels, one class only, odd sizes, a single pixel, a block and a bit,
/// more scales than one.
pub fn awkward() -> Vec<Case> {
    vec![
        case(2, [6, 6], &[[6, 6]], vec![0.0, 1.0, 1.0, 1.0], 2),
        case(1, [3, 5], &[[3, 5]], vec![1.0], 1),
        case(1, [1, 1], &[[1, 1]], vec![0.0, 1.0], 2),
        case(2, [7, 9], &[[7, 9], [4, 5], [2, 3], [1, 2]], vec![0.0, 1.0, 1.0, 1.0], 4),
        case(1, [5, 13], &[[5, 13]], vec![0.2, 0.3, 0.5], 3),
        case(1, [9, 9], &[[9, 9]], vec![0.0, 1.0, 2.0, 1.0, 1.0], 5),
    ]
}

/// One to three scales of a small batch, of two to five classes.
pub fn random(stream: &mut Stream) -> Case {
    let batch = 1 + stream.below(3);
    let full = [2 + stream.below(7), 2 + stream.below(7)];
    let halved = |k: u32| full.map(|n: usize| n.div_ceil(1 << k));
    let sizes: Vec<_> = (0..1 + stream.below(3) as u32).map(halved).collect();
    let classes = 2 + stream.below(4);
    let weights = (0..classes).map(|_| stream.uniform(0.0, 1.0)).collect();
    case(batch, full, &sizes, weights, classes as u8)
}

fn case(
    batch: usize,
    full: [usize; 2],
    sizes: &[[usize; 2]],
    class_weights: Vec<f64>,
    labelled_classes: u8,
) -> Case {
    let classes = class_weights.len();
    let mut arguments = vec![Argument::classes([batch, full[0], full[1]], labelled_classes)];
    arguments.extend(sizes.iter().map(|&[h, w]| Argument::normal([batch, h, w, classes])));
    let name = format!(
        "{batch} images of {full:?} at {sizes:?}, {labelled_classes} of {classes} classes labelled"
    );
    let settings = DiceCe { class_weights, ..DiceCe::default() };
    let (kept, sizes) = (settings.clone(), sizes.to_vec());
    Case::new(name, arguments, move |x| {
        let loss = dice_ce(&x[1..].iter().collect::<Vec<_>>(), &x[0], &settings)?;
        Ok(vec![loss.total])
    })
    .with_reference(move |x| {
        let scale = |(k, logits): (usize, &Vec<f64>)| {
            let weight = 0.5f64.powi(k as i32);
            let labels = sampled(&x[0], batch, full, sizes[k]);
            [weight, weight * at_one_scale(logits, &labels, batch, &kept)]
        };
        let scales: Vec<[f64; 2]> = x[1..].iter().enumerate().map(scale).collect();
        let sum = |i: usize| scales.iter().map(|scale| scale[i]).sum::<f64>();
        vec![vec![sum(1) / sum(0)]]
    })
}

/// Labels at the centres of the pixels of another grid.
fn sampled(labels: &[f64], batch: usize, full: [usize; 2], to: [usize; 2]) -> Vec<usize> {
    let source = |target: usize, axis: usize| {
        ((target as f64 + 0.5) * full[axis] as f64 / to[axis] as f64).floor() as usize
    };
    let at = |i: usize| {
        let (image, row, column) = (i / (to[0] * to[1]), i / to[1] % to[0], i % to[1]);
        labels[(image * full[0] + source(row, 0)) * full[1] + source(column, 1)] as usize
    };
    (0..batch * to[0] * to[1]).map(at).collect()
}

/// The formula of the module's page, term by term.
fn at_one_scale(logits: &[f64], labels: &[usize], batch: usize, settings: &DiceCe) -> f64 {
    let (classes, s) = (settings.class_weights.len(), settings.smooth);
    let pixels = labels.len() / batch;
    let total_weight: f64 = settings.class_weights.iter().sum();
    let p = |pixel: usize, class: usize| {
        let z = &logits[pixel * classes..(pixel + 1) * classes];
        z[class].exp() / z.iter().map(|z| z.exp()).sum::<f64>()
    };
    let entropy: f64 = (0..labels.len()).map(|i| -p(i, labels[i]).ln()).sum();
    let mut dice = 0.0;
    for image in 0..batch {
        for (class, weight) in settings.class_weights.iter().enumerate() {
            let (mut both, mut sum) = (0.0, 0.0);
            for (i, &label) in labels.iter().enumerate().skip(image * pixels).take(pixels) {
                let y = f64::from(u8::from(label == class));
                both += p(i, class) * y;
                sum += p(i, class) + y;
            }
            dice += weight / total_weight * (1.0 - (2.0 * both + s) / (sum + s)) / batch as f64;
        }
    }
    settings.cross_entropy_weight * entropy / labels.len() as f64 + settings.dice_weight * dice
}
