//! Every operation on the shapes of a network. Bytes are counted per case, by formula: each tensor
//! that the operation reads and writes once, and twice where the operation cannot know what to do
//! with a value before it has seen all of them.

mod algebra;
mod convolution;
mod head;
mod loss;
mod pointwise;
mod prepare;
mod rest;
mod update;

use kernels::registry;

use super::case::{Case, Dtypes};
use super::shapes::Network;

/// Every case of a network, operation by operation. Operations without mixed-precision kernels
/// run in the dtype of the parameters, as in the network.
pub(super) fn all(network: &Network, dtypes: Dtypes) -> Vec<Case> {
    let narrow = built(network, dtypes);
    if dtypes.features == dtypes.parameters {
        return narrow;
    }
    let wide = built(network, Dtypes::of(dtypes.parameters));
    let mixed = |case: &Case| registry().iter().any(|o| o.name == case.operation && o.mixed);
    let each = narrow.into_iter().zip(wide);
    each.map(|(narrow, wide)| if mixed(&narrow) { narrow } else { wide }).collect()
}

fn built(network: &Network, dtypes: Dtypes) -> Vec<Case> {
    let mut cases = convolution::cases(network, dtypes);
    cases.extend(rest::cases(network, dtypes));
    cases.extend(pointwise::cases(network, dtypes));
    cases.extend(algebra::cases(network, dtypes));
    cases.extend(head::cases(network, dtypes));
    cases.extend(loss::cases(network, dtypes));
    cases.extend(update::cases(network, dtypes));
    cases.extend(prepare::cases(network, dtypes));
    cases
}

/// Extents as text: `32 x 256 x 256 x 4`.
pub(super) fn extents(extents: &[usize]) -> String {
    extents.iter().map(usize::to_string).collect::<Vec<_>>().join(" x ")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use tensor::DType;

    use super::*;

    #[test]
    fn every_operation_of_the_registry_is_timed() {
        let network = Network::new(32, 2, vec![4, 6]).unwrap();
        let dtypes = Dtypes::of(DType::BF16);
        let timed: BTreeSet<&str> = all(&network, dtypes).iter().map(|c| c.operation).collect();
        let known: BTreeSet<&str> = registry().iter().map(|o| o.name).collect();
        assert_eq!(timed, known, "timed (left) and registered operations (right)");
    }
}
