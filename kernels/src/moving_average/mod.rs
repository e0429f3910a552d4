//! Exponential moving average of weights: how a teacher follows its student.
//!
//! Tarvainen, Valpola, *Mean teachers are better role models* (NeurIPS 2017).

pub mod check;
mod cpu;

use tensor::{Error, Float, Result};

/// One parameter: its average, and the value that the average is drawn to.
#[derive(Debug)]
pub struct Pair<'a, T> {
    /// The average, updated in place.
    pub average: &'a mut [T],
    /// The new value.
    pub value: &'a [T],
}

/// Updates the averages of a whole network:
///
/// ```text
/// average = momentum · average + (1 - momentum) · value
/// ```
///
/// with each product rounded, as PyTorch's `k.mul_(m).add_((1 - m) * q)` has it. It is no
/// operation of the tape. One pass over memory, on all cores.
///
/// # Errors
/// When a pair's average and value are not equally long, or the momentum is not from 0 to 1;
/// nothing is updated then.
pub fn moving_average<T: Float>(pairs: Vec<Pair<T>>, momentum: f64) -> Result<()> {
    if !(0.0..=1.0).contains(&momentum) {
        let what = format!("a momentum of {momentum} is not from 0 to 1");
        return Err(Error::value("moving_average", what));
    }
    for (index, pair) in pairs.iter().enumerate() {
        let (average, value) = (pair.average.len(), pair.value.len());
        if average != value {
            let what = format!("parameter {index} has {value} values and an average of {average}");
            return Err(Error::shape("moving_average", what));
        }
    }
    cpu::update(pairs, momentum);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_fit_is_refused_and_nothing_moves() {
        let mut average = [1.0f32, 2.0];
        let refusal = |average: &mut [f32], value: &[f32], momentum| {
            moving_average(vec![Pair { average, value }], momentum).unwrap_err().to_string()
        };
        assert_eq!(
            refusal(&mut average, &[0.0; 3], 0.5),
            "moving_average: parameter 0 has 3 values and an average of 2"
        );
        for momentum in [-0.1, 1.1, f64::NAN] {
            assert!(refusal(&mut average, &[0.0; 2], momentum).contains("is not from 0 to 1"));
        }
        assert_eq!(average, [1.0, 2.0]);
    }

    #[test]
    fn a_momentum_of_one_keeps_every_bit() {
        let mut average = [0.1f32, -3.7e-20];
        moving_average(vec![Pair { average: &mut average, value: &[5.0, 7.0] }], 1.0).unwrap();
        assert_eq!(average, [0.1, -3.7e-20]);
    }
}
