//! The table of pointwise functions. [`pointwise!`](crate::pointwise!) says what a row contains.

use std::f64::consts::{FRAC_1_SQRT_2, PI};

use crate::check::{normal, uniform};

crate::pointwise! {
    /// `a + b`.
    add(a: [normal(0.0, 1.0)], b: [normal(0.0, 1.0)]) {
        value: a + b => "a + b",
        by a: T::ONE => "1",
        by b: T::ONE => "1",
        known: [[2.0, 3.0, 5.0]],
        peer: "a + b",
    }

    /// `a - b`.
    sub(a: [normal(0.0, 1.0)], b: [normal(0.0, 1.0)]) {
        value: a - b => "a - b",
        by a: T::ONE => "1",
        by b: -T::ONE => "-1",
        known: [[2.0, 3.0, -1.0]],
        peer: "a - b",
    }

    /// `a * b`.
    mul(a: [normal(0.0, 1.0)], b: [normal(0.0, 1.0)]) {
        value: a * b => "a * b",
        by a: b => "b",
        by b: a => "a",
        known: [[2.0, 3.0, 6.0]],
        peer: "a * b",
    }

    /// `a / b`.
    div(a: [normal(0.0, 1.0)], b: [uniform(0.5, 2.0), uniform(-2.0, -0.5)]) {
        value: a / b => "a / b",
        by a: T::ONE / b => "1 / b",
        by b: -(a / b) / b => "-(a / b) / b",
        known: [[3.0, 2.0, 1.5]],
        peer: "a / b",
    }

    /// `scale * x + offset`, with the same two constants for every element.
    affine(x: [normal(0.0, 1.0)]; scale: [-0.5, 0.0, 1.7], offset: [2.0, 1.0, -0.3]) {
        value: scale * x + offset => "scale * x + offset",
        by x: scale => "scale",
        known: [[3.0, 0.5]],
        peer: "-0.5 * x + 2.0",
    }

    /// Natural exponential.
    exp(x: [normal(0.0, 1.0), normal(-3.0, 2.0)]) {
        value: x.exp() => "exp(x)",
        by x: x.exp() => "exp(x)",
        known: [[0.0, 1.0], [1.0, std::f64::consts::E]],
        peer: "torch.exp(x)",
    }

    /// Natural logarithm.
    log(x: [uniform(0.1, 4.0), uniform(10.0, 1000.0)]) {
        value: x.ln() => "log(x)",
        by x: T::ONE / x => "1 / x",
        known: [[1.0, 0.0], [2.0, std::f64::consts::LN_2]],
        peer: "torch.log(x)",
    }

    /// Square root.
    sqrt(x: [uniform(0.1, 4.0), uniform(10.0, 1000.0)]) {
        value: x.sqrt() => "sqrt(x)",
        by x: T::from_f64(0.5) / x.sqrt() => "(Acc)0.5 / sqrt(x)",
        known: [[2.25, 1.5]],
        peer: "torch.sqrt(x)",
    }

    /// Hyperbolic tangent.
    tanh(x: [normal(0.0, 1.0), normal(0.0, 3.0)]) {
        value: x.tanh() => "tanh(x)",
        by x: T::ONE - x.tanh() * x.tanh() => "1 - tanh(x) * tanh(x)",
        known: [[1.0, 0.761_594_155_955_764_9]],
        peer: "torch.tanh(x)",
    }

    /// Logistic sigmoid, `1 / (1 + exp(-x))`.
    ///
    /// Its derivative is computed as `sigmoid(x) sigmoid(-x)`, which keeps its relative precision on
    /// both sides.
    sigmoid(x: [normal(0.0, 1.0), normal(0.0, 4.0)]) {
        value: sigmoid_of(x) => "1 / (1 + exp(-x))",
        by x: sigmoid_of(x) * sigmoid_of(-x) => "1 / ((1 + exp(-x)) * (1 + exp(x)))",
        known: [[0.0, 0.5], [1.0, 0.731_058_578_630_004_9]],
        peer: "torch.sigmoid(x)",
    }

    /// Sigmoid linear unit, `x sigmoid(x)`, also known as swish.
    ///
    /// Hendrycks, Gimpel, *Gaussian error linear units* (arXiv 1606.08415, 2016); Ramachandran, Zoph,
    /// Le, *Searching for activation functions* (arXiv 1710.05941, 2017).
    silu(x: [normal(0.0, 1.0), normal(0.0, 4.0)]) {
        value: x * sigmoid_of(x) => "x / (1 + exp(-x))",
        by x: sigmoid_of(x) * (T::ONE + x * sigmoid_of(-x))
            => "(1 + x / (1 + exp(x))) / (1 + exp(-x))",
        known: [[1.0, 0.731_058_578_630_004_9], [-2.0, -0.238_405_844_044_234_2]],
        peer: "F.silu(x)",
    }

    /// Rectified linear unit, `max(x, 0)`. Its derivative at 0 is 0, as in PyTorch, and NaN stays NaN.
    relu(x: [normal(0.0, 1.0)]) {
        value: if x <= T::ZERO { T::ZERO } else { x } => "x <= 0 ? 0 : x",
        by x: if x <= T::ZERO { T::ZERO } else { T::ONE } => "x <= 0 ? 0 : 1",
        known: [[-2.0, 0.0], [3.0, 3.0]],
        peer: "F.relu(x)",
    }

    /// Leaky rectified linear unit: `x` where it is positive, `slope * x` elsewhere. Its derivative at
    /// 0 is `slope`, as in PyTorch.
    ///
    /// Maas, Hannun, Ng, *Rectifier nonlinearities improve neural network acoustic models* (2013).
    leaky_relu(x: [normal(0.0, 1.0)]; slope: [0.01, 0.0, 1.0, -0.4]) {
        value: if x > T::ZERO { x } else { slope * x } => "x > 0 ? x : slope * x",
        by x: if x > T::ZERO { T::ONE } else { slope } => "x > 0 ? 1 : slope",
        known: [[-2.0, -0.02], [3.0, 3.0]],
        peer: "F.leaky_relu(x, 0.01)",
    }

    /// Gaussian error linear unit, `x Φ(x)`, with `Φ` the standard normal distribution function
    /// `(1 + erf(x / √2)) / 2`. It is exact: no approximation by a hyperbolic tangent.
    ///
    /// Its derivative is `Φ(x) + x φ(x)`, with `φ` the density. Both keep their relative precision far
    /// to the left, where `1 + erf` would lose it. On the CPU they are computed in float64 for every
    /// dtype.
    ///
    /// Hendrycks, Gimpel, *Gaussian error linear units* (arXiv 1606.08415, 2016).
    gelu(x: [normal(0.0, 1.0), normal(-3.0, 1.0), normal(3.0, 1.0), normal(0.0, 3.0)]) {
        value: T::from_f64(x.to_f64() * normal_distribution(x.to_f64()))
            => "x * ((Acc)0.5 * erfc(x * (Acc)-0.70710678118654752))",
        by x: T::from_f64(normal_distribution(x.to_f64()) + x.to_f64() * normal_density(x.to_f64()))
            => "(Acc)0.5 * erfc(x * (Acc)-0.70710678118654752) + \
                x * ((Acc)0.39894228040143268 * exp((Acc)-0.5 * x * x))",
        known: [
            [0.0, 0.0], [1.0, 0.841_344_746_068_542_9], [-1.0, -0.158_655_253_931_457_05],
            [3.0, 2.995_950_305_905_11], [-8.0, -4.976_768_459_417_455_5e-15]
        ],
        peer: "F.gelu(x)",
    }
}

fn sigmoid_of<T: tensor::Float>(x: T) -> T {
    T::ONE / (T::ONE + (-x).exp())
}

/// The probability that a standard normal variable is below `x`.
fn normal_distribution(x: f64) -> f64 {
    0.5 * libm::erfc(-x * FRAC_1_SQRT_2)
}

/// The density of a standard normal variable at `x`.
fn normal_density(x: f64) -> f64 {
    (-0.5 * x * x).exp() / (2.0 * PI).sqrt()
}
