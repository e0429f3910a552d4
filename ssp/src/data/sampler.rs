//! From a cache to batches of views.

use std::sync::{Arc, Mutex, PoisonError};

use kernels::views::{self, Stored};
use rayon::prelude::*;
use tensor::random::{Purpose, Stream};
use tensor::{Buffer, Device, Tensor};

use super::cache::{Cache, CachedSubject};
use super::subject::Moment;
use crate::augment::{
    Augmentation, Grid, Key, Passes, Pixels, Renderer, Slice, View, draw, sampling_matrix,
};
use crate::settings::{Centre, Phases};
use crate::{Error, Result};

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
    /// What lies in the middle of an augmented view before it is shifted.
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
    /// Where a view of a slice lies in a batch of `slices` of `views` each.
    pub fn place(self, slice: usize, view: usize, [slices, views]: [usize; 2]) -> usize {
        match self {
            Arrangement::BySlice => slice * views + view,
            Arrangement::ByView => view * slices + slice,
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
        let chosen = &self.chosen(epoch, index)?[..];
        let [rows, columns] = self.crops.target.size;
        let views = self.crops.views.len();
        let (count, size) = (chosen.len() * views, rows * columns);
        let mut images = Buffer::stale::<f32>(count * size);
        let with_labels = matches!(self.selection, Selection::Labelled(_));
        let mut labels = with_labels.then(|| Buffer::stale::<u8>(count * size));
        let image_parts = self.arranged(images.as_mut_slice::<f32>(), chosen.len());
        let label_parts = match &mut labels {
            Some(labels) => self.arranged(labels.as_mut_slice::<u8>(), chosen.len()),
            None => chosen.iter().map(|_| Vec::new()).collect(),
        };
        image_parts.into_par_iter().zip(label_parts).zip(chosen).for_each_init(
            Renderer::default,
            |renderer, ((images, labels), &sample)| {
                self.render(renderer, epoch, sample, images, labels);
            },
        );
        let images = Tensor::from_buffer::<f32>(images, [count, rows, columns, 1]);
        let labels = labels.map(|l| Tensor::from_buffer::<u8>(l, [count, rows, columns]));
        Ok(self.described(images, labels, chosen))
    }

    /// The same batch made on a GPU, but for rounding, of slices that stay in its memory; on the host
    /// where the device is that, or has not memory for all slices.
    ///
    /// # Errors
    /// When `index` is not below [`batches`](Self::batches), or the device fails.
    pub fn batch_on(&self, device: &Device, epoch: u32, index: usize) -> Result<Batch> {
        let Device::Gpu(gpu) = device else { return self.batch(epoch, index) };
        let Some(resident) = self.cache.resident(gpu) else { return self.batch(epoch, index) };
        let chosen = self.chosen(epoch, index)?;
        let made: Vec<_> = chosen.iter().map(|&sample| self.views(epoch, sample)).collect();
        let outside = || Error::Data("a slice that is not in the cache".into());
        let mut views = Vec::with_capacity(chosen.len() * self.crops.views.len());
        let count = chosen.len() * self.crops.views.len();
        for place in 0..count {
            let [slice, view] = self.place(place, chosen.len());
            let (slice, of_slice) = &made[slice];
            let (stored, pixels) = match slice.pixels {
                Pixels::Whole(pixels) => (Stored::Whole, self.cache.offset(pixels)),
                Pixels::Real(pixels) => (Stored::Real, self.cache.offset(pixels)),
            };
            let labels = slice.labels.map(|labels| self.cache.offset(labels).ok_or_else(outside));
            let Passes { affine, noise, blur, contrast, solarise } =
                Passes::of(slice, &of_slice[view]);
            views.push(views::View {
                pixels: pixels.ok_or_else(outside)?,
                stored,
                labels: labels.transpose()?,
                size: slice.grid.size,
                matrix: sampling_matrix(&slice.grid, &self.crops.target, &of_slice[view].placement),
                affine,
                noise,
                blur,
                contrast,
                solarise,
            });
        }
        let with_labels = matches!(self.selection, Selection::Labelled(_));
        let (images, labels) =
            views::render(resident, &views, self.crops.target.size, with_labels)?;
        Ok(self.described(images, labels, &chosen))
    }

    /// The slices of a batch.
    fn chosen(&self, epoch: u32, index: usize) -> Result<Vec<u32>> {
        if index >= self.batches() {
            let what = format!("batch {index} of an epoch of {}", self.batches());
            return Err(Error::Data(what));
        }
        let visits = self.visits(epoch);
        let start = index * self.batch;
        Ok(visits[start..(start + self.batch).min(visits.len())].to_vec())
    }

    /// Which of `count` slices, and which view of it, lies at a place of a batch.
    fn place(&self, place: usize, count: usize) -> [usize; 2] {
        let views = self.crops.views.len();
        match self.crops.arrangement {
            Arrangement::BySlice => [place / views, place % views],
            Arrangement::ByView => [place % count, place / count],
        }
    }

    /// Pictures with what is to be known of their slices.
    fn described(&self, images: Tensor, labels: Option<Tensor>, chosen: &[u32]) -> Batch {
        let position = |&sample: &u32| {
            let Sample { subject, slice, .. } = self.samples[sample as usize];
            slice as f64 / self.cache.subject(subject).slices() as f64
        };
        let slices: Vec<f64> = chosen.iter().map(position).collect();
        let count = chosen.len() * self.crops.views.len();
        Batch {
            images,
            labels,
            positions: (0..count).map(|at| slices[self.place(at, slices.len())[0]]).collect(),
            slices: chosen.iter().map(|&sample| self.samples[sample as usize]).collect(),
        }
    }

    /// The pictures of a batch of `count` slices, for each slice those of its views.
    fn arranged<'a, T>(&self, pictures: &'a mut [T], count: usize) -> Vec<Vec<&'a mut [T]>> {
        let [rows, columns] = self.crops.target.size;
        let mut slices: Vec<Vec<&mut [T]>> = (0..count).map(|_| Vec::new()).collect();
        for (place, picture) in pictures.chunks_mut(rows * columns).enumerate() {
            slices[self.place(place, count)[0]].push(picture);
        }
        slices
    }

    /// Makes all views of one slice.
    fn render(
        &self,
        renderer: &mut Renderer,
        epoch: u32,
        sample: u32,
        images: Vec<&mut [f32]>,
        labels: Vec<&mut [u8]>,
    ) {
        let (slice, views) = self.views(epoch, sample);
        let target = &self.crops.target;
        renderer.load(&slice);
        let mut labels = labels.into_iter();
        for (view, image) in views.into_iter().zip(images) {
            renderer.image(&slice, target, &view, image);
            if let (Some(out), Some(labels)) = (labels.next(), slice.labels) {
                Renderer::labels(labels, &slice.grid, target, &view, out);
            }
        }
    }

    /// A slice, and its views as they are drawn.
    fn views(&self, epoch: u32, sample: u32) -> (Slice<'_>, Vec<View>) {
        let Sample { subject, phase, slice } = self.samples[sample as usize];
        let cached = self.cache.subject(subject);
        let slice = cached.slice(phase, slice);
        let centre = match self.crops.centre {
            Centre::Labels => slice.centre,
            Centre::Motion => cached.motion_centre(),
            Centre::Slice => None,
        };
        let drawn = |(i, augmentation): (usize, &Option<Augmentation>)| {
            let key = Key { seed: self.seed, epoch, sample, view: self.crops.first + i as u32 };
            match augmentation {
                Some(settings) => draw(settings, self.crops.target.size, centre, key),
                None => View::PLAIN,
            }
        };
        (slice, self.crops.views.iter().enumerate().map(drawn).collect())
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
    let wanted = match selection {
        Selection::Everything => return (0..subject.phases()).collect(),
        Selection::Labelled(Phases::All) => None,
        Selection::Labelled(Phases::Ed) => Some(Moment::EndDiastole),
        Selection::Labelled(Phases::Es) => Some(Moment::EndSystole),
    };
    let frames = subject.study_frames().into_iter();
    let chosen = frames.filter(|(_, moment)| wanted.is_none_or(|wanted| wanted == *moment));
    chosen.map(|(phase, _)| phase).collect()
}

#[cfg(test)]
mod tests;
