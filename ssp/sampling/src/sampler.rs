//! From a cache to batches of views.

mod render;

use std::sync::{Arc, Mutex, PoisonError};

use tensor::random::Stream;
use tensor::{Device, Tensor};

use super::cache::{Cache, CachedSubject};
use crate::augment::{Augmentation, Grid};
use crate::{Error, Result};
use common::purposes;
use data::CardiacPhase;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The centre of a training view, before random shifts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Centre {
    /// The smallest circle around all labels of the subject; the middle of the slice where it has
    /// none. As published, also for pretraining, which so knows where the heart is.
    Labels,
    /// Where the heart moves across the phases: no label is needed. The middle of the slice where
    /// there is one phase only.
    Motion,
    /// The middle of the slice.
    Slice,
}

/// Which labelled phases are trained on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Phases {
    /// End-diastole and end-systole.
    All,
    /// End-diastole.
    Ed,
    /// End-systole.
    Es,
}

/// Which slices of a subject are used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Selection {
    /// Every slice of the labelled end-diastolic and end-systolic phases, or of one of them; of a
    /// subject whose labelled phases are neither, every slice of those. Batches come with labels.
    Labelled(Phases),
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
    /// The centre of an augmented view, before random shifts.
    pub centre: Centre,
    /// Number of the first view, where several samplers share slices: views of different numbers
    /// are augmented independently.
    pub first: u32,
    /// How the views of a batch lie.
    pub arrangement: Arrangement,
}

/// How the views of a batch lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arrangement {
    /// All views of one slice, then all of the next.
    BySlice,
    /// The first view of every slice, then the second of every slice.
    ByView,
}

impl Arrangement {
    /// The index of a view of a slice in a batch of `slices` with `views` each.
    pub fn place(self, slice: usize, view: usize, [slices, views]: [usize; 2]) -> usize {
        match self {
            Arrangement::BySlice => slice * views + view,
            Arrangement::ByView => view * slices + slice,
        }
    }

    /// Slice and view at a place of such a batch.
    fn slice_and_view(self, place: usize, [slices, views]: [usize; 2]) -> [usize; 2] {
        match self {
            Arrangement::BySlice => [place / views, place % views],
            Arrangement::ByView => [place % slices, place / slices],
        }
    }
}

impl Crops {
    /// `count` views augmented alike.
    pub fn augmented(
        target: Grid,
        augmentation: Augmentation,
        count: usize,
        centre: Centre,
    ) -> Self {
        Crops { views: vec![Some(augmentation); count], centre, ..Self::plain(target) }
    }

    /// One view without augmentation.
    pub fn plain(target: Grid) -> Self {
        let (centre, arrangement) = (Centre::Slice, Arrangement::BySlice);
        Crops { target, views: vec![None], centre, first: 0, arrangement }
    }
}

/// A batch of views.
pub struct Batch {
    /// f32 `[slices * views, rows, columns, 1]`.
    pub images: Tensor,
    /// u8 `[slices * views, rows, columns]`, where labels were selected.
    pub labels: Option<Tensor>,
    /// Slice index / number of slices for each of `slices * views`, from 0 at the base.
    pub positions: Vec<f64>,
    /// The slices themselves.
    pub slices: Vec<Sample>,
}

/// A slice by its place in the cache.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sample {
    /// Index of the subject in the cache.
    pub subject: usize,
    /// Cardiac phase.
    pub phase: usize,
    /// Slice of that phase.
    pub slice: usize,
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
            let kind = match selection {
                Selection::Everything => "",
                Selection::Labelled(Phases::All) => " labelled",
                Selection::Labelled(Phases::Ed) => " labelled end-diastolic",
                Selection::Labelled(Phases::Es) => " labelled end-systolic",
            };
            let what = format!("no{kind} slice in {} subjects", subjects.len());
            return Err(Error::Data(what));
        }
        let visits = Mutex::new(None);
        Ok(Sampler { cache, samples, selection, order, crops, batch, seed, visits })
    }

    /// Number of slices.
    pub fn slices(&self) -> usize {
        self.samples.len()
    }

    /// The views that are made of each slice.
    pub fn crops(&self) -> &Crops {
        &self.crops
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
        self.batch_on(&Device::Cpu, epoch, index)
    }

    /// The same for a device: made there where the cache is [resident](Cache::resident), else on the
    /// host, where the batch then resides.
    ///
    /// # Errors
    /// As [`batch`](Self::batch), and when the device has no memory left or fails.
    pub fn batch_on(&self, device: &Device, epoch: u32, index: usize) -> Result<Batch> {
        if index >= self.batches() {
            let what = format!("batch {index} of an epoch of {}", self.batches());
            return Err(Error::Data(what));
        }
        let visits = self.visits(epoch);
        let start = index * self.batch;
        let chosen = &visits[start..(start + self.batch).min(visits.len())];
        let (images, labels) = match self.cache.resident(device)? {
            Some(memory) => self.on_device(&memory, epoch, chosen)?,
            None => self.on_host(epoch, chosen),
        };
        let slices: Vec<Sample> = chosen.iter().map(|&s| self.samples[s as usize]).collect();
        let position = |place: usize| {
            let [slice, _] = self.slice_and_view(place, chosen);
            let Sample { subject, slice, .. } = slices[slice];
            slice as f64 / self.cache.subject(subject).slices() as f64
        };
        let positions = (0..chosen.len() * self.crops.views.len()).map(position).collect();
        Ok(Batch { images, labels, positions, slices })
    }

    /// Whether views for a device are made there. It is where they are not but could be that the
    /// device has not the memory for the slices.
    ///
    /// # Errors
    /// When the device fails.
    pub fn renders_on(&self, device: &Device) -> Result<bool> {
        Ok(*device == Device::Cpu || self.cache.resident(device)?.is_some())
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
            Stream::new(self.seed, purposes::ORDER, epoch, 0).shuffle(&mut visits);
        }
        let visits = Arc::new(visits);
        *kept = Some((epoch, visits.clone()));
        visits
    }
}

/// The phases of a subject that are used.
fn phases(subject: &CachedSubject, selection: Selection) -> Vec<usize> {
    let wanted = match selection {
        Selection::Everything => return (0..subject.phases()).collect(),
        Selection::Labelled(Phases::All) => None,
        Selection::Labelled(Phases::Ed) => Some(CardiacPhase::EndDiastole),
        Selection::Labelled(Phases::Es) => Some(CardiacPhase::EndSystole),
    };
    let frames = subject.study_frames().into_iter();
    let chosen = frames.filter(|(_, moment)| wanted.is_none_or(|wanted| wanted == *moment));
    chosen.map(|(phase, _)| phase).collect()
}

#[cfg(test)]
mod tests;
