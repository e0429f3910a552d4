//! Stochastic gradient descent with momentum: the update of all parameters in one call.
//!
//! Sutskever, Martens, Dahl, Hinton, *On the importance of initialization and momentum in deep
//! learning* (ICML 2013), in the form of PyTorch's `SGD` with dampening 0.

pub mod check;
mod cpu;
pub(crate) mod cuda;

use tensor::{Buffer, Error, Result, ScalarArg, Tensor, with_device};

pub use crate::gpu::table::Table;

/// Settings of an update, the same for all parameters.
#[derive(Clone, Debug, PartialEq)]
pub struct Sgd {
    /// Step size.
    pub learning_rate: ScalarArg,
    /// Weight decay: coefficient of the L2 penalty's gradient.
    pub weight_decay: ScalarArg,
    /// Momentum coefficient.
    pub momentum: f64,
    /// Whether to use Nesterov momentum.
    pub nesterov: bool,
}

/// One parameter: value, momentum and gradient, of one dtype and on one device.
pub struct Slot<'a> {
    /// Values, updated in place.
    pub value: &'a mut Buffer,
    /// Momentum, updated in place. It starts as zeros: the first step then leaves the gradient
    /// there, as PyTorch's first step does.
    pub momentum: &'a mut Buffer,
    /// Gradient of the loss.
    pub gradient: &'a Tensor,
    /// Whether weight decay applies.
    pub decays: bool,
}

/// Updates every parameter:
///
/// ```text
/// g = gradient + weight_decay · value   if it decays, else   gradient
/// m = momentum · m + g
/// value = value - learning_rate · (g + momentum · m   if nesterov, else   m)
/// ```
///
/// Not recorded on the tape. On the CPU one pass over memory, on all cores; on a GPU one launch,
/// which reads the addresses of the tensors from `table`. Pass the same `table` to every update.
///
/// # Errors
/// When a slot's value, momentum and gradient differ in length, dtypes differ, or they are on
/// different devices; nothing is updated then.
pub fn sgd(slots: Vec<Slot>, settings: &Sgd, table: &mut Table) -> Result<()> {
    let Some(first) = slots.first().map(|slot| slot.gradient.clone()) else { return Ok(()) };
    let element = first.dtype().bytes();
    for (index, slot) in slots.iter().enumerate() {
        let [value, momentum] = [&*slot.value, slot.momentum].map(|b| b.bytes() / element);
        let gradient = slot.gradient.shape().elements();
        if momentum != value || gradient != value {
            let what = format!(
                "parameter {index} has {value} values, {momentum} of momentum and {gradient} of \
                 gradient"
            );
            return Err(Error::shape("sgd", what));
        }
        let devices = [slot.value.device(), slot.momentum.device(), slot.gradient.device()];
        let elsewhere = devices.iter().any(|device| *device != first.device());
        if elsewhere || slot.gradient.dtype() != first.dtype() {
            let what = format!("parameter {index} is not of one dtype and device with the others");
            return Err(Error::value("sgd", what));
        }
    }
    with_device!("sgd", first,
        _gpu => cuda::update(&slots, settings, table),
        T => {
            cpu::update::<T>(slots, settings);
            Ok(())
        }
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slot_whose_parts_differ_in_length_is_refused() {
        let (mut value, mut momentum) = (Buffer::zeroed::<f32>(2), Buffer::zeroed::<f32>(2));
        let gradient = &Tensor::zeros::<f32>([3]);
        let slot = Slot { value: &mut value, momentum: &mut momentum, gradient, decays: true };
        let settings = Sgd {
            learning_rate: 0.1.into(),
            weight_decay: 0.0.into(),
            momentum: 0.9,
            nesterov: true,
        };
        let error = sgd(vec![slot], &settings, &mut Table::default()).unwrap_err().to_string();
        assert_eq!(error, "sgd: parameter 0 has 2 values, 2 of momentum and 3 of gradient");
    }
}
