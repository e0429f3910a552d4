//! A cache that is cut short while it is mapped is an error line rather than a dead process.
//!
//! Reading a mapped page that its file no longer has, or that the disk cannot deliver, raises
//! SIGBUS. A cache that is replaced under its name is no such case: the map keeps the old file.

use std::io::IsTerminal;
use std::path::Path;
use std::sync::Once;
use std::sync::atomic::{AtomicPtr, AtomicUsize, Ordering};

/// The number of caches that can be watched at once; further ones are used without.
const SLOTS: usize = 64;

/// A mapped range of addresses and the line to print when it fails. Empty while `length` is 0.
struct Slot {
    start: AtomicUsize,
    length: AtomicUsize,
    text: AtomicPtr<u8>,
    text_length: AtomicUsize,
}

static MAPS: [Slot; SLOTS] = [const {
    Slot {
        start: AtomicUsize::new(0),
        length: AtomicUsize::new(0),
        text: AtomicPtr::new(std::ptr::null_mut()),
        text_length: AtomicUsize::new(0),
    }
}; SLOTS];

/// Marks a slot as taken while its other values are not there yet.
const TAKEN: usize = 1;

/// The exit code of failed work.
const FAILED: libc::c_int = 1;

/// Watches a map for as long as it lives.
#[derive(Default)]
pub(super) struct Watch {
    slot: Option<&'static Slot>,
    /// The line to print, to which the slot refers.
    _text: Box<[u8]>,
}

impl Watch {
    /// Watches the map of the file `path`.
    pub(super) fn new(map: &[u8], path: &Path) -> Self {
        if map.is_empty() || !installed() {
            return Watch::default();
        }
        // The line must not follow a progress bar on the same line of a terminal.
        let start = if std::io::stderr().is_terminal() { "\n" } else { "" };
        let text = format!(
            "{start}error: {}: was cut short, or could not be read, while it was in use; run the same \
             command again, which builds it anew\n",
            path.display()
        );
        let text = text.into_bytes().into_boxed_slice();
        let free = |slot: &&Slot| {
            let taken = slot.start.compare_exchange(0, TAKEN, Ordering::AcqRel, Ordering::Relaxed);
            taken.is_ok()
        };
        let slot = MAPS.iter().find(free);
        if let Some(slot) = slot {
            slot.text.store(text.as_ptr().cast_mut(), Ordering::Relaxed);
            slot.text_length.store(text.len(), Ordering::Relaxed);
            slot.start.store(map.as_ptr() as usize, Ordering::Relaxed);
            slot.length.store(map.len(), Ordering::Release);
        }
        Watch { slot, _text: text }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        if let Some(slot) = self.slot {
            slot.length.store(0, Ordering::Release);
            slot.start.store(0, Ordering::Release);
        }
    }
}

/// Installs the handler, once. Returns whether it is in place.
fn installed() -> bool {
    static INSTALL: Once = Once::new();
    static INSTALLED: AtomicUsize = AtomicUsize::new(0);
    INSTALL.call_once(|| {
        // SAFETY: both structures are plain data, for which zeros are valid; the handler has the
        // signature that SA_SIGINFO demands, and does only what is allowed in a signal handler.
        let done = unsafe {
            let mut action: libc::sigaction = std::mem::zeroed();
            action.sa_sigaction = on_bus_error as *const () as usize;
            action.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK;
            libc::sigemptyset(&raw mut action.sa_mask);
            let mut earlier: libc::sigaction = std::mem::zeroed();
            // Known before the handler can be called.
            libc::sigaction(libc::SIGBUS, std::ptr::null(), &raw mut earlier) == 0 && {
                EARLIER.store(Box::into_raw(Box::new(earlier)), Ordering::Release);
                libc::sigaction(libc::SIGBUS, &raw const action, std::ptr::null_mut()) == 0
            }
        };
        INSTALLED.store(usize::from(done), Ordering::Release);
    });
    INSTALLED.load(Ordering::Acquire) == 1
}

/// What the process did on SIGBUS before: Rust's own handler, as a rule. Never freed.
static EARLIER: AtomicPtr<libc::sigaction> = AtomicPtr::new(std::ptr::null_mut());

/// Prints the line of the map that failed and ends the process. Of any other address, the earlier
/// action is restored; the faulting instruction runs again and meets it.
extern "C" fn on_bus_error(_: libc::c_int, info: *mut libc::siginfo_t, _: *mut libc::c_void) {
    // SAFETY: with SA_SIGINFO the system passes a valid pointer, and SIGBUS carries an address.
    let address = unsafe { (*info).si_addr() } as usize;
    for slot in &MAPS {
        let length = slot.length.load(Ordering::Acquire);
        let start = slot.start.load(Ordering::Relaxed);
        if length > 0 && (start..start + length).contains(&address) {
            let text = slot.text.load(Ordering::Relaxed);
            let count = slot.text_length.load(Ordering::Relaxed);
            // SAFETY: the text lives as long as the slot is in use, which it is while its map is
            // read; write and _exit may be called in a signal handler.
            unsafe {
                libc::write(libc::STDERR_FILENO, text.cast(), count);
                libc::_exit(FAILED);
            }
        }
    }
    // SAFETY: the pointer is null, which sigaction takes for no change, or points to a structure
    // that is never freed; sigaction may be called in a signal handler.
    unsafe {
        libc::sigaction(libc::SIGBUS, EARLIER.load(Ordering::Acquire), std::ptr::null_mut());
    }
}
