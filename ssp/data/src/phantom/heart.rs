//! A beating heart, by its long axis: how wide each structure is at each level and moment.
//!
//! Levels are millimetres along the long axis from the mitral valve at the end of diastole towards
//! the apex. In a plane across it, x points from the septum to the lateral wall and y from the
//! anterior to the inferior wall; the right ventricle is at negative x.

use std::f32::consts::{PI, TAU};

use tensor::random::Stream;

use super::canvas::{Blob, Point, between, direction, mix, smoothstep, spread};
use super::pathology::{Group, Pathology};
use super::section::{ANGLES, Section};

/// A structure of the wall at an angle: how strong it is there, and how wide.
#[derive(Clone, Debug)]
struct Segment {
    angle: f32,
    width: f32,
    level: f32,
    strength: f32,
}

impl Segment {
    /// Strength at an angle and relative level.
    fn at(&self, angle: f32, t: f32) -> f32 {
        let level = (t - self.level) / 0.35;
        self.strength * bump(angle - self.angle, self.width) * (-level * level).exp()
    }
}

/// 1 at angle 0, falling off within about `width` radians.
fn bump(angle: f32, width: f32) -> f32 {
    let wrapped = (angle + PI).rem_euclid(TAU) - PI;
    (-(wrapped / width).powi(2)).exp()
}

/// One subject's heart.
#[derive(Clone, Debug)]
pub struct Heart {
    /// From the mitral valve to the end of the cavity at the end of diastole.
    pub length: f32,
    radius: f32,
    wall: f32,
    apical_wall: f32,
    /// Level of the widest part of the left ventricle, relative to its length.
    waist: f32,
    /// How much shorter and narrower the cavity is at the end of systole, as fractions.
    shortening: f32,
    narrowing: f32,
    /// Bulges of the cavity's outline: cosine and sine of twice and thrice the angle.
    bulges: [f32; 4],
    /// Unevenness of the wall: cosine and sine of the angle.
    uneven: [f32; 2],
    septum: f32,
    flattening: f32,
    akinetic: Segment,
    scar: Segment,
    outflow: f32,
    papillary: [Papillary; 2],
    trabeculae: f32,
    right: RightVentricle,
    /// Epicardial fat: greatest thickness, and the angle where it is thickest.
    fat: [f32; 2],
    /// Position of the long axis per millimetre of level.
    tilt: Point,
    great: [Blob; 4],
}

/// A papillary muscle: angle at which it stands, radius, and the levels between which it runs.
#[derive(Clone, Debug)]
struct Papillary {
    angle: f32,
    radius: f32,
    levels: [f32; 2],
}

/// The right ventricle: an ellipse around the septal side of the left.
#[derive(Clone, Debug)]
struct RightVentricle {
    /// From the septum to the free wall, at the base.
    depth: f32,
    /// Half the extent along the septum, relative to the left ventricle's outer radius.
    height: f32,
    /// How much it narrows in systole, and how far its base moves towards the apex.
    narrowing: f32,
    descent: f32,
    /// Level of its base, and of its tip relative to the left ventricle's length.
    top: f32,
    tip: f32,
    bulges: [f32; 4],
    wall: f32,
    trabeculae: f32,
}

impl Heart {
    /// Draws a heart of a group.
    pub fn new(pathology: Pathology, stream: &mut Stream) -> Self {
        let group = Group::of(pathology);
        let size = 1.0 + spread(stream, 0.05);
        let akinetic_here = stream.chance(f64::from(group.akinetic));
        let scar_here = stream.chance(0.3);
        let mut from = |[low, high]: [f32; 2]| between(stream, low, high);
        let shortening = from(group.shortening);
        let ejection = from(group.ejection);
        // Volume goes with length and the square of the width.
        let narrowing = 1.0 - ((1.0 - ejection) / (1.0 - shortening)).sqrt();
        let [radius, length] = [from(group.radius) * size, from(group.length) * size];
        let segment = |from: &mut dyn FnMut([f32; 2]) -> f32, here: bool, strength: [f32; 2]| {
            let strength = from(strength) * f32::from(u8::from(here));
            let [angle, width, level] = [from([0.0, TAU]), from([0.4, 0.9]), from([0.2, 0.9])];
            Segment { angle, width, level, strength }
        };
        let akinetic = segment(&mut from, akinetic_here, [0.5, 1.1]);
        let scar = segment(&mut from, scar_here, [0.4, 1.0]);
        let papillary = [from([-1.15, -0.6]), from([0.85, 1.5])].map(|angle| Papillary {
            angle,
            radius: from([3.0, 5.5]) * size,
            levels: [from([0.2, 0.38]), from([0.65, 0.85])],
        });
        let right = RightVentricle {
            depth: from(group.depth) * size,
            height: from([1.0, 1.2]),
            narrowing: from(group.narrowing),
            descent: from([8.0, 15.0]) * size,
            top: from([-9.0, 3.0]),
            tip: from([0.82, 0.98]),
            bulges: [0.0; 4].map(|_: f32| from([-0.07, 0.07])),
            wall: from([2.0, 3.5]),
            trabeculae: from([0.25, 0.8]),
        };
        let heart = Heart {
            length,
            radius,
            wall: from(group.wall) * size,
            apical_wall: from([6.0, 9.0]),
            waist: from([0.2, 0.38]),
            shortening,
            narrowing,
            bulges: [0.05, 0.05, 0.025, 0.025].map(|b| from([-b, b])),
            uneven: [from([-0.12, 0.12]), from([-0.12, 0.12])],
            septum: from(group.septum),
            flattening: from(group.flattening),
            akinetic,
            scar,
            outflow: from([0.3, 0.8]),
            papillary,
            trabeculae: from([0.2, 0.9]),
            right,
            fat: [from([2.0, 10.0]), PI + from([-0.9, 0.9])],
            tilt: [from([-0.22, 0.12]), from([-0.08, 0.2])],
            great: std::array::from_fn(|_| Blob::disc([0.0; 2], 1.0)),
        };
        let great = heart.great_vessels(size, stream);
        Heart { great, ..heart }
    }

