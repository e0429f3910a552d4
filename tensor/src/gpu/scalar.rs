//! Scalars that change from step to step, such as the learning rate.

use std::fmt;
use std::sync::Arc;

use super::{Address, Gpu, In, Memory};
use crate::Result;

/// A scalar argument of an operation, such as a learning rate, that may change between replays of a
/// captured graph.
///
/// CPU code reads [`value`](Self::value). Kernels read the scalar from device memory ([`to_device`](Self::to_device)),
/// so that a replayed graph sees the latest value that [`ScalarArgs`] wrote there.
#[derive(Clone)]
pub struct ScalarArg {
    value: f64,
    resident: Option<DeviceScalar>,
}

/// A scalar in device memory.
#[derive(Clone)]
pub struct DeviceScalar {
    memory: Arc<Memory>,
    index: usize,
}

impl ScalarArg {
    /// The value on the host. Later values that [`ScalarArgs`] writes to the device do not change it.
    pub fn value(&self) -> f64 {
        self.value
    }

    /// The scalar in the memory of `gpu`, uploaded if it is not there yet.
    ///
    /// # Errors
    /// When the device has too little free memory, or fails.
    pub fn to_device(&self, gpu: &Arc<dyn Gpu>) -> Result<DeviceScalar> {
        match &self.resident {
            Some(resident) if Arc::ptr_eq(resident.memory.gpu(), gpu) => Ok(resident.clone()),
            _ => {
                let memory = Memory::from_host(gpu, &self.value.to_ne_bytes())?;
                Ok(DeviceScalar { memory: Arc::new(memory), index: 0 })
            }
        }
    }
}

impl DeviceScalar {
    /// The address of the scalar, a `double`. Valid until `self` and all its clones are dropped.
    pub fn address(&self) -> Address {
        Address(self.memory.address().0 + (self.index * size_of::<f64>()) as u64)
    }

    /// A pointer to the number, for a kernel.
    pub fn input(&self) -> In<'_, f64> {
        In::within(&self.memory, self.index * size_of::<f64>())
    }
}

impl From<f64> for ScalarArg {
    fn from(value: f64) -> Self {
        ScalarArg { value, resident: None }
    }
}

impl From<&ScalarArg> for ScalarArg {
    fn from(number: &ScalarArg) -> Self {
        number.clone()
    }
}

impl PartialEq for ScalarArg {
    fn eq(&self, other: &Self) -> bool {
        self.value == other.value
    }
}

impl fmt::Debug for ScalarArg {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.value, f)
    }
}

/// The scalars of a captured graph, at fixed addresses of a device.
///
/// Capture a graph with the scalars that [`write`](Self::write) returns; before each replay, write new
/// values with another call.
pub struct ScalarArgs(Arc<Memory>);

impl ScalarArgs {
    /// Device memory for `count` scalars, at least one.
    ///
    /// # Errors
    /// When the device has too little free memory.
    pub fn new(gpu: &Arc<dyn Gpu>, count: usize) -> Result<Self> {
        Ok(ScalarArgs(Arc::new(Memory::uninitialised(gpu, count.max(1) * size_of::<f64>())?)))
    }

    /// The maximum number of scalars.
    pub fn count(&self) -> usize {
        self.0.bytes() / size_of::<f64>()
    }

    /// Writes `values` to the device, for all work issued afterwards, and returns a scalar for each.
    ///
    /// # Errors
    /// When the device fails.
    ///
    /// # Panics
    /// With more than [`count`](Self::count) values.
    pub fn write(&self, values: &[f64]) -> Result<Vec<ScalarArg>> {
        let (given, capacity) = (values.len(), self.count());
        assert!(given <= capacity, "{given} scalars written to memory for {capacity}");
        self.0.write(bytemuck::cast_slice(values))?;
        let resident = |index| Some(DeviceScalar { memory: self.0.clone(), index });
        let values = values.iter().enumerate();
        Ok(values.map(|(index, &value)| ScalarArg { value, resident: resident(index) }).collect())
    }
}
