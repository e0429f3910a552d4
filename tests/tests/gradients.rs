//! Every operation of the registry, on its own cases: values, gradients, and what is not computed.

use std::collections::BTreeSet;

use cine_tests::cases::for_every_case;
use cine_tests::{data, devices};
use emulator::Mode;
use kernels::check::compare::{self, difference, largest, relative, worse};
use kernels::check::{Agreement, Case, Projection, TOLERANCE, against_differences, widened};
use kernels::registry;
use tensor::{DType, Device, Result, Tensor};

/// The share of gradients that may need a step shorter than the first: steps shorten for kinks,
/// and kinks are rare.
const KINKS: f64 = 0.02;

/// A float32 run against a float64 run on the same values: the sums of the cases have up to some
/// thousand terms, each rounded by 6e-8 of it, and similarities over a temperature of 0.01 are
/// rounded a hundred times coarser before they are exponentiated.
const SINGLE: f64 = 1e-4;

/// A float64 run against its naive reference: the same sums in another order.
const DOUBLE: f64 = 1e-9;

/// The largest difference of two lists, relative to the largest value of the second, which was
/// computed from `arguments` in float64.
fn relative_error(found: &[f64], wanted: &[f64], arguments: &[Tensor]) -> f64 {
    let scale = compare::scale(largest(wanted), arguments, DType::F64);
    relative(difference(found, wanted), scale)
}

#[test]
fn every_module_is_registered_and_has_checks() {
    let kernels = data::path("../kernels/src");
    let mut modules = BTreeSet::new();
    for entry in std::fs::read_dir(kernels).unwrap() {
        let folder = entry.unwrap().path();
        let has = |file: &str| folder.join(file).is_file();
        if has("mod.rs") && (has("check.rs") || has("cpu.rs")) {
            modules.insert(folder.file_name().unwrap().to_str().unwrap().to_owned());
        }
    }
    let names: BTreeSet<&str> = registry().iter().map(|o| o.name).collect();
    assert_eq!(names.len(), registry().len(), "an operation is registered twice");
    let registered: BTreeSet<String> = registry().iter().map(|o| o.module.to_owned()).collect();
    assert_eq!(modules, registered, "folders (left) and modules of registered operations (right)");
    for operation in registry() {
        assert!(!(operation.awkward)().is_empty(), "{}: no awkward case", operation.name);
        for_every_case(operation, |case, _| {
            let name = format!("{}, {}", operation.name, case.name);
            let differentiable = case.arguments.iter().any(|a| a.differentiable);
            assert_eq!(
                differentiable, case.differentiable,
                "{name}: a case has a differentiable argument or is built without gradient"
            );
            assert!(case.differentiable || case.reference.is_some(), "{name}: nothing to check");
            Ok(())
        });
    }
}

/// Elements of a case's arguments, beyond which an emulated GPU takes too long: each is moved four
/// times and more.
const FEW: usize = 64;

#[test]
fn gradients_are_finite_differences() {
    compare_with_differences(&Device::Cpu, usize::MAX);
}

#[test]
fn gradients_on_a_device_are_finite_differences() {
    if let Some(device) = devices::emulated("gradients on a GPU", Mode::Fast) {
        compare_with_differences(&device, FEW);
    }
    if let Some(device) = devices::hardware() {
        compare_with_differences(&device, usize::MAX);
    }
}

/// Checks every operation that has kernels for the device, on its cases of at most `most` elements. An
/// operation with gradients none of whose cases ran is a failure.
fn compare_with_differences(device: &Device, most: usize) {
    println!("\non {device}");
    let (mut wrong, mut gradients) = (Vec::new(), 0);
    for operation in registry() {
        if *device != Device::Cpu && operation.programs.is_none() {
            continue;
        }
        let (mut agreement, mut smallest) = (Agreement::default(), None);
        for_every_case(operation, |case, seed| {
            let elements: usize = case.arguments.iter().map(|a| a.shape.elements()).sum();
            if case.differentiable {
                smallest = Some(smallest.unwrap_or(elements).min(elements));
            }
            if case.differentiable && elements <= most {
                let here = match device {
                    Device::Cpu => against_differences(case, seed)?,
                    gpu => against_differences(&devices::on_device(case, gpu), seed)?,
                };
                agreement.merge(here);
            }
            Ok(())
        });
        let Agreement { error, worst, elements, kinks } = agreement;
        let name = operation.name;
        gradients += elements;
        match (elements, smallest) {
            (0, None) => println!("{name:16} has no gradient"),
            (0, Some(least)) => {
                wrong.push(format!("{name}: unchecked, cases have {least} elements"))
            }
            (n, _) => {
                println!("{name:16} {error:.1e} over {n} gradients, {kinks} by a shorter step");
            }
        }
        if error >= TOLERANCE {
            wrong.push(format!("{name}: {error:.1e} ({worst})"));
        } else if kinks as f64 > KINKS * elements as f64 {
            wrong.push(format!("{name}: {kinks} of {elements} gradients took a shorter step"));
        }
    }
    assert!(gradients > 0, "no gradient was checked on {device}");
    assert!(wrong.is_empty(), "wrong gradients on {device}:\n{}", wrong.join("\n"));
}

