//! Every operation on a GPU against the CPU: values and gradients, on the cases of the registry.
//!
//! Without a GPU the kernels run on an emulated one, whose check mode also reports races, missing
//! barriers, accesses out of bounds and reads of what nobody wrote. `CINE_TEST_DEVICE` names one of
//! the two, `cuda` or `emulator`.

use cine_tests::cases::for_every_case;
use std::hash::{DefaultHasher, Hash, Hasher};

use cine_tests::{devices, levels, tasks};
use half::bf16;
use kernels::check::compare::{self, difference, largest, relative, worse};
use kernels::check::{Argument, Case};
use kernels::conv_transpose2d::conv_transpose2d;
use kernels::conv2d;
use kernels::dice_ce::{DiceCe, dice_ce};
use kernels::registry;
use nn::{Init, Mode, Module, Rates, Sgd, SgdSettings, UNet};
use settings::Method;
use tensor::random::{Purpose, Stream};
use tensor::{DType, Device, Result, Tensor};
use train::task::Step;

/// Results on a GPU against those of the CPU: the same sums in another order, of some thousand terms
/// at most.
const AGREEMENT: [(DType, f64); 2] = [(DType::F64, 1e-9), (DType::F32, 1e-5)];

/// What bf16 rounds by, at most, relative to the value: half of the last of its eight bits.
const ROUNDING: f64 = 1.0 / 512.0;

/// Results of features in bf16, compared with those of the same numbers in float64: what is stored is
/// rounded, activations are rounded before they are multiplied, and errors of some of these add up.
const MIXED: f64 = 4.0 * ROUNDING;

/// The largest error of bf16 that any case may have, whatever its [`sensitivity`].
///
/// Errors grow where normalisation divides by a small deviation. The deepest case normalises, convolves
/// and normalises again, over 33,000 pixels, and is off by 22 roundings on an emulated GPU. Without a
/// bound a case could pass that is wrong altogether: four times the sensitivity of a batch norm over 16
/// pixels is as much as its results.
const MIXED_AT_MOST: f64 = 32.0 * ROUNDING;

/// How far results move when features move by their rounding, at random: where normalisation divides
/// by a small deviation or an activation changes sides, by more than that. What is rounded on the way
/// may move them as far a few times.
fn sensitivity(case: &Case, exact: &[Tensor], wanted: &[Vec<f64>]) -> Result<f64> {
    const TIMES: f64 = 4.0;
    let mut stream = Stream::new(9, Purpose::CHECK, 2, 0);
    let mut moved = Vec::new();
    for (argument, about) in exact.iter().zip(&case.arguments) {
        if argument.dtype() == DType::U8 || about.accumulator {
            moved.push(argument.clone());
            continue;
        }
        let rounding = |v: f64| v * (1.0 + if stream.chance(0.5) { ROUNDING } else { -ROUNDING });
        let values: Vec<f64> = argument.to_f64().into_iter().map(rounding).collect();
        moved.push(Tensor::from_slice(&values, argument.shape())?);
    }
    let moved = run(case, &moved, &Device::Cpu, DType::BF16)?;
    Ok(TIMES * differences(&moved, wanted, exact, DType::BF16))
}

/// The same numbers in another dtype.
fn of_dtype(tensor: &Tensor, dtype: DType) -> Result<Tensor> {
    let (values, shape) = (tensor.to_f64(), tensor.shape());
    match dtype {
        DType::U8 => Ok(tensor.clone()),
        DType::BF16 => {
            Tensor::from_slice(&values.into_iter().map(bf16::from_f64).collect::<Vec<_>>(), shape)
        }
        DType::F32 => {
            Tensor::from_slice(&values.into_iter().map(|v| v as f32).collect::<Vec<_>>(), shape)
        }
        DType::F64 => Tensor::from_slice(&values, shape),
    }
}

