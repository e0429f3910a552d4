//! Tests of the whole CUDA device, and of the error without one.

use std::sync::Arc;

use super::{Cuda, open};
use crate::gpu::{
    In, KernelArguments, Launch, Memory, Out, Program, Source, Sum, capture, sum_program,
};
use crate::{DType, Gpu, Result};

/// Runs a test, or skips it if there is no GPU.
fn with_gpu(test: impl FnOnce(Arc<Cuda>)) {
    match open() {
        Ok(gpu) => test(gpu),
        Err(absent) => eprintln!("skipped: {absent}"),
    }
}

#[test]
fn missing_libraries_are_reported_in_one_line() {
    let Err(absent) = open() else { return };
    let line = absent.to_string();
    assert!(line.starts_with("no GPU through CUDA: "), "{line}");
    // SAFETY: loading the driver's library only initialises it.
    let driver = unsafe { cudarc::driver::sys::is_culib_present() };
    assert!(driver || line.contains("the NVIDIA driver) was not found"), "{line}");
    assert!(!line.contains('\n'), "{line}");
    assert_eq!(open().err(), Some(absent));
}

#[test]
fn copies_to_the_device_and_back_preserve_bytes() {
    with_gpu(|gpu| {
        let gpu: Arc<dyn Gpu> = gpu;
        for len in [1, 4, 65_536, 65_537, 4 << 20, (20 << 20) + 3] {
            let bytes: Vec<u8> = (0..len).map(|i: usize| ((i * 31) >> 3) as u8).collect();
            let copy = Memory::from_host(&gpu, &bytes).unwrap().copied().unwrap();
            assert_eq!(copy.address().0 % 256, 0);
            let mut back = vec![0; len];
            copy.read(&mut back).unwrap();
            assert!(back == bytes, "{len} bytes");
        }
    });
}

fn add(gpu: &dyn Gpu, a: &mut Memory, b: &Memory, count: usize) -> Result<()> {
    let args = Sum { a: Out::whole(a), b: In::within(b, 0), count };
    // SAFETY: the memory holds `count` numbers.
    unsafe { gpu.launch(&sum_program(DType::F64), "sum", Launch::over(count), &args) }
}

#[test]
fn a_kernel_runs_and_its_memory_is_reused() {
    with_gpu(|gpu| {
        let device: Arc<dyn Gpu> = gpu.clone();
        let count = 100_001;
        let numbers: Vec<f64> = (0..count).map(|i| i as f64).collect();
        let step = || {
            let mut a = Memory::from_host(&device, bytemuck::cast_slice(&numbers)).unwrap();
            let b = a.copied().unwrap();
            add(&*device, &mut a, &b, count).unwrap();
            add(&*device, &mut a, &b, count).unwrap();
            let mut sum = vec![0f64; count];
            a.read(bytemuck::cast_slice_mut(&mut sum)).unwrap();
            assert!(sum.iter().zip(&numbers).all(|(sum, x)| *sum == 3.0 * x));
        };
        step();
        step();
        assert!(gpu.memory_use().peak >= 2 * 8 * count);
        gpu.release_idle_memory();
        step();
    });
}

#[test]
fn a_replay_uses_the_current_contents_of_memory() {
    with_gpu(|gpu| {
        let device: Arc<dyn Gpu> = gpu.clone();
        let ones = vec![1f64; 1000];
        let mut a = Memory::from_host(&device, bytemuck::cast_slice(&ones)).unwrap();
        let once = a.copied().unwrap();
        add(&*device, &mut a, &once, 1000).unwrap();
        let (kept, step) = capture(&device, || -> Result<Memory> {
            let b = Memory::from_host(&device, bytemuck::cast_slice(&ones))?;
            add(&*device, &mut a, &b, 1000)?;
            drop(b);
            a.copied()
        })
        .unwrap();
        let value = |memory: &Memory| {
            let mut values = vec![0f64; 1000];
            memory.read(bytemuck::cast_slice_mut(&mut values)).unwrap();
            assert!(values.iter().all(|value| *value == values[0]));
            values[0]
        };
        assert_eq!(value(&a), 2.0, "nothing runs before the replay");
        for wanted in [3.0, 4.0] {
            let others: Vec<_> =
                (0..8).map(|_| Memory::uninitialised(&device, 8000).unwrap()).collect();
            // SAFETY: all memory that the graph uses is alive.
            unsafe { step.replay() }.unwrap();
            assert_eq!((value(&a), value(&kept)), (wanted, wanted));
            drop(others);
        }
        let refused = capture(&device, || kept.read(&mut [0; 8000]));
        let error = refused.err().unwrap().to_string();
        assert!(error.contains("a copy to the host cannot be captured"), "{error}");
        // SAFETY: as above.
        unsafe { step.replay() }.expect("a failed capture has no effect on other graphs");
    });
}

