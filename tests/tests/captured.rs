//! A step that was captured and is replayed does what one does that is run as it comes, bit for bit:
//! every task, on an emulated GPU, which runs the very kernels, and on that of the machine.

use std::path::Path;

use bench::{Bench, BenchTask};
use cine_tests::tasks;
use common::Watcher;
use emulator::{Emulator, Mode};
use kernels::pointwise::{add, affine};
use nn::checkpoint::{Metadata, save_progress};
use nn::{Module, Rates, StateMut};
use sampling::Cohort;
use settings::{Method, Settings};
use tensor::gpu::capture;
use tensor::{Device, Tensor, cuda};
use train::step::Stepper;
use train::task::{ErasedTask, Mim, Pretext, PretextData, PretextSetup, Step, Task, freeze};
use train::trainer::{Stage, State};

/// Everything that a training changes, as its file to resume from holds it.
type Bits = Vec<u8>;

/// A training of a task on drawn batches.
struct Training {
    task: Box<dyn ErasedTask>,
    stepper: Stepper,
    method: Method,
    losses: Vec<f64>,
}

impl Training {
    fn new(settings: &Settings, device: &Device, captures: bool) -> common::Result<Self> {
        let (method, mut task) = (settings.method, tasks::task(settings)?);
        task.move_to(device)?;
        let stepper = Stepper::new(device, tasks::sgd(method))?.capturing(captures);
        Ok(Training { task, stepper, method, losses: vec![] })
    }

    /// A step, on a batch and at rates of its own.
    fn step(&mut self, epoch: usize, number: u32) -> common::Result<()> {
        freeze(self.task.as_mut(), epoch)?;
        let batch = tasks::batch(self.method, number)?;
        let (rate, number) = (0.05 / f64::from(number + 1), number.into());
        let rates = Rates::new(rate, 1e-3 * rate);
        let step = Step { epoch, number, total: 20 };
        self.stepper.step(self.task.as_mut(), &batch, step, rates)?;
        // Two steps to a look.
        if number % 2 == 1 {
            self.losses.push(self.stepper.losses()?);
        }
        Ok(())
    }

    fn bits(&self) -> common::Result<Bits> {
        let folder = tempfile::tempdir().expect("a folder");
        let [file, older] = ["progress", "previous"].map(|name| folder.path().join(name));
        save_progress(
            &file,
            &older,
            self.task.as_ref(),
            self.stepper.optimiser(),
            Metadata::new(),
        )?;
        Ok(std::fs::read(file).expect("what was written"))
    }
}

/// Every GPU that there is: an emulated one, which a machine without a compiler lacks, and that of the
/// machine.
fn gpus(test: &str) -> Vec<Device> {
    let emulated = Emulator::for_test(test, Mode::Fast).map(|gpu| Device::Gpu(gpu));
    let own = cuda::open().ok().map(|gpu| Device::Gpu(gpu));
    emulated.into_iter().chain(own).collect()
}

/// Trains for some steps: the losses, and what they left.
fn trained(
    method: Method,
    device: &Device,
    captures: bool,
    steps: u32,
) -> common::Result<(Vec<f64>, Bits)> {
    let mut training = Training::new(&tasks::settings(method, true), device, captures)?;
    for number in 0..steps {
        training.step(1, number)?;
    }
    assert_eq!(training.stepper.is_captured(), captures, "{method:?}");
    let bits = training.bits()?;
    Ok((training.losses, bits))
}

/// Steps that are run as they come on one device against replays on another.
fn assert_same(method: Method, run: &Device, replayed: &Device, steps: u32) {
    let (losses, bits) = trained(method, run, false, steps).unwrap();
    let (replayed_losses, replayed_bits) = trained(method, replayed, true, steps).unwrap();
    let learns = losses.iter().all(|loss| loss.is_finite()) && losses[0] != losses[1];
    assert!(learns, "{method:?}: {losses:?}");
    assert_eq!(replayed_losses, losses, "{method:?} on {replayed}");
    assert!(replayed_bits == bits, "{method:?} on {replayed}: replays ended elsewhere");
}

#[test]
fn replays_of_every_task_are_steps_bit_for_bit() {
    for device in gpus("captured steps") {
        Method::ALL.iter().for_each(|&method| assert_same(method, &device, &device, 6));
    }
}

