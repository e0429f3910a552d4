//! Every operation on a GPU against the CPU: values and gradients, on the cases of the registry.
//!
//! Without a GPU the kernels run on an emulated one, whose check mode also reports races, missing
//! barriers, accesses out of bounds and reads of what nobody wrote.

use cine_tests::cases::for_every_case;
use cine_tests::tasks;
use emulator::Emulator;
use kernels::check::{Argument, Case};
use kernels::dice_ce::{DiceCe, dice_ce};
use kernels::registry;
use nn::{Init, Mode, Module, Sgd, SgdSettings, Slot, UNet};
use ssp::settings::Method;
use ssp::task::{Step, Whole};
use tensor::random::{Purpose, Stream};
use tensor::{DType, Device, Result, Tensor, cuda};

/// Results on a GPU against those of the CPU: the same sums in another order, of some thousand terms
/// at most.
const AGREEMENT: [(DType, f64); 2] = [(DType::F64, 1e-9), (DType::F32, 1e-5)];

/// Results of a case on a device, and the gradients of all its arguments for given cotangents.
fn run(case: &Case, arguments: &[Tensor], device: &Device) -> Result<Vec<Vec<f64>>> {
    let mut there = Vec::new();
    for (argument, about) in arguments.iter().zip(&case.arguments) {
        let copy = argument.to(device)?;
        there.push(if about.differentiable { copy.parameter() } else { copy });
    }
    let results = (case.run)(&there)?;
    let mut found = Vec::new();
    for result in &results {
        found.push(result.to(&Device::Cpu)?.to_f64());
    }
    for (index, result) in results.into_iter().enumerate().filter(|(_, r)| r.wants_gradient()) {
        let mut stream = Stream::new(7, Purpose::Check, 1, index as u32);
        let cotangent = Argument::normal(result.shape());
        let cotangent = cotangent.draw(result.dtype(), &mut stream)?.to(device)?;
        let gradients = result.backward_from(cotangent)?;
        for argument in there.iter().filter(|argument| argument.wants_gradient()) {
            if let Some(gradient) = gradients.get(argument) {
                found.push(gradient.to(&Device::Cpu)?.to_f64());
            }
        }
    }
    Ok(found)
}

fn largest(values: &[f64]) -> f64 {
    values.iter().fold(f64::MIN_POSITIVE, |largest: f64, x| largest.max(x.abs()))
}

/// The largest difference of two lists, relative to `scale`; infinite where it is not a number.
fn difference(found: &[f64], wanted: &[f64], scale: f64) -> f64 {
    assert_eq!(found.len(), wanted.len(), "number of elements");
    let differences = found.iter().zip(wanted).map(|(a, b)| (a - b).abs() / scale);
    differences.fold(0.0, |worst: f64, d| if d.is_nan() { f64::INFINITY } else { worst.max(d) })
}

/// Differences of results and gradients, each relative to its largest value. Some gradients are sums
/// that cancel, such as that of a bias before batch norm: what is left is rounding, and is held
/// against a tenth of the largest value that the case has at all.
fn differences(found: &[Vec<f64>], wanted: &[Vec<f64>]) -> f64 {
    assert_eq!(found.len(), wanted.len(), "results and gradients");
    let floor = 0.1 * wanted.iter().map(|values| largest(values)).fold(0.0, f64::max);
    let each = found.iter().zip(wanted).map(|(f, w)| difference(f, w, largest(w).max(floor)));
    each.fold(0.0, f64::max)
}

/// Every GPU that there is: an emulated one, which a machine without a compiler lacks, and that of the
/// machine.
fn gpus(test: &str) -> Vec<Device> {
    let emulated = Emulator::for_test(test, emulator::Mode::Fast).map(|gpu| Device::Gpu(gpu));
    let own = cuda::open().ok().map(|gpu| Device::Gpu(gpu));
    emulated.into_iter().chain(own).collect()
}

fn agrees(device: &Device) {
    println!("\n{device}");
    let (mut wrong, mut without) = (Vec::new(), Vec::new());
    for operation in registry() {
        if operation.programs.is_none() {
            without.push(operation.name);
            continue;
        }
        let mut worst = [0.0f64; 2];
        for_every_case(operation, |case, seed| {
            for ((dtype, tolerance), worst) in AGREEMENT.into_iter().zip(&mut worst) {
                let arguments = case.draw(dtype, seed)?;
                let wanted = run(case, &arguments, &Device::Cpu)?;
                let found = run(case, &arguments, device)?;
                let error = differences(&found, &wanted);
                if error > tolerance {
                    let name = format!("{}, {}", operation.name, case.name);
                    wrong.push(format!("{name}, {dtype}: off by {error:.1e}"));
                }
                *worst = worst.max(error);
            }
            Ok(())
        });
        println!("{:16} f64 {:.1e}, f32 {:.1e}", operation.name, worst[0], worst[1]);
    }
    if !without.is_empty() {
        println!("NOT CHECKED, as they have no kernels for GPUs yet: {}", without.join(", "));
    }
    assert!(wrong.is_empty(), "GPU and CPU differ:\n{}", wrong.join("\n"));
}

