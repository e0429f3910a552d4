//! Against the definition written out pixel by pixel.

use tensor::random::{Purpose, Stream};
use tensor::{DType, Tensor};

use super::*;
use crate::check::{Argument, Case};

const BICUBIC: Sampling = Sampling { filter: Filter::Bicubic, padding: Padding::Zeros };

/// PyTorch's `grid_sample`, as its documentation has it.
fn by_definition(x: &Tensor, m: &Matrix, target: [usize; 2], sampling: Sampling) -> Vec<f64> {
    let [images, rows, columns, channels]: [usize; 4] = x.shape().as_array().unwrap();
    let (data, mut out) = (x.to_f64(), Vec::new());
    let read = |n: usize, row: f64, column: f64, c: usize| {
        let (mut row, mut column) = (row, column);
        if sampling.padding == Padding::Border {
            row = row.clamp(0.0, rows as f64 - 1.0);
            column = column.clamp(0.0, columns as f64 - 1.0);
        }
        if row < 0.0 || column < 0.0 || row >= rows as f64 || column >= columns as f64 {
            return 0.0;
        }
        data[((n * rows + row as usize) * columns + column as usize) * channels + c]
    };
    let kernel = |d: f64| match d.abs() {
        d if d <= 1.0 => 1.25 * d.powi(3) - 2.25 * d.powi(2) + 1.0,
        d if d < 2.0 => -0.75 * d.powi(3) + 3.75 * d.powi(2) - 6.0 * d + 3.0,
        _ => 0.0,
    };
    for n in 0..images {
        for i in 0..target[0] {
            for j in 0..target[1] {
                let x = (j as f64 + 0.5) / target[1] as f64 * 2.0 - 1.0;
                let y = (i as f64 + 0.5) / target[0] as f64 * 2.0 - 1.0;
                let [u, v] = [0, 1].map(|k| m.0[k][0] * x + m.0[k][1] * y + m.0[k][2]);
                let column = ((u + 1.0) * columns as f64 - 1.0) / 2.0;
                let row = ((v + 1.0) * rows as f64 - 1.0) / 2.0;
                for c in 0..channels {
                    if sampling.filter == Filter::Nearest {
                        out.push(read(n, row.round_ties_even(), column.round_ties_even(), c));
                        continue;
                    }
                    let mut sum = 0.0;
                    for a in -1..=2 {
                        for b in -1..=2 {
                            let (p, q) =
                                (row.floor() + f64::from(a), column.floor() + f64::from(b));
                            sum += read(n, p, q, c) * kernel(row - p) * kernel(column - q);
                        }
                    }
                    out.push(sum);
                }
            }
        }
    }
    out
}

fn worst(found: &Tensor, wanted: &[f64]) -> f64 {
    let found = found.to_f64();
    assert_eq!(found.len(), wanted.len());
    found.iter().zip(wanted).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max)
}

#[test]
fn samples_are_those_of_the_definition() {
    for seed in 0..60 {
        let mut stream = Stream::new(seed, Purpose::Check, 0, 0);
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
                    let error = worst(&found, &by_definition(&x, &m, target, sampling));
                    assert!(error < tolerance, "{shape:?} {target:?} {sampling:?}: {error:e}");
                }
            }
        }
    }
}

#[test]
fn the_identity_returns_the_image() {
    let mut stream = Stream::new(1, Purpose::Check, 0, 0);
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
        let mut stream = Stream::new(i as u64, Purpose::Check, 0, 0);
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
