//! A subject: one short-axis cine stack, and the labels of some of its phases.

/// Number of classes, including the background.
pub const CLASSES: usize = 4;

/// The structure that a voxel belongs to, numbered as in M&Ms. Readers map other numberings to it.
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

/// The phases of the cardiac cycle that are labelled in the challenges.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CardiacPhase {
    /// End of diastole: the ventricles are largest.
    EndDiastole,
    /// End of systole: the ventricles are smallest.
    EndSystole,
    /// Any other phase, or an unknown one.
    Other,
}

impl CardiacPhase {
    /// Short name in tables and files: `ED`, `ES`, `-`.
    pub fn name(self) -> &'static str {
        match self {
            CardiacPhase::EndDiastole => "ED",
            CardiacPhase::EndSystole => "ES",
            CardiacPhase::Other => "-",
        }
    }
}

/// A cine stack: every slice of every phase, phase-major, then slice, row, column.
///
/// Slices run from base to apex. Intensities are those of the file, after its scale slope.
#[derive(Clone, Debug, PartialEq)]
pub struct Stack {
    /// `phases * slices * rows * columns` intensities.
    pub voxels: Vec<f32>,
    /// Number of phases (time frames).
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
pub struct LabelledFrame {
    /// Index of the phase in the stack, from 0.
    pub phase: usize,
    /// Which cardiac phase it is.
    pub cardiac_phase: CardiacPhase,
    /// `slices * rows * columns` labels on the stack's grid, each a [`Label`] as a number.
    pub labels: Vec<u8>,
}

impl LabelledFrame {
    /// The number of voxels with a label.
    pub fn count(&self, label: Label) -> usize {
        self.labels.iter().filter(|&&found| found == label as u8).count()
    }
}

/// One person's short-axis cine, with the labels that exist.
#[derive(Clone, Debug, PartialEq)]
pub struct Subject {
    /// Unique within its data set, as the data set spells it.
    pub id: String,
    /// The images.
    pub stack: Stack,
    /// The phases that carry labels, by phase index; empty for an unlabelled subject.
    pub frames: Vec<LabelledFrame>,
    /// Scanner vendor, if known.
    pub vendor: Option<String>,
    /// Diagnosis or group, if known.
    pub pathology: Option<String>,
}
