//! What every operation brings along so that the suites can check and time it.
//!
//! An operation's own shapes live in its room, in `check.rs`; the suites (gradients against finite
//! differences, device agreement, benchmarks) walk [`registry`](crate::registry) and run on them.

use std::sync::Arc;

use half::bf16;
use tensor::gpu::Program;
use tensor::random::{Purpose, Stream};
use tensor::{DType, Result, Shape, Tensor, with_float};

/// What an argument's values look like.
#[derive(Clone, Debug)]
pub enum Values {
    /// Normal with the given mean and deviation.
    Normal {
        /// Mean.
        mean: f64,
        /// Standard deviation.
        deviation: f64,
    },
    /// Uniform from `low` to `high`.
    Uniform {
        /// Lower end.
        low: f64,
        /// Upper end.
        high: f64,
    },
    /// Class labels, as `u8`, each of this many classes equally likely.
    Classes(u8),
}

/// One argument of a check.
#[derive(Clone, Debug)]
pub struct Argument {
    /// Its shape.
    pub shape: Shape,
    /// How its values are drawn.
    pub values: Values,
    /// Whether the operation has a gradient with respect to it.
    pub differentiable: bool,
    /// Whether it is a parameter or a statistic, which [`DType::wide`] has beside features.
    pub wide: bool,
}

impl Argument {
    /// A differentiable argument of standard normal values.
    pub fn normal(shape: impl Into<Shape>) -> Self {
        Self::of(shape, Values::Normal { mean: 0.0, deviation: 1.0 }, true)
    }

    /// A differentiable argument of uniform values.
    pub fn uniform(shape: impl Into<Shape>, low: f64, high: f64) -> Self {
        Self::of(shape, Values::Uniform { low, high }, true)
    }

    /// Class labels.
    pub fn classes(shape: impl Into<Shape>, classes: u8) -> Self {
        Self::of(shape, Values::Classes(classes), false)
    }

    /// The same argument, taken as a constant.
    pub fn constant(mut self) -> Self {
        self.differentiable = false;
        self
    }

    /// The same argument, as a parameter or a statistic.
    pub fn wide(mut self) -> Self {
        self.wide = true;
        self
    }

    fn of(shape: impl Into<Shape>, values: Values, differentiable: bool) -> Self {
        Argument { shape: shape.into(), values, differentiable, wide: false }
    }

    /// Draws the argument; equal streams give equal values, rounded to the dtype. What is kept wide
    /// beside that has values that the dtype can hold too: so a result that differs owes it to the
    /// operation, and not to its arguments.
    ///
    /// # Errors
    /// When `dtype` is not floating.
    pub fn draw(&self, dtype: DType, stream: &mut Stream) -> Result<Tensor> {
        let n = self.shape.elements();
        if let Values::Classes(classes) = self.values {
            let labels: Vec<u8> = (0..n).map(|_| stream.below(classes.into()) as u8).collect();
            return Tensor::from_slice(&labels, self.shape);
        }
        let values: Vec<f64> = (0..n)
            .map(|_| match self.values {
                Values::Normal { mean, deviation } => mean + deviation * stream.normal(),
                Values::Uniform { low, high } => stream.uniform(low, high),
                Values::Classes(_) => 0.0,
            })
            .collect();
        if dtype == DType::BF16 {
            let rounded: Vec<bf16> = values.iter().map(|&v| bf16::from_f64(v)).collect();
            if !self.wide {
                return Tensor::from_slice(&rounded, self.shape);
            }
            let widened: Vec<f32> = rounded.iter().map(|v| v.to_f32()).collect();
            return Tensor::from_slice(&widened, self.shape);
        }
        with_float!("check", dtype, T => {
            let values: Vec<T> = values.iter().map(|&v| tensor::Float::from_f64(v)).collect();
            Tensor::from_slice(&values, self.shape)
        })
    }
}

/// The function that a check runs: arguments in, results out.
pub type Function = Arc<dyn Fn(&[Tensor]) -> Result<Vec<Tensor>> + Send + Sync>;

/// What the results should be, computed naively: the elements of the arguments in, the elements of
/// the results out. It knows the shapes from its case.
pub type Reference = Box<dyn Fn(&[Vec<f64>]) -> Vec<Vec<f64>> + Send + Sync>;

/// An operation on particular shapes and settings.
pub struct Case {
    /// What is particular about it, for messages.
    pub name: String,
    /// Its arguments, in the order in which `run` takes them.
    pub arguments: Vec<Argument>,
    /// The operation itself.
    pub run: Function,
    /// A second opinion on the values, where one is short.
    pub reference: Option<Reference>,
    /// Whether there is a gradient to check; at least one argument must be differentiable then.
    pub differentiable: bool,
}

impl Case {
    /// A case of the given name, arguments and function, some argument being differentiable.
    pub fn new(
        name: impl Into<String>,
        arguments: Vec<Argument>,
        run: impl Fn(&[Tensor]) -> Result<Vec<Tensor>> + Send + Sync + 'static,
    ) -> Self {
        let (name, run) = (name.into(), Arc::new(run));
        Case { name, arguments, run, reference: None, differentiable: true }
    }

    /// A case of an operation that has no gradient, such as an optimiser's update: its arguments
    /// are taken as constants, and a reference takes the place of finite differences.
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

    /// The same case, its values also held against a naive computation in float64.
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
            a.draw(dtype, &mut Stream::new(seed, Purpose::Check, 0, i as u32))
        };
        self.arguments.iter().enumerate().map(draw).collect()
    }
}

/// An operation and its checks, as the registry lists them.
pub struct Operation {
    /// The name of its room: the folder under `kernels/src`.
    pub name: &'static str,
    /// Cases picked by hand: the awkward ones.
    pub awkward: fn() -> Vec<Case>,
    /// A case of random shape and settings, small enough for finite differences.
    pub random: fn(&mut Stream) -> Case,
    /// Cases too large for those, on which devices are held against each other.
    pub large: fn() -> Vec<Case>,
    /// Its kernels for GPUs, specialised for a dtype; none if there are none yet.
    pub programs: Option<fn(DType) -> Vec<Program>>,
    /// Whether it takes features of bf16 there.
    pub mixed: bool,
}

impl Operation {
    /// An operation of the given name and checks.
    pub const fn new(
        name: &'static str,
        awkward: fn() -> Vec<Case>,
        random: fn(&mut Stream) -> Case,
    ) -> Self {
        Operation { name, awkward, random, large: Vec::new, programs: None, mixed: false }
    }

    /// The same with kernels for GPUs.
    pub const fn on_gpu(self, programs: fn(DType) -> Vec<Program>) -> Self {
        Operation { programs: Some(programs), ..self }
    }

    /// The same with cases that are too large for finite differences.
    pub const fn with_large(self, large: fn() -> Vec<Case>) -> Self {
        Operation { large, ..self }
    }

    /// The same, which takes features of bf16 on GPUs.
    pub const fn mixed(self) -> Self {
        Operation { mixed: true, ..self }
    }
}
