//! Subjects that share images, found by the content of their slices.

use std::collections::{BTreeMap, HashMap};

/// Two subjects with equal slices.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shared {
    /// Their ids.
    pub ids: [String; 2],
    /// Number of slices that both have.
    pub equal: usize,
    /// Number of slices of the one with fewer.
    pub of: usize,
}

impl Shared {
    /// Whether one is a copy of the other, or of a part of it: at least half of the slices of the one
    /// with fewer are equal.
    pub fn is_copy(&self) -> bool {
        2 * self.equal >= self.of
    }

    /// A warning about the first of the two.
    pub fn as_warning(&self) -> String {
        let Shared { ids: [_, other], equal, of } = self;
        format!("has the same images as subject {other} ({equal} of {of} slices are equal)")
    }
}

/// A subject by its id and the [digests of its slices](crate::cache::CachedSubject::slice_digests).
pub type Slices<'a> = (&'a str, &'a [u64]);

/// Pairs of a subject of `ours` and one of `theirs` that share slices, in the order of `theirs`.
pub fn shared_between(ours: &[Slices], theirs: &[Slices]) -> Vec<Shared> {
    let mut holders: HashMap<u64, Vec<usize>> = HashMap::new();
    for (index, (_, slices)) in ours.iter().enumerate() {
        slices.iter().for_each(|slice| holders.entry(*slice).or_default().push(index));
    }
    let pairs = theirs.iter().flat_map(|them| {
        let mut equal = BTreeMap::new();
        let found = them.1.iter().filter_map(|slice| holders.get(slice)).flatten();
        found.for_each(|&index| *equal.entry(index).or_insert(0) += 1);
        equal.into_iter().map(|(index, equal)| {
            let (id, slices) = ours[index];
            let of = slices.len().min(them.1.len());
            Shared { ids: [id.to_owned(), them.0.to_owned()], equal, of }
        })
    });
    pairs.collect()
}

/// Pairs of subjects that share slices, each pair once.
pub fn shared_within(subjects: &[Slices]) -> Vec<Shared> {
    let order: HashMap<&str, usize> =
        subjects.iter().enumerate().map(|(index, (id, _))| (*id, index)).collect();
    let mut pairs = shared_between(subjects, subjects);
    pairs.retain(|pair| order[pair.ids[0].as_str()] < order[pair.ids[1].as_str()]);
    pairs
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_are_found_by_their_slices() {
        let (a, b, c) = (("a", &[1, 2, 3, 4][..]), ("b", &[5, 6][..]), ("c", &[3, 4, 7, 8, 9][..]));
        let pair = |ids: [&str; 2], equal, of| Shared { ids: ids.map(str::to_owned), equal, of };
        assert_eq!(shared_within(&[a, b, c]), [pair(["a", "c"], 2, 4)]);
        assert_eq!(
            shared_between(&[a, b], &[c, b]),
            [pair(["a", "c"], 2, 4), pair(["b", "b"], 2, 2)]
        );
        assert!(pair(["a", "c"], 2, 4).is_copy() && !pair(["a", "c"], 1, 3).is_copy());
    }
}