/// Results of a case on a device, and the gradients of all its arguments for given cotangents, which
/// `features` can hold exactly.
fn run(
    case: &Case,
    arguments: &[Tensor],
    device: &Device,
    features: DType,
) -> Result<Vec<Vec<f64>>> {
    let mut there = Vec::new();
    for (argument, about) in arguments.iter().zip(&case.arguments) {
        let copy = argument.copy_to(device)?;
        there.push(if about.differentiable { copy.parameter() } else { copy });
    }
    let results = (case.run)(&there)?;
    let mut found = Vec::new();
    for result in &results {
        found.push(result.copy_to(&Device::Cpu)?.to_f64());
    }
    for (index, result) in results.into_iter().enumerate().filter(|(_, r)| r.requires_grad()) {
        let mut stream = Stream::new(7, Purpose::CHECK, 1, index as u32);
        let cotangent = Argument::normal(result.shape());
        let cotangent = cotangent.draw(features, &mut stream)?;
        let cotangent = of_dtype(&cotangent, result.dtype())?.copy_to(device)?;
        let gradients = result.backward_from(cotangent)?;
        for argument in there.iter().filter(|argument| argument.requires_grad()) {
            if let Some(gradient) = gradients.get(argument) {
                found.push(gradient.copy_to(&Device::Cpu)?.to_f64());
            }
        }
    }
    Ok(found)
}

/// Differences of results and gradients, each relative to its largest value. Some gradients are sums
/// that cancel, such as that of a bias before batch norm: what is left is rounding, and is held
/// against a share of the largest value that the case has at all: a tenth, and in bf16, where every
/// term was rounded when it was stored, the whole of it. Where all are zero to within rounding, the
/// scale is that of `arguments`.
fn differences(
    found: &[Vec<f64>],
    wanted: &[Vec<f64>],
    arguments: &[Tensor],
    features: DType,
) -> f64 {
    assert_eq!(found.len(), wanted.len(), "results and gradients");
    let share = if features == DType::BF16 { 1.0 } else { 0.1 };
    let floor = share * wanted.iter().map(|values| largest(values)).fold(0.0, worse);
    // What bf16 is compared with was computed in float64.
    let dtype = if features == DType::F32 { DType::F32 } else { DType::F64 };
    let each = found.iter().zip(wanted).map(|(found, wanted)| {
        let scale = compare::scale(largest(wanted).max(floor), arguments, dtype);
        relative(difference(found, wanted), scale)
    });
    each.fold(0.0, worse)
}

fn agrees(device: &Device) {
    println!("\n{device}");
    let (mut wrong, mut without) = (Vec::new(), Vec::new());
    for operation in registry() {
        if operation.programs.is_none() {
            without.push(operation.name);
            continue;
        }
        let (mut worst, mut cases) = ([0.0f64; 3], 0);
        let mut check = |case: &Case, seed: u64| -> Result<()> {
            cases += 1;
            let of_features = operation.mixed;
            let dtypes = AGREEMENT.into_iter().chain(of_features.then_some((DType::BF16, MIXED)));
            for ((dtype, tolerance), worst) in dtypes.zip(&mut worst) {
                let arguments = case.draw(dtype, seed)?;
                let same = |argument: &Tensor| match dtype {
                    DType::BF16 if argument.dtype() != DType::U8 => of_dtype(argument, DType::F64),
                    _ => Ok(argument.clone()),
                };
                let exact = arguments.iter().map(same).collect::<Result<Vec<_>>>()?;
                let wanted = run(case, &exact, &Device::Cpu, dtype)?;
                let found = run(case, &arguments, device, dtype)?;
                let error = differences(&found, &wanted, &exact, dtype);
                let tolerance = match dtype {
                    DType::BF16 => {
                        tolerance.max(sensitivity(case, &exact, &wanted)?).min(MIXED_AT_MOST)
                    }
                    _ => tolerance,
                };
                if error > tolerance {
                    let name = format!("{}, {}", operation.name, case.name);
                    wrong.push(format!("{name}, {dtype}: off by {error:.1e}"));
                }
                *worst = worse(*worst, error);
            }
            Ok(())
        };
        for_every_case(operation, &mut check);
        for (seed, case) in (operation.large)().iter().enumerate() {
            check(case, seed as u64).unwrap_or_else(|e| panic!("{}: {e}", case.name));
        }
        assert!(cases > 0, "{} has no cases", operation.name);
        let [f64, f32, bf16] = worst;
        let mixed = if operation.mixed { format!(", bf16 {bf16:.1e}") } else { String::new() };
        println!("{:16} f64 {f64:.1e}, f32 {f32:.1e}{mixed}", operation.name);
    }
    if !without.is_empty() {
        println!("NOT CHECKED, as they have no kernels for GPUs: {}", without.join(", "));
    }
    assert!(wrong.is_empty(), "GPU and CPU differ:\n{}", wrong.join("\n"));
}

