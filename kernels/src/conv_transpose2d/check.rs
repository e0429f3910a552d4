//! Shapes on which transposed convolution is checked.

use tensor::Tensor;
use tensor::random::Stream;

use super::conv_transpose2d;
use crate::check::{Argument, Case};

fn case(image: [usize; 3], cin: usize, cout: usize, bias: bool) -> Case {
    let [n, h, w] = image;
    let mut arguments =
        vec![Argument::normal([n, h, w, cin]), Argument::normal([2, 2, cin, cout]).accumulator()];
    arguments.extend(bias.then(|| Argument::normal([cout]).accumulator()));
    let name = format!("{image:?}, {cin} to {cout} channels");
    Case::new(name, arguments, |a: &[Tensor]| Ok(vec![conv_transpose2d(&a[0], &a[1], a.get(2))?]))
        .with_reference(move |a| vec![by_definition(a, image, cin, cout)])
}

/// The sum of the [module](super), term by term.
fn by_definition(a: &[Vec<f64>], [n, h, w]: [usize; 3], cin: usize, cout: usize) -> Vec<f64> {
    let mut y = Vec::new();
    for image in 0..n {
        for i in 0..2 * h {
            for j in 0..2 * w {
                for o in 0..cout {
                    let pixel = ((image * h + i / 2) * w + j / 2) * cin;
                    let tap = (i % 2 * 2 + j % 2) * cin;
                    let terms = (0..cin).map(|k| a[0][pixel + k] * a[1][(tap + k) * cout + o]);
                    y.push(a.get(2).map_or(0.0, |bias| bias[o]) + terms.sum::<f64>());
                }
            }
        }
    }
    y
}

/// Several tiles of pixels and of channels.
pub fn large() -> Vec<Case> {
    vec![case([2, 17, 18], 40, 24, true)]
}

/// Single pixels, odd sizes, channel counts around the vector width.
pub fn awkward() -> Vec<Case> {
    vec![
        case([1, 1, 1], 1, 1, true),
        case([2, 3, 5], 4, 3, true),
        case([1, 2, 1], 17, 33, false),
        case([1, 1, 18], 2, 16, true),
    ]
}

/// Any small image.
pub fn random(stream: &mut Stream) -> Case {
    let mut below = |n| 1 + stream.below(n);
    case([below(3), below(5), below(5)], below(9), below(9), below(2) == 1)
}
