//! Drawing in millimetres: a pixel grid laid over the body, soft-edged outlines, smooth noise.

use tensor::random::Stream;

/// A point or extent in millimetres, x to the right and y downwards.
pub type Point = [f32; 2];

/// A number from `low` up to `high`.
pub fn between(stream: &mut Stream, low: f32, high: f32) -> f32 {
    stream.uniform(f64::from(low), f64::from(high)) as f32
}

/// A normal number of mean 0 and the given deviation, cut at two deviations.
pub fn spread(stream: &mut Stream, deviation: f32) -> f32 {
    (stream.normal() as f32).clamp(-2.0, 2.0) * deviation
}

/// 0 below `from`, 1 above `to`, and a cubic without kinks between.
pub fn smoothstep(from: f32, to: f32, value: f32) -> f32 {
    let s = ((value - from) / (to - from)).clamp(0.0, 1.0);
    s * s * (3.0 - 2.0 * s)
}

/// `from` where `share` is 0, `to` where it is 1.
pub fn mix(from: f32, to: f32, share: f32) -> f32 {
    from + (to - from) * share
}

/// Turns a point by the angle whose cosine and sine are given.
pub fn turn(point: Point, [cosine, sine]: [f32; 2]) -> Point {
    [point[0] * cosine - point[1] * sine, point[0] * sine + point[1] * cosine]
}

/// Cosine and sine of an angle in radians.
pub fn direction(angle: f32) -> [f32; 2] {
    [angle.cos(), angle.sin()]
}

/// Pixels of a slice, and the position of each in the coordinates of the body.
#[derive(Clone, Debug)]
pub struct Grid {
    pub rows: usize,
    pub columns: usize,
    /// Distance between neighbouring pixels, in millimetres.
    pub spacing: f32,
    /// Row and column of the body frame's origin, which need not be whole numbers.
    pub origin: [f32; 2],
    /// Cosine and sine of the rotation of the body in the image.
    pub turned: [f32; 2],
}

impl Grid {
    /// The centre of a pixel, in the coordinates of the body.
    pub fn position(&self, row: usize, column: usize) -> Point {
        let right = (column as f32 - self.origin[1]) * self.spacing;
        let down = (row as f32 - self.origin[0]) * self.spacing;
        turn([right, down], [self.turned[0], -self.turned[1]])
    }

    /// Rows and columns of the square that holds a disc of the body frame.
    pub fn window(&self, centre: Point, radius: f32) -> [std::ops::Range<usize>; 2] {
        let [right, down] = turn(centre, self.turned);
        let range = |middle: f32, count: usize| {
            let low = (middle - radius / self.spacing).floor().max(0.0) as usize;
            let high = (middle + radius / self.spacing + 2.0).max(0.0) as usize;
            low.min(count)..high.min(count)
        };
        [
            range(self.origin[0] + down / self.spacing, self.rows),
            range(self.origin[1] + right / self.spacing, self.columns),
        ]
    }
}

/// A closed outline: an ellipse that bulges here and there.
#[derive(Clone, Debug)]
pub struct Blob {
    pub centre: Point,
    pub radii: Point,
    /// Cosine and sine of the angle of the first radius.
    pub turned: [f32; 2],
    /// Relative bulges: cosine and sine of twice, then of thrice the angle around the centre.
    pub bulges: [f32; 4],
}

impl Blob {
    /// A disc.
    pub fn disc(centre: Point, radius: f32) -> Self {
        Blob { centre, radii: [radius; 2], turned: [1.0, 0.0], bulges: [0.0; 4] }
    }

    /// An ellipse turned by `angle`, with bulges drawn at random up to about `bulge` of its radius.
    pub fn random(
        stream: &mut Stream,
        centre: Point,
        radii: Point,
        angle: f32,
        bulge: f32,
    ) -> Self {
        let bulges = std::array::from_fn(|_| spread(stream, bulge / 2.0));
        Blob { centre, radii, turned: direction(angle), bulges }
    }

    /// Distance from the outline in millimetres, negative inside: exact on the outline, close to
    /// it nearby, and of the right sign everywhere.
    pub fn distance(&self, point: Point) -> f32 {
        let from_centre = [point[0] - self.centre[0], point[1] - self.centre[1]];
        let [x, y] = turn(from_centre, [self.turned[0], -self.turned[1]]);
        let [u, v] = [x / self.radii[0], y / self.radii[1]];
        let r = (u * u + v * v).sqrt();
        if r < 1e-3 {
            return -self.radii[0].min(self.radii[1]);
        }
        let [c, s] = [u / r, v / r];
        let [c2, s2] = [c * c - s * s, 2.0 * c * s];
        let [c3, s3] = [c2 * c - s2 * s, s2 * c + c2 * s];
        let [a, b, d, e] = self.bulges;
        let outline = 1.0 + a * c2 + b * s2 + d * c3 + e * s3;
        let slope = ((u / self.radii[0]).powi(2) + (v / self.radii[1]).powi(2)).sqrt() / r;
        (r - outline) / slope
    }

