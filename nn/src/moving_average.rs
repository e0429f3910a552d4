//! A network that follows another: the teacher of self-distillation.

use kernels::moving_average::{Pair, Table, moving_average};
use tensor::{Buffer, DType, Number, Shape};

use crate::{Error, Module, Result, Slot};

/// How a network follows another.
#[derive(Debug, Default)]
pub struct Follower {
    /// Where everything lies on a GPU.
    table: Table,
}

impl Follower {
    /// Moves every parameter of `average` towards that of `module`, a network of the same make:
    /// `average = momentum average + (1 - momentum) value`, in one launch on a GPU. Buffers stay as
    /// they are. A momentum of 0 copies.
    ///
    /// # Errors
    /// When the networks differ.
    pub fn follow(
        &mut self,
        average: &mut dyn Module,
        module: &mut dyn Module,
        momentum: impl Into<Number>,
    ) -> Result<()> {
        let mut values = Vec::new();
        module.visit("", &mut |_, slot| {
            if let Slot::Parameter(parameter) = slot {
                values.push(parameter.tensor().clone());
            }
        });
        let mut taken: Vec<(Shape, DType, Buffer)> = Vec::new();
        average.visit("", &mut |_, slot| {
            if let Slot::Parameter(parameter) = slot {
                let (shape, dtype) = (parameter.tensor().shape(), parameter.tensor().dtype());
                taken.push((shape, dtype, parameter.take()));
            }
        });
        let alike = taken.len() == values.len()
            && taken.iter().zip(&values).all(|((shape, dtype, _), value)| {
                (*shape, *dtype) == (value.shape(), value.dtype())
            });
        let outcome = if alike {
            let pairs = taken.iter_mut().zip(&values);
            let pairs = pairs.map(|((.., average), value)| Pair { average, value });
            moving_average(pairs.collect(), &momentum.into(), &mut self.table)
        } else {
            Err(tensor::Error::shape("moving_average", "two networks of different parameters"))
        };
        let mut taken = taken.into_iter();
        average.visit("", &mut |_, slot| {
            let Slot::Parameter(parameter) = slot else { return };
            if let Some((shape, dtype, memory)) = taken.next() {
                parameter.give_back(memory, shape, dtype);
            }
        });
        outcome.map_err(Error::Tensor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Encoder, Init};

    fn parameters(module: &mut dyn Module) -> Vec<f64> {
        let mut all = Vec::new();
        module.visit("", &mut |_, slot| {
            if let Slot::Parameter(parameter) = slot {
                all.extend(parameter.tensor().to_f64());
            }
        });
        all
    }

    #[test]
    fn a_teacher_moves_towards_its_student() {
        let net = |seed| Encoder::new(&mut Init::new(seed, 0, DType::F64), 1, &[3, 4]).unwrap();
        let (mut teacher, mut student) = (net(1), net(2));
        let (before, goal) = (parameters(&mut teacher), parameters(&mut student));
        let mut follower = Follower::default();
        follower.follow(&mut teacher, &mut student, 0.75).unwrap();
        for ((found, before), goal) in parameters(&mut teacher).iter().zip(before).zip(&goal) {
            assert!((found - (0.75 * before + 0.25 * goal)).abs() < 1e-15);
        }
        follower.follow(&mut teacher, &mut student, 0.0).unwrap();
        assert_eq!(parameters(&mut teacher), goal);
        let mut other = Encoder::new(&mut Init::new(1, 0, DType::F64), 1, &[3, 5]).unwrap();
        assert!(follower.follow(&mut other, &mut student, 0.5).is_err());
    }
}
