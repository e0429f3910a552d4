//! The names that a state dict's pickle may use, and what they stand for.

use safetensors::tensor::Dtype;

use super::pickle::{Fault, Step, Storage, Value, damaged};

/// A name that is known.
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

/// Any other name is refused: Python would run what it names.
pub fn find(module: &str, name: &str) -> Step<Global> {
    let storage = match (module, name) {
        ("collections", "OrderedDict") => return Ok(Global::OrderedDict),
        ("torch._utils", "_rebuild_tensor_v2") => return Ok(Global::RebuildTensor),
        ("torch._utils", "_rebuild_parameter") => return Ok(Global::RebuildParameter),
        ("torch", "DoubleStorage") => Dtype::F64,
        ("torch", "FloatStorage") => Dtype::F32,
        ("torch", "HalfStorage") => Dtype::F16,
        ("torch", "BFloat16Storage") => Dtype::BF16,
        ("torch", "LongStorage") => Dtype::I64,
        ("torch", "IntStorage") => Dtype::I32,
        ("torch", "ShortStorage") => Dtype::I16,
        ("torch", "CharStorage") => Dtype::I8,
        ("torch", "ByteStorage") => Dtype::U8,
        ("torch", "BoolStorage") => Dtype::BOOL,
        // Without a type, PyTorch takes its elements for bytes.
        ("torch.storage" | "torch", "UntypedStorage") => Dtype::U8,
        _ => {
            let named: String = format!("{module}.{name}")
                .chars()
                .map(|letter| if letter.is_control() { '?' } else { letter })
                .take(100)
                .collect();
            return Err(Fault::Refused(format!(
                "holds more than weights: it asks for Python's {named}, which was not run; save \
                 the weights alone: torch.save(model.state_dict(), \"weights.pt\")"
            )));
        }
    };
    Ok(Global::Storage(storage))
}

/// Of a persistent identifier: `("storage", class, key, device, elements)`.
pub fn storage<'a>(id: &[Value<'a>]) -> Step<Storage<'a>> {
    match *id {
        [
            Value::Text("storage"),
            Value::Global(Global::Storage(dtype)),
            Value::Text(key),
            _,
            Value::Integer(len),
        ] => match u64::try_from(len) {
            Ok(len) => Ok(Storage { dtype, key, len }),
            Err(_) => damaged("a storage of a negative size"),
        },
        _ => damaged("a reference to what is no storage"),
    }
}
