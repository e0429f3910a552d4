//! Affine maps of the plane, in normalised coordinates.

use std::ops::Mul;

use tensor::{Error, Result};

/// An affine map of the plane, as a 3 x 3 matrix on `(x, y, 1)`: x along columns, y along rows.
///
/// Coordinates are normalised: an image spans -1 to 1 from the outer edge of its first pixel to
/// the outer edge of its last (PyTorch's `align_corners = false`). Products read right to left:
/// `(a * b)` first applies `b`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Matrix(pub [[f64; 3]; 3]);

impl Matrix {
    /// The identity map.
    pub const IDENTITY: Matrix = Matrix([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]]);

    /// Translation by `[rows, columns]`, in units of half an image.
    pub fn translation([rows, columns]: [f64; 2]) -> Self {
        Matrix([[1.0, 0.0, columns], [0.0, 1.0, rows], [0.0, 0.0, 1.0]])
    }

    /// Scaling by `[rows, columns]` about the image's centre; a negative factor mirrors.
    pub fn scaling([rows, columns]: [f64; 2]) -> Self {
        Matrix([[columns, 0.0, 0.0], [0.0, rows, 0.0], [0.0, 0.0, 1.0]])
    }

    /// Rotation by `degrees` about the image's centre, from x towards y.
    pub fn rotation(degrees: f64) -> Self {
        let (sine, cosine) = degrees.to_radians().sin_cos();
        Matrix([[cosine, -sine, 0.0], [sine, cosine, 0.0], [0.0, 0.0, 1.0]])
    }

    /// The inverse map.
    ///
    /// # Errors
    /// When the matrix is singular or not finite: a scale of zero, for instance.
    pub fn inverse(&self) -> Result<Self> {
        let [[a, b, tx], [c, d, ty], _] = self.0;
        let determinant = a * d - b * c;
        if !(determinant.is_finite() && determinant != 0.0 && (1.0 / determinant).is_finite()) {
            let what = format!("the sampling matrix {:?} has no inverse", self.0);
            return Err(Error::value("resample", what));
        }
        let [a, b, c, d] = [d, -b, -c, a].map(|v| v / determinant);
        let [tx, ty] = [-(a * tx + b * ty), -(c * tx + d * ty)];
        Ok(Matrix([[a, b, tx], [c, d, ty], [0.0, 0.0, 1.0]]))
    }

    /// Whether every entry is a number, and the last row that of an affine map.
    pub(crate) fn check(&self) -> Result<()> {
        let finite = self.0.iter().flatten().all(|v| v.is_finite());
        if finite && self.0[2] == [0.0, 0.0, 1.0] {
            return Ok(());
        }
        Err(Error::value("resample", format!("{:?} is not an affine map of the plane", self.0)))
    }
}

impl Mul for Matrix {
    type Output = Matrix;

    fn mul(self, other: Matrix) -> Matrix {
        let entry = |i: usize, j: usize| (0..3).map(|k| self.0[i][k] * other.0[k][j]).sum();
        Matrix(std::array::from_fn(|i| std::array::from_fn(|j| entry(i, j))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_matrix_times_its_inverse_is_the_identity() {
        let m = Matrix::translation([0.3, -1.2])
            * Matrix::scaling([1.4, -0.6])
            * Matrix::rotation(33.0)
            * Matrix::translation([-0.1, 0.7]);
        let product = (m * m.inverse().unwrap()).0;
        for (row, wanted) in product.iter().zip(Matrix::IDENTITY.0) {
            for (found, wanted) in row.iter().zip(wanted) {
                assert!((found - wanted).abs() < 1e-14, "{product:?}");
            }
        }
    }

    #[test]
    fn a_singular_matrix_is_refused() {
        let error = Matrix::scaling([0.0, 1.0]).inverse().unwrap_err();
        assert!(error.to_string().contains("has no inverse"), "{error}");
    }
}
