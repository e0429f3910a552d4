use super::*;
use crate::Result;
use common::Watcher;
use settings::published::Configs;
use settings::{Method, Preset, Settings};

struct Quiet;

impl Watcher for Quiet {
    fn note(&self, _: &str) {}
    fn begin(&self, _: &str, _: u64) {}
    fn advance(&self, _: u64, _: &str) {}
    fn end(&self) {}
}

fn options(counts: Vec<Option<usize>>) -> SweepOptions {
    SweepOptions {
        methods: vec![Method::Scratch, Method::Mim],
        counts,
        seeds: vec![0, 1],
        as_given: true,
        ..SweepOptions::default()
    }
}

fn plan(counts: Vec<Option<usize>>) -> Result<Plan> {
    options(counts).plan(None, &Quiet)
}

fn grid(method: Option<Method>, key: &str, values: &[&str]) -> SettingGrid {
    SettingGrid { method, key: key.into(), values: values.iter().map(|&v| v.to_owned()).collect() }
}

fn changes(plan: &Plan, method: Method) -> Vec<&str> {
    plan.arm(method).unwrap().candidates.iter().map(|c| c.changes.as_str()).collect()
}

#[test]
fn every_arm_and_seed_holds_out_the_same_subjects() {
    let plan = plan(vec![None, Some(4), Some(2)]).unwrap();
    assert_eq!(plan.counts, [Some(2), Some(4), None]);
    let cells = plan.cells();
    assert_eq!(cells.len(), 12);
    assert_eq!(cells[0].name(), "subjects/scratch-2-s0");
    assert_eq!(cells[11].name(), "subjects/mim-all-s1");
    for cell in cells {
        let chosen = &plan.arm(cell.method).unwrap().candidates[0].settings;
        let settings = plan.settings_of(&cell, chosen).unwrap();
        assert_eq!((settings.seed, settings.subjects.split_seed), (cell.seed, Some(0)));
        assert_eq!(settings.labelled, cell.labelled.unwrap_or(0));
    }
}

#[test]
fn tables_change_how_the_largest_count_is_fine_tuned() {
    let mut options = options(vec![Some(2), None]);
    options.tables = vec![StudyTable::Phases, StudyTable::Vendors, StudyTable::Augmentation];
    options.changes = vec![(None, "subjects.phantom=4".into())];
    options.vendors = vec!["Siemens".into(), "B".into()];
    let plan = options.plan(None, &Quiet).unwrap();
    let cells = plan.cells();
    // Eight cells by counts, and four variants of two methods and two seeds.
    assert_eq!(cells.len(), 8 + 16);
    let of = |name: &str| {
        let cell = cells.iter().find(|cell| cell.name() == name).unwrap();
        plan.settings_of(cell, &plan.arm(cell.method).unwrap().candidates[0].settings).unwrap()
    };
    assert_eq!(of("vendors/A+B-mim-all-s1").subjects.vendors, ["A", "B"]);
    assert_eq!(of("phases/ES-scratch-all-s0").finetune.phases, settings::Phases::Es);
    let augmentation = of("augmentation/none-scratch-all-s0").finetune.augmentation;
    assert_eq!((augmentation.rotation.probability, augmentation.flip), (0.0, [0.0, 0.0]));
    assert_eq!(of("subjects/mim-all-s1").subjects.vendors, [""; 0]);

    options.table_counts = vec![Some(3)];
    let error = options.plan(None, &Quiet).unwrap_err().to_string();
    assert!(error.contains("--table-counts 3"), "{error}");
    (options.counts, options.table_counts) = (vec![Some(2)], vec![None]);
    let error = options.plan(None, &Quiet).unwrap_err().to_string();
    assert!(error.contains("--table-counts all"), "{error}");
}

/// A repeated option must not repeat cells.
#[test]
fn repeated_options_have_no_effect() {
    let mut options = options(vec![Some(2), None]);
    options.tables = vec![StudyTable::Phases, StudyTable::Vendors, StudyTable::Phases];
    options.changes = vec![(None, "subjects.phantom=4".into())];
    options.vendors = vec!["A".into(), "Siemens".into()];
    options.table_counts = vec![None, None];
    let plan = options.plan(None, &Quiet).unwrap();
    let names: Vec<_> = plan.variants.iter().map(|variant| variant.name.as_str()).collect();
    assert_eq!(names, ["ED", "ES", "A"]);
    let mut cells: Vec<_> = plan.cells().iter().map(Cell::name).collect();
    let all = cells.len();
    cells.sort();
    cells.dedup();
    assert_eq!(cells.len(), all);
}

