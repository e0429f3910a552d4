//! Which subjects train, validate and test, and which of the training subjects have labels.

use std::collections::BTreeSet;

use rand_mt::Mt;
use tensor::random::Stream;

use crate::{Error, Result};
use common::purposes;

/// Subjects by use, as IDs. Each list is sorted, and no subject is in two of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Split {
    /// Training subjects.
    pub train: Vec<String>,
    /// Validation subjects, by which the best weights are chosen.
    pub valid: Vec<String>,
    /// Test subjects, on which results are reported.
    pub test: Vec<String>,
}

/// How test subjects are chosen.
#[derive(Clone, Debug, PartialEq)]
pub enum TestSubjects {
    /// This share of all subjects, at random.
    Share(f64),
    /// These subjects, none of which may be among the others.
    Given(Vec<String>),
}

impl Split {
    /// Splits subjects by a seeded shuffle, independent of the order of `ids`. `valid` is the share
    /// of validation subjects among those that do not test.
    ///
    /// A share above zero holds out at least one subject, and leaves at least one to train.
    ///
    /// # Errors
    /// If an ID is listed twice, a share is not from 0 up to 1, or there are too few subjects.
    pub fn draw(ids: &[String], test: TestSubjects, valid: f64, seed: u64) -> Result<Self> {
        check_share("validation", valid)?;
        if let TestSubjects::Share(share) = test {
            check_share("test", share)?;
        }
        let mut rest = shuffled(ids, seed, Shuffle::Test);
        let test = match test {
            TestSubjects::Given(ids) => ids,
            TestSubjects::Share(share) => hold_out(&mut rest, share, "test")?,
        };
        // A new shuffle, so that the order of the rest does not depend on how many are held out.
        let mut rest = shuffled(&rest, seed, Shuffle::Valid);
        let valid = hold_out(&mut rest, valid, "validation")?;
        let split = Split { train: sorted(rest), valid: sorted(valid), test: sorted(test) };
        split.check()?;
        Ok(split)
    }

    /// Splits into training and validation as the published code does if its file names only test
    /// subjects: by the shuffle of NumPy's `RandomState` (seeded with the low 32 bits of `seed`) of
    /// names such as `mm1-A0S9V9`, of which the first `valid` (a share) validate. `named` holds pairs
    /// of name and ID.
    ///
    /// # Errors
    /// If the share is not from 0 up to 1.
    pub fn draw_as_published(
        mut named: Vec<(String, String)>,
        valid: f64,
        seed: u64,
    ) -> Result<Self> {
        check_share("validation", valid)?;
        named.sort_unstable();
        let mut random = Mt::new(seed as u32);
        for last in (1..named.len()).rev() {
            // NumPy's bounded integers: draw just enough bits, and reject what is above the bound.
            let mask = u32::MAX >> (last as u32).leading_zeros();
            let in_bounds = |drawn: &usize| *drawn <= last;
            let mut draws = std::iter::repeat_with(|| (random.next_u32() & mask) as usize);
            named.swap(last, draws.find(in_bounds).unwrap_or(last));
        }
        let ids: Vec<String> = named.into_iter().map(|(_, id)| id).collect();
        let (valid, train) = ids.split_at((valid * ids.len() as f64).round_ties_even() as usize);
        Ok(Split { train: sorted(train.to_vec()), valid: sorted(valid.to_vec()), test: vec![] })
    }

    /// Draws the `count` training subjects whose labels are used. With one seed, smaller subsets are
    /// part of larger ones.
    ///
    /// # Errors
    /// If `count` is 0 or more than the training subjects.
    pub fn labelled(&self, count: usize, seed: u64) -> Result<Vec<String>> {
        if count == 0 || count > self.train.len() {
            let found = self.train.len();
            return Err(Error::Setting(format!(
                "{count} labelled subjects asked for; takes 1 to {found}, the number of training subjects"
            )));
        }
        let mut chosen = shuffled(&self.train, seed, Shuffle::Labelled);
        chosen.truncate(count);
        Ok(sorted(chosen))
    }

    /// Checks that no subject is listed twice.
    ///
    /// # Errors
    /// If one is.
    pub fn check(&self) -> Result<()> {
        let mut seen = BTreeSet::new();
        let mut all = self.train.iter().chain(&self.valid).chain(&self.test);
        match all.find(|id| !seen.insert(id.as_str())) {
            Some(id) => Err(Error::Data(format!("subject {id} is in the split twice"))),
            None => Ok(()),
        }
    }
}

/// The purpose of a shuffle; each has its own random stream, numbered in this order.
#[derive(Clone, Copy)]
enum Shuffle {
    Test,
    Valid,
    Labelled,
}

fn shuffled(ids: &[String], seed: u64, shuffle: Shuffle) -> Vec<String> {
    let mut ids = sorted(ids.to_vec());
    Stream::new(seed, purposes::SPLIT, 0, shuffle as u32).shuffle(&mut ids);
    ids
}

fn check_share(name: &str, share: f64) -> Result<()> {
    match (0.0..1.0).contains(&share) {
        true => Ok(()),
        false => Err(Error::Setting(format!(
            "the {name} share is {share}; takes a number from 0 up to 1"
        ))),
    }
}

