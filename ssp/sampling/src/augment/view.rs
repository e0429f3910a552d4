//! From a slice to a view: resample, standardise, adjust intensities.

use kernels::intensity::{Adjustment, Blur, Noise, standardising};
use kernels::resample::{Padding, nearest};
use kernels::views;

use super::draw::View;
use super::geometry::{Grid, sampling_matrix};

pub use kernels::views::Pixels;

/// One slice of one phase, with what a view of it needs to know of its subject.
#[derive(Clone, Copy, Debug)]
pub struct Slice<'a> {
    /// Intensities.
    pub pixels: Pixels<'a>,
    /// A label for each pixel, if the phase carries labels.
    pub labels: Option<&'a [u8]>,
    /// The pixels' grid.
    pub grid: Grid,
    /// Mean and standard deviation of the subject's intensities.
    pub mean_and_deviation: [f64; 2],
    /// Highest intensity of the subject.
    pub highest: f64,
    /// Centre of the smallest circle around the subject's labels, (row, column) in pixels.
    pub centre: Option<[f64; 2]>,
    /// Slice index / number of slices, from 0 at the base.
    pub position: f64,
}

impl Slice<'_> {
    /// What a view does to intensities. Standardisation, scale and shift are folded into one step as
    /// far as what follows allows.
    pub fn adjustment(&self, view: &View) -> Adjustment {
        let [mean, deviation] = self.mean_and_deviation;
        let [scale, offset] = standardising(mean, deviation);
        // Noise and a linear blur commute with the factor, but blur has zeros outside and so does
        // not commute with the shift.
        let early = if view.blur.is_some() { 0.0 } else { view.shift };
        let louder = |noise: Noise| Noise { deviation: noise.deviation * view.factor, ..noise };
        Adjustment {
            affine: [scale * view.factor, offset * view.factor + early],
            noise: view.noise.map(louder),
            blur: view.blur.map(|sigma| Blur { sigma, shift: view.shift }),
            contrast: view.contrast,
            solarise: view.solarise.map(|above| [above, scale * self.highest + offset]),
        }
    }
}

/// Makes views on the host; it keeps memory from one to the next. One per thread.
#[derive(Clone, Debug, Default)]
pub struct Renderer(views::Renderer<f32>);

impl Renderer {
    /// Takes in a slice, of which any number of views can then be made.
    pub fn load(&mut self, slice: &Slice) {
        self.0.load(slice.pixels, slice.grid.size);
    }

    /// Writes a view of `slice`, which must be the one loaded, into `image`, `rows * columns` of
    /// the target.
    pub fn image(&mut self, slice: &Slice, target: &Grid, view: &View, image: &mut [f32]) {
        let matrix = sampling_matrix(&slice.grid, target, &view.placement);
        self.0.image(&matrix, target.size, &slice.adjustment(view), image);
    }

    /// Writes the labels of a view into `out`, `rows * columns` of the target: nearest, and
    /// background outside of the slice.
    pub fn labels(labels: &[u8], source: &Grid, target: &Grid, view: &View, out: &mut [u8]) {
        let matrix = sampling_matrix(source, target, &view.placement);
        let [rows, columns] = source.size;
        nearest(labels, [rows, columns, 1], &matrix, target.size, Padding::Zeros, out);
    }
}

#[cfg(test)]
mod tests {
    use kernels::intensity::{self, add_noise};

    use super::*;
    use crate::augment::Placement;

    const GRID: Grid = Grid { size: [24, 32], spacing: [1.5, 1.5] };

    fn pixels() -> Vec<u16> {
        (0..24 * 32).map(|i: u32| (i * 7919 % 401) as u16).collect()
    }

