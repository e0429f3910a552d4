//! PyTorch's times of the same operations on the same shapes: runs a script, which is part of this
//! binary, in a Python interpreter.

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

/// Seconds after which the script skips the remaining passes: PyTorch's search for the fastest kernels
/// can take long.
const BUDGET: f64 = 150.0;

/// A Python interpreter with PyTorch.
pub(super) struct Peer(PathBuf);

/// The script's answer.
#[derive(Debug, Deserialize)]
pub(super) struct Findings {
    /// PyTorch's version, device and dtype, as text.
    pub what: String,
    /// Floating-point operations per second of a large matrix product, if PyTorch measured one.
    pub product_flop_per_s: Option<f64>,
    /// Description of that product.
    pub product: Option<String>,
    /// Seconds of each requested pass, in order; none if PyTorch could not run it.
    pub seconds: Vec<Option<f64>>,
    /// Passes that it could not run, and why.
    pub refused: Vec<String>,
}

impl Peer {
    pub fn new(python: &Path) -> Self {
        Peer(python.to_owned())
    }

    /// Times every pass of every case.
    ///
    /// # Errors
    /// When the interpreter does not start, has no PyTorch, or gives an unexpected answer.
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
            .map_err(|error| refused(format!("unexpected answer: {error}")))?;
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
            // If the interpreter exits before it reads, its error output is reported below.
            let _ = input.write_all(request.as_bytes());
        }
        let output = child.wait_with_output().map_err(|error| self.refused(&error.to_string()))?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr);
            let last = said.trim_end().lines().last().unwrap_or("no error message").to_owned();
            return Err(self.refused(&last));
        }
        Ok(output.stdout)
    }

    fn refused(&self, why: &str) -> Error {
        let python = self.0.display();
        Error::Setting(format!("--peer {python}: {why}; it takes a Python that has PyTorch"))
    }
}

/// Every pass, in the format of the script.
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
