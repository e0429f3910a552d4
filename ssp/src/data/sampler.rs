//! From a cache to batches of views.

use std::sync::{Arc, Mutex, PoisonError};

use rayon::prelude::*;
use tensor::random::{Purpose, Stream};
use tensor::{Buffer, Tensor};

use super::cache::{Cache, CachedSubject};
use crate::augment::{Augmentation, Grid, Key, Renderer, View, draw};
use crate::{Error, Result};

/// Which slices of a subject are used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Selection {
    /// Every slice of the labelled end-diastolic and end-systolic phases; of a subject whose
    /// labelled phases are neither, every slice of those. Batches come with labels.
    Labelled,
    /// Every slice of every phase, without labels.
    Everything,
}

/// In which order slices are visited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// Shuffled anew each epoch; an incomplete last batch is dropped, unless it is the only one.
    Shuffled,
    /// As they lie in the cache; the last batch may be incomplete. For validation.
    Sequential,
}

/// The views that are made of each slice, all on one grid.
#[derive(Clone, Debug, PartialEq)]
pub struct Crops {
    /// The grid of the views.
    pub target: Grid,
    /// How each view is augmented; none for a plain one.
    pub views: Vec<Option<Augmentation>>,
    /// Number of the first view, where several samplers share slices: views of different numbers
    /// are augmented independently.
    pub first: u32,
}

impl Crops {
    /// `count` views augmented alike.
    pub fn augmented(target: Grid, augmentation: Augmentation, count: usize) -> Self {
        Crops { target, views: vec![Some(augmentation); count], first: 0 }
    }

    /// One view without augmentation.
    pub fn plain(target: Grid) -> Self {
        Crops { target, views: vec![None], first: 0 }
    }
}

/// A batch of views: those of one slice follow each other.
pub struct Batch {
    /// f32 `[slices * views, rows, columns, 1]`.
    pub images: Tensor,
    /// u8 `[slices * views, rows, columns]`, where labels were selected.
    pub labels: Option<Tensor>,
    /// Slice index / number of slices for each of `slices * views`, from 0 at the base.
    pub positions: Vec<f64>,
}

/// A slice by its place in the cache.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Sample {
    subject: usize,
    phase: usize,
    slice: usize,
}

/// The order of one epoch.
type Visits = (u32, Arc<Vec<u32>>);

/// Batches of views of the slices of some subjects.
///
/// A batch depends on nothing but the seed, its epoch and its index: not on the number of threads,
/// nor on which batches were asked for before.
pub struct Sampler {
    cache: Arc<Cache>,
    samples: Vec<Sample>,
    selection: Selection,
    order: Order,
    crops: Crops,
    batch: usize,
    seed: u64,
    /// The order in use, so that each batch need not shuffle again.
    visits: Mutex<Option<Visits>>,
}

impl Sampler {
    /// A sampler over the subjects at `subjects` of `cache`, in batches of `batch` slices.
    ///
    /// # Errors
    /// When there is no slice to use, a subject is not in the cache, or a setting makes no sense.
    pub fn new(
        cache: Arc<Cache>,
        subjects: &[usize],
        selection: Selection,
        order: Order,
        crops: Crops,
        batch: usize,
        seed: u64,
    ) -> Result<Self> {
        if batch == 0 || crops.views.is_empty() || crops.target.size.contains(&0) {
            let [rows, columns] = crops.target.size;
            let views = crops.views.len();
            let what = format!(
                "a batch of {batch} slices with {views} views of {rows} x {columns}; takes at least 1 of each"
            );
            return Err(Error::Setting(what));
        }
        crops.views.iter().flatten().try_for_each(Augmentation::check)?;
        if let Some(wrong) = subjects.iter().find(|&&subject| subject >= cache.len()) {
            let what = format!("subject {wrong} of a cache of {}", cache.len());
            return Err(Error::Data(what));
        }
        let mut samples = Vec::new();
        for &subject in subjects {
            let cached = cache.subject(subject);
            for phase in phases(&cached, selection) {
                samples.extend((0..cached.slices()).map(|slice| Sample { subject, phase, slice }));
            }
        }
        if samples.is_empty() {
            let labelled = if selection == Selection::Labelled { " labelled" } else { "" };
            let what = format!("no{labelled} slice in {} subjects", subjects.len());
            return Err(Error::Data(what));
        }
        let visits = Mutex::new(None);
        Ok(Sampler { cache, samples, selection, order, crops, batch, seed, visits })
    }