#[test]
fn replays_are_free_of_races_and_read_what_they_wrote() {
    // SimCLR does what PCL does and less, and MIM what segmentation does.
    for method in [Method::Scratch, Method::Pcl, Method::Dino] {
        let [run, checked] = [Mode::Fast, Mode::Check]
            .map(|mode| Emulator::for_test("captured steps, checked", mode));
        let (Some(run), Some(checked)) = (run, checked) else { return };
        assert_same(method, &Device::Gpu(run), &Device::Gpu(checked), 4);
    }
}

#[test]
fn the_seed_of_gradients_is_not_summed_onto() {
    for device in gpus("gradients in a capture") {
        let Device::Gpu(gpu) = &device else { continue };
        let x = Tensor::build::<f32>([3], |x| x.copy_from_slice(&[1.0, 2.0, 4.0]));
        let x = x.copy_to(&device).unwrap().parameter();
        // What is added last is handed the gradient of all, which is the seed.
        let gradient = || -> tensor::Result<Tensor> {
            let mean = kernels::reduce::mean(&x)?;
            let loss = add(&affine(&mean, 2.0, 0.0)?, &mean)?;
            Ok(loss.backward()?.take(&x).expect("a gradient"))
        };
        gradient().unwrap();
        let (kept, step) = capture(gpu, gradient).unwrap();
        for _ in 0..3 {
            // SAFETY: the parameter is held, and nothing else was there before.
            unsafe { step.replay() }.unwrap();
            assert_eq!(kept.copy_to(&Device::Cpu).unwrap().to_f64(), [1.0; 3], "{device}");
        }
    }
}

#[test]
fn what_changes_the_step_has_it_captured_again() {
    let mut settings = tasks::settings(Method::Dino, true);
    settings.pretrain.dino.frozen_last_layer_epochs = 1;
    let trained = |device: &Device, captures: bool| -> common::Result<Bits> {
        let mut training = Training::new(&settings, device, captures)?;
        let mut captured = Vec::new();
        for number in 0..8 {
            training.step(number as usize / 4, number)?;
            captured.push(training.stepper.is_captured());
        }
        let wanted = [false, false, true, true].map(|captured| captured && captures);
        assert_eq!(captured, [wanted, wanted].concat(), "the last layer thaws after four steps");
        training.bits()
    };
    for device in gpus("captured again") {
        assert!(trained(&device, true).unwrap() == trained(&device, false).unwrap());
    }
}

#[test]
fn weights_that_move_in_memory_have_the_step_captured_again() {
    let settings = tasks::settings(Method::SimClr, true);
    let trained = |device: &Device, captures: bool| -> common::Result<Bits> {
        let mut training = Training::new(&settings, device, captures)?;
        for number in 0..5 {
            training.step(1, number)?;
        }
        let before = training.stepper.is_captured();
        // The same values at other addresses, as when a checkpoint is loaded.
        for (_, parameter) in training.task.network_mut().named_parameters_mut() {
            parameter.set(parameter.tensor().copy_to(device)?)?;
        }
        let mut captured = vec![before];
        for number in 5..9 {
            training.step(1, number)?;
            captured.push(training.stepper.is_captured());
        }
        assert_eq!(captured, [true, false, false, true, true].map(|was| was && captures));
        training.bits()
    };
    for device in gpus("moved weights") {
        assert!(trained(&device, true).unwrap() == trained(&device, false).unwrap());
    }
}

#[test]
fn a_look_at_the_network_in_between_does_not_disturb_replays() {
    let settings = tasks::settings(Method::Mim, true);
    let trained = |device: &Device, captures: bool| -> common::Result<(Bits, Vec<f32>)> {
        let mut training = Training::new(&settings, device, captures)?;
        let mut mim = Mim::new(&settings, None)?;
        mim.move_to(device)?;
        let mut seen = Vec::new();
        for number in 0..6 {
            training.step(1, number)?;
            // The same weights, on fewer images than a step has, as they come.
            hand_over(training.task.network(), mim.network_mut())?;
            let images = Tensor::build::<f32>([1, 16, 16, 1], |out| out.fill(0.1 * number as f32));
            let made = mim.reconstruction(&images)?.expect("a reconstruction");
            seen.extend_from_slice(made.output.data::<f32>());
        }
        assert_eq!(training.stepper.is_captured(), captures);
        Ok((training.bits()?, seen))
    };
    for device in gpus("captured steps and validation") {
        assert!(trained(&device, true).unwrap() == trained(&device, false).unwrap());
    }
}

