//! The smallest circle that encloses the labelled region of a subject: its centre is where
//! training crops are centred.

use tensor::random::Stream;

use common::purposes;

/// A circle in the plane of the slices, in pixels: `[row, column]`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Circle {
    /// Centre.
    pub centre: [f64; 2],
    /// Radius.
    pub radius: f64,
}

impl Circle {
    /// Whether a point is in the circle, up to rounding.
    fn contains(&self, point: [f64; 2]) -> bool {
        distance(self.centre, point) <= self.radius * (1.0 + 1e-12) + 1e-12
    }

    fn of_two(a: [f64; 2], b: [f64; 2]) -> Self {
        let centre = [(a[0] + b[0]) / 2.0, (a[1] + b[1]) / 2.0];
        Circle { centre, radius: distance(centre, a) }
    }

    /// Through three points; of points on a line, the circle over the two furthest apart.
    fn of_three(a: [f64; 2], b: [f64; 2], c: [f64; 2]) -> Self {
        let (u, v) = ([b[0] - a[0], b[1] - a[1]], [c[0] - a[0], c[1] - a[1]]);
        let cross = 2.0 * (u[0] * v[1] - u[1] * v[0]);
        if cross == 0.0 {
            let pairs = [Self::of_two(a, b), Self::of_two(a, c), Self::of_two(b, c)];
            let wider = |x: Circle, y: Circle| if y.radius > x.radius { y } else { x };
            return pairs.into_iter().fold(pairs[0], wider);
        }
        let (p, q) = (u[0] * u[0] + u[1] * u[1], v[0] * v[0] + v[1] * v[1]);
        let offset = [(v[1] * p - u[1] * q) / cross, (u[0] * q - v[0] * p) / cross];
        let centre = [a[0] + offset[0], a[1] + offset[1]];
        Circle { centre, radius: offset[0].hypot(offset[1]) }
    }
}

fn distance(a: [f64; 2], b: [f64; 2]) -> f64 {
    (a[0] - b[0]).hypot(a[1] - b[1])
}

/// The smallest circle around every labelled pixel of planes of `rows * columns` labels, seen
/// through all of them; none when nothing is labelled.
pub fn enclosing_circle(labels: &[u8], [rows, columns]: [usize; 2]) -> Option<Circle> {
    // A circle around the first and last labelled pixel of each row encloses the row.
    let mut ends: Vec<Option<[usize; 2]>> = vec![None; rows];
    for plane in labels.chunks_exact((rows * columns).max(1)) {
        for (line, ends) in plane.chunks_exact(columns).zip(&mut ends) {
            let Some(first) = line.iter().position(|&label| label != 0) else { continue };
            let last = line.iter().rposition(|&label| label != 0).unwrap_or(first);
            let [a, b] = ends.unwrap_or([first, last]);
            *ends = Some([a.min(first), b.max(last)]);
        }
    }
    let points = |(row, ends): (usize, &Option<[usize; 2]>)| {
        ends.map(|ends| ends.map(|column| [row as f64, column as f64]))
    };
    smallest(ends.iter().enumerate().filter_map(points).flatten().collect())
}

/// Welzl's incremental algorithm (*Smallest enclosing disks (balls and ellipsoids)*, 1991): linear
/// in the number of points on average over their order, which is shuffled by a fixed seed.
fn smallest(mut points: Vec<[f64; 2]>) -> Option<Circle> {
    Stream::new(0, purposes::ORDER, 0, 0).shuffle(&mut points);
    let mut circle = Circle { centre: *points.first()?, radius: 0.0 };
    for (i, &p) in points.iter().enumerate() {
        if circle.contains(p) {
            continue;
        }
        circle = Circle { centre: p, radius: 0.0 };
        for (j, &q) in points[..i].iter().enumerate() {
            if circle.contains(q) {
                continue;
            }
            circle = Circle::of_two(p, q);
            for &r in &points[..j] {
                if !circle.contains(r) {
                    circle = Circle::of_three(p, q, r);
                }
            }
        }
    }
    Some(circle)
}

#[cfg(test)]
mod tests {
    use tensor::random::Purpose;

    use super::*;

    /// Every circle through two or three points that encloses all of them; the smallest.
    fn by_exhaustion(points: &[[f64; 2]]) -> f64 {
        let mut radius = f64::MAX;
        let mut consider = |circle: Circle| {
            if points.iter().all(|&p| circle.contains(p)) {
                radius = radius.min(circle.radius);
            }
        };
        for &a in points {
            for &b in points {
                consider(Circle::of_two(a, b));
                points.iter().for_each(|&c| consider(Circle::of_three(a, b, c)));
            }
        }
        radius
    }

    #[test]
    fn no_smaller_circle_encloses_all_points() {
        for seed in 0..100 {
            let mut stream = Stream::new(seed, Purpose::CHECK, 0, 0);
            let count = 1 + stream.below(9);
            let draw = |_| [stream.below(7) as f64, stream.below(7) as f64];
            let points: Vec<[f64; 2]> = (0..count).map(draw).collect();
            let found = smallest(points.clone()).unwrap();
            assert!(points.iter().all(|&p| found.contains(p)), "{points:?}");
            let wanted = by_exhaustion(&points);
            assert!((found.radius - wanted).abs() < 1e-9, "{points:?}: {found:?}, {wanted}");
        }
    }

    #[test]
    fn labels_are_seen_through_all_slices() {
        let mut labels = vec![0; 3 * 20 * 30];
        assert_eq!(enclosing_circle(&labels, [20, 30]), None);
        labels[20 * 30 + 5 * 30 + 7] = 3;
        let circle = enclosing_circle(&labels, [20, 30]).unwrap();
        assert_eq!(circle, Circle { centre: [5.0, 7.0], radius: 0.0 });
        labels[2 * 20 * 30 + 5 * 30 + 17] = 1;
        labels[8 * 30 + 12] = 2;
        let circle = enclosing_circle(&labels, [20, 30]).unwrap();
        assert_eq!(circle, Circle { centre: [5.0, 12.0], radius: 5.0 });
    }
}
