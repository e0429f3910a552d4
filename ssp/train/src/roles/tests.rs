//! Roles that files name.

use std::cell::RefCell;

use super::*;
use sampling::Member;
use settings::{Method, Preset};

struct Desk {
    folder: tempfile::TempDir,
    cohort: Cohort,
}

/// Eight subjects: 1 to 4 of mm1, as A1 to A4, and 5 to 8 of mm2, as 001 to 004.
fn desk() -> Desk {
    let folder = tempfile::tempdir().unwrap();
    let mut cohort = Cohort::phantom(8, 0, folder.path(), |_, _| {}).unwrap();
    for (n, member) in cohort.members.iter_mut().enumerate() {
        (member.subset, member.plain) =
            if n < 4 { ("mm1", format!("A{}", n + 1)) } else { ("mm2", format!("00{}", n - 3)) };
    }
    Desk { folder, cohort }
}

impl Desk {
    fn file(&self, name: &str, text: &str) -> String {
        let path = self.folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    }

    /// Roles by one or two files, and what was noted.
    fn roles(&self, split: &str, labelled: Option<&str>) -> Result<(Roles, String)> {
        let mut settings = Settings::preset(Preset::Demo, Method::Mim);
        settings.subjects.split = Some(self.file("split.yaml", split));
        settings.subjects.labelled_split = labelled.map(|text| self.file("few.yaml", text));
        self.drawn(&settings)
    }

    fn drawn(&self, settings: &Settings) -> Result<(Roles, String)> {
        let notes = RefCell::new(String::new());
        let note = |text: &str| *notes.borrow_mut() += text;
        let roles = Roles::draw(settings, &self.cohort, None, false, &note)?;
        Ok((roles, notes.into_inner()))
    }

    #[track_caller]
    fn refusal(&self, split: &str, labelled: Option<&str>) -> String {
        let error = self.roles(split, labelled).unwrap_err().to_string();
        assert!(!error.contains('\n'), "{error}");
        error
    }

    /// Files that are refused with a message that names all of `parts`.
    #[track_caller]
    fn assert_refused(&self, split: &str, labelled: Option<&str>, parts: &[&str]) {
        let error = self.refusal(split, labelled);
        assert!(parts.iter().all(|part| error.contains(part)), "{parts:?}: {error}");
    }
}

fn ids(numbers: &[usize]) -> Vec<String> {
    numbers.iter().map(|n| format!("phantom{n:04}")).collect()
}

const WHOLE: &str = "\
train:
  mm1: [A1, A2, A3]
  mm2: [001, '002']
valid: {mm1: [A4]}
test: {mm2: ['003', 004]}
";

#[test]
fn a_file_gives_every_subject_its_role() {
    let desk = desk();
    let (roles, notes) = desk.roles(WHOLE, None).unwrap();
    let first = desk.cohort.ids()[0].clone();
    assert_eq!(first, "phantom0001");
    assert_eq!(roles.train, ids(&[1, 2, 3, 5, 6]));
    assert_eq!((roles.valid, roles.test), (ids(&[4]), ids(&[7, 8])));
    assert_eq!(roles.labelled, roles.train);
    assert_eq!(notes, "");
    // One source needs no name; who is not named is left out.
    let (roles, notes) = desk.roles("train: [A1, A2]\nvalid:\ntest: [A3]", None).unwrap();
    assert_eq!((roles.train, roles.valid, roles.test), (ids(&[1, 2]), vec![], ids(&[3])));
    assert!(notes.contains("5 of 8"), "{notes}");
}

#[test]
fn a_file_of_test_subjects_leaves_the_rest_to_be_drawn() {
    let desk = desk();
    let mut settings = Settings::preset(Preset::Demo, Method::Mim);
    settings.subjects.split = Some(desk.file("split.yaml", "test: {mm1: [A2], mm2: ['004']}"));
    let (first, _) = desk.drawn(&settings).unwrap();
    assert_eq!(first.test, ids(&[2, 8]));
    assert_eq!((first.train.len(), first.valid.len()), (5, 1));
    // The split may have a seed of its own, which other seeds leave alone.
    settings.subjects.split_seed = Some(0);
    for seed in 1..5 {
        settings.seed = seed;
        assert_eq!(desk.drawn(&settings).unwrap().0, first);
    }
    settings.subjects.split_seed = None;
    let others = (1..5).map(|seed| {
        settings.seed = seed;
        desk.drawn(&settings).unwrap().0
    });
    assert!(others.into_iter().any(|other| other != first));
}

#[test]
fn subjects_that_are_in_both_sets_are_left_out_of_a_file() {
    let mut desk = desk();
    let shared = Member { id: "005".into(), subset: "mm2", plain: "005".into() };
    desk.cohort.left_out = vec![shared];
    let text = WHOLE.replace("004]", "004, 005]");
    let (roles, notes) = desk.roles(&text, None).unwrap();
    assert_eq!(roles.test, ids(&[7, 8]));
    assert!(notes.contains("1 ") && notes.contains("M&Ms-2"), "{notes}");
    desk.assert_refused(&WHOLE.replace("004]", "004, 006]"), None, &["split.yaml", "006"]);
}