#[test]
fn every_operation_agrees_with_the_cpu() {
    gpus("GPU against CPU").iter().for_each(agrees);
}

#[test]
fn every_kernel_is_free_of_races_and_stays_in_bounds() {
    let checked = Emulator::for_test("races and bounds", emulator::Mode::Check);
    checked.into_iter().for_each(|gpu| agrees(&Device::Gpu(gpu)));
}

/// A U-Net's loss over three steps of training, and its parameters after them.
fn trained(device: &Device) -> nn::Result<(Vec<f64>, Vec<Vec<f64>>)> {
    let mut init = Init::new(3, 0, DType::F64);
    let mut network = UNet::new(&mut init, &[3, 5, 6], 4, 2)?;
    let mut stream = Stream::new(3, Purpose::Check, 1, 0);
    let images = Argument::normal([2, 8, 12, 1]).draw(DType::F64, &mut stream)?.to(device)?;
    let labels = Argument::classes([2, 8, 12], 4).draw(DType::F64, &mut stream)?.to(device)?;
    network.move_to(device)?;
    let mut sgd = Sgd::new(SgdSettings {
        momentum: 0.9,
        nesterov: true,
        weight_decay: 1e-4,
        decay_matrices_only: false,
    });
    let mut losses = Vec::new();
    for _ in 0..3 {
        let outputs = network.forward(&images, Mode::Train)?;
        let outputs: Vec<&Tensor> = outputs.iter().collect();
        let loss = dice_ce(&outputs, &labels, &DiceCe::default())?.total;
        losses.push(loss.item()?);
        sgd.step(&mut network, loss.backward()?, 0.1)?;
    }
    // What runs on batch statistics while it trains runs on its own afterwards.
    let outputs = network.forward(&images, Mode::Evaluate)?;
    let mut values = vec![outputs[0].to(&Device::Cpu)?.to_f64()];
    network.move_to(&Device::Cpu)?;
    network.visit("", &mut |_, slot| match slot {
        Slot::Parameter(parameter) => values.push(parameter.tensor().to_f64()),
        Slot::Buffer(buffer) => values.push(buffer.to_f64()),
        Slot::Counter(_) => {}
    });
    Ok((losses, values))
}

#[test]
fn a_network_learns_the_same_on_both() {
    let (wanted_losses, wanted) = trained(&Device::Cpu).unwrap();
    for device in gpus("training on a GPU") {
        let (losses, found) = trained(&device).unwrap();
        let of_losses = difference(&losses, &wanted_losses, 1.0);
        let of_values = differences(&found, &wanted);
        println!(
            "{device}: losses {losses:?}, off by {of_losses:.1e}; parameters by {of_values:.1e}"
        );
        assert!(losses[2] < losses[0], "it learns: {losses:?}");
        assert!(of_losses < 1e-9 && of_values < 1e-9);
    }
}

/// Losses of three steps of a task, on a batch that is drawn.
fn losses(method: Method, device: &Device) -> ssp::Result<Vec<f64>> {
    let mut task = tasks::task(&tasks::settings(method))?;
    let (batch, mut sgd) = (tasks::batch(method, 0)?, tasks::sgd(method));
    Whole(task.as_mut()).move_to(device)?;
    let mut losses = Vec::new();
    for number in 0..3 {
        let step = Step { epoch: 1, number, total: 10 };
        let inputs = task.inputs(&batch, step)?.on(device)?;
        let loss = task.loss(&inputs)?;
        losses.push(loss.item()?);
        sgd.step(task.network(), loss.backward()?, 0.05)?;
        task.updated(&inputs)?;
    }
    Ok(losses)
}

/// Losses in float32 after two updates, each of which adds to what rounding made different.
const LOSSES: f64 = 1e-4;

#[test]
fn every_task_takes_the_same_steps_on_both() {
    for device in gpus("tasks on a GPU") {
        for method in Method::ALL {
            let wanted = losses(method, &Device::Cpu).unwrap();
            let found = losses(method, &device).unwrap();
            let error = difference(&found, &wanted, largest(&wanted));
            println!("{device}: {:8} {found:.5?}, off by {error:.1e}", method.name());
            assert!(wanted[0] != wanted[2], "{method:?} learns nothing");
            assert!(error < LOSSES, "{method:?}: {found:?}, not {wanted:?}");
        }
    }
}
