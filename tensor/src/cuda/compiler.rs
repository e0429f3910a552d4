//! Kernels compiled for the very GPU that runs them.

use std::ffi::CString;
use std::result::Result as StdResult;

use super::Absent;
use super::cache::{Cache, Entry};
use super::nvrtc::Nvrtc;
use super::usage::Usage;
use crate::gpu::Program;
use crate::{Error, Result};

/// How every kernel is compiled, beside the architecture.
///
/// Nothing here trades accuracy for speed: division and roots are rounded to the nearest and small
/// numbers kept, so that float32 agrees with the CPU. A product and a sum may become one operation,
/// rounded once. The assembler tells what each kernel takes; line numbers serve profilers.
const OPTIONS: [&str; 7] = [
    "--std=c++17",
    "--ftz=false",
    "--fmad=true",
    "--prec-div=true",
    "--prec-sqrt=true",
    "--generate-line-info",
    "--ptxas-options=-v",
];

/// How many lines with errors a message shows.
const SHOWN: usize = 5;

/// A program as machine code.
pub struct Compiled {
    /// Machine code of one architecture, for the driver to load.
    pub cubin: Vec<u8>,
    /// What each kernel takes of the hardware.
    pub kernels: Vec<Usage>,
    /// What the compiler had to say: warnings, and what `kernels` was read from.
    pub log: String,
}

impl From<Entry> for Compiled {
    fn from(entry: Entry) -> Self {
        Compiled { kernels: Usage::of_log(&entry.log), cubin: entry.cubin, log: entry.log }
    }
}

/// CUDA's run-time compiler, NVRTC. It needs no GPU.
#[derive(Clone, Copy)]
pub struct Compiler(&'static Nvrtc);

impl Compiler {
    /// The compiler, loaded from the library that the environment variable `CINE_NVRTC` names (a
    /// file, or a folder with it), or else from where the system has it.
    ///
    /// # Errors
    /// When there is none.
    pub fn find() -> StdResult<Self, Absent> {
        let found = Nvrtc::find().map(Compiler);
        found.map_err(|missing| Absent(format!("no compiler for CUDA: {missing}")))
    }

    /// Its name and version: `NVRTC 13.0`.
    pub fn version(&self) -> String {
        let (major, minor) = self.0.version();
        format!("NVRTC {major}.{minor}")
    }

    /// Compiles a program for an architecture such as `sm_90a`, or takes it from the user's cache on
    /// disk if it was compiled before, by the same compiler from the same text.
    ///
    /// # Errors
    /// When it does not compile: with the first lines of the log that say why. A cache that cannot be
    /// written costs time, nothing else.
    pub fn compile(&self, program: &Program, architecture: &str) -> Result<Compiled> {
        self.through(&Cache::of_user(), program, architecture)
    }

    fn through(&self, cache: &Cache, program: &Program, architecture: &str) -> Result<Compiled> {
        let (options, text) = (options(architecture), program.whole());
        let origin = format!("{} {}\n{text}", self.version(), options.join(" "));
        if let Some(entry) = cache.get(&origin) {
            return Ok(entry.into());
        }
        let entry = self.fresh(program, &options, text)?;
        let _ = cache.put(&origin, &entry);
        Ok(entry.into())
    }

    fn fresh(&self, program: &Program, options: &[String], text: String) -> Result<Entry> {
        let refused = |what| Error::Device { device: self.version(), what };
        let unusable = |_| refused(format!("{}: a zero byte within the text", program.path()));
        let text = CString::new(text).map_err(unusable)?;
        let flags = options.iter().map(|option| CString::new(option.as_str()));
        let flags = flags.collect::<StdResult<Vec<_>, _>>().map_err(unusable)?;
        let outcome = self.0.compile(&text, &flags);
        let outcome = outcome.map_err(|what| refused(format!("{}: {what}", program.path())))?;
        match outcome.cubin {
            Some(cubin) => Ok(Entry { cubin, log: outcome.log }),
            None => Err(refused(format!(
                "{} does not compile with {}{}",
                program.path(),
                options[0],
                complaints(&outcome.log)
            ))),
        }
    }
}

fn options(architecture: &str) -> Vec<String> {
    let architecture = format!("--gpu-architecture={architecture}");
    std::iter::once(architecture).chain(OPTIONS.map(str::to_owned)).collect()
}

/// The first lines of a log that tell of errors, each on a line of its own.
fn complaints(log: &str) -> String {
    let tells = |line: &&str| line.contains("error") || line.contains("fatal");
    let mut lines: Vec<&str> = log.lines().filter(tells).take(SHOWN).collect();
    if lines.is_empty() {
        lines = log.lines().take(SHOWN).collect();
    }
    lines.iter().map(|line| format!("\n  {line}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::DType;
    use crate::gpu::{Source, sum_program};

    /// Runs a test, with a cache of its own, where there is a compiler.
    fn with_compiler(test: impl FnOnce(Compiler, Cache)) {
        let folder = tempfile::tempdir().unwrap();
        match Compiler::find() {
            Ok(compiler) => test(compiler, Cache::at(folder.path().to_owned())),
            Err(absent) => eprintln!("left out: {absent}"),
        }
    }

    #[test]
    fn the_first_errors_of_a_log_are_shown() {
        let log = "sum.cu(4): error: identifier \"narow\" is undefined\n    a[i] = narow(b);\n\
                   sum.cu(7): error: no\n\n2 errors detected\n";
        let shown = complaints(log);
        assert_eq!(shown.lines().count(), 4, "{shown}");
        assert!(shown.starts_with("\n  sum.cu(4): error"));
        assert_eq!(complaints("ptxas is lost"), "\n  ptxas is lost");
    }

    #[test]
    fn a_program_compiles_for_both_architectures() {
        with_compiler(|compiler, cache| {
            for architecture in ["sm_80", "sm_90a"] {
                let program = sum_program(DType::F64);
                let compiled = compiler.through(&cache, &program, architecture).unwrap();
                assert!(compiled.cubin.starts_with(b"\x7fELF"));
                assert_eq!(compiled.kernels[0].name, "sum");
                assert!(compiled.kernels[0].registers > 0 && !compiled.kernels[0].spills());
            }
        });
    }

    #[test]
    fn a_mistake_is_told_with_its_file_and_line() {
        with_compiler(|compiler, cache| {
            const SOURCES: &[Source] = &[Source {
                path: "here/wrong.cu",
                text: "\nextern \"C\" __global__ void wrong(real* a) { a[0] = nothing; }",
            }];
            let program = Program::new(SOURCES, DType::F32);
            let error = compiler.through(&cache, &program, "sm_80").err().unwrap().to_string();
            assert!(error.contains("here/wrong.cu(2): error"), "{error}");
            let error = compiler.through(&cache, &program, "sm_1").err().unwrap().to_string();
            assert!(error.contains("here/wrong.cu") && error.contains("architecture"), "{error}");
        });
    }

    #[test]
    fn what_the_cache_has_is_not_compiled_again() {
        with_compiler(|compiler, cache| {
            let program = sum_program(DType::F32);
            let first = compiler.through(&cache, &program, "sm_80").unwrap();
            let again = compiler.through(&cache, &program, "sm_80").unwrap();
            // The log tells the time that it took to compile, which is never the same twice.
            assert!(first.log == again.log && first.cubin == again.cubin);
            let other = compiler.through(&cache, &program, "sm_90a").unwrap();
            assert!(other.cubin != first.cubin);
        });
    }
}
