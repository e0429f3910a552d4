//! NVIDIA's run-time compiler, looked for when it is first wanted and called through its C functions.
//!
//! The functions are taken from the very library that was found, so that `CINE_NVRTC` decides even
//! where the system has a library of its own.

use std::ffi::{CStr, CString, OsStr, c_char, c_int, c_void};
use std::path::{Path, PathBuf};
use std::ptr;
use std::sync::OnceLock;

use libloading::Library;

use super::hardware;

/// The environment variable that names the library, or a folder with it (an unpacked wheel will do).
pub const VARIABLE: &str = "CINE_NVRTC";

/// The major versions of CUDA whose library will do, and what it is called there, the newest first.
const NAMES: [(c_int, &str); 2] = if cfg!(windows) {
    [(13, "nvrtc64_130_0.dll"), (12, "nvrtc64_120_0.dll")]
} else {
    [(13, "libnvrtc.so.13"), (12, "libnvrtc.so.12")]
};

/// Those whose machine code a driver can load: it knows that of its own major version of CUDA and of
/// older ones. All where there is no driver.
fn names(driver: Option<c_int>) -> Vec<&'static str> {
    let fits = |(major, _): &(c_int, &str)| driver.is_none_or(|driver| *major <= driver);
    NAMES.into_iter().filter(fits).map(|(_, name)| name).collect()
}

/// Where below a folder it may lie: itself, a toolkit, a wheel of CUDA 13, a wheel of CUDA 12.
const BELOW: [&str; 5] = ["", "lib64", "lib", "nvidia/cu13/lib", "nvidia/cuda_nvrtc/lib"];

/// The part that the library loads itself, by name, when it first compiles.
const BUILTINS: &str = if cfg!(windows) { "nvrtc-builtins64_" } else { "libnvrtc-builtins.so" };

type Handle = *mut c_void;
type Status = c_int;
const SUCCESS: Status = 0;

type Size = unsafe extern "C" fn(Handle, *mut usize) -> Status;
type Bytes = unsafe extern "C" fn(Handle, *mut c_char) -> Status;
type Texts = *const *const c_char;
type Create =
    unsafe extern "C" fn(*mut Handle, *const c_char, *const c_char, c_int, Texts, Texts) -> Status;

/// The library's functions, as its header declares them.
pub struct Nvrtc {
    version: (c_int, c_int),
    explain: unsafe extern "C" fn(Status) -> *const c_char,
    create: Create,
    compile: unsafe extern "C" fn(Handle, c_int, Texts) -> Status,
    log_size: Size,
    log: Bytes,
    cubin_size: Size,
    cubin: Bytes,
    destroy: unsafe extern "C" fn(*mut Handle) -> Status,
    /// What the functions belong to.
    _library: Library,
}

/// What came of a program.
pub struct Outcome {
    /// Machine code, where it compiled.
    pub cubin: Option<Vec<u8>>,
    /// What the compiler had to say.
    pub log: String,
}

impl Nvrtc {
    /// The library, or one clause that says where it was looked for.
    pub fn find() -> std::result::Result<&'static Nvrtc, &'static str> {
        static FOUND: OnceLock<std::result::Result<Nvrtc, String>> = OnceLock::new();
        let found = FOUND.get_or_init(|| {
            let place = std::env::var_os(VARIABLE).filter(|place| !place.is_empty());
            let driver = hardware::driver_major();
            let nvrtc = locate(place.as_deref(), &names(driver)).and_then(Self::over)?;
            refuse_newer(nvrtc.version, driver)?;
            Ok(nvrtc)
        });
        found.as_ref().map_err(String::as_str)
    }

    /// Major and minor version.
    pub fn version(&self) -> (c_int, c_int) {
        self.version
    }

