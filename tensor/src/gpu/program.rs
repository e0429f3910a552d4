//! CUDA source code and its specialisation.

use std::fmt::Write;

use crate::DType;

/// The source that precedes every program: storage and accumulator types and their conversions.
pub const PRELUDE: &str = include_str!("prelude.cuh");

const SUM: &[Source] = &[Source { path: "tensor/src/gpu/sum.cu", text: include_str!("sum.cu") }];

/// The program with the kernel `sum(real* a, const real* b, long long count)`: `a += b`, for
/// accumulating gradients.
pub fn sum_program(dtype: DType) -> Program {
    Program::new(SUM, dtype)
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
///         extern "C" __global__ void scale(real* a, long long count) {
///             long long i = item();
///             if (i < count) a[i] = narrow(FACTOR * widen(a[i]));
///         }"#,
/// }];
/// let program = Program::new(SOURCES, DType::F32).with("FACTOR", 3);
/// assert!(program.whole().contains("#define FACTOR 3LL"));
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Program {
    /// The source files, concatenated after [`PRELUDE`].
    pub sources: &'static [Source],
    /// The dtype in which features are stored: the source's `real`.
    pub dtype: DType,
    /// Preprocessor constants by name, such as tile sizes.
    pub constants: Vec<(&'static str, i64)>,
}

impl Program {
    /// A program for tensors of `dtype`, without constants.
    pub fn new(sources: &'static [Source], dtype: DType) -> Self {
        Program { sources, dtype, constants: vec![] }
    }

    /// Adds a preprocessor constant of type `long long`.
    pub fn with(mut self, name: &'static str, value: i64) -> Self {
        self.constants.push((name, value));
        self
    }

    /// The path of the last source file, which by convention has the kernels.
    pub fn path(&self) -> &'static str {
        self.sources.last().map_or("", |source| source.path)
    }

    /// The translation unit: constants, [`PRELUDE`] and sources, with `#line` directives so that
    /// compiler messages name the original files and lines.
    pub fn whole(&self) -> String {
        let mut unit = format!("#define REAL {}\n", 8 * self.dtype.bytes());
        for (name, value) in &self.constants {
            let _ = writeln!(unit, "#define {name} {value}LL");
        }
        let prelude = Source { path: "tensor/src/gpu/prelude.cuh", text: PRELUDE };
        for Source { path, text } in [&prelude].into_iter().chain(self.sources) {
            let _ = writeln!(unit, "#line 1 \"{path}\"\n{text}");
        }
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
        let program = Program::new(SOURCES, DType::F64).with("SIZE", 3);
        let whole = program.whole();
        assert!(whole.starts_with("#define REAL 64\n#define SIZE 3LL\n#line 1 \"tensor/"));
        assert!(
            whole.ends_with("#line 1 \"a.cuh\"\nint a;\n#line 1 \"b.cu\"\nint b;\n"),
            "{whole}"
        );
        assert_eq!(program.path(), "b.cu");
    }
}
