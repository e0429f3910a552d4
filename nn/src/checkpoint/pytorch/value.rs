//! What a pickle contains: values, the objects that they refer to, and why reading stops.

use safetensors::tensor::Dtype;

/// A Python value. Strings are borrowed from the pickle.
#[derive(Clone, Copy, Debug)]
pub enum Value<'a> {
    None,
    Integer(i64),
    Text(&'a str),
    /// What is ignored: booleans, floats, bytes, integers of more than 64 bits, lists and sets.
    Other,
    Global(Global),
    /// By its index among all of the pickle's objects.
    Object(usize),
}

/// A Python name that may appear in a state dict.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Global {
    /// `collections.OrderedDict`
    OrderedDict,
    /// `torch._utils._rebuild_tensor_v2`
    RebuildTensor,
    /// `torch._utils._rebuild_parameter`
    RebuildParameter,
    /// The class of a storage, by the type of its elements.
    Storage(Dtype),
}

/// What a [`Value`] can refer to.
#[derive(Debug)]
pub enum Object<'a> {
    Tuple(Vec<Value<'a>>),
    Dict(Vec<(Value<'a>, Value<'a>)>),
    Storage(Storage<'a>),
    Tensor(Box<PickledTensor<'a>>),
}

/// Memory that tensors share: the entry `data/<key>` of the archive.
#[derive(Clone, Copy, Debug)]
pub struct Storage<'a> {
    pub dtype: Dtype,
    pub key: &'a str,
    /// In elements.
    pub len: u64,
}

/// A view of a storage, as the pickle describes it. Nothing is checked yet.
#[derive(Debug)]
pub struct PickledTensor<'a> {
    pub storage: Storage<'a>,
    /// In elements, as are the strides.
    pub offset: Value<'a>,
    /// A tuple, as are the strides.
    pub shape: Value<'a>,
    pub strides: Value<'a>,
}

/// Everything that a pickle makes.
#[derive(Debug)]
pub struct Pickle<'a> {
    pub objects: Vec<Object<'a>>,
    pub root: Value<'a>,
}

impl<'a> Pickle<'a> {
    /// The object that a value refers to, if it does.
    pub fn object(&self, value: Value<'a>) -> Option<&Object<'a>> {
        match value {
            Value::Object(index) => self.objects.get(index),
            _ => None,
        }
    }
}

/// Why a pickle is not read to its end.
pub enum PickleError {
    /// It is intact, but is not accepted; the line is complete.
    Refused(String),
    /// It is not the pickle of a state dict; says what is wrong at this byte.
    Damaged(&'static str),
}

/// The result type of reading pickles.
pub type PickleResult<T> = Result<T, PickleError>;

/// That a pickle is damaged.
pub fn damaged<T>(what: &'static str) -> PickleResult<T> {
    Err(PickleError::Damaged(what))
}
