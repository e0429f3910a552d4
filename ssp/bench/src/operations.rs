//! Times every operation on the shapes of a network, and compares it with measured limits and PyTorch.

use std::path::PathBuf;

use ::kernels::{registry, simd};
use serde::Serialize;
use tensor::{DType, Device, cuda, release_idle_memory};

use super::case::{Case, Dtypes};
use super::cases;
use super::ceilings::{Ceilings, Extent};
use super::clock::{Clock, Pace};
use super::peer::{Findings, Peer};
use super::shapes::Network;
use super::table::{self, Measurement};
use crate::{Error, Result};

/// What to time.
#[derive(Clone, Debug)]
pub struct KernelBench {
    /// Device to measure.
    pub device: Device,
    /// Network whose shapes are used.
    pub network: Network,
    /// Dtypes of features and parameters.
    pub dtypes: Dtypes,
    /// Names of operations in the registry; empty for all.
    pub only: Vec<String>,
    /// A Python interpreter with PyTorch, to be timed too.
    pub peer: Option<PathBuf>,
    /// How many runs are measured.
    pub pace: Pace,
    /// Whether the ceilings are measured at full size. An emulated device needs small sizes.
    pub full_ceilings: bool,
}

/// The measurements.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    device: String,
    simd: &'static str,
    threads: usize,
    size: usize,
    batch: usize,
    channels: Vec<usize>,
    features: &'static str,
    parameters: &'static str,
    ceilings: Ceilings,
    /// PyTorch's version, device and dtype.
    peer: Option<String>,
    /// Passes that PyTorch could not run, and why.
    peer_refused: Vec<String>,
    /// Operations that were not timed because the device has no kernels for them.
    left_out: Vec<&'static str>,
    rows: Vec<Measurement>,
}

impl KernelBench {
    /// Times everything. `note` is called with the name of each operation before it runs.
    ///
    /// # Errors
    /// When the network's sizes are invalid, an operation is unknown, the device fails, or PyTorch
    /// does not run.
    pub fn run(&self, note: &dyn Fn(&str)) -> Result<Report> {
        self.network.check()?;
        if self.dtypes.features == DType::BF16 && self.device == Device::Cpu {
            crate::require_bf16()?;
        }
        let (cases, left_out) = self.cases()?;
        let clock = Clock { device: &self.device, pace: self.pace };
        let extent = match self.full_ceilings {
            true => Extent::of(&self.device),
            false => Extent { copied: 1 << 12, rows: 16, convolved: [1, 4, 4, 4] },
        };
        note("ceilings");
        let mut ceilings = Ceilings::measure(&clock, self.dtypes, extent)?;
        let mut seconds = Vec::new();
        for case in &cases {
            note(&format!("{} {}", case.operation, case.shape));
            seconds.extend(case.time(&clock)?);
        }
        let mut found = None;
        if let Some(python) = &self.peer {
            note("PyTorch");
            self.release_memory();
            found = Some(Peer::new(python).time(&cases, &self.device, self.pace)?);
        }
        if let Some(Findings { product: Some(name), product_flop_per_s: Some(rate), .. }) = &found {
            ceilings = ceilings.with_product(name.clone(), *rate);
        }
        let beside = found.as_ref().map(|found| found.seconds.clone());
        let beside = beside.unwrap_or_else(|| vec![None; seconds.len()]);
        let rows = rows(&cases, &seconds, &beside, &ceilings);
        let (peer, peer_refused) = found.map(|f| (f.what, f.refused)).unzip();
        Ok(Report {
            device: match &self.device {
                Device::Cpu => "cpu".into(),
                gpu => gpu.to_string(),
            },
            simd: simd::level().name(),
            threads: rayon::current_num_threads(),
            size: self.network.size,
            batch: self.network.batch,
            channels: self.network.channels.clone(),
            features: self.dtypes.features.name(),
            parameters: self.dtypes.parameters.name(),
            ceilings,
            peer,
            peer_refused: peer_refused.unwrap_or_default(),
            left_out,
            rows,
        })
    }

