//! What a network is made of: named parameters and buffers.

use tensor::{Buffer, DType, Device, Shape, Tensor};

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
        let (shape, dtype) = (self.value.shape(), self.value.dtype());
        let memory = self.take();
        self.give_back(memory, shape, dtype);
    }

    /// Takes the memory out to be written over: without a copy, unless something else still holds
    /// the value. It must be [given back](Self::give_back).
    ///
    /// # Panics
    /// When something else holds a value on a device that has no memory for a copy.
    pub(crate) fn take(&mut self) -> Buffer {
        let value = std::mem::replace(&mut self.value, Tensor::zeros::<f32>([0]));
        value.into_memory().expect("memory for a copy of a parameter that is shared")
    }

    pub(crate) fn give_back(&mut self, memory: Buffer, shape: Shape, dtype: DType) {
        let value = Tensor::over(memory, shape, dtype);
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

    /// Where its parameters lie; the CPU if it has none.
    fn device(&mut self) -> Device {
        let mut device = Device::Cpu;
        self.visit("", &mut |_, slot| {
            if let Slot::Parameter(p) = slot {
                device = p.tensor().device();
            }
        });
        device
    }

    /// Moves every parameter and buffer to a device.
    ///
    /// # Errors
    /// When it has not so much memory left, or fails; some then lie there and some where they were.
    fn move_to(&mut self, device: &Device) -> tensor::Result<()> {
        let mut outcome = Ok(());
        self.visit("", &mut |_, slot| {
            let moved = match slot {
                Slot::Parameter(p) => p.tensor().on(device).map(|moved| p.set(moved)),
                Slot::Buffer(b) => b.on(device).map(|moved| *b = moved),
                Slot::Counter(_) => Ok(()),
            };
            if let Err(error) = moved {
                outcome = Err(error);
            }
        });
        outcome
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