#[test]
fn vendors_must_exist_and_leave_some_unseen() {
    let mut options = options(vec![None]);
    options.tables = vec![StudyTable::Vendors];
    options.changes = vec![(None, "subjects.phantom=4".into())];
    for (vendors, wanted) in [
        (vec!["A", "Z"], "--vendors Z: no subject has this vendor; vendors of built-in phantom"),
        (vec!["A", "B", "C", "D"], "--vendors A,B,C,D: all vendors"),
    ] {
        options.vendors = vendors.into_iter().map(str::to_owned).collect();
        let error = options.plan(None, &Quiet).unwrap_err().to_string();
        assert!(error.contains(wanted), "{error}");
    }
}

#[test]
fn settings_cannot_be_chosen_without_validation() {
    let mut options = options(vec![None]);
    options.preset = Some(Preset::Small);
    options.changes = vec![(None, "finetune.validate_every=0".into())];
    options.plan(None, &Quiet).unwrap();
    options.grids = vec![grid(None, "finetune.steps", &["4", "8"])];
    let error = options.plan(None, &Quiet).unwrap_err().to_string();
    assert!(error.contains("there is no validation"), "{error}");
}

/// A process in another directory must find the files.
#[test]
fn paths_of_splits_are_absolute() {
    let mut options = options(vec![None]);
    options.changes = vec![(None, "subjects.split=some/split.yaml".into())];
    let split = options.plan(None, &Quiet).unwrap().shared().subjects.split.clone().unwrap();
    assert_eq!(split, std::path::absolute("some/split.yaml").unwrap().display().to_string());
}

#[test]
fn vendors_are_found_in_the_data_if_none_are_given() {
    let mut options = options(vec![None]);
    options.tables = vec![StudyTable::Vendors];
    options.changes = vec![(None, "subjects.phantom=4".into())];
    assert_eq!(options.plan(None, &Quiet).unwrap().variants[0].name, "A+B");
}

#[test]
fn candidates_are_all_combinations_of_values() {
    let mut options = options(vec![None]);
    let pretraining = "pretrain.optimisation.learning_rate";
    options.grids = vec![
        grid(Some(Method::Mim), pretraining, &["0.01", "0.1"]),
        grid(None, "finetune.steps", &["4", "8"]),
    ];
    let plan = options.plan(None, &Quiet).unwrap();
    assert_eq!(changes(&plan, Method::Scratch), ["finetune.steps=4", "finetune.steps=8"]);
    let of_mim = changes(&plan, Method::Mim);
    assert_eq!(of_mim.len(), 4);
    assert_eq!(of_mim[1], "pretrain.optimisation.learning_rate=0.01 finetune.steps=8");
    // Candidates that differ in fine-tuning only share a pretraining.
    let arm = plan.arm(Method::Mim).unwrap();
    let names: Vec<_> = arm::Pretraining::all(arm).iter().map(|p| p.name()).collect();
    assert_eq!(names, ["pretrain/mim-1", "pretrain/mim-3"]);
    assert_eq!(arm::Pretraining::of(arm, 3).name(), "pretrain/mim-3");

    // Settings that a method does not use make no candidate.
    options.grids = vec![grid(None, pretraining, &["0.01", "0.1"])];
    let plan = options.plan(None, &Quiet).unwrap();
    assert_eq!(changes(&plan, Method::Scratch), [""]);
    assert_eq!(changes(&plan, Method::Mim).len(), 2);
    options.grids = vec![grid(None, "pretrain.dino.bottleneck", &["8", "16"])];
    let plan = options.plan(None, &Quiet).unwrap();
    assert_eq!([Method::Scratch, Method::Mim].map(|m| changes(&plan, m).len()), [1, 1]);

    (options.grids, options.as_given) = (vec![], false);
    let plan = options.plan(None, &Quiet).unwrap();
    let numbers = [Method::Scratch, Method::Mim].map(|method| changes(&plan, method).len());
    assert_eq!(numbers, [4, 4], "every method has as many default candidates");
    options.preset = Some(Preset::Paper);
    assert_eq!(
        changes(&options.plan(None, &Quiet).unwrap(), Method::Mim),
        [""],
        "those of the study are used"
    );
}

