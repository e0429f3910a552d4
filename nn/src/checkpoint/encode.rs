//! Tensors as files have them: bytes, with axes in PyTorch's order.

use std::collections::BTreeMap;

use safetensors::serialize;
use safetensors::tensor::Dtype;
use tensor::{DType, Device, Result, Tensor};

use super::Metadata;
use super::checksum::{self, Part, checksum};
use crate::WeightLayout;

/// A tensor to be written.
pub struct EncodedTensor {
    pub dtype: Dtype,
    pub shape: Vec<usize>,
    pub bytes: Vec<u8>,
}

impl EncodedTensor {
    /// With axes in the order that `layout` has in files.
    pub fn weight(tensor: &Tensor, layout: WeightLayout) -> Result<Self> {
        let values = tensor.to_device(&Device::Cpu)?.to_f64();
        let values = element_order(tensor.dims(), layout).map(|index| values[index]);
        let (dtype, bytes) = match tensor.dtype() {
            DType::F64 => (Dtype::F64, values.flat_map(f64::to_le_bytes).collect()),
            _ => (Dtype::F32, values.flat_map(|v| (v as f32).to_le_bytes()).collect()),
        };
        Ok(EncodedTensor { dtype, shape: file_shape(tensor.dims(), layout), bytes })
    }

    /// With axes in the order that they have in memory.
    pub fn plain(tensor: &Tensor) -> Result<Self> {
        Self::weight(tensor, WeightLayout::Plain)
    }

    /// A counter, which PyTorch has as a 64-bit integer.
    pub fn count(count: u64) -> Self {
        let bytes = (count as i64).to_le_bytes().to_vec();
        EncodedTensor { dtype: Dtype::I64, shape: vec![], bytes }
    }
}

impl safetensors::View for &EncodedTensor {
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

/// The bytes of a safetensors file with its checksum. Equal content makes equal bytes.
pub fn safetensors_file(
    tensors: &BTreeMap<String, EncodedTensor>,
    metadata: &Metadata,
) -> std::result::Result<Vec<u8>, String> {
    let mut texts: BTreeMap<&str, &str> =
        metadata.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
    let parts = tensors.iter().map(|(name, EncodedTensor { dtype, shape, bytes })| {
        (name.as_str(), Part { dtype: *dtype, shape: shape.clone(), bytes })
    });
    let sum = checksum(&texts, &parts.collect());
    texts.insert(checksum::KEY, &sum);
    let file = serialize(tensors, None).map_err(|error| error.to_string())?;
    with_metadata(&file, &texts).ok_or_else(|| "the file's header cannot be made".to_owned())
}

/// Adds metadata to a safetensors file without any. The library itself writes entries in random order.
fn with_metadata(file: &[u8], texts: &BTreeMap<&str, &str>) -> Option<Vec<u8>> {
    let (length, rest) = file.split_first_chunk::<8>()?;
    let (header, data) = rest.split_at_checked(u64::from_le_bytes(*length) as usize)?;
    let entries = std::str::from_utf8(header).ok()?.trim_end().strip_prefix('{')?;
    let texts = serde_json::to_string(texts).ok()?;
    let comma = if entries == "}" { "" } else { "," };
    let mut header = format!("{{\"__metadata__\":{texts}{comma}{entries}");
    // The data begin at a multiple of 8 bytes.
    header.extend(std::iter::repeat_n(' ', header.len().next_multiple_of(8) - header.len()));
    let length = (header.len() as u64).to_le_bytes();
    Some([&length, header.as_bytes(), data].concat())
}

/// Of each axis in a file, the index that it has in memory.
fn file_axes(layout: WeightLayout) -> Option<[usize; 4]> {
    match layout {
        WeightLayout::Plain => None,
        WeightLayout::Convolution => Some([3, 2, 0, 1]),
        WeightLayout::TransposedConvolution => Some([2, 3, 0, 1]),
    }
}

/// Reorders what is given for each axis in memory to the order of axes in files.
fn in_file_order(values: &[usize], layout: WeightLayout) -> Vec<usize> {
    match file_axes(layout) {
        None => values.to_vec(),
        Some(axes) => axes.iter().map(|&axis| values[axis]).collect(),
    }
}

/// The shape in files of a tensor that has `dims` in memory.
pub fn file_shape(dims: &[usize], layout: WeightLayout) -> Vec<usize> {
    in_file_order(dims, layout)
}

/// For each element of a file, in order, its index in memory.
pub fn element_order(dims: &[usize], layout: WeightLayout) -> impl Iterator<Item = usize> + use<> {
    let strides = contiguous_strides(dims);
    offsets(in_file_order(dims, layout), in_file_order(&strides, layout))
}

/// The strides of a contiguous tensor, last axis fastest.
pub fn contiguous_strides(shape: &[usize]) -> Vec<usize> {
    let mut strides = vec![1usize; shape.len()];
    for axis in (1..shape.len()).rev() {
        strides[axis - 1] = strides[axis].saturating_mul(shape[axis].max(1));
    }
    strides
}

/// The offsets of a tensor's elements, last axis fastest.
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
