//! What needs no network: losses, sampling, intensities, the Dice metric, schedules.

use evaluate::dice;
use kernels::intensity::{affine, blur, contrast, extremes, solarise, standardising};
use kernels::nt_xent::{NtXent, nt_xent};
use kernels::resample::{Filter, Padding, Sampling, resample, resample_labels};
use kernels::simd::Scalar;
use nn::schedule;
use sampling::augment::{Grid, Placement, sampling_matrix};
use serde::Deserialize;
use tensor::{Feature, Tensor, with_float};

use crate::Outcome;
use crate::case::{Case, Golden, Goldens, Place};

/// Settings of the contrastive loss; a case without positions has no threshold.
#[derive(Deserialize)]
pub struct NtXentConfig {
    temperature: f64,
    threshold: Option<f64>,
    cyclic: bool,
}

impl From<NtXentConfig> for NtXent {
    fn from(config: NtXentConfig) -> Self {
        let NtXentConfig { temperature, threshold, cyclic } = config;
        let threshold = threshold.unwrap_or(NtXent::default().threshold);
        NtXent { temperature, threshold, cyclic }
    }
}

/// The contrastive loss and its gradient.
pub fn contrastive_loss(case: &Case, on: &Place) -> Outcome {
    let features = case.input("features").tensor(on)?.parameter();
    let positions = case.has_input("labels").then(|| case.input("labels").tensor(&on.exact()));
    let positions = positions.transpose()?;
    let settings = case.settings::<NtXentConfig>().into();
    let loss = nt_xent(&features, positions.as_ref(), &settings)?;
    let mut found = Goldens::from([("out.loss".into(), Golden::scalar(loss.item()?))]);
    let gradients = loss.backward()?;
    let gradient = gradients.get(&features).ok_or("the features have no gradient")?;
    found.insert("grad.features".into(), Golden::of(gradient));
    Ok(found)
}

#[derive(Deserialize)]
struct ResampleConfig {
    pixdim: [f64; 2],
    target: [usize; 2],
    target_pixdim: [f64; 2],
    rotation_degrees: f64,
    scale: [f64; 2],
    flip: [bool; 2],
    translation: [f64; 2],
    center: Option<[f64; 2]>,
}

/// The sampling matrix, an image and its labels through it, and the image back.
pub fn resampling(case: &Case, on: &Place) -> Outcome {
    let config: ResampleConfig = case.settings();
    let image = case.input("image").channels_last().tensor(on)?;
    let labels = case.input("labels");
    let size = [labels.shape[2], labels.shape[3]];
    let classes: Vec<u8> = labels.values.iter().map(|&v| v as u8).collect();
    let classes = Tensor::from_slice(&classes, [labels.shape[0], size[0], size[1]])?;
    let classes = classes.to_device(&on.device)?;

    let source = Grid { size, spacing: config.pixdim };
    let target = Grid { size: config.target, spacing: config.target_pixdim };
    let placement = Placement {
        centre: config.center,
        rotation: config.rotation_degrees,
        scale: config.scale,
        flip: config.flip,
        translation: config.translation,
    };
    let matrix = sampling_matrix(&source, &target, &placement);
    let sampling = |padding| Sampling { filter: Filter::Bicubic, padding };
    let view = resample(&image, &[matrix], target.size, sampling(Padding::Zeros))?;
    let back = resample(&view, &[matrix.inverse()?], size, sampling(Padding::Border))?;
    let labels = Golden::of(&resample_labels(&classes, &[matrix], target.size)?);
    let [rows, columns] = target.size;
    Ok(Goldens::from([
        ("out.matrix".into(), Golden { shape: vec![3, 3], values: matrix.0.concat() }),
        ("out.image".into(), Golden::of(&view).channels_first()),
        ("out.labels".into(), Golden { shape: vec![labels.shape[0], 1, rows, columns], ..labels }),
        ("out.inverse".into(), Golden::of(&back).channels_first()),
    ]))
}

#[derive(Deserialize)]
struct IntensityConfig {
    sigma: [f64; 2],
    factor: f64,
    offset: f64,
    gamma: f64,
    solarize_threshold: f64,
}

/// Everything that augmentation does to intensities, each to the same image.
pub fn intensity(case: &Case, on: &Place) -> Outcome {
    with_float!("intensity", on.dtype, T => Ok(intensity_of::<T>(case))).map_err(Into::into)
}

