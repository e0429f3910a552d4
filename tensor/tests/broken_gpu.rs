//! A failing kernel makes the device unusable for the rest of the process, so this test has its own.

use tensor::gpu::{Launch, Out, Program, Real, Source};
use tensor::{DType, Gpu, cuda};

tensor::kernels! {
    const KERNELS;

    crash => struct Crash<'a> {
        a: Out<'a, Real>,
    }
}

#[test]
fn a_failed_kernel_is_named_by_every_later_error() {
    let gpu = match cuda::open() {
        Ok(gpu) => gpu,
        Err(absent) => return eprintln!("skipped: {absent}"),
    };
    const SOURCES: &[Source] = &[Source {
        path: "tests/crash.cu",
        text: "struct Crash { Real* a; };\n\
               extern \"C\" __global__ void crash(Crash c) { c.a[thread_index()] = 1; }",
    }];
    let program = Program::new(SOURCES, DType::F32).with_kernels(KERNELS);
    let args = Crash { a: Out::NULL };
    // SAFETY: it writes to the null page, which the device detects. That is the point of the test.
    let launched = unsafe { gpu.launch(&program, "crash", Launch::over(1), &args) };
    let error = launched.and_then(|()| gpu.synchronise()).unwrap_err().to_string();
    assert!(error.contains("kernel") && error.contains("crash of tests/crash.cu"), "{error}");
    assert!(error.contains("CUDA_ERROR_ILLEGAL_ADDRESS") && !error.contains('\n'), "{error}");
    assert_eq!(gpu.allocate(1000).unwrap_err().to_string(), error);
}
