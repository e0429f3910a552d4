//! What pretraining draws, that it is the same every time, and that training does not notice.

use crate::desk::{Desk, bytes};

/// Pictures that a pretext task leaves.
fn drawn(method: &str) -> Vec<&'static str> {
    let mut names = vec!["views.png", "neighbours.png"];
    names.extend((method == "mim").then_some("reconstructions.png"));
    names
}

fn pretrain(desk: &Desk, out: &str, method: &str) {
    desk.trained(out, &["--method", method, "--stage", "pretrain"]);
}

#[test]
fn every_pretext_task_leaves_its_pictures() {
    let desk = Desk::new();
    for method in ["simclr", "pcl", "dino", "mim"] {
        pretrain(&desk, method, method);
        let pictures = desk.path(method).join("pictures");
        for name in drawn(method) {
            let file = std::io::Cursor::new(bytes(pictures.join(name)));
            let reader = png::Decoder::new(file).read_info().unwrap();
            let width = reader.info().width;
            assert!((400..1600).contains(&width), "{method}: {name} is {width} wide");
        }
        assert_eq!(pictures.join("reconstructions.png").exists(), method == "mim");
        let found = desk.json(&format!("{method}/pretrain/neighbours.json"));
        for what in ["nearest", "random"] {
            let value = found["mean_position_difference"][what].as_f64().unwrap();
            assert!((0.0..1.0).contains(&value), "{method}: {what} {value}");
        }
        assert_eq!((&found["of_subjects"], &found["among_subjects"]), (&1.into(), &6.into()));
    }
}

#[test]
fn pictures_are_the_same_every_time_and_training_does_not_notice() {
    let desk = Desk::new();
    pretrain(&desk, "first", "mim");
    let pictures = desk.path("first/pictures");
    let all = || drawn("mim").into_iter().map(|name| bytes(pictures.join(name)));
    let before: Vec<_> = all().collect();
    // A finished run draws what is missing, from the weights that it has.
    std::fs::remove_dir_all(&pictures).unwrap();
    pretrain(&desk, "first", "mim");
    assert!(all().eq(before), "pictures differ");
    // A run that finds its views drawn does not draw them; its weights are the same.
    std::fs::create_dir_all(desk.path("second/pictures")).unwrap();
    for name in ["settings.json", "pictures/views.png"] {
        std::fs::copy(desk.path("first").join(name), desk.path("second").join(name)).unwrap();
    }
    pretrain(&desk, "second", "mim");
    let weights = |run: &str| bytes(desk.path(run).join("pretrain/last.safetensors"));
    assert!(weights("first") == weights("second"));
}
