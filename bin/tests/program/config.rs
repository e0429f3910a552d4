//! Configuration and split files, from the command line.

use crate::desk::{Desk, TINY, assert_a_line_says, assert_says};

/// The arguments of tiny settings.
fn tiny() -> Vec<&'static str> {
    TINY.iter().flat_map(|setting| ["--set", setting]).collect()
}

#[test]
fn what_is_shown_trains_as_what_was_said() {
    let desk = Desk::new();
    let more = ["--method", "mim", "--set", "pretrain.patch=8,8", "--set", "finetune.patience=5"];
    let shown = desk.succeed(&[&["config", "show"], &more[..], &tiny()].concat());
    assert_eq!(shown.matches("\n---\n").count(), 1, "two documents");
    assert!(shown.contains("  - 32\n") && shown.contains("masking_setting: 0.0\n"), "{shown}");
    std::fs::write(desk.path("shown.yaml"), &shown).unwrap();
    let again = desk.succeed(&["config", "show", "--config", "shown.yaml"]);
    assert_eq!(again, shown);
    desk.succeed(&["train", "--config", "shown.yaml", "--out", "read", "--seed", "3"]);
    desk.trained("said", &[&more[..], &["--seed", "3"]].concat());
    assert_eq!(desk.json("read/settings.json"), desk.json("said/settings.json"));
    let weights = |run: &str| std::fs::read(desk.path(run).join("finetune/last.safetensors"));
    assert!(weights("read").unwrap() == weights("said").unwrap());
    // The settings of a run are a configuration, seed included.
    desk.succeed(&["train", "--config", "said/settings.json", "--out", "third"]);
    assert_eq!(desk.json("third/settings.json"), desk.json("said/settings.json"));
    assert!(weights("third").unwrap() == weights("said").unwrap());
}

#[test]
fn subjects_of_a_split_file_keep_their_roles() {
    let desk = Desk::new();
    let ids = |numbers: &[u8]| -> Vec<String> {
        numbers.iter().map(|n| format!("phantom000{n}")).collect()
    };
    let list = |numbers: &[u8]| format!("{{phantom: [{}]}}", ids(numbers).join(", "));
    let file = |name: &str, train: &[u8]| {
        let (train, valid, test) = (list(train), list(&[4]), list(&[5, 7]));
        let text = format!("train: {train}\nvalid: {valid}\ntest: {test}\n");
        std::fs::write(desk.path(name), text).unwrap();
    };
    file("all.yaml", &[1, 2, 3, 6, 8]);
    file("few.yaml", &[2, 8]);
    let few = ["--set", "subjects.labelled_split=few.yaml"];
    desk.trained("run", &[&["--method", "pcl", "--split", "all.yaml"], &few[..]].concat());
    let roles = desk.json("run/split.json");
    assert_eq!(roles["train"], serde_json::json!(ids(&[1, 2, 3, 6, 8])));
    assert_eq!(roles["test"], serde_json::json!(ids(&[5, 7])));
    assert_eq!(roles["labelled"], serde_json::json!(ids(&[2, 8])));
    file("leak.yaml", &[4, 2]);
    let leak = ["--set", "subjects.labelled_split=leak.yaml"];
    let more = [&["--method", "pcl", "--split", "all.yaml"], &leak[..]].concat();
    let output = desk.train("no", &more).output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success(), "{errors}");
    assert_a_line_says(&errors, &["error", "phantom0004"]);
}

#[test]
fn configurations_that_cannot_be_used_are_refused_in_one_line() {
    let desk = Desk::new();
    let write = |text: &str| std::fs::write(desk.path("a.yaml"), text).unwrap();
    let train = ["train", "--config", "a.yaml"];
    write("mim:\n  mask_ratio: 0.5\n  patch_sise: 16\n");
    let line = desk.fail(&train, 2);
    assert_says(&line, &["a.yaml", "3", "mim.patch_sise", "mim.patch_size"]);
    write("mim:\n  mask_ratio: [\n");
    assert_says(&desk.fail(&train, 2), &["a.yaml", "YAML"]);
    write("mim:\n  mask_ratio: 0.5\npaths:\n  data: /no/such/data\n");
    let line = desk.fail(&train, 2);
    assert_says(&line, &["a.yaml", "4", "paths.data", "/no/such/data"]);
    assert_says(
        &desk.fail(&[&train[..], &["--method", "pcl"]].concat(), 2),
        &["--method pcl", "mim"],
    );
    std::fs::write(desk.path("a.pt"), "").unwrap();
    write("unet:\n  nr_output_classes: 4\n  weights_path: a.pt\n");
    assert_says(&desk.fail(&train, 2), &["a.yaml", "--method"]);
    write("mim:\n  mask_ratio: 0.5\ndataset:\n  subsets: [mm1]\n");
    // Never the phantom silently.
    assert_says(&desk.fail(&train, 2), &["subjects.subsets", "mm1"]);
    assert_says(&desk.fail(&["train"], 2), &["--method", "--config"]);
    assert_says(&desk.fail(&["train", "--config", "nowhere.yaml"], 1), &["nowhere.yaml"]);
    assert!(!desk.path("runs").exists(), "nothing is left behind");
}

#[test]
fn keys_are_listed_with_their_meaning_value_and_published_key() {
    let desk = Desk::new();
    let text = desk.succeed(&["config", "keys", "--method", "mim", "--preset", "paper"]);
    let at = text.find("pretrain.mim.ratio ").expect(&text);
    let part: Vec<&str> = text[at..].lines().take(3).collect();
    assert!(part[0].ends_with("  0.75") && part[1].to_lowercase().contains("patches"), "{part:?}");
    assert!(part[2].ends_with(" mim.mask_ratio"), "{part:?}");
    assert!(text.lines().all(|line| line.len() <= 120), "{text}");
    assert_says(&desk.succeed(&["config", "keys"]), &["dino_head.out_dim"]);
}