    /// Structures above the base: left atrium, aortic root, right atrium, pulmonary trunk.
    fn great_vessels(&self, size: f32, stream: &mut Stream) -> [Blob; 4] {
        let outer = self.radius + self.wall;
        let mut blob = |x: f32, y: f32, radii: Point, bulge: f32| {
            let centre = [x + spread(stream, 3.0), y + spread(stream, 3.0)];
            let radii = radii.map(|r| r * size * (1.0 + spread(stream, 0.1)));
            let angle = between(stream, 0.0, PI);
            Blob::random(stream, centre, radii, angle, bulge)
        };
        [
            blob(8.0, 8.0, [outer * 0.75, outer * 0.62], 0.08),
            blob(-14.0, -14.0, [14.0, 13.0], 0.02),
            blob(-outer - 10.0, 10.0, [22.0, 18.0], 0.1),
            blob(-outer + 2.0, -outer, [14.0, 12.0], 0.05),
        ]
    }

    /// Outer radius of the left ventricle at its widest, end of diastole.
    pub fn outer_radius(&self) -> f32 {
        self.radius + self.wall
    }

    /// Distance from the long axis to the free wall of the right ventricle at a level, end of
    /// diastole.
    pub fn right_reach(&self, level: f32) -> f32 {
        let taper = 1.0 - 0.75 * smoothstep(0.2, 1.1, level / self.length);
        self.outer_radius() + self.right.depth * taper
    }

    /// Where the long axis pierces the plane at a level.
    pub fn axis(&self, level: f32) -> Point {
        self.tilt.map(|t| t * (level - 0.5 * self.length))
    }

    /// Radius of a half ellipsoid that tapers a little towards the base, relative to its widest.
    fn profile(&self, t: f32) -> f32 {
        if t < self.waist {
            let up = (self.waist - t) / self.waist;
            1.0 - 0.12 * up * up
        } else {
            let down = (t - self.waist) / (1.0 - self.waist);
            (1.0 - down.powf(2.3)).max(0.0).sqrt()
        }
    }

    /// The plane at a level, with the heart contracted by `squeeze`: 0 end of diastole, 1 end of
    /// systole.
    pub fn section(&self, level: f32, squeeze: f32) -> Section {
        let base = self.length * self.shortening * squeeze;
        let length = self.length - base;
        let t = (level - base) / length;
        let end = 1.0 + self.apical_wall / self.length;
        let [endocardium, epicardium] =
            if (0.0..end).contains(&t) { self.rings(t, end, squeeze) } else { [[0.0; ANGLES]; 2] };
        let outer = epicardium.iter().sum::<f32>() / ANGLES as f32;
        let left = outer > 0.0;
        let right = self.right_outline(level, squeeze, length, base);
        let [atrium, root, right_atrium, trunk] = &self.great;
        let swell = 2.5 * squeeze;
        let mut vessels = Vec::new();
        if t < 0.0 {
            // The left atrium empties as the ventricle fills.
            vessels.push(atrium.widened(swell - 1.5));
            vessels.push(root.clone());
        }
        if right.is_none() && t < 0.5 {
            vessels.push(right_atrium.widened(swell));
            vessels.push(trunk.clone());
        }
        Section {
            endocardium,
            epicardium,
            left,
            right,
            right_wall: self.right.wall * (1.0 + 0.3 * squeeze),
            vessels,
            papillary: self.papillary_muscles(t, squeeze, &endocardium),
            trabeculae: [
                self.trabeculae * smoothstep(0.2, 1.0, t),
                self.right.trabeculae * mix(0.5, 1.0, t.clamp(0.0, 1.0)),
            ],
            scar: std::array::from_fn(|i| self.scar.at(Section::angle(i), t)),
            fat: self.fat,
        }
    }

