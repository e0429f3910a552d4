//! How long something takes.

use std::time::{Duration, Instant};

use tensor::Device;

use crate::Result;

/// Something that is ready to run, once.
pub(super) type Once<'a> = Box<dyn FnOnce() -> Result<()> + 'a>;

/// How much is measured.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// What one sample should take at least: as many runs, one right after the other, as fill it.
    pub sample: Duration,
    /// Samples, of which the median counts.
    pub samples: usize,
    /// Once so much was measured, three samples are enough.
    pub limit: Duration,
}

impl Default for Pace {
    /// Samples of 5 ms, and about a second for what takes long.
    fn default() -> Self {
        let [sample, limit] = [5, 800].map(Duration::from_millis);
        Pace { sample, samples: 11, limit }
    }
}

/// Measures on a device.
pub(super) struct Clock<'a> {
    pub device: &'a Device,
    pub pace: Pace,
}

impl Clock<'_> {
    /// Bytes that the runs of one sample may keep ready.
    fn room(&self) -> usize {
        match self.device {
            Device::Cpu => 1 << 28,
            Device::Gpu(_) => 1 << 32,
        }
    }

    /// Seconds that one run takes: the median over samples. `prepare` readies a run, which keeps
    /// `bytes` until it has run; that is not timed.
    ///
    /// On a GPU the runs of a sample are launched back to back, and waited for at its end.
    ///
    /// # Errors
    /// When a run fails.
    pub fn median<'a>(
        &self,
        bytes: usize,
        prepare: &mut dyn FnMut() -> Result<Once<'a>>,
    ) -> Result<f64> {
        // The first run compiles kernels and asks for memory.
        self.sample(1, prepare)?;
        let one = self.sample(1, prepare)?;
        let wanted = (self.pace.sample.as_secs_f64() / one.max(1e-7)).ceil() as usize;
        let runs = wanted.min(self.room() / bytes.max(1)).clamp(1, 1000);
        let mut seconds = Vec::new();
        let started = Instant::now();
        while seconds.len() < self.pace.samples.max(1) {
            seconds.push(self.sample(runs, prepare)?);
            if seconds.len() >= 3 && started.elapsed() > self.pace.limit {
                break;
            }
        }
        seconds.sort_by(f64::total_cmp);
        Ok(seconds[seconds.len() / 2])
    }

    /// Seconds that one of so many runs takes.
    fn sample<'a>(
        &self,
        runs: usize,
        prepare: &mut dyn FnMut() -> Result<Once<'a>>,
    ) -> Result<f64> {
        let ready = (0..runs).map(|_| prepare()).collect::<Result<Vec<_>>>()?;
        self.wait()?;
        let started = Instant::now();
        for run in ready {
            run()?;
        }
        self.wait()?;
        Ok(started.elapsed().as_secs_f64() / runs as f64)
    }

    fn wait(&self) -> Result<()> {
        match self.device {
            Device::Cpu => Ok(()),
            Device::Gpu(gpu) => Ok(gpu.synchronise()?),
        }
    }
}
