//! Views on which rendering is checked: slices of bytes that are drawn, read in both encodings.

use tensor::random::Stream;

use super::{Encoding, Place, View, render, render_labels};
use crate::check::{Argument, Case};
use crate::intensity::check::formulas;
use crate::intensity::{Adjustment, Blur, Noise};
use crate::resample::Matrix;
use crate::resample::check::by_definition;
use crate::resample::{Filter, Padding, Sampling};

/// Bytes that slices are read from.
const MEMORY: usize = 2048;

/// Views smaller and larger than a tile, of each encoding, with and without labels, and all that
/// can happen to their intensities; none at all.
pub fn awkward() -> Vec<Case> {
    let turned = Matrix::translation([0.2, -0.3])
        * Matrix::rotation(33.0)
        * Matrix::scaling([1.3, -0.8])
        * Matrix::translation([0.1, 0.25]);
    let whole = Place { size: [9, 12], encoding: Encoding::Whole, pixels: 6, labels: Some(301) };
    let real = Place { size: [5, 11], encoding: Encoding::Real, pixels: 1028, labels: None };
    let all = Adjustment {
        affine: [2e-4, -0.2],
        noise: Some(Noise { seed: 5, epoch: 7, sample: 9, deviation: 0.2 }),
        blur: Some(Blur { sigma: [1.4, 0.6], shift: 0.3 }),
        contrast: Some(1.3),
        solarise: Some([0.5, 3.0]),
    };
    let view = |place, matrix, adjustment| View { place, matrix, adjustment };
    let views = vec![
        view(whole, Matrix::IDENTITY, Adjustment { affine: [1e-4, 0.5], ..Adjustment::NOTHING }),
        view(real, turned, Adjustment { affine: [1.0, 0.1], ..Adjustment::NOTHING }),
        view(whole, turned, all),
        view(whole, turned, Adjustment { blur: None, ..all }),
        view(real, Matrix::IDENTITY, Adjustment { affine: [0.7, 0.0], contrast: None, ..all }),
        view(whole, turned, Adjustment { noise: None, contrast: None, ..all }),
    ];
    vec![
        case("small", views.clone(), [6, 7]),
        case("wider than a tile", views.clone(), [3, 70]),
        case("taller than a tile", views, [33, 4]),
    ]
}

/// Random maps and intensities.
pub fn random(stream: &mut Stream) -> Case {
    let target = [1 + stream.below(20), 1 + stream.below(20)];
    let views = (0..1 + stream.below(4)).map(|_| random_view(stream)).collect();
    case("random", views, target)
}

fn random_view(stream: &mut Stream) -> View {
    let size = [1 + stream.below(12), 1 + stream.below(12)];
    let place = Place {
        size,
        encoding: Encoding::Whole,
        pixels: 2 * stream.below(500),
        labels: stream.chance(0.7).then(|| stream.below(500)),
    };
    let matrix = Matrix::translation([stream.uniform(-0.8, 0.8), stream.uniform(-0.8, 0.8)])
        * Matrix::rotation(stream.uniform(-180.0, 180.0))
        * Matrix::scaling([stream.uniform(0.4, 1.8), stream.uniform(-1.8, -0.4)]);
    let noise = Noise { seed: 1, epoch: 2, sample: stream.below(99) as u32, deviation: 0.1 };
    let blur = Blur { sigma: [stream.uniform(0.1, 2.0), 1.0], shift: stream.uniform(-0.4, 0.4) };
    let adjustment = Adjustment {
        affine: [1e-4, stream.uniform(-0.5, 0.5)],
        noise: stream.chance(0.5).then_some(noise),
        blur: stream.chance(0.5).then_some(blur),
        contrast: stream.chance(0.5).then(|| stream.uniform(0.7, 1.5)),
        solarise: None,
    };
    View { place, matrix, adjustment }
}

/// The second argument does nothing but tell the dtype of the images.
fn case(name: &str, views: Vec<View>, target: [usize; 2]) -> Case {
    let name = format!("{name}: {} views of {target:?}", views.len());
    // Floats whose highest byte is below 64 are below 2.
    let arguments = vec![Argument::classes([MEMORY], 64), Argument::normal([1])];
    let same = views.clone();
    Case::without_gradient(
        name,
        arguments,
        move |x| {
            let images = render(&x[0], &views, target, x[1].dtype())?;
            Ok(vec![images, render_labels(&x[0], &views, target)?])
        },
        move |x| {
            let bytes: Vec<u8> = x[0].iter().map(|&byte| byte as u8).collect();
            let image = |view| pixel_by_pixel(&bytes, view, target);
            let images = same.iter().flat_map(image).collect();
            vec![images, same.iter().flat_map(|view| labels(&bytes, view, target)).collect()]
        },
    )
}

fn pixel_by_pixel(bytes: &[u8], view: &View, target: [usize; 2]) -> Vec<f64> {
    let Place { size: [rows, columns], encoding, pixels, .. } = view.place;
    let value = |i: usize| {
        let at = &bytes[pixels + i * encoding.bytes()..];
        match encoding {
            Encoding::Whole => f64::from(u16::from_ne_bytes([at[0], at[1]])),
            Encoding::Real => f64::from(f32::from_ne_bytes([at[0], at[1], at[2], at[3]])),
        }
    };
    let slice: Vec<f64> = (0..rows * columns).map(value).collect();
    let sampling = Sampling { filter: Filter::Bicubic, padding: Padding::Zeros };
    let sampled = by_definition(&slice, [1, rows, columns, 1], &view.matrix, target, sampling);
    formulas(&sampled, target[1], &view.adjustment)
}

fn labels(bytes: &[u8], view: &View, target: [usize; 2]) -> Vec<f64> {
    let [rows, columns] = view.place.size;
    let Some(start) = view.place.labels else { return vec![0.0; target[0] * target[1]] };
    let slice: Vec<f64> = bytes[start..][..rows * columns].iter().map(|&b| f64::from(b)).collect();
    let sampling = Sampling { filter: Filter::Nearest, padding: Padding::Zeros };
    by_definition(&slice, [1, rows, columns, 1], &view.matrix, target, sampling)
}
