//! How good a segmentation is: Dice, distances and volumes of each structure, what follows for the heart's
//! function, distributions over a set, and tables.

mod dice;
mod distance;
mod folders;
mod function;
mod json;
mod measured;
mod predict;
mod subjects;
mod summary;
mod table;
mod text;

pub use common::{Error, Result};
pub use dice::{Dice, SliceDice, dice, dice_by_slice};
pub use distance::{SurfaceDistance, surface_distances};
pub use folders::{Compared, Numbering, compare_folders};
pub use function::{Agreement, Function, READINGS, Reading, SubjectRow, functions};
pub use measured::Measured;
pub use predict::Predictor;
pub use subjects::{Predicted, Results, evaluate};
pub use summary::{Summary, quantile};
pub use table::{
    FrameRow, SliceRow, read_frames, read_slices, write_frames, write_slices, write_subjects,
};
pub use text::{
    agreement_table, distance_table, distribution_table, frame_table, mean_table, summary_tables,
};
