//! Functions of one element at a time, and of pairs of elements.
//!
//! Each is a row of the table in `functions.rs`: its value and derivatives in Rust and in CUDA, the
//! inputs to check it on, some known values and its counterpart in PyTorch. Everything else follows
//! from the row: the public function, the CPU loop (`cpu.rs`), the CUDA kernels (`cuda.rs`), the
//! cases for every test suite (`check.rs`), the entry in the registry and the benchmark.
//! [`pointwise!`](crate::pointwise!) describes a row.

pub mod check;
mod cpu;
mod cuda;
mod functions;
mod row;

use tensor::gpu::{In, Kernel, KernelArguments, Out, Real, Source};
use tensor::{Error, Float, Result, Tensor, same_device, with_features};

use crate::check::{Operation, Values};

pub use functions::*;

/// A differentiable function of `N` numbers, applied element by element to `N` tensors.
///
/// [`pointwise!`](crate::pointwise!) implements it for each row of a table.
pub trait Pointwise<const N: usize>: Copy + Send + Sync + 'static {
    /// The name of the function.
    const NAME: &'static str;
    /// The names of its inputs.
    const INPUTS: [&'static str; N];
    /// The distributions from which checks draw each input. The first also serves the benchmark.
    const DOMAIN: [&'static [Values]; N];
    /// Known values: the inputs, then the result for the first [`setting`](Self::setting).
    const KNOWN: &'static [&'static [f64]];
    /// A Python expression of the inputs that computes the same with PyTorch, where `F` is
    /// `torch.nn.functional`, for the first [`setting`](Self::setting).
    const PEER: &'static str;
    /// The derivatives by each input, as CUDA expressions.
    const DERIVATIVES: [&'static str; N];
    /// The CUDA kernels.
    const SOURCES: &'static [Source];
    /// The kernels and the struct that they take.
    const KERNELS: &'static [Kernel];
    /// The name of the kernel that computes values.
    const FORWARD: &'static str;
    /// The names of the kernels that multiply a gradient by the derivative by each input.
    const BACKWARD: [&'static str; N];

    /// The value at `x`.
    fn value<T: Float>(self, x: [T; N]) -> T;

    /// The derivative at `x` by the input of index `by`.
    fn derivative<T: Float>(self, by: usize, x: [T; N]) -> T;

    /// What its kernels take.
    type Arguments<'a>: KernelArguments;

    /// Arguments for `count` elements.
    fn arguments<'a>(
        self,
        inputs: [In<'a, Real>; N],
        out: Out<'a, Real>,
        count: usize,
    ) -> Self::Arguments<'a>;

    /// The function's parameters.
    fn parameters(self) -> Vec<f64>;

    /// Parameters to check the function with: any index gives some, and 0 those of the benchmark.
    fn setting(index: usize) -> Self;
}

/// Applies a function to tensors of equal shape and dtype: `bf16`, `f32` or `f64`.
///
/// # Errors
/// When shapes, dtypes or devices differ, or the dtype is not one of these.
pub fn apply<F: Pointwise<N>, const N: usize>(function: F, inputs: [&Tensor; N]) -> Result<Tensor> {
    require_equal(F::NAME, &inputs)?;
    let y = with_features!(F::NAME, inputs[0],
        gpu => cuda::forward(gpu, function, inputs),
        T => Ok(cpu::forward::<T, F, N>(function, inputs))
    )?;
    let kept = inputs.map(Tensor::clone);
    Ok(y.recorded(F::NAME, &inputs, move |gradient, wanted| {
        // Each part overwrites the gradient that it receives: all but the last receive a copy.
        let last = wanted.iter().rposition(|&wanted| wanted);
        let mut gradient = Some(gradient);
        let mut part = |by: usize| match wanted[by] {
            true if Some(by) == last => gradient.take(),
            true => gradient.clone(),
            false => None,
        };
        let parts = (0..N).map(|by| part(by).map(|g| backward(function, &kept, by, g)).transpose());
        parts.collect()
    }))
}

/// `gradient` times the derivative by the input of index `by`.
fn backward<F: Pointwise<N>, const N: usize>(
    function: F,
    inputs: &[Tensor; N],
    by: usize,
    gradient: Tensor,
) -> Result<Tensor> {
    if F::DERIVATIVES[by] == "1" {
        return Ok(gradient);
    }
    with_features!(F::NAME, gradient,
        gpu => cuda::backward(gpu, function, inputs, by, gradient),
        T => Ok(cpu::backward::<T, F, N>(function, inputs, by, gradient))
    )
}

/// Refuses tensors that differ in shape, dtype or device.
fn require_equal(operation: &'static str, inputs: &[&Tensor]) -> Result<()> {
    for (a, b) in inputs.iter().zip(&inputs[1..]) {
        if (a.shape(), a.dtype()) != (b.shape(), b.dtype()) {
            let [a, b] = [a, b].map(|x| format!("{} {}", x.dtype(), x.shape()));
            let what = format!("{a} and {b} differ; shapes and dtypes must be equal");
            return Err(Error::shape(operation, what));
        }
    }
    same_device(operation, inputs.iter().copied())
}

/// The index of the input of a name, for [`pointwise!`](crate::pointwise!).
#[doc(hidden)]
pub const fn index_of(name: &str, inputs: &[&str]) -> usize {
    let mut index = 0;
    while index < inputs.len() {
        if is_same(name.as_bytes(), inputs[index].as_bytes()) {
            return index;
        }
        index += 1;
    }
    panic!("a derivative by something that is not an input");
}

/// `a == b`, which constants cannot say.
const fn is_same(a: &[u8], b: &[u8]) -> bool {
    let mut index = 0;
    while index < a.len() && index < b.len() && a[index] == b[index] {
        index += 1;
    }
    index == a.len() && index == b.len()
}

/// A row of the table, as tests and the benchmark use it.
pub struct Function {
    /// Its entry in the registry.
    pub operation: Operation,
    /// The names of its inputs.
    pub inputs: &'static [&'static str],
    /// See [`Pointwise::DERIVATIVES`].
    pub derivatives: &'static [&'static str],
    /// The distributions from which the benchmark draws its inputs.
    pub domain: fn() -> Vec<Values>,
    /// The function with the parameters of the benchmark.
    pub run: fn(&[Tensor]) -> Result<Tensor>,
    /// See [`Pointwise::KNOWN`].
    pub known: &'static [&'static [f64]],
    /// See [`Pointwise::PEER`].
    pub peer: &'static str,
}

