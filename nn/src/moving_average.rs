//! A network whose weights are a moving average of another's: the teacher of self-distillation.

use kernels::moving_average::{Pair, Table, moving_average};
use tensor::{Error, Result, ScalarArg};

use crate::Module;

/// Updates the moving average of a network's weights.
#[derive(Debug, Default)]
pub struct MovingAverage {
    /// Addresses for the one kernel launch that updates everything; empty on the CPU.
    table: Table,
}

impl MovingAverage {
    /// Moves every parameter of `average` towards that of `module`, a network of the same shapes:
    /// `average = momentum average + (1 - momentum) value`, in place, and in one launch on a GPU.
    /// Buffers stay as they are. A momentum of 0 copies.
    ///
    /// # Errors
    /// When the parameters of the networks differ in number, shape or dtype; nothing is updated then.
    pub fn update(
        &mut self,
        average: &mut dyn Module,
        module: &dyn Module,
        momentum: impl Into<ScalarArg>,
    ) -> Result<()> {
        let kinds = |module: &dyn Module| -> Vec<_> {
            let tensors = module.parameters().into_iter().map(|parameter| parameter.tensor());
            tensors.map(|tensor| (tensor.shape(), tensor.dtype())).collect()
        };
        if kinds(average) != kinds(module) {
            return Err(Error::shape("moving_average", "two networks of different parameters"));
        }
        let averages = average.named_parameters_mut();
        let mut pairs = Vec::with_capacity(averages.len());
        for ((_, average), value) in averages.into_iter().zip(module.parameters()) {
            pairs.push(Pair { average: average.memory_mut()?, value: value.tensor() });
        }
        moving_average(pairs, &momentum.into(), &mut self.table)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Encoder, Init};
    use tensor::DType;

    fn values(module: &dyn Module) -> Vec<f64> {
        module.parameters().iter().flat_map(|parameter| parameter.tensor().to_f64()).collect()
    }

    #[test]
    fn a_teacher_moves_towards_its_student() {
        let net = |seed| Encoder::new(&mut Init::new(seed, 0, DType::F64), 1, &[3, 4]).unwrap();
        let (mut teacher, student) = (net(1), net(2));
        let (before, goal) = (values(&teacher), values(&student));
        let mut average = MovingAverage::default();
        average.update(&mut teacher, &student, 0.75).unwrap();
        for ((found, before), goal) in values(&teacher).iter().zip(before).zip(&goal) {
            assert!((found - (0.75 * before + 0.25 * goal)).abs() < 1e-15);
        }
        average.update(&mut teacher, &student, 0.0).unwrap();
        assert_eq!(values(&teacher), goal);
        let mut other = Encoder::new(&mut Init::new(1, 0, DType::F64), 1, &[3, 5]).unwrap();
        assert!(average.update(&mut other, &student, 0.5).is_err());
    }
}
