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
    said("- In 16 comparisons with training from scratch, pretraining was clearly ahead in");
    said("- MIM was ahead of scratch with 5 labelled subjects, by 0.0");
    said("- DINO was behind scratch with 5, 10, 25 and all 36 labelled subjects, by 0.0");
    said("over seeds; p = 0.002 at most).");
    said("- p was below 0.05 too for SimCLR ahead of scratch with 5 and 10 labelled subjects");
    said("but seeds do not bear this out: another training may come out otherwise.");
    said("an interval across 0 does not show that methods are equal.");
    said("- From scratch, Dice went from 0.");
    said(
        "All cells test on the same 12 subjects of one split of one cohort, and one pretraining serves",
    );
    said(
        "Unseen vendors: a test of 6 subjects can give no p below 0.0312 (0.1250 after correction for 4 comparisons)",
    );
    said("where seeds differed most");
    said("The cohort is drawn by the program");
    said("Validation Dice of scratch, SimCLR, PCL, DINO and MIM rose by less than 0.01");
    said("Of 120 cells 1 failed; what is said here is of the others.");
    said("| all 36 |");
    said("(2 seeds) |");
    said("## Unseen vendors");
    said(
        "- Unseen cardiac phases. DINO was behind scratch (Unseen ED, all 36; Unseen ES, all 36), by 0.0",
    );
    said("| Unseen vendors, 36 of A+B | MIM |");
    said("| ES (unseen), labels of ED, all 36 |");
    said("| ES, labels of ED and ES, all 36 |");
    said("| Without less with augmentation, all 36 | scratch |");
    said("- Labels of 8 validation subjects chose settings and the weights that were tested;");
    said("- Pretraining centred its views on the hearts by the labels of all training subjects");
    said("| HD95, mm, all 36 | ");
    said("| LV EF, % points off, 5 | ");
    assert!(!text.contains("Added after") && !text.contains("Work was done on"), "{text}");
}

#[test]
fn what_is_not_shown_is_not_said() {
    let (_folder, text) = written(&MadeUp::default(), &ask());
    assert!(text.contains("No pretraining differed clearly from training from scratch"), "{text}");
    assert!(text.contains("neither shown nor ruled out"), "{text}");
    assert!(!text.contains("ahead of") && !text.contains("behind"), "{text}");
    assert!(!text.contains("significant"), "{text}");

    // Four subjects can show nothing, whatever the difference.
    let far: MadeUp = MadeUp {
        subjects: 4,
        ahead: &|m, _| if m == Method::Mim { 0.2 } else { 0.0 },
        ..MadeUp::default()
    };
    let (_folder, text) = written(&far, &ask());
    assert!(text.contains("No pretraining differed clearly"), "{text}");
    assert!(text.contains("with so few, no difference could be shown"), "{text}");

    let rising = MadeUp { rise: 0.05, ..MadeUp::default() };
    let (_folder, text) = written(&rising, &ask());
    assert!(text.contains("Validation Dice still rose by 0.01 or more over the last"), "{text}");
    assert!(text.contains("scratch (+0.0"), "{text}");
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
    assert!(
        text.contains("perhaps with a look at what it had come to: methods PCL and seeds 2."),
        "{text}"
    );
    assert!(
        text.contains("Work was done on a GPU and the CPU (avx2), whose rounding differs."),
        "{text}"
    );
}

/// Luck of three trainings moves all test subjects alike: the seeds tell.
#[test]
fn what_seeds_disagree_on_is_told() {
    let lucky = MadeUp { luck: 0.2, ..MadeUp::default() };
    let (_folder, text) = written(&lucky, &ask());
    assert!(
        text.contains("No pretraining differed clearly from training from scratch, in 6"),
        "{text}"
    );
    assert!(text.contains("but seeds do not bear this out"), "{text}");
    assert!(text.contains("3 seeds are few: the difference between"), "{text}");
}

#[test]
fn a_sweep_that_has_just_begun_has_a_report() {
    let none = MadeUp { failed: &|_| Some("out of luck"), whole: false, ..MadeUp::default() };
    let (folder, text) = written(&none, &ask());
    assert!(
        text.contains("No cell is done yet") && text.contains("Of 27 cells 27 failed"),
        "{text}"
    );
    assert!(page(folder.path()).contains("out of luck"));

    let mut alone = ask();
    (alone.methods, alone.seeds) = (vec![Method::Mim], vec![7]);
    let few = MadeUp { whole: false, ..MadeUp::default() };
    let (folder, text) = written(&few, &alone);
    assert!(text.contains("No pretraining is compared with training from scratch"), "{text}");
    assert!(text.contains("One seed only"), "{text}");
    let page = page(folder.path());
    assert!(!page.contains("NaN") && !page.contains("By vendor"), "{page}");
    assert!(page.contains("36 subjects to train on, 36 of them with labels; 8 to valid"));
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
