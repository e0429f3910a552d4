//! Kernel source, and what it is compiled for.

use std::fmt::Write;

use super::arguments::{In, Out, Real};
use super::layout::{self, Kernel, Layout};
use crate::DType;

/// What every program starts with: the types `real` and `wide`, and the traffic between them.
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

/// The program whose kernel `sum` adds gradients that meet on the tape.
pub fn sum_program(dtype: DType) -> Program {
    Program::new(SUM, dtype).with_kernels(SUM_KERNELS)
}

/// A file of source.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Source {
    /// Where it lies in the repository, for messages.
    pub path: &'static str,
    /// What it says. It includes nothing.
    pub text: &'static str,
}

/// Kernels, specialised.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Program {
    /// The sources, each of which may use what stands in those before; [`PRELUDE`] goes before all.
    pub sources: &'static [Source],
    /// What tensors are stored in: `real` of the source.
    pub dtype: DType,
    /// Constants of the source by name, such as a kernel's size.
    pub constants: Vec<(&'static str, i64)>,
    /// The kernels of the sources and the structs that they take.
    pub kernels: &'static [Kernel],
}

impl Program {
    /// A program for tensors of a dtype, without constants.
    pub fn new(sources: &'static [Source], dtype: DType) -> Self {
        Program { sources, dtype, constants: vec![], kernels: &[] }
    }

    /// The same with its kernels declared, so that each is compiled and launched with the struct that
    /// it takes.
    pub fn with_kernels(self, kernels: &'static [Kernel]) -> Self {
        Program { kernels, ..self }
    }

    /// The same with one constant more.
    pub fn with(mut self, name: &'static str, value: i64) -> Self {
        self.constants.push((name, value));
        self
    }

    /// The file that holds the kernels: the last.
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

    /// All that is compiled, in one piece; messages name the file and the line of the source.
    pub fn whole(&self) -> String {
        let mut whole = format!("#define REAL {}\n", 8 * self.dtype.bytes());
        for (name, value) in &self.constants {
            let _ = writeln!(whole, "#define {name} {value}LL");
        }
        let prelude = Source { path: "tensor/src/gpu/prelude.cuh", text: PRELUDE };
        for Source { path, text } in [&prelude].into_iter().chain(self.sources) {
            let _ = writeln!(whole, "#line 1 \"{path}\"\n{text}");
        }
        whole.push_str(&layout::assertions(self.kernels));
        whole
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_is_one_text_whose_lines_are_those_of_its_files() {
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
