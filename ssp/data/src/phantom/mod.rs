//! The built-in phantom: a cohort of 4D short-axis cine stacks, drawn from a seed.
//!
//! A fresh machine has nothing to learn from; the phantom lets every command run there, and gives
//! tests data whose truth is known. Hearts are built from formulas, not from images: a left
//! ventricle that shortens and narrows while its wall keeps its volume, a right ventricle wrapped
//! around it, atria and arteries above, organs around, seen by scanners that differ.
//!
//! Vendors and pathologies are balanced: any four subjects in a row, counted from a multiple of
//! four, have all four of each, and any sixteen have all pairs.

mod canvas;
#[cfg(test)]
mod check;
mod contrast;
mod heart;
mod pathology;
mod render;
mod section;
mod thorax;

use std::ops::RangeInclusive;

use rayon::prelude::*;
use tensor::random::Stream;

pub use contrast::Vendor;
pub use pathology::Pathology;

use super::Subject;
use crate::{Error, Result};
use canvas::Texture;
use common::purposes;

/// What a phantom cohort is drawn from.
#[derive(Clone, Debug, PartialEq)]
pub struct PhantomSettings {
    /// Cardiac phases per subject, at least 3.
    pub phases: usize,
    /// Rows and columns of a slice lie in this range, whatever the field of view.
    pub matrix: RangeInclusive<usize>,
    /// Slices per subject.
    pub slices: RangeInclusive<usize>,
    /// Deviation by which breath-holds move neighbouring slices apart, in millimetres.
    pub breath_hold: f32,
    /// Factor on the vendors' noise; 0 leaves it out.
    pub noise: f32,
}

impl Default for PhantomSettings {
    fn default() -> Self {
        PhantomSettings {
            phases: 8,
            matrix: 96..=160,
            slices: 7..=12,
            breath_hold: 1.6,
            noise: 1.0,
        }
    }
}

/// A cohort of drawn subjects.
#[derive(Clone, Debug, PartialEq)]
pub struct PhantomCohort {
    subjects: usize,
    seed: u64,
    settings: PhantomSettings,
}

/// What the random numbers of a subject are for, each a stream of its own, so that a change to one
/// part of the drawing leaves the others as they are.
#[derive(Clone, Copy)]
enum Part {
    Heart,
    Thorax,
    Scan,
    Layout,
    Texture,
    Noise,
}

impl PhantomCohort {
    /// A cohort of `subjects`, as `seed` and `settings` have it.
    ///
    /// # Errors
    /// [`Error::Setting`] for a range that is empty or too small to show a heart.
    pub fn new(subjects: usize, seed: u64, settings: PhantomSettings) -> Result<Self> {
        let PhantomSettings { phases, matrix, slices, breath_hold, noise } = &settings;
        let refuse = |what: String| Err(Error::Setting(format!("phantom: {what}")));
        if *phases < 3 {
            return refuse(format!("{phases} phases; give at least 3"));
        }
        if *matrix.start() < 32 || matrix.is_empty() {
            return refuse(format!("matrix {matrix:?}; give a range from at least 32 upwards"));
        }
        if *slices.start() < 3 || slices.is_empty() {
            return refuse(format!("slices {slices:?}; give a range from at least 3 upwards"));
        }
        if !(0.0..=20.0).contains(breath_hold) {
            return refuse(format!("breath-hold {breath_hold} mm; give 0 to 20"));
        }
        if !(0.0..=100.0).contains(noise) {
            return refuse(format!("noise factor {noise}; give 0 to 100"));
        }
        Ok(PhantomCohort { subjects, seed, settings })
    }

    /// Number of subjects.
    pub fn len(&self) -> usize {
        self.subjects
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.subjects == 0
    }

    /// Every subject's id, in order.
    pub fn ids(&self) -> Vec<String> {
        (0..self.subjects).map(id).collect()
    }

    /// Scanner vendor of a subject.
    pub fn vendor(&self, index: usize) -> Vendor {
        Vendor::ALL[index % 4]
    }

    /// Pathology of a subject.
    pub fn pathology(&self, index: usize) -> Pathology {
        Pathology::ALL[(index + index / 4) % 4]
    }

    /// Draws a subject: a function of seed, settings and index alone. Subjects beyond the cohort's
    /// number can be drawn too.
    pub fn subject(&self, index: usize) -> Subject {
        let (vendor, pathology) = (self.vendor(index), self.pathology(index));
        let stream =
            |part: Part| Stream::new(self.seed, purposes::PHANTOM, part as u32, index as u32);
        let heart = heart::Heart::new(pathology, &mut stream(Part::Heart));
        let thorax = thorax::Thorax::new(&heart, &mut stream(Part::Thorax));
        let scan = contrast::Scan::new(vendor, &mut stream(Part::Scan));
        let layout = render::Layout::new(&self.settings, &heart, &scan, &mut stream(Part::Layout));
        let texture = Texture::new(&mut stream(Part::Texture));
        let mut noise = stream(Part::Noise);
        let (stack, frames) =
            render::render(&self.settings, &heart, &thorax, &scan, &layout, &texture, &mut noise);
        Subject {
            id: id(index),
            stack,
            frames,
            vendor: Some(vendor.name().to_string()),
            pathology: Some(pathology.name().to_string()),
        }
    }

    /// Draws every subject, on all cores, in order.
    pub fn draw(&self) -> Vec<Subject> {
        (0..self.subjects).into_par_iter().map(|index| self.subject(index)).collect()
    }
}

fn id(index: usize) -> String {
    format!("phantom{:04}", index + 1)
}
