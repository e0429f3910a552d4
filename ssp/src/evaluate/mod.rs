//! How good a segmentation is: hard Dice per structure, its distribution over a set, and tables.

mod dice;
mod folders;
mod subjects;
mod summary;
mod table;
mod text;

pub use dice::{Dice, SliceDice, dice, dice_by_slice};
pub use folders::compare_folders;
pub use subjects::{Predicted, Results, evaluate};
pub use summary::{Summary, quantile};
pub use table::{FrameRow, SliceRow, read_frames, read_slices, write_frames, write_slices};
pub use text::{distribution_table, frame_table, mean_table};
