//! A kernel that fails takes the device with it, for the rest of the process: so this test is alone.

use tensor::gpu::{Launch, Out, Program, Real, Source};
use tensor::{DType, Gpu, cuda};

tensor::kernels! {
    const KERNELS;

    crash => struct Crash<'a> {
        a: Out<'a, Real>,
    }
}

#[test]
fn a_kernel_that_fails_is_named_and_nothing_runs_after_it() {
    let gpu = match cuda::open() {
        Ok(gpu) => gpu,
        Err(absent) => return eprintln!("left out: {absent}"),
    };
    const SOURCES: &[Source] = &[Source {
        path: "tests/crash.cu",
        text: "struct Crash { real* a; };\n\
               extern \"C\" __global__ void crash(Crash c) { c.a[item()] = 1; }",
    }];
    let program = Program::new(SOURCES, DType::F32).with_kernels(KERNELS);
    let args = Crash { a: Out::NULL };
    // SAFETY: it writes where there is no memory, which the device does not let happen.
    let launched = unsafe { gpu.launch(&program, "crash", Launch::over(1), &args) };
    let error = launched.and_then(|()| gpu.synchronise()).unwrap_err().to_string();
    assert!(error.contains("kernel") && error.contains("crash of tests/crash.cu"), "{error}");
    assert!(error.contains("CUDA_ERROR_ILLEGAL_ADDRESS") && !error.contains('\n'), "{error}");
    assert_eq!(gpu.allocate(1000).unwrap_err().to_string(), error);
}
