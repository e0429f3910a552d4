//! From anatomy and scan to the voxels and labels of a stack.

use std::ops::Range;

use rand_distr::{Distribution, StandardNormal};
use tensor::random::Stream;

use super::PhantomSettings;
use super::canvas::{Canvas, Grid, Point, Texture, between, direction, spread, turn};
use super::contrast::Scan;
use super::heart::{Heart, squeeze};
use super::section::Section;
use super::thorax::Thorax;
use crate::{CardiacPhase, Label, LabelledFrame, Stack};

/// Planes averaged within the thickness of a slice, so that walls slanting through it blur; more
/// towards the apex, where they slant most.
fn planes(level: f32, heart: &Heart) -> usize {
    if level > 0.65 * heart.length { 7 } else { 3 }
}

/// Where the slices and pixels of an examination lie.
#[derive(Clone, Debug)]
pub struct Layout {
    grid: Grid,
    /// Level of each slice along the heart, and where the breath-hold left the heart.
    slices: Vec<(f32, Point)>,
    /// Distance between slices, in millimetres.
    step: f32,
    /// Cosine and sine of the angle of the heart in the body.
    turned: [f32; 2],
    /// Index of the phase at the end of systole.
    systole: usize,
}

impl Layout {
    /// Draws the layout of an examination of a heart.
    pub fn new(
        settings: &PhantomSettings,
        heart: &Heart,
        scan: &Scan,
        stream: &mut Stream,
    ) -> Self {
        // Beyond base and apex there are slices without the heart, or with atria alone.
        let (above, below) = (between(stream, 2.0, 18.0), between(stream, 6.0, 18.0));
        let span = above + heart.length + below;
        let [fewest, most] = [*settings.slices.start(), *settings.slices.end()];
        let wanted = scan.thickness + scan.gap;
        let count = ((span / wanted).round() as usize).clamp(fewest, most);
        let step = wanted.max(span / count as f32);
        let hold = settings.breath_hold;
        let slices = (0..count).map(|slice| {
            let shift = [spread(stream, 0.7 * hold), spread(stream, hold)];
            (slice as f32 * step - above, shift)
        });
        let slices = slices.collect();
        // Some operators plan the field of view obliquely.
        let oblique = if stream.chance(0.25) { between(stream, 0.4, 0.9) } else { 0.0 };
        let angle = oblique + spread(stream, 0.2);
        let [smallest, largest] = [*settings.matrix.start(), *settings.matrix.end()];
        let mut pixels = |low: f32, high: f32| {
            let count = (between(stream, low, high) / scan.spacing / 4.0).round() as usize * 4;
            count.clamp(smallest, largest)
        };
        let [rows, columns] = [pixels(190.0, 240.0), pixels(180.0, 230.0)];
        let mut middle = |count: usize, shift: f32| {
            0.5 * count as f32 + (shift + spread(stream, 8.0)) / scan.spacing
        };
        let origin = [middle(rows, -12.0), middle(columns, 6.0)];
        let phases = settings.phases;
        let systole = (between(stream, 0.3, 0.42) * phases as f32).round() as usize;
        Layout {
            grid: Grid { rows, columns, spacing: scan.spacing, origin, turned: direction(angle) },
            slices,
            step,
            turned: direction(spread(stream, 0.22)),
            systole: systole.clamp(1, phases - 1),
        }
    }

    /// A point of the body as the heart at a slice sees it.
    fn to_heart(&self, point: Point, centre: Point) -> Point {
        let from_axis = [point[0] - centre[0], point[1] - centre[1]];
        turn(from_axis, [self.turned[0], -self.turned[1]])
    }

    /// Rows and columns that hold a box around the heart's axis.
    fn window(&self, [low, high]: [Point; 2], centre: Point) -> [Range<usize>; 2] {
        let middle = turn([0, 1].map(|axis| 0.5 * (low[axis] + high[axis])), self.turned);
        let reach = 0.5 * (high[0] - low[0]).hypot(high[1] - low[1]);
        self.grid.window([centre[0] + middle[0], centre[1] + middle[1]], reach)
    }

    /// Where the heart's axis pierces a slice, in the frame of the body.
    fn centre(&self, heart: &Heart, (level, shift): (f32, Point)) -> Point {
        let axis = turn(heart.axis(level), self.turned);
        [axis[0] + shift[0], axis[1] + shift[1]]
    }
}

