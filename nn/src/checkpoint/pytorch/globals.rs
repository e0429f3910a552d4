//! The Python names that a state dict's pickle may use, and what they mean.

use safetensors::tensor::Dtype;

use super::value::{Global, PickleError, PickleResult, Storage, Value, damaged};

/// The meaning of a known name. Any other one is refused: Python would call what it names.
pub fn find(module: &str, name: &str) -> PickleResult<Global> {
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
        // PyTorch treats the elements of a storage without a type as bytes.
        ("torch.storage" | "torch", "UntypedStorage") => Dtype::U8,
        _ => {
            let named: String = format!("{module}.{name}")
                .chars()
                .map(|letter| if letter.is_control() { '?' } else { letter })
                .take(100)
                .collect();
            return Err(PickleError::Refused(format!(
                "holds more than weights: it asks for Python's {named}, which was not run; save \
                 the weights alone: torch.save(model.state_dict(), \"weights.pt\")"
            )));
        }
    };
    Ok(Global::Storage(storage))
}

/// The storage of a persistent identifier: `("storage", class, key, device, elements)`.
pub fn storage<'a>(id: &[Value<'a>]) -> PickleResult<Storage<'a>> {
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
        _ => damaged("a reference to something other than a storage"),
    }
}
