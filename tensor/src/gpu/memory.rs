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
        let address = if bytes.is_empty() { Address::NULL } else { gpu.upload(bytes)? };
        Ok(Memory { gpu: gpu.clone(), address, bytes: bytes.len() })
    }

    /// Copies from the host, which has as many bytes at most.
    ///
    /// # Errors
    /// When the device fails.
    pub fn write(&self, bytes: &[u8]) -> Result<()> {
        assert!(bytes.len() <= self.bytes, "memory and what is written to it");
        match bytes.len() {
            0 => Ok(()),
            // SAFETY: the memory was allocated for as many bytes.
            _ => unsafe { self.gpu.write(self.address, bytes) },
        }
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
        copy.copy_from(self)?;
        Ok(copy)
    }

    /// Copies from memory of the same device, equally long.
    ///
    /// # Errors
    /// When the device fails.
    pub fn copy_from(&self, from: &Memory) -> Result<()> {
        assert_eq!(from.bytes, self.bytes, "memory and what is copied to it");
        assert!(Arc::ptr_eq(&from.gpu, &self.gpu), "memory of two devices");
        match self.bytes {
            0 => Ok(()),
            _ if from.address == self.address => Ok(()),
            // SAFETY: both were allocated for as many bytes, apart from each other.
            _ => unsafe { self.gpu.copy(from.address, self.address, self.bytes) },
        }
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
