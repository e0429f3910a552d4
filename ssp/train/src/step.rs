//! Steps of a training: loss, gradients, update, and what follows it.
//!
//! On the CPU they are run as they come. On a GPU the first ones are too, after which one is captured
//! and from then on replayed at a stroke, which spares the host some thousand launches. What a
//! replayed step takes from the host lies in places that stay: batches are copied into the same
//! tensors, rates and temperatures into one list of numbers. `CINE_CAPTURE=0` in the environment
//! runs every step as it comes.

use std::sync::Arc;

use kernels::reduce::accumulate;
use nn::{Module, Sgd, Slot};
use tensor::gpu::{Address, Captured, Gpu, Numbers, capture};
use tensor::{Device, Shape, Tensor};

use crate::task::{Inputs, Step, Task, Whole};
use crate::{Error, Result};
use sampling::sampler::Batch;

/// What an update is made with.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rates {
    /// Learning rate.
    pub learning_rate: f64,
    /// Weight decay.
    pub weight_decay: f64,
}

/// Takes the steps of a training.
pub struct Stepper {
    optimiser: Sgd,
    /// The sum of the losses since somebody asked, in float64, where the network lies.
    losses: Tensor,
    gpu: Option<Arc<dyn Gpu>>,
    captures: bool,
    fixed: Option<Fixed>,
}

/// What stays from step to step on a GPU.
struct Fixed {
    tensors: Vec<Tensor>,
    numbers: Numbers,
    /// What the task changes, and what it leaves alone.
    places: Vec<Place>,
    /// Steps that were run as they come, since something was not as before.
    run: usize,
    captured: Option<Replay>,
}

/// A captured step.
struct Replay {
    step: Box<dyn Captured>,
    /// What it adds to every counter of the network, which the host keeps.
    counts: Vec<u64>,
}

/// Where a parameter or buffer lies, and whether it has a gradient.
type Place = (Address, bool);

impl Stepper {
    /// Steps that are run on a GPU before one is captured: kernels are loaded in the first, and
    /// memory settles.
    pub const RUN_FIRST: usize = 2;

    /// Steps of a task whose network lies on `device`.
    ///
    /// # Errors
    /// When the device has no memory left, or fails.
    pub fn new(device: &Device, optimiser: Sgd) -> Result<Self> {
        let gpu = match device {
            Device::Cpu => None,
            Device::Gpu(gpu) => Some(gpu.clone()),
        };
        let losses = Tensor::zeros::<f64>(Shape::SCALAR).on(device)?;
        let captures = std::env::var_os("CINE_CAPTURE").is_none_or(|value| value != "0");
        Ok(Stepper { optimiser, losses, gpu, captures, fixed: None })
    }

    /// The same, capturing steps or not, whatever the environment says.
    pub fn capturing(self, captures: bool) -> Self {
        Stepper { captures, ..self }
    }

    /// Takes a step. Nobody waits for a GPU.
    ///
    /// # Errors
    /// When the batch does not fit the network, or a device fails.
    pub fn step(
        &mut self,
        task: &mut dyn Task,
        batch: &[Batch],
        step: Step,
        rates: Rates,
    ) -> Result<()> {
        let inputs = task.inputs(batch, step)?;
        match self.gpu.clone() {
            Some(gpu) => self.step_on(&gpu, task, &inputs, rates),
            None => self.step_here(task, inputs, rates),
        }
    }

    /// The sum of the losses of the steps since this was last asked for; not finite if one of them
    /// was not. Waits for a GPU.
    ///
    /// # Errors
    /// When a device fails.
    pub fn losses(&mut self) -> Result<f64> {
        let sum = self.losses.item()?;
        self.losses.refill(&Tensor::zeros::<f64>(Shape::SCALAR))?;
        Ok(sum)
    }

    /// What updates the network.
    pub fn optimiser(&self) -> &Sgd {
        &self.optimiser
    }

    /// Whether the last step was the replay of a captured one.
    pub fn is_captured(&self) -> bool {
        self.fixed.as_ref().is_some_and(|fixed| fixed.captured.is_some())
    }

    /// A step on the CPU. A loss that is not finite updates nothing.
    fn step_here(&mut self, task: &mut dyn Task, mut inputs: Inputs, rates: Rates) -> Result<()> {
        let loss = task.loss(&inputs)?;
        accumulate(&mut self.losses, &loss)?;
        if !loss.item()?.is_finite() {
            return Ok(());
        }
        let of_update = [rates.learning_rate, rates.weight_decay].map(Into::into);
        inputs.numbers.extend(of_update);
        self.update(task, &inputs, loss)
    }

