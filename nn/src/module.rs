//! What a network is made of: named parameters and buffers.

use tensor::{Buffer, DType, Float, Shape, Tensor};

/// How a tensor is laid out in PyTorch's files, against `[rows, columns, in, out]` inside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layout {
    /// The same in both.
    Plain,
    /// `[out, in, rows, columns]` in files.
    Convolution,
    /// `[in, out, rows, columns]` in files.
    TransposedConvolution,
}

/// A tensor that training changes.
#[derive(Debug)]
pub struct Parameter {
    value: Tensor,
    layout: Layout,
    frozen: bool,
}

impl Parameter {
    /// A trainable parameter.
    pub fn new(value: Tensor, layout: Layout) -> Self {
        let mut parameter = Parameter { value, layout, frozen: false };
        parameter.rebuild();
        parameter
    }

    /// The value: a leaf of the tape, unless frozen.
    pub fn tensor(&self) -> &Tensor {
        &self.value
    }

    /// How files lay it out.
    pub fn layout(&self) -> Layout {
        self.layout
    }

    /// Whether training leaves it alone.
    pub fn is_frozen(&self) -> bool {
        self.frozen
    }

    /// Keeps training from changing the parameter, or lets it again.
    pub fn freeze(&mut self, frozen: bool) {
        if self.frozen != frozen {
            self.frozen = frozen;
            self.rebuild();
        }
    }

    /// Replaces the value by one of the same shape and dtype.
    pub fn set(&mut self, value: Tensor) {
        assert_eq!((value.shape(), value.dtype()), (self.value.shape(), self.value.dtype()));
        self.value = value;
        self.rebuild();
    }

    fn rebuild(&mut self) {
        match self.value.dtype() {
            DType::F64 => self.rebuild_of::<f64>(),
            _ => self.rebuild_of::<f32>(),
        }
    }

    fn rebuild_of<T: Float>(&mut self) {
        let shape = self.value.shape();
        let memory = self.take::<T>();
        self.give_back::<T>(memory, shape);
    }

    /// Takes the memory out to be written over: without a copy, unless something else still holds
    /// the value. It must be [given back](Self::give_back).
    pub(crate) fn take<T: Float>(&mut self) -> Buffer {
        std::mem::replace(&mut self.value, Tensor::scalar(T::default())).into_buffer::<T>()
    }

    pub(crate) fn give_back<T: Float>(&mut self, memory: Buffer, shape: Shape) {
        let value = Tensor::from_buffer::<T>(memory, shape);
        self.value = if self.frozen { value } else { value.parameter() };
    }
}

/// Something that a network keeps, as [`Module::visit`] shows it.
pub enum Slot<'a> {
    /// Changed by training.
    Parameter(&'a mut Parameter),
    /// Changed by running: batch norm's statistics.
    Buffer(&'a mut Tensor),
    /// A count, which PyTorch keeps as a 64-bit integer.
    Counter(&'a mut u64),
}

/// A network or a part of one.
pub trait Module {
    /// Shows every parameter and buffer with its name, `path` in front, in a fixed order.
    fn visit(&mut self, path: &str, visitor: &mut dyn FnMut(&str, Slot<'_>));

    /// Number of trainable values.
    fn parameters(&mut self) -> usize {
        let mut count = 0;
        self.visit("", &mut |_, slot| {
            if let Slot::Parameter(p) = slot {
                count += p.tensor().shape().elements();
            }
        });
        count
    }

    /// Freezes the parameters whose names `which` picks, and lets the others train.
    fn freeze(&mut self, which: &dyn Fn(&str) -> bool) {
        self.visit("", &mut |name, slot| {
            if let Slot::Parameter(p) = slot {
                p.freeze(which(name));
            }
        });
    }
}

/// The part of a network whose names `which` picks.
pub struct Part<'a> {
    /// The whole.
    pub module: &'a mut dyn Module,
    /// Picks names.
    pub which: &'a dyn Fn(&str) -> bool,
}

impl Module for Part<'_> {
    fn visit(&mut self, path: &str, visitor: &mut dyn FnMut(&str, Slot<'_>)) {
        let which = self.which;
        self.module.visit(path, &mut |name, slot| {
            if which(name) {
                visitor(name, slot);
            }
        });
    }
}

/// The name of a part: `path.name`.
pub(crate) fn join(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}
