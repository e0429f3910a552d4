//! What cannot be launched, copied or compiled is refused with a line that says why.

use std::sync::Arc;

use emulator::{Emulator, Mode};
use tensor::DType;
use tensor::gpu::{Address, Argument, Gpu, Launch, Memory, Program, Source};

const MISUSE: &[Source] = &[Source {
    path: "misuse.cu",
    text: r#"
extern "C" __global__ void __launch_bounds__(128) scale(float* x, double factor, long long count) {
    if (item() < count) x[item()] *= factor;
}
extern "C" __global__ void big() {
    __shared__ float a[8000];
    __shared__ float b[8000];
    a[0] = b[0] = 1;
}
"#,
}];

fn refused(gpu: &Emulator, kernel: &str, launch: Launch, arguments: &[Argument]) -> String {
    let program = Program::new(MISUSE, DType::F32);
    // SAFETY: nothing is run that would leave its memory.
    unsafe { gpu.launch(&program, kernel, launch, &arguments) }.expect_err("a refusal").to_string()
}

#[test]
fn launches() {
    for mode in [Mode::Fast, Mode::Check] {
        let Some(gpu) = Emulator::for_test("misuse of launches", mode) else { return };
        let one = Launch::blocks(1, 64);
        let fine = [Argument::Address(Address::NULL), Argument::Number(2.0), Argument::Integer(0)];
        let says = |launch: Launch, kernel: &str, arguments: &[Argument], words: &str| {
            let message = refused(&gpu, kernel, launch, arguments);
            assert!(message.contains(words), "{message}");
        };
        says(one, "scale", &fine[..2], "scale: takes 3 arguments, not 2");
        says(one, "scale", &[fine[0], fine[2], fine[1]], "argument 2 is double, not long long");
        says(one, "scales", &fine, "misuse.cu has no kernel `scales`, but scale, big");
        says(Launch::blocks(1, 256), "scale", &fine, "256 threads; its __launch_bounds__ says 128");
        says(Launch::blocks(1, 1056), "big", &[], "[1056, 1, 1] threads");
        says(Launch { threads: [32, 8, 8], ..one }, "big", &[], "1024 together");
        says(Launch { blocks: [1, 65536, 1], ..one }, "big", &[], "[1, 65536, 1] blocks");
        says(Launch { blocks: [1, 1, 0], ..one }, "big", &[], "[1, 1, 0] blocks");
        says(Launch { shared: 300 << 10, ..one }, "big", &[], "307200 bytes of shared memory");
        says(one, "big", &[], "no room for b of 32000 bytes; 48 KiB may be static");
    }
}

#[test]
fn sources_that_do_not_compile() {
    let Some(gpu) = Emulator::for_test("compiler messages", Mode::Fast) else { return };
    let says = |text: &'static str, words: &[&str]| {
        let sources = Vec::leak(vec![Source { path: "broken.cu", text }]);
        let program = Program::new(sources, DType::F32);
        // SAFETY: nothing is run.
        let message =
            unsafe { gpu.launch(&program, "run", Launch::blocks(1, 1), &[] as &[Argument; 0]) };
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
        &["kernels take a struct, pointers, long long and double, nothing else"],
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
    let gone = Memory::from_host(&gpu, &[0; 256]).unwrap().address();
    let arguments = [gone.into(), Argument::Number(2.0), Argument::Integer(64)];
    let message = refused(&emulator, "scale", Launch::blocks(1, 64), &arguments);
    assert!(message.contains("misuse.cu:3: scale"), "{message}");
    assert!(message.contains("reads 4 bytes of a buffer that was given back"), "{message}");
    let null = [Address::NULL.into(), Argument::Number(2.0), Argument::Integer(64)];
    let message = refused(&emulator, "scale", Launch::blocks(1, 64), &null);
    assert!(message.contains("which is no device memory"), "{message}");
}