#[test]
fn a_second_file_says_whose_labels_are_used() {
    let desk = desk();
    let few = "train: {mm1: [A1, A3], mm2: ['001']}\nvalid: {mm1: [A4]}\ntest: {mm2: ['003']}";
    let (roles, _) = desk.roles(WHOLE, Some(few)).unwrap();
    assert_eq!(roles.train, ids(&[1, 2, 3, 5, 6]));
    assert_eq!(roles.labelled, ids(&[1, 3, 5]));
    let trains = Some("train: [A1, A4]\nvalid: []");
    desk.assert_refused(WHOLE, trains, &["few.yaml", "phantom0004", "train"]);
    let tests = Some("train: [A1]\nvalid: []\ntest: [A2]");
    desk.assert_refused(WHOLE, tests, &["few.yaml", "phantom0002", "test"]);
    // Who is held out stays so where the second file does not say.
    for few in ["train: [A1]", "train: [A1]\nvalid: []\ntest: []"] {
        let (roles, _) = desk.roles(WHOLE, Some(few)).unwrap();
        assert_eq!((roles.labelled, roles.valid, roles.test), (ids(&[1]), ids(&[4]), ids(&[7, 8])));
    }
    desk.assert_refused(WHOLE, Some("test: [A4]"), &["few.yaml", "train"]);
    // A number of labelled subjects is drawn from those.
    let mut settings = Settings::preset(Preset::Demo, Method::Mim);
    settings.subjects.split = Some(desk.file("split.yaml", WHOLE));
    settings.subjects.labelled_split = Some(desk.file("few.yaml", few));
    settings.labelled = 2;
    let two = desk.drawn(&settings).unwrap().0.labelled;
    assert!(two.len() == 2 && two.iter().all(|id| ids(&[1, 3, 5]).contains(id)));
    settings.labelled = 4;
    assert!(desk.drawn(&settings).is_err());
}

#[test]
fn data_sets_that_are_not_there_are_no_error_and_subjects_are() {
    let desk = desk();
    let (roles, notes) =
        desk.roles(&WHOLE.replace("valid: {", "valid: {acdc: [p1, p2], "), None).unwrap();
    assert_eq!(roles.valid, ids(&[4]));
    assert!(notes.contains("acdc") && notes.contains("2 subjects"), "{notes}");
    let unknown = WHOLE.replace("A4", "B1, B2, A4, B3, B4");
    desk.assert_refused(&unknown, None, &["4 ", "mm1 B1, mm1 B2, mm1 B3, ..."]);
    desk.assert_refused("test: {acdc: [p1]}", None, &["acdc", "mm1, mm2"]);
    // An ID that a cohort had to tell apart is found by its data set.
    let mut desk = desk;
    desk.cohort.members[4] = Member { id: "phantom0005".into(), subset: "mm2", plain: "A1".into() };
    let (roles, _) = desk.roles("train: {mm2: [A1]}\nvalid: []\ntest: {mm1: [A1]}", None).unwrap();
    assert_eq!((roles.train, roles.test), (ids(&[5]), ids(&[1])));
    let both = ["A1", "phantom0001", "mm1", "phantom0005", "mm2"];
    desk.assert_refused("test: [A1]", None, &both);
}

#[test]
fn files_that_are_no_splits_are_refused() {
    let desk = desk();
    for (text, parts) in [
        ("train: [A1]\nvalid: [A2]\ntest: [A1]", &["split.yaml", "A1"][..]),
        ("train:\n  mm1: [A1]\nvalid: [A2]\ntest: [A1]", &["phantom0001"]),
        ("train: [A1]\ntest: [A2]", &["train", "valid"]),
        ("tests: [A1]", &["line 1", "tests", "train, valid, test"]),
        ("test: {mm1: A1}", &["A1", "list"]),
        ("test: [[A1]]", &["ID"]),
        ("", &["document"]),
        ("train: []\nvalid: [A1]\ntest: [A2]", &["train"]),
        ("train: [A3]\nvalid: [A1]", &["test"]),
    ] {
        desk.assert_refused(text, None, parts);
    }
    let mut settings = Settings::preset(Preset::Demo, Method::Mim);
    settings.subjects.split = Some("/nowhere/split.yaml".into());
    assert!(desk.drawn(&settings).unwrap_err().to_string().contains("/nowhere/split.yaml"));
}

