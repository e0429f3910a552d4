//! CUDA source code and its specialisation.

use std::fmt::Write;

use super::arguments::{In, Out, Real};
use super::layout::{self, Kernel, Layout};
use crate::DType;

/// The source that precedes every program: storage and accumulator types and their conversions.
pub const PRELUDE: &str = include_str!("prelude.cuh");

const SUM: &[Source] = &[Source { path: "tensor/src/gpu/sum.cu", text: include_str!("sum.cu") }];

crate::kernels! {
    /// The kernel of `sum.cu`.
    pub const SUM_KERNELS;

    /// `a += b`, element by element.
    sum => struct Sum<'a> {
        /// The first gradient, which becomes the sum.
        pub a: Out<'a, Real>,
        /// The second.
        pub b: In<'a, Real>,
        /// Elements of each.
        pub count: usize,
    }
}

/// The program whose kernel `sum` computes `a += b`, for accumulating gradients.
pub fn sum_program(dtype: DType) -> Program {
    Program::new(SUM, dtype).with_kernels(SUM_KERNELS)
}

/// A source file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Source {
    /// Its path in the repository, for compiler messages and profilers.
    pub path: &'static str,
    /// Its text, without `#include` directives.
    pub text: &'static str,
}

/// CUDA source and the constants that specialise it: the unit of compilation.
///
/// ```
/// use tensor::DType;
/// use tensor::gpu::{Program, Source};
/// const SOURCES: &[Source] = &[Source {
///     path: "examples/scale.cu",
///     text: r#"
///         extern "C" __global__ void scale(Real* a, long long count) {
///             long long i = thread_index();
///             if (i < count) a[i] = to_real(FACTOR * to_acc(a[i]));
///         }"#,
/// }];
/// let program = Program::new(SOURCES, DType::F32).define("FACTOR", 3);
/// assert!(program.full_source().contains("#define FACTOR 3LL"));
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Program {
    /// The source files, concatenated after [`PRELUDE`].
    pub sources: &'static [Source],
    /// The dtype in which features are stored: the source's `Real`.
    pub dtype: DType,
    /// Preprocessor constants by name, such as tile sizes.
    pub constants: Vec<(&'static str, i64)>,
    /// The kernels of the sources and the structs that they take.
    pub kernels: &'static [Kernel],
}

impl Program {
    /// A program for tensors of `dtype`, without constants.
    pub fn new(sources: &'static [Source], dtype: DType) -> Self {
        Program { sources, dtype, constants: vec![], kernels: &[] }
    }

    /// The same with its kernels declared, so that each is compiled and launched with the struct that
    /// it takes.
    pub fn with_kernels(self, kernels: &'static [Kernel]) -> Self {
        Program { kernels, ..self }
    }

    /// Adds a preprocessor constant of type `long long`.
    pub fn define(mut self, name: &'static str, value: i64) -> Self {
        self.constants.push((name, value));
        self
    }

    /// The path of the last source file, which by convention has the kernels.
    pub fn path(&self) -> &'static str {
        self.sources.last().map_or("", |source| source.path)
    }

    /// Refuses arguments that a kernel does not take.
    ///
    /// # Errors
    /// What was found and what was wanted, in one line.
    pub fn check_arguments(&self, kernel: &str, given: &Layout) -> Result<(), String> {
        let path = self.path();
        match self.kernels.iter().find(|declared| declared.name == kernel) {
            Some(declared) if declared.arguments == given => Ok(()),
            Some(declared) => {
                let (wanted, given) = (declared.arguments.name, given.name);
                Err(format!("kernel {kernel} of {path} takes {wanted}, not {given}"))
            }
            None => {
                let names: Vec<_> = self.kernels.iter().map(|declared| declared.name).collect();
                Err(format!("{path} declares no kernel {kernel}, but {}", names.join(", ")))
            }
        }
    }

    /// The translation unit: constants, [`PRELUDE`], sources, and assertions that the structs of
    /// arguments have the layout of their Rust twins. `#line` directives let compiler messages name
    /// the original files and lines.
    pub fn full_source(&self) -> String {
        let mut unit = format!("#define REAL {}\n", 8 * self.dtype.bytes());
        for (name, value) in &self.constants {
            let _ = writeln!(unit, "#define {name} {value}LL");
        }
        let prelude = Source { path: "tensor/src/gpu/prelude.cuh", text: PRELUDE };
        for Source { path, text } in [&prelude].into_iter().chain(self.sources) {
            let _ = writeln!(unit, "#line 1 \"{path}\"\n{text}");
        }
        unit.push_str(&layout::assertions(self.kernels));
        unit
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_translation_unit_keeps_the_line_numbers_of_its_files() {
        const SOURCES: &[Source] =
            &[Source { path: "a.cuh", text: "int a;" }, Source { path: "b.cu", text: "int b;" }];
        let program = Program::new(SOURCES, DType::F64).define("SIZE", 3);
        let whole = program.full_source();
        assert!(whole.starts_with("#define REAL 64\n#define SIZE 3LL\n#line 1 \"tensor/"));
        assert!(
            whole.ends_with("#line 1 \"a.cuh\"\nint a;\n#line 1 \"b.cu\"\nint b;\n"),
            "{whole}"
        );
        assert_eq!(program.path(), "b.cu");
    }
}
