//! A plane across the heart: its labels, and its intensities.

use std::f32::consts::{PI, TAU};

use super::canvas::{Blob, Point, Texture, cover, mix, smoothstep};
use super::contrast::Tissues;
use crate::Label;

/// Angles at which the outlines of the left ventricle are held.
pub const ANGLES: usize = 64;

/// The heart where one plane cuts it, around the long axis, in millimetres.
#[derive(Clone, Debug)]
pub struct Section {
    /// Radius of the cavity of the left ventricle at each angle; 0 where there is none.
    pub endocardium: [f32; ANGLES],
    /// Radius of its outer wall.
    pub epicardium: [f32; ANGLES],
    /// Whether the left ventricle reaches this plane.
    pub left: bool,
    /// Outline of the right ventricle with the part that the left one covers.
    pub right: Option<Blob>,
    /// Thickness of the right ventricle's wall.
    pub right_wall: f32,
    /// Atria and arteries, thin-walled.
    pub vessels: Vec<Blob>,
    pub papillary: Vec<Blob>,
    /// How trabeculated the left and the right ventricle are, 0 to 1.
    pub trabeculae: [f32; 2],
    /// How scarred the wall is at each angle, 0 to 1.
    pub scar: [f32; ANGLES],
    /// Epicardial fat: greatest thickness, and the angle where it is thickest.
    pub fat: [f32; 2],
}

/// Wall of atria and arteries.
const VESSEL_WALL: f32 = 2.0;

/// A point in polar form, with its place in tables over the angle.
struct Polar {
    radius: f32,
    angle: f32,
    index: usize,
    share: f32,
}

impl Polar {
    fn of([x, y]: Point) -> Self {
        let angle = y.atan2(x);
        let place = (angle + TAU) * (ANGLES as f32 / TAU);
        let index = place as usize;
        Polar {
            radius: (x * x + y * y).sqrt(),
            angle,
            index: index % ANGLES,
            share: place - index as f32,
        }
    }

    fn look_up(&self, table: &[f32; ANGLES]) -> f32 {
        mix(table[self.index], table[(self.index + 1) % ANGLES], self.share)
    }
}

impl Section {
    /// Angle of an entry of the tables.
    pub fn angle(index: usize) -> f32 {
        index as f32 * (TAU / ANGLES as f32)
    }

    /// Entry of the tables nearest to an angle.
    pub fn nearest(angle: f32) -> usize {
        (angle.rem_euclid(TAU) * (ANGLES as f32 / TAU)).round() as usize % ANGLES
    }

    /// Whether nothing of the heart reaches this plane.
    pub fn is_empty(&self) -> bool {
        !self.left && self.right.is_none() && self.vessels.is_empty()
    }

    /// Corners of a box that holds the heart and its fat.
    pub fn bounds(&self) -> [Point; 2] {
        let margin = 1.5 * self.fat[0] + 6.0;
        let left = self.epicardium.iter().copied().fold(0.0, f32::max) + margin;
        let mut bounds = [[-left; 2], [left; 2]];
        for blob in self.vessels.iter().chain(&self.right) {
            let reach = blob.reach() + margin;
            bounds = [
                [0, 1].map(|axis| bounds[0][axis].min(blob.centre[axis] - reach)),
                [0, 1].map(|axis| bounds[1][axis].max(blob.centre[axis] + reach)),
            ];
        }
        bounds
    }

    /// What a reader would draw at a point. Papillary muscles and trabeculae count as cavity.
    pub fn label(&self, point: Point) -> Label {
        let polar = Polar::of(point);
        if self.left && polar.radius < polar.look_up(&self.endocardium) {
            Label::LeftVentricle
        } else if self.left && polar.radius < polar.look_up(&self.epicardium) {
            Label::Myocardium
        } else if self.right.as_ref().is_some_and(|right| right.distance(point) < 0.0) {
            Label::RightVentricle
        } else {
            Label::Background
        }
    }

