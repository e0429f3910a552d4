//! The report of a sweep: what it says, and that a browser shows it.

use std::path::Path;

use cine_tests::made_up::{self, MadeUp, Quiet};
use settings::Method;
use sweep::{self, Ask, Plan};
use tempfile::TempDir;

/// Three methods by three counts by three seeds.
fn ask() -> Ask {
    Ask {
        methods: vec![Method::Scratch, Method::Pcl, Method::Mim],
        counts: vec![Some(5), Some(10), None],
        seeds: vec![0, 1, 2],
        as_given: true,
        ..Ask::default()
    }
}

fn written(made_up: &MadeUp, ask: &Ask) -> (TempDir, String) {
    let folder = TempDir::new().unwrap();
    made_up.write(ask, folder.path());
    let text = sweep::write(folder.path()).unwrap();
    (folder, text)
}

fn page(folder: &Path) -> String {
    std::fs::read_to_string(folder.join("report.html")).unwrap()
}

/// Asserts that a line of `text` names every one of `parts`, in any letter case: methods, numbers and
/// key words. The words between them may change.
#[track_caller]
fn assert_says(text: &str, parts: &[&str]) {
    let says = |line: &str| {
        let lower = line.to_lowercase();
        parts.iter().all(|part| lower.contains(&part.to_lowercase()))
    };
    assert!(text.lines().any(says), "no line has all of {parts:?}:\n{text}");
}

/// What the report says of sweeps that were added to, and of several devices.
const ADDED: &str = "added";
const SEVERAL_DEVICES: &str = "rounding";

fn whole() -> (TempDir, String) {
    let folder = TempDir::new().unwrap();
    made_up::whole(folder.path());
    let text = sweep::write(folder.path()).unwrap();
    (folder, text)
}

#[test]
fn a_clear_difference_is_told_with_its_size() {
    let (_folder, text) = whole();
    let says = |parts: &[&str]| assert_says(&text, parts);
    says(&["16 comparisons", "scratch", "ahead"]);
    says(&["MIM was ahead of scratch", "5 labelled", "0.0", "p = 0."]);
    says(&["DINO was behind scratch", "5, 10, 25 and all 36", "0.0", "p = 0.002"]);
    says(&["0.05", "SimCLR ahead of scratch", "5 and 10", "seeds"]);
    says(&["interval", "0", "equal"]);
    says(&["scratch", "Dice", "from 0."]);
    says(&["same 12 subjects", "one pretraining"]);
    says(&["vendors", "6 subjects", "0.0312", "0.1250", "4 comparisons"]);
    says(&["cohort", "drawn", "program"]);
    says(&["scratch, SimCLR, PCL, DINO and MIM", "less than 0.01"]);
    says(&["120 cells", "1 failed"]);
    says(&["| all 36 |"]);
    says(&["(2 seeds) |"]);
    says(&["#", "vendors"]);
    says(&["phases", "DINO was behind scratch", "ED, all 36", "ES, all 36", "0.0"]);
    says(&["vendors", "A+B", "| MIM |"]);
    says(&["| ES", "unseen", "of ED", "all 36 |"]);
    says(&["| ES", "of ED and ES", "all 36 |"]);
    says(&["augmentation", "all 36", "| scratch |"]);
    says(&["labels", "8 validation subjects", "settings", "weights"]);
    says(&["pretraining", "hearts", "labels", "all training subjects"]);
    says(&["| HD95", "mm", "all 36 |"]);
    says(&["| LV EF", "5 |"]);
    assert!(!text.contains(ADDED) && !text.contains(SEVERAL_DEVICES), "{text}");
}

#[test]
fn what_is_not_shown_is_not_said() {
    let (_folder, text) = written(&MadeUp::default(), &ask());
    assert_says(&text, &["no pretraining", "clearly", "scratch"]);
    assert_says(&text, &["neither shown nor ruled out"]);
    assert!(!text.contains("ahead of") && !text.contains("behind"), "{text}");
    assert!(!text.contains("significant"), "{text}");

    // Four subjects can show nothing, whatever the difference.
    let far: MadeUp = MadeUp {
        subjects: 4,
        ahead: &|m, _| if m == Method::Mim { 0.2 } else { 0.0 },
        ..MadeUp::default()
    };
    let (_folder, text) = written(&far, &ask());
    assert_says(&text, &["no pretraining", "clearly", "scratch"]);
    assert_says(&text, &["4 subjects", "no p below 0.125"]);
    assert!(!text.contains("ahead of"), "{text}");

    let rising = MadeUp { rise: 0.05, ..MadeUp::default() };
    let (_folder, text) = written(&rising, &ask());
    assert_says(&text, &["validation Dice", "0.01", "scratch (+0.0"]);
}

