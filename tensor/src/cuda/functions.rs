//! Kernels that are loaded, found again at every launch.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::ptr;
use std::sync::{Arc, PoisonError, RwLock};

use cudarc::driver::sys;

use crate::gpu::Program;

/// The most arguments that a kernel may take.
pub const ARGUMENTS: usize = 64;

/// A kernel that can be launched. Its module stays loaded as long as the program runs.
pub struct Function {
    /// The driver's.
    pub handle: Handle<sys::CUfunction>,
    /// The source it comes from.
    pub program: Program,
    /// The kernel's name.
    pub kernel: String,
    /// How many arguments it takes, where the driver can tell.
    pub parameters: Option<usize>,
}

/// A program that is loaded.
pub struct Module {
    /// The driver's.
    pub handle: Handle<sys::CUmodule>,
    /// What it was compiled from.
    pub program: Program,
    /// The names of its kernels, for messages.
    pub kernels: Vec<String>,
}

/// A handle of the CUDA driver: a raw pointer that only the driver dereferences. Which threads may
/// use it depends on what it names, so each type has its own `Send` and `Sync`.
#[derive(Clone, Copy)]
pub struct Handle<T>(pub T);

// SAFETY: a loaded module never changes, and the driver takes it from any thread that has its context.
unsafe impl Send for Handle<sys::CUmodule> {}
// SAFETY: as above, also from several threads at once.
unsafe impl Sync for Handle<sys::CUmodule> {}
// SAFETY: as a module, of which a function is a part.
unsafe impl Send for Handle<sys::CUfunction> {}
// SAFETY: as above.
unsafe impl Sync for Handle<sys::CUfunction> {}
// SAFETY: any thread that has its context may launch an executable graph. It is not `Sync`: the
// driver does not order two threads that use the same graph.
unsafe impl Send for Handle<sys::CUgraphExec> {}

/// All kernels loaded so far.
///
/// Looked up without taking memory: under a hash of what a program is made of, where sources count as
/// the place they lie at. They are part of the executable and never change.
#[derive(Default)]
pub struct Functions(RwLock<HashMap<u64, Vec<Arc<Function>>>>);

impl Functions {
    /// A kernel, if it was loaded.
    pub fn find(&self, program: &Program, kernel: &str) -> Option<Arc<Function>> {
        let functions = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let alike = functions.get(&key(program, kernel))?;
        alike.iter().find(|function| function.is(program, kernel)).cloned()
    }

    /// Keeps a kernel.
    pub fn add(&self, function: Function) -> Arc<Function> {
        let key = key(&function.program, &function.kernel);
        let function = Arc::new(function);
        let mut functions = self.0.write().unwrap_or_else(PoisonError::into_inner);
        functions.entry(key).or_default().push(function.clone());
        function
    }
}

impl Function {
    fn is(&self, program: &Program, kernel: &str) -> bool {
        ptr::eq(self.program.sources, program.sources)
            && self.program.dtype == program.dtype
            && self.program.constants == program.constants
            && self.kernel == kernel
    }
}

fn key(program: &Program, kernel: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    program.sources.as_ptr().hash(&mut hasher);
    program.dtype.hash(&mut hasher);
    program.constants.hash(&mut hasher);
    kernel.hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::DType;
    use crate::gpu::sum_program;

    #[test]
    fn a_kernel_is_told_from_its_specialisations() {
        let functions = Functions::default();
        let program = sum_program(DType::F32);
        let handle = Handle::<sys::CUfunction>(ptr::null_mut());
        let (kernel, parameters) = ("sum".to_owned(), Some(3));
        functions.add(Function { handle, program: program.clone(), kernel, parameters });
        assert!(functions.find(&sum_program(DType::F32), "sum").is_some());
        assert!(functions.find(&sum_program(DType::F64), "sum").is_none());
        assert!(functions.find(&program.clone().with("SIZE", 3), "sum").is_none());
        assert!(functions.find(&program, "difference").is_none());
    }
}
