//! Matrix products.
//!
//! A thin, safe wrapper around the `gemm` crate. Its own threads are not used: the rows of the
//! result are split into blocks of a fixed size, so that the bits do not depend on the number of
//! threads.

use gemm::Parallelism;
use rayon::prelude::*;
use tensor::Float;

/// Rows of the result that one task computes.
const BLOCK: usize = 64;

/// A borrowed matrix, possibly transposed.
#[derive(Clone, Copy)]
pub struct Matrix<'a, T> {
    data: &'a [T],
    rows: usize,
    columns: usize,
    row_stride: usize,
    column_stride: usize,
}

impl<'a, T> Matrix<'a, T> {
    /// Row-major.
    pub fn new(data: &'a [T], rows: usize, columns: usize) -> Self {
        assert_eq!(data.len(), rows * columns, "elements of a {rows} x {columns} matrix");
        Matrix { data, rows, columns, row_stride: columns, column_stride: 1 }
    }

    /// The same elements with rows and columns exchanged.
    pub fn transposed(self) -> Self {
        Matrix {
            rows: self.columns,
            columns: self.rows,
            row_stride: self.column_stride,
            column_stride: self.row_stride,
            ..self
        }
    }
}

/// Writes `a b` to `out`, rows one after the other.
pub fn product<T: Float>(a: Matrix<T>, b: Matrix<T>, out: &mut [T]) {
    multiply(a, b, out, false);
}

/// Adds `a b` to `out`.
pub fn add_product<T: Float>(a: Matrix<T>, b: Matrix<T>, out: &mut [T]) {
    multiply(a, b, out, true);
}

fn multiply<T: Float>(a: Matrix<T>, b: Matrix<T>, out: &mut [T], add: bool) {
    assert_eq!(a.columns, b.rows, "columns of the first factor and rows of the second");
    assert_eq!(out.len(), a.rows * b.columns, "elements of the product");
    if out.is_empty() {
        return;
    }
    if a.columns == 0 {
        if !add {
            out.fill(T::default());
        }
        return;
    }
    let one = T::from_f64(1.0);
    out.par_chunks_mut(BLOCK * b.columns).enumerate().for_each(|(block, out)| {
        let lhs = &a.data[block * BLOCK * a.row_stride..];
        // SAFETY: `out` holds complete rows of the product, and the asserts above put every element
        // of the factors' rows and columns within their slices.
        unsafe {
            gemm::gemm(
                out.len() / b.columns,
                b.columns,
                a.columns,
                out.as_mut_ptr(),
                1,
                b.columns as isize,
                add,
                lhs.as_ptr(),
                a.column_stride as isize,
                a.row_stride as isize,
                b.data.as_ptr(),
                b.column_stride as isize,
                b.row_stride as isize,
                one,
                one,
                false,
                false,
                false,
                Parallelism::None,
            );
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(n: usize, seed: usize) -> Vec<f32> {
        (0..n).map(|i| ((i * 37 + seed * 101) % 61) as f32 / 61.0 - 0.5).collect()
    }

    #[test]
    fn products_of_every_orientation_are_those_of_three_loops() {
        let (rows, inner, columns) = (131, 70, 37);
        let (a, b) = (values(rows * inner, 1), values(inner * columns, 2));
        let transpose = |m: &[f32], rows: usize, columns: usize| -> Vec<f32> {
            (0..m.len()).map(|i| m[i % rows * columns + i / rows]).collect()
        };
        let (at, bt) = (transpose(&a, rows, inner), transpose(&b, inner, columns));
        let left = [Matrix::new(&a, rows, inner), Matrix::new(&at, inner, rows).transposed()];
        let right =
            [Matrix::new(&b, inner, columns), Matrix::new(&bt, columns, inner).transposed()];
        for (a_view, b_view) in left.into_iter().flat_map(|a| right.map(|b| (a, b))) {
            let mut out = vec![1.0; rows * columns];
            add_product(a_view, b_view, &mut out);
            for (i, &found) in out.iter().enumerate() {
                let (r, c) = (i / columns, i % columns);
                let wanted: f32 = (0..inner).map(|k| a[r * inner + k] * b[k * columns + c]).sum();
                assert!((found - 1.0 - wanted).abs() < 1e-5, "row {r} column {c}");
            }
        }
    }

    #[test]
    fn the_bits_do_not_depend_on_the_number_of_threads() {
        let (rows, inner, columns) = (300, 260, 150);
        let (a, b) = (values(rows * inner, 1), values(inner * columns, 2));
        let on_threads = |threads: usize| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            let mut out = vec![0.0f32; rows * columns];
            pool.install(|| {
                let (a, b) = (Matrix::new(&a, rows, inner), Matrix::new(&b, inner, columns));
                product(a, b, &mut out);
            });
            out
        };
        assert_eq!(on_threads(1), on_threads(3));
    }
}
