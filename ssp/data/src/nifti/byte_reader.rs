//! A file's bytes in order, decompressed if they are gzipped.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;

use flate2::bufread::GzDecoder;

use crate::{Error, Result};

/// Deflate compresses by at most this factor, so a gzip file's size bounds its content.
const DEFLATE_LIMIT: u64 = 1032;

/// An open file, and how far it has been read. Positions count decompressed bytes.
pub(super) struct ByteReader {
    bytes: Box<dyn Read>,
    position: u64,
    /// Upper bound of the file's decompressed size.
    limit: u64,
    /// Whether the content is gzipped.
    pub(super) gzipped: bool,
    /// Whether the file's name says that it is gzipped.
    pub(super) named_gz: bool,
}

impl ByteReader {
    /// Opens a file. Its first two bytes show whether it is gzipped.
    pub(super) fn open(path: &Path) -> Result<ByteReader> {
        let file = File::open(path).map_err(|error| Error::io(path, error))?;
        let metadata = file.metadata().map_err(|error| Error::io(path, error))?;
        if metadata.is_dir() {
            return Err(Error::file(path, "is a folder, not a NIfTI file"));
        }
        let mut file = BufReader::with_capacity(1 << 16, file);
        let start = file.fill_buf().map_err(|error| Error::io(path, error))?;
        if start.is_empty() {
            return Err(Error::file(path, "is empty"));
        }
        let gzipped = start.starts_with(&[0x1f, 0x8b]);
        let named_gz = path.extension().is_some_and(|end| end.eq_ignore_ascii_case("gz"));
        let (bytes, limit): (Box<dyn Read>, u64) = if gzipped {
            (Box::new(GzipMembers::new(file)), metadata.len().saturating_mul(DEFLATE_LIMIT))
        } else {
            (Box::new(file), metadata.len())
        };
        Ok(ByteReader { bytes, position: 0, limit, gzipped, named_gz })
    }

    /// Fills `buffer` as far as the file goes, and returns the number of bytes read.
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

    /// Reads on to a position.
    pub(super) fn skip_to(&mut self, position: u64) -> std::result::Result<(), String> {
        let gap = position.saturating_sub(self.position);
        match std::io::copy(&mut self.bytes.by_ref().take(gap), &mut std::io::sink()) {
            Ok(count) => self.position += count,
            Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => {}
            Err(error) => return Err(self.damage(&error)),
        }
        if self.position < position {
            return Err(format!(
                "is truncated: its voxels should begin at byte {position}, and it ends before"
            ));
        }
        Ok(())
    }

    /// Refuses a file that is too small to hold `bytes` more, before memory is allocated for them.
    pub(super) fn check_remaining(&self, bytes: u64) -> std::result::Result<(), String> {
        if self.position.saturating_add(bytes) <= self.limit {
            return Ok(());
        }
        Err(format!(
            "is truncated: its header promises {bytes} bytes of voxels, and the file can hold at \
             most {}",
            self.limit.saturating_sub(self.position)
        ))
    }

    /// Reads what follows the voxels, so that the decoder compares gzip's checksum.
    pub(super) fn verify_checksum(&mut self) -> std::result::Result<(), String> {
        if !self.gzipped {
            return Ok(());
        }
        let rest = std::io::copy(&mut self.bytes.by_ref().take(1 << 20), &mut std::io::sink());
        rest.map(|_| ()).map_err(|error| self.damage(&error))
    }

    fn damage(&self, error: &std::io::Error) -> String {
        let kind = if self.gzipped { "gzip data are damaged" } else { "cannot be read" };
        format!("{kind} after {} bytes: {error}", self.position)
    }
}

/// The content of a gzip file, member after member. Zero bytes behind a member are padding, as `gzip` and
/// Python read them: tapes and some copying programs fill the last block with zeros.
struct GzipMembers<R> {
    /// None behind the last member.
    member: Option<GzDecoder<R>>,
}

impl<R: BufRead> GzipMembers<R> {
    fn new(file: R) -> GzipMembers<R> {
        GzipMembers { member: Some(GzDecoder::new(file)) }
    }
}

impl<R: BufRead> Read for GzipMembers<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        while let Some(member) = &mut self.member {
            match member.read(buffer)? {
                0 => {}
                count => return Ok(count),
            }
            let Some(mut file) = self.member.take().map(GzDecoder::into_inner) else { break };
            if skip_zeros(&mut file)? {
                self.member = Some(GzDecoder::new(file));
            }
        }
        Ok(0)
    }
}

/// Skips zero bytes, and returns whether another byte follows them.
fn skip_zeros(file: &mut impl BufRead) -> std::io::Result<bool> {
    loop {
        let bytes = file.fill_buf()?;
        let zeros = bytes.iter().take_while(|&&byte| byte == 0).count();
        if zeros < bytes.len() {
            file.consume(zeros);
            return Ok(true);
        }
        if bytes.is_empty() {
            return Ok(false);
        }
        file.consume(zeros);
    }
}
