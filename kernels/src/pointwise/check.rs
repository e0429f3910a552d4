//! Cases of every function in the table.

use tensor::random::Stream;
use tensor::{Result, Shape, Tensor};

use super::{Pointwise, apply};
use crate::check::{Argument, Case};

/// Shapes without elements to spare: a scalar, one element, a prime number of them, odd extents.
fn shapes() -> [Shape; 6] {
    [[31].into(), Shape::SCALAR, [3, 7].into(), [2, 3, 5].into(), [1, 1, 1, 1].into(), [101].into()]
}

/// Every distribution of the inputs and every value of the parameters on one of the shapes, and
/// one tensor as every input.
pub fn awkward<F: Pointwise<N>, const N: usize>() -> Vec<Case> {
    let shapes = shapes();
    let settings = shapes.iter().enumerate();
    let mut cases: Vec<Case> = settings.map(|(index, &shape)| case::<F, N>(shape, index)).collect();
    if N > 1 {
        let x = Argument::of(shapes[2], F::DOMAIN[N - 1][0], true);
        cases.push(Case::new("one tensor as every input", vec![x], |x| {
            Ok(vec![apply(F::setting(0), [&x[0]; N])?])
        }));
    }
    cases
}

/// Any distribution and parameters on any small shape.
pub fn random<F: Pointwise<N>, const N: usize>(stream: &mut Stream) -> Case {
    let shape = [1 + stream.below(3), 1 + stream.below(4), 1 + stream.below(6)];
    case::<F, N>(shape.into(), stream.below(12))
}

fn case<F: Pointwise<N>, const N: usize>(shape: Shape, index: usize) -> Case {
    let function = F::setting(index);
    let values = F::DOMAIN.map(|values| values[index % values.len()]);
    let name = format!("{shape}, inputs {values:?}, parameters {:?}", function.parameters());
    let arguments = values.map(|values| Argument::of(shape, values, true));
    Case::new(name, arguments.to_vec(), move |inputs| Ok(vec![run(function, inputs)?]))
}

/// The function of `inputs`, of which there are `N`.
pub(super) fn run<F: Pointwise<N>, const N: usize>(
    function: F,
    inputs: &[Tensor],
) -> Result<Tensor> {
    apply(function, std::array::from_fn(|i| &inputs[i]))
}
