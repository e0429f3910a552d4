//! Tensors as files have them: bytes, and axes in PyTorch's order.

use std::path::Path;

use half::{bf16, f16};
use safetensors::tensor::{Dtype, TensorView};
use tensor::{DType, Float, Tensor};

use crate::{Error, Layout, Result};

/// A tensor as a file has it.
pub struct Stored {
    pub dtype: Dtype,
    pub shape: Vec<usize>,
    pub bytes: Vec<u8>,
}

impl Stored {
    pub fn of(tensor: &Tensor, layout: Layout) -> Self {
        let (shape, values) = to_file(tensor, layout);
        match tensor.dtype() {
            DType::F64 => Stored {
                dtype: Dtype::F64,
                shape,
                bytes: values.iter().flat_map(|v| v.to_le_bytes()).collect(),
            },
            _ => Stored {
                dtype: Dtype::F32,
                shape,
                bytes: values.iter().flat_map(|&v| (v as f32).to_le_bytes()).collect(),
            },
        }
    }

    pub fn read(path: &Path, name: &str, view: &TensorView<'_>) -> Result<Self> {
        let dtype = view.dtype();
        if ![Dtype::F16, Dtype::BF16, Dtype::F32, Dtype::F64, Dtype::I64].contains(&dtype) {
            let what = format!("{name} is of type {dtype:?}; weights are floats");
            return Err(Error::checkpoint(path, what));
        }
        Ok(Stored { dtype, shape: view.shape().to_vec(), bytes: view.data().to_vec() })
    }

    pub fn values(&self) -> Vec<f64> {
        let wide = |size| self.bytes.chunks_exact(size);
        match self.dtype {
            Dtype::F64 => wide(8).map(|b| b.try_into().map_or(0.0, f64::from_le_bytes)).collect(),
            Dtype::I64 => {
                wide(8).map(|b| b.try_into().map_or(0, i64::from_le_bytes) as f64).collect()
            }
            Dtype::F16 => wide(2).map(|b| f16::from_le_bytes([b[0], b[1]]).to_f64()).collect(),
            Dtype::BF16 => wide(2).map(|b| bf16::from_le_bytes([b[0], b[1]]).to_f64()).collect(),
            _ => wide(4).map(|b| f64::from(b.try_into().map_or(0.0, f32::from_le_bytes))).collect(),
        }
    }
}

impl safetensors::View for &Stored {
    fn dtype(&self) -> Dtype {
        self.dtype
    }
    fn shape(&self) -> &[usize] {
        &self.shape
    }
    fn data(&self) -> std::borrow::Cow<'_, [u8]> {
        (&self.bytes).into()
    }
    fn data_len(&self) -> usize {
        self.bytes.len()
    }
}

/// The order of axes in a file, as places in `[rows, columns, in, out]`.
fn axes(layout: Layout) -> Option<[usize; 4]> {
    match layout {
        Layout::Plain => None,
        Layout::Convolution => Some([3, 2, 0, 1]),
        Layout::TransposedConvolution => Some([2, 3, 0, 1]),
    }
}

pub fn file_shape(dims: &[usize], layout: Layout) -> Vec<usize> {
    match axes(layout) {
        None => dims.to_vec(),
        Some(axes) => axes.iter().map(|&axis| dims[axis]).collect(),
    }
}

/// For each element of a file, in order, where it lies inside.
pub fn places(dims: &[usize], axes: [usize; 4]) -> impl Iterator<Item = usize> {
    let strides = [dims[1] * dims[2] * dims[3], dims[2] * dims[3], dims[3], 1];
    let (n, s) = (axes.map(|a| dims[a]), axes.map(|a| strides[a]));
    (0..n.iter().product()).map(move |i| {
        let (k3, i) = (i % n[3], i / n[3]);
        let (k2, i) = (i % n[2], i / n[2]);
        let (k1, k0) = (i % n[1], i / n[1]);
        k0 * s[0] + k1 * s[1] + k2 * s[2] + k3 * s[3]
    })
}

fn to_file(tensor: &Tensor, layout: Layout) -> (Vec<usize>, Vec<f64>) {
    let values = tensor.to_f64();
    let values = match axes(layout) {
        None => values,
        Some(axes) => places(tensor.dims(), axes).map(|place| values[place]).collect(),
    };
    (file_shape(tensor.dims(), layout), values)
}

/// A stored tensor with the shape, dtype and layout of `like`.
pub fn from_file(stored: &Stored, like: &Tensor, layout: Layout) -> Tensor {
    let read = stored.values();
    let values = match axes(layout) {
        None => read,
        Some(axes) => {
            let mut values = vec![0.0; read.len()];
            places(like.dims(), axes).zip(read).for_each(|(place, v)| values[place] = v);
            values
        }
    };
    tensor_of(&values, like.dims(), like.dtype())
}

pub fn tensor_of(values: &[f64], dims: &[usize], dtype: DType) -> Tensor {
    fn build<T: Float>(values: &[f64], dims: &[usize]) -> Tensor {
        Tensor::build::<T>(dims, |out| {
            out.iter_mut().zip(values).for_each(|(out, &v)| *out = T::from_f64(v));
        })
    }
    match dtype {
        DType::F64 => build::<f64>(values, dims),
        _ => build::<f32>(values, dims),
    }
}
