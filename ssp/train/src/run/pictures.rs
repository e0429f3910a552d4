//! The pictures of a run: what a pretext task shows and what it taught, how training went, and
//! predictions beside the truth.

mod neighbours;
mod reconstructions;
mod similarity;
mod views;

use std::path::Path;

use super::folder::RunFolder;
use super::metrics::{self, Record};
use crate::Result;
use data::{CardiacPhase, Stack};
use evaluate::Predictor;
use evaluate::{FrameRow, Results};
use figures::{Curves, Segmented, Series, overlay};
use sampling::cache::{Cache, CachedSubject};
use sampling::sampler::Sample;

pub use neighbours::draw_neighbours;
pub use reconstructions::draw_reconstructions;
pub use views::draw_views;

/// Draws losses and validation Dice against steps, for the stages that there are.
///
/// # Errors
/// When the metrics cannot be read or a picture cannot be written.
pub fn draw_curves(folder: &RunFolder) -> Result<()> {
    if !folder.metrics().exists() {
        return Ok(());
    }
    let records = metrics::read(folder.metrics())?;
    let pictures = make(folder)?;
    let points = |stage: &str, value: fn(&Record) -> Option<f64>| -> Vec<(f64, f64)> {
        let rows = records.iter().filter(|row| row.stage == stage);
        rows.filter_map(|row| Some((row.step as f64, value(row)?))).collect()
    };
    for (stage, title) in [("pretrain", "Pretraining"), ("finetune", "Supervised training")] {
        let loss = points(stage, |row| row.loss);
        if loss.is_empty() {
            continue;
        }
        let mut curves = Curves::new(format!("{title}: loss"), "optimiser step", "loss")
            .with(Series::new("training", loss).smoothed());
        let validation = points(stage, |row| row.validation_loss);
        if !validation.is_empty() {
            curves = curves.with(Series::new("validation", validation));
        }
        curves.draw()?.write(pictures.join(format!("{stage}-loss.png")))?;
        let dice = points(stage, |row| row.validation_dice);
        if !dice.is_empty() {
            Curves::new(
                format!("{title}: Dice of the validation subjects"),
                "optimiser step",
                "Dice",
            )
            .range(0.0, 1.0)
            .with(Series::new("mean of LV, MYO, RV", dice))
            .draw()?
            .write(pictures.join(format!("{stage}-dice.png")))?;
        }
    }
    Ok(())
}

/// Draws prediction beside truth for the test subjects with the lowest, the median and the
/// highest Dice.
///
/// # Errors
/// When a picture cannot be written.
pub fn draw_overlays(
    folder: &RunFolder,
    predictor: &mut Predictor<'_>,
    cache: &Cache,
    results: &Results,
) -> Result<()> {
    let pictures = make(folder)?;
    let ranked = ranked(&results.frames);
    let Some(last) = ranked.len().checked_sub(1) else { return Ok(()) };
    let mut drawn = std::collections::BTreeSet::new();
    for (name, place) in [("worst", 0), ("median", last / 2), ("best", last)] {
        let Some(index) = cache.find(&ranked[place]) else { continue };
        if drawn.insert(index) {
            let path = pictures.join(format!("test-{name}.png"));
            draw_subject(predictor, &cache.subject(index), &path)?;
        }
    }
    Ok(())
}

/// Ids of subjects by rising mean Dice over their frames.
fn ranked(rows: &[FrameRow]) -> Vec<String> {
    let mut means: std::collections::BTreeMap<&str, (f64, f64)> = Default::default();
    for row in rows {
        let (sum, count) = means.entry(&row.subject).or_default();
        *sum += row.dice.mean();
        *count += 1.0;
    }
    let mut ranked: Vec<(f64, &str)> =
        means.into_iter().map(|(id, (sum, count))| (sum / count, id)).collect();
    ranked.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(b.1)));
    ranked.into_iter().map(|(_, id)| id.to_owned()).collect()
}

/// Draws the labelled frames of one subject with their prediction.
fn draw_subject(
    predictor: &mut Predictor<'_>,
    subject: &CachedSubject<'_>,
    path: &Path,
) -> Result<()> {
    let frames = subject.study_frames();
    let phases: Vec<usize> = frames.iter().map(|(phase, _)| *phase).collect();
    let stack = stack_of(subject, &phases);
    let predictions = phases
        .iter()
        .map(|&phase| predictor.phase(subject, phase))
        .collect::<Result<Vec<Vec<u8>>>>()?;
    let segmented: Vec<Segmented<'_>> = frames
        .iter()
        .zip(&predictions)
        .enumerate()
        .map(|(place, (&(phase, moment), prediction))| Segmented {
            phase: place,
            moment,
            truth: subject.labels(phase),
            prediction,
        })
        .collect();
    overlay(subject.id(), &stack, &segmented)?.write(path)
}

/// Some phases of a cached subject as a stack of their own.
fn stack_of(subject: &CachedSubject<'_>, phases: &[usize]) -> Stack {
    let [rows, columns] = subject.grid().size;
    let mut voxels = Vec::with_capacity(phases.len() * subject.slices() * rows * columns);
    for &phase in phases {
        for slice in 0..subject.slices() {
            voxels.extend(subject.slice(phase, slice).pixels.values());
        }
    }
    let spacing = subject.spacing();
    Stack { voxels, phases: phases.len(), slices: subject.slices(), rows, columns, spacing }
}

/// What stands beside a slice: its subject, the moment or number of its phase, and its number.
fn names(cache: &Cache, sample: &Sample) -> [String; 3] {
    let subject = cache.subject(sample.subject);
    let named = |&(phase, moment): &(usize, CardiacPhase)| {
        phase == sample.phase && moment != CardiacPhase::Other
    };
    let phase = match subject.frames().find(named) {
        Some((_, moment)) => moment.name().to_owned(),
        None => format!("phase {}", sample.phase),
    };
    [subject.id().to_owned(), phase, format!("slice {}", sample.slice)]
}

/// Slice index / number of slices.
fn position(cache: &Cache, sample: &Sample) -> f64 {
    sample.slice as f64 / cache.subject(sample.subject).slices() as f64
}

/// A picture that is not there yet; none if it is. A run that goes on keeps those it has.
fn missing(folder: &RunFolder, name: &str) -> Result<Option<std::path::PathBuf>> {
    let path = make(folder)?.join(name);
    Ok((!path.exists()).then_some(path))
}

fn make(folder: &RunFolder) -> Result<std::path::PathBuf> {
    let pictures = folder.pictures();
    common::files::create_dir_all(&pictures)?;
    Ok(pictures)
}
