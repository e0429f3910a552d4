//! Groups of subjects, and how their hearts differ.

/// Shape group of a subject. The names are those of ACDC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Pathology {
    /// Normal.
    Normal,
    /// Dilated cardiomyopathy: a wide, thin left ventricle that hardly contracts.
    Dilated,
    /// Hypertrophic cardiomyopathy: a thick wall, most of all the septum, and a small cavity.
    Hypertrophic,
    /// Abnormal right ventricle: wide, and pressing on the septum.
    RightVentricle,
}

impl Pathology {
    /// Every group.
    pub const ALL: [Pathology; 4] =
        [Pathology::Normal, Pathology::Dilated, Pathology::Hypertrophic, Pathology::RightVentricle];

    /// Short name: `NOR`, `DCM`, `HCM`, `RV`.
    pub fn name(self) -> &'static str {
        match self {
            Pathology::Normal => "NOR",
            Pathology::Dilated => "DCM",
            Pathology::Hypertrophic => "HCM",
            Pathology::RightVentricle => "RV",
        }
    }
}

/// What a group's hearts are drawn from: lengths in millimetres at the end of diastole, the rest
/// as fractions.
pub struct Group {
    /// Radius of the left ventricle's cavity.
    pub radius: [f32; 2],
    /// From the mitral valve to the end of the cavity.
    pub length: [f32; 2],
    /// Thickness of the left ventricle's wall.
    pub wall: [f32; 2],
    /// How much thicker the septum is than the wall.
    pub septum: [f32; 2],
    /// Ejection fraction of the left ventricle.
    pub ejection: [f32; 2],
    /// How much shorter the left ventricle gets.
    pub shortening: [f32; 2],
    /// From the septum to the free wall of the right ventricle.
    pub depth: [f32; 2],
    /// How much narrower the right ventricle gets.
    pub narrowing: [f32; 2],
    /// How far the right ventricle presses the septum in, of the cavity's radius.
    pub flattening: [f32; 2],
    /// Probability of a segment that does not contract.
    pub akinetic: f32,
}

impl Group {
    /// The ranges of a group: of normal hearts those of cine MR in healthy adults.
    pub fn of(pathology: Pathology) -> Self {
        let normal = Group {
            radius: [21.0, 26.0],
            length: [78.0, 94.0],
            wall: [7.0, 9.5],
            septum: [0.0, 0.25],
            ejection: [0.54, 0.66],
            shortening: [0.12, 0.17],
            depth: [29.0, 37.0],
            narrowing: [0.3, 0.42],
            flattening: [-0.03, 0.06],
            akinetic: 0.1,
        };
        match pathology {
            Pathology::Normal => normal,
            Pathology::Dilated => Group {
                radius: [28.0, 35.0],
                length: [86.0, 104.0],
                wall: [6.0, 8.5],
                ejection: [0.2, 0.38],
                shortening: [0.03, 0.08],
                depth: [26.0, 39.0],
                narrowing: [0.17, 0.34],
                akinetic: 0.5,
                ..normal
            },
            Pathology::Hypertrophic => Group {
                radius: [20.0, 25.0],
                length: [74.0, 90.0],
                wall: [9.0, 12.5],
                septum: [0.3, 1.1],
                ejection: [0.58, 0.7],
                shortening: [0.1, 0.15],
                depth: [27.0, 34.0],
                akinetic: 0.2,
                ..normal
            },
            Pathology::RightVentricle => Group {
                radius: [20.0, 24.5],
                ejection: [0.46, 0.62],
                depth: [38.0, 49.0],
                narrowing: [0.17, 0.3],
                flattening: [0.05, 0.22],
                ..normal
            },
        }
    }
}
