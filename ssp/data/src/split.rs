//! Which subjects train, validate and test, and which of the training subjects have labels.

use std::collections::BTreeSet;

use rand_mt::Mt;
use tensor::random::Stream;

use crate::{Error, Result};
use common::purposes;

/// The study's share of subjects for validation, of those that do not test.
pub const VALID_SHARE: f64 = 0.2;

/// Subjects by use, as ids; each list is sorted, and no subject is in two.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Split {
    /// To train on.
    pub train: Vec<String>,
    /// To choose the best weights by.
    pub valid: Vec<String>,
    /// To report on.
    pub test: Vec<String>,
}

/// Where test subjects come from.
#[derive(Clone, Debug, PartialEq)]
pub enum Test {
    /// This share of all subjects, drawn.
    Share(f64),
    /// These subjects, none of which may be among the others.
    Given(Vec<String>),
}

impl Split {
    /// Splits subjects by a seeded shuffle, whatever the order in which they are listed.
    ///
    /// A share that is not zero holds out at least one subject, and leaves at least one to train.
    ///
    /// # Errors
    /// When an id is listed twice, a share is not from 0 up to 1, or there are too few subjects.
    pub fn draw(ids: &[String], test: Test, valid: f64, seed: u64) -> Result<Self> {
        for (name, share) in [("validation", valid)].into_iter().chain(match test {
            Test::Share(share) => Some(("test", share)),
            Test::Given(_) => None,
        }) {
            check_share(name, share)?;
        }
        let mut rest = shuffled(ids, seed, Part::Test);
        let test = match test {
            Test::Given(ids) => ids,
            Test::Share(share) => hold_out(&mut rest, share, "test")?,
        };
        // The rest is shuffled anew, so that it does not depend on how many are held out.
        let mut rest = shuffled(&rest, seed, Part::Valid);
        let valid = hold_out(&mut rest, valid, "validation")?;
        let split = Split { train: sorted(rest), valid: sorted(valid), test: sorted(test) };
        split.check()?;
        Ok(split)
    }

    /// Splits into training and validation as the study does where its file names test subjects
    /// only: by the shuffle of NumPy's `RandomState` (the low 32 bits of `seed`), of names such as
    /// `mm1-A0S9V9`, the first `valid` of which validate. `named` holds names and ids.
    ///
    /// # Errors
    /// When the share is not from 0 up to 1.
    pub fn as_published(mut named: Vec<(String, String)>, valid: f64, seed: u64) -> Result<Self> {
        check_share("validation", valid)?;
        named.sort_unstable();
        let mut random = Mt::new(seed as u32);
        for last in (1..named.len()).rev() {
            // Drawn until it is within reach, of as many bits as the reach has.
            let mask = u32::MAX >> (last as u32).leading_zeros();
            let within = |drawn: &usize| *drawn <= last;
            let place = std::iter::repeat_with(|| (random.next_u32() & mask) as usize).find(within);
            named.swap(last, place.unwrap_or(last));
        }
        let ids: Vec<String> = named.into_iter().map(|(_, id)| id).collect();
        let (valid, train) = ids.split_at((valid * ids.len() as f64).round_ties_even() as usize);
        Ok(Split { train: sorted(train.to_vec()), valid: sorted(valid.to_vec()), test: vec![] })
    }

    /// The `count` training subjects that have labels. Subsets of one seed are nested: the five
    /// are among the ten.
    ///
    /// # Errors
    /// When there are fewer training subjects, or none are asked for.
    pub fn labelled(&self, count: usize, seed: u64) -> Result<Vec<String>> {
        if count == 0 || count > self.train.len() {
            let found = self.train.len();
            let what =
                format!("{count} labelled subjects asked for; takes 1 to {found}, all that train");
            return Err(Error::Setting(what));
        }
        let mut chosen = shuffled(&self.train, seed, Part::Labelled);
        chosen.truncate(count);
        Ok(sorted(chosen))
    }

    /// Refuses a subject that is there twice.
    ///
    /// # Errors
    /// When one is.
    pub fn check(&self) -> Result<()> {
        let mut seen = BTreeSet::new();
        let all = self.train.iter().chain(&self.valid).chain(&self.test);
        match all.into_iter().find(|id| !seen.insert(id.as_str())) {
            Some(id) => Err(Error::Data(format!("subject {id} is in the split twice"))),
            None => Ok(()),
        }
    }
}

