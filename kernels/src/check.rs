//! What every operation provides to be tested.
//!
//! The cases of an operation are in the `check.rs` of its module. The test suites (gradients against
//! finite differences, GPU against CPU, float32 against float64) run all operations of the
//! [`registry`](crate::registry) on them. An operation outside this crate can be checked in the same
//! way: see [`against_differences`].

pub mod compare;
mod gradients;
mod projection;

use std::sync::Arc;

use half::bf16;
use tensor::gpu::Program;
use tensor::random::{Purpose, Stream};
use tensor::{DType, Result, Shape, Tensor, with_float};

pub use gradients::{Agreement, TOLERANCE, against_differences};
pub use projection::{Projection, widened};

/// The distribution of an argument's values.
#[derive(Clone, Copy, Debug)]
pub enum Values {
    /// Normal.
    Normal {
        /// Mean.
        mean: f64,
        /// Standard deviation.
        deviation: f64,
    },
    /// Uniform.
    Uniform {
        /// Lower bound.
        low: f64,
        /// Upper bound.
        high: f64,
    },
    /// Class labels of dtype `u8`: each of this number of classes is equally likely.
    Classes(u8),
}

impl Values {
    /// Draws one value.
    pub fn draw(self, stream: &mut Stream) -> f64 {
        match self {
            Values::Normal { mean, deviation } => mean + deviation * stream.normal(),
            Values::Uniform { low, high } => stream.uniform(low, high),
            Values::Classes(classes) => stream.below(classes.into()) as f64,
        }
    }
}

/// A normal distribution.
pub const fn normal(mean: f64, deviation: f64) -> Values {
    Values::Normal { mean, deviation }
}

/// A uniform distribution.
pub const fn uniform(low: f64, high: f64) -> Values {
    Values::Uniform { low, high }
}

/// One argument of a check.
#[derive(Clone, Debug)]
pub struct Argument {
    /// Its shape.
    pub shape: Shape,
    /// The distribution of its values.
    pub values: Values,
    /// Whether the operation has a gradient with respect to it.
    pub differentiable: bool,
    /// Whether it is a parameter or a statistic, whose dtype beside features is [`DType::accumulator`].
    pub accumulator: bool,
}

impl Argument {
    /// A differentiable argument of standard normal values.
    pub fn normal(shape: impl Into<Shape>) -> Self {
        Self::of(shape, normal(0.0, 1.0), true)
    }

    /// A differentiable argument of uniform values.
    pub fn uniform(shape: impl Into<Shape>, low: f64, high: f64) -> Self {
        Self::of(shape, uniform(low, high), true)
    }

    /// Class labels, which are not differentiable.
    pub fn classes(shape: impl Into<Shape>, classes: u8) -> Self {
        Self::of(shape, Values::Classes(classes), false)
    }

    /// The same argument as a constant: without a gradient.
    pub fn constant(mut self) -> Self {
        self.differentiable = false;
        self
    }

    /// The same argument, as a parameter or a statistic.
    pub fn accumulator(mut self) -> Self {
        self.accumulator = true;
        self
    }

    /// An argument of the given distribution.
    pub fn of(shape: impl Into<Shape>, values: Values, differentiable: bool) -> Self {
        Argument { shape: shape.into(), values, differentiable, accumulator: false }
    }

    /// Draws the argument for features of `dtype`; equal streams give equal values, rounded to that
    /// dtype. This includes [`accumulator`](Self::accumulator) arguments beside `bf16` features, so that results
    /// differ between dtypes by the rounding of the operation and not by that of its arguments.
    ///
    /// # Errors
    /// When `dtype` is not floating.
    pub fn draw(&self, dtype: DType, stream: &mut Stream) -> Result<Tensor> {
        let n = self.shape.elements();
        let values: Vec<f64> = (0..n).map(|_| self.values.draw(stream)).collect();
        if let Values::Classes(_) = self.values {
            let labels: Vec<u8> = values.iter().map(|&label| label as u8).collect();
            return Tensor::from_slice(&labels, self.shape);
        }
        if dtype == DType::BF16 {
            let rounded: Vec<bf16> = values.iter().map(|&v| bf16::from_f64(v)).collect();
            if !self.accumulator {
                return Tensor::from_slice(&rounded, self.shape);
            }
            let widened: Vec<f32> = rounded.iter().map(|v| v.to_f32()).collect();
            return Tensor::from_slice(&widened, self.shape);
        }
        with_float!("check", dtype, T => {
            let values: Vec<T> = values.iter().map(|&v| tensor::Feature::from_f64(v)).collect();
            Tensor::from_slice(&values, self.shape)
        })
    }
}

