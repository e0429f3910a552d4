//! Scalars that change from step to step, such as the learning rate.

use std::fmt;
use std::sync::Arc;

use super::{Address, Gpu, In, Memory};
use crate::Result;

/// A scalar argument of an operation, such as a learning rate, that may change between replays of a
/// captured graph.
///
/// CPU code reads [`value`](Self::value). Kernels read the scalar from device memory ([`on`](Self::on)),
/// so that a replayed graph sees the latest value that [`Numbers`] wrote there.
#[derive(Clone)]
pub struct Number {
    value: f64,
    resident: Option<Place>,
}

/// A scalar in device memory.
#[derive(Clone)]
pub struct Place {
    memory: Arc<Memory>,
    index: usize,
}

impl Number {
    /// The value on the host. Later values that [`Numbers`] writes to the device do not change it.
    pub fn value(&self) -> f64 {
        self.value
    }

    /// The scalar in the memory of `gpu`, uploaded if it is not there yet.
    ///
    /// # Errors
    /// When the device has too little free memory, or fails.
    pub fn on(&self, gpu: &Arc<dyn Gpu>) -> Result<Place> {
        match &self.resident {
            Some(resident) if Arc::ptr_eq(resident.memory.gpu(), gpu) => Ok(resident.clone()),
            _ => {
                let memory = Memory::from_host(gpu, &self.value.to_ne_bytes())?;
                Ok(Place { memory: Arc::new(memory), index: 0 })
            }
        }
    }
}

impl Place {
    /// The address of the scalar, a `double`. Valid until `self` and all its clones are dropped.
    pub fn address(&self) -> Address {
        Address(self.memory.address().0 + (self.index * size_of::<f64>()) as u64)
    }

    /// A pointer to the number, for a kernel.
    pub fn input(&self) -> In<'_, f64> {
        In::within(&self.memory, self.index * size_of::<f64>())
    }
}

impl From<f64> for Number {
    fn from(value: f64) -> Self {
        Number { value, resident: None }
    }
}

impl From<&Number> for Number {
    fn from(number: &Number) -> Self {
        number.clone()
    }
}

impl PartialEq for Number {
    fn eq(&self, other: &Self) -> bool {
        self.value == other.value
    }
}

impl fmt::Debug for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.value, f)
    }
}

/// The scalars of a captured graph, at fixed addresses of a device.
///
/// Capture a graph with the scalars that [`tell`](Self::tell) returns; before each replay, write new
/// values with another call.
pub struct Numbers(Arc<Memory>);

impl Numbers {
    /// Device memory for `count` scalars, at least one.
    ///
    /// # Errors
    /// When the device has too little free memory.
    pub fn new(gpu: &Arc<dyn Gpu>, count: usize) -> Result<Self> {
        Ok(Numbers(Arc::new(Memory::stale(gpu, count.max(1) * size_of::<f64>())?)))
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
    pub fn tell(&self, values: &[f64]) -> Result<Vec<Number>> {
        let (given, capacity) = (values.len(), self.count());
        assert!(given <= capacity, "{given} scalars written to memory for {capacity}");
        self.0.write(bytemuck::cast_slice(values))?;
        let resident = |index| Some(Place { memory: self.0.clone(), index });
        let values = values.iter().enumerate();
        Ok(values.map(|(index, &value)| Number { value, resident: resident(index) }).collect())
    }
}
