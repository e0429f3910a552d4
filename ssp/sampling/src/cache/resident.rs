//! A copy of the cache in the memory of a device, so that views are made there.

use std::sync::{Mutex, PoisonError};

use tensor::{Buffer, DType, Device, Tensor};

use crate::{Error, Result};

/// A copy on a device: the one that requested it last.
#[derive(Default)]
pub(super) struct Resident(Mutex<Option<(Device, Option<Tensor>)>>);

impl Resident {
    /// The copy of `bytes` on a device, made when it is first asked for; none for the host, and none
    /// where the device has not the memory.
    ///
    /// # Errors
    /// When the device fails.
    pub(super) fn to_device(&self, device: &Device, bytes: &[u8]) -> Result<Option<Tensor>> {
        if *device == Device::Cpu {
            return Ok(None);
        }
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((of, copy)) = &*kept
            && of == device
        {
            return Ok(copy.clone());
        }
        *kept = None; // before there is another
        let copy = match copied(device, bytes).map_err(Error::from) {
            Ok(copy) => Some(copy),
            Err(error) if error.is_out_of_device_memory() => None,
            Err(error) => return Err(error),
        };
        *kept = Some((device.clone(), copy.clone()));
        Ok(copy)
    }
}

/// The bytes on a device, if as much again is left there for the network.
fn copied(device: &Device, bytes: &[u8]) -> tensor::Result<Tensor> {
    let copy = Buffer::uninitialised_on(device, DType::U8, bytes.len())?;
    drop(Buffer::uninitialised_on(device, DType::U8, bytes.len())?);
    if let Device::Gpu(gpu) = device {
        // SAFETY: the memory was asked for that many bytes.
        unsafe { gpu.write(copy.address(), bytes)? };
    }
    Ok(Tensor::from_parts(copy, [bytes.len()], DType::U8))
}
