//! The CUDA version of the driver.

use cudarc::driver::sys::{self, CUresult};

/// The CUDA version of the driver: 1000 * major + 10 * minor, or 0 if it is unknown.
pub fn driver_version() -> i32 {
    let mut version = 0;
    // SAFETY: callers have checked that the library is present; it writes one integer.
    match unsafe { sys::cuDriverGetVersion(&mut version) } {
        CUresult::CUDA_SUCCESS => version,
        _ => 0,
    }
}

/// The major CUDA version of the driver; `None` if there is no driver.
pub fn driver_major() -> Option<i32> {
    // SAFETY: loading the driver's library only initialises it.
    let present = unsafe { sys::is_culib_present() };
    present.then(driver_version).filter(|version| *version > 0).map(|version| version / 1000)
}
