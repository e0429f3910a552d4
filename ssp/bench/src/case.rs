//! Benchmark cases: an operation with its arguments and the passes to time.

use kernels::cast::cast;
use kernels::check::{Values, normal, uniform};
use serde_json::Value;
use tensor::random::{Purpose, Stream};
use tensor::{DType, Device, Shape, Tensor, no_grad, with_feature};

use super::clock::{Clock, Once};
use crate::Result;

/// Dtypes of the tensors of a network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dtypes {
    /// Dtype of images, features and their gradients.
    pub features: DType,
    /// Dtype of everything else: parameters and their gradients, statistics, losses.
    pub parameters: DType,
}

impl Dtypes {
    /// Features of this dtype, and parameters of its accumulator dtype.
    pub fn of(features: DType) -> Self {
        Dtypes { features, parameters: features.accumulator() }
    }
}

/// Shape and values of an argument or a result of an operation.
#[derive(Clone, Copy, Debug)]
pub(super) struct Argument {
    shape: Shape,
    kind: Kind,
}

/// Values of the elements.
#[derive(Clone, Copy, Debug)]
enum Kind {
    Drawn(Values, DType),
    /// Labels below this number.
    Classes(usize),
    /// Relative positions of slices between base and apex, 0 to 1, in equal pairs.
    Positions,
}

impl Argument {
    /// Values of a distribution.
    pub fn drawn(shape: impl Into<Shape>, values: Values, dtype: DType) -> Self {
        Argument { shape: shape.into(), kind: Kind::Drawn(values, dtype) }
    }

    /// Standard normal values.
    pub fn normal(shape: impl Into<Shape>, dtype: DType) -> Self {
        Self::drawn(shape, normal(0.0, 1.0), dtype)
    }

    /// Values from one half to one and a half.
    pub fn positive(shape: impl Into<Shape>, dtype: DType) -> Self {
        Self::drawn(shape, uniform(0.5, 1.5), dtype)
    }

    /// Labels below `classes`.
    pub fn classes(shape: impl Into<Shape>, classes: usize) -> Self {
        Argument { shape: shape.into(), kind: Kind::Classes(classes) }
    }

    /// Positions of slices, two views of each.
    pub fn positions(views: usize) -> Self {
        Argument { shape: [views].into(), kind: Kind::Positions }
    }

    fn dtype(&self) -> DType {
        match self.kind {
            Kind::Positions => DType::F64,
            Kind::Drawn(_, dtype) => dtype,
            Kind::Classes(_) => DType::U8,
        }
    }

    /// Size in memory.
    pub fn bytes(&self) -> f64 {
        (self.shape.elements() * self.dtype().bytes()) as f64
    }

    /// Draws the tensor on `device`. A block of values is repeated, since drawing every value would
    /// take longer than timing the operation.
    pub fn draw(&self, device: &Device) -> Result<Tensor> {
        const PERIOD: usize = (1 << 16) - 1;
        let mut stream = Stream::new(0, Purpose::CHECK, 0, 0);
        let count = self.shape.elements().min(PERIOD);
        let mut numbers = |draw: &mut dyn FnMut(&mut Stream) -> f64| {
            let drawn: Vec<f32> = (0..count).map(|_| draw(&mut stream) as f32).collect();
            repeated(&drawn, self.shape)
        };
        match self.kind {
            Kind::Drawn(values, dtype) => {
                Ok(cast(&numbers(&mut |stream| values.draw(stream)).to_device(device)?, dtype)?)
            }
            Kind::Positions => {
                let views = self.shape.elements();
                let positions = (0..views).map(|view| (view / 2) as f64 / views as f64);
                let positions: Vec<f64> = positions.collect();
                Ok(Tensor::from_slice(&positions, self.shape)?.to_device(device)?)
            }
            Kind::Classes(classes) => {
                let drawn: Vec<u8> = (0..count).map(|_| stream.below(classes) as u8).collect();
                Ok(repeated(&drawn, self.shape).to_device(device)?)
            }
        }
    }
}

fn repeated<T: tensor::Element>(drawn: &[T], shape: Shape) -> Tensor {
    Tensor::build::<T>(shape, |out| {
        for out in out.chunks_mut(drawn.len().max(1)) {
            out.copy_from_slice(&drawn[..out.len()]);
        }
    })
}

/// An operation, from the arguments of its case to its result.
pub(super) type Function = Box<dyn Fn(&[Tensor]) -> Result<Tensor>>;

/// A call that can be repeated.
pub(super) type Repeated = Box<dyn FnMut() -> Result<()>>;

/// Sets up a repeatable call on a device.
pub(super) type Setup = Box<dyn Fn(&Device) -> Result<Repeated>>;

/// What a pass computes.
pub(super) enum Work {
    /// The operation, without recording a tape.
    Forward(Function),
    /// Gradients of the arguments with these indices; the forward pass is not timed.
    Gradient(Function, Vec<usize>),
    /// An update with its own state on the device, such as that of an optimiser.
    Update(Setup),
}

