//! The published files are read with all their keys and values, and written back.

use std::path::Path;

use common::yaml;
use sampling::augment::Chance;
use serde_json::{Value, json};

use super::*;
use crate::{
    AugmentationChange, Centre, Decay, Fill, Masking, Method, Phases, Preset, Settings, tree,
};

const BASELINE: &str = include_str!("tests/baseline.json");
const SIMCLR: &str = include_str!("tests/simclr.json");
const PCL: &str = include_str!("tests/pcl.json");
const DINO: &str = include_str!("tests/dino.json");
const MIM: &str = include_str!("tests/mim.json");

fn published(method: Method) -> &'static str {
    match method {
        Method::Scratch => BASELINE,
        Method::SimClr => SIMCLR,
        Method::Pcl => PCL,
        Method::Dino => DINO,
        Method::Mim => MIM,
    }
}

fn configs(text: &str) -> Configs {
    Configs::parse(text, Path::new("a.yaml")).unwrap()
}

fn read(text: &str) -> Settings {
    configs(text).settings(None, None, Preset::Demo, &[]).unwrap().settings
}

#[track_caller]
fn refusal(text: &str) -> String {
    let configs = Configs::parse(text, Path::new("a.yaml"));
    let error = configs.and_then(|c| c.settings(None, None, Preset::Demo, &[])).unwrap_err();
    let error = error.to_string();
    assert!(!error.contains('\n'), "{error}");
    error
}

/// A published file with some values changed, and without a split file to look for.
fn changed(method: Method, changes: &[(&str, Value)]) -> String {
    let mut tree: Value = serde_json::from_str(published(method)).unwrap();
    tree::put(&mut tree, "dataset.split_file", Value::Null);
    for (key, value) in changes {
        tree::put(&mut tree, key, value.clone());
    }
    yaml::to_text(tree.as_object().unwrap())
}

/// Keys and values, sections flattened.
fn flat(tree: &Value, path: &str, found: &mut Vec<(String, Value)>) {
    match tree {
        Value::Object(map) => map.iter().for_each(|(key, value)| {
            flat(value, format!("{path}.{key}").trim_start_matches('.'), found);
        }),
        value => found.push((path.to_owned(), value.clone())),
    }
}

#[test]
fn the_paper_is_written_as_published() {
    for method in Method::ALL {
        let text = Settings::preset(Preset::Paper, method).to_published().unwrap();
        let documents = yaml::parse(&text, Path::new("show")).unwrap();
        let wanted = if method == Method::Scratch {
            vec![BASELINE]
        } else {
            vec![published(method), BASELINE]
        };
        assert_eq!(documents.len(), wanted.len());
        for (document, wanted) in documents.iter().zip(wanted) {
            let (mut ours, mut theirs) = (vec![], vec![]);
            flat(&serde_json::from_str(wanted).unwrap(), "", &mut theirs);
            flat(&document.value(), "", &mut ours);
            for (key, value) in &theirs {
                let found = ours.iter().find(|(ours, _)| ours == key);
                // Fine-tuning has another rate, for which there is no published file.
                let rate = wanted == BASELINE && key == "optimizer.learning_rate";
                let value = match rate && method != Method::Scratch {
                    true => &json!(0.005),
                    false => value,
                };
                let same = found.is_some_and(|(_, ours)| tree::same(ours, value));
                // Where their data lie is theirs.
                assert!(same || key == "paths.data", "{method:?} {key}: {value} {found:?}");
            }
            let more = |(key, _): &&(String, Value)| {
                !key.starts_with("cine.") && theirs.iter().all(|(theirs, _)| theirs != key)
            };
            assert_eq!(ours.iter().find(more), None, "{method:?}");
        }
    }
}

#[test]
fn the_published_files_are_the_paper() {
    for method in Method::ALL {
        let text = match method {
            Method::Scratch => changed(method, &[("cine.method", json!("scratch"))]),
            method => format!("{}---\n{}", changed(method, &[]), changed(Method::Scratch, &[])),
        };
        let mut found = read(&text);
        assert_eq!(found.subjects.subsets, ["mm1", "mm2"]);
        assert_eq!(found.subjects.split_seed, Some(0));
        let mut paper = Settings::preset(Preset::Paper, method);
        (found.subjects.subsets, found.subjects.split_seed) = (vec![], None);
        if method != Method::Scratch {
            // The file has the rate from scratch.
            paper.finetune.pretrained_learning_rate = 0.01;
        }
        assert_eq!(found, paper, "{method:?}");
    }
}

