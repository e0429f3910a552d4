//! Every figure of the study: PNG pictures (curves, overlays of labels, grids of images) and SVG
//! charts for HTML pages, drawn without any system library from one palette and one kind of axis.

mod axis;
mod canvas;
mod colour;
mod curves;
mod figure;
mod grey;
mod montage;
mod overlay;
mod regions;
mod relations;
mod sheet;
mod slice;
pub mod svg;
mod ticks;

pub use axis::{Axis, Tick};
pub use canvas::Picture;
pub use colour::{Colour, label_colour, series_colour};
pub use common::{Error, Result};
pub use curves::{Curves, Series};
pub use figure::Segmented;
pub use grey::Window;
pub use montage::{Tile, montage};
pub use overlay::overlay;
pub use sheet::{Column, Sheet, SheetImage, SheetRow};