/// The images and labels of an examination. `noise` draws the thermal noise.
pub fn render(
    settings: &PhantomSettings,
    heart: &Heart,
    thorax: &Thorax,
    scan: &Scan,
    layout: &Layout,
    texture: &Texture,
    noise: &mut Stream,
) -> (Stack, Vec<LabelledFrame>) {
    let Layout { grid, slices, .. } = layout;
    let systole = layout.systole as f32 / settings.phases as f32;
    let contraction = |phase: usize| squeeze(phase as f32 / settings.phases as f32, systole);
    let plane = grid.rows * grid.columns;
    let volume = plane * slices.len();
    let mut voxels = vec![0.0; settings.phases * volume];
    let shading = shading(grid, scan);
    let softness = scan.blur * scan.spacing;
    for (index, &slice) in slices.iter().enumerate() {
        let (level, shift) = slice;
        let centre = layout.centre(heart, slice);
        let mut canvas = Canvas::new(grid, softness);
        thorax.paint(&mut canvas, level / heart.length, shift, &scan.tissues, texture);
        for phase in 0..settings.phases {
            let start = phase * volume + index * plane;
            let image = &mut voxels[start..start + plane];
            image.copy_from_slice(&canvas.values);
            let count = planes(level, heart);
            let plane = |i: usize| {
                let off = (i as f32 + 0.5) / count as f32 - 0.5;
                heart.section(level + off * scan.thickness, contraction(phase))
            };
            let planes: Vec<Section> = (0..count).map(plane).collect();
            paint_heart(image, &planes, layout, centre, scan, texture);
            expose(image, &shading, scan, settings.noise, noise);
        }
    }
    let frame = |phase, cardiac_phase| LabelledFrame {
        phase,
        cardiac_phase,
        labels: labels(heart, layout, contraction(phase)),
    };
    let frames =
        vec![frame(0, CardiacPhase::EndDiastole), frame(layout.systole, CardiacPhase::EndSystole)];
    let stack = Stack {
        voxels,
        phases: settings.phases,
        slices: slices.len(),
        rows: grid.rows,
        columns: grid.columns,
        spacing: [grid.spacing, grid.spacing, layout.step],
    };
    (stack, frames)
}

/// Paints the mean of the planes over the background in `image`.
fn paint_heart(
    image: &mut [f32],
    planes: &[Section],
    layout: &Layout,
    centre: Point,
    scan: &Scan,
    texture: &Texture,
) {
    let grid = &layout.grid;
    let softness = scan.blur * scan.spacing;
    if planes.iter().all(Section::is_empty) {
        return;
    }
    let boxes: Vec<[Point; 2]> = planes.iter().map(Section::bounds).collect();
    let bounds = enclose(&boxes);
    let [rows, columns] = layout.window(bounds, centre);
    for row in rows {
        for column in columns.clone() {
            let point = layout.to_heart(grid.position(row, column), centre);
            if !holds(bounds, point) {
                continue;
            }
            let pixel = &mut image[row * grid.columns + column];
            let background = *pixel;
            let sum: f32 = planes
                .iter()
                .map(|plane| plane.intensity(point, background, &scan.tissues, texture, softness))
                .sum();
            *pixel = sum / planes.len() as f32;
        }
    }
}

/// The box around boxes.
fn enclose(boxes: &[[Point; 2]]) -> [Point; 2] {
    let around = |a: [Point; 2], b: &[Point; 2]| {
        [[0, 1].map(|i| a[0][i].min(b[0][i])), [0, 1].map(|i| a[1][i].max(b[1][i]))]
    };
    boxes.iter().fold([[f32::INFINITY; 2], [f32::NEG_INFINITY; 2]], around)
}

fn holds([low, high]: [Point; 2], point: Point) -> bool {
    (0..2).all(|axis| (low[axis]..=high[axis]).contains(&point[axis]))
}

/// Coil sensitivity of every pixel.
fn shading(grid: &Grid, scan: &Scan) -> Vec<f32> {
    let pixels = (0..grid.rows).flat_map(|row| (0..grid.columns).map(move |column| (row, column)));
    pixels.map(|(row, column)| scan.shading(grid.position(row, column))).collect()
}

/// What the scanner stores: shaded by the coils, the magnitude of a noisy complex signal (Rician),
/// scaled and rounded to whole numbers.
fn expose(image: &mut [f32], shading: &[f32], scan: &Scan, noise: f32, stream: &mut Stream) {
    let deviation = scan.noise * noise;
    for (pixel, &coil) in image.iter_mut().zip(shading) {
        let real: f32 = StandardNormal.sample(stream);
        let imaginary: f32 = StandardNormal.sample(stream);
        let signal = (*pixel * coil + deviation * real).hypot(deviation * imaginary);
        *pixel = (signal * scan.gain).round();
    }
}

/// The labels of one phase: what the middle plane of each slice shows at each pixel's centre.
fn labels(heart: &Heart, layout: &Layout, contraction: f32) -> Vec<u8> {
    let grid = &layout.grid;
    let plane = grid.rows * grid.columns;
    let mut labels = vec![Label::Background as u8; plane * layout.slices.len()];
    for (&slice, labels) in layout.slices.iter().zip(labels.chunks_mut(plane)) {
        let section = heart.section(slice.0, contraction);
        if section.is_empty() {
            continue;
        }
        let centre = layout.centre(heart, slice);
        let [rows, columns] = layout.window(section.bounds(), centre);
        for row in rows {
            for column in columns.clone() {
                let point = layout.to_heart(grid.position(row, column), centre);
                labels[row * grid.columns + column] = section.label(point) as u8;
            }
        }
    }
    labels
}