#[test]
fn every_preset_comes_back_the_same() {
    for preset in Preset::ALL {
        for method in Method::ALL {
            let settings = Settings::preset(preset, method);
            assert_eq!(read(&settings.to_published().unwrap()), settings, "{preset:?} {method:?}");
        }
    }
}

#[test]
fn what_has_no_published_key_comes_back_as_well() {
    let changes = [
        "pretrain.centre=motion",
        "pretrain.augmentation.noise.range=0.1,0.3",
        "pretrain.augmentation.translation.range=-33.3,33.3",
        "pretrain.dino.local_views=0",
        "pretrain.dino.second.flip=0.1,0.2",
        "pretrain.dino.first.rotation={\"probability\": 0.3, \"range\": [-5, 5]}",
        "pretrain.dino.local.scale=none",
        "pretrain.decay=constant",
        "pretrain.final_weight_decay=0.001",
        "pretrain.masking=shuffle_pixels_batch",
        "finetune.patience=7",
        "finetune.min_delta=0.25",
        "finetune.pretrained_learning_rate=0.004",
        "finetune.decay=cosine",
        "finetune.phases=es",
        "finetune.centre=slice",
        "network.size=192",
        "save_every=7.5",
        "subjects.split_seed=3",
        "subjects.subsets=acdc",
        "subjects.split=all.yaml",
        "subjects.labelled_split=few.yaml",
    ];
    for method in Method::ALL {
        let mut settings = Settings::preset(Preset::Paper, method);
        settings.seed = 9;
        settings.labelled = 5;
        settings.apply(&changes.map(str::to_owned)).unwrap();
        // A split that is there to be found.
        settings.subjects.split = Some(file!().replace("ssp/settings/", ""));
        settings.subjects.labelled_split =
            settings.subjects.split.clone().map(|s| s.replace("tests", "mod"));
        assert_eq!(read(&settings.to_published().unwrap()), settings, "{method:?}");
    }
}

#[test]
fn files_with_the_keys_of_settings_are_read_too() {
    let mut settings = Settings::preset(Preset::Small, Method::Dino);
    settings.seed = 4;
    let tree = settings.to_value().unwrap();
    assert_eq!(read(&tree.to_string()), settings);
    let part = "method: mim\npreset: small\nfinetune:\n  optimisation: {epochs: 7}\n";
    let found = read(part);
    assert_eq!((found.method, found.finetune.optimisation.epochs), (Method::Mim, 7));
    assert_eq!(found.network, Settings::preset(Preset::Small, Method::Mim).network);
    let line = refusal("method: mim\nfinetune:\n  optimisation:\n    epoch: 7\n");
    assert!(line.starts_with("a.yaml, line 4: "), "{line}");
    assert!(line.contains("finetune.optimisation.epoch;"), "{line}");
    assert!(line.contains("finetune.optimisation.epochs"), "{line}");
    assert!(refusal("method: mime").contains("scratch, simclr, pcl, dino or mim"));
    assert!(refusal("finetune: 3\nmethod: pcl").starts_with("a.yaml, line 1: finetune"));
    let line = refusal("method: pcl\nnetwork:\n  size: big");
    assert!(line.starts_with("a.yaml, line 3: network.size") && line.contains("big"), "{line}");
    let line = refusal("method: pcl\nnetwork:\n  size: 100");
    assert!(line.starts_with("a.yaml, line 3: ") && line.contains("network.size"), "{line}");
}

