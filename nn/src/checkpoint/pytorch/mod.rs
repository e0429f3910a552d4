//! State dicts as `torch.save` writes them, read without Python and without running anything.

mod archive;
mod globals;
mod names;
mod pickle;

use std::collections::BTreeMap;
use std::collections::HashMap;

use archive::{Archive, Entry};
use pickle::{Object, Pickle, Storage, Tensor, Value};

use super::found::{Found, size_of};

/// As PyTorch has it.
const MOST_AXES: usize = 64;

/// Why a file of the kinds that begin with `bytes` is refused, or nothing.
pub fn refusal(bytes: &[u8]) -> Option<String> {
    // Before the zip, a file was five pickles and raw bytes, of which the first is this number;
    // before that, a tar.
    let number = b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.";
    let tar = bytes.get(257..262) == Some(b"ustar");
    (bytes.starts_with(number) || tar).then(|| {
        "written in the format of PyTorch before 1.6, of 2020; write it again in Python: \
         torch.save(torch.load(file, map_location=\"cpu\"), \"weights.pt\")"
            .to_owned()
    })
}

/// Whether a file that begins with `bytes` is a zip.
pub fn is_archive(bytes: &[u8]) -> bool {
    bytes.starts_with(b"PK\x03\x04") || bytes.starts_with(b"PK\x05\x06")
}

/// The shape of every tensor. Looks at no values.
pub fn shapes(bytes: &[u8]) -> Result<BTreeMap<String, Vec<usize>>, String> {
    let tensors = read(bytes, |_, entry| Ok(entry.bytes))?;
    Ok(tensors.into_iter().map(|(name, found)| (name, found.shape)).collect())
}

/// Every tensor, once the checksums of all they lie in have been compared.
pub fn tensors(bytes: &[u8]) -> Result<HashMap<String, Found<'_>>, String> {
    read(bytes, |name, entry| entry.checked(name))
}

fn read<'a>(
    bytes: &'a [u8],
    content: impl Fn(&str, Entry<'a>) -> Result<&'a [u8], String>,
) -> Result<HashMap<String, Found<'a>>, String> {
    let mut archive = Archive::open(bytes)?;
    let pickle = pickle::read(archive.entry("data.pkl")?.checked("data.pkl")?)?;
    let mut storages = HashMap::new();
    let mut room = bytes.len();
    let mut tensors = HashMap::new();
    for (name, tensor) in names::tensors(&pickle)? {
        let Storage { dtype, key, len } = tensor.storage;
        let bytes = match storages.get(key) {
            Some(&bytes) => bytes,
            None => {
                let entry = format!("data/{key}");
                let found = archive.entry(&entry)?;
                // Entries that overlap could have a small file read for hours.
                room = room.checked_sub(found.bytes.len()).ok_or_else(|| {
                    "its entries overlap; copy or write the file again".to_owned()
                })?;
                let bytes = content(&entry, found)?;
                storages.insert(key, bytes);
                bytes
            }
        };
        let all = usize::try_from(len).ok().and_then(|len| len.checked_mul(size_of(dtype)));
        let found = all
            .and_then(|all| bytes.get(..all))
            .ok_or_else(|| format!("{len} elements in {} bytes", bytes.len()))
            .and_then(|storage| view(&pickle, tensor, storage));
        let found = found.map_err(|what| {
            format!("{name} cannot be read ({what}); copy or write the file again")
        })?;
        tensors.insert(name, found);
    }
    Ok(tensors)
}

/// What a tensor claims to be, if its storage has it.
fn view<'a>(
    pickle: &Pickle<'_>,
    tensor: &Tensor<'_>,
    storage: &'a [u8],
) -> Result<Found<'a>, String> {
    let offset = count(tensor.offset)?;
    let (shape, strides) = (counts(pickle, tensor.shape)?, counts(pickle, tensor.strides)?);
    Found::view(tensor.storage.dtype, shape, strides, offset, storage)
}

fn counts(pickle: &Pickle<'_>, tuple: Value<'_>) -> Result<Vec<usize>, String> {
    match pickle.object(tuple) {
        Some(Object::Tuple(items)) if items.len() <= MOST_AXES => {
            items.iter().map(|&item| count(item)).collect()
        }
        _ => Err("its shape or strides are no tuple".into()),
    }
}

fn count(value: Value<'_>) -> Result<usize, String> {
    match value {
        Value::Integer(number) => {
            usize::try_from(number).map_err(|_| format!("{number} as a size"))
        }
        _ => Err("a size that is no number".into()),
    }
}
