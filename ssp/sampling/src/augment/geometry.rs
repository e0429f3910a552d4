//! Positions of target pixels in a source slice.

use kernels::resample::Matrix;

/// A sampling grid in the plane of a slice. All pairs are `[rows, columns]`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Grid {
    /// Extents in pixels.
    pub size: [usize; 2],
    /// Distance between neighbouring pixels in millimetres.
    pub spacing: [f64; 2],
}

impl Grid {
    /// A square grid of `size` pixels, `spacing` millimetres apart. The study's: 256, 1.25 mm.
    pub fn square(size: usize, spacing: f64) -> Self {
        Grid { size: [size; 2], spacing: [spacing; 2] }
    }

    /// Height and width in millimetres.
    pub fn extent(&self) -> [f64; 2] {
        std::array::from_fn(|k| self.size[k] as f64 * self.spacing[k])
    }
}

/// The placement of a view on its slice. All pairs are `[rows, columns]`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Placement {
    /// Source pixel at the middle of the view; none for the middle of the slice.
    pub centre: Option<[f64; 2]>,
    /// Rotation in degrees, from the columns' axis towards the rows'.
    pub rotation: f64,
    /// How much of the source the view spans: above 1 shows more, each structure smaller.
    pub scale: [f64; 2],
    /// Axes that are mirrored.
    pub flip: [bool; 2],
    /// Shift in pixels of the target.
    pub translation: [f64; 2],
}

impl Placement {
    /// Without augmentation: the middle of the slice, upright, at true size.
    pub const PLAIN: Placement = Placement {
        centre: None,
        rotation: 0.0,
        scale: [1.0; 2],
        flip: [false; 2],
        translation: [0.0; 2],
    };
}

/// The map from normalised target coordinates to normalised source coordinates,
///
/// `translate(centre) scale(target extent / source extent) rotate scale(s, flips)
/// translate(2 t / target size)`,
///
/// with `centre = 2 c / (n - 1) - 1`. Its inverse takes logits back to the source grid.
pub fn sampling_matrix(source: &Grid, target: &Grid, placement: &Placement) -> Matrix {
    let (from, to) = (source.extent(), target.extent());
    let signed =
        |k: usize| if placement.flip[k] { -placement.scale[k] } else { placement.scale[k] };
    let shift = |k: usize| 2.0 * placement.translation[k] / target.size[k] as f64;
    let matrix = Matrix::scaling(std::array::from_fn(|k| to[k] / from[k]))
        * Matrix::rotation(placement.rotation)
        * Matrix::scaling([signed(0), signed(1)])
        * Matrix::translation([shift(0), shift(1)]);
    let Some(centre) = placement.centre else { return matrix };
    let normalised = |k: usize| match source.size[k] {
        0 | 1 => 0.0,
        n => 2.0 * centre[k] / (n - 1) as f64 - 1.0,
    };
    Matrix::translation([normalised(0), normalised(1)]) * matrix
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn assert_close(found: Matrix, wanted: [[f64; 3]; 3]) {
        for (found, wanted) in found.0.iter().flatten().zip(wanted.iter().flatten()) {
            assert!((found - wanted).abs() < 1e-12, "{found} is not {wanted}");
        }
    }

    #[test]
    fn equal_grids_without_augmentation_give_the_identity() {
        let grid = Grid { size: [200, 256], spacing: [1.4, 1.1] };
        assert_close(sampling_matrix(&grid, &grid, &Placement::PLAIN), Matrix::IDENTITY.0);
    }

    #[test]
    fn shifts_are_in_target_pixels_and_flips_mirror() {
        let source = Grid { size: [100, 100], spacing: [2.0, 2.0] };
        let target = Grid { size: [50, 100], spacing: [2.0, 1.0] };
        let placement = Placement {
            translation: [5.0, -10.0],
            flip: [false, true],
            scale: [2.0, 2.0],
            ..Placement::PLAIN
        };
        // Half the source in each direction, doubled; a shift of a tenth of half a target.
        let wanted = [[-1.0, 0.0, 0.2], [0.0, 1.0, 0.2], [0.0, 0.0, 1.0]];
        assert_close(sampling_matrix(&source, &target, &placement), wanted);
    }

    /// The golden case `resample-full`: everything at once, from PyTorch in float64.
    #[test]
    fn everything_at_once_is_the_study_s_matrix() {
        let source = Grid { size: [37, 61], spacing: [1.1, 1.7] };
        let target = Grid { size: [48, 40], spacing: [1.25, 1.25] };
        let placement = Placement {
            centre: Some([14.2, 33.9]),
            rotation: 33.0,
            scale: [1.2, 1.2],
            flip: [true, false],
            translation: [5.5, -9.25],
        };
        assert_close(sampling_matrix(&source, &target, &placement), GOLDEN);
    }

    const GOLDEN: [[f64; 3]; 3] = [
        [0.4852481588883842, 0.3151238389672288, -0.02221139372255454],
        [0.9634892019921855, -1.4836432651614382, -0.9967264486319932],
        [0.0, 0.0, 1.0],
    ];
}