    fn over(library: Library) -> std::result::Result<Self, String> {
        let lacks = |error: libloading::Error| format!("the NVRTC found is of no use: {error}");
        // SAFETY: each type is that of the function in nvrtc.h, the same since CUDA 11.
        let mut nvrtc = unsafe {
            Nvrtc {
                version: (0, 0),
                explain: *library.get(c"nvrtcGetErrorString").map_err(lacks)?,
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
        // SAFETY: the type is that of the header, and both numbers are there to be written.
        let status = unsafe {
            let version: unsafe extern "C" fn(*mut c_int, *mut c_int) -> Status =
                *nvrtc._library.get(c"nvrtcVersion").map_err(lacks)?;
            version(&mut major, &mut minor)
        };
        nvrtc.checked(status)?;
        nvrtc.version = (major, minor);
        Ok(nvrtc)
    }

    /// Compiles a source. A source with mistakes has an outcome too; an error is one of the compiler
    /// itself.
    pub fn compile(
        &self,
        source: &CStr,
        options: &[CString],
    ) -> std::result::Result<Outcome, String> {
        let program = Source::new(self, source)?;
        let options: Vec<*const c_char> = options.iter().map(|option| option.as_ptr()).collect();
        // SAFETY: the program is alive, and the options are as many as is said.
        let status =
            unsafe { (self.compile)(program.handle, options.len() as c_int, options.as_ptr()) };
        let log = program.bytes(self.log_size, self.log)?;
        let log = String::from_utf8_lossy(&log).trim_end_matches('\0').to_owned();
        if status != SUCCESS && log.trim().is_empty() {
            // It did not come as far as the source: an option, or a missing part of its own.
            self.checked(status)?;
        }
        let cubin = (status == SUCCESS).then(|| program.bytes(self.cubin_size, self.cubin));
        Ok(Outcome { cubin: cubin.transpose()?, log })
    }

    fn checked(&self, status: Status) -> std::result::Result<(), String> {
        if status == SUCCESS {
            return Ok(());
        }
        // SAFETY: it takes any number, and returns text that lives as long as the library.
        let text = unsafe { CStr::from_ptr((self.explain)(status)) };
        Err(text.to_string_lossy().into_owned())
    }
}

/// A source that the compiler knows; forgotten when dropped.
struct Source<'a> {
    nvrtc: &'a Nvrtc,
    handle: Handle,
}

impl<'a> Source<'a> {
    fn new(nvrtc: &'a Nvrtc, source: &'a CStr) -> std::result::Result<Self, String> {
        let mut handle = ptr::null_mut();
        let (text, none) = (source.as_ptr(), ptr::null());
        // SAFETY: text outlives the program; there is no name and there are no headers.
        let status = unsafe { (nvrtc.create)(&mut handle, text, ptr::null(), 0, none, none) };
        nvrtc.checked(status)?;
        Ok(Source { nvrtc, handle })
    }

    /// One of its results, which comes in two calls: how long it is, and what it is.
    fn bytes(&self, size: Size, bytes: Bytes) -> std::result::Result<Vec<u8>, String> {
        let mut len = 0;
        // SAFETY: the program is alive.
        self.nvrtc.checked(unsafe { size(self.handle, &mut len) })?;
        let mut all = vec![0u8; len];
        // SAFETY: there is room for as much as was said.
        self.nvrtc.checked(unsafe { bytes(self.handle, all.as_mut_ptr().cast()) })?;
        Ok(all)
    }
}

impl Drop for Source<'_> {
    fn drop(&mut self) {
        // SAFETY: it was created, and is destroyed once. What it answers helps nobody.
        unsafe { (self.nvrtc.destroy)(&mut self.handle) };
    }
}

/// Opens the library at `place`, or else where the system's loader and toolkits have it.
fn locate(place: Option<&OsStr>, names: &[&str]) -> std::result::Result<Library, String> {
    if let Some(place) = place {
        return beside_builtins(Path::new(place), names)
            .map_err(|why| format!("{VARIABLE} is {}, where {why}", Path::new(place).display()));
    }
    let toolkits: Vec<PathBuf> = ["CUDA_HOME", "CUDA_PATH"]
        .into_iter()
        .filter_map(std::env::var_os)
        .map(PathBuf::from)
        .chain([PathBuf::from("/usr/local/cuda")])
        .collect();
    let known = names.iter().find_map(|name| open(Path::new(name)).ok());
    let below = || toolkits.iter().find_map(|folder| beside_builtins(folder, names).ok());
    let found = known.or_else(below);
    found.ok_or_else(|| {
        let folders: Vec<String> = toolkits.iter().map(|f| f.display().to_string()).collect();
        format!(
            "{} (CUDA's compiler) was found neither by the system's loader nor in {}; {VARIABLE} \
             can name the folder that has it",
            names.join(" or "),
            folders.join(", ")
        )
    })
}

