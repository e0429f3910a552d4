//! The runtime: fibers, shared memory, warps and the checker, in C++ (`runtime/`), compiled once
//! and loaded into this process.

use std::ffi::{CStr, c_char, c_int, c_void};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use libloading::Library;

use crate::compiler::Compiler;

macro_rules! files {
    ($($path:literal),* $(,)?) => {
        &[$((file_name($path), include_str!(concat!("../", $path)))),*]
    };
}

/// What kernels include. Their text counts for whether a kernel must be compiled again.
const HEADERS: &[(&str, &str)] = files![
    "runtime/interface.h",
    "kernel/atomic.h",
    "kernel/cuda.h",
    "kernel/declare.h",
    "kernel/math.h",
    "kernel/vector.h",
    "kernel/warp.h",
];

/// The runtime itself, in the order in which it is compiled: what others include comes first.
const SOURCES: &[(&str, &str)] = files![
    "runtime/interface.h",
    "runtime/fiber.h",
    "runtime/record.h",
    "runtime/memory.h",
    "runtime/device.h",
    "runtime/matrix.h",
    "runtime/check.cpp",
    "runtime/copy.cpp",
    "runtime/fiber.cpp",
    "runtime/hooks.cpp",
    "runtime/host.cpp",
    "runtime/launch.cpp",
    "runtime/matrix.cpp",
    "runtime/memory.cpp",
    "runtime/schedule.cpp",
    "runtime/warp.cpp",
];

const fn file_name(path: &str) -> &str {
    let (_, name) = path.split_at(path.len() - after_slash(path.as_bytes()));
    name
}

const fn after_slash(path: &[u8]) -> usize {
    let mut count = 0;
    while count < path.len() && path[path.len() - 1 - count] != b'/' {
        count += 1;
    }
    count
}

/// A device of the runtime.
#[repr(C)]
pub struct RawDevice {
    _private: [u8; 0],
}

/// A kernel of a loaded program, as `runtime/interface.h` lays it out.
#[repr(C)]
pub struct RawKernel {
    name: *const c_char,
    call: *const c_void,
    most_threads: u32,
    image_begin: *const c_void,
    image_end: *const c_void,
}

/// An argument that is a pointer, as `runtime/interface.h` lays it out.
#[repr(C)]
pub struct RawPointer {
    pub name: *const c_char,
    pub address: u64,
}

impl RawKernel {
    /// Threads that a block may have, if the kernel says so.
    pub fn most_threads(&self) -> Option<u32> {
        (self.most_threads > 0).then_some(self.most_threads)
    }
}

/// A message, or null.
type Message = *const c_char;

/// Functions of `runtime/host.cpp`.
pub struct Runtime {
    pub create: unsafe extern "C" fn(c_int, u32) -> *mut RawDevice,
    pub destroy: unsafe extern "C" fn(*mut RawDevice),
    pub allocate: unsafe extern "C" fn(*mut RawDevice, usize) -> *mut c_void,
    pub memory_left: unsafe extern "C" fn(*const RawDevice) -> usize,
    pub release: unsafe extern "C" fn(*mut RawDevice, *mut c_void, usize) -> c_int,
    pub is_live: unsafe extern "C" fn(*mut RawDevice, *const c_void) -> c_int,
    pub forget: unsafe extern "C" fn(*mut RawDevice, *mut c_void, usize),
    pub write: unsafe extern "C" fn(*mut RawDevice, *mut c_void, *const c_void, usize) -> Message,
    pub read: unsafe extern "C" fn(*mut RawDevice, *const c_void, *mut c_void, usize) -> Message,
    pub copy: unsafe extern "C" fn(*mut RawDevice, *const c_void, *mut c_void, usize) -> Message,
    pub launch: unsafe extern "C" fn(
        *mut RawDevice,
        *const RawKernel,
        *const u32,
        *const u32,
        usize,
        *const u64,
        *const RawPointer,
        u32,
        *mut usize,
        *mut c_int,
    ) -> Message,
    /// The folder of what kernels include.
    pub headers: PathBuf,
    _library: Library,
}

impl Runtime {
    /// The runtime of this process; compiled and loaded when it is first asked for.
    pub fn of_this_process() -> Result<&'static Runtime, String> {
        static RUNTIME: OnceLock<Result<Runtime, String>> = OnceLock::new();
        let load = || Compiler::of_this_machine().and_then(Self::load);
        RUNTIME.get_or_init(load).as_ref().map_err(Clone::clone)
    }

    fn load(compiler: &Compiler) -> Result<Self, String> {
        let headers = compiler.headers(HEADERS)?;
        let path =
            compiler.library("runtime", &one_text(), &headers, &["-O2", "-g1"], &["-ldl"])?;
        let failed = |error: libloading::Error| format!("{}: {error}", path.display());
        let library = open(&path, Visible::ToAll).map_err(failed)?;
        macro_rules! function {
            ($name:literal) => {
                // SAFETY: it has the type that `runtime/host.cpp` gives it.
                *unsafe { library.get($name) }.map_err(failed)?
            };
        }
        Ok(Runtime {
            create: function!(b"emulator_create"),
            destroy: function!(b"emulator_destroy"),
            allocate: function!(b"emulator_allocate"),
            memory_left: function!(b"emulator_memory_left"),
            release: function!(b"emulator_release"),
            is_live: function!(b"emulator_is_live"),
            forget: function!(b"emulator_forget"),
            write: function!(b"emulator_write"),
            read: function!(b"emulator_read"),
            copy: function!(b"emulator_copy"),
            launch: function!(b"emulator_launch"),
            headers,
            _library: library,
        })
    }
}

/// Who may call the functions of a library.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Visible {
    /// Libraries that are loaded later, as kernels call the runtime.
    ToAll,
    /// Who has the library: many have kernels of the same names.
    ToOwner,
}

/// Loads a library that was compiled here.
pub fn open(path: &Path, visible: Visible) -> Result<Library, libloading::Error> {
    #[cfg(unix)]
    {
        use libloading::os::unix::{Library, RTLD_GLOBAL, RTLD_LOCAL, RTLD_NOW};
        let scope = if visible == Visible::ToAll { RTLD_GLOBAL } else { RTLD_LOCAL };
        // SAFETY: nothing runs when the runtime, or a kernel, is loaded.
        unsafe { Library::open(Some(path), RTLD_NOW | scope) }.map(Into::into)
    }
    #[cfg(not(unix))]
    {
        // Never reached: there is no compiler for such a system.
        let _ = visible;
        // SAFETY: as above.
        unsafe { Library::new(path) }
    }
}

/// A message of the runtime as a result.
pub fn result(message: Message) -> Result<(), String> {
    if message.is_null() {
        return Ok(());
    }
    // SAFETY: the runtime returns a string that is good until it is called again.
    Err(unsafe { CStr::from_ptr(message) }.to_string_lossy().into_owned())
}

/// All sources as one, without the lines by which they include each other: one compilation reads
/// the standard library once.
fn one_text() -> String {
    let mut text = String::new();
    for (name, source) in SOURCES {
        text.push_str(&format!("#line 1 \"runtime/{name}\"\n"));
        for line in source.lines() {
            let own = line.starts_with("#include \"") || line.starts_with("#pragma once");
            text.push_str(if own { "" } else { line });
            text.push('\n');
        }
    }
    text
}