fn intensity_of<T: Scalar + kernels::intensity::Power>(case: &Case) -> Goldens {
    let config: IntensityConfig = case.settings();
    let image = case.input("image");
    let columns = image.shape[3];
    let values: Vec<T> = image.values.iter().map(|&v| T::from_f64(v)).collect();
    let after = |change: &dyn Fn(&mut [T])| {
        let mut changed = values.clone();
        change(&mut changed);
        let values = changed.into_iter().map(Feature::to_f64).collect();
        Golden { shape: image.shape.clone(), values }
    };
    let scaled = |scale: f64, offset: f64| {
        after(&|image| affine(image, T::from_f64(scale), T::from_f64(offset)))
    };
    let n = image.values.len() as f64;
    let mean = image.values.iter().sum::<f64>() / n;
    let squares = image.values.iter().map(|v| (v - mean).powi(2)).sum::<f64>();
    let [scale, offset] = standardising(mean, (squares / (n - 1.0)).sqrt());
    let identity = [T::from_f64(1.0), T::from_f64(0.0)];
    let [_, top] = extremes(&values);
    let threshold = T::from_f64(config.solarize_threshold);
    Goldens::from([
        ("out.standardized".into(), scaled(scale, offset)),
        ("out.scaled".into(), scaled(1.0 + config.factor, 0.0)),
        ("out.shifted".into(), scaled(1.0, config.offset)),
        ("out.smooth".into(), after(&|out| blur(&values, columns, config.sigma, identity, out))),
        ("out.contrast".into(), after(&|image| contrast(image, config.gamma))),
        ("out.solarized".into(), after(&|image| solarise(image, threshold, top))),
    ])
}

#[derive(Deserialize)]
struct DiceConfig {
    classes: [usize; 3],
}

/// Hard Dice of logits. Labels are exact in any precision.
pub fn dice_metric(case: &Case, _: &Place) -> Outcome {
    let DiceConfig { classes } = case.settings();
    if classes != [1, 2, 3] {
        return Err(format!("Dice is of the structures 1, 2 and 3, not of {classes:?}").into());
    }
    let (_, truth) = case.input("onehot").classes();
    let dice = mean_dice(case.input("logits"), &truth)?;
    Ok(Goldens::from([("out.dice".into(), dice)]))
}

/// Hard Dice of each structure, averaged over a batch of logits `[n, classes, rows, columns]`.
pub fn mean_dice(logits: &Golden, truth: &[u8]) -> common::Result<Golden> {
    let (size, predicted) = logits.classes();
    let pixels = size[1] * size[2];
    let mut mean = vec![0.0; 3];
    for (predicted, truth) in predicted.chunks_exact(pixels).zip(truth.chunks_exact(pixels)) {
        let dice = dice(predicted, truth)?.values();
        mean.iter_mut().zip(dice).for_each(|(mean, dice)| *mean += dice / size[0] as f64);
    }
    Ok(Golden::list(mean))
}

#[derive(Deserialize)]
struct SchedulesConfig {
    epochs: usize,
    steps_per_epoch: usize,
    warmup_epochs: usize,
    polynomial: Polynomial,
    cosine: Cosine,
    warmup_cosine: Warmup,
    teacher_momentum: Warmup,
}

#[derive(Deserialize)]
struct Polynomial {
    base: f64,
    power: f64,
}

#[derive(Deserialize)]
struct Cosine {
    base: f64,
    min: f64,
}

#[derive(Deserialize)]
struct Warmup {
    base: f64,
    #[serde(rename = "final")]
    last: f64,
}

/// Rates per epoch, and rate and teacher momentum per step. They are float64 in any precision.
pub fn schedules(case: &Case, _: &Place) -> Outcome {
    let c: SchedulesConfig = case.settings();
    let steps = c.epochs * c.steps_per_epoch;
    let warmup = c.warmup_epochs * c.steps_per_epoch;
    let per = |n: usize, at: &dyn Fn(usize) -> f64| Golden::list((0..n).map(at).collect());
    let warmup_cosine = |w: &Warmup, warmup: usize| {
        per(steps, &|step| schedule::warmup_cosine(w.base, w.last, warmup, step, steps))
    };
    Ok(Goldens::from([
        (
            "out.polynomial".into(),
            per(c.epochs, &|epoch| {
                schedule::polynomial(c.polynomial.base, c.polynomial.power, epoch, c.epochs)
            }),
        ),
        (
            "out.cosine".into(),
            per(c.epochs, &|epoch| schedule::cosine(c.cosine.base, c.cosine.min, epoch, c.epochs)),
        ),
        ("out.warmup_cosine".into(), warmup_cosine(&c.warmup_cosine, warmup)),
        ("out.teacher_momentum".into(), warmup_cosine(&c.teacher_momentum, 0)),
    ]))
}
