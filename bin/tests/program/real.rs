//! The program on real cardiac images, where there are some.

use nifti::NiftiHeader;

use crate::desk::Desk;

#[test]
fn real_images_train_predict_and_are_evaluated() {
    let Some(data) = data::testing::real("acdc/training") else { return };
    let desk = Desk::new();
    let text = data.to_str().unwrap();
    desk.trained("run", &["--method", "pcl", "--data", text, "--set", "finetune.epochs=1"]);
    let folder = data.join("patient001");
    let stderr =
        desk.succeed(&["predict", "--weights", "run", folder.to_str().unwrap(), "--out", "labels"]);
    // The label maps among the images are not mistaken for images.
    assert_eq!(std::fs::read_dir(desk.path("labels")).unwrap().count(), 2, "{stderr}");
    let name = "patient001_frame01.nii.gz";
    let source = NiftiHeader::from_file(folder.join(name)).unwrap();
    let labels = NiftiHeader::from_file(desk.path("labels").join(name)).unwrap();
    assert_eq!(labels.dim, source.dim);
    assert_eq!((labels.srow_x, labels.quatern_b), (source.srow_x, source.quatern_b));
    std::fs::create_dir(desk.path("truth")).unwrap();
    let truth = "patient001_frame01_gt.nii.gz";
    std::fs::copy(folder.join(truth), desk.path("truth").join(truth)).unwrap();
    let table = desk.succeed(&[
        "evaluate",
        "--predictions",
        "labels",
        "--labels",
        "truth",
        "--csv",
        "dice.csv",
    ]);
    assert!(table.contains("patient001_frame01"), "{table}");
    assert_eq!(evaluate::read_frames(desk.path("dice.csv")).unwrap().len(), 1);
}