/// A pass to time.
pub(super) struct Pass {
    /// `forward`, or the name of the gradient.
    pub name: &'static str,
    pub work: Work,
    /// Floating-point operations of matrix products, if the pass has any.
    pub flop: Option<f64>,
    /// Bytes that must be read and written at least.
    pub bytes: f64,
}

impl Pass {
    /// The forward pass of `run`, which moves `bytes`.
    pub fn forward(
        bytes: f64,
        run: impl Fn(&[Tensor]) -> tensor::Result<Tensor> + 'static,
    ) -> Self {
        let run = Box::new(move |arguments: &[Tensor]| Ok(run(arguments)?));
        Pass { name: "forward", work: Work::Forward(run), flop: None, bytes }
    }

    /// Gradients of the arguments with indices `of`.
    pub fn gradient(
        name: &'static str,
        of: impl Into<Vec<usize>>,
        bytes: f64,
        run: impl Fn(&[Tensor]) -> tensor::Result<Tensor> + 'static,
    ) -> Self {
        let run = Box::new(move |arguments: &[Tensor]| Ok(run(arguments)?));
        Pass { name, work: Work::Gradient(run, of.into()), flop: None, bytes }
    }

    /// The pass under another name.
    pub fn named(self, name: &'static str) -> Self {
        Pass { name, ..self }
    }

    /// The pass with a number of floating-point operations.
    pub fn of_flop(self, flop: f64) -> Self {
        Pass { flop: Some(flop), ..self }
    }
}

/// An operation on one shape.
pub(super) struct Case {
    /// Name in the registry of `kernels`.
    pub operation: &'static str,
    /// Shape, as text for the table.
    pub shape: String,
    /// Number of uses in a step of the network.
    pub uses: usize,
    pub arguments: Vec<Argument>,
    pub passes: Vec<Pass>,
    /// Sizes for the PyTorch script; none if PyTorch has no such operation.
    pub peer: Option<Value>,
}

impl Case {
    /// Draws the arguments and times every pass, in order; returns the seconds of each.
    pub fn time(&self, clock: &Clock<'_>) -> Result<Vec<f64>> {
        let draw = |argument: &Argument| argument.draw(clock.device);
        let mut arguments = self.arguments.iter().map(draw).collect::<Result<Vec<_>>>()?;
        let mut seconds = Vec::new();
        for pass in &self.passes {
            let of: &[usize] = match &pass.work {
                Work::Gradient(_, of) => of,
                _ => &[],
            };
            let leaves = arguments.into_iter().enumerate();
            arguments =
                leaves.map(|(i, leaf)| renewed(leaf, of.contains(&i))).collect::<Result<_>>()?;
            seconds.push(match &pass.work {
                Work::Forward(run) => forward(clock, run, &arguments)?,
                Work::Gradient(run, _) => gradient(clock, run, &arguments)?,
                Work::Update(setup) => {
                    let mut update = setup(clock.device)?;
                    update_seconds(clock, &mut update)?
                }
            });
        }
        Ok(seconds)
    }
}

/// A new leaf with the same memory: a parameter or a constant.
fn renewed(tensor: Tensor, parameter: bool) -> Result<Tensor> {
    let (shape, dtype) = (tensor.shape(), tensor.dtype());
    let leaf = Tensor::from_parts(tensor.into_memory()?, shape, dtype);
    Ok(if parameter { leaf.parameter() } else { leaf })
}

fn forward(clock: &Clock<'_>, run: &Function, arguments: &[Tensor]) -> Result<f64> {
    clock.median(0, &mut || {
        let once = || no_grad(|| run(arguments)).and_then(|result| compute(&result));
        Ok(Box::new(once) as Once<'_>)
    })
}

/// Evaluates a result that is a lazy expression.
fn compute(result: &Tensor) -> Result<()> {
    if result.gpu().is_some() {
        result.address()?;
        return Ok(());
    }
    Ok(with_feature!("bench", result.dtype(), T => {
        std::hint::black_box(result.data::<T>());
        Ok(())
    })?)
}

fn gradient(clock: &Clock<'_>, run: &Function, arguments: &[Tensor]) -> Result<f64> {
    let result = run(arguments)?;
    let cotangent = Argument::normal(result.shape(), result.dtype()).draw(clock.device)?;
    let bytes = 2.0 * Argument::normal(result.shape(), result.dtype()).bytes();
    drop(result);
    clock.median(bytes as usize, &mut || {
        let result = run(arguments)?;
        // A backward pass may overwrite the gradient that it receives, so each run has a copy.
        let cotangent = cotangent.copy_to(clock.device)?;
        let once = move || Ok(result.backward_from(cotangent).map(drop)?);
        Ok(Box::new(once) as Once<'_>)
    })
}

fn update_seconds(clock: &Clock<'_>, update: &mut Repeated) -> Result<f64> {
    let update = std::cell::RefCell::new(update);
    clock.median(0, &mut || Ok(Box::new(|| (update.borrow_mut())()) as Once<'_>))
}