    /// Radius of the cavity and of the outer wall at each angle, at relative level `t`.
    ///
    /// The wall keeps its volume: as the ventricle shortens and narrows, each segment thickens.
    fn rings(&self, t: f32, end: f32, squeeze: f32) -> [[f32; ANGLES]; 2] {
        let inner = if t < 1.0 { self.radius * self.profile(t) } else { 0.0 };
        let outer = self.outer_radius() * self.profile(t / end);
        let stretch = 1.0 / (1.0 - self.shortening * squeeze);
        let thin = smoothstep(0.14, 0.02, t).clamp(0.0, 1.0) * self.outflow;
        let ring = |i: usize| {
            let angle = Section::angle(i);
            let [c, s] = direction(angle);
            let [c2, s2] = direction(2.0 * angle);
            let [c3, s3] = direction(3.0 * angle);
            let [a, b, d, e] = self.bulges;
            let flat = self.flattening * bump(angle - PI, 0.7);
            let shape = 1.0 + a * c2 + b * s2 + d * c3 + e * s3 - flat;
            let septum = self.septum * bump(angle - PI - 0.3, 0.9) * smoothstep(1.1, 0.5, t);
            // Towards the aortic valve the wall is thin.
            let valve = thin * bump(angle + 0.75 * PI, 0.4);
            let thickness =
                (1.0 + self.uneven[0] * c + self.uneven[1] * s + septum) * (1.0 - valve);
            let still = self.akinetic.at(angle, t);
            let width = 1.0 - self.narrowing * squeeze * (1.0 - still);
            let relaxed = inner * shape;
            let relaxed_outer = relaxed + (outer - inner).max(0.0) * thickness;
            let cavity = relaxed * width;
            let area = relaxed_outer * relaxed_outer - relaxed * relaxed;
            [cavity, (cavity * cavity + area * stretch).sqrt()]
        };
        let rings: [[f32; 2]; ANGLES] = std::array::from_fn(ring);
        [rings.map(|ring| ring[0]), rings.map(|ring| ring[1])]
    }

    /// Outline of the right ventricle, from which the left ventricle is still to be cut.
    fn right_outline(&self, level: f32, squeeze: f32, length: f32, base: f32) -> Option<Blob> {
        let right = &self.right;
        let top = right.top + right.descent * squeeze;
        let bottom = base + right.tip * length;
        let u = (level - top) / (bottom - top);
        if !(0.0..1.0).contains(&u) {
            return None;
        }
        let taper = (1.0 - u.powf(1.5)).powf(0.6);
        // The septum keeps the right ventricle at its flank even where the left has not begun.
        let t = ((level - base) / length).max(0.0);
        let septum = self.outer_radius() * self.profile(t / 1.1);
        let depth = right.depth * taper * (1.0 - right.narrowing * squeeze);
        let height = right.height * septum * mix(0.55, 1.05, taper);
        let height = height * (1.0 - 0.45 * right.narrowing * squeeze);
        let radius = 0.5 * (depth + 1.2 * septum);
        let centre = [radius - septum - depth, mix(-5.0, 5.0, u)];
        let [a, b, c, d] = right.bulges;
        Some(Blob {
            centre,
            radii: [radius.max(2.0), height.max(2.0)],
            turned: direction(0.12 + 0.2 * u),
            bulges: [a, b, c, d],
        })
    }

    fn papillary_muscles(&self, t: f32, squeeze: f32, cavity: &[f32; ANGLES]) -> Vec<Blob> {
        let across = self.papillary.iter().filter_map(|muscle| {
            let [from, to] = muscle.levels;
            let swell = smoothstep(from - 0.08, from + 0.1, t) * smoothstep(to + 0.1, to, t);
            let angle = muscle.angle + 0.15 * squeeze;
            let wall = cavity[Section::nearest(angle)];
            let radius = (muscle.radius * swell).min(0.4 * wall);
            // Free of the wall towards the base, merging with it towards the apex.
            let away = wall - radius * mix(1.9, 0.6, smoothstep(from, to, t));
            let [c, s] = direction(angle);
            (radius > 0.8).then_some(Blob {
                centre: [away * c, away * s],
                radii: [radius * 1.15, radius * 0.85],
                turned: [c, s],
                bulges: [0.0; 4],
            })
        });
        across.collect()
    }
}

/// How far the heart is contracted, from 0 at the start of the cycle to 1 at `systole` (both as
/// fractions of the cycle), then back: fast filling, rest, and the kick of the atria.
pub fn squeeze(time: f32, systole: f32) -> f32 {
    if time < systole {
        return 0.5 - 0.5 * (PI * time / systole).cos();
    }
    let rest = (time - systole) / (1.0 - systole);
    1.0 - 0.78 * smoothstep(0.0, 0.5, rest) - 0.22 * smoothstep(0.72, 1.0, rest)
}
