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

/// Of the subjects of `ours` that have one slice, this many are looked at: else a cohort of thousands in
/// which all share a slice has more pairs than memory holds.
const MOST_HOLDERS: usize = 20;

/// Pairs of a subject of `ours` and one of `theirs` that share slices, in the order of `theirs`. Of a slice
/// that many subjects share, only a few pairs are listed.
pub fn shared_between(ours: &[Slices], theirs: &[Slices]) -> Vec<Shared> {
    let mut holders: HashMap<u64, Vec<usize>> = HashMap::new();
    for (index, (_, slices)) in ours.iter().enumerate() {
        for slice in *slices {
            let holders = holders.entry(*slice).or_default();
            if holders.len() < MOST_HOLDERS {
                holders.push(index);
            }
        }
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

    /// All pairs would be 200 million.
    #[test]
    fn many_subjects_that_share_a_slice_take_no_time() {
        let slices: Vec<[u64; 2]> = (0..20_000).map(|n| [0, n + 1]).collect();
        let ids: Vec<String> = (0..slices.len()).map(|n| n.to_string()).collect();
        let subjects: Vec<Slices> =
            ids.iter().zip(&slices).map(|(id, slices)| (id.as_str(), &slices[..])).collect();
        let found = shared_within(&subjects);
        let named: std::collections::HashSet<&str> =
            found.iter().flat_map(|pair| pair.ids.iter().map(String::as_str)).collect();
        assert_eq!(named.len(), subjects.len());
    }
}
