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

fn ask(counts: Vec<Option<usize>>) -> Ask {
    Ask {
        methods: vec![Method::Scratch, Method::Mim],
        counts,
        seeds: vec![0, 1],
        as_given: true,
        ..Ask::default()
    }
}

fn plan(counts: Vec<Option<usize>>) -> Result<Plan> {
    ask(counts).plan(None, &Quiet)
}

fn tried(method: Option<Method>, key: &str, values: &[&str]) -> Try {
    Try { method, key: key.into(), values: values.iter().map(|&v| v.to_owned()).collect() }
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
    let mut ask = ask(vec![Some(2), None]);
    ask.tables = vec![Table::Phases, Table::Vendors, Table::Augmentation];
    ask.changes = vec![(None, "subjects.phantom=4".into())];
    ask.vendors = vec!["Siemens".into(), "B".into()];
    let plan = ask.plan(None, &Quiet).unwrap();
    let cells = plan.cells();
    // Beside eight cells by counts: four variants of two methods and two seeds.
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

    ask.table_counts = vec![Some(3)];
    let error = ask.plan(None, &Quiet).unwrap_err().to_string();
    assert!(error.contains("--table-counts 3"), "{error}");
    (ask.counts, ask.table_counts) = (vec![Some(2)], vec![None]);
    let error = ask.plan(None, &Quiet).unwrap_err().to_string();
    assert!(error.contains("--table-counts all"), "{error}");
}

/// What stands twice would be done twice, and counted twice.
#[test]
fn what_is_asked_for_twice_is_done_once() {
    let mut ask = ask(vec![Some(2), None]);
    ask.tables = vec![Table::Phases, Table::Vendors, Table::Phases];
    ask.changes = vec![(None, "subjects.phantom=4".into())];
    ask.vendors = vec!["A".into(), "Siemens".into()];
    ask.table_counts = vec![None, None];
    let plan = ask.plan(None, &Quiet).unwrap();
    let names: Vec<_> = plan.variants.iter().map(|variant| variant.name.as_str()).collect();
    assert_eq!(names, ["ED", "ES", "A"]);
    let mut cells: Vec<_> = plan.cells().iter().map(Cell::name).collect();
    let all = cells.len();
    cells.sort();
    cells.dedup();
    assert_eq!(cells.len(), all);
}

#[test]
fn vendors_must_be_there_and_leave_some_unseen() {
    let mut ask = ask(vec![None]);
    ask.tables = vec![Table::Vendors];
    ask.changes = vec![(None, "subjects.phantom=4".into())];
    for (vendors, wanted) in
        [(vec!["A", "Z"], "--vendors Z: "), (vec!["A", "B", "C", "D"], "--vendors A,B,C,D: ")]
    {
        ask.vendors = vendors.into_iter().map(str::to_owned).collect();
        let error = ask.plan(None, &Quiet).unwrap_err().to_string();
        assert!(error.contains(wanted), "{error}");
    }
}

#[test]
fn settings_cannot_be_chosen_without_a_look_at_validation_subjects() {
    let mut ask = ask(vec![None]);
    ask.preset = Some(Preset::Small);
    ask.changes = vec![(None, "finetune.validate_every=0".into())];
    ask.plan(None, &Quiet).unwrap();
    ask.tries = vec![tried(None, "finetune.steps", &["4", "8"])];
    let error = ask.plan(None, &Quiet).unwrap_err().to_string();
    assert!(error.contains("finetune.validate_every=0"), "{error}");
}

/// Files are found whatever folder a process is started in.
#[test]
fn paths_of_splits_are_whole() {
    let mut ask = ask(vec![None]);
    ask.changes = vec![(None, "subjects.split=some/split.yaml".into())];
    let split = ask.plan(None, &Quiet).unwrap().shared().subjects.split.clone().unwrap();
    assert_eq!(split, std::path::absolute("some/split.yaml").unwrap().display().to_string());
}

