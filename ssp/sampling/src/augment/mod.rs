//! Augmentation: random views of a slice, geometry and intensities in one go.
//!
//! The numbers are in [`Augmentation`]; [`draw`] turns them into the parameters of one view, from
//! nothing but the names of the run, epoch, sample and view; [`Renderer`] makes the picture.

mod circle;
mod draw;
mod geometry;
mod plain;
mod settings;
mod view;

pub use circle::{Circle, enclosing_circle};
pub use draw::{Key, View, draw};
pub use geometry::{Grid, Placement, sampling_matrix};
pub use kernels::resample::Matrix;
pub use plain::{onto_source, plain_views};
pub use settings::{Augmentation, Chance, IntensityScale};
pub use view::{Pixels, Renderer, Slice};
