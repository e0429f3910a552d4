//! NVRTC, NVIDIA's run-time compiler, loaded when it is first needed.
//!
//! The `cudarc` crate also wraps NVRTC, but always loads the system's library. Here `CINE_NVRTC` can
//! give the path of another.

use std::ffi::{CStr, CString, OsStr, c_char, c_int, c_void};
use std::path::{Path, PathBuf};
use std::ptr;
use std::sync::OnceLock;

use libloading::Library;

use super::version;

/// The environment variable for the path of the library or of a folder that has it, such as an
/// unpacked Python wheel.
pub const VARIABLE: &str = "CINE_NVRTC";

/// The supported major versions of CUDA with the library's name in each, newest first.
const NAMES: [(c_int, &str); 2] = if cfg!(windows) {
    [(13, "nvrtc64_130_0.dll"), (12, "nvrtc64_120_0.dll")]
} else {
    [(13, "libnvrtc.so.13"), (12, "libnvrtc.so.12")]
};

/// The library names for a driver of a major version of CUDA, which loads machine code of that version
/// and of older ones. All names if there is no driver.
fn names(driver: Option<c_int>) -> Vec<&'static str> {
    let fits = |(major, _): &(c_int, &str)| driver.is_none_or(|driver| *major <= driver);
    NAMES.into_iter().filter(fits).map(|(_, name)| name).collect()
}

/// Subfolders to search: those of a toolkit, of a wheel of CUDA 13 and of one of CUDA 12.
const SUBFOLDERS: [&str; 5] = ["", "lib64", "lib", "nvidia/cu13/lib", "nvidia/cuda_nvrtc/lib"];

/// Prefix of the second library, which NVRTC loads by name when it first compiles.
const BUILTINS: &str = if cfg!(windows) { "nvrtc-builtins64_" } else { "libnvrtc-builtins.so" };

type Handle = *mut c_void;
type Status = c_int;
const SUCCESS: Status = 0;

type GetSize = unsafe extern "C" fn(Handle, *mut usize) -> Status;
type GetBytes = unsafe extern "C" fn(Handle, *mut c_char) -> Status;
type Strings = *const *const c_char;
type Create = unsafe extern "C" fn(
    *mut Handle,
    *const c_char,
    *const c_char,
    c_int,
    Strings,
    Strings,
) -> Status;

/// The functions of the library, as `nvrtc.h` declares them.
pub struct Nvrtc {
    version: (c_int, c_int),
    error_string: unsafe extern "C" fn(Status) -> *const c_char,
    create: Create,
    compile: unsafe extern "C" fn(Handle, c_int, Strings) -> Status,
    log_size: GetSize,
    log: GetBytes,
    cubin_size: GetSize,
    cubin: GetBytes,
    destroy: unsafe extern "C" fn(*mut Handle) -> Status,
    /// Keeps the functions loaded.
    _library: Library,
}

/// The result of a compilation.
pub struct Outcome {
    /// Machine code; `None` if the source has errors.
    pub cubin: Option<Vec<u8>>,
    /// The log of compiler and assembler.
    pub log: String,
}

impl Nvrtc {
    /// The library, loaded on the first call, or the reason why it cannot be used.
    pub fn find() -> Result<&'static Nvrtc, &'static str> {
        static FOUND: OnceLock<Result<Nvrtc, String>> = OnceLock::new();
        let found = FOUND.get_or_init(|| {
            let path = std::env::var_os(VARIABLE).filter(|path| !path.is_empty());
            let driver = version::driver_major();
            let nvrtc = locate(path.as_deref(), &names(driver)).and_then(Self::new)?;
            check_driver(nvrtc.version, driver)?;
            Ok(nvrtc)
        });
        found.as_ref().map_err(String::as_str)
    }

    /// Major and minor version.
    pub fn version(&self) -> (c_int, c_int) {
        self.version
    }