#[test]
fn values_are_those_of_the_naive_reference() {
    let mut without = Vec::new();
    for operation in registry() {
        let (mut worst, mut compared) = (0.0, 0);
        for_every_case(operation, |case, seed| {
            let Some(reference) = &case.reference else { return Ok(()) };
            compared += 1;
            let arguments = case.draw(DType::F64, seed)?;
            let results = (case.run)(&arguments)?;
            let wanted = reference(&arguments.iter().map(Tensor::to_f64).collect::<Vec<_>>());
            assert_eq!(results.len(), wanted.len(), "{}, {}", operation.name, case.name);
            for (result, wanted) in results.iter().zip(&wanted) {
                let error = relative_error(&result.to_f64(), wanted, &arguments);
                let allowed = if result.dtype() == DType::F32 { SINGLE } else { DOUBLE };
                let name = format!("{}, {}", operation.name, case.name);
                assert!(error <= allowed, "{name}: off by {error:.1e} from the reference");
                worst = worse(worst, error);
            }
            Ok(())
        });
        match compared {
            // The rows of the table of pointwise functions hold known values, which have their test.
            0 if operation.module == "pointwise" => {}
            0 => without.push(operation.name),
            _ => println!("{:16} {worst:.1e} over {compared} cases", operation.name),
        }
    }
    assert!(without.is_empty(), "no case has a reference: {}", without.join(", "));
}

#[test]
fn float32_agrees_with_float64() {
    for operation in registry() {
        let mut worst = (0.0f64, 0.0f64);
        for_every_case(operation, |case, seed| {
            let (values, gradients) = single_against_double(case, seed)?;
            assert!(
                values < SINGLE && gradients < SINGLE,
                "{}, {}: float32 values off by {values:.1e}, gradients by {gradients:.1e}",
                operation.name,
                case.name
            );
            worst = (worse(worst.0, values), worse(worst.1, gradients));
            Ok(())
        });
        println!("{:16} values {:.1e}, gradients {:.1e}", operation.name, worst.0, worst.1);
    }
}

/// Largest relative errors of values and of gradients.
fn single_against_double(case: &Case, seed: u64) -> Result<(f64, f64)> {
    let single = case.draw(DType::F32, seed)?;
    let double = single.iter().map(widened).collect::<Result<Vec<_>>>()?;
    let (found, wanted) = ((case.run)(&single)?, (case.run)(&double)?);
    let pairs = found.iter().zip(&wanted);
    let errors = pairs.map(|(a, b)| relative_error(&a.to_f64(), &b.to_f64(), &double));
    let values = errors.fold(0.0, worse);
    if !case.differentiable {
        return Ok((values, 0.0));
    }
    let projection = Projection::new(&wanted, &double, seed);
    let differentiable: Vec<bool> = case.arguments.iter().map(|a| a.differentiable).collect();
    let found = projection.gradients(case, &single, &differentiable)?;
    let wanted = projection.gradients(case, &double, &differentiable)?;
    // Rounding is that of the terms of a sum, not of the sum: the bias of a convolution whose result
    // is normalised has large terms and a gradient of zero. So errors are held against the largest
    // gradient of any argument.
    let size = wanted.iter().flatten().map(|g| largest(&g.to_f64())).fold(0.0, worse);
    let size = size.max(projection.negligible());
    let mut gradients = 0.0f64;
    for (found, wanted) in found.iter().flatten().zip(wanted.iter().flatten()) {
        let error = difference(&found.to_f64(), &wanted.to_f64());
        gradients = worse(gradients, relative(error, size));
    }
    Ok((values, gradients))
}

/// Each differentiable argument alone gets the very gradient that it gets among the others, and
/// the tape refuses a gradient that it did not ask for.
#[test]
fn gradients_that_nobody_wants_are_not_computed() {
    for operation in registry() {
        for_every_case(operation, |case, seed| {
            if !case.differentiable {
                return Ok(());
            }
            let arguments = case.draw(DType::F32, seed)?;
            let projection = Projection::new(&(case.run)(&arguments)?, &arguments, seed);
            let wanted: Vec<bool> = case.arguments.iter().map(|a| a.differentiable).collect();
            let together = projection.gradients(case, &arguments, &wanted)?;
            for index in (0..wanted.len()).filter(|&i| wanted[i]) {
                let only: Vec<bool> = (0..wanted.len()).map(|i| i == index).collect();
                let alone = projection.gradients(case, &arguments, &only)?;
                let values =
                    |gradients: &[Option<Tensor>]| gradients[index].as_ref().map(Tensor::to_f64);
                let name = format!("{}, {}", operation.name, case.name);
                assert_eq!(values(&alone), values(&together), "{name}: argument {index} alone");
            }
            Ok(())
        });
    }
}
