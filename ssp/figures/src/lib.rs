//! Figures, drawn as PNG without any system library: curves, overlays of labels, grids of images.

mod canvas;
mod colour;
mod curves;
mod figure;
mod grey;
mod lanes;
mod montage;
mod overlay;
mod regions;
mod sheet;
mod slice;
pub mod ticks;

pub use canvas::Picture;
pub use colour::{Colour, label_colour, series_colour};
pub use common::{Error, Result};
pub use curves::{Curves, Series};
pub use figure::Segmented;
pub use grey::Window;
pub use montage::{Tile, montage};
pub use overlay::overlay;
pub use sheet::{Column, Sheet, Shown, Strip};
