//! The report of a sweep: what it says, and that a browser shows it.

use std::path::Path;

use cine_tests::made_up::{self, MadeUp};
use ssp::settings::Method;
use ssp::sweep::{self, Ask};
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

fn whole() -> (TempDir, String) {
    let folder = TempDir::new().unwrap();
    made_up::whole(folder.path());
    let text = sweep::write(folder.path()).unwrap();
    (folder, text)
}

#[test]
fn a_clear_difference_is_told_with_its_size() {
    let (_folder, text) = whole();
    let said = |line: &str| assert!(text.contains(line), "{line}\nis not in\n{text}");
    said("- With 5 labelled subjects MIM was ahead of scratch by 0.03");
    said("after Holm's correction for 4 methods.");
    said("- With all (36) labelled subjects DINO was behind scratch by 0.0");
    said("- From scratch, Dice went from 0.");
    said("All cells test on the same 12 subjects of one split, and one pretraining serves");
    said("The cohort is drawn by the program");
    said("Every method had levelled off");
    said("Of 120 cells 1 failed; what is said here is of the others.");
    said("| all (36) |");
    said("## Unseen vendors");
    said("| unseen vendors (36 of A+B) | MIM |");
    said("| ES, unseen: all (36) with labels of ED |");
    said("| without less with (all (36)) | scratch |");
}

#[test]
fn what_is_not_shown_is_not_said() {
    let (_folder, text) = written(&MadeUp::default(), &ask());
    assert!(text.contains("No pretraining differed clearly from training from scratch"), "{text}");
    assert!(text.contains("neither shown nor ruled out"), "{text}");

    // Four subjects can show nothing, whatever the difference.
    let far: MadeUp = MadeUp {
        subjects: 4,
        ahead: &|m, _| if m == Method::Mim { 0.2 } else { 0.0 },
        ..MadeUp::default()
    };
    let (_folder, text) = written(&far, &ask());
    assert!(text.contains("No pretraining differed clearly"), "{text}");
    assert!(text.contains("no difference could have been shown"), "{text}");

    let rising = MadeUp { rise: 0.05, ..MadeUp::default() };
    let (_folder, text) = written(&rising, &ask());
    assert!(text.contains("Validation Dice still rose over the last quarter"), "{text}");
}

#[test]
fn a_sweep_that_has_just_begun_has_a_report() {
    let none = MadeUp { failed: &|_| Some("out of luck"), whole: false, ..MadeUp::default() };
    let (folder, text) = written(&none, &ask());
    assert!(text.contains("No cell is done yet"), "{text}");
    assert!(page(folder.path()).contains("out of luck"));

    let mut alone = ask();
    (alone.methods, alone.seeds) = (vec![Method::Mim], vec![7]);
    let few = MadeUp { whole: false, ..MadeUp::default() };
    let (folder, text) = written(&few, &alone);
    assert!(text.contains("No pretraining is compared with training from scratch"), "{text}");
    assert!(text.contains("One seed only"), "{text}");
    let page = page(folder.path());
    assert!(!page.contains("NaN") && !page.contains("By vendor"), "{page}");
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
