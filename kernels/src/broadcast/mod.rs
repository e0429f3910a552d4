//! Arithmetic on tensors of different shapes, by the rules of [`expand`]: each is expanded to the
//! shape that both broadcast to, which for equal shapes costs nothing.

pub mod check;

use tensor::{Error, Result, Shape, Tensor};

use crate::expand::{broadcast_shape, expand};
use crate::pointwise;

/// `a + b`, of equal dtypes; shapes broadcast as in NumPy and PyTorch.
///
/// ```
/// use kernels::add;
/// use tensor::Tensor;
///
/// # fn main() -> tensor::Result<()> {
/// let rows = Tensor::from_slice(&[1.0f32, 2.0, 3.0, 4.0], [2, 2])?;
/// let bias = Tensor::from_slice(&[10.0f32, 20.0], [2])?;
/// assert_eq!(add(&rows, &bias)?.data::<f32>(), [11.0, 22.0, 13.0, 24.0]);
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// When the shapes do not broadcast, dtypes or devices differ, or the dtype is not floating.
pub fn add(a: &Tensor, b: &Tensor) -> Result<Tensor> {
    let [a, b] = expanded("add", a, b)?;
    pointwise::add(&a, &b)
}

/// `a - b`, of equal dtypes; shapes broadcast as in NumPy and PyTorch.
///
/// # Errors
/// When the shapes do not broadcast, dtypes or devices differ, or the dtype is not floating.
pub fn sub(a: &Tensor, b: &Tensor) -> Result<Tensor> {
    let [a, b] = expanded("sub", a, b)?;
    pointwise::sub(&a, &b)
}

/// `a * b`, element by element, of equal dtypes; shapes broadcast as in NumPy and PyTorch.
///
/// ```
/// use kernels::mul;
/// use tensor::Tensor;
///
/// # fn main() -> tensor::Result<()> {
/// let column = Tensor::from_slice(&[1.0f32, 2.0], [2, 1])?;
/// let row = Tensor::from_slice(&[3.0f32, 4.0, 5.0], [3])?;
/// assert_eq!(mul(&column, &row)?.data::<f32>(), [3.0, 4.0, 5.0, 6.0, 8.0, 10.0]);
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// When the shapes do not broadcast, dtypes or devices differ, or the dtype is not floating.
pub fn mul(a: &Tensor, b: &Tensor) -> Result<Tensor> {
    let [a, b] = expanded("mul", a, b)?;
    pointwise::mul(&a, &b)
}

/// `a / b`, element by element, of equal dtypes; shapes broadcast as in NumPy and PyTorch.
///
/// # Errors
/// When the shapes do not broadcast, dtypes or devices differ, or the dtype is not floating.
pub fn div(a: &Tensor, b: &Tensor) -> Result<Tensor> {
    let [a, b] = expanded("div", a, b)?;
    pointwise::div(&a, &b)
}

/// Both, of the shape that they broadcast to. A tensor that has it already is not copied.
fn expanded(operation: &'static str, a: &Tensor, b: &Tensor) -> Result<[Tensor; 2]> {
    let Some(dims) = broadcast_shape(a.dims(), b.dims()) else {
        let what = format!("{} and {} do not broadcast", a.shape(), b.shape());
        return Err(Error::shape(operation, what));
    };
    let shape = Shape::from(&dims[..]);
    let expanded = |x: &Tensor| if x.shape() == shape { Ok(x.clone()) } else { expand(x, shape) };
    Ok([expanded(a)?, expanded(b)?])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shapes_that_do_not_broadcast_are_refused() {
        let (a, b) = (Tensor::zeros::<f32>([2, 3]), Tensor::zeros::<f32>([2, 1, 2]));
        let error = mul(&a, &b).unwrap_err().to_string();
        assert_eq!(error, "mul: [2, 3] and [2, 1, 2] do not broadcast");
        assert!(add(&a, &Tensor::zeros::<f64>([3])).is_err(), "dtypes differ");
    }
}