#[test]
fn vendors_are_looked_up_where_none_are_named() {
    let mut ask = ask(vec![None]);
    ask.tables = vec![Table::Vendors];
    ask.changes = vec![(None, "subjects.phantom=4".into())];
    assert_eq!(ask.plan(None, &Quiet).unwrap().variants[0].name, "A+B");
}

#[test]
fn arms_choose_among_every_combination() {
    let mut ask = ask(vec![None]);
    let pretraining = "pretrain.optimisation.learning_rate";
    ask.tries = vec![
        tried(Some(Method::Mim), pretraining, &["0.01", "0.1"]),
        tried(None, "finetune.steps", &["4", "8"]),
    ];
    let plan = ask.plan(None, &Quiet).unwrap();
    assert_eq!(changes(&plan, Method::Scratch), ["finetune.steps=4", "finetune.steps=8"]);
    let of_mim = changes(&plan, Method::Mim);
    assert_eq!(of_mim.len(), 4);
    assert_eq!(of_mim[1], "pretrain.optimisation.learning_rate=0.01 finetune.steps=8");
    // Those that differ in fine-tuning alone share a pretraining.
    let arm = plan.arm(Method::Mim).unwrap();
    let names: Vec<_> = protocol::Pretraining::all(arm).iter().map(|p| p.name()).collect();
    assert_eq!(names, ["pretrain/mim-1", "pretrain/mim-3"]);
    assert_eq!(protocol::Pretraining::of(arm, 3).name(), "pretrain/mim-3");

    // What a method has no use for makes no candidate.
    ask.tries = vec![tried(None, pretraining, &["0.01", "0.1"])];
    let plan = ask.plan(None, &Quiet).unwrap();
    assert_eq!(changes(&plan, Method::Scratch), [""]);
    assert_eq!(changes(&plan, Method::Mim).len(), 2);
    ask.tries = vec![tried(None, "pretrain.dino.bottleneck", &["8", "16"])];
    let plan = ask.plan(None, &Quiet).unwrap();
    assert_eq!([Method::Scratch, Method::Mim].map(|m| changes(&plan, m).len()), [1, 1]);

    (ask.tries, ask.as_given) = (vec![], false);
    let plan = ask.plan(None, &Quiet).unwrap();
    let tried = [Method::Scratch, Method::Mim].map(|method| changes(&plan, method).len());
    assert_eq!(tried, [4, 4], "rates are tried, of every method as many");
    ask.preset = Some(Preset::Paper);
    assert_eq!(
        changes(&ask.plan(None, &Quiet).unwrap(), Method::Mim),
        [""],
        "the study's are taken"
    );
}

#[test]
fn the_highest_dice_on_validation_subjects_is_chosen() {
    let trial = |dice: Option<f64>| {
        let ending = match dice {
            Some(_) => Ending::done(1.0),
            None => Ending::failed("lost".into()),
        };
        Some(Trial { ending, dice })
    };
    let best = protocol::best;
    assert_eq!(best(&[None]), Some(0), "one alone is taken untried");
    assert_eq!(best(&[trial(Some(0.5)), trial(Some(0.7)), trial(Some(0.7))]), Some(1));
    assert_eq!(best(&[trial(Some(0.5)), None]), None, "not before all are over");
    assert_eq!(best(&[trial(None), trial(Some(0.1))]), Some(1));
    assert_eq!(best(&[trial(None), trial(None)]), None);
}

