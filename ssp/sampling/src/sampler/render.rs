//! The views of a batch: what each is, and making them on the host or on a device.

use kernels::views::{self, render, render_labels};
use rayon::prelude::*;
use tensor::{Buffer, DType, Tensor};

use super::{Sample, Sampler, Selection};
use crate::Centre;
use crate::Result;
use crate::augment::{Key, Renderer, Slice, View, draw, sampling_matrix};

/// Images, and labels where they were selected.
type Pictures = (Tensor, Option<Tensor>);

impl Sampler {
    /// A slice, and view number `view` of it.
    fn view(&self, epoch: u32, sample: u32, view: usize) -> (Slice<'_>, View) {
        let Sample { subject, phase, slice } = self.samples[sample as usize];
        let cached = self.cache.subject(subject);
        let slice = cached.slice(phase, slice);
        let centre = match self.crops.centre {
            Centre::Labels => slice.centre,
            Centre::Motion => cached.motion_centre(),
            Centre::Slice => None,
        };
        let number = self.crops.first + view as u32;
        let drawn = match &self.crops.views[view] {
            Some(settings) => {
                let key = Key { seed: self.seed, epoch, sample, view: number };
                draw(settings, self.crops.target.size, centre, key)
            }
            None => View::PLAIN,
        };
        (slice, drawn)
    }

    fn has_labels(&self) -> bool {
        matches!(self.selection, Selection::Labelled(_))
    }

    /// Slice and view at a place in a batch of these samples.
    pub(super) fn slice_and_view(&self, place: usize, samples: &[u32]) -> [usize; 2] {
        let extents = [samples.len(), self.crops.views.len()];
        self.crops.arrangement.slice_and_view(place, extents)
    }

    /// Views of these samples, by the threads of the host.
    pub(super) fn on_host(&self, epoch: u32, samples: &[u32]) -> Pictures {
        let [rows, columns] = self.crops.target.size;
        let count = samples.len() * self.crops.views.len();
        let mut images = Buffer::uninitialised::<f32>(count * rows * columns);
        let mut labels =
            self.has_labels().then(|| Buffer::uninitialised::<u8>(count * rows * columns));
        let image_parts = self.arranged(images.as_mut_slice::<f32>(), samples);
        let label_parts = match &mut labels {
            Some(labels) => self.arranged(labels.as_mut_slice::<u8>(), samples),
            None => samples.iter().map(|_| Vec::new()).collect(),
        };
        image_parts.into_par_iter().zip(label_parts).zip(samples).for_each_init(
            Renderer::default,
            |renderer, ((images, labels), &sample)| {
                self.render(renderer, epoch, sample, images, labels);
            },
        );
        (
            Tensor::from_buffer::<f32>(images, [count, rows, columns, 1]),
            labels.map(|labels| Tensor::from_buffer::<u8>(labels, [count, rows, columns])),
        )
    }

    /// The pictures of a batch, for each sample those of its views.
    fn arranged<'a, T>(&self, pictures: &'a mut [T], samples: &[u32]) -> Vec<Vec<&'a mut [T]>> {
        let [rows, columns] = self.crops.target.size;
        let mut slices: Vec<Vec<&mut [T]>> = samples.iter().map(|_| Vec::new()).collect();
        for (place, picture) in pictures.chunks_mut(rows * columns).enumerate() {
            let [slice, _] = self.slice_and_view(place, samples);
            slices[slice].push(picture);
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
        let target = &self.crops.target;
        let mut labels = labels.into_iter();
        for (number, image) in images.into_iter().enumerate() {
            let (slice, view) = self.view(epoch, sample, number);
            if number == 0 {
                renderer.load(&slice);
            }
            renderer.image(&slice, target, &view, image);
            if let (Some(out), Some(labels)) = (labels.next(), slice.labels) {
                Renderer::labels(labels, &slice.grid, target, &view, out);
            }
        }
    }

    /// Views of these samples, by a device whose `memory` holds the cache.
    pub(super) fn on_device(
        &self,
        memory: &Tensor,
        epoch: u32,
        samples: &[u32],
    ) -> Result<Pictures> {
        let target = &self.crops.target;
        let view = |place: usize| {
            let [index, number] = self.slice_and_view(place, samples);
            let sample = samples[index];
            let (seen, view) = self.view(epoch, sample, number);
            let Sample { subject, phase, slice } = self.samples[sample as usize];
            views::View {
                place: self.cache.subject(subject).place(phase, slice),
                matrix: sampling_matrix(&seen.grid, target, &view.placement),
                adjustment: seen.adjustment(&view),
            }
        };
        let count = samples.len() * self.crops.views.len();
        let views: Vec<views::View> = (0..count).map(view).collect();
        let images = render(memory, &views, target.size, DType::F32)?;
        let labels = self.has_labels().then(|| render_labels(memory, &views, target.size));
        Ok((images, labels.transpose()?))
    }
}
