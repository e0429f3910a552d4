//! g++, and what it has compiled before.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

/// What every compilation has in common. Contraction is off so that a product and a sum are two
/// roundings unless the source says fma.
const FLAGS: [&str; 11] = [
    "-std=gnu++17",
    "-x",
    "c++",
    "-fPIC",
    "-shared",
    "-ftls-model=initial-exec",
    "-fno-exceptions",
    // Two programs may each have a kernel of one name, with other arguments.
    "-fno-gnu-unique",
    "-fno-strict-aliasing",
    "-ffp-contract=off",
    "-w",
];

/// A C++ compiler that was found to work.
pub struct Compiler {
    path: OsString,
    /// What it says of itself.
    version: String,
    /// Where compiled libraries are kept.
    folder: PathBuf,
}

impl Compiler {
    /// The compiler of this machine, or what is missing.
    pub fn of_this_machine() -> Result<&'static Compiler, String> {
        static COMPILER: OnceLock<Result<Compiler, String>> = OnceLock::new();
        COMPILER.get_or_init(Self::find).as_ref().map_err(Clone::clone)
    }

    fn find() -> Result<Self, String> {
        if !cfg!(target_os = "linux") {
            return Err("the emulated GPU runs on Linux only".into());
        }
        let path = env::var_os("CXX").filter(|path| !path.is_empty()).unwrap_or("g++".into());
        let wanted = "g++ compiles the kernels: apt-get install g++, or say in CXX where it is";
        let found = Command::new(&path).arg("--version").stderr(Stdio::null()).output();
        let version = match found {
            Ok(output) if output.status.success() => {
                String::from_utf8_lossy(&output.stdout).lines().next().unwrap_or("").to_string()
            }
            _ => return Err(format!("{} is not there; {wanted}", path.to_string_lossy())),
        };
        // Another compiler's sanitizers call other functions than the runtime has.
        if version.contains("clang") {
            return Err(format!("{} is {version}; {wanted}", path.to_string_lossy()));
        }
        let target = env::var_os("CARGO_TARGET_DIR").map(PathBuf::from);
        let target =
            target.unwrap_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target"));
        let folder = target.join("emulated");
        fs::create_dir_all(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
        let folder = folder.canonicalize().map_err(|error| error.to_string())?;
        Ok(Compiler { path, version, folder })
    }

    /// Keeps files for compilations to include, under a name that changes with what is in them.
    pub fn headers(&self, files: &[(&str, &str)]) -> Result<PathBuf, String> {
        let folder = self.folder.join(format!("runtime-{:016x}", hash(&files)));
        fs::create_dir_all(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
        for (name, text) in files {
            let path = folder.join(name);
            if !path.exists() {
                publish(&path, |temporary| {
                    fs::write(temporary, text)
                        .map_err(|error| format!("{}: {error}", path.display()))
                })?;
            }
        }
        Ok(folder)
    }

    /// The library that some text compiles to, kept from last time if nothing has changed.
    ///
    /// # Errors
    /// The compiler's first lines, when it does not compile.
    pub fn library(
        &self,
        name: &str,
        text: &str,
        headers: &Path,
        flags: &[&str],
        libraries: &[&str],
    ) -> Result<PathBuf, String> {
        let key = hash(&(text, headers, FLAGS, flags, libraries, &self.version, &self.path));
        let path = self.folder.join(format!("{name}-{key:016x}.so"));
        if !path.exists() {
            publish(&path, |temporary| {
                let mut command = Command::new(&self.path);
                command.args(FLAGS).args(flags).arg("-I").arg(headers).arg("-").arg("-o");
                command.arg(temporary).args(libraries).current_dir(&self.folder).env("LC_ALL", "C");
                run(command, text)
            })?;
        }
        Ok(path)
    }

    /// Where an instruction of a library came from, as "file:line": in `source` if any of the
    /// functions that were inlined there is, else in what it includes, but for `headers`.
    pub fn place(
        &self,
        library: &Path,
        offset: usize,
        source: &str,
        headers: &Path,
    ) -> Option<String> {
        let output = Command::new("addr2line")
            .args(["-i", "-e"])
            .arg(library)
            .arg(format!("{offset:#x}"))
            .stderr(Stdio::null())
            .output()
            .ok()?;
        // From the innermost function outwards; paths begin where the compiler ran.
        let output = String::from_utf8_lossy(&output.stdout).into_owned();
        let frames = output
            .lines()
            .filter(|line| !line.starts_with("??") && !Path::new(line).starts_with(headers))
            .map(|line| Path::new(line).strip_prefix(&self.folder).unwrap_or(Path::new(line)))
            .filter_map(|path| path.to_str()?.split(" (discriminator").next());
        let frames: Vec<&str> = frames.collect();
        let own = frames.iter().find(|frame| frame.starts_with(source));
        own.or(frames.first()).map(|frame| frame.to_string())
    }
}

/// Feeds a compiler, and returns the first lines of what it complains about.
fn run(mut command: Command, text: &str) -> Result<(), String> {
    let failed = |error: std::io::Error| format!("the compiler could not run: {error}");
    command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
    let mut child = command.spawn().map_err(failed)?;
    if let Some(mut stdin) = child.stdin.take() {
        // A compiler that stops early says why itself.
        let _ = stdin.write_all(text.as_bytes());
    }
    let output = child.wait_with_output().map_err(failed)?;
    if output.status.success() {
        return Ok(());
    }
    let complaint = String::from_utf8_lossy(&output.stderr);
    let useful = complaint.lines().filter(|line| !line.contains("In function"));
    let first: Vec<&str> = useful.take(12).collect();
    Err(format!("does not compile:\n{}", first.join("\n")))
}

/// Has a file made under another name, then moves it to its place at once: whoever runs beside this
/// process sees all of it or nothing.
fn publish(path: &Path, make: impl FnOnce(&Path) -> Result<(), String>) -> Result<(), String> {
    static COUNT: AtomicUsize = AtomicUsize::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    let temporary = path.with_extension(format!("{}-{count}.tmp", std::process::id()));
    let made = make(&temporary).and_then(|()| {
        fs::rename(&temporary, path).map_err(|error| format!("{}: {error}", path.display()))
    });
    if made.is_err() {
        let _ = fs::remove_file(&temporary);
    }
    made
}

fn hash(value: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}