/// Several processes may forgive at once, and work on what was forgiven.
#[test]
fn what_gave_results_is_not_done_again_for_a_failed_cell() {
    let sweep = tempfile::tempdir().unwrap();
    let mut ask = ask(vec![None]);
    ask.tries = vec![tried(None, "finetune.steps", &["4", "8", "12"])];
    let plan = ask.plan(None, &Quiet).unwrap();
    let (cells, arm) = (plan.cells(), plan.arm(Method::Mim).unwrap());
    let cell = cells.iter().find(|cell| cell.method == Method::Mim).unwrap();
    let (failed, done) = (Ending::failed("lost".into()), Ending::done(0.0));
    let record = cell.folder(sweep.path()).path().join(cell::RECORD);
    let trial = |n: usize| arm.trial_folder(sweep.path(), n).path().join(protocol::TRIAL);
    let pretraining = protocol::Pretraining::of(arm, 0).record(sweep.path());
    let keep_trial = |n, ending, dice| cell::keep(&trial(n), &Trial { ending, dice }).unwrap();
    cell::keep(&pretraining, &failed).unwrap();
    let lost =
        Record { cell: cell.clone(), ending: failed.clone(), train_subjects: 0, test_subjects: 0 };
    cell::keep(&record, &lost).unwrap();
    // The first was done again by another process, the third waits for one.
    keep_trial(0, done.clone(), Some(0.5));
    keep_trial(1, failed.clone(), None);
    run::forgive(sweep.path(), &plan, cell).unwrap();
    let there = [&trial(0), &trial(1), &pretraining, &record].map(|path| path.exists());
    assert_eq!(there, [true, false, false, false]);

    // Cells rest on the choice.
    cell::keep(&record, &lost).unwrap();
    keep_trial(1, failed, None);
    keep_trial(2, done, Some(0.4));
    run::forgive(sweep.path(), &plan, cell).unwrap();
    assert_eq!([&trial(1), &record].map(|path| path.exists()), [true, false]);
    run::forgive(sweep.path(), &plan, cell).unwrap();
    cell::remove(&record).unwrap();
}

#[test]
fn plans_that_compare_nothing_are_refused() {
    let mut none = plan(vec![None]).unwrap();
    none.counts.clear();
    let error = none.settled().unwrap_err().to_string();
    assert!(error.contains("a count"), "{error}");
    let mut twice = plan(vec![None]).unwrap();
    twice.arms.push(twice.arms[0].clone());
    let error = twice.settled().unwrap_err().to_string();
    assert!(error.contains("scratch"), "{error}");
    let mut apart = ask(vec![None]);
    apart.changes = vec![(Some(Method::Mim), "subjects.phantom=4".into())];
    let error = apart.plan(None, &Quiet).unwrap_err().to_string();
    assert!(error.contains("method mim") && error.contains("subjects"), "{error}");
}

#[test]
fn a_folder_keeps_its_plan() {
    let folder = tempfile::tempdir().unwrap();
    let none = Plan::read(folder.path()).unwrap_err().to_string();
    assert!(none.contains(&folder.path().display().to_string()), "{none}");
    let one = plan(vec![None]).unwrap();
    one.keep(folder.path()).unwrap();
    one.keep(folder.path()).unwrap();
    assert_eq!(Plan::read(folder.path()).unwrap(), one);
    let mut longer = one.clone();
    longer.arms[1].candidates[0].settings.finetune.steps = 7;
    let error = longer.keep(folder.path()).unwrap_err().to_string();
    assert!(error.contains("arms.2.candidates.1.settings.finetune.steps "), "{error}");
    let mut none = one.clone();
    none.counts = vec![Some(0)];
    let error = none.settled().unwrap_err().to_string();
    assert!(error.contains("1"), "{error}");
    // Settings that an older version did not have are as in the preset.
    let path = folder.path().join("sweep.json");
    let mut tree: serde_json::Value = train::run::folder::read_json(&path).unwrap();
    let finetune = tree.pointer_mut("/arms/0/candidates/0/settings/finetune").unwrap();
    finetune.as_object_mut().unwrap().remove("min_delta");
    std::fs::write(&path, tree.to_string()).unwrap();
    assert_eq!(Plan::read(folder.path()).unwrap(), one);
    tree["arms"] = serde_json::json!([]);
    std::fs::write(&path, tree.to_string()).unwrap();
    let error = Plan::read(folder.path()).unwrap_err().to_string();
    assert!(error.contains("sweep.json") && error.contains("method"), "{error}");
}

