//! Loaded modules and kernels, looked up at every launch.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::ptr;
use std::sync::{Arc, PoisonError, RwLock};

use cudarc::driver::sys;

use crate::gpu::Program;

/// A loaded kernel. Its module is never unloaded.
pub struct Function {
    /// The driver's handle.
    pub handle: Handle<sys::CUfunction>,
    /// The program of the kernel.
    pub program: Program,
    /// The kernel's name.
    pub kernel: String,
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
        let handle = Handle::<sys::CUfunction>(ptr::null_mut());
        let kernel = "sum".to_owned();
        functions.add(Function { handle, program: program.clone(), kernel });
        assert!(functions.find(&sum_program(DType::F32), "sum").is_some());
        assert!(functions.find(&sum_program(DType::F64), "sum").is_none());
        assert!(functions.find(&program.clone().define("SIZE", 3), "sum").is_none());
        assert!(functions.find(&program, "difference").is_none());
    }
}
