//! Every operation on a GPU against the CPU: values and gradients, on the cases of the registry.
//!
//! Without a GPU the kernels run on an emulated one, whose check mode also reports races, missing
//! barriers, accesses out of bounds and reads of what nobody wrote.

use cine_tests::cases::for_every_case;
use emulator::{Emulator, Mode};
use kernels::check::Case;
use kernels::registry;
use tensor::random::{Purpose, Stream};
use tensor::{DType, Device, Result, Tensor};

/// Results on a GPU against those of the CPU, relative to the largest value: the same sums in
/// another order, of some thousand terms at most.
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
        let cotangent = kernels::check::Argument::normal(result.shape());
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

fn relative_difference(found: &[f64], wanted: &[f64]) -> f64 {
    assert_eq!(found.len(), wanted.len(), "number of elements");
    let largest = wanted.iter().fold(f64::MIN_POSITIVE, |largest: f64, x| largest.max(x.abs()));
    let differences = found.iter().zip(wanted).map(|(a, b)| (a - b).abs());
    let worst = differences.fold(0.0f64, |worst, d| if d.is_nan() { d } else { worst.max(d) });
    if worst.is_nan() { f64::INFINITY } else { worst / largest }
}

fn agrees(mode: Mode) {
    let Some(gpu) = Emulator::for_test("GPU against CPU", mode) else { return };
    let device = Device::Gpu(gpu);
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
                let found = run(case, &arguments, &device)?;
                assert_eq!(found.len(), wanted.len(), "{}, {}", operation.name, case.name);
                for (found, wanted) in found.iter().zip(&wanted) {
                    let error = relative_difference(found, wanted);
                    if error > tolerance {
                        let name = format!("{}, {}", operation.name, case.name);
                        wrong.push(format!("{name}, {dtype}: off by {error:.1e}"));
                    }
                    *worst = worst.max(error);
                }
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
    agrees(Mode::Fast);
}

#[test]
fn every_kernel_is_free_of_races_and_stays_in_bounds() {
    agrees(Mode::Check);
}
