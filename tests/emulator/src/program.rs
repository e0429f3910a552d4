//! Compiled programs, each loaded once into this process.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use libloading::Library;
use tensor::gpu::Program;

use crate::Mode;
use crate::compiler::Compiler;
use crate::runtime::{self, RawKernel, Runtime, Visible};
use crate::source;

/// Flags for kernels.
const FAST: &[&str] = &["-O2", "-DEMULATED"];

/// Every access calls the runtime, and so do misaligned pointers and indices outside of an array.
/// Higher optimisation would merge accesses to neighbours before they are seen.
const CHECK: &[&str] = &[
    "-O1",
    "-g1",
    "-DEMULATED",
    "-DEMULATED_CHECK",
    "-fsanitize=thread,alignment,bounds",
    "--param=tsan-instrument-func-entry-exit=0",
];

/// Libraries by name, so that no sanitizer's own is linked.
const LIBRARIES: &[&str] = &["-nodefaultlibs", "-lm", "-lc", "-lgcc"];

/// A program that was compiled and loaded.
pub struct Loaded {
    library: Library,
    path: PathBuf,
    source: &'static str,
    kernels: Vec<String>,
}

/// The library of a program, or why there is none.
type Entry = Arc<OnceLock<Result<Loaded, String>>>;

impl Loaded {
    /// Calls `then` with a program, compiled and loaded when it is first asked for. Threads that ask
    /// for different programs compile beside each other.
    pub fn with<T>(
        program: &Program,
        mode: Mode,
        then: impl FnOnce(&Loaded) -> Result<T, String>,
    ) -> Result<T, String> {
        static LOADED: OnceLock<Mutex<HashMap<(Program, Mode), Entry>>> = OnceLock::new();
        let entry = {
            let all = LOADED.get_or_init(Default::default);
            let mut all = all.lock().unwrap_or_else(PoisonError::into_inner);
            all.entry((program.clone(), mode)).or_default().clone()
        };
        then(entry.get_or_init(|| Self::load(program, mode)).as_ref().map_err(Clone::clone)?)
    }

    fn load(program: &Program, mode: Mode) -> Result<Self, String> {
        let source = program.path();
        let failed = |what: String| format!("{source} {what}");
        let rewritten =
            source::rewrite(&program.full_source()).map_err(|what| format!("{source}: {what}"))?;
        let text = format!("#include \"cuda.h\"\n{}", rewritten.text);
        let headers = &Runtime::of_this_process()?.headers;
        let flags = if mode == Mode::Check { CHECK } else { FAST };
        let name = source.rsplit('/').next().unwrap_or(source).trim_end_matches(".cu");
        let compiler = Compiler::of_this_machine()?;
        let path = compiler.library(name, &text, headers, flags, LIBRARIES).map_err(failed)?;
        let library = runtime::open(&path, Visible::ToOwner)
            .map_err(|error| failed(format!("cannot be loaded: {error}")))?;
        Ok(Loaded { library, path, source, kernels: rewritten.kernels })
    }

    /// A kernel by name.
    pub fn kernel(&self, name: &str) -> Result<&RawKernel, String> {
        let symbol = format!("emulated_kernel_{name}");
        // SAFETY: `EMULATED_KERNEL` defines a constant of that type under that name.
        let found = unsafe { self.library.get::<*const RawKernel>(symbol.as_bytes()) };
        let found = found.map_err(|_| {
            format!("{} has no kernel `{name}`, but {}", self.source, self.kernels.join(", "))
        })?;
        // SAFETY: as above; the library is not unloaded before `self` is.
        Ok(unsafe { &**found })
    }

    /// The names of its kernels.
    pub fn kernels(&self) -> &[String] {
        &self.kernels
    }

    /// Where its source lies in the repository.
    pub fn source(&self) -> &'static str {
        self.source
    }

    /// Where in the source an instruction came from.
    pub fn place(&self, offset: usize) -> Option<String> {
        let headers = &Runtime::of_this_process().ok()?.headers;
        Compiler::of_this_machine().ok()?.place(&self.path, offset, self.source, headers)
    }
}
