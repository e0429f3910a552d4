//! Adds two operations to the engine from outside: one that works element by element, as a row of a
//! table, and one with code of its own for the CPU and for GPUs. Both are checked against finite
//! differences, on the CPU and on a GPU, which is emulated where there is none.
//!
//! ```text
//! cargo run --release --example custom_operation
//! ```

use std::error::Error;

use emulator::{Emulator, Mode};
use kernels::check::{Argument, Case, TOLERANCE, against_differences, normal};
use tensor::gpu::{In, Launch, Out, Program, Real, Source};
use tensor::{DType, Device, Float, Gpu, Result, Shape, Tensor, cuda, with_device};

kernels::pointwise! {
    /// `log(1 + exp(x))`, a smooth ReLU. A row has value and derivative in Rust and in CUDA; the loops,
    /// the kernels, the place on the tape and the cases for checks follow from it.
    softplus(x: [normal(0.0, 2.0)]) {
        value: (T::ONE + x.exp()).ln() => "log(1 + exp(x))",
        by x: T::ONE / (T::ONE + (-x).exp()) => "1 / (1 + exp(-x))",
        known: [[0.0, std::f64::consts::LN_2]],
        peer: "F.softplus(x)",
    }
}

/// Cumulative sums along the last axis: element `k` of a row of the result is the sum of the elements
/// up to and including `k` of that row of `x`.
///
/// Each element of `x` adds to all results from its own place on. So its gradient is the cumulative
/// sum of the results' gradients from the end.
///
/// # Errors
/// When the dtype is not f32 or f64, or a device fails.
fn cumulative_sum(x: &Tensor) -> Result<Tensor> {
    let sums = scan(x, Direction::Forward)?;
    Ok(sums.recorded("cumulative_sum", &[x], |gradient, _| {
        // One gradient for each parent, of which there is one.
        Ok(vec![Some(scan(&gradient, Direction::Backward)?)])
    }))
}

#[derive(Clone, Copy, PartialEq)]
enum Direction {
    Forward,
    Backward,
}

/// Off the tape, on the device of `x`: the macro gives the GPU, or the Rust type of the elements.
fn scan(x: &Tensor, direction: Direction) -> Result<Tensor> {
    with_device!("cumulative_sum", x,
        gpu => scan_on_gpu(gpu, x, direction),
        T => Ok(scan_on_cpu::<T>(x, direction))
    )
}

fn scan_on_cpu<T: Float>(x: &Tensor, direction: Direction) -> Tensor {
    let width = x.shape().last().max(1);
    Tensor::build::<T>(x.shape(), |out| {
        out.copy_from_slice(x.data());
        for row in out.chunks_mut(width) {
            let mut sum = T::ZERO;
            let add = |value: &mut T| {
                sum += *value;
                *value = sum;
            };
            match direction {
                Direction::Forward => row.iter_mut().for_each(add),
                Direction::Backward => row.iter_mut().rev().for_each(add),
            }
        }
    })
}

/// A kernel is compiled for the dtype of the tensors, `Real`, when it is first launched.
const SOURCES: &[Source] = &[Source {
    path: "examples/custom_operation.rs",
    text: r#"
struct CumulativeSum {
    const Real* x;   // [rows, width]
    Real* y;         // [rows, width]
    long long rows, width;
    long long backward;   // whether to begin at the end
};

// A thread for each row.
extern "C" __global__ void cumulative_sum(__grid_constant__ const CumulativeSum a) {
    long long row = thread_index();
    if (row >= a.rows) return;
    Acc sum = 0;
    for (long long k = 0; k < a.width; k++) {
        long long i = row * a.width + (a.backward ? a.width - 1 - k : k);
        sum += to_acc(a.x[i]);
        a.y[i] = to_real(sum);
    }
}
"#,
}];

// The same struct in Rust. A program compiles only if the fields of both are the same.
tensor::kernels! {
    const KERNELS;

    cumulative_sum => struct CumulativeSum<'a> {
        x: In<'a, Real>,
        y: Out<'a, Real>,
        rows: usize,
        width: usize,
        backward: i64,
    }
}

