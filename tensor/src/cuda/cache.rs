//! Compiled kernels on disk.
//!
//! A file tells all that its machine code was made from: compiler, options and the whole source. Its
//! name is only a short hash of that, to be found by; what it holds is trusted when that text is the
//! one looked for, letter by letter, and the checksum is right. Anything else counts as not there,
//! and is replaced. So it does not matter how good the hash is, or that another release of Rust may
//! hash otherwise.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{self, Write};
use std::path::PathBuf;

/// What files begin with; the digit changes with their form.
const MAGIC: &[u8; 8] = b"cineGPU1";

/// A folder of compiled kernels.
pub struct Cache {
    folder: PathBuf,
}

/// What is kept of a program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Machine code.
    pub cubin: Vec<u8>,
    /// What the compiler had to say.
    pub log: String,
}

impl Cache {
    /// The user's: in the folder that `CINE_CACHE` names, or else among the caches of the system's
    /// user.
    pub fn of_user() -> Self {
        let variable = |name| std::env::var_os(name).filter(|v| !v.is_empty()).map(PathBuf::from);
        let folder = variable("CINE_CACHE")
            .or_else(|| variable("XDG_CACHE_HOME").map(|caches| caches.join("cine")))
            .or_else(|| variable("HOME").map(|home| home.join(".cache/cine")))
            .or_else(|| variable("LOCALAPPDATA").map(|home| home.join("cine")))
            .unwrap_or_else(|| std::env::temp_dir().join("cine"));
        Self::at(folder.join("kernels"))
    }

    /// One in a folder, which is made when something is kept.
    pub fn at(folder: PathBuf) -> Self {
        Cache { folder }
    }

    fn path(&self, origin: &str) -> PathBuf {
        let mut hasher = DefaultHasher::new();
        origin.hash(&mut hasher);
        self.folder.join(format!("{:016x}.cubin", hasher.finish()))
    }

    /// What was made from `origin`, if it is here and whole.
    pub fn get(&self, origin: &str) -> Option<Entry> {
        let file = std::fs::read(self.path(origin)).ok()?;
        let rest = file.strip_prefix(MAGIC)?;
        let (checksum, rest) = rest.split_first_chunk::<4>()?;
        if crc32fast::hash(rest) != u32::from_le_bytes(*checksum) {
            return None;
        }
        let (made_from, rest) = part(rest)?;
        let (log, rest) = part(rest)?;
        let (cubin, rest) = part(rest)?;
        let log = String::from_utf8(log.to_vec()).ok()?;
        (made_from == origin.as_bytes() && rest.is_empty())
            .then(|| Entry { cubin: cubin.to_vec(), log })
    }

    /// Keeps what was made from `origin`. Others find it whole or not at all, however many write it
    /// at once.
    pub fn put(&self, origin: &str, entry: &Entry) -> io::Result<()> {
        let mut content = Vec::new();
        for part in [origin.as_bytes(), entry.log.as_bytes(), &entry.cubin] {
            content.extend_from_slice(&(part.len() as u64).to_le_bytes());
            content.extend_from_slice(part);
        }
        std::fs::create_dir_all(&self.folder)?;
        let mut file = tempfile::NamedTempFile::new_in(&self.folder)?;
        file.write_all(MAGIC)?;
        file.write_all(&crc32fast::hash(&content).to_le_bytes())?;
        file.write_all(&content)?;
        file.persist(self.path(origin))?;
        Ok(())
    }
}

/// Splits off a part that begins with its length.
fn part(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
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
    fn what_was_kept_is_found_again() {
        let (_folder, cache) = cache();
        assert_eq!(cache.get("one"), None);
        cache.put("one", &entry(1)).unwrap();
        cache.put("other", &entry(2)).unwrap();
        assert_eq!(cache.get("one"), Some(entry(1)));
        assert_eq!(cache.get("other"), Some(entry(2)));
    }

    #[test]
    fn a_damaged_file_is_not_there() {
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
        assert_eq!(cache.get("one"), Some(entry(3)), "it is replaced");
    }

    #[test]
    fn a_foreign_file_of_the_same_name_is_not_there() {
        let (_folder, cache) = cache();
        cache.put("one", &entry(1)).unwrap();
        std::fs::rename(cache.path("one"), cache.path("other")).unwrap();
        assert_eq!(cache.get("other"), None);
    }

    #[test]
    fn writers_at_once_leave_a_whole_file() {
        let (_folder, cache) = cache();
        std::thread::scope(|scope| {
            for byte in 0..2 {
                let cache = &cache;
                scope.spawn(move || {
                    for _ in 0..200 {
                        cache.put("one", &entry(byte)).unwrap();
                        let found = cache.get("one").expect("one of the two, whole");
                        assert!(found == entry(0) || found == entry(1));
                    }
                });
            }
        });
        let left = std::fs::read_dir(&cache.folder).unwrap().count();
        assert_eq!(left, 1, "nothing half-written stays behind");
    }

    #[test]
    fn a_folder_that_cannot_be_made_is_an_error() {
        let (folder, _) = cache();
        let file = folder.path().join("file");
        std::fs::write(&file, "").unwrap();
        assert!(Cache::at(file.join("kernels")).put("one", &entry(1)).is_err());
    }
}
