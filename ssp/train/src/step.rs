//! Steps of a training: loss, gradients, update.
//!
//! The CPU runs every step eagerly. A GPU runs the first steps eagerly, captures the next one as a
//! graph, and replays that from then on, which replaces about a thousand kernel launches by one. A
//! replayed step reads its inputs at fixed addresses: batches are copied into the same tensors, rates
//! and temperatures into one list of numbers. `CINE_CAPTURE=0` in the environment turns capturing off.

use std::sync::Arc;

use kernels::reduce::accumulate;
use nn::{Counter, Rates, Sgd, state_generation};
use tensor::gpu::{Address, CapturedGraph, Gpu, ScalarArgs, capture};
use tensor::{Device, Shape, Tensor};

use crate::task::{ErasedTask, InputList, Step, StepInputs};
use crate::{Error, Result};
use sampling::sampler::Batch;

/// Takes the steps of a training.
pub struct Stepper {
    optimiser: Sgd,
    /// The sum of the losses since it was last read: float64, on the network's device.
    losses: Tensor,
    gpu: Option<Arc<dyn Gpu>>,
    captures: bool,
    gpu_step: Option<GpuStep>,
}

/// Everything that a step depends on.
struct StepArguments {
    inputs: Box<dyn StepInputs>,
    rates: Rates,
}

/// What a GPU keeps from step to step.
struct GpuStep {
    arguments: ResidentArguments,
    state: TaskState,
    /// Steps that ran eagerly since the arguments or the state last changed.
    eager_steps: usize,
    captured: Option<CapturedStep>,
}

/// A step that can be replayed.
struct CapturedStep {
    graph: Box<dyn CapturedGraph>,
    /// The counters of the network, which are on the host, and what a step adds to each.
    counts: Vec<(Counter, u64)>,
}

impl Stepper {
    /// Steps that a GPU runs eagerly before one is captured: the first loads kernels, and the second
    /// finds the memory that it needs allocated.
    pub const EAGER_STEPS: usize = 2;

    /// Steps of a task whose network is on `device`.
    ///
    /// # Errors
    /// When the device has no memory left, or fails.
    pub fn new(device: &Device, optimiser: Sgd) -> Result<Self> {
        let gpu = match device {
            Device::Cpu => None,
            Device::Gpu(gpu) => Some(gpu.clone()),
        };
        let losses = Tensor::zeros::<f64>(Shape::SCALAR).to_device(device)?;
        let captures = std::env::var_os("CINE_CAPTURE").is_none_or(|value| value != "0");
        Ok(Stepper { optimiser, losses, gpu, captures, gpu_step: None })
    }

    /// The same, capturing steps or not, whatever `CINE_CAPTURE` says.
    pub fn capturing(self, captures: bool) -> Self {
        Stepper { captures, ..self }
    }

    /// Takes a step. Does not wait for a GPU to finish it.
    ///
    /// # Errors
    /// When the batch does not fit the network, or a device fails.
    pub fn step(
        &mut self,
        task: &mut dyn ErasedTask,
        batch: &[Batch],
        step: Step,
        rates: Rates,
    ) -> Result<()> {
        let arguments = StepArguments { inputs: task.erased_inputs(batch, step)?, rates };
        match self.gpu.clone() {
            Some(gpu) => self.step_on_gpu(&gpu, task, arguments),
            None => self.step_on_cpu(task, &arguments),
        }
    }

    /// The sum of the losses of the steps since this was last called; not finite if one of them was
    /// not. Waits for a GPU.
    ///
    /// # Errors
    /// When a device fails.
    pub fn losses(&mut self) -> Result<f64> {
        let sum = self.losses.item()?;
        self.losses.copy_from(&Tensor::zeros::<f64>(Shape::SCALAR))?;
        Ok(sum)
    }

    /// The optimiser, with its momentum.
    pub fn optimiser(&self) -> &Sgd {
        &self.optimiser
    }