    fn new(library: Library) -> Result<Self, String> {
        let lacks = |error: libloading::Error| format!("the NVRTC found cannot be used: {error}");
        // SAFETY: the types are those of nvrtc.h, which have not changed since CUDA 11.
        let mut nvrtc = unsafe {
            Nvrtc {
                version: (0, 0),
                error_string: *library.get(c"nvrtcGetErrorString").map_err(lacks)?,
                create: *library.get(c"nvrtcCreateProgram").map_err(lacks)?,
                compile: *library.get(c"nvrtcCompileProgram").map_err(lacks)?,
                log_size: *library.get(c"nvrtcGetProgramLogSize").map_err(lacks)?,
                log: *library.get(c"nvrtcGetProgramLog").map_err(lacks)?,
                cubin_size: *library.get(c"nvrtcGetCUBINSize").map_err(lacks)?,
                cubin: *library.get(c"nvrtcGetCUBIN").map_err(lacks)?,
                destroy: *library.get(c"nvrtcDestroyProgram").map_err(lacks)?,
                _library: library,
            }
        };
        let (mut major, mut minor) = (0, 0);
        // SAFETY: the type is that of nvrtc.h. The function writes two integers.
        let status = unsafe {
            let version: unsafe extern "C" fn(*mut c_int, *mut c_int) -> Status =
                *nvrtc._library.get(c"nvrtcVersion").map_err(lacks)?;
            version(&mut major, &mut minor)
        };
        nvrtc.check(status)?;
        nvrtc.version = (major, minor);
        Ok(nvrtc)
    }

    /// Compiles a source. Errors in the source are part of the outcome; `Err` is a failure of the
    /// compiler itself, or an invalid option.
    pub fn compile(&self, source: &CStr, options: &[CString]) -> Result<Outcome, String> {
        let program = NvrtcProgram::new(self, source)?;
        let options: Vec<*const c_char> = options.iter().map(|option| option.as_ptr()).collect();
        // SAFETY: the program is alive, and `options` has the length passed.
        let status =
            unsafe { (self.compile)(program.handle, options.len() as c_int, options.as_ptr()) };
        let log = program.bytes(self.log_size, self.log)?;
        let log = String::from_utf8_lossy(&log).trim_end_matches('\0').to_owned();
        if status != SUCCESS && log.trim().is_empty() {
            // The source was not read: an option is invalid, or a library is missing.
            self.check(status)?;
        }
        let cubin = (status == SUCCESS).then(|| program.bytes(self.cubin_size, self.cubin));
        Ok(Outcome { cubin: cubin.transpose()?, log })
    }

    fn check(&self, status: Status) -> Result<(), String> {
        if status == SUCCESS {
            return Ok(());
        }
        // SAFETY: it accepts any status and returns a static string of the library.
        let text = unsafe { CStr::from_ptr((self.error_string)(status)) };
        Err(text.to_string_lossy().into_owned())
    }
}

/// An owned `nvrtcProgram`.
struct NvrtcProgram<'a> {
    nvrtc: &'a Nvrtc,
    handle: Handle,
}

impl<'a> NvrtcProgram<'a> {
    fn new(nvrtc: &'a Nvrtc, source: &'a CStr) -> Result<Self, String> {
        let mut handle = ptr::null_mut();
        let (text, none) = (source.as_ptr(), ptr::null());
        // SAFETY: `source` outlives the program. Name and headers are optional.
        let status = unsafe { (nvrtc.create)(&mut handle, text, ptr::null(), 0, none, none) };
        nvrtc.check(status)?;
        Ok(NvrtcProgram { nvrtc, handle })
    }

    /// Reads a result of the compilation, such as the log: its size, then its bytes.
    fn bytes(&self, get_size: GetSize, get_bytes: GetBytes) -> Result<Vec<u8>, String> {
        let mut len = 0;
        // SAFETY: the program is alive.
        self.nvrtc.check(unsafe { get_size(self.handle, &mut len) })?;
        let mut bytes = vec![0u8; len];
        // SAFETY: the buffer has the size that the library reported.
        self.nvrtc.check(unsafe { get_bytes(self.handle, bytes.as_mut_ptr().cast()) })?;
        Ok(bytes)
    }
}

impl Drop for NvrtcProgram<'_> {
    fn drop(&mut self) {
        // SAFETY: `self` owns the program. Failure to destroy it would only leak memory.
        unsafe { (self.nvrtc.destroy)(&mut self.handle) };
    }
}

