//! Loaded modules and kernels, looked up at every launch.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::ptr;
use std::sync::{Arc, PoisonError, RwLock};

use cudarc::driver::sys;

use crate::gpu::Program;

/// The maximum number of arguments of a kernel.
pub const ARGUMENTS: usize = 64;

/// A loaded kernel. Its module is never unloaded.
pub struct Function {
    /// The driver's handle.
    pub handle: Handle<sys::CUfunction>,
    /// The program of the kernel.
    pub program: Program,
    /// The kernel's name.
    pub kernel: String,
    /// The number of parameters, if the driver reports it.
    pub parameters: Option<usize>,
}

/// A loaded program.
pub struct Module {
    /// The driver's handle.
    pub handle: Handle<sys::CUmodule>,
    /// The program that was loaded.
    pub program: Program,
    /// The names of its kernels, for error messages.
    pub kernels: Vec<String>,
}

/// What the driver calls something of its own.
#[derive(Clone, Copy)]
pub struct Handle<T>(pub T);

// SAFETY: the driver's handles are plain names, good in any thread that has the context.
unsafe impl<T> Send for Handle<T> {}
// SAFETY: as above.
unsafe impl<T> Sync for Handle<T> {}

/// All kernels loaded so far.
///
/// A lookup does not allocate: the key is a hash of program and kernel, and sources are compared by
/// address, as they are static.
#[derive(Default)]
pub struct Functions(RwLock<HashMap<u64, Vec<Arc<Function>>>>);

impl Functions {
    /// A kernel; `None` if it has not been loaded.
    pub fn find(&self, program: &Program, kernel: &str) -> Option<Arc<Function>> {
        let functions = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let candidates = functions.get(&key(program, kernel))?;
        candidates.iter().find(|function| function.is(program, kernel)).cloned()
    }

    /// Adds a loaded kernel.
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
    fn lookup_distinguishes_specialisations() {
        let functions = Functions::default();
        let program = sum_program(DType::F32);
        let handle = Handle(ptr::null_mut());
        let (kernel, parameters) = ("sum".to_owned(), Some(3));
        functions.add(Function { handle, program: program.clone(), kernel, parameters });
        assert!(functions.find(&sum_program(DType::F32), "sum").is_some());
        assert!(functions.find(&sum_program(DType::F64), "sum").is_none());
        assert!(functions.find(&program.clone().with("SIZE", 3), "sum").is_none());
        assert!(functions.find(&program, "difference").is_none());
    }
}
