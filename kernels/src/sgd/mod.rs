//! Stochastic gradient descent with momentum: the update of all parameters in one call.
//!
//! Sutskever, Martens, Dahl, Hinton, *On the importance of initialization and momentum in deep
//! learning* (ICML 2013), in the form of PyTorch's `SGD` with dampening 0.

pub mod check;
mod cpu;

use tensor::{Error, Float, Result};

/// Settings of an update, the same for all parameters.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sgd {
    /// Step size.
    pub learning_rate: f64,
    /// Share of the momentum that each step keeps.
    pub momentum: f64,
    /// Whether the step looks ahead along the momentum (Nesterov).
    pub nesterov: bool,
}

/// One parameter: its values, what is remembered of it, its gradient.
#[derive(Debug)]
pub struct Slot<'a, T> {
    /// Values, updated in place.
    pub value: &'a mut [T],
    /// Momentum, updated in place. It starts as zeros: the first step then leaves the gradient
    /// there, as PyTorch's first step does.
    pub momentum: &'a mut [T],
    /// Gradient of the loss.
    pub gradient: &'a [T],
    /// How strongly values are drawn to zero.
    pub weight_decay: f64,
}

/// Updates every parameter:
///
/// ```text
/// g = gradient + weight_decay · value
/// m = momentum · m + g
/// value = value - learning_rate · (g + momentum · m   if nesterov, else   m)
/// ```
///
/// It is no operation of the tape. One pass over memory, on all cores.
///
/// # Errors
/// When a slot's value, momentum and gradient are not equally long; nothing is updated then.
pub fn sgd<T: Float>(slots: Vec<Slot<T>>, settings: &Sgd) -> Result<()> {
    for (index, slot) in slots.iter().enumerate() {
        let [value, momentum, gradient] =
            [slot.value.len(), slot.momentum.len(), slot.gradient.len()];
        if momentum != value || gradient != value {
            let what = format!(
                "parameter {index} has {value} values, {momentum} of momentum and {gradient} of \
                 gradient"
            );
            return Err(Error::shape("sgd", what));
        }
    }
    cpu::update(slots, settings);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slot_whose_parts_differ_in_length_is_refused() {
        let slot = Slot {
            value: &mut [1.0f32, 2.0],
            momentum: &mut [0.0; 2],
            gradient: &[0.0; 3],
            weight_decay: 0.0,
        };
        let settings = Sgd { learning_rate: 0.1, momentum: 0.9, nesterov: true };
        let error = sgd(vec![slot], &settings).unwrap_err().to_string();
        assert_eq!(error, "sgd: parameter 0 has 2 values, 2 of momentum and 3 of gradient");
    }
}
