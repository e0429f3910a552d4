//! Which intensities become black and white.

use evaluate::quantile;

/// Intensities shown as black (and below) and white (and above).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Window {
    /// Shown as black.
    pub black: f32,
    /// Shown as white.
    pub white: f32,
}

impl Window {
    /// The window from the first to the 99th percentile of the finite `values`, so that neither a
    /// bright spot nor an empty border reduces the contrast.
    pub fn of<'a>(values: impl IntoIterator<Item = &'a f32>) -> Window {
        let finite = values.into_iter().filter(|value| value.is_finite());
        let mut sorted: Vec<f64> = finite.map(|&value| f64::from(value)).collect();
        sorted.sort_unstable_by(f64::total_cmp);
        match sorted.is_empty() {
            true => Window { black: 0.0, white: 1.0 },
            false => Window {
                black: quantile(&sorted, 0.01) as f32,
                white: quantile(&sorted, 0.99) as f32,
            },
        }
    }

    /// The grey of `value`, 0 to 255. A window without width shows all as mid grey.
    pub fn grey(&self, value: f32) -> u8 {
        let width = self.white - self.black;
        if width > 0.0 {
            // A value that is not a number becomes black.
            (255.0 * ((value - self.black) / width).clamp(0.0, 1.0)).round() as u8
        } else {
            128
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outliers_do_not_take_the_contrast() {
        let mut values: Vec<f32> = (0..1000).map(|value| value as f32).collect();
        values.extend([1e9, f32::NAN, f32::NEG_INFINITY]);
        let window = Window::of(&values);
        assert!((window.black - 10.0).abs() < 0.01 && (window.white - 990.0).abs() < 0.01);
        assert_eq!([window.grey(0.0), window.grey(1e9), window.grey(f32::NAN)], [0, 255, 0]);
        assert_eq!(window.grey(500.0), 128);
    }

    #[test]
    fn flat_and_empty_images_have_a_window() {
        assert_eq!(Window::of(&[3.0; 4]).grey(3.0), 128);
        assert_eq!(Window::of(&[]).grey(1.0), 255);
    }
}