#[test]
fn what_is_timed_is_the_captured_step() {
    for device in gpus("timing of captured steps") {
        let (task, channels) = (BenchTask::UNet, vec![2, 3]);
        let bench =
            Bench { task, size: 16, batch: 2, channels, steps: 1, warmup: 0, device, mixed: true };
        let timing = serde_json::to_value(bench.run().unwrap()).unwrap();
        assert_eq!(timing["captured"], true, "{timing}");
    }
}

/// Copies all parameters and buffers of one network to another of the same shapes.
fn hand_over(from: &dyn Module, to: &mut dyn Module) -> common::Result<()> {
    let device = to.device();
    let mut values = from.state().into_iter().filter_map(|(_, state)| state.tensor());
    for (_, state) in to.state_mut() {
        let mut next = || values.next().expect("networks of the same shapes").copy_to(&device);
        match state {
            StateMut::Parameter(parameter) => parameter.set(next()?)?,
            StateMut::Buffer(buffer) => buffer.set(next()?),
            StateMut::Counter(_) => {}
        }
    }
    Ok(())
}

struct Nobody;

impl Watcher for Nobody {
    fn note(&self, _: &str) {}
    fn begin(&self, _: &str, _: u64) {}
    fn advance(&self, _: u64, _: &str) {}
    fn end(&self) {}
}

/// Two epochs of a contrastive stage with validation, on slices of the phantom.
fn stage(folder: &Path, device: &Device, learning_rate: f64) -> common::Result<State> {
    let mut settings = tasks::settings(Method::SimClr, false);
    settings.pretrain.optimisation.epochs = 2;
    settings.pretrain.optimisation.batch = 16;
    settings.pretrain.validate_every = 1;
    let cohort = Cohort::phantom(2, 1, folder, |_, _| {})?;
    let data = PretextData { settings: &settings, cache: &cohort.cache, train: &[0], valid: &[1] };
    let PretextSetup { samplers, mut task } = data.pretext()?;
    let stage = Stage {
        name: "pretrain",
        folder: folder.join("pretrain"),
        metadata: Metadata::new(),
        optimisation: &settings.pretrain.optimisation,
        learning_rate,
        learning_rate_key: "pretrain.optimisation.learning_rate",
        validate_every: 1,
        patience: 0,
        min_delta: 0.0,
        keep_every: 0,
        save_every: 0.0,
        device: device.clone(),
    };
    let metrics = folder.join("metrics.csv");
    stage.run(task.as_mut(), &samplers, &metrics, &Nobody)
}

#[test]
fn a_stage_whose_steps_are_replayed_goes_as_on_the_cpu() {
    let here = tempfile::tempdir().unwrap();
    let wanted = stage(here.path(), &Device::Cpu, 0.05).unwrap();
    for device in gpus("a captured stage") {
        let there = tempfile::tempdir().unwrap();
        let found = stage(there.path(), &device, 0.05).unwrap();
        assert!(found.steps > 2 * Stepper::EAGER_STEPS as u64, "{} steps", found.steps);
        let losses = |state: &State| [state.loss.unwrap(), state.best_loss.unwrap()];
        for (found, wanted) in losses(&found).into_iter().zip(losses(&wanted)) {
            assert!((found - wanted).abs() < 1e-3 * wanted, "{found}, not {wanted}, on {device}");
        }
        // A loss that is not finite ends the stage at the end of its epoch, and nothing is written.
        let wild = tempfile::tempdir().unwrap();
        let error = stage(wild.path(), &device, f64::MAX).unwrap_err().to_string();
        assert!(error.contains("epoch 1") && error.contains("learning rate"), "{error}");
        assert_eq!(std::fs::read_dir(wild.path().join("pretrain")).unwrap().count(), 0);
    }
}
