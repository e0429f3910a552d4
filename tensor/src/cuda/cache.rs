//! A cache of compiled kernels on disk.
//!
//! Each file stores the full key of its machine code: compiler version, options and source. The file
//! name is a short hash of the key and only serves the lookup. An entry is valid if the stored key
//! equals the one requested and the checksum is correct; otherwise it counts as absent and is
//! replaced. So neither hash collisions nor a change of Rust's hash function can return wrong code.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{self, Write};
use std::path::PathBuf;

/// The first bytes of every file. The digit is the version of the format.
const MAGIC: &[u8; 8] = b"cineGPU1";

/// A cache in a folder.
pub struct Cache {
    folder: PathBuf,
}

/// The result of compiling a program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Machine code.
    pub cubin: Vec<u8>,
    /// The compiler's log.
    pub log: String,
}

impl Cache {
    /// The cache of the user: in the folder `CINE_CACHE` if set, else in the user's cache directory.
    pub fn of_user() -> Self {
        let variable = |name| std::env::var_os(name).filter(|v| !v.is_empty()).map(PathBuf::from);
        let folder = variable("CINE_CACHE")
            .or_else(|| variable("XDG_CACHE_HOME").map(|caches| caches.join("cine")))
            .or_else(|| variable("HOME").map(|home| home.join(".cache/cine")))
            .or_else(|| variable("LOCALAPPDATA").map(|home| home.join("cine")))
            .unwrap_or_else(|| std::env::temp_dir().join("cine"));
        Self::at(folder.join("kernels"))
    }

    /// The cache in `folder`, which is created with the first entry.
    pub fn at(folder: PathBuf) -> Self {
        Cache { folder }
    }

    fn path(&self, key: &str) -> PathBuf {
        let mut hasher = DefaultHasher::new();
        key.hash(&mut hasher);
        self.folder.join(format!("{:016x}.cubin", hasher.finish()))
    }

    /// The entry for `key`, if there is a valid one.
    pub fn get(&self, key: &str) -> Option<Entry> {
        let file = std::fs::read(self.path(key)).ok()?;
        let rest = file.strip_prefix(MAGIC)?;
        let (checksum, rest) = rest.split_first_chunk::<4>()?;
        if crc32fast::hash(rest) != u32::from_le_bytes(*checksum) {
            return None;
        }
        let (stored_key, rest) = split_field(rest)?;
        let (log, rest) = split_field(rest)?;
        let (cubin, rest) = split_field(rest)?;
        let log = String::from_utf8(log.to_vec()).ok()?;
        (stored_key == key.as_bytes() && rest.is_empty())
            .then(|| Entry { cubin: cubin.to_vec(), log })
    }

    /// Stores an entry. The file is replaced atomically, so concurrent readers and writers see a
    /// complete entry or none.
    pub fn put(&self, key: &str, entry: &Entry) -> io::Result<()> {
        let mut content = Vec::new();
        for field in [key.as_bytes(), entry.log.as_bytes(), &entry.cubin] {
            content.extend_from_slice(&(field.len() as u64).to_le_bytes());
            content.extend_from_slice(field);
        }
        std::fs::create_dir_all(&self.folder)?;
        let mut file = tempfile::NamedTempFile::new_in(&self.folder)?;
        file.write_all(MAGIC)?;
        file.write_all(&crc32fast::hash(&content).to_le_bytes())?;
        file.write_all(&content)?;
        file.persist(self.path(key))?;
        Ok(())
    }
}

/// Splits off a field that is preceded by its length.
fn split_field(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (len, rest) = bytes.split_first_chunk::<8>()?;
    rest.split_at_checked(usize::try_from(u64::from_le_bytes(*len)).ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cache() -> (tempfile::TempDir, Cache) {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::at(folder.path().join("kernels"));
        (folder, cache)
    }

    fn entry(byte: u8) -> Entry {
        Entry { cubin: vec![byte; 10_000], log: format!("registers: {byte}") }
    }

    #[test]
    fn stored_entries_are_found() {
        let (_folder, cache) = cache();
        assert_eq!(cache.get("one"), None);
        cache.put("one", &entry(1)).unwrap();
        cache.put("other", &entry(2)).unwrap();
        assert_eq!(cache.get("one"), Some(entry(1)));
        assert_eq!(cache.get("other"), Some(entry(2)));
    }

    #[test]
    fn a_damaged_file_counts_as_absent() {
        let (_folder, cache) = cache();
        cache.put("one", &entry(1)).unwrap();
        let whole = std::fs::read(cache.path("one")).unwrap();
        for byte in (0..whole.len()).step_by(97).chain(0..64) {
            let mut damaged = whole.clone();
            damaged[byte] ^= 0x10;
            std::fs::write(cache.path("one"), &damaged).unwrap();
            assert_eq!(cache.get("one"), None, "byte {byte}");
        }
        for len in [0, 5, 11, 20, 40, whole.len() - 1] {
            std::fs::write(cache.path("one"), &whole[..len]).unwrap();
            assert_eq!(cache.get("one"), None, "{len} bytes");
        }
        cache.put("one", &entry(3)).unwrap();
        assert_eq!(cache.get("one"), Some(entry(3)), "the damaged file is replaced");
    }

    #[test]
    fn a_file_with_another_key_counts_as_absent() {
        let (_folder, cache) = cache();
        cache.put("one", &entry(1)).unwrap();
        std::fs::rename(cache.path("one"), cache.path("other")).unwrap();
        assert_eq!(cache.get("other"), None);
    }

    #[test]
    fn concurrent_writers_leave_one_complete_file() {
        let (_folder, cache) = cache();
        std::thread::scope(|scope| {
            for byte in 0..2 {
                let cache = &cache;
                scope.spawn(move || {
                    for _ in 0..200 {
                        cache.put("one", &entry(byte)).unwrap();
                        let found = cache.get("one").expect("a complete entry");
                        assert!(found == entry(0) || found == entry(1));
                    }
                });
            }
        });
        let files = std::fs::read_dir(&cache.folder).unwrap().count();
        assert_eq!(files, 1, "temporary files are gone");
    }

    #[test]
    fn a_folder_that_cannot_be_created_is_an_error() {
        let (folder, _) = cache();
        let file = folder.path().join("file");
        std::fs::write(&file, "").unwrap();
        assert!(Cache::at(file.join("kernels")).put("one", &entry(1)).is_err());
    }
}