/// What is done stays, and rests on the settings that were chosen then.
#[test]
fn a_sweep_may_be_added_to() {
    let folder = tempfile::tempdir().unwrap();
    let first = plan(vec![Some(3), None]).unwrap();
    first.keep(folder.path()).unwrap();
    let more = |counts: Vec<Option<usize>>, seeds: Vec<u64>, tables: Vec<Table>| {
        let ask = Ask { counts, seeds, tables, ..Ask::default() };
        let there = Plan::read(folder.path()).unwrap();
        let whole = ask.plan(Some(&there), &Quiet).unwrap().keep(folder.path()).unwrap();
        assert_eq!(Plan::read(folder.path()).unwrap(), whole);
        whole
    };
    assert_eq!(more(vec![], vec![], vec![]), first);
    let grown = more(vec![Some(2)], vec![4], vec![Table::Phases]);
    assert_eq!(
        (&grown.counts[..], &grown.seeds[..]),
        (&[Some(2), Some(3), None][..], &[0, 1, 4][..])
    );
    assert_eq!(grown.begun(), first.begun());
    let tried = Choice::cell(&grown, Method::Mim);
    assert_eq!((tried.labelled, tried.seed), (Some(3), 0), "what was chosen stays");
    let names = |plan: &Plan| plan.cells().iter().map(Cell::name).collect::<Vec<_>>();
    let (before, after) = (names(&first), names(&grown));
    assert!(before.iter().all(|name| after.contains(name)));
    assert_eq!((before.len(), after.len()), (2 * 2 * 2, 2 * 3 * 3 + 2 * 2 * 3));

    // Methods come with settings of their own, and must be of the same subjects and network.
    let mut methods = ask(vec![]);
    (methods.methods, methods.seeds) = (vec![Method::Pcl], vec![]);
    let grown = methods.plan(Some(&grown), &Quiet).unwrap().keep(folder.path()).unwrap();
    let of = |plan: &Plan| plan.arms.iter().map(|arm| arm.method).collect::<Vec<_>>();
    assert_eq!(of(&grown), [Method::Scratch, Method::Mim, Method::Pcl]);
    let sizes = [grown.counts.len(), grown.seeds.len()];
    assert_eq!(sizes, [3, 3], "counts and seeds that are not named are those of the sweep");
    assert_eq!(grown.begun(), first.begun());
    (methods.methods, methods.preset) = (vec![Method::Dino], Some(Preset::Small));
    let plan = methods.plan(Some(&grown), &Quiet).unwrap();
    let error = plan.keep(folder.path()).unwrap_err().to_string();
    assert!(error.contains("method dino") && error.contains("network"), "{error}");

    // The same table at another count; one that stands already is not done anew.
    let ask = Ask { tables: vec![Table::Phases], table_counts: vec![Some(2)], ..Ask::default() };
    let grown = ask.plan(Some(&grown), &Quiet).unwrap().keep(folder.path()).unwrap();
    let of_variant = |variant: &Variant| (variant.name.clone(), variant.counts.clone());
    let variants: Vec<_> = grown.variants.iter().map(of_variant).collect();
    let both = vec![None, Some(2)];
    assert_eq!(variants, [("ED".to_owned(), both.clone()), ("ES".to_owned(), both)]);
    let mut other = grown.clone();
    other.variants[0].changes = vec!["finetune.phases=es".into()];
    let error = other.keep(folder.path()).unwrap_err().to_string();
    assert!(error.contains("variants.1.changes"), "{error}");
}