#[test]
fn values_are_taken_as_they_are_meant() {
    let view = "local_data_update.augmentation";
    let text = changed(
        Method::Dino,
        &[
            ("data.translate_to_center", json!(false)),
            ("data.target_size", json!([192, 192])),
            ("data.augmentation.scale.prob", json!(0.4)),
            ("data.augmentation.flip_prob", json!(0.25)),
            ("local_data_update.nr_sample_copies", json!(2)),
            ("local_data_update.target_size", json!([64, 64])),
            (&format!("{view}.rotation.range"), json!([-90, 90])),
            (&format!("{view}.gaussian_noise.prob"), json!(0.75)),
            ("optimizer.weight_decay_end", json!(0.01)),
        ],
    );
    let found = read(&text);
    assert_eq!(found.pretrain.centre, Centre::Slice);
    assert_eq!(found.pretrain.augmentation.flip, [0.25, 0.25]);
    // 40 of 192 pixels.
    let shift = found.pretrain.augmentation.translation.range[1];
    assert!((shift - 40.0 * 256.0 / 192.0).abs() < 1e-12);
    let dino = found.pretrain.dino;
    assert_eq!((dino.local_views, dino.local_size), (3, 64));
    let local = AugmentationChange {
        translation: Some(Chance::new(1.0, -640.0, 640.0)),
        rotation: Some(Chance::new(1.0, -90.0, 90.0)),
        // The probability is that of all views, where a view does not say.
        scale: Some(Chance::new(0.4, 0.313, 0.524)),
        noise: Some(Chance::new(0.75, 0.0, 0.2)),
        ..AugmentationChange::default()
    };
    assert_eq!(dino.local, local);
    assert_eq!(found.pretrain.optimisation.final_weight_decay, Some(0.01));

    let text = changed(
        Method::Mim,
        &[
            ("mim.masking_setting", json!("replace_patches")),
            ("mim.ratio_as_prob", json!(true)),
            ("mim.patch_size", json!([16, 64])),
        ],
    );
    let mim = read(&text).pretrain.mim;
    assert_eq!(mim.masking, Masking::Drawn(Fill::ReplacePatches));
    assert!(mim.by_probability && mim.patch == [16, 64]);

    let text = changed(
        Method::Scratch,
        &[
            ("cine.method", json!("scratch")),
            ("dataset.special_mode", json!("es_only")),
            ("training.early_stopping.active", json!(true)),
            ("unet.nr_output_scales", json!(2)),
        ],
    );
    let found = read(&text);
    assert_eq!(found.finetune.phases, Phases::Es);
    assert_eq!((found.finetune.patience, found.finetune.min_delta), (4, 0.001));
    assert_eq!((found.network.heads, found.finetune.optimisation.decay), (2, Decay::Polynomial));
}

#[test]
fn weights_and_data_that_a_file_names() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    std::fs::write(path("mim.pt"), "").unwrap();
    std::fs::create_dir_all(path("data/original_data")).unwrap();
    std::fs::create_dir_all(path("data/subject_splits")).unwrap();
    std::fs::write(path("data/subject_splits/split.yaml"), "").unwrap();
    let changes = [
        ("unet.weights_path", json!("mim.pt")),
        ("optimizer.learning_rate", json!(0.003)),
        ("paths.data", json!(path("data").display().to_string())),
        ("dataset.split_file", json!("split.yaml")),
    ];
    let write = |changes: &[(&str, Value)]| {
        std::fs::write(path("a.yaml"), changed(Method::Scratch, changes)).unwrap();
        let configs = Configs::read(&[path("a.yaml")])?;
        configs.settings(Some(Method::Mim), None, Preset::Demo, &[])
    };
    let found = write(&changes).unwrap();
    assert_eq!(found.weights, Some(path("mim.pt")));
    assert_eq!(found.data().unwrap(), Some(path("data/original_data")));
    let split = path("data/subject_splits/split.yaml").display().to_string();
    assert_eq!(found.settings.subjects.split, Some(split));
    let finetune = found.settings.finetune;
    assert_eq!(finetune.pretrained_learning_rate, 0.003);
    assert_eq!(finetune.optimisation.learning_rate, 0.01, "that from scratch stays");
    // Beside the file goes first.
    std::fs::write(path("split.yaml"), "").unwrap();
    let split = write(&changes).unwrap().settings.subjects.split;
    assert_eq!(split, Some(path("split.yaml").display().to_string()));
    // Nowhere: missed when it is read, unless --split names another.
    let split = write(&[("dataset.split_file", json!("no.yaml"))]).unwrap().settings.subjects.split;
    assert_eq!(split.as_deref(), Some("no.yaml"));
    let error = write(&[("unet.weights_path", json!("no.pt"))]).unwrap_err().to_string();
    assert!(error.contains("no.pt") && error.contains("--weights"), "{error}");
    let error = write(&[("paths.data", json!("/no/data"))]).unwrap().data().unwrap_err();
    assert!(error.to_string().contains("/no/data"), "{error}");
    assert_eq!(write(&[("paths.data", json!(null))]).unwrap().data().unwrap(), None);
}

