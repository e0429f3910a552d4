//! The contents of the report of a sweep.

use std::path::Path;

use cine_tests::made_up::{self, MadeUp, Quiet};
use settings::Method;
use sweep::{self, Plan, SweepOptions};
use tempfile::TempDir;

/// Three methods by three counts by three seeds.
fn options() -> SweepOptions {
    SweepOptions {
        methods: vec![Method::Scratch, Method::Pcl, Method::Mim],
        counts: vec![Some(5), Some(10), None],
        seeds: vec![0, 1, 2],
        as_given: true,
        ..SweepOptions::default()
    }
}

fn written(made_up: &MadeUp, options: &SweepOptions) -> (TempDir, String) {
    let folder = TempDir::new().unwrap();
    made_up.write(options, folder.path());
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
fn clear_differences_are_reported_with_size_and_intervals() {
    let (_folder, text) = whole();
    let has = |part: &str| assert!(text.contains(part), "{part}\nis not in\n{text}");
    has("| Dice by method and labelled subjects | scratch | 16 | 2 | 4 | 3 | 0 | 0 | 7 | ");
    has("| Unseen vendors | scratch | 4 | 0 | 0 | 0 | 0 | 0 | 4 | ");
    has("- 5 labelled: MIM better than scratch by 0.0");
    for place in ["5", "10", "25", "all 36", "Unseen ED, all 36", "Unseen ES, all 36"] {
        has(&format!("- {place} labelled: DINO worse than scratch by 0.0"));
    }
    let list = |heading: &str| {
        let (_, rest) = text.split_once(heading).unwrap_or_else(|| panic!("{heading} in {text}"));
        rest.split("\n#").next().unwrap().to_owned()
    };
    let clear = list("### Clear differences");
    assert!(clear.contains(" over seeds; p = 0.002)."), "{clear}");
    let lucky = list("### Seeds disagree");
    assert!(lucky.contains("another training may give another result"), "{lucky}");
    assert!(lucky.contains("- 10 labelled: SimCLR better than scratch by 0.0"), "{lucky}");
    assert!(!clear.contains("SimCLR"), "{clear}");
    has("an interval that includes 0 does not show that two methods are equal");
    has("Scratch has a Dice of 0.");
    has("| 5 | MIM | clearly better | +0.0");
    has("| all 36 | DINO | clearly worse | −0.0");
    has("| Unseen vendors, labels of A+B, 36 | MIM | open |");
    has("| ES (unseen), labels of ED, all 36 |");
    has("| ES, labels of ED and ES, all 36 |");
    has("| Without minus with augmentation, all 36 | scratch |");
    has("| HD95, mm | all 36 | ");
    has("| LV EF error, % points | 5 | ");
    has("(2 seeds) |");
}

#[test]
fn limits_are_reported() {
    let (_folder, text) = whole();
    let has = |part: &str| assert!(text.contains(part), "{part}\nis not in\n{text}");
    has("- Cells failed: 1 of 120.");
    has("- All cells are tested on the same 12 subjects of one split of one cohort.");
    has("- All cells of a method share one pretraining.");
    has("- The labels of 8 validation subjects chose the settings and the weights to test.");
    has("- Pretraining centred its crops on the hearts by the labels of all training subjects");
    has("- The cohort is synthetic");
    has("- There are 3 seeds, which is few. They differ most for ");
    has("not over all 37 comparisons in 9 groups");
    has("| Dice by method and labelled subjects | 12 | 4 | 0.0005 | 0.0020 | yes |");
    has("| Unseen vendors | 6 | 4 | 0.0312 | 0.1250 | no |");
    has("| Cells | scratch | SimCLR | PCL | DINO | MIM |");
    has("| phases ED, all 36 labelled | +0.002 |");
    assert!(!text.contains("rising |"), "{text}");
    assert!(!text.contains("Added after") && !text.contains("Devices with"), "{text}");
}

#[test]
fn without_a_difference_none_is_clear() {
    let (_folder, text) = written(&MadeUp::default(), &options());
    assert!(text.contains("| scratch | 6 | 0 | 0 | 0 | 0 | 0 | 6 | "), "{text}");
    assert!(!text.contains("better than") && !text.contains("worse than"), "{text}");
    assert!(!text.contains("significant"), "{text}");

    // The test cannot give a low p for four subjects, however large the difference.
    let far: MadeUp = MadeUp {
        subjects: 4,
        ahead: &|m, _| if m == Method::Mim { 0.2 } else { 0.0 },
        ..MadeUp::default()
    };
    let (_folder, text) = written(&far, &options());
    assert!(text.contains("| scratch | 6 | 0 | 0 | 0 | 0 | 0 | 6 | "), "{text}");
    assert!(text.contains("| 4 | 2 | 0.1250 | 0.2500 | no |"), "{text}");

    let rising = MadeUp { rise: 0.05, ..MadeUp::default() };
    let (_folder, text) = written(&rising, &options());
    let line = text.lines().find(|line| line.starts_with("| all 36 labelled | +0.0")).unwrap();
    assert_eq!(line.matches(" rising |").count(), 3, "{line}");
}

/// The author of an addition may have seen results.
#[test]
fn additions_and_devices_are_reported() {
    let folder = TempDir::new().unwrap();
    let made_up = MadeUp { whole: false, ..MadeUp::default() };
    let mut first = options();
    (first.methods, first.seeds) = (vec![Method::Scratch, Method::Mim], vec![0, 1]);
    first.plan(None, &Quiet).unwrap().write(folder.path()).unwrap();
    let existing = Plan::read(folder.path()).unwrap();
    made_up.write_plan(&options().plan(Some(&existing), &Quiet).unwrap(), folder.path());
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
    assert!(text.contains("possibly with results in view: methods PCL; seeds 2."), "{text}");
    assert!(
        text.contains("Devices with different rounding were used: a GPU, the CPU (avx2)."),
        "{text}"
    );
}

/// The random course of a training moves all test subjects alike, so only seeds can show it.
#[test]
fn a_difference_on_which_seeds_disagree_is_not_clear() {
    let lucky = MadeUp { luck: 0.2, ..MadeUp::default() };
    let (_folder, text) = written(&lucky, &options());
    assert!(text.contains("| scratch | 6 | 0 | 0 | "), "{text}");
    assert!(text.contains("### Seeds disagree: "), "{text}");
    assert!(!text.contains("### Clear differences"), "{text}");
    assert!(text.contains("There are 3 seeds, which is few. They differ most for"), "{text}");
}

#[test]
fn a_sweep_that_has_just_begun_has_a_report() {
    let none = MadeUp { failed: &|_| Some("out of luck"), whole: false, ..MadeUp::default() };
    let (folder, text) = written(&none, &options());
    assert!(
        text.contains("No cell is completed yet") && text.contains("Cells failed: 27 of 27."),
        "{text}"
    );
    assert!(page(folder.path()).contains("out of luck"));

    let mut alone = options();
    (alone.methods, alone.seeds) = (vec![Method::Mim], vec![7]);
    let few = MadeUp { whole: false, ..MadeUp::default() };
    let (folder, text) = written(&few, &alone);
    assert!(text.contains("No pretraining is compared with scratch"), "{text}");
    assert!(text.contains("There is one seed only"), "{text}");
    let page = page(folder.path());
    assert!(!page.contains("NaN") && !page.contains("By vendor"), "{page}");
    assert!(page.contains("36 subjects for training, 36 of them labelled; 8 for validation"));
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
    assert!(page.contains("the loss became NaN &lt;in epoch 3&gt;"), "error messages are escaped");
    assert!(!page.contains("http://") && !page.contains("https://"), "no external resources");
}
