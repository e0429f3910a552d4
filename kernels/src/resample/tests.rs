//! Against the definition written out pixel by pixel.

use tensor::random::{Purpose, Stream};
use tensor::{DType, Tensor};

use super::check::by_definition;
use super::*;
use crate::check::{Argument, Case};

const BICUBIC: Sampling = Sampling { filter: Filter::Bicubic, padding: Padding::Zeros };

fn worst(found: &Tensor, wanted: &[f64]) -> f64 {
    let found = found.to_f64();
    assert_eq!(found.len(), wanted.len());
    found.iter().zip(wanted).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max)
}

#[test]
fn samples_are_those_of_the_definition() {
    for seed in 0..60 {
        let mut stream = Stream::new(seed, Purpose::CHECK, 0, 0);
        let mut extent = |most: usize| 1 + stream.below(most);
        let shape = [extent(2), extent(30), extent(30), extent(5)];
        let target = [extent(40), extent(150)];
        let m = Matrix::translation([stream.uniform(-1.0, 1.0), stream.uniform(-1.0, 1.0)])
            * Matrix::rotation(stream.uniform(-180.0, 180.0))
            * Matrix::scaling([stream.uniform(0.2, 3.0), stream.uniform(-3.0, 3.0)]);
        for filter in [Filter::Bicubic, Filter::Nearest] {
            for padding in [Padding::Zeros, Padding::Border] {
                let sampling = Sampling { filter, padding };
                for (dtype, tolerance) in [(DType::F64, 1e-12), (DType::F32, 3e-6)] {
                    let x = Argument::normal(shape).draw(dtype, &mut stream).unwrap();
                    let found = resample(&x, &[m], target, sampling).unwrap();
                    let error =
                        worst(&found, &by_definition(&x.to_f64(), shape, &m, target, sampling));
                    assert!(error < tolerance, "{shape:?} {target:?} {sampling:?}: {error:e}");
                }
            }
        }
    }
}

#[test]
fn the_identity_returns_the_image() {
    let mut stream = Stream::new(1, Purpose::CHECK, 0, 0);
    let x = Argument::normal([2, 11, 70, 1]).draw(DType::F32, &mut stream).unwrap();
    let same = resample(&x, &[Matrix::IDENTITY], [11, 70], BICUBIC).unwrap();
    assert!(worst(&same, &x.to_f64()) < 1e-5);
}

#[test]
fn ties_go_to_the_even_neighbour() {
    let x: Vec<u8> = (0..8).collect();
    let x = Tensor::from_slice(&x, [1, 1, 8]).unwrap();
    let half = resample_labels(&x, &[Matrix::IDENTITY], [1, 4]).unwrap();
    // Columns 0.5, 2.5, 4.5, 6.5.
    assert_eq!(half.data::<u8>(), [0, 2, 4, 6]);
}

/// `<A x, y> = <x, A' y>` defines the gradient of a linear map.
#[test]
fn the_gradient_is_the_adjoint() {
    for (i, Case { name, arguments, run, .. }) in check::awkward().into_iter().enumerate() {
        let mut stream = Stream::new(i as u64, Purpose::CHECK, 0, 0);
        let x = arguments[0].draw(DType::F64, &mut stream).unwrap().parameter();
        let out = run(std::slice::from_ref(&x)).unwrap().remove(0);
        let y = Argument::normal(out.shape()).draw(DType::F64, &mut stream).unwrap();
        let dot = |a: &Tensor, b: &Tensor| -> f64 {
            a.to_f64().iter().zip(b.to_f64()).map(|(a, b)| a * b).sum()
        };
        let forward = dot(&out, &y);
        let back = out.backward_from(y).unwrap().take(&x).unwrap();
        assert_eq!(back.shape(), x.shape(), "{name}");
        let error = (forward - dot(&x, &back)).abs();
        assert!(error < 1e-10, "{name}: {error:e}");
    }
}

#[test]
fn what_does_not_fit_is_refused() {
    let x = Tensor::zeros::<f32>([2, 3, 4]);
    let error = resample(&x, &[Matrix::IDENTITY], [2, 2], BICUBIC).unwrap_err();
    assert_eq!(
        error.to_string(),
        "resample: takes [batch, rows, columns, channels], not [2, 3, 4]"
    );
    let x = Tensor::zeros::<f32>([3, 3, 4, 1]);
    let error = resample(&x, &[Matrix::IDENTITY; 2], [2, 2], BICUBIC).unwrap_err();
    assert_eq!(error.to_string(), "resample: 2 matrices for 3 images; takes 1 or 3");
    assert!(resample(&x, &[Matrix::scaling([f64::NAN, 1.0])], [2, 2], BICUBIC).is_err());
}