    /// Intensity at a point, over a background, with edges `softness` millimetres wide.
    pub fn intensity(
        &self,
        point: Point,
        background: f32,
        tissues: &Tissues,
        texture: &Texture,
        softness: f32,
    ) -> f32 {
        let polar = Polar::of(point);
        let left = match self.left {
            true => polar.radius - polar.look_up(&self.epicardium),
            false => f32::INFINITY,
        };
        let right = self.right.as_ref().map_or(f32::INFINITY, |blob| blob.distance(point));
        let vessels = self.vessels.iter().map(|blob| blob.distance(point));
        let vessel = vessels.fold(f32::INFINITY, f32::min);
        let outside = left.min(right - self.right_wall).min(vessel - VESSEL_WALL);
        let fat = self.fat_thickness(&polar, point, texture);
        if outside > fat + softness {
            return background;
        }
        let muscle = self.muscle(&polar, point, tissues, texture);
        let mut value = mix(background, tissues.fat, cover(outside - fat, softness));
        if vessel < f32::INFINITY {
            value = mix(value, muscle, cover(vessel - VESSEL_WALL, softness));
            value = mix(
                value,
                blood(tissues.artery, 0.0, point, tissues, texture),
                cover(vessel, softness),
            );
        }
        if right < f32::INFINITY {
            value = mix(value, muscle, cover(right - self.right_wall, softness));
            let strands = self.trabeculae[1] * smoothstep(-16.0, -1.0, right);
            let cavity = mix(
                blood(tissues.right_blood, 40.0, point, tissues, texture),
                muscle,
                strand(strands, point, texture),
            );
            value = mix(value, cavity, cover(right, softness));
        }
        if self.left {
            value = mix(value, muscle, cover(left, softness));
            let inside = polar.radius - polar.look_up(&self.endocardium);
            let share = cover(inside, softness);
            if share > 0.0 {
                let cavity = self.left_cavity(inside, point, muscle, tissues, texture, softness);
                value = mix(value, cavity, share);
            }
        }
        value
    }

    fn left_cavity(
        &self,
        inside: f32,
        point: Point,
        muscle: f32,
        tissues: &Tissues,
        texture: &Texture,
        softness: f32,
    ) -> f32 {
        let strands = self.trabeculae[0] * smoothstep(-8.0, 0.0, inside);
        let mut value = blood(1.0, 20.0, point, tissues, texture);
        value = mix(value, muscle, strand(strands, point, texture));
        for papillary in &self.papillary {
            value = mix(value, muscle, cover(papillary.distance(point), softness));
        }
        value
    }

    fn muscle(&self, polar: &Polar, point: Point, tissues: &Tissues, texture: &Texture) -> f32 {
        let scar = polar.look_up(&self.scar);
        mix(tissues.myocardium, tissues.scar, scar.min(1.0)) * (1.0 + 0.06 * texture.at(point, 5.0))
    }

    /// Fat fills the grooves on the right; there is little on the lateral wall.
    fn fat_thickness(&self, polar: &Polar, point: Point, texture: &Texture) -> f32 {
        let [thickest, angle] = self.fat;
        let side = 0.5 + 0.5 * (polar.angle - angle).cos();
        let groove = (2.0 * (polar.angle - PI)).cos().min(0.0).abs();
        let uneven = 1.0 + texture.at(point, 14.0);
        (thickest * side * (0.4 + 0.6 * groove) * uneven - 0.8).max(-1.0)
    }
}

/// Blood that swirls: two scales of noise. `elsewhere` moves the noise, so that cavities differ.
fn blood(level: f32, elsewhere: f32, [x, y]: Point, tissues: &Tissues, texture: &Texture) -> f32 {
    let place = [x + elsewhere, y - elsewhere];
    let swirl = texture.at(place, 11.0) + 0.6 * texture.at(place, 4.0);
    level * (1.0 + tissues.flow * swirl)
}

/// The share of a point that is muscle strands, where they are `dense` (0 to 1). Most are thinner
/// than a pixel, and so grey rather than dark.
fn strand(dense: f32, [x, y]: Point, texture: &Texture) -> f32 {
    if dense < 0.02 {
        return 0.0;
    }
    let fine = texture.at([y + 0.4 * x, x - 0.4 * y], 4.5) + 0.5 * texture.at([x, y], 2.5);
    dense * (0.25 + 0.55 * smoothstep(-0.2, 0.9, fine))
}
