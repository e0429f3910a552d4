//! Kernel source, and what it is compiled for.

use std::fmt::Write;

use crate::DType;

/// What every program starts with: the types `real` and `wide`, and the traffic between them.
pub const PRELUDE: &str = include_str!("prelude.cuh");

/// A file of kernels, specialised.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Program {
    /// Where the source lies in the repository, for messages.
    pub path: &'static str,
    /// The source. It includes nothing but [`PRELUDE`], which goes before it.
    pub text: &'static str,
    /// What tensors are stored in: `real` of the source.
    pub dtype: DType,
    /// Constants of the source by name, such as a kernel's size.
    pub constants: Vec<(&'static str, i64)>,
}

impl Program {
    /// A program for tensors of a dtype, without constants.
    pub fn new(path: &'static str, text: &'static str, dtype: DType) -> Self {
        Program { path, text, dtype, constants: vec![] }
    }

    /// The same with one constant more.
    pub fn with(mut self, name: &'static str, value: i64) -> Self {
        self.constants.push((name, value));
        self
    }

    /// All that is compiled, in one piece; messages name the file and the line of the source.
    pub fn whole(&self) -> String {
        let mut whole = format!("#define REAL {}\n", 8 * self.dtype.bytes());
        for (name, value) in &self.constants {
            let _ = writeln!(whole, "#define {name} {value}LL");
        }
        let _ = write!(whole, "#line 1 \"tensor/src/gpu/prelude.cuh\"\n{PRELUDE}");
        let _ = write!(whole, "\n#line 1 \"{}\"\n{}", self.path, self.text);
        whole
    }
}

/// The program whose kernel `sum` adds gradients that meet on the tape.
pub fn sum_program(dtype: DType) -> Program {
    Program::new("tensor/src/gpu/sum.cu", include_str!("sum.cu"), dtype)
}