    /// Radius of a disc around the centre that holds the outline.
    pub fn reach(&self) -> f32 {
        let bulge: f32 = self.bulges.iter().map(|b| b.abs()).sum();
        self.radii[0].max(self.radii[1]) * (1.0 + bulge)
    }

    /// The same outline, `by` millimetres wider (narrower if negative).
    pub fn widened(&self, by: f32) -> Self {
        let radii = self.radii.map(|r| (r + by).max(0.5));
        Blob { radii, ..self.clone() }
    }
}

/// The share of a pixel inside an outline at a distance, for edges `softness` wide.
pub fn cover(distance: f32, softness: f32) -> f32 {
    (0.5 - distance / softness).clamp(0.0, 1.0)
}

/// A slice being painted, later layers over earlier ones.
#[derive(Clone, Debug)]
pub struct Canvas<'a> {
    pub grid: &'a Grid,
    /// `rows * columns` intensities.
    pub values: Vec<f32>,
    /// Width of edges in millimetres.
    pub softness: f32,
}

impl<'a> Canvas<'a> {
    /// A canvas that is 0 everywhere.
    pub fn new(grid: &'a Grid, softness: f32) -> Self {
        Canvas { grid, values: vec![0.0; grid.rows * grid.columns], softness }
    }

    /// Fills an outline with an intensity that may vary by place.
    pub fn fill(&mut self, blob: &Blob, value: impl Fn(Point) -> f32) {
        self.fill_within(blob, |point| blob.distance(point), value);
    }

    /// Fills wherever `distance` is negative within the reach of an outline.
    pub fn fill_within(
        &mut self,
        blob: &Blob,
        distance: impl Fn(Point) -> f32,
        value: impl Fn(Point) -> f32,
    ) {
        let window = self.grid.window(blob.centre, blob.reach() + self.softness);
        self.paint(window, distance, value);
    }

    /// Fills wherever `distance` is negative.
    pub fn fill_where(&mut self, distance: impl Fn(Point) -> f32, value: impl Fn(Point) -> f32) {
        self.paint([0..self.grid.rows, 0..self.grid.columns], distance, value);
    }

    fn paint(
        &mut self,
        [rows, columns]: [std::ops::Range<usize>; 2],
        distance: impl Fn(Point) -> f32,
        value: impl Fn(Point) -> f32,
    ) {
        for row in rows {
            for column in columns.clone() {
                let point = self.grid.position(row, column);
                let share = cover(distance(point), self.softness);
                if share > 0.0 {
                    let pixel = &mut self.values[row * self.grid.columns + column];
                    *pixel = mix(*pixel, value(point), share);
                }
            }
        }
    }
}

/// Smooth noise: normal numbers on a periodic lattice, linear between.
#[derive(Clone, Debug)]
pub struct Texture {
    lattice: Vec<f32>,
}

/// Points of the lattice per axis; a power of two, so that wrapping is a mask.
const LATTICE: usize = 64;

impl Texture {
    /// Draws a texture.
    pub fn new(stream: &mut Stream) -> Self {
        Texture { lattice: (0..LATTICE * LATTICE).map(|_| spread(stream, 1.0)).collect() }
    }

    /// The noise at a point, for lattice points `scale` millimetres apart: mean 0, deviation about
    /// 0.6.
    pub fn at(&self, point: Point, scale: f32) -> f32 {
        let x = point[0] / scale;
        let y = point[1] / scale;
        let (x0, y0) = (x.floor(), y.floor());
        let (fx, fy) = (x - x0, y - y0);
        let wrap = |v: i32| v as usize & (LATTICE - 1);
        let (left, right) = (wrap(x0 as i32), wrap(x0 as i32 + 1));
        let top = wrap(y0 as i32) * LATTICE;
        let bottom = wrap(y0 as i32 + 1) * LATTICE;
        let above = mix(self.lattice[top + left], self.lattice[top + right], fx);
        let below = mix(self.lattice[bottom + left], self.lattice[bottom + right], fx);
        mix(above, below, fy)
    }
}
