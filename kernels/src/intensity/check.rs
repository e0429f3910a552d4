//! Shapes on which intensity transforms are checked: constants all, for data preparation has no
//! gradient.

use tensor::random::Stream;
use tensor::{DType, Error, Result, Tensor};

use super::{Noise, Power, add_noise, affine, blur, contrast, smoothing_kernel, solarise};
use crate::check::{Argument, Case};

/// Every transform in turn, on images of one row, of one column and wider than a block.
pub fn awkward() -> Vec<Case> {
    vec![
        case([1, 1], [0.5, 1.5], 1.3),
        case([1, 9], [1.5, 0.5], 0.7),
        case([40, 3], [2.0, 0.1], 1.5),
        case([7, 133], [0.6, 1.4], 1.0),
    ]
}

/// A random image, blur and contrast.
pub fn random(stream: &mut Stream) -> Case {
    let shape = [1 + stream.below(20), 1 + stream.below(40)];
    let sigma = [stream.uniform(0.1, 2.0), stream.uniform(0.1, 2.0)];
    case(shape, sigma, stream.uniform(0.7, 1.5))
}

fn case(shape: [usize; 2], sigma: [f64; 2], gamma: f64) -> Case {
    let name = format!("{shape:?}, sigma {sigma:.2?}, gamma {gamma:.2}");
    let run = move |x: &[Tensor]| {
        let x = &x[0];
        match x.dtype() {
            DType::F32 => transforms::<f32>(x, sigma, gamma),
            DType::F64 => transforms::<f64>(x, sigma, gamma),
            found => Err(Error::DType { operation: "intensity", found, wanted: "f32 or f64" }),
        }
    };
    let reference = move |x: &[Vec<f64>]| formulas(&x[0], shape, sigma, gamma);
    Case::without_gradient(name, vec![Argument::normal(shape)], run, reference)
}

const NOISE: Noise = Noise { seed: 1, epoch: 2, sample: 3, deviation: 0.1 };

/// The transforms pixel by pixel, as their documentation has them.
fn formulas(x: &[f64], [rows, columns]: [usize; 2], sigma: [f64; 2], gamma: f64) -> Vec<Vec<f64>> {
    let [down, across] = sigma.map(smoothing_kernel);
    let blurred = (0..rows * columns).map(|at| {
        let mut sum = 0.0;
        for (k, (i, a)) in down
            .iter()
            .enumerate()
            .flat_map(|(i, a)| across.iter().enumerate().map(move |(j, b)| (j, (i, a * b))))
        {
            let row = (at / columns + i).checked_sub(down.len() / 2).filter(|&r| r < rows);
            let column = (at % columns + k).checked_sub(across.len() / 2).filter(|&c| c < columns);
            if let (Some(row), Some(column)) = (row, column) {
                sum += a * x[row * columns + column];
            }
        }
        sum
    });
    let low = x.iter().copied().fold(f64::INFINITY, f64::min);
    let range = x.iter().copied().fold(f64::NEG_INFINITY, f64::max) - low;
    let mut noise = vec![0.0; x.len()];
    add_noise(&mut noise, &NOISE);
    vec![
        blurred.collect(),
        x.iter().map(|v| 1.75 * v - 0.3).collect(),
        x.iter().map(|v| ((v - low) / (range + 1e-7)).powf(gamma) * range + low).collect(),
        x.iter().map(|&v| if v > 0.25 { 3.0 - v } else { v }).collect(),
        x.iter().zip(noise).map(|(v, noise)| v + noise).collect(),
    ]
}

fn transforms<T: Power>(x: &Tensor, sigma: [f64; 2], gamma: f64) -> Result<Vec<Tensor>> {
    let each = |transform: &dyn Fn(&mut [T])| {
        Tensor::build::<T>(x.shape(), |out| {
            out.copy_from_slice(x.data());
            transform(out);
        })
    };
    let of = T::from_f64;
    Ok(vec![
        Tensor::build::<T>(x.shape(), |out| {
            blur(x.data(), x.shape().last(), sigma, [of(1.0), of(0.0)], out);
        }),
        each(&|v| affine(v, of(1.75), of(-0.3))),
        each(&|v| contrast(v, gamma)),
        each(&|v| solarise(v, of(0.25), of(3.0))),
        each(&|v| add_noise(v, &NOISE)),
    ])
}
