//! Numbers that change from step to step, such as a learning rate.

use std::fmt;
use std::sync::Arc;

use super::{Address, Gpu, In, Memory};
use crate::Result;

/// A number that a kernel reads in the memory of its device, so that a captured step which is
/// replayed sees the newest; on the host it is a number like any other.
#[derive(Clone)]
pub struct Number {
    value: f64,
    place: Option<Place>,
}

/// Where a number lies on a device.
#[derive(Clone)]
pub struct Place {
    memory: Arc<Memory>,
    index: usize,
}

impl Number {
    /// What it is: of one that lies on a device, what it was when it was told.
    pub fn value(&self) -> f64 {
        self.value
    }

    /// Where it lies on a device, once it has been brought there if it has no place yet.
    ///
    /// # Errors
    /// When the device has no memory left, or fails.
    pub fn on(&self, gpu: &Arc<dyn Gpu>) -> Result<Place> {
        match &self.place {
            Some(place) if Arc::ptr_eq(place.memory.gpu(), gpu) => Ok(place.clone()),
            _ => {
                let memory = Memory::from_host(gpu, &self.value.to_ne_bytes())?;
                Ok(Place { memory: Arc::new(memory), index: 0 })
            }
        }
    }
}

impl Place {
    /// The address of a `double`, good as long as the place is kept.
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
        Number { value, place: None }
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

/// The numbers of a step, in a place of a device that stays.
pub struct Numbers(Arc<Memory>);

impl Numbers {
    /// Room for so many numbers, at least one.
    ///
    /// # Errors
    /// When the device has no memory left.
    pub fn new(gpu: &Arc<dyn Gpu>, count: usize) -> Result<Self> {
        Ok(Numbers(Arc::new(Memory::stale(gpu, count.max(1) * size_of::<f64>())?)))
    }

    /// How many there is room for.
    pub fn count(&self) -> usize {
        self.0.bytes() / size_of::<f64>()
    }

    /// Tells the device the numbers of the steps that follow.
    ///
    /// # Errors
    /// When the device fails.
    ///
    /// # Panics
    /// When there is no room for so many.
    pub fn tell(&self, values: &[f64]) -> Result<Vec<Number>> {
        assert!(
            values.len() <= self.count(),
            "{} numbers in room for {}",
            values.len(),
            self.count()
        );
        self.0.write(bytemuck::cast_slice(values))?;
        let place = |index| Some(Place { memory: self.0.clone(), index });
        let values = values.iter().enumerate();
        Ok(values.map(|(index, &value)| Number { value, place: place(index) }).collect())
    }
}
