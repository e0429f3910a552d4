//! State dicts of `torch.save`, read without Python and without running any code from the file.

mod archive;
mod globals;
mod names;
mod pickle;
mod value;

use std::collections::{BTreeMap, HashMap};

use archive::{Archive, Entry};
use value::{Object, Pickle, PickledTensor, Storage, Value};

use super::file_tensor::{FileTensor, size_of};

/// PyTorch's limit.
const MOST_AXES: usize = 64;

/// Why a file that begins with `bytes` is refused, if it is.
pub fn refusal(bytes: &[u8]) -> Option<String> {
    // Before zip archives, a file was five pickles, of which the first is this number, and raw bytes;
    // before that, a tar archive.
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

/// The shape of every tensor. Reads no values.
pub fn shapes(bytes: &[u8]) -> Result<BTreeMap<String, Vec<usize>>, String> {
    let tensors = read(bytes, |_, entry| Ok(entry.bytes))?;
    Ok(tensors.into_iter().map(|(name, found)| (name, found.shape)).collect())
}

/// Every tensor, after the checksums of their storages have been compared.
pub fn tensors(bytes: &[u8]) -> Result<HashMap<String, FileTensor<'_>>, String> {
    read(bytes, |name, entry| entry.checked(name))
}

fn read<'a>(
    bytes: &'a [u8],
    content: impl Fn(&str, Entry<'a>) -> Result<&'a [u8], String>,
) -> Result<HashMap<String, FileTensor<'a>>, String> {
    let mut archive = Archive::open(bytes)?;
    let pickle = pickle::read(archive.entry("data.pkl")?.checked("data.pkl")?)?;
    let mut storages = HashMap::new();
    let mut unread = bytes.len();
    let mut tensors = HashMap::new();
    for (name, tensor) in names::tensors(&pickle)? {
        let Storage { dtype, key, len } = tensor.storage;
        let bytes = match storages.get(key) {
            Some(&bytes) => bytes,
            None => {
                let entry = format!("data/{key}");
                let found = archive.entry(&entry)?;
                // Overlapping entries could make reading a small file take hours.
                unread = unread.checked_sub(found.bytes.len()).ok_or_else(|| {
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

/// The tensor that the pickle describes, if its storage has it.
fn view<'a>(
    pickle: &Pickle<'_>,
    tensor: &PickledTensor<'_>,
    storage: &'a [u8],
) -> Result<FileTensor<'a>, String> {
    let offset = count(tensor.offset)?;
    let (shape, strides) = (counts(pickle, tensor.shape)?, counts(pickle, tensor.strides)?);
    FileTensor::view(tensor.storage.dtype, shape, strides, offset, storage)
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

#[cfg(test)]
mod tests {
    use std::io::{Cursor, Write};

    use zip::write::SimpleFileOptions;
    use zip::{CompressionMethod, ZipWriter};

    use super::*;

    /// An archive of a pickle, written by hand, and of one storage of 8 floats.
    fn archive(pickle: &[u8]) -> Vec<u8> {
        let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
        let stored = SimpleFileOptions::default().compression_method(CompressionMethod::Stored);
        for (name, content) in [("a/data.pkl", pickle), ("a/data/0", &[0; 32])] {
            zip.start_file(name, stored).unwrap();
            zip.write_all(content).unwrap();
        }
        zip.finish().unwrap().into_inner()
    }

    /// A pickle of one tensor named x, in protocol 2; a character is a byte.
    fn tensor(key: &str, len: &str, offset: &str, shape: &str, strides: &str) -> Vec<u8> {
        let text = |text: &str| format!("X{}\0\0\0{text}", char::from(text.len() as u8));
        format!(
            "}}{}ctorch._utils\n_rebuild_tensor_v2\n((X\x07\0\0\0storagectorch\nFloatStorage\n{}{}\
             {len}tQ{offset}({shape}t({strides}tNNtRs.",
            text("x"),
            text(key),
            text("cpu"),
        )
        .chars()
        .map(|byte| byte as u8)
        .collect()
    }

    fn refusal(pickle: &[u8]) -> String {
        tensors(&archive(pickle)).unwrap_err()
    }

    #[test]
    fn a_tensor_stays_within_its_storage() {
        let good = archive(&tensor("0", "K\x08", "K\x02", "K\x02K\x03", "K\x01K\x02"));
        let found = tensors(&good).unwrap();
        assert_eq!(found["x"].shape, [2, 3]);

        // 2 to the power of 62.
        let huge = "\u{8a}\x08\0\0\0\0\0\0\0\x40";
        for (what, pickle) in [
            ("9 elements in 32 bytes", tensor("0", "K\x09", "K\0", "K\x02", "K\x01")),
            ("elements in 32 bytes", tensor("0", huge, "K\0", "K\x02", "K\x01")),
            ("lacks its entry data/1", tensor("1", "K\x08", "K\0", "K\x02", "K\x01")),
            ("of 8 elements that are there", tensor("0", "K\x08", "K\x07", "K\x02", "K\x01")),
            ("of 8 elements that are there", tensor("0", "K\x08", "K\x09", "K\0", "K\x01")),
            ("of 8 elements that are there", tensor("0", "K\x08", huge, "K\x02", "K\x01")),
            ("share memory", tensor("0", "K\x08", "K\0", &huge.repeat(2), "K\x01K\x02")),
            ("that are there", tensor("0", "K\x08", "K\0", "K\x03K\x03", &format!("K\x01{huge}"))),
            ("share memory", tensor("0", "K\x08", "K\0", "K\x02K\x02", "K\x01K\x01")),
            ("2 axes and 1 strides", tensor("0", "K\x08", "K\0", "K\x02K\x02", "K\x01")),
            ("a size that is no number", tensor("0", "K\x08", "K\0", "N", "K\x01")),
        ] {
            let error = refusal(&pickle);
            assert!(error.contains(what), "{error}, not {what}");
        }
        // No elements, whatever the other sizes.
        let none =
            tensor("0", "K\x08", "K\0", &format!("K\0{}", huge.repeat(2)), "K\x01K\x01K\x01");
        assert_eq!(
            tensors(&archive(&none)).unwrap()["x"].decode().unwrap().dims().iter().min(),
            Some(&0)
        );
    }

    #[test]
    fn no_pickle_makes_reading_endless_or_deep() {
        let a = b"X\x01\0\0\0a";
        let cycle = [b"}q\0", a.as_slice(), b"h\0s."].concat();
        assert!(refusal(&cycle).contains("nested more than 16 deep"));

        let deep = [&[b"}", a.as_slice()].concat().repeat(100_000), &b"}"[..]].concat();
        let deep = [deep, b"s".repeat(100_000), b".".to_vec()].concat();
        assert!(refusal(&deep).contains("nested more than 16 deep"));

        // Each dict contains the one before it 200 times.
        let mut wide = b"}q\0".to_vec();
        for level in 0..10 {
            wide.extend_from_slice(&[b'}', b'q', level + 1, b'(']);
            let entry = [a.as_slice(), &[b'h', level]].concat();
            wide.extend(entry.repeat(200));
            wide.push(b'u');
        }
        wide.push(b'.');
        assert!(refusal(&wide).contains("more than 100000 entries"));

        let long = [b"\x8d".as_slice(), &u64::MAX.to_le_bytes(), b"x."].concat();
        assert!(refusal(&long).contains("cannot be read at byte 0 (it ends there)"));
        assert!(refusal(&vec![b'}'; (4 << 20) + 1]).contains("more than names and shapes"));
    }

    #[test]
    fn random_pickles_are_read_or_refused() {
        let opcodes = b"\x80\x95.((012N\x88GKKMJ\x8a\x8b\x8cXX\x8dUT\x8e))\x85\x86\x87tt}}}ssuu]ae\x91qrh\x94jcc\x93QRRbb\0\0\x01";
        let good = tensor("0", "K\x08", "K\x02", "K\x02K\x03", "K\x01K\x02");
        let mut state = 1u64;
        let mut random = |below: usize| {
            state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            (state >> 33) as usize % below
        };
        let mut read = 0;
        for _ in 0..100_000 {
            let mut pickle = good.clone();
            for _ in 0..=random(4) {
                let place = random(pickle.len());
                pickle[place] = opcodes[random(opcodes.len())];
            }
            if let Ok(pickle) = pickle::read(&pickle) {
                read += 1;
                for (_, tensor) in names::tensors(&pickle).unwrap_or_default() {
                    let _ = view(&pickle, tensor, &[0; 32]).map(|found| found.decode());
                }
            }
        }
        assert!((1_000..99_000).contains(&read), "{read}");
    }
}