    /// Releases memory that is kept for reuse, so that PyTorch's process can use it.
    fn release_memory(&self) {
        release_idle_memory();
        if self.device != Device::Cpu
            && let Ok(gpu) = cuda::open()
        {
            gpu.release_idle_memory();
        }
    }

    /// The requested cases, and the operations for which the device has no kernels.
    fn cases(&self) -> Result<(Vec<Case>, Vec<&'static str>)> {
        let known = || registry().iter().map(|operation| operation.name);
        if let Some(unknown) = self.only.iter().find(|name| !known().any(|known| known == *name)) {
            let known = known().collect::<Vec<_>>().join(", ");
            let what = format!("--only {unknown}: no such operation; there are {known}");
            return Err(Error::Setting(what));
        }
        let wanted = |name: &str| self.only.is_empty() || self.only.iter().any(|only| only == name);
        let on_host = self.device == Device::Cpu;
        let without = registry()
            .iter()
            .filter(|operation| wanted(operation.name) && operation.programs.is_none() && !on_host);
        let left_out: Vec<&str> = without.map(|operation| operation.name).collect();
        let mut cases = cases::all(&self.network, self.dtypes);
        cases.retain(|case| wanted(case.operation) && !left_out.contains(&case.operation));
        Ok((cases, left_out))
    }
}

fn rows(
    cases: &[Case],
    seconds: &[f64],
    beside: &[Option<f64>],
    ceilings: &Ceilings,
) -> Vec<Measurement> {
    let passes = cases.iter().flat_map(|case| case.passes.iter().map(move |pass| (case, pass)));
    let timed = passes.zip(seconds).zip(beside);
    timed
        .map(|(((case, pass), &seconds), &peer)| {
            let (least, moves) = ceilings.least(pass.flop, pass.bytes);
            Measurement {
                operation: case.operation,
                pass: pass.name,
                shape: case.shape.clone(),
                uses: case.uses,
                ms: 1e3 * seconds,
                tflop_per_s: pass.flop.map(|flop| flop / seconds / 1e12),
                gb_per_s: pass.bytes / seconds / 1e9,
                share: least / seconds,
                bound: if moves { "copy" } else { "product" },
                peer_ms: peer.map(|peer| 1e3 * peer),
                ratio: peer.map(|peer| peer / seconds),
            }
        })
        .collect()
}

impl Report {
    /// The measurements of every pass, in order.
    pub fn rows(&self) -> &[Measurement] {
        &self.rows
    }

    /// Operations that were not timed because the device has no kernels for them.
    pub fn left_out(&self) -> &[&'static str] {
        &self.left_out
    }
}

impl std::fmt::Display for Report {
    /// Ceilings, and a table of all rows.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Report { device, size, batch, channels, features, parameters, .. } = self;
        writeln!(
            f,
            "{device}, {} threads, {size} x {size}, batch {batch}, channels {channels:?}, features \
             {features}, parameters {parameters}",
            self.threads
        )?;
        writeln!(
            f,
            "ceilings: {:.1} GB/s by a copy of {} MiB; {:.3} TFLOP/s by {}",
            self.ceilings.copy_bytes_per_s / 1e9,
            self.ceilings.copied_bytes >> 20,
            self.ceilings.product_flop_per_s / 1e12,
            self.ceilings.product
        )?;
        if let Some(peer) = &self.peer {
            writeln!(f, "beside {peer}; ratio above 1: we are faster")?;
        }
        for refused in &self.peer_refused {
            writeln!(f, "PyTorch refused {refused}")?;
        }
        if !self.left_out.is_empty() {
            writeln!(f, "NOT TIMED, no kernels for GPUs yet: {}", self.left_out.join(", "))?;
        }
        f.write_str("\n")?;
        f.write_str(&table::text(&self.rows))
    }
}
