//! The zip that `torch.save` writes: one folder, and in it `data.pkl` and a storage per
//! `data/<key>`, none of them compressed.

use std::io::Cursor;

use zip::{CompressionMethod, ZipArchive};

/// A zip archive whose entries are borrowed, not copied.
pub struct Archive<'a> {
    bytes: &'a [u8],
    zip: ZipArchive<Cursor<&'a [u8]>>,
    /// Ends with a slash.
    folder: String,
}

/// Content of an archive, with the checksum that it should have.
#[derive(Clone, Copy)]
pub struct Entry<'a> {
    pub bytes: &'a [u8],
    checksum: u32,
}

impl<'a> Archive<'a> {
    /// Refuses archives that `torch.save` did not write, and says what they are if that is known.
    pub fn open(bytes: &'a [u8]) -> Result<Self, String> {
        let zip = ZipArchive::new(Cursor::new(bytes)).map_err(|error| {
            format!("not a complete PyTorch file ({error}); copy or write it again")
        })?;
        let mut folders = zip.file_names().filter_map(|name| {
            let folder = name.strip_suffix("data.pkl")?;
            let deep = folder.trim_end_matches('/').contains('/');
            (folder.ends_with('/') && !deep).then(|| folder.to_owned())
        });
        let folder = match (folders.next(), folders.next()) {
            (Some(folder), None) => folder,
            (Some(_), Some(_)) => return Err("a zip of several PyTorch files; unpack it".into()),
            (None, _) => {
                let what = "a zip without data.pkl, so not written by torch.save; save the weights \
                            in Python: torch.save(model.state_dict(), \"weights.pt\")";
                return Err(what.into());
            }
        };
        drop(folders);
        let mut archive = Archive { bytes, zip, folder };
        if archive.has("constants.pkl") {
            let what = "a TorchScript archive, which is a program; save its weights in Python: \
                        torch.save(torch.jit.load(file).state_dict(), \"weights.pt\")";
            return Err(what.into());
        }
        // Files of PyTorch before 2.1 do not state it and are little-endian.
        if archive.has("byteorder") && archive.entry("byteorder")?.checked("byteorder")? == b"big" {
            let what = "written on a big-endian machine; load and save it on a little-endian one \
                        with torch.serialization.set_default_load_endianness";
            return Err(what.into());
        }
        Ok(archive)
    }

    fn has(&self, name: &str) -> bool {
        self.zip.index_for_name(&format!("{}{name}", self.folder)).is_some()
    }

    /// The entry `name` of the folder. Reads its header only.
    pub fn entry(&mut self, name: &str) -> Result<Entry<'a>, String> {
        let damaged = |what: &dyn std::fmt::Display| {
            format!("its entry {name} is damaged ({what}); copy or write the file again")
        };
        let Some(place) = self.zip.index_for_name(&format!("{}{name}", self.folder)) else {
            return Err(format!("lacks its entry {name}; copy or write the file again"));
        };
        let entry = self.zip.by_index_raw(place).map_err(|error| damaged(&error))?;
        if entry.compression() != CompressionMethod::Stored || entry.encrypted() {
            return Err(format!(
                "its entry {name} is compressed or encrypted, which torch.save never does; unpack \
                 the zip and pack it without (zip -0 -r)"
            ));
        }
        let range = entry.data_start().and_then(|start| {
            let start = usize::try_from(start).ok()?;
            Some(start..start.checked_add(usize::try_from(entry.size()).ok()?)?)
        });
        let bytes = range.and_then(|range| self.bytes.get(range));
        let bytes = bytes.ok_or_else(|| damaged(&"it ends beyond the file"))?;
        Ok(Entry { bytes, checksum: entry.crc32() })
    }
}

impl<'a> Entry<'a> {
    /// The content, once its checksum has been compared.
    pub fn checked(self, name: &str) -> Result<&'a [u8], String> {
        // Files may be written without checksums (torch.serialization.set_crc32_options), as 0.
        if self.checksum != 0 && crc32fast::hash(self.bytes) != self.checksum {
            return Err(format!(
                "its entry {name} is damaged (its checksum differs); copy or write the file again"
            ));
        }
        Ok(self.bytes)
    }
}
