//! Fits a curve to noisy samples of a sine: a network of two layers, its loss and its training loop,
//! written with tensors and operations alone.
//!
//! ```text
//! cargo run --release --example fit_curve
//! ```

use std::error::Error;
use std::f64::consts::PI;

use kernels::{add, affine, matmul, mean, mul, sub, tanh};
use tensor::random::{Purpose, Stream};
use tensor::{Result, Tensor, no_grad};

/// Samples of the curve.
const SAMPLES: usize = 256;
/// Standard deviation of the noise on each sample. No curve has a lower loss than its square.
const NOISE: f64 = 0.1;
/// Width of the hidden layer.
const HIDDEN: usize = 32;
/// Steps of gradient descent with momentum.
const STEPS: usize = 1000;
const LEARNING_RATE: f64 = 0.02;
const MOMENTUM: f64 = 0.9;

/// `tanh(x w1 + b1) w2 + b2`, for a column of inputs `x`.
struct Network {
    /// `w1` `[1, hidden]`, `b1` `[1, hidden]`, `w2` `[hidden, 1]` and `b2` `[1]`.
    parameters: [Tensor; 4],
    /// A decaying sum of the gradients of each.
    velocities: [Tensor; 4],
}

impl Network {
    fn new(random: &mut Stream) -> Result<Self> {
        let mut draw = |shape: [usize; 2], deviation: f64| {
            let count = shape[0] * shape[1];
            let values: Vec<f32> =
                (0..count).map(|_| (deviation * random.normal()) as f32).collect();
            Tensor::from_slice(&values, shape)
        };
        let parameters = [
            draw([1, HIDDEN], 1.0)?,
            // Biases of some width spread the bends of the curve over all inputs.
            draw([1, HIDDEN], 2.0)?,
            draw([HIDDEN, 1], (1.0 / HIDDEN as f64).sqrt())?,
            Tensor::zeros::<f32>([1]),
        ];
        let velocities = parameters.each_ref().map(|p| Tensor::zeros::<f32>(p.shape()));
        Ok(Network { parameters: parameters.map(Tensor::parameter), velocities })
    }

    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let [w1, b1, w2, b2] = &self.parameters;
        // The biases broadcast over the rows.
        let hidden = tanh(&add(&matmul(x, w1)?, b1)?)?;
        add(&matmul(&hidden, w2)?, b2)
    }

    /// One step: `v = momentum * v + gradient` and `p = p - rate * v` for every parameter `p`.
    fn descend(&mut self, loss: Tensor) -> Result<()> {
        let gradients = loss.backward()?;
        for (parameter, velocity) in self.parameters.iter_mut().zip(&mut self.velocities) {
            let Some(gradient) = gradients.get(parameter) else { continue };
            *velocity = add(&affine(velocity, MOMENTUM, 0.0)?, gradient)?;
            let step = affine(velocity, LEARNING_RATE, 0.0)?;
            // The update itself is not to be differentiated.
            *parameter = no_grad(|| sub(parameter, &step))?.parameter();
        }
        Ok(())
    }
}

/// The mean squared error.
fn squared_error(y: &Tensor, wanted: &Tensor) -> Result<Tensor> {
    let error = sub(y, wanted)?;
    mean(&mul(&error, &error)?)
}

fn main() -> std::result::Result<(), Box<dyn Error>> {
    // A stream has a seed and a purpose. The same ones give the same numbers on every machine.
    let mut random = Stream::new(1, Purpose::new(100), 0, 0);
    let x: Vec<f32> = (0..SAMPLES).map(|_| random.uniform(-PI, PI) as f32).collect();
    let curve: Vec<f32> = x.iter().map(|x| x.sin()).collect();
    let noisy: Vec<f32> = curve.iter().map(|y| y + (NOISE * random.normal()) as f32).collect();
    let column = |values: &[f32]| Tensor::from_slice(values, [SAMPLES, 1]);
    let (x, curve, noisy) = (column(&x)?, column(&curve)?, column(&noisy)?);

    let mut network = Network::new(&mut random)?;
    let untrained = squared_error(&network.forward(&x)?, &noisy)?.item()?;
    for step in 0..STEPS {
        let loss = squared_error(&network.forward(&x)?, &noisy)?;
        if step % (STEPS / 10) == 0 {
            println!("step {step:4}  loss {:.4}", loss.item()?);
        }
        network.descend(loss)?;
    }

    let fitted = no_grad(|| network.forward(&x))?;
    let loss = squared_error(&fitted, &noisy)?.item()?;
    let to_curve = squared_error(&fitted, &curve)?.item()?;
    println!("step {STEPS}  loss {loss:.4}; the noise alone has {:.4}", NOISE * NOISE);
    println!("mean squared distance to the curve without noise: {to_curve:.5}");
    // Written so that NaN fails too.
    let fits = loss < 1.5 * NOISE * NOISE && to_curve < 0.2 * NOISE * NOISE;
    if !fits {
        return Err(format!("the fit failed: the loss went from {untrained} to {loss}").into());
    }
    Ok(())
}

#[test]
fn the_network_fits_the_curve() {
    main().unwrap();
}
