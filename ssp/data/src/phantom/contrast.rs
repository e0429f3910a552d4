//! What a scanner makes of tissue: balanced steady-state contrast, coils, resolution and noise.
//!
//! Intensities are relative to the blood of the left ventricle. In steady-state free precession
//! they follow T2/T1, so that blood and fat are bright, muscle dark grey, and air black; how dark
//! the myocardium is depends on flip angle and repetition time, and so on the vendor's protocol.

use tensor::random::Stream;

use super::canvas::{Point, between, direction};

/// Scanner vendor. The letters are those of M&Ms; what stands behind them here is made up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Vendor {
    /// Fine pixels, strong contrast, strong coil shading.
    A,
    /// The finest pixels, greyer myocardium, even illumination.
    B,
    /// Coarser pixels, the darkest myocardium, bright fat.
    C,
    /// The coarsest and noisiest pixels, the least contrast.
    D,
}

impl Vendor {
    /// Every vendor.
    pub const ALL: [Vendor; 4] = [Vendor::A, Vendor::B, Vendor::C, Vendor::D];

    /// The letter.
    pub fn name(self) -> &'static str {
        match self {
            Vendor::A => "A",
            Vendor::B => "B",
            Vendor::C => "C",
            Vendor::D => "D",
        }
    }
}

/// Ranges of a vendor's protocol, from which each subject's scan is drawn.
struct Protocol {
    spacing: [f32; 2],
    thickness: [f32; 2],
    myocardium: [f32; 2],
    fat: [f32; 2],
    shading: [f32; 2],
    noise: [f32; 2],
    blur: [f32; 2],
    gain: [f32; 2],
}

impl Protocol {
    fn of(vendor: Vendor) -> Self {
        match vendor {
            Vendor::A => Protocol {
                spacing: [1.3, 1.6],
                thickness: [9.0, 10.0],
                myocardium: [0.33, 0.43],
                fat: [1.1, 1.5],
                shading: [0.5, 0.9],
                noise: [0.02, 0.035],
                blur: [1.0, 1.3],
                gain: [180.0, 320.0],
            },
            Vendor::B => Protocol {
                spacing: [1.2, 1.45],
                thickness: [8.0, 10.0],
                myocardium: [0.42, 0.54],
                fat: [0.9, 1.3],
                shading: [0.15, 0.4],
                noise: [0.025, 0.045],
                blur: [1.1, 1.5],
                gain: [400.0, 700.0],
            },
            Vendor::C => Protocol {
                spacing: [1.4, 1.75],
                thickness: [8.0, 10.0],
                myocardium: [0.28, 0.38],
                fat: [1.3, 1.8],
                shading: [0.3, 0.7],
                noise: [0.03, 0.05],
                blur: [1.1, 1.5],
                gain: [900.0, 1800.0],
            },
            Vendor::D => Protocol {
                spacing: [1.5, 1.9],
                thickness: [10.0, 12.0],
                myocardium: [0.46, 0.6],
                fat: [1.0, 1.6],
                shading: [0.3, 0.8],
                noise: [0.04, 0.07],
                blur: [1.3, 1.9],
                gain: [2000.0, 4000.0],
            },
        }
    }
}

/// Intensity of each tissue, relative to the blood of the left ventricle.
#[derive(Clone, Debug)]
pub struct Tissues {
    pub right_blood: f32,
    pub artery: f32,
    pub myocardium: f32,
    pub scar: f32,
    pub fat: f32,
    pub lung: f32,
    pub muscle: f32,
    pub liver: f32,
    pub spleen: f32,
    pub viscera: f32,
    pub bone: f32,
    /// Relative deviation of flowing blood.
    pub flow: f32,
}

/// One subject's scan: protocol, tissue contrast, and the field of the coils.
#[derive(Clone, Debug)]
pub struct Scan {
    /// In-plane pixel spacing, in millimetres.
    pub spacing: f32,
    /// Slice thickness, in millimetres.
    pub thickness: f32,
    /// Gap between slices, in millimetres.
    pub gap: f32,
    pub tissues: Tissues,
    /// Width of edges, in pixels.
    pub blur: f32,
    /// Deviation of the noise in each of the two channels, relative to blood.
    pub noise: f32,
    /// Stored intensity of blood.
    pub gain: f32,
    coils: Coils,
}

/// A smooth multiplicative field, bright towards the chest, and perhaps a dark band where the
/// steady state breaks off resonance.
#[derive(Clone, Debug)]
struct Coils {
    towards: Point,
    fall: f32,
    bow: f32,
    band: Option<Band>,
}

/// A dark band: where the precession between pulses is half a turn.
#[derive(Clone, Debug)]
struct Band {
    towards: Point,
    away: f32,
    depth: f32,
    bend: f32,
}

impl Scan {
    /// Draws a scan on one of the vendor's scanners.
    pub fn new(vendor: Vendor, stream: &mut Stream) -> Self {
        let protocol = Protocol::of(vendor);
        let mut from = |[low, high]: [f32; 2]| between(stream, low, high);
        let myocardium = from(protocol.myocardium);
        let tissues = Tissues {
            right_blood: from([0.78, 1.15]),
            artery: from([0.8, 1.35]),
            myocardium,
            scar: myocardium * from([1.1, 1.5]),
            fat: from(protocol.fat),
            lung: from([0.04, 0.12]),
            muscle: myocardium * from([0.7, 1.05]),
            liver: myocardium * from([0.75, 1.35]),
            spleen: from([0.35, 0.75]),
            viscera: from([0.55, 1.1]),
            bone: from([0.35, 0.7]),
            flow: from([0.04, 0.12]),
        };
        let scan = Scan {
            spacing: from(protocol.spacing),
            thickness: from(protocol.thickness),
            gap: 0.0,
            tissues,
            blur: from(protocol.blur),
            noise: from(protocol.noise),
            gain: from(protocol.gain),
            coils: Coils {
                towards: direction(std::f32::consts::PI + from([-0.6, 0.6])),
                fall: from(protocol.shading),
                bow: from([-0.1, 0.25]),
                band: None,
            },
        };
        let gap = from([-2.0, 2.0]).max(0.0).min(12.0 - scan.thickness);
        let band = Band {
            towards: direction(from([0.0, std::f32::consts::TAU])),
            away: from([45.0, 85.0]),
            depth: from([0.3, 0.7]),
            bend: from([-0.004, 0.004]),
        };
        let band = (from([0.0, 1.0]) < 0.35).then_some(band);
        Scan { gap, coils: Coils { band, ..scan.coils }, ..scan }
    }

    /// What the coils make of an intensity at a place of the body: a factor around 1.
    pub fn shading(&self, point: Point) -> f32 {
        let along = |towards: Point| point[0] * towards[0] + point[1] * towards[1];
        let near = along(self.coils.towards) / 100.0;
        let across = (point[0] * point[0] + point[1] * point[1]) / 10_000.0;
        let field = (self.coils.fall * near - self.coils.bow * across).clamp(-1.5, 1.0).exp();
        let band = self.coils.band.as_ref().map_or(1.0, |band| {
            let side = point[0] * band.towards[1] - point[1] * band.towards[0];
            let away = along(band.towards) - band.away + band.bend * side * side;
            1.0 - band.depth * (-(away / 6.0).powi(2)).exp()
        });
        field * band
    }
}
