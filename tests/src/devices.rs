//! The devices that a suite runs on beside the CPU.

use emulator::{Emulator, Mode};
use kernels::check::Case;
use tensor::{Device, Result, Tensor, cuda};

/// Names the one device to test: `cuda` is the machine's GPU, which must be there; `emulator` the
/// emulated one. Where it is not set, suites take both, as far as they are there.
const CHOICE: &str = "CINE_TEST_DEVICE";

fn asked_for(name: &str) -> bool {
    std::env::var_os(CHOICE).is_none_or(|choice| choice == name)
}

/// The machine's GPU, if there is one.
///
/// # Panics
/// Where `CINE_TEST_DEVICE` is `cuda` and there is none.
pub fn hardware() -> Option<Device> {
    if !asked_for("cuda") {
        return None;
    }
    match cuda::open() {
        Ok(gpu) => Some(Device::Gpu(gpu)),
        Err(absent) => {
            assert!(std::env::var_os(CHOICE).is_none(), "{CHOICE}=cuda: {absent}");
            None
        }
    }
}

/// An emulated GPU, which a machine without a compiler lacks: that is told, on behalf of `test`.
pub fn emulated(test: &str, mode: Mode) -> Option<Device> {
    let gpu = asked_for("emulator").then(|| Emulator::for_test(test, mode)).flatten();
    gpu.map(|gpu| Device::Gpu(gpu))
}

/// Both, as far as they are there.
pub fn all(test: &str) -> Vec<Device> {
    emulated(test, Mode::Fast).into_iter().chain(hardware()).collect()
}

/// The same case, computed on a device: arguments and results lie on the host, gradients come back to
/// it.
pub fn on_device(case: &Case, device: &Device) -> Case {
    let (run, there) = (case.run.clone(), device.clone());
    let moved = move |arguments: &[Tensor]| {
        let arguments = arguments.iter().map(|argument| brought(argument, &there));
        let results = run(&arguments.collect::<Result<Vec<_>>>()?)?;
        results.iter().map(|result| brought(result, &Device::Cpu)).collect()
    };
    let Case { differentiable, .. } = *case;
    let same = Case::new(case.name.clone(), case.arguments.clone(), moved);
    Case { differentiable, ..same }
}

/// A copy elsewhere, on the tape: its gradient comes back to where the tensor lies.
fn brought(tensor: &Tensor, device: &Device) -> Result<Tensor> {
    let home = tensor.device();
    let copy = tensor.copy_to(device)?;
    Ok(copy.recorded("brought", &[tensor], move |gradient, _| {
        Ok(vec![Some(gradient.copy_to(&home)?)])
    }))
}