#[test]
fn two_documents_of_one_run() {
    let folder = tempfile::tempdir().unwrap();
    let name = |name: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, "").unwrap();
        json!(path.display().to_string())
    };
    let (all, ten) = (name("all.yaml"), name("ten.yaml"));
    let split = |value: &Value| vec![("dataset.split_file", value.clone())];
    let both = |pretraining: &[(&str, Value)], supervised: &[(&str, Value)]| {
        format!(
            "{}---\n{}",
            changed(Method::Pcl, pretraining),
            changed(Method::Scratch, supervised)
        )
    };
    let subjects = read(&both(&split(&all), &split(&ten))).subjects;
    assert_eq!(subjects.split.as_deref(), all.as_str());
    assert_eq!(subjects.labelled_split.as_deref(), ten.as_str());
    let subjects = read(&both(&split(&all), &split(&all))).subjects;
    assert_eq!((subjects.split.as_deref(), subjects.labelled_split), (all.as_str(), None));
    let subjects = read(&both(&[], &split(&all))).subjects;
    assert_eq!((subjects.split.as_deref(), subjects.labelled_split), (all.as_str(), None));

    let line = refusal(&both(&[], &[("data.target_size", json!([128, 128]))]));
    assert!(line.contains("data.target_size") && line.contains("[128, 128]"), "{line}");
    assert!(line.contains("network.size"), "{line}");
    let line = refusal(&format!("{}---\n{}", changed(Method::Pcl, &[]), changed(Method::Mim, &[])));
    assert!(
        line.contains("mim") && line.contains("a.yaml, line 1") && line.contains("pcl"),
        "{line}"
    );
    assert_eq!(read(&changed(Method::Scratch, &[])).method, Method::Scratch);
    let line = refusal(&changed(Method::Scratch, &[("unet.weights_path", json!("a.pt"))]));
    assert!(line.contains("a.yaml") && line.contains("--method"), "{line}");
    let mim = configs(&changed(Method::Mim, &[]));
    let error = mim.settings(Some(Method::Pcl), None, Preset::Demo, &[]).unwrap_err().to_string();
    assert!(error.contains("--method pcl") && error.contains("mim"), "{error}");
    assert!(Configs::default().settings(None, None, Preset::Demo, &[]).is_err());
    // A preset that is asked for keeps what the file does not say.
    let found = mim.settings(None, Some(Preset::Small), Preset::Demo, &[]).unwrap().settings;
    assert_eq!((found.preset, found.network.size), (Preset::Small, 256));
    assert_eq!(found.finetune, Settings::preset(Preset::Small, Method::Mim).finetune);
}

#[test]
fn the_rate_of_a_supervised_file_is_that_of_its_run() {
    let rates = |text: &str, method| {
        let found = configs(text).settings(method, None, Preset::Demo, &[]).unwrap();
        let finetune = &found.settings.finetune;
        let rates = (finetune.optimisation.learning_rate, finetune.pretrained_learning_rate);
        (rates, found.notes.into_iter().find(|note| note.contains("optimizer.learning_rate")))
    };
    let supervised =
        |rate: f64| changed(Method::Scratch, &[("optimizer.learning_rate", json!(rate))]);
    let both = |rate| format!("{}---\n{}", changed(Method::Pcl, &[]), supervised(rate));
    assert_eq!(rates(&supervised(0.02), None), ((0.02, 0.005), None));
    assert_eq!(rates(&both(0.02), None), ((0.01, 0.02), None));
    assert_eq!(rates(&supervised(0.02), Some(Method::Mim)), ((0.01, 0.02), None));
    assert_eq!(rates(&both(0.005), None), ((0.01, 0.005), None));
    // As published, which may have been forgotten.
    let (found, note) = rates(&both(0.01), None);
    assert_eq!(found, (0.01, 0.01));
    let note = note.unwrap();
    assert!(note.contains("optimizer.learning_rate 0.01") && note.contains("0.005"), "{note}");
    // And it is written as it is.
    let mut settings = Settings::preset(Preset::Paper, Method::Pcl);
    settings.finetune.pretrained_learning_rate = 0.007;
    settings.finetune.optimisation.learning_rate = 0.3;
    let text = settings.to_published().unwrap();
    let [_, supervised] = yaml::parse(&text, Path::new("show")).unwrap().try_into().unwrap();
    assert_eq!(supervised.get("optimizer.learning_rate").unwrap().value(), json!(0.007));
    assert_eq!(read(&text), settings);
}

