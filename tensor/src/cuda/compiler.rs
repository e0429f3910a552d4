//! Compilation of CUDA source to machine code.

use std::ffi::CString;
use std::result::Result as StdResult;

use super::Unavailable;
use super::cache::{Cache, Entry};
use super::nvrtc::Nvrtc;
use super::usage::KernelUsage;
use crate::gpu::Program;
use crate::{Error, Result};

/// Compiler options, besides the architecture.
///
/// No option trades accuracy for speed: division and square roots are correctly rounded and denormals
/// are kept, so that float32 results agree with the CPU. Fused multiply-add is allowed. `-v` makes the
/// assembler log the resources of each kernel; line information is for profilers.
const OPTIONS: [&str; 7] = [
    "--std=c++17",
    "--ftz=false",
    "--fmad=true",
    "--prec-div=true",
    "--prec-sqrt=true",
    "--generate-line-info",
    "--ptxas-options=-v",
];

/// The maximum number of lines of the log in an error message.
const MAX_ERROR_LINES: usize = 5;

/// A compiled program.
pub struct CompiledProgram {
    /// Machine code for one architecture.
    pub cubin: Vec<u8>,
    /// Hardware resources of each kernel, parsed from `log`.
    pub kernels: Vec<KernelUsage>,
    /// The log of compiler and assembler, with warnings.
    pub log: String,
}

impl From<Entry> for CompiledProgram {
    fn from(entry: Entry) -> Self {
        CompiledProgram {
            kernels: KernelUsage::from_log(&entry.log),
            cubin: entry.cubin,
            log: entry.log,
        }
    }
}