fn scan_on_gpu(gpu: &dyn Gpu, x: &Tensor, direction: Direction) -> Result<Tensor> {
    let width = x.shape().last().max(1);
    let rows = x.shape().elements() / width;
    let program = Program::new(SOURCES, x.dtype()).with_kernels(KERNELS);
    let mut y = Tensor::uninitialised(&x.device(), x.dtype(), x.shape())?;
    let args = CumulativeSum {
        x: program.input(x)?,
        y: program.output(&mut y)?,
        rows,
        width,
        backward: (direction == Direction::Backward).into(),
    };
    // SAFETY: both have `rows` times `width` elements, and each thread writes a row of its own.
    unsafe { gpu.launch(&program, "cumulative_sum", Launch::over(rows), &args)? };
    Ok(y)
}

/// Cases on which to check it: what is particular about each, its arguments, and how it is run.
fn cases() -> Vec<Case> {
    let shapes = [Shape::SCALAR, [1].into(), [7].into(), [3, 4].into(), [2, 3, 5].into()];
    let case = |shape: Shape| {
        let name = format!("cumulative sums of {shape}");
        Case::new(name, vec![Argument::normal(shape)], |x| Ok(vec![cumulative_sum(&x[0])?]))
    };
    shapes.map(case).into()
}

/// The largest error of gradients, relative to the largest gradient of a case.
fn worst_gradient(cases: &[Case]) -> Result<f64> {
    let mut worst = 0.0;
    for (seed, case) in cases.iter().enumerate() {
        let agreement = against_differences(case, seed as u64)?;
        assert!(agreement.error < TOLERANCE, "wrong gradient: {}", agreement.worst);
        worst = agreement.error.max(worst);
    }
    Ok(worst)
}

/// The largest difference between values and gradients on two devices.
fn worst_difference(case: &Case, device: &Device) -> Result<f64> {
    let mut found = Vec::new();
    for device in [&Device::Cpu, device] {
        let x = case.draw(DType::F64, 0)?[0].copy_to(device)?.parameter();
        let y = (case.run)(std::slice::from_ref(&x))?.remove(0);
        found.push(y.copy_to(&Device::Cpu)?.to_f64());
        // The gradient of the inner product of the result with itself.
        let cotangent = y.copy_to(device)?;
        let gradients = y.backward_from(cotangent)?;
        let gradient = gradients.get(&x).expect("the result depends on x");
        found.push(gradient.copy_to(&Device::Cpu)?.to_f64());
    }
    let (cpu, gpu) = (found[..2].concat(), found[2..].concat());
    Ok(cpu.iter().zip(gpu).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max))
}

/// A GPU of this machine, or an emulated one, which takes a C++ compiler.
fn gpu() -> std::result::Result<Device, String> {
    match cuda::open() {
        Ok(gpu) => Ok(Device::Gpu(gpu)),
        Err(absent) => match Emulator::new(Mode::Check) {
            Ok(gpu) => Ok(Device::Gpu(gpu)),
            Err(error) => Err(format!("{absent}; {error}")),
        },
    }
}

fn main() -> std::result::Result<(), Box<dyn Error>> {
    let x = Tensor::from_slice(&[1.0f32, 2.0, 3.0, 4.0, 5.0, 6.0], [2, 3])?;
    println!("cumulative sums of {:?}: {:?}", x.to_f64(), cumulative_sum(&x)?.to_f64());
    println!("softplus: {:.3?}", softplus(&x)?.to_f64());

    println!("cumulative_sum: gradients are off by {:.1e} at most", worst_gradient(&cases())?);
    for function in FUNCTIONS {
        let cases = (function.operation.awkward)();
        let name = function.operation.name;
        println!("{name}: gradients are off by {:.1e} at most", worst_gradient(&cases)?);
    }

    match gpu() {
        Err(reason) => println!("not checked on a GPU: {reason}"),
        Ok(device) => {
            let softplus = FUNCTIONS.iter().flat_map(|function| (function.operation.awkward)());
            for case in cases().into_iter().chain(softplus) {
                let worst = worst_difference(&case, &device)?;
                assert!(worst < 1e-9, "{}: {device} differs from the CPU by {worst}", case.name);
            }
            println!("agrees with the CPU: {device}");
        }
    }
    Ok(())
}

#[test]
fn gradients_agree_with_differences_and_devices_with_each_other() {
    main().unwrap();
}
