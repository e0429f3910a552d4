//! Starting values, distributed as PyTorch's defaults.

use tensor::random::{Purpose, Stream};
use tensor::{DType, Result, Shape, Tensor, with_float};

/// Draws starting values: each tensor from a random stream of its own, numbered in the order of
/// creation.
#[derive(Clone, Debug)]
pub struct Init {
    seed: u64,
    dtype: DType,
    network: u32,
    drawn: u32,
}

impl Init {
    /// Values for a network. `network` distinguishes networks of the same seed.
    pub fn new(seed: u64, network: u32, dtype: DType) -> Self {
        Init { seed, dtype, network, drawn: 0 }
    }

    /// The dtype of what is drawn.
    pub fn dtype(&self) -> DType {
        self.dtype
    }

    /// Uniform between plus and minus `1 / sqrt(fan_in)`: PyTorch's default for the weights
    /// (Kaiming, with `a = sqrt(5)`) and biases of linear and convolution layers.
    ///
    /// # Errors
    /// When the dtype is not floating.
    pub fn uniform(&mut self, shape: impl Into<Shape>, fan_in: usize) -> Result<Tensor> {
        let bound = 1.0 / (fan_in.max(1) as f64).sqrt();
        let mut stream = self.stream();
        self.filled(shape, || stream.uniform(-bound, bound))
    }

    /// Normal with a mean of 0, drawn again outside of plus or minus 2, as DINO initialises its heads.
    ///
    /// # Errors
    /// When the dtype is not floating.
    pub fn truncated_normal(
        &mut self,
        shape: impl Into<Shape>,
        standard_deviation: f64,
    ) -> Result<Tensor> {
        let mut stream = self.stream();
        let mut draw = || standard_deviation * stream.normal();
        self.filled(shape, || {
            let mut value = draw();
            while value.abs() > 2.0 {
                value = draw();
            }
            value
        })
    }

    /// The stream of the next tensor.
    fn stream(&mut self) -> Stream {
        self.drawn += 1;
        Stream::new(self.seed, Purpose::WEIGHTS, self.drawn - 1, self.network)
    }

    /// The same value everywhere.
    ///
    /// # Errors
    /// When the dtype is not floating.
    pub fn constant(&mut self, shape: impl Into<Shape>, value: f64) -> Result<Tensor> {
        self.filled(shape, || value)
    }

    fn filled(&self, shape: impl Into<Shape>, mut value: impl FnMut() -> f64) -> Result<Tensor> {
        with_float!("init", self.dtype, T => {
            Ok(Tensor::build::<T>(shape, |out| {
                out.iter_mut().for_each(|out| *out = tensor::Feature::from_f64(value()));
            }))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_fill_the_bound_and_depend_on_the_number_of_their_tensor_alone() {
        let mut init = Init::new(1, 0, DType::F64);
        let first = init.uniform([1000], 25).unwrap().to_f64();
        let second = init.uniform([1000], 25).unwrap().to_f64();
        let largest = first.iter().fold(0.0f64, |most, v| most.max(v.abs()));
        assert!((0.199..=0.2).contains(&largest), "{largest}");
        assert_ne!(first, second);

        let mut other = Init::new(1, 0, DType::F64);
        other.uniform([7], 25).unwrap();
        assert_eq!(other.uniform([1000], 25).unwrap().to_f64(), second);
        let another = Init::new(1, 1, DType::F64).uniform([1000], 25).unwrap();
        assert_ne!(another.to_f64(), first, "networks of one seed differ");
    }
}
