//! Captured steps: what was launched and copied, kept to be run again.
//!
//! Every replay starts from poison: what a step took during its capture is forgotten first, so that a
//! step which lives on what the last replay left is found out, as one is that reads memory which
//! was given back since, or writes over a constant.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::thread::{self, ThreadId};

use tensor::gpu::{Address, CapturedGraph, Gpu, Launch, Program};
use tensor::{DType, Result};

use crate::Emulator;
use crate::arguments::Arguments;

/// What a capture must not do, in one line.
pub fn refusal(doing: &str) -> String {
    format!("{doing} cannot be captured: do it before, in a step that is run as it comes")
}

/// Captures of a device, and what belongs to them.
#[derive(Default)]
pub struct Captures {
    under_way: Option<Recording>,
    begun: u64,
    owned: HashMap<u64, Owned>,
    /// Kernels that were run.
    run: HashSet<Kernel>,
}

type Kernel = (usize, DType, Vec<(&'static str, i64)>, String);

/// A capture that is under way.
pub struct Recording {
    step: u64,
    /// Who launches what is kept.
    by: ThreadId,
    commands: Vec<Command>,
    constants: Vec<(Address, Vec<u8>)>,
}

/// What a replay does.
pub enum Command {
    Launch { program: Program, kernel: String, launch: Launch, arguments: Arguments },
    Copy { from: Address, to: Address, bytes: usize },
}

/// Memory of captured steps.
struct Owned {
    /// Those that may read or write it.
    steps: Vec<u64>,
    bytes: usize,
    /// Whether somebody holds it beside the steps.
    held: bool,
    /// The step whose replays write it before they read it: it was taken in that capture, and is no
    /// constant.
    scratch: Option<u64>,
}

impl Captures {
    pub fn begin(&mut self) -> std::result::Result<(), String> {
        if self.under_way.is_some() {
            return Err("a step is being captured already: end it first".into());
        }
        self.begun += 1;
        let (commands, constants) = (Vec::new(), Vec::new());
        let by = thread::current().id();
        self.under_way = Some(Recording { step: self.begun, by, commands, constants });
        Ok(())
    }

    pub fn end(&mut self) -> std::result::Result<Recording, String> {
        self.under_way.take().ok_or_else(|| "no step is being captured: begin one first".into())
    }

    /// Refuses what another thread does than the one that captures.
    pub fn here(&self) -> std::result::Result<(), String> {
        match &self.under_way {
            Some(recording) if recording.by != thread::current().id() => {
                Err("another thread is capturing a step: wait until it has ended".into())
            }
            _ => Ok(()),
        }
    }

    /// Refuses what a captured step cannot do.
    pub fn refuse(&self, doing: &str) -> std::result::Result<(), String> {
        if self.under_way.is_some() { Err(refusal(doing)) } else { Ok(()) }
    }

    /// Keeps a command for a replay, if a capture is under way.
    pub fn keeps(&mut self, command: impl FnOnce() -> Command) -> bool {
        let Some(recording) = &mut self.under_way else { return false };
        recording.commands.push(command());
        true
    }

    /// The same of a launch, of a kernel that was run before.
    pub fn keeps_launch(
        &mut self,
        program: &Program,
        kernel: &str,
        launch: Launch,
        arguments: &Arguments,
    ) -> std::result::Result<bool, String> {
        let Program { sources, dtype, constants, .. } = program;
        let key = (sources.as_ptr() as usize, *dtype, constants.clone(), kernel.to_owned());
        if self.under_way.is_none() {
            self.run.insert(key);
            return Ok(false);
        }
        if !self.run.contains(&key) {
            return Err(refusal(&format!("loading kernel {kernel} of {}", program.path())));
        }
        let (program, arguments) = (program.clone(), arguments.clone());
        Ok(self.keeps(|| Command::Launch { program, kernel: kernel.to_owned(), launch, arguments }))
    }

    /// Keeps what a constant holds; false where it must be written now.
    pub fn keeps_constant(&mut self, address: Address, bytes: &[u8]) -> bool {
        let Some(recording) = &mut self.under_way else { return false };
        recording.constants.push((address, bytes.to_vec()));
        if let Some(owned) = self.owned.get_mut(&address.0) {
            owned.scratch = None;
        }
        true
    }

    pub fn taken(&mut self, address: Address, bytes: usize) {
        if let Some(Recording { step, .. }) = self.under_way {
            let (steps, scratch) = (vec![step], Some(step));
            self.owned.insert(address.0, Owned { steps, bytes, held: true, scratch });
        }
    }

    /// Whether memory that somebody gives back stays, as a captured step's.
    pub fn stays(&mut self, address: Address, bytes: usize) -> bool {
        let step = self.under_way.as_ref().map(|recording| recording.step);
        if let Some(owned) = self.owned.get_mut(&address.0) {
            owned.held = false;
            owned.steps.extend(step.filter(|step| !owned.steps.contains(step)));
            return true;
        }
        let Some(step) = step else { return false };
        let steps = vec![step];
        self.owned.insert(address.0, Owned { steps, bytes, held: false, scratch: None });
        true
    }

    /// What a replay of a step writes before it reads it.
    fn scratch(&self, step: u64) -> Vec<(Address, usize)> {
        let scratch = self.owned.iter().filter(|(_, owned)| owned.scratch == Some(step));
        scratch.map(|(&address, owned)| (Address(address), owned.bytes)).collect()
    }

    /// Nobody replays a step any more: what it alone holds, to be given back.
    fn let_go(&mut self, step: u64) -> Vec<(Address, usize)> {
        let mut alone = Vec::new();
        self.owned.retain(|&address, owned| {
            owned.steps.retain(|&other| other != step);
            if owned.steps.is_empty() && !owned.held {
                alone.push((Address(address), owned.bytes));
            }
            !owned.steps.is_empty()
        });
        alone
    }
}

/// A step that can be replayed.
pub struct Step {
    gpu: Arc<Emulator>,
    recording: Recording,
}

impl Step {
    /// The owner of what was captured.
    ///
    /// # Errors
    /// When a constant cannot be written.
    pub fn new(gpu: Arc<Emulator>, recording: Recording) -> Result<Self> {
        let step = Step { gpu, recording };
        for (address, bytes) in &step.recording.constants {
            // SAFETY: taken for as many bytes by `upload`, and the step's own.
            unsafe { step.gpu.write(*address, bytes)? };
        }
        Ok(step)
    }

    fn run(&self, command: &Command) -> Result<()> {
        match command {
            Command::Copy { from, to, bytes } => {
                // SAFETY: the emulator checks both; they do not overlap, as in the capture.
                unsafe { self.gpu.copy(*from, *to, *bytes) }
            }
            Command::Launch { program, kernel, launch, arguments } => {
                if arguments.addresses().any(|address| !self.gpu.is_live(address)) {
                    let path = program.path();
                    return Err(self.gpu.failure(format!(
                        "a captured launch of {kernel} of {path} uses memory that was given back"
                    )));
                }
                self.gpu.launch_again(program, kernel, *launch, arguments)
            }
        }
    }
}

impl CapturedGraph for Step {
    unsafe fn replay(&self) -> Result<()> {
        let number = self.recording.step;
        self.gpu.captures(|captures| captures.refuse("the replay of another step"))?;
        let scratch = self.gpu.captures(|captures| Ok(captures.scratch(number)))?;
        scratch.into_iter().for_each(|(address, bytes)| self.gpu.forget(address, bytes));
        self.recording.commands.iter().try_for_each(|command| self.run(command))?;
        for (address, bytes) in &self.recording.constants {
            let mut found = vec![0; bytes.len()];
            // SAFETY: as long as what was written there.
            unsafe { self.gpu.read(*address, &mut found)? };
            if found != *bytes {
                let what = "a captured step wrote over a constant, which no replay writes anew";
                return Err(self.gpu.failure(what.into()));
            }
        }
        Ok(())
    }
}

impl Drop for Step {
    fn drop(&mut self) {
        let alone = self.gpu.all_captures().let_go(self.recording.step);
        for (address, bytes) in alone {
            // SAFETY: nobody else holds it, and this step runs no more.
            unsafe { self.gpu.release(address, bytes) };
        }
    }
}