/// Opens the library that `place` is or has below it, after what the library needs from beside it.
fn beside_builtins(place: &Path, names: &[&str]) -> std::result::Result<Library, String> {
    let below = |below| names.iter().map(move |name| place.join(below).join(name));
    let candidates = BELOW.iter().flat_map(below);
    let mut candidates = std::iter::once(place.to_owned()).chain(candidates);
    let library = candidates
        .find(|candidate| candidate.is_file())
        .ok_or_else(|| format!("there is no {}", names.join(" or ")))?;
    let beside = library.parent().and_then(|folder| folder.read_dir().ok());
    for entry in beside.into_iter().flatten().flatten() {
        if entry.file_name().to_string_lossy().starts_with(BUILTINS) {
            // It stays loaded, and is found by name where the compiler asks for it.
            open(&entry.path()).map(std::mem::forget).map_err(|error| error.to_string())?;
        }
    }
    open(&library).map_err(|error| error.to_string())
}

/// Machine code for a newer major version of CUDA than the driver's is refused by the driver, when the
/// first kernel is loaded and with less to say.
fn refuse_newer(
    (major, minor): (c_int, c_int),
    driver: Option<c_int>,
) -> std::result::Result<(), String> {
    match driver.filter(|driver| major > *driver) {
        None => Ok(()),
        Some(driver) => Err(format!(
            "NVRTC {major}.{minor} makes machine code that the driver, of CUDA {driver}, cannot load; \
             install a newer driver, or name the NVRTC of CUDA {driver} by {VARIABLE}"
        )),
    }
}

/// Opens a library so that those opened later can use what is in it.
#[cfg(unix)]
fn open(path: &Path) -> std::result::Result<Library, libloading::Error> {
    use libloading::os::unix::{self, RTLD_GLOBAL, RTLD_NOW};
    // SAFETY: NVIDIA's libraries do nothing when loaded but set themselves up.
    unsafe { unix::Library::open(Some(path), RTLD_NOW | RTLD_GLOBAL) }.map(Library::from)
}

/// Opens a library.
#[cfg(not(unix))]
fn open(path: &Path) -> std::result::Result<Library, libloading::Error> {
    // SAFETY: NVIDIA's libraries do nothing when loaded but set themselves up.
    unsafe { Library::new(path) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_without_the_library_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let names = names(None);
        let why = locate(Some(folder.path().as_os_str()), &names).expect_err("an empty folder");
        assert!(why.contains(VARIABLE) && why.contains(&folder.path().display().to_string()));
        assert!(why.contains(names[0]) && !why.contains('\n'), "{why}");
    }

    #[test]
    fn a_file_that_is_no_library_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join(NAMES[0].1);
        std::fs::write(&file, "not one").unwrap();
        assert!(locate(Some(file.as_os_str()), &names(None)).is_err());
        assert!(locate(Some(folder.path().as_os_str()), &names(None)).is_err());
    }

    #[test]
    fn the_compiler_is_no_newer_than_the_driver() {
        assert_eq!(names(None).len(), 2);
        assert_eq!(names(Some(13)), names(Some(14)));
        assert_eq!(names(Some(12)), [NAMES[1].1]);
        assert!(refuse_newer((13, 0), None).is_ok() && refuse_newer((12, 9), Some(12)).is_ok());
        let why = refuse_newer((13, 0), Some(12)).unwrap_err();
        assert!(why.contains("NVRTC 13.0") && why.contains("driver, of CUDA 12"), "{why}");
    }
}
