//! What surrounds the heart: chest wall, lungs, vessels, spine, and the organs below the diaphragm.
//!
//! Everything is placed in the frame of the body, whose origin is the heart's long axis at half
//! its length: the chest wall to the left, the back to the right, the diaphragm below.

use std::f32::consts::PI;

use tensor::random::Stream;

use super::canvas::{Blob, Canvas, Point, Texture, between, mix, smoothstep, spread};
use super::contrast::Tissues;
use super::heart::Heart;

/// One subject's chest and upper abdomen.
#[derive(Clone, Debug)]
pub struct Thorax {
    /// Outline of the body halfway along the heart.
    body: Blob,
    /// Thickness of the fat under the skin, and of the muscle below it.
    layers: [f32; 2],
    ribs: Vec<Point>,
    diaphragm: Diaphragm,
    organs: Vec<Organ>,
    lung_vessels: Vec<Organ>,
    /// Fat between heart and chest wall, and between heart and diaphragm.
    mediastinum: [Blob; 2],
    /// How far chest wall and diaphragm come closer from base to apex, in millimetres.
    approach: [f32; 2],
}

/// The lower border of the lungs: a parabola.
#[derive(Clone, Debug)]
struct Diaphragm {
    height: f32,
    slope: f32,
    bow: f32,
    /// Thickness of the bright line of fat along it.
    line: f32,
}

/// What an organ is made of.
#[derive(Clone, Copy, Debug)]
enum Tissue {
    Liver,
    Spleen,
    /// A wall, and content as bright as drawn.
    Hollow(f32),
    Artery,
    Bone,
}

/// A body with the extent of an ellipsoid along the heart's axis.
#[derive(Clone, Debug)]
struct Organ {
    tissue: Tissue,
    blob: Blob,
    /// Relative level (0 base, 1 apex) of its middle, and half its extent.
    level: [f32; 2],
    /// Drift of the centre from base to apex.
    drift: Point,
}

impl Organ {
    /// The outline at a relative level, if the organ reaches it.
    fn at(&self, level: f32) -> Option<Blob> {
        let away = (level - self.level[0]) / self.level[1];
        let scale = (1.0 - away * away).max(0.0).sqrt();
        let shift = self.drift.map(|d| d * (level - 0.5));
        (scale > 0.15).then(|| Blob {
            centre: [self.blob.centre[0] + shift[0], self.blob.centre[1] + shift[1]],
            radii: self.blob.radii.map(|r| r * scale),
            ..self.blob.clone()
        })
    }
}

impl Thorax {
    /// Draws the surroundings of a heart.
    pub fn new(heart: &Heart, stream: &mut Stream) -> Self {
        let reach = heart.right_reach(0.3 * heart.length);
        let outer = heart.outer_radius();
        let layers = [between(stream, 6.0, 30.0), between(stream, 7.0, 13.0)];
        let edge = -(reach + between(stream, 0.0, 9.0) + layers[0] + layers[1]);
        let radii = [between(stream, 110.0, 140.0), between(stream, 150.0, 200.0)];
        let centre = [edge + radii[0], between(stream, -20.0, 30.0)];
        let lean = spread(stream, 0.08);
        let body = Blob::random(stream, centre, radii, lean, 0.03);
        let height = outer + between(stream, 1.0, 9.0);
        let diaphragm = Diaphragm {
            height,
            slope: between(stream, -0.15, 0.3),
            bow: between(stream, 0.0006, 0.003),
            line: between(stream, 0.0, 4.0),
        };
        let step = between(stream, 24.0, 32.0);
        let first = between(stream, 0.0, step);
        let ribs = (-5..6).map(|i| [between(stream, 3.0, 5.0), first + step * i as f32]).collect();
        let toward_chest = [-0.8 * reach, between(stream, 0.0, 0.6) * outer];
        let thick = [between(stream, 14.0, 26.0), between(stream, 20.0, 42.0)];
        let lean = spread(stream, 0.3);
        let chest = Blob::random(stream, toward_chest, thick, lean, 0.3);
        let under = [-0.3 * reach, height];
        let thick = [between(stream, 35.0, 60.0), between(stream, 5.0, 14.0)];
        let floor = Blob::random(stream, under, thick, 0.0, 0.3);
        Thorax {
            body,
            layers,
            ribs,
            organs: organs(outer, height, stream),
            lung_vessels: lung_vessels(outer, stream),
            diaphragm,
            mediastinum: [chest, floor],
            approach: [between(stream, 12.0, 36.0), between(stream, 0.0, 10.0)],
        }
    }