    /// Number of slices.
    pub fn slices(&self) -> usize {
        self.samples.len()
    }

    /// Batches of an epoch.
    pub fn batches(&self) -> usize {
        match self.order {
            Order::Shuffled => (self.samples.len() / self.batch).max(1),
            Order::Sequential => self.samples.len().div_ceil(self.batch),
        }
    }

    /// Batch `index` of an epoch, made on all threads.
    ///
    /// # Errors
    /// When `index` is not below [`batches`](Self::batches).
    pub fn batch(&self, epoch: u32, index: usize) -> Result<Batch> {
        if index >= self.batches() {
            let what = format!("batch {index} of an epoch of {}", self.batches());
            return Err(Error::Data(what));
        }
        let visits = self.visits(epoch);
        let start = index * self.batch;
        let chosen = &visits[start..(start + self.batch).min(visits.len())];
        let [rows, columns] = self.crops.target.size;
        let views = self.crops.views.len();
        let (count, size) = (chosen.len() * views, views * rows * columns);
        let mut images = Buffer::stale::<f32>(chosen.len() * size);
        let with_labels = self.selection == Selection::Labelled;
        let mut labels = with_labels.then(|| Buffer::stale::<u8>(chosen.len() * size));
        let label_parts: Vec<Option<&mut [u8]>> = match &mut labels {
            Some(labels) => labels.as_mut_slice().chunks_mut(size).map(Some).collect(),
            None => chosen.iter().map(|_| None).collect(),
        };
        images
            .as_mut_slice::<f32>()
            .par_chunks_mut(size)
            .zip(label_parts)
            .zip(chosen)
            .for_each_init(Renderer::default, |renderer, ((images, labels), &sample)| {
                self.render(renderer, epoch, sample, images, labels);
            });
        let position = |&sample: &u32| {
            let Sample { subject, slice, .. } = self.samples[sample as usize];
            slice as f64 / self.cache.subject(subject).slices() as f64
        };
        Ok(Batch {
            images: Tensor::from_buffer::<f32>(images, [count, rows, columns, 1]),
            labels: labels.map(|l| Tensor::from_buffer::<u8>(l, [count, rows, columns])),
            positions: chosen
                .iter()
                .flat_map(|s| std::iter::repeat_n(position(s), views))
                .collect(),
        })
    }

    /// Makes all views of one slice.
    fn render(
        &self,
        renderer: &mut Renderer,
        epoch: u32,
        sample: u32,
        images: &mut [f32],
        mut labels: Option<&mut [u8]>,
    ) {
        let Sample { subject, phase, slice } = self.samples[sample as usize];
        let slice = self.cache.subject(subject).slice(phase, slice);
        let target = &self.crops.target;
        let size = target.size[0] * target.size[1];
        renderer.load(&slice);
        for (i, augmentation) in self.crops.views.iter().enumerate() {
            let key = Key { seed: self.seed, epoch, sample, view: self.crops.first + i as u32 };
            let view = match augmentation {
                Some(settings) => draw(settings, target.size, slice.centre, key),
                None => View::PLAIN,
            };
            let part = i * size..(i + 1) * size;
            renderer.image(&slice, target, &view, &mut images[part.clone()]);
            if let (Some(out), Some(labels)) = (labels.as_deref_mut(), slice.labels) {
                Renderer::labels(labels, &slice.grid, target, &view, &mut out[part]);
            }
        }
    }

    /// Slices in the order of an epoch.
    fn visits(&self, epoch: u32) -> Arc<Vec<u32>> {
        let epoch = if self.order == Order::Sequential { 0 } else { epoch };
        let mut kept = self.visits.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((of, visits)) = &*kept
            && *of == epoch
        {
            return visits.clone();
        }
        let mut visits: Vec<u32> = (0..self.samples.len() as u32).collect();
        if self.order == Order::Shuffled {
            Stream::new(self.seed, Purpose::Order, epoch, 0).shuffle(&mut visits);
        }
        let visits = Arc::new(visits);
        *kept = Some((epoch, visits.clone()));
        visits
    }
}

/// The phases of a subject that are used.
fn phases(subject: &CachedSubject, selection: Selection) -> Vec<usize> {
    if selection == Selection::Everything {
        return (0..subject.phases()).collect();
    }
    subject.study_frames().into_iter().map(|(phase, _)| phase).collect()
}

#[cfg(test)]
mod tests;
