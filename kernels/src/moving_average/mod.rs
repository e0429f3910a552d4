//! Exponential moving average of weights: how a teacher follows its student.
//!
//! Tarvainen, Valpola, *Mean teachers are better role models* (NeurIPS 2017).

pub mod check;
mod cpu;
pub(crate) mod cuda;

use tensor::{Buffer, Error, Result, ScalarArg, Tensor, with_device};

pub use crate::gpu::table::Table;

/// One parameter: its average, and the new value; of one dtype, on one
/// device.
pub struct Pair<'a> {
    /// The average, updated in place.
    pub average: &'a mut Buffer,
    /// The new value.
    pub value: &'a Tensor,
}

/// Updates the averages of a whole network:
///
/// ```text
/// average = momentum · average + (1 - momentum) · value
/// ```
///
/// with each product rounded, as in PyTorch's `k.mul_(m).add_((1 - m) * q)`. Not recorded on
/// the tape. On the CPU one pass over memory, on all cores; on a GPU one launch, which reads the
/// addresses of the tensors from `table`. Pass the same `table` to every update.
///
/// # Errors
/// When a pair's average and value differ in length, dtypes differ, they are on different
/// devices, or the momentum is not from 0 to 1; nothing is updated then.
pub fn moving_average(pairs: Vec<Pair>, momentum: &ScalarArg, table: &mut Table) -> Result<()> {
    if !(0.0..=1.0).contains(&momentum.value()) {
        let what = format!("a momentum of {momentum:?} is not from 0 to 1");
        return Err(Error::value("moving_average", what));
    }
    let Some(first) = pairs.first().map(|pair| pair.value.clone()) else { return Ok(()) };
    for (index, pair) in pairs.iter().enumerate() {
        let value = pair.value.shape().elements();
        let average = pair.average.bytes() / first.dtype().bytes();
        if average != value {
            let what = format!("parameter {index} has {value} values and an average of {average}");
            return Err(Error::shape("moving_average", what));
        }
        let devices = [pair.value.device(), pair.average.device()];
        let elsewhere = devices.iter().any(|device| *device != first.device());
        if elsewhere || pair.value.dtype() != first.dtype() {
            let what = format!("parameter {index} is not of one dtype and device with the others");
            return Err(Error::value("moving_average", what));
        }
    }
    with_device!("moving_average", first,
        _gpu => cuda::update(&pairs, momentum, table),
        T => {
            cpu::update::<T>(pairs, momentum.value());
            Ok(())
        }
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_fit_is_refused_and_nothing_moves() {
        let mut average = averages([1.0, 2.0]);
        let refusal = |average: &mut Buffer, length: usize, momentum: f64| {
            let value = &Tensor::zeros::<f32>([length]);
            let pairs = vec![Pair { average, value }];
            moving_average(pairs, &momentum.into(), &mut Table::default()).unwrap_err().to_string()
        };
        assert_eq!(
            refusal(&mut average, 3, 0.5),
            "moving_average: parameter 0 has 3 values and an average of 2"
        );
        for momentum in [-0.1, 1.1, f64::NAN] {
            assert!(refusal(&mut average, 2, momentum).contains("is not from 0 to 1"));
        }
        assert_eq!(average.as_slice::<f32>(), [1.0, 2.0]);
    }

    #[test]
    fn a_momentum_of_one_keeps_every_bit() {
        let mut average = averages([0.1, -3.7e-20]);
        let value = &Tensor::from_slice(&[5.0f32, 7.0], [2]).unwrap();
        let pairs = vec![Pair { average: &mut average, value }];
        moving_average(pairs, &1.0.into(), &mut Table::default()).unwrap();
        assert_eq!(average.as_slice::<f32>(), [0.1, -3.7e-20]);
    }

    fn averages(values: [f32; 2]) -> Buffer {
        Tensor::from_slice(&values, [2]).unwrap().into_buffer::<f32>()
    }
}
