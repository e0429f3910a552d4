//! The checksum of a weights file: of its tensors and of the text beside them.
//!
//! A flipped bit in a weight gives a network that runs and is wrong, and a safetensors file has no
//! checksum of its own.

use std::collections::BTreeMap;

use safetensors::tensor::Dtype;

/// The entry of a file's metadata that has the checksum, in hexadecimal.
pub const KEY: &str = "cine.blake3";

/// What the checksum covers of a tensor.
pub struct Part<'a> {
    pub dtype: Dtype,
    pub shape: Vec<usize>,
    pub bytes: &'a [u8],
}

/// The BLAKE3 hash of `metadata`, without the entry of the checksum itself, and of `tensors`.
pub fn checksum(metadata: &BTreeMap<&str, &str>, tensors: &BTreeMap<&str, Part<'_>>) -> String {
    let mut hasher = blake3::Hasher::new();
    // With its length first, no text can pass for the end of one and the start of the next.
    let mut add = |bytes: &[u8]| {
        hasher.update(&(bytes.len() as u64).to_le_bytes());
        hasher.update(bytes);
    };
    let entries = metadata.iter().filter(|&(&key, _)| key != KEY);
    for (key, value) in entries {
        add(key.as_bytes());
        add(value.as_bytes());
    }
    for (name, Part { dtype, shape, bytes }) in tensors {
        add(name.as_bytes());
        add(dtype.to_string().as_bytes());
        let axes = shape.iter().flat_map(|&axis| (axis as u64).to_le_bytes());
        add(&axes.collect::<Vec<u8>>());
        add(bytes);
    }
    hasher.finalize().to_hex().to_string()
}
