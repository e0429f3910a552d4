//! Tensors of a file: borrowed bytes and strides, decoded on demand.

use half::{bf16, f16};
use safetensors::tensor::{Dtype, TensorView};
use tensor::{DType, Float, Shape, Tensor};

use super::encode::{contiguous_strides, element_order, offsets};
use crate::WeightLayout;

/// A tensor of a file in memory. All of its elements are within `bytes`, and no two share any.
#[derive(Debug)]
pub struct FileTensor<'a> {
    pub dtype: Dtype,
    pub shape: Vec<usize>,
    /// In elements.
    strides: Vec<usize>,
    bytes: &'a [u8],
}

/// Bytes of an element of the types that a [`FileTensor`] may have; 0 for others.
pub fn size_of(dtype: Dtype) -> usize {
    match dtype {
        Dtype::F64 | Dtype::I64 => 8,
        Dtype::F32 | Dtype::I32 => 4,
        Dtype::F16 | Dtype::BF16 | Dtype::I16 => 2,
        Dtype::I8 | Dtype::U8 | Dtype::BOOL => 1,
        _ => 0,
    }
}

impl<'a> FileTensor<'a> {
    /// A tensor of a safetensors file, whose elements are contiguous.
    pub fn contiguous(view: &TensorView<'a>) -> Result<Self, String> {
        if size_of(view.dtype()) == 0 {
            return Err(format!("is of type {:?}, which weights cannot have", view.dtype()));
        }
        let shape = view.shape().to_vec();
        let strides = contiguous_strides(&shape);
        Ok(FileTensor { dtype: view.dtype(), shape, strides, bytes: view.data() })
    }

    /// A view of a storage. Refuses views that reach beyond it, and elements that share memory.
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
        let available = storage.len() / size_of(dtype).max(1);
        let beyond = || format!("{shape:?} from {offset}, of {available} elements that are there");
        // The stride of an axis of one is never used.
        strides
            .iter_mut()
            .zip(&shape)
            .filter(|&(_, &n)| n == 1)
            .for_each(|(stride, _)| *stride = 0);
        let mut axes: Vec<_> = strides.iter().zip(&shape).filter(|&(_, &n)| n != 1).collect();
        axes.sort_unstable();
        let mut end = 1usize;
        for (&stride, &n) in axes {
            // `end` elements are reached by the smaller strides: this one must step over them all.
            if n > 0 && stride < end && !shape.contains(&0) {
                return Err(format!("elements of {shape:?} share memory: strides {strides:?}"));
            }
            let reach = stride.checked_mul(n.saturating_sub(1));
            end = reach.and_then(|reach| reach.checked_add(end)).ok_or_else(beyond)?;
        }
        if shape.contains(&0) {
            end = 0;
        }
        if offset.checked_add(end).is_none_or(|end| end > available) {
            return Err(beyond());
        }
        let bytes = &storage[offset * size_of(dtype)..];
        Ok(FileTensor { dtype, shape, strides, bytes })
    }

    /// Whether it has a type that weights have.
    pub fn is_float(&self) -> bool {
        matches!(self.dtype, Dtype::F16 | Dtype::BF16 | Dtype::F32 | Dtype::F64)
    }

    /// Calls `f` with every element, last axis fastest.
    fn each(&self, mut f: impl FnMut(f64)) {
        match self.dtype {
            Dtype::F64 => self.each_raw(|b| f(f64::from_le_bytes(b))),
            Dtype::F32 => self.each_raw(|b| f(f32::from_le_bytes(b).into())),
            Dtype::F16 => self.each_raw(|b| f(f16::from_le_bytes(b).into())),
            Dtype::BF16 => self.each_raw(|b| f(bf16::from_le_bytes(b).into())),
            Dtype::I64 => self.each_raw(|b| f(i64::from_le_bytes(b) as f64)),
            Dtype::I32 => self.each_raw(|b| f(i32::from_le_bytes(b).into())),
            Dtype::I16 => self.each_raw(|b| f(i16::from_le_bytes(b).into())),
            Dtype::I8 => self.each_raw(|b| f(i8::from_le_bytes(b).into())),
            _ => self.each_raw(|[b]| f(b.into())),
        }
    }

    fn each_raw<const SIZE: usize>(&self, mut f: impl FnMut([u8; SIZE])) {
        let (elements, _) = self.bytes.as_chunks::<SIZE>();
        let offsets = offsets(self.shape.clone(), self.strides.clone());
        offsets.for_each(|offset| f(elements[offset]));
    }

    /// Refuses values that a network cannot compute with: those that are not finite, also in the type
    /// `like` that they are decoded to, and a variance below 0. `name` says what it is.
    pub fn refuse_unusable(&self, name: &str, like: DType) -> Result<(), String> {
        let is_variance = name.ends_with("running_var");
        let (mut index, mut count, mut first) = (0usize, 0usize, None);
        self.each(|value| {
            let decoded = if like == DType::F64 { value } else { f64::from(value as f32) };
            if !decoded.is_finite() || (is_variance && decoded < 0.0) {
                count += 1;
                first.get_or_insert((index, value));
            }
            index += 1;
        });
        let Some((index, value)) = first else { return Ok(()) };
        let what = if is_variance { "not a variance" } else { "not finite" };
        Err(format!(
            "{name}: {count} of {} values {} {what} (at {index}: {value}); the file is damaged or its \
             training diverged; use other weights",
            self.shape.iter().product::<usize>(),
            if count == 1 { "is" } else { "are" },
        ))
    }

    /// Its first element as a count.
    pub fn count(&self) -> u64 {
        let mut first = None;
        self.each(|value| _ = first.get_or_insert(value));
        first.unwrap_or(0.0) as u64
    }

    /// Decoded to the shape, dtype and memory layout of `like`, whose shape in files it has.
    pub fn decode_as(&self, like: &Tensor, layout: WeightLayout) -> Tensor {
        self.tensor(like.dims(), layout, like.dtype())
    }

    /// Decoded in the shape that it has, to float64 if it is that and to float32 otherwise. Refuses
    /// more axes than a tensor can have.
    pub fn decode(&self) -> Result<Tensor, String> {
        let (axes, most) = (self.shape.len(), Shape::MAX_AXES);
        if axes > most {
            return Err(format!("has {axes} axes, where a tensor has {most} at most"));
        }
        let dtype = if self.dtype == Dtype::F64 { DType::F64 } else { DType::F32 };
        Ok(self.tensor(&self.shape, WeightLayout::Plain, dtype))
    }

    fn tensor(&self, dims: &[usize], layout: WeightLayout, dtype: DType) -> Tensor {
        fn build<T: Float>(from: &FileTensor<'_>, dims: &[usize], layout: WeightLayout) -> Tensor {
            Tensor::build::<T>(dims, |out| {
                let mut order = element_order(dims, layout);
                from.each(|value| {
                    if let Some(index) = order.next() {
                        out[index] = T::from_f64(value);
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
