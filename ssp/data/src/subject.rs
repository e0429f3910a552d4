//! A subject: one short-axis cine stack, and the labels of some of its phases.

/// Number of classes, background included.
pub const CLASSES: usize = 4;

/// What a voxel shows, in the convention of M&Ms. Readers map other conventions to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Label {
    /// Everything else.
    Background = 0,
    /// Left-ventricular cavity (blood pool).
    LeftVentricle = 1,
    /// Left-ventricular myocardium.
    Myocardium = 2,
    /// Right-ventricular cavity.
    RightVentricle = 3,
}

impl Label {
    /// The three structures, in the order in which tables list them.
    pub const STRUCTURES: [Label; 3] =
        [Label::LeftVentricle, Label::Myocardium, Label::RightVentricle];

    /// Short name in tables and files: `LV`, `MYO`, `RV`.
    pub fn name(self) -> &'static str {
        match self {
            Label::Background => "background",
            Label::LeftVentricle => "LV",
            Label::Myocardium => "MYO",
            Label::RightVentricle => "RV",
        }
    }
}

/// A moment of the cardiac cycle.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Moment {
    /// End of diastole: the ventricles at their largest.
    EndDiastole,
    /// End of systole: the ventricles at their smallest.
    EndSystole,
    /// Any other phase.
    Other,
}

impl Moment {
    /// Short name in tables and files: `ED`, `ES`, `-`.
    pub fn name(self) -> &'static str {
        match self {
            Moment::EndDiastole => "ED",
            Moment::EndSystole => "ES",
            Moment::Other => "-",
        }
    }
}

/// A cine stack: every slice of every phase, phase-major, then slice, row, column.
///
/// Slices run from base to apex. Intensities are as stored in the source, after its scale slope.
#[derive(Clone, Debug, PartialEq)]
pub struct Stack {
    /// `phases * slices * rows * columns` intensities.
    pub voxels: Vec<f32>,
    /// Number of cardiac phases.
    pub phases: usize,
    /// Number of slices per phase.
    pub slices: usize,
    /// In-plane rows.
    pub rows: usize,
    /// In-plane columns.
    pub columns: usize,
    /// Distance between neighbouring rows, columns and slices, in millimetres.
    pub spacing: [f32; 3],
}

impl Stack {
    /// Voxels of one slice: `rows * columns` intensities.
    pub fn slice(&self, phase: usize, slice: usize) -> &[f32] {
        let plane = self.rows * self.columns;
        let start = (phase * self.slices + slice) * plane;
        &self.voxels[start..start + plane]
    }
}

/// The labels of one phase of a stack.
#[derive(Clone, Debug, PartialEq)]
pub struct Frame {
    /// Index of the phase in the stack, from 0.
    pub phase: usize,
    /// Which moment of the cycle it is.
    pub moment: Moment,
    /// `slices * rows * columns` labels on the stack's grid, each a [`Label`] as a number.
    pub labels: Vec<u8>,
}

/// One person's short-axis cine, with whatever labels there are.
#[derive(Clone, Debug, PartialEq)]
pub struct Subject {
    /// Unique within its source, as the source spells it.
    pub id: String,
    /// The images.
    pub stack: Stack,
    /// The phases that carry labels, by phase index; empty for an unlabelled subject.
    pub frames: Vec<Frame>,
    /// Scanner vendor, where the source tells.
    pub vendor: Option<String>,
    /// Diagnosis or group, where the source tells.
    pub pathology: Option<String>,
}
