//! Every published key: which documents have it, and its effect here.

use std::sync::LazyLock;

use super::form::Form::{self, *};
use super::kind::Kind::{self, *};
use crate::Method;

/// A published key.
#[derive(Clone, Debug)]
pub(super) struct PublishedKey {
    /// Its path, such as `optimizer.momentum`.
    pub key: String,
    /// The documents that have it.
    pub of: &'static [Kind],
    /// Its effect here.
    pub means: Effect,
    /// Whether published files contain it, so that it is written.
    pub written: bool,
}

/// The effect of a published key here.
#[derive(Clone, Debug)]
pub(super) enum Effect {
    /// Sets the setting of this path. A leading `*` stands for the document's stage.
    Setting(String, Form),
    /// Has no setting: the only value that is accepted.
    Fixed(&'static str),
    /// None: the reason, if results of the published program may depend on it, and the value written.
    Ignored(Why, &'static str),
    /// The weights to fine-tune from.
    Weights,
    /// The folder of data.
    Data,
}

impl PublishedKey {
    /// The path of the setting that the key sets, in a document for a method.
    pub(super) fn setting(&self, kind: Kind, method: Method) -> Option<String> {
        let Effect::Setting(setting, _) = &self.means else { return None };
        let setting = match setting.strip_prefix("*.") {
            Some(rest) => format!("{}.{rest}", kind.stage()),
            None => setting.clone(),
        };
        // There are two settings, the rate from scratch and that after pretraining; a published file
        // has one rate, that of its run.
        Some(match setting.as_str() {
            SCRATCH_RATE if method != Method::Scratch => FINETUNING_RATE.into(),
            _ => setting,
        })
    }
}

/// The learning rate of supervised training from scratch.
pub(super) const SCRATCH_RATE: &str = "finetune.optimisation.learning_rate";
/// The learning rate of fine-tuning.
pub(super) const FINETUNING_RATE: &str = "finetune.pretrained_learning_rate";

/// The entry of a key in a document.
pub(super) fn row(key: &str, kind: Kind) -> Option<&'static PublishedKey> {
    PUBLISHED_KEYS.iter().find(|row| row.key == key && row.of.contains(&kind))
}

const ALL: &[Kind] = &[Supervised, SimClr, Pcl, Dino, Mim];
const PRETRAINING: &[Kind] = &[SimClr, Pcl, Dino, Mim];
const BUT_SUPERVISED_AND_DINO: &[Kind] = &[SimClr, Pcl, Mim];
const CONTRASTIVE: &[Kind] = &[SimClr, Pcl];
const UNETS: &[Kind] = &[Supervised, Mim];
const ENCODERS: &[Kind] = &[SimClr, Pcl, Dino];

/// Why a key has no effect here; `None` if no result of the published program depends on it.
pub(super) type Why = Option<&'static str>;

const VALIDATION: Why = Some("validation takes every slice, one subject after the other");
const LOOKS: Why = Some("validation of pretraining takes batches of the training's size");
/// No effect in the published program either: what it configures is switched off.
const INACTIVE: Why = None;
/// How the published program logs and loads data. No result depends on it.
const LOGGING: Why = None;

/// Every published key, in the order of the published files.
pub(super) static PUBLISHED_KEYS: LazyLock<Vec<PublishedKey>> = LazyLock::new(|| {
    let mut rows = data();
    rows.extend(views());
    rows.extend(dataset());
    rows.extend(networks());
    rows.extend(losses());
    rows.extend(optimizer());
    rows.extend(training());
    rows.extend(rest());
    rows
});

fn means(key: &str, of: &'static [Kind], means: Effect) -> PublishedKey {
    PublishedKey { key: key.into(), of, means, written: true }
}

fn set(key: &str, of: &'static [Kind], setting: &str, form: Form) -> PublishedKey {
    means(key, of, Effect::Setting(setting.into(), form))
}

fn only(key: &str, of: &'static [Kind], takes: &'static str) -> PublishedKey {
    means(key, of, Effect::Fixed(takes))
}

fn nothing(key: &str, of: &'static [Kind], why: Why, written: &'static str) -> PublishedKey {
    means(key, of, Effect::Ignored(why, written))
}

/// Accepted, but in no published file.
fn unwritten(row: PublishedKey) -> PublishedKey {
    PublishedKey { written: false, ..row }
}

fn data() -> Vec<PublishedKey> {
    let mut rows = vec![
        only("data.dimensionality", ALL, "2D"),
        set("data.target_pixdim", ALL, "network.spacing", Twice),
        set("data.target_size", ALL, "network.size", Twice),
        only("data.image_grid_sample_mode", ALL, "bicubic"),
        only("data.label_grid_sample_mode", ALL, "nearest"),
        set(
            "data.translate_to_center",
            ALL,
            "*.centre",
            Words(&[("True", "labels"), ("False", "slice")]),
        ),
        only("data.nr_sample_copies", CONTRASTIVE, "1"),
        only("data.nr_sample_copies", &[Supervised, Dino, Mim], "0"),
        only("data.to_one_hot.active", ALL, "True"),
        only("data.to_one_hot.nr_classes", ALL, "4"),
    ];
    rows.extend(augmentation("data", ALL, "*.augmentation", "network.size"));
    rows.extend([
        only("data.intensity.normalization_mode", ALL, "standardize"),
        only("data.intensity.reference_level", ALL, "subject"),
        nothing("data.intensity.normalize.target_min", ALL, INACTIVE, "-1.0"),
        nothing("data.intensity.normalize.target_max", ALL, INACTIVE, "1.0"),
        nothing("data.intensity.normalize.source_min", ALL, INACTIVE, "None"),
        nothing("data.intensity.normalize.source_max", ALL, INACTIVE, "None"),
        only("data.intensity.clamp.active", ALL, "False"),
        nothing("data.intensity.clamp.min_intensity", ALL, INACTIVE, "None"),
        nothing("data.intensity.clamp.max_intensity", ALL, INACTIVE, "None"),
    ]);
    rows
}

/// The keys of the augmentation in a section, for the settings below a path.
fn augmentation(
    section: &str,
    of: &'static [Kind],
    setting: &str,
    size: &'static str,
) -> Vec<PublishedKey> {
    let key = |name: &str| format!("{section}.augmentation.{name}");
    let setting = |name: &str| format!("{setting}.{name}");
    let mut rows = Vec::new();
    let mut chance =
        |theirs: &str, ours: &str, ranges: &[(&str, Form)], others: Vec<PublishedKey>| {
            let prob = key(&format!("{theirs}.prob"));
            rows.push(set(&prob, of, &setting(&format!("{ours}.probability")), Same));
            let mut others = others.into_iter();
            // The noise's mean comes before its range.
            rows.extend(others.by_ref().filter(|row| row.key.ends_with(".mean")));
            for &(range, form) in ranges {
                let range = key(&format!("{theirs}.{range}"));
                rows.push(set(&range, of, &setting(&format!("{ours}.range")), form));
            }
        };
    chance("translation", "translation", &[("range", Pixels(size))], vec![]);
    chance("rotation", "rotation", &[("range", Same)], vec![]);
    chance("scale", "scale", &[("range", Same)], vec![]);
    let mean = only(&key("gaussian_noise.mean"), of, "0.0");
    chance("gaussian_noise", "noise", &[("std", UpTo)], vec![mean]);
    chance("gaussian_smooth", "blur", &[("sigma_x", Same), ("sigma_y", Same)], vec![]);
    chance("scale_intensity", "intensity_scale", &[("factors", Same)], vec![]);
    chance("shift_intensity", "intensity_shift", &[("offsets", Same)], vec![]);
    chance("adjust_contrast", "contrast", &[("gamma", Same)], vec![]);
    let after_scale = 6;
    rows.insert(after_scale, only(&key("scale.linked"), of, "True"));
    rows.insert(after_scale + 1, set(&key("flip_prob"), of, &setting("flip"), OneOrTwo));
    rows.push(unwritten(set(&key("solarization.prob"), of, &setting("solarise"), Same)));
    let base = setting("").strip_suffix('.').map(str::to_owned).unwrap_or_default();
    // Views have one threshold in common.
    let threshold = match base.starts_with("pretrain.dino.") {
        true => "pretrain.augmentation.solarise_above".to_owned(),
        false => setting("solarise_above"),
    };
    rows.push(unwritten(set(&key("solarization.threshold"), of, &threshold, Same)));
    rows
}

/// The sections of DINO's views, each with what it changes in the augmentation.
pub(super) const VIEWS: [(&str, &str); 3] = [
    ("global_data_update_blur", "pretrain.dino.first"),
    ("global_data_update_solarize", "pretrain.dino.second"),
    ("local_data_update", "pretrain.dino.local"),
];

fn views() -> Vec<PublishedKey> {
    const DINO: &[Kind] = &[Dino];
    let mut rows = Vec::new();
    for (section, setting) in VIEWS {
        let key = |name: &str| format!("{section}.{name}");
        let local = section == "local_data_update";
        let size = if local { "pretrain.dino.local_size" } else { "network.size" };
        if local {
            rows.push(set(&key("target_size"), DINO, size, Twice));
            let copies = key("nr_sample_copies");
            rows.push(set(&copies, DINO, "pretrain.dino.local_views", Copies));
        } else {
            rows.push(unwritten(set(&key("target_size"), DINO, size, Twice)));
            rows.push(unwritten(only(&key("nr_sample_copies"), DINO, "0")));
        }
        let spacing = set(&key("target_pixdim"), DINO, "network.spacing", Twice);
        rows.push(unwritten(spacing));
        // Written where the view changes them.
        rows.extend(augmentation(section, DINO, setting, size).into_iter().map(unwritten));
    }
    rows
}

fn dataset() -> Vec<PublishedKey> {
    vec![
        set("dataset.split_file", ALL, "subjects.split", Else("default-cine-split.yaml")),
        set("dataset.subsets", ALL, "subjects.subsets", Listed("[mm1, mm2]")),
        only("dataset.key_pairs", ALL, "[[sa_cine, sa_cine_gt]]"),
        only("dataset.meta_only_labels", &[Supervised], "False"),
        nothing(
            "dataset.meta_only_labels",
            PRETRAINING,
            Some("pretraining takes of labels no more than where the heart is"),
            "True",
        ),
        set(
            "dataset.special_mode",
            &[Supervised],
            "finetune.phases",
            Words(&[("None", "all"), ("ed_only", "ed"), ("es_only", "es")]),
        ),
        only("dataset.special_mode", PRETRAINING, "None"),
        set("dataset.valid_partition", ALL, "subjects.valid_share", Same),
        set("dataset.valid_split_seed", ALL, "subjects.split_seed", Else("0")),
        only("dataset.train_weighted_sampling_columns", ALL, "None"),
        set("dataloader.train.batch_size", ALL, "*.optimisation.batch", Same),
        only("dataloader.train.drop_last", ALL, "True"),
        only("dataloader.train.shuffle", ALL, "True"),
        only("dataloader.train.augmentation", ALL, "True"),
        nothing("dataloader.valid.batch_size", &[Supervised], VALIDATION, "128"),
        nothing("dataloader.valid.batch_size", &[SimClr], LOOKS, "224"),
        nothing("dataloader.valid.batch_size", &[Pcl], LOOKS, "64"),
        nothing("dataloader.valid.batch_size", &[Mim], LOOKS, "256"),
        nothing("dataloader.valid.drop_last", &[Supervised], VALIDATION, "False"),
        nothing("dataloader.valid.drop_last", BUT_SUPERVISED_AND_DINO, LOOKS, "True"),
        nothing("dataloader.valid.shuffle", &[Supervised], VALIDATION, "False"),
        nothing("dataloader.valid.shuffle", BUT_SUPERVISED_AND_DINO, LOOKS, "True"),
        only("dataloader.valid.augmentation", &[Supervised], "False"),
        only("dataloader.valid.augmentation", BUT_SUPERVISED_AND_DINO, "True"),
    ]
}

fn networks() -> Vec<PublishedKey> {
    vec![
        only("unet.nr_image_channels", UNETS, "1"),
        set("unet.channels_list", UNETS, "network.channels", Same),
        only("unet.nr_output_classes", &[Supervised], "4"),
        only("unet.nr_output_classes", &[Mim], "1"),
        set("unet.nr_output_scales", &[Supervised], "network.heads", Same),
        only("unet.nr_output_scales", &[Mim], "1"),
        means("unet.weights_path", &[Supervised], Effect::Weights),
        only("unet.weights_path", &[Mim], "None"),
        only("encoder.nr_image_channels", ENCODERS, "1"),
        set("encoder.channels_list", ENCODERS, "network.channels", Same),
        set("mlp.channels_list", CONTRASTIVE, "pretrain.contrastive.mlp", Same),
        set("dino_head.out_dim", &[Dino], "pretrain.dino.outputs", Same),
        set("dino_head.use_bn", &[Dino], "pretrain.dino.batch_norm", Same),
        set("dino_head.student_norm_last_layer", &[Dino], "pretrain.dino.fixed_magnitude", Same),
    ]
}

fn losses() -> Vec<PublishedKey> {
    const DINO: &[Kind] = &[Dino];
    const LABELS: &[Kind] = &[Supervised];
    let contrastive = |name: &str| format!("pretrain.contrastive.{name}");
    let dino = |name: &str| format!("pretrain.dino.{name}");
    vec![
        set("loss.cross_entropy_loss_weight", LABELS, "finetune.loss.cross_entropy", Same),
        set("loss.dice_loss_weight", LABELS, "finetune.loss.dice", Same),
        set("loss.dice_classes_weights", LABELS, "finetune.loss.class_weights", Same),
        set("loss.ntxent_temperature", CONTRASTIVE, &contrastive("temperature"), Same),
        set("loss.ntxent_supervised_threshold", &[Pcl], &contrastive("threshold"), Same),
        set("loss.ntxent_supervised_cyclic_labels", &[Pcl], &contrastive("cyclic"), Same),
        set("loss.student_temperature", DINO, &dino("student_temperature"), Same),
        set("loss.teacher_temperature", DINO, &dino("teacher_temperature"), Same),
        set("loss.teacher_temp_warmup_start", DINO, &dino("first_teacher_temperature"), Same),
        set("loss.teacher_temp_warmup_epochs", DINO, &dino("teacher_temperature_epochs"), Same),
        set("loss.center_momentum", DINO, &dino("centre_momentum"), Same),
        only("metrics.dice_class_idxs", LABELS, "[1, 2, 3]"),
    ]
}

fn optimizer() -> Vec<PublishedKey> {
    const DINO: &[Kind] = &[Dino];
    let step = |name: &str| format!("*.optimisation.{name}");
    vec![
        set("optimizer.learning_rate", ALL, &step("learning_rate"), Same),
        set("optimizer.min_learning_rate", DINO, &step("final_learning_rate"), Same),
        set("optimizer.warmup_epochs", DINO, &step("warmup_epochs"), Same),
        set("optimizer.momentum", ALL, &step("momentum"), Same),
        set("optimizer.momentum_teacher", DINO, "pretrain.dino.teacher_momentum", Same),
        set("optimizer.nesterov", ALL, &step("nesterov"), Same),
        set("optimizer.weight_decay", ALL, &step("weight_decay"), Same),
        set(
            "optimizer.weight_decay_end",
            DINO,
            &step("final_weight_decay"),
            AsOther("optimizer.weight_decay", "pretrain.optimisation.weight_decay"),
        ),
    ]
}

fn training() -> Vec<PublishedKey> {
    const LABELS: &[Kind] = &[Supervised];
    let stop = |name: &str| format!("training.early_stopping.{name}");
    vec![
        set("training.nr_epochs_frozen_encoder", LABELS, "finetune.frozen_epochs", Same),
        set(
            "training.lr_scheduler_type",
            LABELS,
            "finetune.optimisation.decay",
            Words(&[("poly", "polynomial")]),
        ),
        set("training.max_nr_epochs", ALL, "*.optimisation.epochs", Same),
        set("training.polynomial_scheduler_power", LABELS, "finetune.optimisation.power", Same),
        set(
            "training.cos_min_learning_rate",
            BUT_SUPERVISED_AND_DINO,
            "*.optimisation.final_learning_rate",
            Same,
        ),
        set("training.mixed_precision", PRETRAINING, "*.optimisation.mixed_precision", Same),
        set("training.freeze_last_layer", &[Dino], "pretrain.dino.frozen_last_layer_epochs", Same),
        set(&stop("active"), LABELS, "finetune.patience", Stops),
        set(&stop("patience"), LABELS, "finetune.patience", IfStops("4")),
        set(&stop("min_delta"), LABELS, "finetune.min_delta", IfStops("0.001")),
        only(&stop("active"), BUT_SUPERVISED_AND_DINO, "False"),
        nothing(&stop("patience"), BUT_SUPERVISED_AND_DINO, INACTIVE, "4"),
        nothing(&stop("min_delta"), BUT_SUPERVISED_AND_DINO, INACTIVE, "0.001"),
    ]
}

fn rest() -> Vec<PublishedKey> {
    const MIM: &[Kind] = &[Mim];
    const PROJECT: &str = "self-supervised_pretraining_cine";
    let project = "experiment.project";
    let name = "experiment.name";
    vec![
        set("mim.patch_size", MIM, "pretrain.mim.patch", OneOrTwo),
        set("mim.masking_setting", MIM, "pretrain.mim.masking", Masking),
        set("mim.mask_ratio", MIM, "pretrain.mim.ratio", Same),
        set("mim.ratio_as_prob", MIM, "pretrain.mim.by_probability", Same),
        nothing(project, &[Supervised], LOGGING, "baseline_cine_segmentation"),
        nothing(project, PRETRAINING, LOGGING, PROJECT),
        nothing(name, &[Supervised], LOGGING, "baseline"),
        nothing(name, &[SimClr], LOGGING, "simclr"),
        nothing(name, &[Pcl], LOGGING, "pcl"),
        nothing(name, &[Dino], LOGGING, "dino"),
        nothing(name, MIM, LOGGING, "mim"),
        only("experiment.type", ALL, "train"),
        set("experiment.seed", ALL, "seed", Same),
        nothing("experiment.output_save_interval", MIM, LOGGING, "1"),
        nothing("experiment.output_nr_samples", MIM, LOGGING, "8"),
        nothing("general.num_workers", &[Supervised], LOGGING, "4"),
        nothing("general.num_workers", PRETRAINING, LOGGING, "16"),
        nothing("general.persistent_workers", ALL, LOGGING, "True"),
        nothing("general.verbosity", ALL, LOGGING, "1"),
        means("paths.data", ALL, Effect::Data),
    ]
}