    /// Whether the last step was the replay of a captured one.
    pub fn is_captured(&self) -> bool {
        self.gpu_step.as_ref().is_some_and(|step| step.captured.is_some())
    }

    /// A loss that is not finite updates nothing.
    fn step_on_cpu(&mut self, task: &mut dyn ErasedTask, arguments: &StepArguments) -> Result<()> {
        let loss = task.erased_loss(&*arguments.inputs)?;
        accumulate(&mut self.losses, &loss)?;
        if !loss.item()?.is_finite() {
            return Ok(());
        }
        self.update(task, arguments, loss)
    }

    fn step_on_gpu(
        &mut self,
        gpu: &Arc<dyn Gpu>,
        task: &mut dyn ErasedTask,
        mut arguments: StepArguments,
    ) -> Result<()> {
        // A captured step that no longer fits is dropped, with its memory, before the next one begins.
        let fitting = self.gpu_step.take().and_then(|mut step| {
            let fits = step.arguments.fit(&mut arguments) && step.state.is_that_of(task);
            fits.then_some(step)
        });
        let mut step = match fitting {
            Some(mut step) => {
                step.arguments.copy_from(&mut arguments)?;
                step
            }
            None => GpuStep {
                arguments: ResidentArguments::new(gpu, arguments)?,
                state: TaskState::of(task),
                eager_steps: 0,
                captured: None,
            },
        };
        if step.captured.is_none() && (step.eager_steps < Self::EAGER_STEPS || !self.captures) {
            step.eager_steps += 1;
            self.run(task, &step.arguments.arguments)?;
        } else {
            let captured = match step.captured.take() {
                Some(captured) => captured,
                None => self.capture(gpu, task, &step.arguments.arguments, &mut step.state)?,
            };
            // SAFETY: parameters, buffers and arguments are where they were during the capture, which
            // `fits` has just checked; losses and momentum are changed only by this stepper, in place.
            unsafe { captured.graph.replay()? };
            captured.counts.iter().for_each(|(counter, count)| counter.add(*count));
            step.captured = Some(captured);
        }
        self.gpu_step = Some(step);
        Ok(())
    }

    /// Captures a step without running it. Counters, which the host updates meanwhile, are restored.
    fn capture(
        &mut self,
        gpu: &Arc<dyn Gpu>,
        task: &mut dyn ErasedTask,
        arguments: &StepArguments,
        state: &mut TaskState,
    ) -> Result<CapturedStep> {
        let counters: Vec<(Counter, u64)> =
            task.counters().into_iter().map(|counter| (counter.clone(), counter.get())).collect();
        let captured = capture(gpu, || self.run(task, arguments));
        let restored = counters.into_iter().map(|(counter, before)| {
            let count = counter.get() - before;
            counter.set(before);
            (counter, count)
        });
        let counts = restored.collect();
        let ((), graph) = captured.map_err(suggest_eager_steps)?;
        if !state.is_that_of(task) {
            let what = "a captured step must change parameters and buffers in place, and this one \
                        moved some; CINE_CAPTURE=0 turns capturing off";
            return Err(Error::Data(what.into()));
        }
        Ok(CapturedStep { graph, counts })
    }

    /// Runs a step eagerly, without reading anything back from a GPU.
    fn run(&mut self, task: &mut dyn ErasedTask, arguments: &StepArguments) -> Result<()> {
        let loss = task.erased_loss(&*arguments.inputs)?;
        accumulate(&mut self.losses, &loss)?;
        self.update(task, arguments, loss)
    }

    fn update(
        &mut self,
        task: &mut dyn ErasedTask,
        arguments: &StepArguments,
        loss: Tensor,
    ) -> Result<()> {
        let gradients = loss.backward()?;
        self.optimiser.step(task.network_mut(), gradients, &arguments.rates)?;
        task.erased_after_update(&*arguments.inputs)
    }
}