crate::kernels! {
    const OTHER_KERNELS;

    /// Another kernel's arguments.
    turned => struct Other<'a> {
        a: Out<'a, f32>,
    }
}

#[test]
fn invalid_launches_are_errors() {
    with_gpu(|gpu| {
        let program = sum_program(DType::F32);
        let launch = |kernel, launch, arguments: &dyn KernelArguments| {
            // SAFETY: no item is worked on.
            unsafe { gpu.launch(&program, kernel, launch, arguments) }
        };
        let nothing = Sum { a: Out::NULL, b: In::NULL, count: 0 };
        launch("sum", Launch::over(1), &nothing).unwrap();
        let error = launch("difference", Launch::over(1), &nothing).unwrap_err().to_string();
        assert!(error.contains("no kernel difference") && error.contains("sum"), "{error}");
        let other = Other { a: Out::NULL };
        let error = launch("sum", Launch::over(1), &other).unwrap_err().to_string();
        assert!(error.contains("takes Sum, not Other"), "{error}");
        let error = launch("sum", Launch::blocks(1, 4096), &nothing).unwrap_err().to_string();
        assert!(error.contains("kernel sum of tensor/src/gpu/sum.cu"), "{error}");
        launch("sum", Launch::over(1), &nothing).expect("a failed launch has no lasting effect");
        gpu.synchronise().unwrap();
    });
}

/// Reverses 20000 numbers in shared memory.
const TURNED: &str = r#"
struct Other { float* a; };
extern "C" __global__ void turned(Other other) {
    float* a = other.a;
    extern __shared__ float row[];
    for (int i = threadIdx.x; i < 20000; i += blockDim.x) row[i] = a[i];
    __syncthreads();
    for (int i = threadIdx.x; i < 20000; i += blockDim.x) a[i] = row[19999 - i];
}
"#;

#[test]
fn a_kernel_can_use_more_than_48_kib_of_shared_memory() {
    with_gpu(|gpu| {
        const SOURCES: &[Source] = &[Source { path: "turned.cu", text: TURNED }];
        let program = Program::new(SOURCES, DType::F32).with_kernels(OTHER_KERNELS);
        let device: Arc<dyn Gpu> = gpu.clone();
        let numbers: Vec<f32> = (0..20_000).map(|i| i as f32).collect();
        let mut memory = Memory::from_host(&device, bytemuck::cast_slice(&numbers)).unwrap();
        let args = Other { a: Out::whole(&mut memory) };
        let launch = Launch { shared: 80_000, ..Launch::blocks(1, 256) };
        // SAFETY: the memory holds as many numbers as the kernel turns.
        unsafe { gpu.launch(&program, "turned", launch, &args) }.unwrap();
        let mut turned = vec![0f32; 20_000];
        memory.read(bytemuck::cast_slice_mut(&mut turned)).unwrap();
        assert!(turned.iter().rev().eq(&numbers));
    });
}

#[test]
fn a_failed_allocation_is_an_error_with_its_size() {
    with_gpu(|gpu| {
        let error = gpu.allocate(1 << 46).unwrap_err().to_string();
        assert!(error.contains("out of memory") && error.contains("67108864.0 MiB"), "{error}");
        gpu.synchronise().expect("a failed allocation has no lasting effect");
    });
}
