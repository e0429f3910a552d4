//! `neighbours.png`: which slices have similar features.

use serde_json::json;

use super::similarity::{Differences, Embedded, read};
use super::{missing, names};
use crate::Result;
use crate::run::folder::{RunFolder, write_json};
use crate::task::{Pretext, PretextData};
use figures::{Column, Sheet, SheetImage, SheetRow, Window};
use sampling::augment::{Grid, plain_views};
use sampling::cache::{Cache, CachedSubject};
use sampling::sampler::Sample;

/// Slices to embed, approximately.
const SLICES: usize = 400;
/// Slices whose neighbours are shown, and neighbours of each.
const QUERIES: usize = 6;
const NEIGHBOURS: usize = 5;

/// Draws slices from base to apex, each of another subject, with those slices of other subjects
/// whose features are most similar; and writes to `neighbours.json` how far apart neighbours are
/// between base and apex.
///
/// Slices are of end-diastole and end-systole, of validation subjects first and then of training
/// subjects. With one subject there is nothing to draw.
///
/// # Errors
/// When slices do not fit the network or a file cannot be written.
pub fn draw_neighbours(
    folder: &RunFolder,
    source: &PretextData,
    task: &mut dyn Pretext,
) -> Result<()> {
    let Some(path) = missing(folder, "neighbours.png")? else { return Ok(()) };
    let PretextData { settings, cache, .. } = *source;
    let grid = Grid::square(settings.network.size, settings.network.spacing);
    let (subjects, held_out) = gallery(cache, source.valid, source.train);
    let slices = subjects.iter().flat_map(|&subject| slices(cache, subject)).collect();
    let embedded = Embedded::new(task.encoder(), cache, slices, &grid)?;
    let asked = &subjects[..if held_out > 0 { held_out } else { subjects.len() }];
    let of = |subjects: &[usize]| -> Vec<usize> {
        let all = embedded.slices.iter().enumerate();
        all.filter(|(_, slice)| subjects.contains(&slice.subject)).map(|(at, _)| at).collect()
    };
    let queried = of(asked);
    let Some(differences) = embedded.differences(&queried) else { return Ok(()) };
    let json = json!({
        "mean_position_difference": {
            "nearest": differences.nearest,
            "random": differences.random,
        },
        "slices": queried.len(),
        "of_subjects": asked.len(),
        "validation": held_out > 0,
        "among_slices": embedded.slices.len(),
        "among_subjects": subjects.len(),
    });
    write_json(&folder.stage("pretrain").join("neighbours.json"), &json)?;
    let drawn = Drawn { cache, embedded: &embedded, grid };
    let note = caption(&differences, settings.method.title(), &embedded, subjects.len(), held_out);
    drawn.sheet(&queries(&embedded, &subjects), note)?.write(path)
}

/// Subjects whose slices are embedded, validation subjects first, and how many those are.
fn gallery(cache: &Cache, valid: &[usize], train: &[usize]) -> (Vec<usize>, usize) {
    let count = |&subject: &usize| 2 * cache.subject(subject).slices();
    let within = |subjects: &[usize], budget: usize| -> Vec<usize> {
        let total = subjects.iter().map(count).sum::<usize>().max(1);
        // Evenly from the whole list, which may be sorted by source or scanner.
        let wanted = subjects.len().min(subjects.len() * budget / total);
        (0..wanted).map(|place| subjects[place * subjects.len() / wanted]).collect()
    };
    let mut subjects = within(valid, SLICES);
    let held_out = subjects.len();
    let taken = subjects.iter().map(count).sum();
    subjects.extend(within(train, SLICES.saturating_sub(taken)));
    (subjects, held_out)
}

/// Every slice of end-diastole and end-systole, if the source names those phases;
/// otherwise of the first phase and the one in the middle.
fn slices(cache: &Cache, index: usize) -> Vec<Sample> {
    let subject = cache.subject(index);
    let all =
        |phase| (0..subject.slices()).map(move |slice| Sample { subject: index, phase, slice });
    phases(&subject).into_iter().flat_map(all).collect()
}