#[test]
fn the_highest_dice_on_validation_subjects_is_chosen() {
    let trial = |dice: Option<f64>| {
        let outcome = match dice {
            Some(_) => Outcome::done(1.0),
            None => Outcome::failed("lost".into()),
        };
        Some(TrialResult { outcome, dice })
    };
    let best = protocol::best;
    assert_eq!(best(&[None]), Some(0), "a single one needs no trial");
    assert_eq!(best(&[trial(Some(0.5)), trial(Some(0.7)), trial(Some(0.7))]), Some(1));
    assert_eq!(best(&[trial(Some(0.5)), None]), None, "not before all have finished");
    assert_eq!(best(&[trial(None), trial(Some(0.1))]), Some(1));
    assert_eq!(best(&[trial(None), trial(None)]), None);
}

/// Several processes may reset failures at once, and redo the work.
#[test]
fn resetting_a_failed_cell_keeps_finished_work() {
    let sweep = tempfile::tempdir().unwrap();
    let mut options = options(vec![None]);
    options.grids = vec![grid(None, "finetune.steps", &["4", "8", "12"])];
    let plan = options.plan(None, &Quiet).unwrap();
    let (cells, arm) = (plan.cells(), plan.arm(Method::Mim).unwrap());
    let cell = cells.iter().find(|cell| cell.method == Method::Mim).unwrap();
    let (failed, done) = (Outcome::failed("lost".into()), Outcome::done(0.0));
    let record = cell.folder(sweep.path()).path().join(cell::RECORD);
    let trial = |n: usize| arm.trial_folder(sweep.path(), n).path().join(protocol::TRIAL);
    let pretraining = arm::Pretraining::of(arm, 0).record(sweep.path());
    let keep_trial =
        |n, outcome, dice| cell::write_record(&trial(n), &TrialResult { outcome, dice }).unwrap();
    cell::write_record(&pretraining, &failed).unwrap();
    let lost = CellRecord {
        cell: cell.clone(),
        outcome: failed.clone(),
        train_subjects: 0,
        test_subjects: 0,
    };
    cell::write_record(&record, &lost).unwrap();
    // Another process has redone the first trial; the third has not been done.
    keep_trial(0, done.clone(), Some(0.5));
    keep_trial(1, failed.clone(), None);
    run::reset_failed(sweep.path(), &plan, cell).unwrap();
    let exist = [&trial(0), &trial(1), &pretraining, &record].map(|path| path.exists());
    assert_eq!(exist, [true, false, false, false]);

    // Once a candidate is chosen, its trials stay.
    cell::write_record(&record, &lost).unwrap();
    keep_trial(1, failed, None);
    keep_trial(2, done, Some(0.4));
    run::reset_failed(sweep.path(), &plan, cell).unwrap();
    assert_eq!([&trial(1), &record].map(|path| path.exists()), [true, false]);
    run::reset_failed(sweep.path(), &plan, cell).unwrap();
    cell::remove(&record).unwrap();
}

#[test]
fn invalid_plans_are_refused() {
    let mut none = plan(vec![None]).unwrap();
    none.counts.clear();
    let error = none.normalised().unwrap_err().to_string();
    assert!(error.contains("a count"), "{error}");
    let mut twice = plan(vec![None]).unwrap();
    twice.arms.push(twice.arms[0].clone());
    let error = twice.normalised().unwrap_err().to_string();
    assert!(error.contains("scratch appears twice"), "{error}");
    let mut apart = options(vec![None]);
    apart.changes = vec![(Some(Method::Mim), "subjects.phantom=4".into())];
    let error = apart.plan(None, &Quiet).unwrap_err().to_string();
    assert!(error.contains("method mim: subjects and network"), "{error}");
}

#[test]
fn a_plan_is_written_and_read() {
    let folder = tempfile::tempdir().unwrap();
    assert!(Plan::read(folder.path()).unwrap_err().to_string().contains("holds no sweep"));
    let one = plan(vec![None]).unwrap();
    one.write(folder.path()).unwrap();
    one.write(folder.path()).unwrap();
    assert_eq!(Plan::read(folder.path()).unwrap(), one);
    let mut longer = one.clone();
    longer.arms[1].candidates[0].settings.finetune.steps = 7;
    let error = longer.write(folder.path()).unwrap_err().to_string();
    assert!(error.contains("(arms.2.candidates.1.settings.finetune.steps is"), "{error}");
    let mut none = one.clone();
    none.counts = vec![Some(0)];
    let error = none.normalised().unwrap_err().to_string();
    assert!(error.contains("at least 1 labelled subject"), "{error}");
    // Settings that an older version did not write have the value of the preset.
    let path = folder.path().join("sweep.json");
    let mut tree: serde_json::Value = train::run::folder::read_json(&path).unwrap();
    let finetune = tree.pointer_mut("/arms/0/candidates/0/settings/finetune").unwrap();
    finetune.as_object_mut().unwrap().remove("min_delta");
    std::fs::write(&path, tree.to_string()).unwrap();
    assert_eq!(Plan::read(folder.path()).unwrap(), one);
    tree["arms"] = serde_json::json!([]);
    std::fs::write(&path, tree.to_string()).unwrap();
    let error = Plan::read(folder.path()).unwrap_err().to_string();
    assert!(error.contains("sweep.json: a sweep needs at least a method"), "{error}");
}