    /// Paints the surroundings at a relative level (0 base, 1 apex) for a breath-hold that moved
    /// heart and diaphragm by `shift`.
    pub fn paint(
        &self,
        canvas: &mut Canvas,
        level: f32,
        shift: Point,
        tissues: &Tissues,
        texture: &Texture,
    ) {
        let grain = |p: Point, scale: f32, depth: f32| 1.0 + depth * texture.at(p, scale);
        let mut body = self.body.clone();
        body.centre[0] += self.approach[0] * (level - 0.5);
        let [fat, muscle] = self.layers;
        let fat = fat * mix(0.75, 1.3, level.clamp(0.0, 1.2));
        canvas.fill(&body, |p| tissues.muscle * grain(p, 3.0, 0.1));
        canvas.fill(&body.widened(-1.8), |p| tissues.fat * grain(p, 6.0, 0.09));
        canvas.fill(&body.widened(-fat), |p| {
            // Sheets of fat between layers of muscle.
            let sheets = smoothstep(0.45, 0.9, texture.at([p[0] * 3.0, p[1] * 0.7], 16.0));
            mix(tissues.muscle * grain(p, 3.0, 0.15), tissues.fat * 0.8, sheets)
        });
        let cavity = body.widened(-fat - muscle);
        for &[radius, along] in &self.ribs {
            let y = (along - cavity.centre[1]) / cavity.radii[1];
            if y.abs() < 0.95 {
                let x = cavity.centre[0] - cavity.radii[0] * (1.0 - y * y).sqrt() - 0.5 * muscle;
                let rib = Blob::disc([x, along + 12.0 * level], radius);
                canvas.fill(&rib, |_| tissues.muscle * 0.5);
                canvas.fill(&rib.widened(-1.3), |_| tissues.bone);
            }
        }
        canvas.fill(&cavity, |p| tissues.lung * grain(p, 4.0, 0.3));
        let above = |blob: &Blob| blob.centre[1] < self.diaphragm_at(blob.centre[0], level, shift);
        for vessel in self.lung_vessels.iter().filter_map(|v| v.at(level)).filter(above) {
            canvas.fill(&vessel, |_| tissues.artery * 0.75);
        }
        self.paint_abdomen(canvas, &cavity, level, shift, tissues, texture);
        for fat in &self.mediastinum {
            let mut fat = fat.clone();
            fat.centre[0] += 0.7 * self.approach[0] * (level - 0.3);
            let within = |p: Point| fat.distance(p).max(cavity.distance(p) + 1.0);
            canvas.fill_within(&fat, within, |p| tissues.fat * 0.85 * grain(p, 6.0, 0.25));
        }
        for organ in &self.organs {
            if let (Tissue::Artery | Tissue::Bone, Some(blob)) = (organ.tissue, organ.at(level)) {
                organ.tissue.fill(canvas, &blob, tissues, texture);
            }
        }
    }

    fn diaphragm_at(&self, x: f32, level: f32, shift: Point) -> f32 {
        let along = x - shift[0];
        let rise = self.approach[1] * (level - 0.3);
        let curve = self.diaphragm.slope * along + self.diaphragm.bow * along * along;
        self.diaphragm.height + curve - rise + shift[1]
    }

    fn paint_abdomen(
        &self,
        canvas: &mut Canvas,
        cavity: &Blob,
        level: f32,
        shift: Point,
        tissues: &Tissues,
        texture: &Texture,
    ) {
        let below =
            |p: Point| (self.diaphragm_at(p[0], level, shift) - p[1]).max(cavity.distance(p));
        let line = self.diaphragm.line;
        canvas.fill_where(below, |p| tissues.fat * (0.8 + 0.15 * texture.at(p, 7.0)));
        for organ in &self.organs {
            let Some(blob) = organ.at(level) else { continue };
            if matches!(organ.tissue, Tissue::Artery | Tissue::Bone) {
                continue;
            }
            let within = |p: Point| blob.distance(p).max(below(p) + line);
            let value = |p: Point| organ.tissue.value(within(p), p, tissues, texture);
            canvas.fill_within(&blob, within, value);
        }
    }
}

impl Tissue {
    /// Intensity at a place `distance` millimetres from the organ's outline.
    fn value(self, distance: f32, p: Point, tissues: &Tissues, texture: &Texture) -> f32 {
        let grain = |scale: f32, depth: f32| 1.0 + depth * texture.at(p, scale);
        match self {
            Tissue::Liver => {
                // Portal and hepatic veins: bright branches.
                let vein = texture.at([p[0] * 0.6, p[1] * 1.4], 9.0).abs();
                let vein = smoothstep(0.07, 0.02, vein).clamp(0.0, 1.0);
                mix(tissues.liver * grain(3.0, 0.1), tissues.artery * 0.7, 0.6 * vein)
            }
            Tissue::Spleen => tissues.spleen * grain(5.0, 0.06),
            Tissue::Hollow(content) => {
                let folds = smoothstep(0.2, 0.9, texture.at(p, 6.0));
                let content = content * mix(1.0, 0.55, folds);
                mix(content, tissues.viscera * 0.6, smoothstep(-4.0, -2.0, distance))
            }
            Tissue::Artery => mix(
                tissues.artery * grain(8.0, 0.08),
                tissues.muscle,
                smoothstep(-2.0, -0.5, distance),
            ),
            Tissue::Bone => {
                tissues.bone * grain(4.0, 0.15) * mix(0.5, 1.0, smoothstep(0.0, -3.0, distance))
            }
        }
    }