impl Function {
    /// The entry of a function.
    pub const fn of<F: Pointwise<N>, const N: usize>() -> Self {
        let operation = Operation::new(F::NAME, check::awkward::<F, N>, check::random::<F, N>)
            .in_module("pointwise")
            .on_gpu(cuda::programs::<F, N>)
            .mixed();
        Function {
            operation,
            inputs: const { &F::INPUTS },
            derivatives: const { &F::DERIVATIVES },
            domain: || F::DOMAIN.map(|values| values[0]).to_vec(),
            run: |inputs| check::run(F::setting(0), inputs),
            known: F::KNOWN,
            peer: F::PEER,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn functions_have_their_known_values() {
        for function in FUNCTIONS {
            let name = function.operation.name;
            assert!(!function.known.is_empty(), "{name} has no known values");
            for known in function.known {
                let (&wanted, inputs) = known.split_last().unwrap();
                let inputs: Vec<Tensor> = inputs.iter().map(|&x| Tensor::scalar(x)).collect();
                let found = (function.run)(&inputs).unwrap().item().unwrap();
                let error = (found - wanted).abs();
                assert!(error <= 1e-11 * wanted.abs(), "{name}{known:?}: {found}");
            }
        }
    }

    #[test]
    fn inputs_must_be_equal_in_shape_and_dtype() {
        let (a, b) = (Tensor::zeros::<f32>([2, 3]), Tensor::zeros::<f32>([3, 2]));
        let error = add(&a, &b).unwrap_err().to_string();
        let wanted = "f32 [2, 3] and f32 [3, 2] differ; shapes and dtypes must be equal";
        assert_eq!(error, format!("add: {wanted}"));
        assert!(mul(&a, &Tensor::zeros::<f64>([2, 3])).is_err());
        let labels = Tensor::zeros::<u8>([2, 3]);
        let error = sub(&labels, &labels).unwrap_err().to_string();
        assert_eq!(error, "sub: takes bf16, f32 or f64, not u8");
    }

    #[test]
    fn the_gradient_of_leaky_relu_at_zero_is_that_of_the_negative_side() {
        let x = Tensor::from_slice(&[-2.0f32, 0.0, -0.0, 3.0], [4]).unwrap().parameter();
        let y = leaky_relu(&x, 0.25).unwrap();
        assert_eq!(y.to_f64(), [-0.5, 0.0, 0.0, 3.0]);
        let ones = Tensor::from_slice(&[1.0f32; 4], [4]).unwrap();
        let gradients = y.backward_from(ones).unwrap();
        assert_eq!(gradients.get(&x).unwrap().to_f64(), [0.25, 0.25, 0.25, 1.0]);
    }

    #[test]
    fn functions_saturate_instead_of_overflowing() {
        let x = Tensor::from_slice(&[-1e4f32, 1e4], [2]).unwrap().parameter();
        for (function, values, slopes) in [
            (sigmoid as fn(&Tensor) -> Result<Tensor>, [0.0, 1.0], [0.0, 0.0]),
            (silu, [0.0, 1e4], [0.0, 1.0]),
            (tanh, [-1.0, 1.0], [0.0, 0.0]),
            (gelu, [0.0, 1e4], [0.0, 1.0]),
        ] {
            let y = function(&x).unwrap();
            assert_eq!(y.to_f64(), values, "{y:?}");
            let ones = Tensor::from_slice(&[1.0f32; 2], [2]).unwrap();
            let gradients = y.backward_from(ones).unwrap();
            assert_eq!(gradients.get(&x).unwrap().to_f64(), slopes);
        }
    }
}
