//! Shapes on which intensity transforms are checked: constants all, for data preparation has no
//! gradient.

use tensor::random::Stream;

use super::{Adjustment, Blur, Noise, add_noise, adjust, smoothing_kernel};
use crate::check::{Argument, Case};

/// Every transform by itself and all in turn, on images of one row, of one column and wider than a
/// block; blur that reaches beyond a tile.
pub fn awkward() -> Vec<Case> {
    let tall = |shape| case(shape, [1.5, 0.5], 0.7);
    vec![
        case([1, 1], [0.5, 1.5], 1.3),
        tall([1, 9]),
        case([40, 3], [2.0, 0.1], 1.5),
        case([7, 133], [0.6, 1.4], 1.0),
        case([18, 70], [9.0, 17.0], 1.2),
    ]
}

/// A random image, blur and contrast.
pub fn random(stream: &mut Stream) -> Case {
    let shape = [1 + stream.below(20), 1 + stream.below(40)];
    let sigma = [stream.uniform(0.1, 2.0), stream.uniform(0.1, 2.0)];
    case(shape, sigma, stream.uniform(0.7, 1.5))
}

const NOISE: Noise = Noise { seed: 1 << 40, epoch: 2, sample: 3, deviation: 0.1 };

/// An image for each transform, and two on which all work.
fn case([rows, columns]: [usize; 2], sigma: [f64; 2], gamma: f64) -> Case {
    let nothing = Adjustment::NOTHING;
    let all = Adjustment {
        affine: [1.9, -0.2],
        noise: Some(NOISE),
        blur: Some(Blur { sigma, shift: 0.3 }),
        contrast: Some(gamma),
        solarise: Some([0.25, 3.0]),
    };
    let adjustments = vec![
        Adjustment { blur: Some(Blur { sigma, shift: 0.0 }), ..nothing },
        Adjustment { affine: [1.75, -0.3], ..nothing },
        Adjustment { contrast: Some(gamma), ..nothing },
        Adjustment { solarise: Some([0.25, 3.0]), ..nothing },
        Adjustment { noise: Some(NOISE), ..nothing },
        all,
        Adjustment { blur: None, ..all },
    ];
    let name = format!("{rows} x {columns}, sigma {sigma:.2?}, gamma {gamma:.2}");
    let arguments = vec![Argument::normal([adjustments.len(), rows, columns, 1])];
    let each = adjustments.clone();
    Case::without_gradient(
        name,
        arguments,
        move |x| Ok(vec![adjust(&x[0], &adjustments)?]),
        move |x| {
            let images = x[0].chunks(rows * columns).zip(&each);
            vec![images.flat_map(|(image, one)| formulas(image, columns, one)).collect()]
        },
    )
}

/// An adjustment pixel by pixel, as the documentation has it.
pub(crate) fn formulas(x: &[f64], columns: usize, adjustment: &Adjustment) -> Vec<f64> {
    let Adjustment { affine: [scale, offset], noise, blur, contrast, solarise } = adjustment;
    let mut x: Vec<f64> = x.iter().map(|v| scale * v + offset).collect();
    if let Some(noise) = noise {
        let mut drawn = vec![0.0; x.len()];
        add_noise(&mut drawn, noise);
        x.iter_mut().zip(drawn).for_each(|(v, noise)| *v += noise);
    }
    if let Some(Blur { sigma, shift }) = blur {
        x = blurred(&x, columns, *sigma).into_iter().map(|v| v + shift).collect();
    }
    if let Some(gamma) = contrast {
        let low = x.iter().copied().fold(f64::INFINITY, f64::min);
        let range = x.iter().copied().fold(f64::NEG_INFINITY, f64::max) - low;
        x.iter_mut().for_each(|v| *v = ((*v - low) / (range + 1e-7)).powf(*gamma) * range + low);
    }
    if let Some([above, top]) = solarise {
        x.iter_mut().filter(|v| **v > *above).for_each(|v| *v = top - *v);
    }
    x
}

fn blurred(x: &[f64], columns: usize, sigma: [f64; 2]) -> Vec<f64> {
    let rows = x.len() / columns;
    let [down, across] = sigma.map(smoothing_kernel);
    let pixel = |at: usize| {
        let mut sum = 0.0;
        for (i, a) in down.iter().enumerate() {
            for (j, b) in across.iter().enumerate() {
                let row = (at / columns + i).checked_sub(down.len() / 2).filter(|&r| r < rows);
                let column = (at % columns + j).checked_sub(across.len() / 2);
                if let (Some(row), Some(column)) = (row, column.filter(|&c| c < columns)) {
                    sum += a * b * x[row * columns + column];
                }
            }
        }
        sum
    };
    (0..x.len()).map(pixel).collect()
}
