//! PyTorch beside us, on the same shapes in the same sitting: an interpreter that has it is started
//! with a script that travels within this program.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde::Deserialize;
use serde_json::{Value, json};
use tensor::Device;

use super::case::{Case, Work};
use super::clock::Pace;
use crate::{Error, Result};

const SCRIPT: &str = include_str!("../../../tests/peers/kernels.py");

/// Seconds after which PyTorch is asked for no further pass: it may look long for its best kernels.
const BUDGET: f64 = 150.0;

/// A Python that has PyTorch.
pub(super) struct Peer(PathBuf);

/// What PyTorch found.
#[derive(Debug, Deserialize)]
pub(super) struct Findings {
    /// Its version, device and dtype, for people.
    pub what: String,
    /// Floating-point operations per second of a large matrix product, where it is the ceiling.
    pub product_flop_per_s: Option<f64>,
    /// What that product was.
    pub product: Option<String>,
    /// Seconds of each pass asked for, in order; none where it cannot do it.
    pub seconds: Vec<Option<f64>>,
    /// What it could not do, and why.
    pub refused: Vec<String>,
}

impl Peer {
    pub fn new(python: &Path) -> Self {
        Peer(python.to_owned())
    }

    /// Times every pass of every case.
    ///
    /// # Errors
    /// When the interpreter does not start, has no PyTorch, or does not answer as agreed.
    pub fn time(&self, cases: &[Case], device: &Device, pace: Pace) -> Result<Findings> {
        let request = json!({
            "device": if *device == Device::Cpu { "cpu" } else { "cuda" },
            "threads": rayon::current_num_threads(),
            "sample": pace.sample.as_secs_f64(),
            "samples": pace.samples,
            "limit": pace.limit.as_secs_f64(),
            "budget": BUDGET,
            "passes": passes(cases),
        });
        let answer = self.ask(&request.to_string())?;
        let refused = |why: String| self.refused(&why);
        let found: Findings = serde_json::from_slice(&answer)
            .map_err(|error| refused(format!("its answer is not as agreed: {error}")))?;
        let wanted = passes(cases).len();
        if found.seconds.len() != wanted {
            let why = format!("{} times for {wanted} passes", found.seconds.len());
            return Err(refused(why));
        }
        Ok(found)
    }

    fn ask(&self, request: &str) -> Result<Vec<u8>> {
        let mut child = Command::new(&self.0)
            .args(["-c", SCRIPT])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|error| self.refused(&error.to_string()))?;
        if let Some(mut input) = child.stdin.take() {
            // One that has ended before it read says why below.
            let _ = input.write_all(request.as_bytes());
        }
        let output = child.wait_with_output().map_err(|error| self.refused(&error.to_string()))?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr);
            let last = said.trim_end().lines().last().unwrap_or("it says nothing").to_owned();
            return Err(self.refused(&last));
        }
        Ok(output.stdout)
    }

    fn refused(&self, why: &str) -> Error {
        let python = self.0.display();
        Error::Setting(format!("--peer {python}: {why}; it takes a Python that has PyTorch"))
    }
}

/// Every pass, as the script takes it.
fn passes(cases: &[Case]) -> Vec<Value> {
    let mut passes = Vec::new();
    for case in cases {
        for pass in &case.passes {
            let of = match &pass.work {
                Work::Gradient(_, of) => of.clone(),
                _ => vec![],
            };
            passes.push(json!({
                "operation": case.operation, "pass": pass.name, "of": of, "sizes": case.peer,
            }));
        }
    }
    passes
}