/// Finished cells stay, and so do the settings that were chosen for them.
#[test]
fn a_sweep_can_be_extended() {
    let folder = tempfile::tempdir().unwrap();
    let first = plan(vec![Some(3), None]).unwrap();
    first.write(folder.path()).unwrap();
    let more = |counts: Vec<Option<usize>>, seeds: Vec<u64>, tables: Vec<StudyTable>| {
        let options = SweepOptions { counts, seeds, tables, ..SweepOptions::default() };
        let existing = Plan::read(folder.path()).unwrap();
        let whole = options.plan(Some(&existing), &Quiet).unwrap().write(folder.path()).unwrap();
        assert_eq!(Plan::read(folder.path()).unwrap(), whole);
        whole
    };
    assert_eq!(more(vec![], vec![], vec![]), first);
    let grown = more(vec![Some(2)], vec![4], vec![StudyTable::Phases]);
    assert_eq!(
        (&grown.counts[..], &grown.seeds[..]),
        (&[Some(2), Some(3), None][..], &[0, 1, 4][..])
    );
    assert_eq!(grown.initial(), first.initial());
    let cell = SettingChoice::cell(&grown, Method::Mim);
    assert_eq!((cell.labelled, cell.seed), (Some(3), 0), "the cell of the trials stays");
    let names = |plan: &Plan| plan.cells().iter().map(Cell::name).collect::<Vec<_>>();
    let (before, after) = (names(&first), names(&grown));
    assert!(before.iter().all(|name| after.contains(name)));
    assert_eq!((before.len(), after.len()), (2 * 2 * 2, 2 * 3 * 3 + 2 * 2 * 3));

    // Added methods have their own settings, but the same subjects and network.
    let mut methods = options(vec![]);
    (methods.methods, methods.seeds) = (vec![Method::Pcl], vec![]);
    let grown = methods.plan(Some(&grown), &Quiet).unwrap().write(folder.path()).unwrap();
    let of = |plan: &Plan| plan.arms.iter().map(|arm| arm.method).collect::<Vec<_>>();
    assert_eq!(of(&grown), [Method::Scratch, Method::Mim, Method::Pcl]);
    let sizes = [grown.counts.len(), grown.seeds.len()];
    assert_eq!(sizes, [3, 3], "counts and seeds stay if none are given");
    assert_eq!(grown.initial(), first.initial());
    (methods.methods, methods.preset) = (vec![Method::Dino], Some(Preset::Small));
    let plan = methods.plan(Some(&grown), &Quiet).unwrap();
    let error = plan.write(folder.path()).unwrap_err().to_string();
    assert!(error.contains("method dino: subjects and network"), "{error}");

    // The same table with another count.
    let options = SweepOptions {
        tables: vec![StudyTable::Phases],
        table_counts: vec![Some(2)],
        ..SweepOptions::default()
    };
    let grown = options.plan(Some(&grown), &Quiet).unwrap().write(folder.path()).unwrap();
    let of_variant = |variant: &Variant| (variant.name.clone(), variant.counts.clone());
    let variants: Vec<_> = grown.variants.iter().map(of_variant).collect();
    let both = vec![None, Some(2)];
    assert_eq!(variants, [("ED".to_owned(), both.clone()), ("ES".to_owned(), both)]);
    let mut other = grown.clone();
    other.variants[0].changes = vec!["finetune.phases=es".into()];
    let error = other.write(folder.path()).unwrap_err().to_string();
    assert!(error.contains("another plan (variants.1.changes is"), "{error}");
}