/// A command that is given again, as a job that is handed in again, asks for what it asked for.
#[test]
fn tables_stay_beside_the_counts_that_they_began_with() {
    let folder = tempfile::tempdir().unwrap();
    let more = |counts: Vec<Option<usize>>| {
        let there = Plan::is_in(folder.path()).then(|| Plan::read(folder.path()).unwrap());
        let ask = Ask { tables: vec![Table::Phases], ..ask(counts) };
        ask.plan(there.as_ref(), &Quiet).unwrap().keep(folder.path()).unwrap()
    };
    let begun = more(vec![Some(2), Some(3)]);
    assert_eq!(begun.variants[0].counts, [Some(3)]);
    let grown = Ask { counts: vec![None], ..Ask::default() };
    grown.plan(Some(&begun), &Quiet).unwrap().keep(folder.path()).unwrap();
    let again = more(vec![Some(2), Some(3)]);
    assert_eq!(again.counts, [Some(2), Some(3), None]);
    assert!(again.variants.iter().all(|variant| variant.counts == [Some(3)]), "{again:?}");
}

/// The study's files of subsets lie beside its split.
#[test]
fn subsets_may_be_the_studys() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str| folder.path().join(name);
    for name in ["s.yaml", "s-nr10-seed1.yaml", "s-Vendor-A_B.yaml"] {
        std::fs::write(
            file(name),
            "train: [phantom0001]\nvalid: [phantom0003]\ntest: [phantom0002]\n",
        )
        .unwrap();
    }
    let mut ask = ask(vec![Some(10), None]);
    (ask.subsets, ask.split) = (Some(Subsets::Published), Some(file("s.yaml")));
    (ask.tables, ask.vendors) = (vec![Table::Vendors], vec!["A".into(), "B".into()]);
    ask.changes = vec![(None, "subjects.phantom=4".into())];
    let plan = ask.plan(None, &Quiet).unwrap();
    let of = |name: &str| -> Result<Settings> {
        let cells = plan.cells();
        let cell = cells.iter().find(|cell| cell.name() == name).unwrap();
        plan.settings_of(cell, plan.shared())
    };
    let labelled = |name: &str| of(name).unwrap().subjects.labelled_split;
    let path = |name: &str| Some(file(name).display().to_string());
    assert_eq!(labelled("subjects/scratch-10-s1"), path("s-nr10-seed1.yaml"));
    assert_eq!(of("subjects/scratch-10-s1").unwrap().labelled, 0, "the file says how many");
    assert_eq!(labelled("subjects/scratch-all-s1"), None);
    assert_eq!(labelled("vendors/A+B-scratch-all-s0"), path("s-Vendor-A_B.yaml"));
    let error = of("subjects/scratch-10-s0").unwrap_err().to_string();
    assert!(error.contains("s-nr10-seed0.yaml"), "{error}");
    ask.split = None;
    let error = ask.plan(None, &Quiet).unwrap_err().to_string();
    assert!(error.contains("--split"), "{error}");
}

/// Configurations of several methods each go to their own.
#[test]
fn configurations_go_to_the_methods_that_they_are_for() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("mim.yaml");
    let mut settings = Settings::preset(Preset::Small, Method::Mim);
    settings.pretrain.optimisation.epochs = 7;
    std::fs::write(&path, settings.to_published().unwrap()).unwrap();
    let mut ask = ask(vec![None]);
    ask.configs = Configs::read(&[path]).unwrap();
    let plan = ask.plan(None, &Quiet).unwrap();
    let of = |method| &plan.arm(method).unwrap().candidates[0].settings;
    assert_eq!(of(Method::Mim).pretrain.optimisation.epochs, 7);
    assert_eq!(
        (of(Method::Scratch).method, of(Method::Scratch).preset),
        (Method::Scratch, Preset::Small)
    );
}

#[test]
fn labelled_subjects_of_a_seed_are_among_those_of_larger_counts() {
    let folder = tempfile::tempdir().unwrap();
    let cohort = sampling::Cohort::phantom(16, 0, folder.path(), |_, _| {}).unwrap();
    let plan = plan(vec![Some(2), Some(5), None]).unwrap();
    let labelled = |labelled, seed| {
        let cell = Cell { labelled, seed, ..Choice::cell(&plan, Method::Mim) };
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