/// The function that a case runs: from its arguments to its results.
pub type Run = Arc<dyn Fn(&[Tensor]) -> Result<Vec<Tensor>> + Send + Sync>;

/// A naive implementation: from the elements of the arguments to the elements of the results. The
/// case that it belongs to fixes the shapes.
pub type Reference = Box<dyn Fn(&[Vec<f64>]) -> Vec<Vec<f64>> + Send + Sync>;

/// An operation on particular shapes and settings.
pub struct Case {
    /// Describes the case in messages.
    pub name: String,
    /// Its arguments, in the order in which `run` takes them.
    pub arguments: Vec<Argument>,
    /// Runs the operation.
    pub run: Run,
    /// A naive implementation to compare values with, where there is a short one.
    pub reference: Option<Reference>,
    /// Whether there is a gradient to check. If so, at least one argument must be differentiable.
    pub differentiable: bool,
}

impl Case {
    /// A case of the given name, arguments and function. At least one argument must be
    /// differentiable.
    pub fn new(
        name: impl Into<String>,
        arguments: Vec<Argument>,
        run: impl Fn(&[Tensor]) -> Result<Vec<Tensor>> + Send + Sync + 'static,
    ) -> Self {
        let (name, run) = (name.into(), Arc::new(run));
        Case { name, arguments, run, reference: None, differentiable: true }
    }

    /// A case of an operation that has no gradient, such as an optimiser's update. Its arguments
    /// become constants; `reference` replaces the comparison with finite differences.
    pub fn without_gradient(
        name: impl Into<String>,
        arguments: Vec<Argument>,
        run: impl Fn(&[Tensor]) -> Result<Vec<Tensor>> + Send + Sync + 'static,
        reference: impl Fn(&[Vec<f64>]) -> Vec<Vec<f64>> + Send + Sync + 'static,
    ) -> Self {
        let arguments = arguments.into_iter().map(Argument::constant).collect();
        let case = Case::new(name, arguments, run).with_reference(reference);
        Case { differentiable: false, ..case }
    }

    /// The same case with a naive implementation, in float64, to compare its values with.
    pub fn with_reference(
        mut self,
        reference: impl Fn(&[Vec<f64>]) -> Vec<Vec<f64>> + Send + Sync + 'static,
    ) -> Self {
        self.reference = Some(Box::new(reference));
        self
    }

    /// Draws all arguments. The same seed gives the same values for every dtype, up to rounding.
    ///
    /// # Errors
    /// When `dtype` is not floating.
    pub fn draw(&self, dtype: DType, seed: u64) -> Result<Vec<Tensor>> {
        let draw = |(i, a): (usize, &Argument)| {
            a.draw(dtype, &mut Stream::new(seed, Purpose::CHECK, 0, i as u32))
        };
        self.arguments.iter().enumerate().map(draw).collect()
    }
}

/// An operation and its cases: an entry of the registry.
#[derive(Clone, Copy)]
pub struct Operation {
    /// Its name.
    pub name: &'static str,
    /// Its module: the name of a folder in `kernels/src`.
    pub module: &'static str,
    /// Edge cases, chosen by hand.
    pub awkward: fn() -> Vec<Case>,
    /// A case of random shape and settings, small enough for finite differences.
    pub random: fn(&mut Stream) -> Case,
    /// Cases too large for finite differences, to compare devices on.
    pub large: fn() -> Vec<Case>,
    /// Its CUDA programs for features of a dtype, if it has any.
    pub programs: Option<fn(DType) -> Vec<Program>>,
    /// Whether it takes features of `bf16` on GPUs.
    pub mixed: bool,
}

impl Operation {
    /// An operation of the given name, which is also that of its module, and cases.
    pub const fn new(
        name: &'static str,
        awkward: fn() -> Vec<Case>,
        random: fn(&mut Stream) -> Case,
    ) -> Self {
        let (module, large) = (name, Vec::new as fn() -> Vec<Case>);
        Operation { name, module, awkward, random, large, programs: None, mixed: false }
    }

    /// The same in a module that it shares with other operations.
    pub const fn in_module(self, module: &'static str) -> Self {
        Operation { module, ..self }
    }

    /// The same with CUDA programs.
    pub const fn on_gpu(self, programs: fn(DType) -> Vec<Program>) -> Self {
        Operation { programs: Some(programs), ..self }
    }

    /// The same with cases that are too large for finite differences.
    pub const fn with_large(self, large: fn() -> Vec<Case>) -> Self {
        Operation { large, ..self }
    }

    /// The same for an operation that takes features of `bf16` on GPUs.
    pub const fn mixed(self) -> Self {
        Operation { mixed: true, ..self }
    }
}
