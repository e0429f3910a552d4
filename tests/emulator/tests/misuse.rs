//! What cannot be launched, copied or compiled is refused with a line that says why.

use std::sync::Arc;

use emulator::{Emulator, Mode};
use tensor::DType;
use tensor::gpu::{Address, Gpu, In, KernelArguments, Launch, Memory, Out, Program, Source};

const MISUSE: &[Source] = &[Source {
    path: "misuse.cu",
    text: r#"
struct Scale { float* x; double factor; long long count; }; struct Big { const float* unused; };
extern "C" __global__ void __launch_bounds__(128) scale(Scale a) { if (thread_index() < a.count) a.x[thread_index()] *= a.factor; }
extern "C" __global__ void big(Big) {
    __shared__ float a[8000];
    __shared__ float b[8000];
    a[0] = b[0] = 1;
}
"#,
}];

tensor::kernels! {
    const KERNELS;

    scale => struct Scale<'a> {
        x: Out<'a, f32>,
        factor: f64,
        count: usize,
    }

    big => struct Big<'a> {
        unused: In<'a, f32>,
    }
}

fn refused(
    gpu: &Emulator,
    kernel: &str,
    launch: Launch,
    arguments: &dyn KernelArguments,
) -> String {
    let program = Program::new(MISUSE, DType::F32).with_kernels(KERNELS);
    // SAFETY: nothing is run that would leave its memory.
    unsafe { gpu.launch(&program, kernel, launch, arguments) }.expect_err("a refusal").to_string()
}

#[test]
fn launches() {
    for mode in [Mode::Fast, Mode::Check] {
        let Some(gpu) = Emulator::for_test("misuse of launches", mode) else { return };
        let one = Launch::blocks(1, 64);
        let fine = &Scale { x: Out::NULL, factor: 2.0, count: 0 };
        let other = &Big { unused: In::NULL };
        let says = |launch: Launch, kernel: &str, arguments: &dyn KernelArguments, words: &str| {
            let message = refused(&gpu, kernel, launch, arguments);
            assert!(message.contains(words), "{message}");
        };
        says(one, "scale", other, "kernel scale of misuse.cu takes Scale, not Big");
        says(one, "scales", fine, "misuse.cu has no kernel `scales`, but scale, big");
        says(Launch::blocks(1, 256), "scale", fine, "256 threads; its __launch_bounds__ says 128");
        says(Launch::blocks(1, 1056), "big", other, "[1056, 1, 1] threads");
        says(Launch { threads: [32, 8, 8], ..one }, "big", other, "1024 together");
        says(Launch { blocks: [1, 65536, 1], ..one }, "big", other, "[1, 65536, 1] blocks");
        says(Launch { blocks: [1, 1, 0], ..one }, "big", other, "[1, 1, 0] blocks");
        says(Launch { shared: 300 << 10, ..one }, "big", other, "307200 bytes of shared memory");
        says(one, "big", other, "no room for b of 32000 bytes; 48 KiB may be static");
    }
}

#[test]
fn sources_that_do_not_compile() {
    let Some(gpu) = Emulator::for_test("compiler messages", Mode::Fast) else { return };
    let says = |text: &'static str, words: &[&str]| {
        let sources = Vec::leak(vec![Source { path: "broken.cu", text }]);
        let program = Program::new(sources, DType::F32);
        let fine = Scale { x: Out::NULL, factor: 2.0, count: 0 };
        // SAFETY: nothing is run.
        let message = unsafe { gpu.launch(&program, "run", Launch::blocks(1, 1), &fine) };
        let message = message.expect_err("a refusal").to_string();
        for words in words {
            assert!(message.contains(words), "{message}");
        }
    };
    says(
        "extern \"C\" __global__ void run(float* x) {\n    /* two\n    lines */ y[0] = 1;\n}",
        &["broken.cu does not compile", "broken.cu:3:", "'y' was not declared"],
    );
    says(
        "extern \"C\" __global__ void run(int n) {}",
        &["a kernel takes one struct of arguments, and nothing else"],
    );
    says(
        "__global__ void run() {}",
        &["a kernel must be extern \"C\"", "__global__ void run() {}"],
    );
}

#[test]
fn memory_has_exact_bounds() {
    for mode in [Mode::Fast, Mode::Check] {
        let Some(emulator) = Emulator::for_test("bounds of memory", mode) else { return };
        let gpu: Arc<dyn Gpu> = emulator;
        let memory = Memory::from_host(&gpu, &[1; 100]).unwrap();
        let address = memory.address();
        assert_eq!(address.0 % 256, 0);
        let mut bytes = [0; 101];
        // SAFETY: the emulator checks bounds, other than a GPU.
        unsafe {
            assert!(gpu.read(address, &mut bytes).is_err());
            assert!(gpu.write(Address(address.0 + 50), &bytes[..51]).is_err());
            assert!(gpu.copy(address, Address(address.0 + 100), 1).is_err());
            assert!(gpu.read(Address(address.0 + 1), &mut bytes[..99]).is_ok());
        }
        let again = memory.copied().unwrap();
        drop(memory);
        // SAFETY: as above; what was given back is nobody's.
        assert!(unsafe { gpu.read(address, &mut bytes[..1]) }.is_err());
        let mut bytes = [0; 100];
        again.read(&mut bytes).unwrap();
        assert_eq!(bytes, [1; 100]);
        assert!(gpu.allocate(1 << 40).is_err());
    }
}

#[test]
fn a_kernel_that_uses_what_was_given_back_is_stopped() {
    let Some(emulator) = Emulator::for_test("use after release", Mode::Check) else { return };
    let gpu: Arc<dyn Gpu> = emulator.clone();
    let mut gone = Memory::from_host(&gpu, &[0; 256]).unwrap();
    let args = Scale { x: Out::whole(&mut gone), factor: 2.0, count: 64 };
    // SAFETY: the pointer outlives its memory, which the emulator is to find.
    let args = unsafe { std::mem::transmute::<Scale<'_>, Scale<'static>>(args) };
    drop(gone);
    let message = refused(&emulator, "scale", Launch::blocks(1, 64), &args);
    assert!(message.contains("misuse.cu:3: scale"), "{message}");
    assert!(message.contains("reads 4 bytes of a buffer that was given back"), "{message}");
    let null = Scale { x: Out::NULL, factor: 2.0, count: 64 };
    let message = refused(&emulator, "scale", Launch::blocks(1, 64), &null);
    assert!(message.contains("which is no device memory"), "{message}");
}