#[test]
fn what_a_view_leaves_out_is_as_all_views_have_it() {
    let mut tree: Value = serde_json::from_str(DINO).unwrap();
    tree::put(&mut tree, "dataset.split_file", Value::Null);
    // The published first view is always blurred, and local views shift by more.
    let solarised = json!({"solarization": {"prob": 0.3}});
    tree::put(&mut tree, "global_data_update_blur.augmentation", solarised);
    let rotated = json!({"rotation": {"range": [-9, 9]}});
    tree::put(&mut tree, "local_data_update.augmentation", rotated);
    let found = read(&yaml::to_text(tree.as_object().unwrap())).pretrain;
    let change = AugmentationChange::default();
    assert_eq!(found.dino.first, AugmentationChange { solarise: Some(0.3), ..change });
    // 40 pixels of all views, which are twice as far in a view of half the size.
    let local = AugmentationChange {
        rotation: Some(Chance::new(1.0, -9.0, 9.0)),
        translation: Some(Chance::new(1.0, -80.0, 80.0)),
        ..change
    };
    assert_eq!(found.dino.local, local);
    tree::put(&mut tree, "local_data_update.augmentation.translation.prob", json!(0.5));
    let found = read(&yaml::to_text(tree.as_object().unwrap())).pretrain;
    assert_eq!(found.dino.local.translation, Some(Chance::new(0.5, -80.0, 80.0)));
}

#[test]
fn changes_come_before_what_is_checked() {
    let text = changed(Method::Mim, &[("mim.patch_size", json!([24, 24]))]);
    let line = refusal(&text);
    assert!(line.starts_with("a.yaml, line ") && line.contains("mim.patch_size"), "{line}");
    let set = |text: &str, change: &str| {
        let found = configs(text).settings(None, None, Preset::Demo, &[change.to_owned()]);
        found.map(|found| found.settings).map_err(|error| error.to_string())
    };
    let found = set(&text, "network.size=192").unwrap();
    assert_eq!((found.network.size, found.pretrain.mim.patch), (192, [24, 24]));
    let line = set(&changed(Method::Mim, &[]), "pretrain.mim.patch=24,24").unwrap_err();
    assert!(line.starts_with("pretrain.mim.patch="), "what was set is in no file: {line}");
    // A part of what a view does not change yet.
    let found =
        set(&changed(Method::Dino, &[]), "pretrain.dino.first.rotation.range=-5,5").unwrap();
    assert_eq!(found.pretrain.dino.first.rotation, Some(Chance::new(1.0, -5.0, 5.0)));
}

#[test]
fn what_cannot_be_taken_is_refused_with_its_line() {
    let cases = [
        (Method::Mim, "data.dimensionality", json!("3D"), "2D"),
        (Method::Mim, "data.intensity.reference_level", json!("slice"), "subject"),
        (Method::Mim, "data.image_grid_sample_mode", json!("nearest"), "bicubic"),
        (Method::Mim, "data.intensity.clamp.active", json!(true), "False"),
        (Method::Mim, "data.augmentation.scale.linked", json!(false), "True"),
        (Method::Mim, "data.augmentation.gaussian_smooth.sigma_y", json!([1, 2]), "sigma_x"),
        (Method::Mim, "data.target_size", json!([256, 128]), "[256, 128]"),
        (Method::Mim, "data.nr_sample_copies", json!(1), "data.nr_sample_copies"),
        (Method::Mim, "mim.masking_setting", json!("shuffle"), "shuffle_pixels_patch"),
        (Method::Mim, "mim.mask_ratio", json!(1.5), "1.5"),
        (Method::Mim, "optimizer.learning_rate", json!("fast"), "fast"),
        (Method::Mim, "optimizer.momentun", json!(0.9), "optimizer.momentum"),
        (Method::Mim, "data.augmentation.scale.rnge", json!(0), "data.augmentation.scale.range"),
        (Method::Mim, "mlpp.channels_list", json!([1]), "mlpp"),
        (Method::Mim, "loss.dice_loss_weight", json!(1), "mim"),
        (Method::Mim, "data.augmentation", json!(null), "None"),
        (Method::Mim, "dataset.special_mode", json!("ed_only"), "None"),
        (Method::Mim, "cine.finetune.epoch", json!(1), "finetune.optimisation.epochs"),
        (Method::Dino, "dataset.train_weighted_sampling_columns", json!(["Vendor"]), "None"),
        (Method::Scratch, "dataset.special_mode", json!("both"), "es_only"),
        (Method::Scratch, "training.lr_scheduler_type", json!("step"), "poly"),
    ];
    for (method, key, value, wanted) in cases {
        let mut changes = vec![(key, value)];
        if method == Method::Scratch {
            changes.push(("cine.method", json!("scratch")));
        }
        let text = changed(method, &changes);
        let line = refusal(&text);
        assert!(line.contains(wanted), "{key}: {line}");
        let number = line.strip_prefix("a.yaml, line ").and_then(|rest| rest.split(':').next());
        let number: usize = number.unwrap_or_else(|| panic!("{line}")).parse().unwrap();
        // The value's line, which is that of its key or, of a list, the one below.
        let near = text.lines().skip(number.saturating_sub(2)).take(2).collect::<String>();
        assert!(key.split('.').any(|part| near.contains(part)), "{key}: {line}\n{near}");
    }
    assert!(refusal("- 1").starts_with("a.yaml, line 1"));
    assert!(refusal("optimizer:\n  momentum: 0.9").starts_with("a.yaml"));
    let nearest = refusal("minm:\n  mask_ratio: 0.9");
    assert!(nearest.contains("minm") && nearest.contains(" mim"), "{nearest}");
    assert!(refusal("").starts_with("a.yaml"));
}