    /// A step on a GPU.
    fn step_on(
        &mut self,
        gpu: &Arc<dyn Gpu>,
        task: &mut dyn Task,
        inputs: &Inputs,
        rates: Rates,
    ) -> Result<()> {
        let mut values: Vec<f64> = inputs.numbers.iter().map(|number| number.value()).collect();
        values.extend([rates.learning_rate, rates.weight_decay]);
        // A captured step that does not fit any more gives its memory back first.
        let mut fixed = match self.fixed.take().filter(|fixed| fixed.fits(task, inputs)) {
            Some(fixed) => fixed,
            None => Fixed::new(gpu, task, inputs, values.len())?,
        };
        for (fixed, tensor) in fixed.tensors.iter_mut().zip(&inputs.tensors) {
            fixed.refill(tensor)?;
        }
        let numbers = fixed.numbers.tell(&values)?;
        if fixed.captured.is_none() {
            let inputs = Inputs { tensors: fixed.tensors.clone(), numbers };
            if self.captures && fixed.run >= Self::RUN_FIRST {
                fixed.captured = Some(self.captured(gpu, task, &inputs)?);
            } else {
                fixed.run += 1;
                self.whole(task, &inputs)?;
            }
        }
        if let Some(captured) = &fixed.captured {
            // SAFETY: parameters, buffers, inputs and numbers lie where they lay (`fits`); losses and
            // momentum are changed in place alone, and by this stepper.
            unsafe { captured.step.replay()? };
            count(task, &captured.counts);
        }
        self.fixed = Some(fixed);
        Ok(())
    }

    /// Captures a step. The host's part of it, which is done with that, is as if it had not been.
    fn captured(
        &mut self,
        gpu: &Arc<dyn Gpu>,
        task: &mut dyn Task,
        inputs: &Inputs,
    ) -> Result<Replay> {
        let (counters, places) = (counters(task), places(task));
        let ((), step) = capture(gpu, || self.whole(task, inputs)).map_err(with_way_around)?;
        if self::places(task) != places {
            let what = "a captured step must change parameters and buffers where they lie, and this \
                        one moved some; CINE_CAPTURE=0 runs steps as they come";
            return Err(Error::Data(what.into()));
        }
        let counts = self::counters(task).into_iter().zip(&counters).map(|(new, old)| new - old);
        let counts: Vec<u64> = counts.collect();
        let mut before = counters.into_iter();
        visit_counters(task, &mut |counter| *counter = before.next().unwrap_or(*counter));
        Ok(Replay { step, counts })
    }

    /// The device's part of a step.
    fn whole(&mut self, task: &mut dyn Task, inputs: &Inputs) -> Result<()> {
        let loss = task.loss(inputs)?;
        accumulate(&mut self.losses, &loss)?;
        self.update(task, inputs, loss)
    }

    /// The update for a loss, and what follows it. The last numbers of the inputs are the rates.
    fn update(&mut self, task: &mut dyn Task, inputs: &Inputs, loss: Tensor) -> Result<()> {
        let gradients = loss.backward()?;
        let [.., learning_rate, weight_decay] = &inputs.numbers[..] else {
            return Err(Error::Data("a step without rates".into()));
        };
        self.optimiser.set_weight_decay(weight_decay);
        self.optimiser.step(task.network(), gradients, learning_rate)?;
        task.updated(inputs)
    }
}

impl Fixed {
    fn new(
        gpu: &Arc<dyn Gpu>,
        task: &mut dyn Task,
        inputs: &Inputs,
        numbers: usize,
    ) -> Result<Self> {
        let device = Device::Gpu(gpu.clone());
        let tensors = inputs.tensors.iter().map(|tensor| tensor.to(&device));
        Ok(Fixed {
            tensors: tensors.collect::<tensor::Result<_>>()?,
            numbers: Numbers::new(gpu, numbers)?,
            places: places(task),
            run: 0,
            captured: None,
        })
    }

    /// Whether a step on these inputs does what the last one did.
    fn fits(&self, task: &mut dyn Task, inputs: &Inputs) -> bool {
        let kind = |tensor: &Tensor| (tensor.shape(), tensor.dtype());
        self.tensors.iter().map(kind).eq(inputs.tensors.iter().map(kind))
            && self.numbers.count() == inputs.numbers.len() + 2
            && self.places == places(task)
    }
}

/// The refusal of a device to capture, with what to do about it.
fn with_way_around(error: Error) -> Error {
    match error {
        Error::Tensor(tensor::Error::Device { device, what })
        | Error::Network(nn::Error::Tensor(tensor::Error::Device { device, what })) => {
            let what = format!("{what} (CINE_CAPTURE=0 runs steps as they come)");
            Error::Tensor(tensor::Error::Device { device, what })
        }
        other => other,
    }
}

/// Where everything lies that a step changes, and what of it has a gradient.
fn places(task: &mut dyn Task) -> Vec<Place> {
    let mut places = Vec::new();
    Whole(task).visit("", &mut |_, slot| {
        let tensor = match slot {
            Slot::Parameter(parameter) => parameter.tensor(),
            Slot::Buffer(buffer) => &*buffer,
            Slot::Counter(_) => return,
        };
        let address = match tensor.gpu() {
            Some(_) => tensor.address().unwrap_or(Address::NULL),
            None => Address::NULL,
        };
        places.push((address, tensor.wants_gradient()));
    });
    places
}

fn visit_counters(task: &mut dyn Task, visitor: &mut dyn FnMut(&mut u64)) {
    Whole(task).visit("", &mut |_, slot| {
        if let Slot::Counter(counter) = slot {
            visitor(counter);
        }
    });
}

fn counters(task: &mut dyn Task) -> Vec<u64> {
    let mut counters = Vec::new();
    visit_counters(task, &mut |counter| counters.push(*counter));
    counters
}

/// Adds to every counter what a step does.
fn count(task: &mut dyn Task, counts: &[u64]) {
    let mut counts = counts.iter();
    visit_counters(task, &mut |counter| *counter += counts.next().unwrap_or(&0));
}