/// What a shuffle is for; each has its own order.
#[derive(Clone, Copy)]
enum Part {
    Test,
    Valid,
    Labelled,
}

fn shuffled(ids: &[String], seed: u64, part: Part) -> Vec<String> {
    let mut ids = sorted(ids.to_vec());
    Stream::new(seed, purposes::SPLIT, 0, part as u32).shuffle(&mut ids);
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

fn hold_out(ids: &mut Vec<String>, share: f64, use_: &str) -> Result<Vec<String>> {
    if share == 0.0 {
        return Ok(vec![]);
    }
    let count = ((share * ids.len() as f64).round() as usize).max(1);
    if count >= ids.len() {
        let what = format!("{} subjects are too few to hold {count} out for {use_}", ids.len());
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
        let split = Split::draw(&ids(100), Test::Share(0.3), VALID_SHARE, 1).unwrap();
        assert_eq!([split.train.len(), split.valid.len(), split.test.len()], [56, 14, 30]);
        let mut all = [split.train.clone(), split.valid.clone(), split.test.clone()].concat();
        all.sort_unstable();
        assert_eq!(all, ids(100));
        let mut reversed = ids(100);
        reversed.reverse();
        let draw = |ids: &[String], seed| Split::draw(ids, Test::Share(0.3), VALID_SHARE, seed);
        assert_eq!(draw(&reversed, 1).unwrap(), split, "the order of the list does not matter");
        assert_ne!(draw(&ids(100), 2).unwrap(), split);
    }

    #[test]
    fn given_test_subjects_stay_out_of_training() {
        let given = Test::Given(vec!["T1".into()]);
        let split = Split::draw(&ids(11), given, VALID_SHARE, 1).unwrap();
        assert_eq!([split.train.len(), split.valid.len()], [9, 2]);
        assert_eq!(split.test, ["T1"]);
        let given = Test::Given(vec!["S003".into()]);
        let error = Split::draw(&ids(11), given, VALID_SHARE, 1).unwrap_err();
        assert!(error.to_string().contains("S003"), "{error}");
    }

    #[test]
    fn the_studys_shuffle_is_that_of_numpy() {
        // np.random.seed(seed); np.random.shuffle(names); sorted(names[:round(0.3 * 23)])
        let cases = [
            (0, "mm1-002 mm1-020 mm1-022 mm2-003 mm2-005 mm2-017 mm2-019"),
            (7, "mm1-002 mm1-004 mm1-010 mm1-022 mm2-001 mm2-017 mm2-021"),
            (u64::from(u32::MAX), "mm1-008 mm1-016 mm1-018 mm2-005 mm2-011 mm2-019 mm2-021"),
        ];
        let names: Vec<String> = (0..23).map(|i| format!("mm{}-{i:03}", 1 + i % 2)).collect();
        for (seed, valid) in cases {
            let named = names.iter().map(|name| (name.clone(), name.clone())).rev().collect();
            let split = Split::as_published(named, 0.3, seed).unwrap();
            assert_eq!(split.valid.join(" "), valid);
            assert_eq!(sorted([split.train, split.valid].concat()), sorted(names.clone()));
        }
        // Python rounds halves to even.
        let valid = |n: usize| {
            let named = ids(n).into_iter().map(|id| (id.clone(), id)).collect();
            Split::as_published(named, 0.25, 0).unwrap().valid.len()
        };
        assert_eq!((valid(10), valid(14), valid(0)), (2, 4, 0));
        assert!(Split::as_published(vec![], 1.0, 0).is_err());
    }

    #[test]
    fn labelled_subsets_are_nested() {
        let split = Split::draw(&ids(60), Test::Share(0.25), VALID_SHARE, 1).unwrap();
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
        let few = Split::draw(&ids(3), Test::Share(0.1), VALID_SHARE, 0).unwrap();
        assert_eq!([few.train.len(), few.valid.len(), few.test.len()], [1, 1, 1]);
        assert!(Split::draw(&ids(2), Test::Share(0.1), VALID_SHARE, 0).is_err());
        assert!(Split::draw(&ids(9), Test::Share(1.0), VALID_SHARE, 0).is_err());
        assert!(Split::draw(&ids(9), Test::Share(0.1), f64::NAN, 0).is_err());
        let all = Split::draw(&ids(4), Test::Share(0.0), 0.0, 0).unwrap();
        assert_eq!(all.train, ids(4));
    }
}