fn phases(subject: &CachedSubject<'_>) -> Vec<usize> {
    let mut phases: Vec<usize> =
        subject.study_frames().into_iter().map(|(phase, _)| phase).take(2).collect();
    if phases.is_empty() {
        phases = vec![0, subject.phases() / 2];
        phases.dedup();
    }
    phases
}

/// Slices spread from base to apex, each of another subject if there are enough.
fn queries(embedded: &Embedded, subjects: &[usize]) -> Vec<usize> {
    let query = |number: usize| {
        let subject = subjects[number % subjects.len()];
        let wanted = (number as f64 + 0.5) / QUERIES as f64;
        let off = |at: usize| (embedded.positions[at] - wanted).abs();
        let own = (0..embedded.slices.len()).filter(|&at| embedded.slices[at].subject == subject);
        own.min_by(|&a, &b| off(a).total_cmp(&off(b)))
    };
    (0..QUERIES).filter_map(query).collect()
}

/// The paragraph under the title.
fn caption(
    differences: &Differences,
    method: &str,
    embedded: &Embedded,
    subjects: usize,
    held_out: usize,
) -> String {
    let Differences { nearest, random } = differences;
    format!(
        "Cosine similarity (cos) of the encoder's pooled features, less their mean, after \
         {method}: {} slices of {subjects} subjects. Mean difference in relative position (0 base, \
         1 apex) between a {}slice and its nearest neighbour: {nearest:.3}; a random one: \
         {random:.3}.",
        embedded.slices.len(),
        if held_out > 0 { "validation " } else { "" },
    )
}

/// What the sheet is drawn from.
struct Drawn<'a> {
    cache: &'a Cache,
    embedded: &'a Embedded,
    grid: Grid,
}

impl Drawn<'_> {
    fn sheet(&self, queries: &[usize], note: String) -> Result<figures::Picture> {
        let rows: Vec<Vec<(usize, Option<f64>)>> = queries
            .iter()
            .map(|&query| {
                let nearest = self.embedded.nearest(query, NEIGHBOURS).into_iter();
                let nearest = nearest.map(|(at, similarity)| (at, Some(similarity)));
                [(query, None)].into_iter().chain(nearest).collect()
            })
            .collect();
        let across = rows.iter().map(Vec::len).min().unwrap_or(0);
        let shown = || rows.iter().flat_map(|row| &row[..across]);
        let samples: Vec<Sample> = shown().map(|&(at, _)| self.embedded.slices[at]).collect();
        let views = plain_views(&read(self.cache, &samples), &self.grid);
        let pixels = self.grid.size[0] * self.grid.size[1];
        let images: Vec<SheetImage> = shown()
            .zip(views.data::<f32>().chunks_exact(pixels))
            .map(|(&(at, similarity), image)| {
                SheetImage::new(image, self.grid.size).caption(self.caption(at, similarity))
            })
            .collect();
        let strips = images.chunks(across.max(1));
        let strips = strips.map(|row| SheetRow { names: vec![], images: row.to_vec() }).collect();
        let mut columns = vec![Column::one("slice")];
        columns.extend((1..across).map(|rank| match rank {
            1 => Column::one("nearest").apart(),
            _ => Column::one(format!("{rank}")),
        }));
        let sheet = Sheet {
            title: "Nearest neighbours among slices of other subjects".into(),
            notes: vec![note],
            columns,
            window: Window::of(views.data::<f32>()),
            strips,
            related: vec![],
        };
        sheet.draw()
    }

    /// The subject, the position and the similarity of a slice.
    fn caption(&self, at: usize, similarity: Option<f64>) -> [String; 2] {
        let [subject, phase, _] = names(self.cache, &self.embedded.slices[at]);
        let position = format!("position {:.2}", self.embedded.positions[at]);
        let similarity = similarity.map(|cosine| format!("   cos {cosine:.3}"));
        [format!("{subject}  {phase}"), position + &similarity.unwrap_or_default()]
    }
}
