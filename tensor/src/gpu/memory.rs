//! Memory of a device, given back when it is dropped.

use std::sync::Arc;

use super::{Address, Gpu};
use crate::Result;

/// Memory of a [`Gpu`], of a fixed length in bytes.
pub struct Memory {
    gpu: Arc<dyn Gpu>,
    /// Null where there is nothing.
    address: Address,
    bytes: usize,
}

impl Memory {
    /// Memory for so many bytes, holding anything.
    ///
    /// # Errors
    /// When there is not so much left.
    pub fn stale(gpu: &Arc<dyn Gpu>, bytes: usize) -> Result<Self> {
        let address = if bytes == 0 { Address::NULL } else { gpu.allocate(bytes)? };
        Ok(Memory { gpu: gpu.clone(), address, bytes })
    }

    /// A copy of the host's bytes.
    ///
    /// # Errors
    /// When there is not so much memory left, or the device fails.
    pub fn from_host(gpu: &Arc<dyn Gpu>, bytes: &[u8]) -> Result<Self> {
        let memory = Self::stale(gpu, bytes.len())?;
        if !bytes.is_empty() {
            // SAFETY: the memory was allocated for as many bytes.
            unsafe { gpu.write(memory.address, bytes)? };
        }
        Ok(memory)
    }

    /// Copies to the host, which has as many bytes.
    ///
    /// # Errors
    /// When the device fails, or a kernel launched before did.
    pub fn read(&self, bytes: &mut [u8]) -> Result<()> {
        assert_eq!(bytes.len(), self.bytes, "memory and what it is read into");
        match self.bytes {
            0 => Ok(()),
            // SAFETY: the memory was allocated for as many bytes.
            _ => unsafe { self.gpu.read(self.address, bytes) },
        }
    }

    /// A copy on the same device.
    ///
    /// # Errors
    /// When there is not so much memory left, or the device fails.
    pub fn copied(&self) -> Result<Self> {
        let copy = Self::stale(&self.gpu, self.bytes)?;
        if self.bytes > 0 {
            // SAFETY: both were allocated for as many bytes, one after the other.
            unsafe { self.gpu.copy(self.address, copy.address, self.bytes)? };
        }
        Ok(copy)
    }

    /// Whose it is.
    pub fn gpu(&self) -> &Arc<dyn Gpu> {
        &self.gpu
    }

    /// Where it begins.
    pub fn address(&self) -> Address {
        self.address
    }

    /// How long it is.
    pub fn bytes(&self) -> usize {
        self.bytes
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        if self.bytes > 0 {
            // SAFETY: it was allocated for as many bytes, and nobody else holds it.
            unsafe { self.gpu.release(self.address, self.bytes) };
        }
    }
}