    fn fill(self, canvas: &mut Canvas, blob: &Blob, tissues: &Tissues, texture: &Texture) {
        canvas.fill(blob, |p| self.value(blob.distance(p), p, tissues, texture));
    }
}

/// Organs below a diaphragm at `height`, and the tissue behind a heart of this radius.
fn organs(outer: f32, height: f32, stream: &mut Stream) -> Vec<Organ> {
    let mut organs = Vec::new();
    let mut add = |stream: &mut Stream, tissue, place: Point, radii: Point, level: [f32; 2]| {
        let centre = [place[0] + spread(stream, 8.0), place[1] + spread(stream, 6.0)];
        let radii = radii.map(|r| r * (1.0 + spread(stream, 0.15)));
        let angle = spread(stream, 0.35);
        let bulge = if radii[0].min(radii[1]) > 15.0 { 0.12 } else { 0.04 };
        let blob = Blob::random(stream, centre, radii, angle, bulge);
        let drift = [spread(stream, 12.0), spread(stream, 8.0)];
        organs.push(Organ { tissue, blob, level, drift });
    };
    let below = |depth: f32| height + depth;
    add(stream, Tissue::Spleen, [75.0, below(35.0)], [34.0, 24.0], [0.2, 1.0]);
    let content = between(stream, 0.2, 1.5);
    let stomach = [between(stream, 20.0, 42.0), between(stream, 16.0, 28.0)];
    add(stream, Tissue::Hollow(content), [48.0, below(24.0)], stomach, [0.8, 0.9]);
    for _ in 0..stream.below(5) + 2 {
        let content = between(stream, 0.1, 1.2);
        let place = [between(stream, -50.0, 90.0), below(between(stream, 30.0, 80.0))];
        let radius = between(stream, 7.0, 15.0);
        add(stream, Tissue::Hollow(content), place, [radius * 1.3, radius], [0.7, 0.9]);
    }
    let liver = [between(stream, 55.0, 85.0), between(stream, 30.0, 55.0)];
    let place = [between(stream, -60.0, -25.0), below(liver[1] * 0.8)];
    let level = between(stream, 0.0, 0.6);
    add(stream, Tissue::Liver, place, liver, [level, 1.3]);
    let behind = [outer + between(stream, 20.0, 36.0), between(stream, 8.0, 42.0)];
    let radius = between(stream, 9.0, 13.5);
    let spine = [behind[0] + between(stream, 24.0, 36.0), behind[1] - between(stream, -4.0, 20.0)];
    add(stream, Tissue::Bone, spine, [24.0, 19.0], [0.4, 3.0]);
    add(stream, Tissue::Artery, behind, [radius, radius * 1.1], [0.1, 1.6]);
    if stream.chance(0.6) {
        // Inferior vena cava.
        let place = [between(stream, -45.0, -5.0), below(12.0)];
        add(stream, Tissue::Artery, place, [11.0, 8.0], [-0.1, 0.7]);
    }
    organs
}

/// Bright dots and stripes in the dark lung, crowded towards its root behind the base.
fn lung_vessels(outer: f32, stream: &mut Stream) -> Vec<Organ> {
    let count = 25 + stream.below(35);
    let vessel = |stream: &mut Stream| {
        let angle = between(stream, -0.95 * PI, 0.3);
        let away = outer + 6.0 + 75.0 * stream.uniform(0.0, 1.0).powf(1.5) as f32;
        let centre = [away * angle.cos(), away * angle.sin() - 4.0];
        let thick = 0.9 + 3.2 * stream.uniform(0.0, 1.0).powi(3) as f32;
        let long = thick * (1.0 + 4.0 * stream.uniform(0.0, 1.0).powi(3) as f32);
        let blob = Blob::random(stream, centre, [long, thick], angle, 0.05);
        let level = [between(stream, -0.3, 1.1), between(stream, 0.1, 0.4)];
        Organ { tissue: Tissue::Artery, blob, level, drift: [spread(stream, 25.0), 0.0] }
    };
    (0..count).map(|_| vessel(stream)).collect()
}