    fn slice(pixels: &[u16]) -> Slice<'_> {
        Slice {
            pixels: Pixels::Whole(pixels),
            labels: None,
            grid: GRID,
            mean_and_deviation: [100.0, 50.0],
            highest: 400.0,
            centre: None,
            position: 0.0,
        }
    }

    fn render(view: &View) -> Vec<f32> {
        let pixels = pixels();
        let (slice, mut renderer) = (slice(&pixels), Renderer::default());
        renderer.load(&slice);
        let mut image = vec![f32::NAN; 24 * 32];
        renderer.image(&slice, &GRID, view, &mut image);
        image
    }

    #[track_caller]
    fn close(found: &[f32], wanted: &[f32]) {
        for (i, (found, wanted)) in found.iter().zip(wanted).enumerate() {
            assert!((found - wanted).abs() < 2e-5, "at {i}: {found}, not {wanted}");
        }
    }

    #[test]
    fn a_plain_view_is_the_standardised_slice() {
        let wanted: Vec<f32> = pixels().iter().map(|&p| (f32::from(p) - 100.0) / 50.0).collect();
        close(&render(&View::PLAIN), &wanted);
        let real: Vec<f32> = pixels().iter().map(|&p| f32::from(p)).collect();
        let whole = pixels();
        let slice = Slice { pixels: Pixels::Real(&real), ..slice(&whole) };
        let (mut renderer, mut image) = (Renderer::default(), vec![0.0; real.len()]);
        renderer.load(&slice);
        renderer.image(&slice, &GRID, &View::PLAIN, &mut image);
        assert_eq!(image, render(&View::PLAIN));
    }

    #[test]
    fn translation_and_flip_move_pixels() {
        let plain = render(&View::PLAIN);
        let place = |placement| render(&View { placement, ..View::PLAIN });
        let moved = place(Placement { translation: [2.0, -3.0], ..Placement::PLAIN });
        let flipped = place(Placement { flip: [true, false], ..Placement::PLAIN });
        let centred = place(Placement { centre: Some([0.0, 0.0]), ..Placement::PLAIN });
        // The middle of the source's first pixel counts as its outer edge, as in the study.
        let edge = place(Placement { translation: [-12.0, -16.0], ..Placement::PLAIN });
        close(&centred, &edge);
        for i in 0..24 {
            for j in 0..32 {
                let (row, column) = (i + 2, j as i32 - 3);
                let inside = row < 24 && column >= 0;
                let wanted = if inside { plain[row * 32 + column as usize] } else { -2.0 };
                close(&[moved[i * 32 + j]], &[wanted]);
                close(&[flipped[i * 32 + j]], &[plain[(23 - i) * 32 + j]]);
            }
        }
    }

    /// Folding passes into each other changes nothing but rounding.
    #[test]
    fn folded_passes_are_the_transforms_in_turn() {
        let noise = Noise { seed: 1, epoch: 2, sample: 3, deviation: 0.1 };
        for blur in [None, Some([1.4, 0.6])] {
            for noise in [None, Some(noise)] {
                let view = View {
                    noise,
                    blur,
                    factor: 1.9,
                    shift: -0.3,
                    contrast: Some(1.2),
                    solarise: Some(0.0),
                    ..View::PLAIN
                };
                let mut wanted = render(&View::PLAIN);
                if let Some(noise) = &noise {
                    add_noise(&mut wanted, noise);
                }
                if let Some(sigma) = blur {
                    let sharp = wanted.clone();
                    intensity::blur(&sharp, 32, sigma, [1.0, 0.0], &mut wanted);
                }
                intensity::affine(&mut wanted, 1.9, 0.0);
                intensity::affine(&mut wanted, 1.0, -0.3);
                intensity::contrast(&mut wanted, 1.2);
                intensity::solarise(&mut wanted, 0.0, 6.0);
                // Solarising jumps at 0, where rounding decides: compare away from it.
                let found = render(&view);
                for (found, wanted) in found.iter().zip(&wanted) {
                    let jump = (found.abs() < 1e-4) || (wanted.abs() < 1e-4);
                    assert!((found - wanted).abs() < 5e-5 || jump, "{found}, not {wanted}");
                }
            }
        }
    }

    #[test]
    fn labels_move_with_the_image() {
        let mut labels = vec![0u8; 24 * 32];
        labels[10 * 32 + 12] = 3;
        let moved = |placement| {
            let mut out = vec![9; labels.len()];
            let view = View { placement, ..View::PLAIN };
            Renderer::labels(&labels, &GRID, &GRID, &view, &mut out);
            let places = (0..out.len()).filter(|&place| out[place] != 0);
            places.map(|place| (place / 32, place % 32, out[place])).collect::<Vec<_>>()
        };
        let placement = Placement { translation: [2.0, -3.0], ..Placement::PLAIN };
        assert_eq!(moved(placement), [(8, 15, 3)]);
        for (flip, place) in [([true, false], (13, 12, 3)), ([false, true], (10, 19, 3))] {
            assert_eq!(moved(Placement { flip, ..Placement::PLAIN }), [place]);
        }
    }
}