fn sorted(mut ids: Vec<String>) -> Vec<String> {
    ids.sort_unstable();
    ids
}

/// Removes a share of `ids` from its end.
fn hold_out(ids: &mut Vec<String>, share: f64, purpose: &str) -> Result<Vec<String>> {
    if share == 0.0 {
        return Ok(vec![]);
    }
    let count = ((share * ids.len() as f64).round() as usize).max(1);
    if count >= ids.len() {
        let subjects = ids.len();
        let what = format!("{subjects} subjects are too few to hold out {count} for {purpose}");
        return Err(Error::Data(what));
    }
    Ok(ids.split_off(ids.len() - count))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids(n: usize) -> Vec<String> {
        (0..n).map(|i| format!("S{i:03}")).collect()
    }

    #[test]
    fn every_subject_is_used_once() {
        let split = Split::draw(&ids(100), TestSubjects::Share(0.3), 0.2, 1).unwrap();
        assert_eq!([split.train.len(), split.valid.len(), split.test.len()], [56, 14, 30]);
        let mut all = [split.train.clone(), split.valid.clone(), split.test.clone()].concat();
        all.sort_unstable();
        assert_eq!(all, ids(100));
        let mut reversed = ids(100);
        reversed.reverse();
        let draw = |ids: &[String], seed| Split::draw(ids, TestSubjects::Share(0.3), 0.2, seed);
        assert_eq!(draw(&reversed, 1).unwrap(), split, "the order of the list does not matter");
        assert_ne!(draw(&ids(100), 2).unwrap(), split);
    }

    #[test]
    fn given_test_subjects_stay_out_of_training() {
        let given = TestSubjects::Given(vec!["T1".into()]);
        let split = Split::draw(&ids(11), given, 0.2, 1).unwrap();
        assert_eq!([split.train.len(), split.valid.len()], [9, 2]);
        assert_eq!(split.test, ["T1"]);
        let given = TestSubjects::Given(vec!["S003".into()]);
        let error = Split::draw(&ids(11), given, 0.2, 1).unwrap_err();
        assert_eq!(error.to_string(), "subject S003 is in the split twice");
    }

    #[test]
    fn the_published_shuffle_is_that_of_numpy() {
        // np.random.seed(seed); np.random.shuffle(names); sorted(names[:round(0.3 * 23)])
        let cases = [
            (0, "mm1-002 mm1-020 mm1-022 mm2-003 mm2-005 mm2-017 mm2-019"),
            (7, "mm1-002 mm1-004 mm1-010 mm1-022 mm2-001 mm2-017 mm2-021"),
            (u64::from(u32::MAX), "mm1-008 mm1-016 mm1-018 mm2-005 mm2-011 mm2-019 mm2-021"),
        ];
        let names: Vec<String> = (0..23).map(|i| format!("mm{}-{i:03}", 1 + i % 2)).collect();
        for (seed, valid) in cases {
            let named = names.iter().map(|name| (name.clone(), name.clone())).rev().collect();
            let split = Split::draw_as_published(named, 0.3, seed).unwrap();
            assert_eq!(split.valid.join(" "), valid);
            assert_eq!(sorted([split.train, split.valid].concat()), sorted(names.clone()));
        }
        // Python rounds halves to even.
        let valid = |n: usize| {
            let named = ids(n).into_iter().map(|id| (id.clone(), id)).collect();
            Split::draw_as_published(named, 0.25, 0).unwrap().valid.len()
        };
        assert_eq!((valid(10), valid(14), valid(0)), (2, 4, 0));
        assert!(Split::draw_as_published(vec![], 1.0, 0).is_err());
    }

    #[test]
    fn labelled_subsets_are_nested() {
        let split = Split::draw(&ids(60), TestSubjects::Share(0.25), 0.2, 1).unwrap();
        for seed in 0..5 {
            let [five, ten] = [5, 10].map(|n| split.labelled(n, seed).unwrap());
            assert_eq!((five.len(), ten.len()), (5, 10));
            assert!(five.iter().all(|id| ten.contains(id) && split.train.contains(id)));
        }
        assert_ne!(split.labelled(5, 0).unwrap(), split.labelled(5, 1).unwrap());
        assert_eq!(split.labelled(36, 0).unwrap(), split.train);
        assert!(split.labelled(37, 0).is_err() && split.labelled(0, 0).is_err());
    }

    #[test]
    fn small_and_senseless_splits() {
        let few = Split::draw(&ids(3), TestSubjects::Share(0.1), 0.2, 0).unwrap();
        assert_eq!([few.train.len(), few.valid.len(), few.test.len()], [1, 1, 1]);
        assert!(Split::draw(&ids(2), TestSubjects::Share(0.1), 0.2, 0).is_err());
        assert!(Split::draw(&ids(9), TestSubjects::Share(1.0), 0.2, 0).is_err());
        assert!(Split::draw(&ids(9), TestSubjects::Share(0.1), f64::NAN, 0).is_err());
        let all = Split::draw(&ids(4), TestSubjects::Share(0.0), 0.0, 0).unwrap();
        assert_eq!(all.train, ids(4));
    }
}
