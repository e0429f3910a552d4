//! Wall-clock timing of repeated runs.

use std::time::{Duration, Instant};

use tensor::Device;

use crate::Result;

/// A prepared run.
pub(super) type Once<'a> = Box<dyn FnOnce() -> Result<()> + 'a>;

/// How many runs are measured, and for how long.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// Shortest duration of a sample. A sample is as many consecutive runs as this takes.
    pub sample: Duration,
    /// Number of samples; their median is reported.
    pub samples: usize,
    /// After this duration, measuring stops as soon as there are three samples.
    pub limit: Duration,
}

impl Default for Pace {
    /// Eleven samples of 5 ms, and about a second for slow operations.
    fn default() -> Self {
        let [sample, limit] = [5, 800].map(Duration::from_millis);
        Pace { sample, samples: 11, limit }
    }
}

/// Measures runs on a device.
pub(super) struct Clock<'a> {
    pub device: &'a Device,
    pub pace: Pace,
}

impl Clock<'_> {
    /// Bytes that the prepared runs of one sample may hold.
    fn memory_limit(&self) -> usize {
        match self.device {
            Device::Cpu => 1 << 28,
            Device::Gpu(_) => 1 << 32,
        }
    }

    /// Median seconds per run over samples. `prepare` sets a run up, untimed; the run holds `bytes`
    /// of memory until it has finished.
    ///
    /// On a GPU the runs of a sample are launched back to back, with one synchronisation at the end.
    ///
    /// # Errors
    /// When a run fails.
    pub fn median<'a>(
        &self,
        bytes: usize,
        prepare: &mut dyn FnMut() -> Result<Once<'a>>,
    ) -> Result<f64> {
        // The first run compiles kernels and allocates memory.
        self.sample(1, prepare)?;
        let one = self.sample(1, prepare)?;
        let wanted = (self.pace.sample.as_secs_f64() / one.max(1e-7)).ceil() as usize;
        let runs = wanted.min(self.memory_limit() / bytes.max(1)).clamp(1, 1000);
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

    /// Mean seconds per run over `runs` runs.
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
