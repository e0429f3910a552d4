//! A file's bytes in order, unpacked on the way if they are gzipped.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;

use flate2::bufread::MultiGzDecoder;

use crate::{Error, Result};

/// Deflate cannot shrink anything by more than this factor, so a gzip file's size bounds its content.
const DEFLATE_LIMIT: u64 = 1032;

/// An open file, and how far it has been read.
pub(super) struct Stream {
    bytes: Box<dyn Read>,
    /// Unpacked bytes read so far.
    position: u64,
    /// At most so many unpacked bytes can be in the file.
    limit: u64,
    /// Whether the file is gzipped.
    pub(super) zipped: bool,
    /// Whether the file's name claims that it is gzipped.
    pub(super) named_zipped: bool,
}

impl Stream {
    /// Opens a file, and tells by its first two bytes whether it is gzipped.
    ///
    /// # Errors
    /// If the file cannot be opened, or is empty.
    pub(super) fn open(path: &Path) -> Result<Stream> {
        let file = File::open(path).map_err(|error| Error::io(path, error))?;
        let about = file.metadata().map_err(|error| Error::io(path, error))?;
        if about.is_dir() {
            return Err(Error::file(path, "is a folder, not a NIfTI file"));
        }
        let mut file = BufReader::with_capacity(1 << 16, file);
        let start = file.fill_buf().map_err(|error| Error::io(path, error))?;
        if start.is_empty() {
            return Err(Error::file(path, "is empty"));
        }
        let zipped = start.starts_with(&[0x1f, 0x8b]);
        let named_zipped = path.extension().is_some_and(|end| end.eq_ignore_ascii_case("gz"));
        let (bytes, limit): (Box<dyn Read>, u64) = if zipped {
            (Box::new(MultiGzDecoder::new(file)), about.len().saturating_mul(DEFLATE_LIMIT))
        } else {
            (Box::new(file), about.len())
        };
        Ok(Stream { bytes, position: 0, limit, zipped, named_zipped })
    }

    /// Fills as much of `buffer` as the file has bytes for, and returns how much that was.
    pub(super) fn fill(&mut self, buffer: &mut [u8]) -> std::result::Result<usize, String> {
        let mut filled = 0;
        while filled < buffer.len() {
            match self.bytes.read(&mut buffer[filled..]) {
                Ok(0) => break,
                Ok(count) => filled += count,
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => break,
                Err(error) => return Err(self.damage(&error)),
            }
        }
        self.position += filled as u64;
        Ok(filled)
    }

    /// Reads on to the given position, counted in unpacked bytes from the start.
    pub(super) fn skip_to(&mut self, position: u64) -> std::result::Result<(), String> {
        let gap = position.saturating_sub(self.position);
        let skipped = std::io::copy(&mut self.bytes.by_ref().take(gap), &mut std::io::sink());
        match skipped {
            Ok(count) => self.position += count,
            Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => {}
            Err(error) => return Err(self.damage(&error)),
        }
        if self.position < position {
            return Err(format!(
                "is cut short: its voxels should begin at byte {position}, and it ends before"
            ));
        }
        Ok(())
    }

    /// Refuses a file that is too small to hold `bytes` more, before any memory is asked for.
    pub(super) fn expect(&self, bytes: u64) -> std::result::Result<(), String> {
        if self.position.saturating_add(bytes) <= self.limit {
            return Ok(());
        }
        Err(format!(
            "is cut short: its header promises {bytes} bytes of voxels, and the file has room for \
             {} at most",
            self.limit.saturating_sub(self.position)
        ))
    }

    /// Reads what follows the voxels, so that gzip's checksum is compared.
    pub(super) fn finish(&mut self) -> std::result::Result<(), String> {
        if !self.zipped {
            return Ok(());
        }
        let rest = std::io::copy(&mut self.bytes.by_ref().take(1 << 20), &mut std::io::sink());
        rest.map(|_| ()).map_err(|error| self.damage(&error))
    }

    fn damage(&self, error: &std::io::Error) -> String {
        let kind = if self.zipped { "gzip data are damaged" } else { "cannot be read" };
        format!("{kind} after {} bytes: {error}", self.position)
    }
}
