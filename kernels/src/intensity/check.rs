//! Shapes on which intensity transforms are checked: constants all, for data preparation has no
//! gradient.

use tensor::random::Stream;
use tensor::{DType, Error, Result, Tensor};

use super::{Noise, Power, add_noise, affine, blur, contrast, solarise};
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
    Case::new(name, vec![Argument::normal(shape).constant()], move |x| {
        let x = &x[0];
        match x.dtype() {
            DType::F32 => transforms::<f32>(x, sigma, gamma),
            DType::F64 => transforms::<f64>(x, sigma, gamma),
            found => Err(Error::DType { operation: "intensity", found, wanted: "f32 or f64" }),
        }
    })
}

fn transforms<T: Power>(x: &Tensor, sigma: [f64; 2], gamma: f64) -> Result<Vec<Tensor>> {
    let each = |transform: &dyn Fn(&mut [T])| {
        Tensor::build::<T>(x.shape(), |out| {
            out.copy_from_slice(x.data());
            transform(out);
        })
    };
    let of = T::from_f64;
    let noise = Noise { seed: 1, epoch: 2, sample: 3, deviation: 0.1 };
    Ok(vec![
        Tensor::build::<T>(x.shape(), |out| {
            blur(x.data(), x.shape().last(), sigma, [of(1.0), of(0.0)], out);
        }),
        each(&|v| affine(v, of(1.75), of(-0.3))),
        each(&|v| contrast(v, gamma)),
        each(&|v| solarise(v, of(0.25), of(3.0))),
        each(&|v| add_noise(v, &noise)),
    ])
}
