//! Tensors as they lie in a file: borrowed, by strides, decoded when they are taken over.

use half::{bf16, f16};
use safetensors::tensor::{Dtype, TensorView};
use tensor::{DType, Float, Shape, Tensor};

use super::stored::{contiguous, offsets, places};
use crate::Layout;

/// A tensor in a file that was read. Its elements are all within `bytes` and none is two.
#[derive(Debug)]
pub struct Found<'a> {
    pub dtype: Dtype,
    pub shape: Vec<usize>,
    /// In elements.
    strides: Vec<usize>,
    bytes: &'a [u8],
}

/// Bytes of an element of the types that can be [`Found`]; of others 0.
pub fn size_of(dtype: Dtype) -> usize {
    match dtype {
        Dtype::F64 | Dtype::I64 => 8,
        Dtype::F32 | Dtype::I32 => 4,
        Dtype::F16 | Dtype::BF16 | Dtype::I16 => 2,
        Dtype::I8 | Dtype::U8 | Dtype::BOOL => 1,
        _ => 0,
    }
}

impl<'a> Found<'a> {
    /// A tensor of a safetensors file, which has it in one piece.
    pub fn whole(view: &TensorView<'a>) -> Result<Self, String> {
        if size_of(view.dtype()) == 0 {
            return Err(format!("is of type {:?}, which weights never are", view.dtype()));
        }
        let shape = view.shape().to_vec();
        let strides = contiguous(&shape);
        Ok(Found { dtype: view.dtype(), shape, strides, bytes: view.data() })
    }

    /// Part of a storage. Refuses what is not all within it, and elements that share a place.
    pub fn view(
        dtype: Dtype,
        shape: Vec<usize>,
        mut strides: Vec<usize>,
        offset: usize,
        storage: &'a [u8],
    ) -> Result<Self, String> {
        if shape.len() != strides.len() {
            return Err(format!("{} axes and {} strides", shape.len(), strides.len()));
        }
        let held = storage.len() / size_of(dtype).max(1);
        let beyond = || format!("{shape:?} from {offset}, of {held} elements that are there");
        // No step is ever taken along an axis of one.
        strides
            .iter_mut()
            .zip(&shape)
            .filter(|&(_, &n)| n == 1)
            .for_each(|(stride, _)| *stride = 0);
        let mut axes: Vec<_> = strides.iter().zip(&shape).filter(|&(_, &n)| n != 1).collect();
        axes.sort_unstable();
        let mut end = 1usize;
        for (&stride, &n) in axes {
            // Where anything is at all, no smaller step may reach over this one.
            if n > 0 && stride < end && !shape.contains(&0) {
                return Err(format!("elements of {shape:?} share places: strides {strides:?}"));
            }
            let reach = stride.checked_mul(n.saturating_sub(1));
            end = reach.and_then(|reach| reach.checked_add(end)).ok_or_else(beyond)?;
        }
        if shape.contains(&0) {
            end = 0;
        }
        if offset.checked_add(end).is_none_or(|end| end > held) {
            return Err(beyond());
        }
        let bytes = &storage[offset * size_of(dtype)..];
        Ok(Found { dtype, shape, strides, bytes })
    }

    /// Whether its elements can be weights.
    pub fn is_float(&self) -> bool {
        matches!(self.dtype, Dtype::F16 | Dtype::BF16 | Dtype::F32 | Dtype::F64)
    }

    /// Calls `f` with every element, last axis fastest.
    fn each(&self, mut f: impl FnMut(f64)) {
        match self.dtype {
            Dtype::F64 => self.walk(|b| f(f64::from_le_bytes(b))),
            Dtype::F32 => self.walk(|b| f(f32::from_le_bytes(b).into())),
            Dtype::F16 => self.walk(|b| f(f16::from_le_bytes(b).into())),
            Dtype::BF16 => self.walk(|b| f(bf16::from_le_bytes(b).into())),
            Dtype::I64 => self.walk(|b| f(i64::from_le_bytes(b) as f64)),
            Dtype::I32 => self.walk(|b| f(i32::from_le_bytes(b).into())),
            Dtype::I16 => self.walk(|b| f(i16::from_le_bytes(b).into())),
            Dtype::I8 => self.walk(|b| f(i8::from_le_bytes(b).into())),
            _ => self.walk(|[b]| f(b.into())),
        }
    }

    fn walk<const SIZE: usize>(&self, mut f: impl FnMut([u8; SIZE])) {
        let (elements, _) = self.bytes.as_chunks::<SIZE>();
        offsets(self.shape.clone(), self.strides.clone()).for_each(|place| f(elements[place]));
    }

    /// Its first element as a count.
    pub fn count(&self) -> u64 {
        let mut first = None;
        self.each(|value| _ = first.get_or_insert(value));
        first.unwrap_or(0.0) as u64
    }

    /// With the shape, dtype and layout of `like`, of which it has the shape in files.
    pub fn like(&self, like: &Tensor, layout: Layout) -> Tensor {
        self.tensor(like.dims(), layout, like.dtype())
    }

    /// As it is. Refuses more axes than a tensor can have.
    pub fn plain(&self) -> Result<Tensor, String> {
        let (axes, most) = (self.shape.len(), Shape::MAX_AXES);
        if axes > most {
            return Err(format!("has {axes} axes, where a tensor has {most} at most"));
        }
        let dtype = if self.dtype == Dtype::F64 { DType::F64 } else { DType::F32 };
        Ok(self.tensor(&self.shape, Layout::Plain, dtype))
    }

    fn tensor(&self, dims: &[usize], layout: Layout, dtype: DType) -> Tensor {
        fn build<T: Float>(found: &Found<'_>, dims: &[usize], layout: Layout) -> Tensor {
            Tensor::build::<T>(dims, |out| {
                let mut places = places(dims, layout);
                found.each(|value| {
                    if let Some(place) = places.next() {
                        out[place] = T::from_f64(value);
                    }
                });
            })
        }
        match dtype {
            DType::F64 => build::<f64>(self, dims, layout),
            _ => build::<f32>(self, dims, layout),
        }
    }
}
