//! The quality of a segmentation: Dice, surface distances and volumes of each structure, cardiac function,
//! summaries over a set of frames or subjects, and tables.

mod dice;
mod distance;
mod doubts;
mod folders;
mod function;
mod json;
mod measurements;
mod numbering;
mod predict;
mod remarks;
mod subjects;
mod summary;
mod table;
mod text;

pub use common::{Error, Result};
pub use dice::{Dice, SliceDice, dice, dice_by_slice};
pub use distance::{SurfaceDistance, surface_distances};
pub use doubts::{doubts, outlines_nothing};
pub use folders::{FolderComparison, compare_folders};
pub use function::{
    Agreement, CARDIAC_MEASURES, CardiacFunction, CardiacMeasure, SubjectRow, cardiac_functions,
};
pub use measurements::FrameMeasurements;
pub use numbering::Numbering;
pub use predict::Predictor;
pub use remarks::Remarks;
pub use subjects::{PredictedFrame, Results, evaluate};
pub use summary::{Summary, quantile};
pub use table::{
    FrameRow, SliceRow, read_frames, read_slices, write_frames, write_frames_with_remarks,
    write_slices, write_subjects,
};
pub use text::{
    agreement_table, distance_table, distribution_table, frame_table, mean_table, summary_tables,
};
