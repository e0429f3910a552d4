//! The device of a run.

use kernels::dice_ce::{DiceCe, dice_ce};
use nn::{Init, Mode, Module, UNet};
use tensor::random::{Purpose, Stream};
use tensor::{DType, Device, Tensor, cuda};

use crate::{Error, Result};
use nn::Precision;

/// The device that a user asks for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Choice {
    /// A GPU whose results agree with the CPU in a short trial, else the CPU.
    #[default]
    Auto,
    /// The CPU.
    Cpu,
    /// An NVIDIA GPU.
    Cuda,
}

impl Choice {
    /// Opens the device. Messages for the user go to `note`.
    ///
    /// # Errors
    /// When there is no such device; the message says what was looked for.
    pub fn open(self, note: &dyn Fn(&str)) -> Result<Device> {
        let found = match self {
            Choice::Cpu => return Ok(Device::Cpu),
            Choice::Auto | Choice::Cuda => cuda::open().map(|gpu| Device::Gpu(gpu)),
        };
        let device = match (found, self) {
            (Ok(device), _) => device,
            (Err(absent), Choice::Cuda) => {
                return Err(Error::Setting(format!(
                    "--device cuda: {absent}; leave --device out to compute without"
                )));
            }
            (Err(absent), _) => {
                note(&format!("computing on the CPU: {}", absent.summary()));
                return Ok(Device::Cpu);
            }
        };
        if self == Choice::Auto
            && let Err(why) = trial(&device)
        {
            note(&format!(
                "computing on the CPU: {device} is there, but {why}; --device cuda takes it all the \
                 same"
            ));
            return Ok(Device::Cpu);
        }
        note(&format!("computing on {device}"));
        Ok(device)
    }
}

/// The arithmetic of a training: what features are kept in, the device, and on the CPU the instructions.
pub fn arithmetic(device: &Device, mixed_precision: bool) -> String {
    let mixed = Precision::mixed(mixed_precision).is_mixed_on(device);
    let features = if mixed { "bf16" } else { "float32" };
    match device {
        Device::Cpu => format!("{features} on the CPU ({})", kernels::simd::level().name()),
        Device::Gpu(_) => format!("{features} on {device}"),
    }
}

/// Runs a small network on a device, forward and backward, in both precisions, and compares losses and
/// gradients with those of the CPU.
///
/// # Errors
/// When they differ, or the device fails; the message says how.
pub fn trial(device: &Device) -> std::result::Result<(), String> {
    /// For float32 and bf16, the largest relative error in the L2 norm. In float32 only the order of
    /// sums differs; in bf16 every intermediate value is rounded, and sums of these cancel in the
    /// gradient of the first weights. A wrong result has an error of about 1.
    const AGREEMENT: [(bool, f64); 2] = [(false, 1e-3), (true, 0.2)];
    let failed = |error: Error| format!("a trial of it failed: {error}");
    let wanted = loss_and_gradients(&Device::Cpu, false).map_err(failed)?;
    for (mixed, tolerance) in AGREEMENT {
        let found = loss_and_gradients(device, mixed).map_err(failed)?;
        for (found, wanted) in found.iter().zip(&wanted) {
            let length =
                |values: &mut dyn Iterator<Item = f64>| values.map(|v| v * v).sum::<f64>().sqrt();
            let apart = length(&mut found.iter().zip(wanted).map(|(a, b)| a - b));
            let off = apart / length(&mut wanted.iter().copied());
            if off.is_nan() || off > tolerance {
                let precision = if mixed { "bf16" } else { "float32" };
                return Err(format!("its results in {precision} are off by {:.1} %", 100.0 * off));
            }
        }
    }
    Ok(())
}

/// The loss of a small network on noise, and the gradients of its first and last convolutions.
fn loss_and_gradients(device: &Device, mixed: bool) -> Result<Vec<Vec<f64>>> {
    /// As many as the study segments: background, left ventricle, myocardium, right ventricle.
    const CLASSES: usize = 4;
    let mut network = UNet::new(&mut Init::new(1, 0, DType::F32), &[16, 32], CLASSES, 1)?;
    let mut stream = Stream::new(1, Purpose::CHECK, 0, 0);
    let shape = [2, 24, 32];
    let images = Tensor::build::<f32>([2, 24, 32, 1], |out| {
        out.iter_mut().for_each(|out| *out = stream.normal() as f32);
    });
    let labels = Tensor::build::<u8>(shape, |out| {
        out.iter_mut().for_each(|out| *out = stream.below(CLASSES) as u8);
    });
    network.move_to(device)?;
    let images = Precision::mixed(mixed).images(&images.to_device(device)?)?;
    let outputs = network.forward(&images, Mode::Train)?;
    let outputs: Vec<&Tensor> = outputs.iter().collect();
    let loss = dice_ce(&outputs, &labels.to_device(device)?, &DiceCe::default())?.total;
    let mut found = vec![vec![loss.item()?]];
    let gradients = loss.backward()?;
    let is_convolution = |name: &str| name.ends_with("weight") && name.contains("conv");
    let mut weights = network.named_parameters();
    weights.retain(|(name, _)| is_convolution(name));
    for (_, weight) in [weights.first(), weights.last()].into_iter().flatten() {
        let gradient = gradients.get(weight.tensor());
        let gradient = gradient.ok_or_else(|| Error::Data("a weight without gradient".into()))?;
        found.push(gradient.to_device(&Device::Cpu)?.to_f64());
    }
    Ok(found)
}