/// Who adds to a sweep may have seen what it came to.
#[test]
fn what_was_added_is_told() {
    let folder = TempDir::new().unwrap();
    let made_up = MadeUp { whole: false, ..MadeUp::default() };
    let mut first = ask();
    (first.methods, first.seeds) = (vec![Method::Scratch, Method::Mim], vec![0, 1]);
    first.plan(None, &Quiet).unwrap().keep(folder.path()).unwrap();
    let there = Plan::read(folder.path()).unwrap();
    made_up.write_plan(&ask().plan(Some(&there), &Quiet).unwrap(), folder.path());
    // One cell on another processor.
    let path = folder.path().join("cells/subjects/pcl-5-s2/cell.json");
    let cell = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, cell.replace("\"device\": null", "\"device\": \"the CPU (avx2)\""))
        .unwrap();
    let path = folder.path().join("cells/subjects/pcl-5-s1/cell.json");
    std::fs::write(
        &path,
        cell.replace("\"device\": null", "\"device\": \"a GPU\"")
            .replace("\"seed\": 2", "\"seed\": 1"),
    )
    .unwrap();
    let text = sweep::write(folder.path()).unwrap();
    assert_says(&text, &[ADDED, "PCL", "seeds 2"]);
    assert_says(&text, &[SEVERAL_DEVICES, "a GPU", "the CPU (avx2)"]);
}

/// Luck of three trainings moves all test subjects alike: the seeds tell.
#[test]
fn what_seeds_disagree_on_is_told() {
    let lucky = MadeUp { luck: 0.2, ..MadeUp::default() };
    let (_folder, text) = written(&lucky, &ask());
    assert_says(&text, &["no pretraining", "clearly", "scratch", "6 comparisons"]);
    assert_says(&text, &["0.05", "ahead of scratch", "seeds"]);
    assert_says(&text, &["3 seeds"]);
}

#[test]
fn a_sweep_that_has_just_begun_has_a_report() {
    let none = MadeUp { failed: &|_| Some("out of luck"), whole: false, ..MadeUp::default() };
    let (folder, text) = written(&none, &ask());
    assert_says(&text, &["27 cells", "27 failed"]);
    assert!(page(folder.path()).contains("out of luck"));

    let mut alone = ask();
    (alone.methods, alone.seeds) = (vec![Method::Mim], vec![7]);
    let few = MadeUp { whole: false, ..MadeUp::default() };
    let (folder, text) = written(&few, &alone);
    assert_says(&text, &["no pretraining", "compared", "scratch"]);
    assert_says(&text, &["one seed"]);
    let page = page(folder.path());
    assert!(!page.contains("NaN") && !page.contains("By vendor"), "{page}");
    assert_says(&page, &["36 subjects", "8 to validate"]);
}

#[test]
fn tables_are_read_by_other_programs() {
    let (folder, _) = whole();
    let table = std::fs::read_to_string(folder.path().join("table.csv")).unwrap();
    let mut lines = table.lines();
    assert_eq!(
        lines.next().unwrap(),
        "table,variant,method,labelled,seed,dice_lv,dice_myo,dice_rv,dice_mean,train_subjects,\
         test_subjects,seconds"
    );
    assert_eq!(lines.clone().count(), 119);
    assert!(lines.clone().any(|line| line.starts_with("vendors,A+B,mim,all,2,0.")), "{table}");
    assert!(lines.all(|line| line.ends_with(",12,62.5")), "{table}");
    let page = page(folder.path());
    assert!(page.contains("the loss became NaN &lt;in epoch 3&gt;"), "what is said is escaped");
    assert!(!page.contains("http://") && !page.contains("https://"), "nothing is fetched");
}
