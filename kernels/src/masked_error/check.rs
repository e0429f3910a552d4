//! Shapes of the checks.

use tensor::random::Stream;

use super::masked_error;
use crate::check::{Argument, Case};

/// A single pixel, several channels, all hidden, none hidden, more pixels than one task takes.
pub fn awkward() -> Vec<Case> {
    vec![
        case([1, 1, 1, 1], 2),
        case([2, 3, 5, 3], 2),
        case([1, 7, 5, 1], 2),
        case([1, 2, 3, 2], 1),
        large(),
    ]
}

/// Any small batch of images.
pub fn random(stream: &mut Stream) -> Case {
    let mut extent = |most| 1 + stream.below(most);
    case([extent(3), extent(6), extent(6), extent(3)], 2)
}

/// Of two `classes` each pixel is hidden or not; of one, none is.
fn case(shape: [usize; 4], classes: u8) -> Case {
    let channels = shape[3];
    let arguments = vec![
        Argument::normal(shape),
        Argument::normal(shape).accumulator(),
        Argument::classes([shape[0], shape[1], shape[2]], classes),
    ];
    Case::new(format!("{shape:?} of {classes} kinds"), arguments, |x| {
        Ok(vec![masked_error(&x[0], &x[1], &x[2])?])
    })
    .with_reference(move |x| vec![vec![pixel_by_pixel(x, channels)]])
}

/// Compares values only: finite differences over this many pixels would be too slow.
fn large() -> Case {
    let shape = [2, 100, 90, 2];
    Case::without_gradient(
        format!("{shape:?}"),
        case(shape, 2).arguments,
        |x| Ok(vec![masked_error(&x[0], &x[1], &x[2])?]),
        |x| vec![vec![pixel_by_pixel(x, 2)]],
    )
}

fn pixel_by_pixel(x: &[Vec<f64>], channels: usize) -> f64 {
    let (mut sum, mut hidden) = (0.0, 0.0);
    let pixels = x[0].chunks(channels).zip(x[1].chunks(channels));
    for ((output, target), mask) in pixels.zip(&x[2]) {
        sum += output.iter().zip(target).map(|(o, t)| (o * mask - t * mask).powi(2)).sum::<f64>();
        hidden += mask;
    }
    if hidden > 0.0 { sum / hidden } else { 0.0 }
}