impl StepArguments {
    fn list(&mut self) -> InputList<'_> {
        let mut list = InputList::default();
        self.inputs.list(&mut list);
        self.rates.list(&mut list);
        list
    }
}

/// Arguments at fixed addresses of a GPU.
struct ResidentArguments {
    arguments: StepArguments,
    numbers: ScalarArgs,
}

impl ResidentArguments {
    fn new(gpu: &Arc<dyn Gpu>, mut arguments: StepArguments) -> Result<Self> {
        let device = Device::Gpu(gpu.clone());
        let InputList { tensors, numbers } = arguments.list();
        for tensor in tensors {
            // A copy of its own, even if the batch is on this device already.
            *tensor = tensor.copy_to(&device)?;
        }
        let resident = ScalarArgs::new(gpu, numbers.len())?;
        copy_numbers(&resident, &values(&numbers), numbers)?;
        Ok(ResidentArguments { arguments, numbers: resident })
    }

    /// Whether other arguments can be copied here.
    fn fit(&mut self, other: &mut StepArguments) -> bool {
        fn kinds(list: &InputList<'_>) -> Vec<(Shape, tensor::DType)> {
            list.tensors.iter().map(|tensor| (tensor.shape(), tensor.dtype())).collect()
        }
        let (own, other) = (self.arguments.list(), other.list());
        kinds(&own) == kinds(&other) && own.numbers.len() == other.numbers.len()
    }

    /// Copies other arguments here.
    fn copy_from(&mut self, from: &mut StepArguments) -> Result<()> {
        let (own, from) = (self.arguments.list(), from.list());
        for (tensor, from) in own.tensors.into_iter().zip(&from.tensors) {
            tensor.copy_from(from)?;
        }
        copy_numbers(&self.numbers, &values(&from.numbers), own.numbers)
    }
}

fn values(numbers: &[&mut tensor::ScalarArg]) -> Vec<f64> {
    numbers.iter().map(|number| number.value()).collect()
}

fn copy_numbers(to: &ScalarArgs, values: &[f64], own: Vec<&mut tensor::ScalarArg>) -> Result<()> {
    for (own, resident) in own.into_iter().zip(to.write(values)?) {
        *own = resident;
    }
    Ok(())
}

/// What of a task a captured step has baked in.
struct TaskState {
    /// The address of the task, so that a stepper notices another one.
    task: usize,
    generation: u64,
    tensors: Vec<TensorState>,
}

/// The address of a parameter or buffer on a GPU, and whether it wants a gradient.
type TensorState = (Option<Address>, bool);

impl TaskState {
    fn of(task: &dyn ErasedTask) -> Self {
        let tensors = task.state().into_iter().filter_map(|(_, state)| state.tensor());
        let tensors = tensors.map(|tensor| {
            let address = tensor.gpu().and_then(|_| tensor.address().ok());
            (address, tensor.requires_grad())
        });
        TaskState {
            task: std::ptr::from_ref(task).addr(),
            generation: state_generation(),
            tensors: tensors.collect(),
        }
    }

    /// Whether the task still has this state. Looks at its parameters and buffers only when some may
    /// have changed.
    fn is_that_of(&mut self, task: &dyn ErasedTask) -> bool {
        let same_task = self.task == std::ptr::from_ref(task).addr();
        if same_task && self.generation == state_generation() {
            return true;
        }
        let now = TaskState::of(task);
        self.generation = now.generation;
        same_task && self.tensors == now.tensors
    }
}

/// Adds to a device's refusal to capture what a user can do about it.
fn suggest_eager_steps(error: Error) -> Error {
    match error {
        Error::Tensor(tensor::Error::Device { device, what }) => {
            let what = format!("{what} (CINE_CAPTURE=0 turns the capturing of steps off)");
            Error::Tensor(tensor::Error::Device { device, what })
        }
        other => other,
    }
}