/// A command that is repeated, such as a resubmitted job, must not add work.
#[test]
fn tables_keep_their_counts_when_the_sweep_is_extended() {
    let folder = tempfile::tempdir().unwrap();
    let more = |counts: Vec<Option<usize>>| {
        let existing = Plan::exists_in(folder.path()).then(|| Plan::read(folder.path()).unwrap());
        let options = SweepOptions { tables: vec![StudyTable::Phases], ..options(counts) };
        options.plan(existing.as_ref(), &Quiet).unwrap().write(folder.path()).unwrap()
    };
    let begun = more(vec![Some(2), Some(3)]);
    assert_eq!(begun.variants[0].counts, [Some(3)]);
    let grown = SweepOptions { counts: vec![None], ..SweepOptions::default() };
    grown.plan(Some(&begun), &Quiet).unwrap().write(folder.path()).unwrap();
    let again = more(vec![Some(2), Some(3)]);
    assert_eq!(again.counts, [Some(2), Some(3), None]);
    assert!(again.variants.iter().all(|variant| variant.counts == [Some(3)]), "{again:?}");
}

/// The files of subsets are in the folder of the split.
#[test]
fn subsets_can_be_published_files() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str| folder.path().join(name);
    for name in ["s.yaml", "s-nr10-seed1.yaml", "s-Vendor-A_B.yaml"] {
        std::fs::write(
            file(name),
            "train: [phantom0001]\nvalid: [phantom0003]\ntest: [phantom0002]\n",
        )
        .unwrap();
    }
    let mut options = options(vec![Some(10), None]);
    (options.subsets, options.split) = (Some(Subsets::Published), Some(file("s.yaml")));
    (options.tables, options.vendors) = (vec![StudyTable::Vendors], vec!["A".into(), "B".into()]);
    options.changes = vec![(None, "subjects.phantom=4".into())];
    let plan = options.plan(None, &Quiet).unwrap();
    let of = |name: &str| -> Result<Settings> {
        let cells = plan.cells();
        let cell = cells.iter().find(|cell| cell.name() == name).unwrap();
        plan.settings_of(cell, plan.shared())
    };
    let labelled = |name: &str| of(name).unwrap().subjects.labelled_split;
    let path = |name: &str| Some(file(name).display().to_string());
    assert_eq!(labelled("subjects/scratch-10-s1"), path("s-nr10-seed1.yaml"));
    assert_eq!(of("subjects/scratch-10-s1").unwrap().labelled, 0, "the file determines the number");
    assert_eq!(labelled("subjects/scratch-all-s1"), None);
    assert_eq!(labelled("vendors/A+B-scratch-all-s0"), path("s-Vendor-A_B.yaml"));
    let error = of("subjects/scratch-10-s0").unwrap_err().to_string();
    assert!(error.contains("s-nr10-seed0.yaml: does not exist"), "{error}");
    options.split = None;
    let error = options.plan(None, &Quiet).unwrap_err().to_string();
    assert!(error.contains("--split"), "{error}");
}

#[test]
fn configurations_apply_to_their_methods() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("mim.yaml");
    let mut settings = Settings::preset(Preset::Small, Method::Mim);
    settings.pretrain.optimisation.epochs = 7;
    std::fs::write(&path, settings.to_published().unwrap()).unwrap();
    let mut options = options(vec![None]);
    options.configs = Configs::read(&[path]).unwrap();
    let plan = options.plan(None, &Quiet).unwrap();
    let of = |method| &plan.arm(method).unwrap().candidates[0].settings;
    assert_eq!(of(Method::Mim).pretrain.optimisation.epochs, 7);
    assert_eq!(
        (of(Method::Scratch).method, of(Method::Scratch).preset),
        (Method::Scratch, Preset::Small)
    );
}

#[test]
fn smaller_sets_of_labelled_subjects_are_part_of_larger_ones() {
    let folder = tempfile::tempdir().unwrap();
    let cohort = sampling::Cohort::phantom(16, 0, folder.path(), |_, _| {}).unwrap();
    let plan = plan(vec![Some(2), Some(5), None]).unwrap();
    let labelled = |labelled, seed| {
        let cell = Cell { labelled, seed, ..SettingChoice::cell(&plan, Method::Mim) };
        let settings = plan.settings_of(&cell, plan.shared()).unwrap();
        train::roles::Roles::draw(&settings, &cohort, None, false, &|_| {}).unwrap()
    };
    for seed in [0, 1] {
        let [two, five, all] = [Some(2), Some(5), None].map(|count| labelled(count, seed));
        assert_eq!((two.labelled.len(), five.labelled.len()), (2, 5));
        assert!(two.labelled.iter().all(|id| five.labelled.contains(id)));
        assert!(five.labelled.iter().all(|id| all.labelled.contains(id)));
        assert_eq!((&two.test, &two.valid), (&all.test, &all.valid));
    }
    assert_ne!(labelled(Some(2), 0).labelled, labelled(Some(2), 1).labelled);
}