/// CUDA's run-time compiler, NVRTC. Compilation needs neither a GPU nor its driver.
#[derive(Clone, Copy)]
pub struct Compiler(&'static Nvrtc);

impl Compiler {
    /// Loads the compiler. The environment variable `CINE_NVRTC` may give the path of the library or
    /// of a folder that has it; otherwise the system's library directories and CUDA toolkits are
    /// searched.
    ///
    /// # Errors
    /// When there is no usable library: the places that were searched.
    pub fn find() -> StdResult<Self, Unavailable> {
        let found = Nvrtc::find().map(Compiler);
        found.map_err(|reason| Unavailable(format!("no compiler for CUDA: {reason}")))
    }

    /// Name and version, such as `NVRTC 13.0`.
    pub fn version(&self) -> String {
        let (major, minor) = self.0.version();
        format!("NVRTC {major}.{minor}")
    }

    /// Compiles a program for an architecture such as `sm_90a`. Results are cached on disk, by
    /// compiler version, options and source.
    ///
    /// # Errors
    /// When the program does not compile: the first errors of the log. Failures to write the cache are
    /// ignored.
    pub fn compile(&self, program: &Program, architecture: &str) -> Result<CompiledProgram> {
        self.compile_cached(&Cache::of_user(), program, architecture)
    }

    fn compile_cached(
        &self,
        cache: &Cache,
        program: &Program,
        architecture: &str,
    ) -> Result<CompiledProgram> {
        let (options, text) = (options(architecture), program.full_source());
        let key = format!("{} {}\n{text}", self.version(), options.join(" "));
        if let Some(entry) = cache.get(&key) {
            return Ok(entry.into());
        }
        let entry = self.compile_uncached(program, &options, text)?;
        let _ = cache.put(&key, &entry);
        Ok(entry.into())
    }

    fn compile_uncached(
        &self,
        program: &Program,
        options: &[String],
        text: String,
    ) -> Result<Entry> {
        let path = program.path();
        let error = |what| Error::Device { device: self.version(), what };
        let zero_byte = |_| error(format!("{path}: the source or an option has a zero byte"));
        let text = CString::new(text).map_err(zero_byte)?;
        let flags = options.iter().map(|option| CString::new(option.as_str()));
        let flags = flags.collect::<StdResult<Vec<_>, _>>().map_err(zero_byte)?;
        let outcome = self.0.compile(&text, &flags);
        let outcome = outcome.map_err(|what| error(format!("{path}: {what}")))?;
        match outcome.cubin {
            Some(cubin) => Ok(Entry { cubin, log: outcome.log }),
            None => Err(error(format!(
                "{path} does not compile with {}{}",
                options[0],
                first_errors(&outcome.log)
            ))),
        }
    }
}

fn options(architecture: &str) -> Vec<String> {
    let architecture = format!("--gpu-architecture={architecture}");
    std::iter::once(architecture).chain(OPTIONS.map(str::to_owned)).collect()
}

/// The first lines of a log that report errors, or its first lines if none does, each indented on a
/// line of its own.
fn first_errors(log: &str) -> String {
    let is_error = |line: &&str| line.contains("error") || line.contains("fatal");
    let mut lines: Vec<&str> = log.lines().filter(is_error).take(MAX_ERROR_LINES).collect();
    if lines.is_empty() {
        lines = log.lines().take(MAX_ERROR_LINES).collect();
    }
    lines.iter().map(|line| format!("\n  {line}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::DType;
    use crate::gpu::{Source, sum_program};

    /// Runs `test` with an empty cache, or skips it if there is no compiler.
    fn with_compiler(test: impl FnOnce(Compiler, Cache)) {
        let folder = tempfile::tempdir().unwrap();
        match Compiler::find() {
            Ok(compiler) => test(compiler, Cache::at(folder.path().to_owned())),
            Err(absent) => eprintln!("skipped: {absent}"),
        }
    }

    #[test]
    fn messages_show_the_first_errors_of_the_log() {
        let log = "sum.cu(4): error: identifier \"narow\" is undefined\n    a[i] = narow(b);\n\
                   sum.cu(7): error: no\n\n2 errors detected\n";
        let shown = first_errors(log);
        assert_eq!(shown.lines().count(), 4, "{shown}");
        assert!(shown.starts_with("\n  sum.cu(4): error"));
        assert_eq!(first_errors("ptxas is lost"), "\n  ptxas is lost");
    }

    #[test]
    fn a_program_compiles_for_both_architectures() {
        with_compiler(|compiler, cache| {
            for architecture in ["sm_80", "sm_90a"] {
                let program = sum_program(DType::F64);
                let compiled = compiler.compile_cached(&cache, &program, architecture).unwrap();
                assert!(compiled.cubin.starts_with(b"\x7fELF"));
                assert_eq!(compiled.kernels[0].name, "sum");
                assert!(compiled.kernels[0].registers > 0 && !compiled.kernels[0].spills());
            }
        });
    }

    #[test]
    fn compile_errors_name_file_and_line() {
        with_compiler(|compiler, cache| {
            const SOURCES: &[Source] = &[Source {
                path: "here/wrong.cu",
                text: "\nextern \"C\" __global__ void wrong(Real* a) { a[0] = nothing; }",
            }];
            let program = Program::new(SOURCES, DType::F32);
            let compile = |architecture| compiler.compile_cached(&cache, &program, architecture);
            let error = compile("sm_80").err().unwrap().to_string();
            assert!(error.contains("here/wrong.cu(2): error"), "{error}");
            let error = compile("sm_1").err().unwrap().to_string();
            assert!(error.contains("here/wrong.cu") && error.contains("architecture"), "{error}");
        });
    }

    #[test]
    fn cached_programs_are_not_compiled_again() {
        with_compiler(|compiler, cache| {
            let program = sum_program(DType::F32);
            let compile = |architecture| compiler.compile_cached(&cache, &program, architecture);
            let first = compile("sm_80").unwrap();
            let again = compile("sm_80").unwrap();
            // Equal logs prove the cache hit: they state the compile time, which varies.
            assert!(first.log == again.log && first.cubin == again.cubin);
            let other = compile("sm_90a").unwrap();
            assert!(other.cubin != first.cubin);
        });
    }
}
