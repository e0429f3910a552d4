//! Owned device memory.

use std::sync::Arc;

use super::{Address, Gpu};
use crate::Result;

/// Owned memory of a [`Gpu`], freed on drop.
pub struct Memory {
    gpu: Arc<dyn Gpu>,
    /// Null if the length is 0.
    address: Address,
    bytes: usize,
}

impl Memory {
    /// Allocates memory of unspecified contents.
    ///
    /// # Errors
    /// When the device has too little free memory.
    pub fn uninitialised(gpu: &Arc<dyn Gpu>, bytes: usize) -> Result<Self> {
        let address = if bytes == 0 { Address::NULL } else { gpu.allocate(bytes)? };
        Ok(Memory { gpu: gpu.clone(), address, bytes })
    }

    /// Allocates memory and copies `bytes` from the host into it.
    ///
    /// # Errors
    /// When the device has too little free memory, or fails.
    pub fn from_host(gpu: &Arc<dyn Gpu>, bytes: &[u8]) -> Result<Self> {
        let address = if bytes.is_empty() { Address::NULL } else { gpu.upload(bytes)? };
        Ok(Memory { gpu: gpu.clone(), address, bytes: bytes.len() })
    }

    /// Copies `bytes` from the host to the beginning of the memory.
    ///
    /// # Errors
    /// When the device fails.
    ///
    /// # Panics
    /// When `bytes` is longer than the memory.
    pub fn write(&self, bytes: &[u8]) -> Result<()> {
        assert!(bytes.len() <= self.bytes, "{} bytes written to {}", bytes.len(), self.bytes);
        match bytes.len() {
            0 => Ok(()),
            // SAFETY: `address` points to at least as many bytes, as asserted above.
            _ => unsafe { self.gpu.write(self.address, bytes) },
        }
    }

    /// Copies all of the memory to the host and waits for it.
    ///
    /// # Errors
    /// When the device fails, or a kernel failed before.
    ///
    /// # Panics
    /// When the lengths differ.
    pub fn read(&self, bytes: &mut [u8]) -> Result<()> {
        assert_eq!(bytes.len(), self.bytes, "lengths of destination and source");
        match self.bytes {
            0 => Ok(()),
            // SAFETY: `address` points to as many bytes, as asserted above.
            _ => unsafe { self.gpu.read(self.address, bytes) },
        }
    }

    /// A copy on the same device.
    ///
    /// # Errors
    /// When the device has too little free memory, or fails.
    pub fn copied(&self) -> Result<Self> {
        let copy = Self::uninitialised(&self.gpu, self.bytes)?;
        copy.copy_from(self)?;
        Ok(copy)
    }

    /// Copies from memory of the same length on the same device.
    ///
    /// # Errors
    /// When the device fails.
    ///
    /// # Panics
    /// When the lengths or devices differ.
    pub fn copy_from(&self, from: &Memory) -> Result<()> {
        assert_eq!(from.bytes, self.bytes, "lengths of source and destination");
        assert!(Arc::ptr_eq(&from.gpu, &self.gpu), "copy between two devices");
        match self.bytes {
            0 => Ok(()),
            _ if from.address == self.address => Ok(()),
            // SAFETY: both are allocations of as many bytes, and two allocations do not overlap.
            _ => unsafe { self.gpu.copy(from.address, self.address, self.bytes) },
        }
    }

    /// The device that owns the memory.
    pub fn gpu(&self) -> &Arc<dyn Gpu> {
        &self.gpu
    }

    /// Address of the first byte.
    pub fn address(&self) -> Address {
        self.address
    }

    /// Length in bytes.
    pub fn bytes(&self) -> usize {
        self.bytes
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        if self.bytes > 0 {
            // SAFETY: allocated with this length, and its only owner is being dropped.
            unsafe { self.gpu.release(self.address, self.bytes) };
        }
    }
}
