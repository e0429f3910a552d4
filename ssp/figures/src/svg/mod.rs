//! Charts as inline SVG, for HTML pages: line charts, forest plots and legends.
//!
//! Charts are 340 units wide, so that their text stays legible on a phone. They carry CSS classes
//! instead of colours; [`style_sheet`] defines those classes for light and dark pages.

mod chart;
mod forest;
mod marks;
mod style;
mod text;

pub use chart::{Chart, Line, Point};
pub use forest::{Forest, ForestRow};
pub use marks::legend;
pub use style::style_sheet;