/// Loads the library at `path`, which may be a folder. Without a path, searches the directories of the
/// system's loader, then CUDA toolkits.
fn locate(path: Option<&OsStr>, names: &[&str]) -> Result<Library, String> {
    if let Some(path) = path {
        return open_with_builtins(Path::new(path), names)
            .map_err(|reason| format!("{VARIABLE} is {}: {reason}", Path::new(path).display()));
    }
    let toolkits: Vec<PathBuf> = ["CUDA_HOME", "CUDA_PATH"]
        .into_iter()
        .filter_map(std::env::var_os)
        .map(PathBuf::from)
        .chain([PathBuf::from("/usr/local/cuda")])
        .collect();
    let installed = names.iter().find_map(|name| open(Path::new(name)).ok());
    let in_toolkit = || toolkits.iter().find_map(|folder| open_with_builtins(folder, names).ok());
    installed.or_else(in_toolkit).ok_or_else(|| {
        let folders: Vec<String> = toolkits.iter().map(|f| f.display().to_string()).collect();
        format!(
            "{} (the CUDA compiler) was found neither by the system's loader nor in {}; set \
             {VARIABLE} to the folder that has it",
            names.join(" or "),
            folders.join(", ")
        )
    })
}

/// Loads the library at `path` or in a subfolder. First loads the builtins library from the same
/// folder, which NVRTC would not find there.
fn open_with_builtins(path: &Path, names: &[&str]) -> Result<Library, String> {
    let in_subfolder = |folder| names.iter().map(move |name| path.join(folder).join(name));
    let candidates = SUBFOLDERS.iter().flat_map(in_subfolder);
    let mut candidates = std::iter::once(path.to_owned()).chain(candidates);
    let library = candidates
        .find(|candidate| candidate.is_file())
        .ok_or_else(|| format!("there is no {}", names.join(" or ")))?;
    let siblings = library.parent().and_then(|folder| folder.read_dir().ok());
    for entry in siblings.into_iter().flatten().flatten() {
        if entry.file_name().to_string_lossy().starts_with(BUILTINS) {
            // Never unloaded, so that the loader finds it by name later.
            open(&entry.path()).map(std::mem::forget).map_err(|error| error.to_string())?;
        }
    }
    open(&library).map_err(|error| error.to_string())
}

/// Checks that the driver can load machine code of this compiler version. Otherwise it would fail when
/// the first kernel is loaded, with a less helpful message.
fn check_driver((major, minor): (c_int, c_int), driver: Option<c_int>) -> Result<(), String> {
    match driver.filter(|driver| major > *driver) {
        None => Ok(()),
        Some(driver) => Err(format!(
            "a driver of CUDA {driver} cannot load machine code of NVRTC {major}.{minor}; install a \
             newer driver, or set {VARIABLE} to the NVRTC of CUDA {driver}"
        )),
    }
}

/// Loads a library and makes its symbols available to libraries loaded later.
#[cfg(unix)]
fn open(path: &Path) -> Result<Library, libloading::Error> {
    use libloading::os::unix::{self, RTLD_GLOBAL, RTLD_NOW};
    // SAFETY: loading NVIDIA's libraries only initialises them.
    unsafe { unix::Library::open(Some(path), RTLD_NOW | RTLD_GLOBAL) }.map(Library::from)
}

/// Loads a library.
#[cfg(not(unix))]
fn open(path: &Path) -> Result<Library, libloading::Error> {
    // SAFETY: loading NVIDIA's libraries only initialises them.
    unsafe { Library::new(path) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_without_the_library_is_named_in_the_error() {
        let folder = tempfile::tempdir().unwrap();
        let names = names(None);
        let error = locate(Some(folder.path().as_os_str()), &names).expect_err("an empty folder");
        assert!(error.contains(VARIABLE) && error.contains(&folder.path().display().to_string()));
        assert!(error.contains(names[0]) && !error.contains('\n'), "{error}");
    }

    #[test]
    fn a_file_that_is_not_a_library_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join(NAMES[0].1);
        std::fs::write(&file, "not one").unwrap();
        assert!(locate(Some(file.as_os_str()), &names(None)).is_err());
        assert!(locate(Some(folder.path().as_os_str()), &names(None)).is_err());
    }

    #[test]
    fn the_compiler_must_not_be_newer_than_the_driver() {
        assert_eq!(names(None).len(), 2);
        assert_eq!(names(Some(13)), names(Some(14)));
        assert_eq!(names(Some(12)), [NAMES[1].1]);
        assert!(check_driver((13, 0), None).is_ok() && check_driver((12, 9), Some(12)).is_ok());
        let error = check_driver((13, 0), Some(12)).unwrap_err();
        assert!(error.contains("NVRTC 13.0") && error.contains("driver of CUDA 12"), "{error}");
    }
}