#[test]
fn what_has_no_effect_is_told_once() {
    let found =
        configs(&changed(Method::Mim, &[])).settings(None, None, Preset::Demo, &[]).unwrap();
    let [note] = found.notes.as_slice() else { panic!("{:?}", found.notes) };
    for key in ["dataloader.valid.batch_size", "dataloader.valid.shuffle"] {
        assert_eq!(note.matches(key).count(), 1, "{note}");
    }
    // On these no result depends.
    for key in ["general", "experiment", "optimizer", "early_stopping"] {
        assert!(!note.contains(key), "{note}");
    }
}

#[test]
fn published_keys_can_be_set_by_themselves() {
    let settings = Settings::preset(Preset::Paper, Method::Mim);
    let set = |text: &str| {
        let mut settings = settings.clone();
        settings.apply(&[text.into()]).map(|()| settings).map_err(|error| error.to_string())
    };
    assert_eq!(set("mim.mask_ratio=0.5").unwrap().pretrain.mim.ratio, 0.5);
    assert_eq!(set("mim.patch_size=64").unwrap().pretrain.mim.patch, [64, 64]);
    assert_eq!(set("data.target_size=128,128").unwrap().network.size, 128);
    assert_eq!(
        set("training.polynomial_scheduler_power=2").unwrap().finetune.optimisation.power,
        2.0
    );
    assert_eq!(set("training.early_stopping.patience=3").unwrap().finetune.patience, 3);
    let masking = set("mim.masking_setting=gaussian_noise").unwrap().pretrain.mim.masking;
    assert_eq!(masking, Masking::Drawn(Fill::GaussianNoise));
    for (change, parts) in [
        (
            "optimizer.momentum=0.8",
            &["pretrain.optimisation.momentum", "finetune.optimisation.momentum"][..],
        ),
        ("optimizer.momentun=1", &["optimizer.momentun", "optimizer.momentum"]),
        ("mim.mask_ratio=lots", &["pretrain.mim.ratio", "lots"]),
        ("data.dimensionality=3D", &["data.dimensionality", "2D"]),
        ("general.verbosity=2", &["general.verbosity"]),
        ("paths.data=x", &["--data"]),
        ("unet.weights_path=x", &["--weights"]),
    ] {
        let error = set(change).unwrap_err();
        assert!(parts.iter().all(|part| error.contains(part)), "{change}: {error}");
    }
    assert!(set("dino_head.out_dim=8").is_err(), "a key of another method");
    let mut scratch = Settings::preset(Preset::Paper, Method::Scratch);
    scratch.apply(&["optimizer.momentum=0.8".into()]).unwrap();
    assert_eq!(scratch.finetune.optimisation.momentum, 0.8);
}

#[test]
fn the_table_has_each_key_once_per_document_and_settings_that_there_are() {
    use super::table::PUBLISHED_KEYS;
    let tree = Settings::preset(Preset::Paper, Method::Dino).to_value().unwrap();
    for (at, row) in PUBLISHED_KEYS.iter().enumerate() {
        for &kind in row.of {
            let twice =
                PUBLISHED_KEYS[..at].iter().any(|r| r.key == row.key && r.of.contains(&kind));
            assert!(!twice, "{} {kind:?}", row.key);
            let Some(setting) = row.setting(kind, Method::Dino) else { continue };
            // What a view does not change is none.
            let above = setting.rsplit_once('.').unwrap_or_default().0;
            let there = tree::get(&tree, &setting).is_some()
                || tree::get(&tree, above).is_some_and(Value::is_null);
            assert!(there, "{}: {setting}", row.key);
        }
    }
}
