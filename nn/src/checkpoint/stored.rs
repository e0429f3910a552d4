//! Tensors as files get them: bytes, and axes in PyTorch's order.

use safetensors::tensor::Dtype;
use tensor::{DType, Device, Tensor};

use crate::Layout;

/// A tensor to be written.
pub struct Stored {
    pub dtype: Dtype,
    pub shape: Vec<usize>,
    pub bytes: Vec<u8>,
}

impl Stored {
    pub fn of(tensor: &Tensor, layout: Layout) -> tensor::Result<Self> {
        let values = tensor.on(&Device::Cpu)?.to_f64();
        let values = places(tensor.dims(), layout).map(|place| values[place]);
        let (dtype, bytes) = match tensor.dtype() {
            DType::F64 => (Dtype::F64, values.flat_map(f64::to_le_bytes).collect()),
            _ => (Dtype::F32, values.flat_map(|v| (v as f32).to_le_bytes()).collect()),
        };
        Ok(Stored { dtype, shape: file_shape(tensor.dims(), layout), bytes })
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

/// In the file's order of axes, what is given in the order inside.
fn in_file(values: &[usize], layout: Layout) -> Vec<usize> {
    match axes(layout) {
        None => values.to_vec(),
        Some(axes) => axes.iter().map(|&axis| values[axis]).collect(),
    }
}

/// The shape in a file of a tensor that has `dims` inside.
pub fn file_shape(dims: &[usize], layout: Layout) -> Vec<usize> {
    in_file(dims, layout)
}

/// For each element of a file, in order, where it lies inside.
pub fn places(dims: &[usize], layout: Layout) -> impl Iterator<Item = usize> + use<> {
    offsets(in_file(dims, layout), in_file(&contiguous(dims), layout))
}

/// The strides of a tensor in one piece, last axis fastest.
pub fn contiguous(shape: &[usize]) -> Vec<usize> {
    let mut strides = vec![1usize; shape.len()];
    for axis in (1..shape.len()).rev() {
        strides[axis - 1] = strides[axis].saturating_mul(shape[axis].max(1));
    }
    strides
}

/// Where the elements of a tensor lie, last axis fastest.
pub fn offsets(shape: Vec<usize>, strides: Vec<usize>) -> impl Iterator<Item = usize> {
    let mut index = vec![0; shape.len()];
    let mut next = 0;
    let count = if shape.contains(&0) { 0 } else { shape.iter().product() };
    (0..count).map(move |_| {
        let here = next;
        for axis in (0..shape.len()).rev() {
            index[axis] += 1;
            next += strides[axis];
            if index[axis] < shape[axis] {
                break;
            }
            next -= strides[axis] * shape[axis];
            index[axis] = 0;
        }
        here
    })
}