#[test]
fn labels_may_be_of_some_vendors_only() {
    let desk = desk();
    let mut settings = Settings::preset(Preset::Demo, Method::Mim);
    let (all, _) = desk.drawn(&settings).unwrap();
    let vendor = |id: &String| {
        let index = desk.cohort.cache.find(id).unwrap();
        vendor_letter(desk.cohort.cache.subject(index).vendor().unwrap()).to_owned()
    };
    settings.subjects.vendors = vec![vendor(&all.labelled[0])];
    let (some, _) = desk.drawn(&settings).unwrap();
    assert_eq!((&some.train, &some.test), (&all.train, &all.test), "they pretrain and test alike");
    let of_vendor = |ids: &[String]| -> Vec<String> {
        ids.iter().filter(|id| vendor(id) == settings.subjects.vendors[0]).cloned().collect()
    };
    assert_eq!(some.labelled, of_vendor(&all.labelled));
    assert_eq!(some.valid, of_vendor(&all.valid));
    assert!(some.labelled.len() < all.labelled.len());

    settings.subjects.vendors = vec!["Picker".into()];
    let error = desk.drawn(&settings).unwrap_err().to_string();
    assert!(error.contains("subjects.vendors=Picker") && error.contains("there: A"), "{error}");
}

/// A cohort like that of the desk in which some subjects are others under their own id.
fn with_copies(
    folder: &std::path::Path,
    of: impl Fn(usize) -> usize + Sync,
    subjects: usize,
) -> Cohort {
    use sampling::cache::{Cache, Key};
    let mut cohort = Cohort::phantom(subjects, 0, folder, |_, _| {}).unwrap();
    let phantom = data::PhantomCohort::new(8, 0, Default::default()).unwrap();
    let copied = |i| {
        let id = format!("copy{i}");
        let mut subject = data::Subject { id, ..phantom.subject(of(i)) };
        // Frames cut out of the cine.
        let volume = subject.stack.voxels.len() / subject.stack.phases;
        let phases = subject.frames.iter().map(|frame| frame.phase);
        let all = phases.flat_map(|p| subject.stack.voxels[p * volume..][..volume].to_vec());
        subject.stack.voxels = all.collect();
        subject.stack.phases = subject.frames.len();
        subject.frames.iter_mut().enumerate().for_each(|(n, frame)| frame.phase = n);
        Ok(subject)
    };
    let ids: Vec<String> = (0..subjects).map(|i| format!("copy{i}")).collect();
    let place = folder.join(format!("copies-{subjects}"));
    let key = Key::of_settings("copies", 1, "");
    let (cache, failures) = Cache::open_or_build(&place, &key, &ids, copied, |_, _| {}).unwrap();
    assert_eq!(failures, []);
    cohort.cache = cache.into();
    cohort.source = "copies".into();
    cohort
}

/// Results on images that trained are no results, whatever the subject is called.
#[test]
fn images_that_train_and_test_under_two_names_are_refused() {
    let desk = desk();
    let settings = Settings::preset(Preset::Demo, Method::Mim);
    let draw = |cohort: &Cohort, test: Option<&Cohort>| {
        Roles::draw(&settings, cohort, test, false, &|_| {}).map_err(|error| error.to_string())
    };
    assert!(draw(&desk.cohort, None).is_ok(), "phantom subjects share no slice");
    let test = with_copies(desk.folder.path(), |i| 2 + i, 2);
    let error = draw(&desk.cohort, Some(&test)).unwrap_err();
    for part in ["phantom000", "copy", "same images", "--data", "--test (copies)"] {
        assert!(error.contains(part), "{part}: {error}");
    }
    // Within one cohort it depends on the roles: all of one image, some on each side.
    let same = with_copies(desk.folder.path(), |_| 0, 6);
    let error = draw(&same, None).unwrap_err();
    assert!(error.contains("same images") && error.contains("--split"), "{error}");
}

#[test]
fn weights_that_saw_the_images_of_a_held_out_subject_are_refused() {
    let desk = desk();
    let settings = Settings::preset(Preset::Demo, Method::Mim);
    let run = RunFolder::new(desk.folder.path().join("run"));
    std::fs::create_dir_all(run.stage("pretrain")).unwrap();
    let weights = run.stage("pretrain").join("last.safetensors");
    let theirs = Roles::draw(&settings, &desk.cohort, None, true, &|_| {}).unwrap();
    theirs.keep(&run).unwrap();
    DataRecord::of(&theirs, &desk.cohort, None).keep(&run).unwrap();
    let trained: Vec<usize> = (0..8).filter(|n| theirs.train.contains(&ids(&[n + 1])[0])).collect();
    let copies = with_copies(desk.folder.path(), |i| trained[i], 3);
    let ours = |test: &str| Roles {
        train: vec!["copy0".into()],
        valid: vec![],
        test: vec![test.into()],
        labelled: vec!["copy0".into()],
    };
    let error = ours("copy1").refuse_leak(&weights, &copies, None).unwrap_err().to_string();
    for part in ["copy1", "held out", "trained", "same images"] {
        assert!(error.contains(part), "{part}: {error}");
    }
    let held_out = desk.cohort.ids().into_iter().find(|id| theirs.test.contains(id)).unwrap();
    ours(&held_out).refuse_leak(&weights, &copies, Some(&desk.cohort)).unwrap();
}