#[test]
fn every_operation_agrees_with_the_cpu() {
    devices::all("GPU against CPU").iter().for_each(agrees);
}

/// In bf16; float32 and float64 are compared with themselves. A process has one instruction set, so each has a
/// process.
#[test]
fn bf16_on_the_cpu_agrees_with_float64_on_every_instruction_set() {
    levels::each("bf16_on_the_cpu_agrees_with_float64_on_every_instruction_set", || {
        agrees(&Device::Cpu);
        String::new()
    });
}

/// Sums of products of `bf16` are taken in one order, whatever the width of vectors. Biases are not among them.
#[test]
fn convolutions_in_bf16_have_the_same_bits_on_every_instruction_set() {
    let found =
        levels::each("convolutions_in_bf16_have_the_same_bits_on_every_instruction_set", || {
            let mut stream = Stream::new(11, Purpose::CHECK, 3, 0);
            let mut draw = |shape: [usize; 4]| {
                Argument::normal(shape).draw(DType::BF16, &mut stream).unwrap().parameter()
            };
            let (x, of_three) = (draw([3, 17, 19, 21]), draw([3, 3, 21, 40]));
            let (of_one, of_two) = (draw([1, 1, 21, 40]), draw([2, 2, 21, 40]));
            let wide = |weight: &Tensor| of_dtype(weight, DType::F32).unwrap().parameter();
            let (of_three, of_one, of_two) = (wide(&of_three), wide(&of_one), wide(&of_two));
            let mut bits = Vec::new();
            for (result, weight) in [
                (conv2d(&[&x], &of_three, None, 1), &of_three),
                (conv2d(&[&x], &of_three, None, 2), &of_three),
                (conv2d(&[&x], &of_one, None, 1), &of_one),
                (conv_transpose2d(&x, &of_two, None), &of_two),
            ] {
                let result = result.unwrap();
                bits.extend(result.to_f64());
                let cotangent = draw(result.shape().as_array().unwrap());
                let gradients = result.backward_from(cotangent).unwrap();
                bits.extend(gradients.get(&x).unwrap().to_f64());
                bits.extend(gradients.get(weight).unwrap().to_f64());
            }
            let mut hasher = DefaultHasher::new();
            bits.iter().for_each(|value| value.to_bits().hash(&mut hasher));
            format!("{:016x} of {} values", hasher.finish(), bits.len())
        });
    let portable = &found[0];
    assert!(found.iter().all(|(_, bits)| *bits == portable.1), "{found:?}");
}

#[test]
fn every_kernel_is_free_of_races_and_stays_in_bounds() {
    let checked = devices::emulated("races and bounds", emulator::Mode::Check);
    checked.iter().for_each(agrees);
}

/// A U-Net's loss over three steps of training, and its parameters after them.
fn trained(device: &Device) -> common::Result<(Vec<f64>, Vec<Vec<f64>>)> {
    let mut init = Init::new(3, 0, DType::F64);
    let mut network = UNet::new(&mut init, &[3, 5, 6], 4, 2)?;
    let mut stream = Stream::new(3, Purpose::CHECK, 1, 0);
    let images = Argument::normal([2, 8, 12, 1]).draw(DType::F64, &mut stream)?.copy_to(device)?;
    let labels = Argument::classes([2, 8, 12], 4).draw(DType::F64, &mut stream)?.copy_to(device)?;
    network.move_to(device)?;
    let mut sgd =
        Sgd::new(SgdSettings { momentum: 0.9, nesterov: true, decay_matrices_only: false });
    let mut losses = Vec::new();
    for _ in 0..3 {
        let outputs = network.forward(&images, Mode::Train)?;
        let outputs: Vec<&Tensor> = outputs.iter().collect();
        let loss = dice_ce(&outputs, &labels, &DiceCe::default())?.total;
        losses.push(loss.item()?);
        sgd.step(&mut network, loss.backward()?, &Rates::new(0.1, 1e-4))?;
    }
    // What runs on batch statistics while it trains runs on its own afterwards.
    let outputs = network.forward(&images, Mode::Evaluate)?;
    let mut values = vec![outputs[0].copy_to(&Device::Cpu)?.to_f64()];
    network.move_to(&Device::Cpu)?;
    let tensors = network.state().into_iter().filter_map(|(_, state)| state.tensor());
    values.extend(tensors.map(Tensor::to_f64));
    Ok((losses, values))
}

#[test]
fn a_network_learns_the_same_on_both() {
    let (wanted_losses, wanted) = trained(&Device::Cpu).unwrap();
    for device in devices::all("training on a GPU") {
        let (losses, found) = trained(&device).unwrap();
        let of_losses = difference(&losses, &wanted_losses);
        let of_values = differences(&found, &wanted, &[], DType::F64);
        println!(
            "{device}: losses {losses:?}, off by {of_losses:.1e}; parameters by {of_values:.1e}"
        );
        assert!(losses[2] < losses[0], "it learns: {losses:?}");
        assert!(of_losses < 1e-9 && of_values < 1e-9);
    }
}

/// Losses of three steps of a task, on a batch that is drawn.
fn losses(method: Method, mixed: bool, device: &Device) -> common::Result<Vec<f64>> {
    let mut task = tasks::task(&tasks::settings(method, mixed))?;
    let (batch, mut sgd) = (tasks::batch(method, 0)?, tasks::sgd(method));
    task.move_to(device)?;
    let mut losses = Vec::new();
    for number in 0..3 {
        let step = Step { epoch: 1, number, total: 10 };
        let mut inputs = task.erased_inputs(&batch, step)?;
        inputs.move_to(device)?;
        let loss = task.erased_loss(&*inputs)?;
        losses.push(loss.item()?);
        sgd.step(task.network_mut(), loss.backward()?, &tasks::rates(0.05))?;
        task.erased_after_update(&*inputs)?;
    }
    Ok(losses)
}

/// In float32, losses after two updates, each of which adds to what rounding made different. With
/// features in bf16 only the first: temperatures of a twenty-fifth make much of what follows.
const LOSSES: [(bool, usize, f64); 2] = [(false, 3, 1e-4), (true, 1, 5e-3)];

#[test]
fn every_task_takes_the_same_steps_on_both() {
    for device in devices::all("tasks on a GPU") {
        for (method, (mixed, compared, tolerance)) in
            Method::ALL.into_iter().flat_map(|method| LOSSES.map(|how| (method, how)))
        {
            let wanted = losses(method, mixed, &Device::Cpu).unwrap();
            let found = losses(method, mixed, &device).unwrap();
            let scale = largest(&wanted);
            let error = relative(difference(&found[..compared], &wanted[..compared]), scale);
            let precision = if mixed { "bf16" } else { "f32" };
            println!("{device}: {:8} {precision:4} {found:.5?}, off by {error:.1e}", method.name());
            let falls = |losses: &[f64]| losses[2] < losses[0];
            assert_eq!(falls(&found), falls(&wanted), "{method:?}: {found:?}, not {wanted:?}");
            assert!(wanted[0] != wanted[2], "{method:?} learns nothing");
            assert!(error < tolerance, "{method:?}, {precision}: {found:?}, not {wanted:?}");
        }
    }
}

#[test]
fn a_device_that_agrees_passes_the_trial() {
    for device in devices::all("a trial of a GPU") {
        common::device::trial(&device).unwrap();
    }
}
