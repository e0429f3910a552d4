//! What kernels are written in does what CUDA says, in either mode.

use std::sync::Arc;

use bytemuck::Pod;
use emulator::{Emulator, Mode};
use tensor::DType;
use tensor::gpu::{
    Gpu, In, KernelArguments, Launch, Memory, Out, Pointee, Program, Source, Sum, sum_program,
};

const SOURCES: &[Source] =
    &[Source { path: "tests/emulator/tests/dialect.cu", text: include_str!("dialect.cu") }];

tensor::kernels! {
    /// The kernels of `dialect.cu`.
    const KERNELS;

    sums => struct Sums<'a> {
        x: In<'a, f32>,
        floats: Out<'a, f32>,
        doubles: Out<'a, f64>,
        integers: Out<'a, Long>,
    }

    shuffles => struct Shuffles<'a> {
        out: Out<'a, i32>,
    }

    atomics => struct Atomics<'a> {
        ints: Out<'a, i32>,
        words: Out<'a, u32>,
        longs: Out<'a, UnsignedLong>,
        floats: Out<'a, f32>,
        doubles: Out<'a, f64>,
    }

    mathematics => struct Mathematics<'a> {
        x: In<'a, f32>,
        y: Out<'a, f32>,
        scale: f64,
        count: usize,
    }

    vectors => struct Vectors<'a> {
        words: In<'a, Uint4>,
        words_out: Out<'a, Uint4>,
        pairs: In<'a, Double2>,
        pairs_out: Out<'a, Double2>,
    }

    grid => struct Grid<'a> {
        out: Out<'a, i32>,
    }
}

macro_rules! pointee {
    ($($type:ident, $cuda:literal;)*) => {$(
        struct $type;
        impl Pointee for $type {
            const CUDA: &'static str = $cuda;
        }
    )*};
}

pointee! {
    Long, "long long";
    UnsignedLong, "unsigned long long";
    Uint4, "uint4";
    Double2, "double2";
}

fn program() -> Program {
    Program::new(SOURCES, DType::F32).with_kernels(KERNELS)
}

/// Runs a test on a device of each mode; not at all where there is none.
fn in_either_mode(test: &str, run: impl Fn(&Arc<dyn Gpu>)) {
    for mode in [Mode::Fast, Mode::Check] {
        let Some(gpu) = Emulator::for_test(test, mode) else { return };
        let gpu: Arc<dyn Gpu> = gpu;
        run(&gpu);
    }
}

fn upload<T: Pod>(gpu: &Arc<dyn Gpu>, values: &[T]) -> Memory {
    Memory::from_host(gpu, bytemuck::cast_slice(values)).unwrap()
}

fn download<T: Pod>(memory: &Memory) -> Vec<T> {
    let mut bytes = vec![0; memory.bytes()];
    memory.read(&mut bytes).unwrap();
    bytemuck::pod_collect_to_vec(&bytes)
}

fn launch(gpu: &Arc<dyn Gpu>, kernel: &str, launch: Launch, arguments: &dyn KernelArguments) {
    // SAFETY: the tests give the kernels memory for what they write.
    unsafe { gpu.launch(&program(), kernel, launch, arguments) }.unwrap();
}

#[test]
fn kernels_of_the_engine_in_either_precision() {
    in_either_mode("kernels of the engine", |gpu| {
        for dtype in [DType::F32, DType::F64] {
            let program = sum_program(dtype);
            let upload = |values: [f64; 3]| match dtype {
                DType::F32 => upload(gpu, &values.map(|value| value as f32)),
                _ => upload(gpu, &values),
            };
            let (mut a, b) = (upload([1.0, 2.0, 3.0]), upload([0.5, 0.25, 0.125]));
            let args = Sum { a: Out::whole(&mut a), b: In::within(&b, 0), count: 3 };
            // SAFETY: both have three numbers.
            unsafe { gpu.launch(&program, "sum", Launch::over(3), &args) }.unwrap();
            let sum: Vec<f64> = match dtype {
                DType::F32 => download::<f32>(&a).into_iter().map(f64::from).collect(),
                _ => download(&a),
            };
            assert_eq!(sum, [1.5, 2.25, 3.125]);
        }
    });
}

#[test]
fn sums_of_blocks() {
    in_either_mode("sums of blocks", |gpu| {
        let x: Vec<f32> = (0..256).map(|i| i as f32).collect();
        let sum: f32 = x.iter().sum();
        let x = upload(gpu, &x);
        let [mut floats, mut doubles, mut integers] =
            [4, 8, 8].map(|bytes| Memory::uninitialised(gpu, 256 * bytes).unwrap());
        let args = Sums {
            x: In::within(&x, 0),
            floats: Out::whole(&mut floats),
            doubles: Out::whole(&mut doubles),
            integers: Out::whole(&mut integers),
        };
        launch(gpu, "sums", Launch::blocks(1, 256), &args);
        assert_eq!(download::<f32>(&floats), [sum; 256]);
        assert_eq!(download::<f64>(&doubles), [f64::from(sum) * 0.5; 256]);
        assert_eq!(download::<i64>(&integers), [(sum as i64) << 33; 256]);
    });
}

#[test]
fn shuffles_votes_and_counting_barriers() {
    in_either_mode("shuffles", |gpu| {
        let mut out = Memory::uninitialised(gpu, 64 * 12 * 4).unwrap();
        let args = Shuffles { out: Out::whole(&mut out) };
        launch(gpu, "shuffles", Launch::blocks(1, 64), &args);
        let found = download::<i32>(&out);
        for (thread, found) in (0..64).zip(found.chunks(12)) {
            let lane = thread % 32;
            let up = if lane < 2 { lane } else { lane - 2 };
            let down = if lane % 8 < 6 { lane + 2 } else { lane };
            let ballot =
                (0..32).filter(|lane| lane % 3 == 0).fold(0u32, |all, lane| all | 1 << lane);
            let expected =
                [5, lane ^ 3, up, down, ballot as i32, 2, 496, 0, 16 + (lane ^ 1), 6, 1, 97];
            assert_eq!(found, expected, "thread {thread}");
        }
    });
}

#[test]
fn atomic_operations() {
    in_either_mode("atomic operations", |gpu| {
        let mut ints = upload(gpu, &[0i32, -1, 1000]);
        let mut words = upload(gpu, &[0u32, 0, 0]);
        let (mut longs, mut floats) = (upload(gpu, &[0u64]), upload(gpu, &[0f32]));
        let mut doubles = upload(gpu, &[0f64]);
        let args = Atomics {
            ints: Out::whole(&mut ints),
            words: Out::whole(&mut words),
            longs: Out::whole(&mut longs),
            floats: Out::whole(&mut floats),
            doubles: Out::whole(&mut doubles),
        };
        launch(gpu, "atomics", Launch::blocks(4, 64), &args);
        assert_eq!(download::<i32>(&ints), [255 * 128, 100, -3]);
        assert_eq!(download::<u32>(&words), [256, u32::MAX, 512]);
        assert_eq!(download::<u64>(&longs), [256 << 40]);
        assert_eq!(download::<f32>(&floats), [128.0]);
        assert_eq!(download::<f64>(&doubles), [64.0]);
    });
}

#[test]
fn mathematics_templates_and_constants() {
    in_either_mode("mathematics", |gpu| {
        let x: Vec<f32> = (0..1000).map(|i| i as f32 * 1e-3).collect();
        let (input, mut y) = (upload(gpu, &x), Memory::uninitialised(gpu, 4000).unwrap());
        let args = Mathematics {
            x: In::within(&input, 0),
            y: Out::whole(&mut y),
            scale: 1.5,
            count: 1000,
        };
        launch(gpu, "mathematics", Launch::over(1000), &args);
        for (i, (x, y)) in x.iter().zip(download::<f32>(&y)).enumerate() {
            let a = x * 1.5;
            let erf = libm::erff(a);
            let expected = a.exp()
                + (1.0 + a).ln()
                + (1.0 + a).sqrt().recip()
                + a.tanh()
                + (a * a + 1.0)
                + a.max(0.5)
                + a.min(0.25)
                + (1 << (i % 4)) as f32
                - a
                + erf;
            assert!((y - expected).abs() < 1e-5, "{i}: {y} for {expected}");
        }
    });
}

#[test]
fn short_vectors() {
    in_either_mode("short vectors", |gpu| {
        let words: Vec<[u32; 4]> = (0..32).map(|i| [i << 27, i, i, i]).collect();
        let pairs: Vec<[f64; 2]> = (0..32).map(|i| [f64::from(i), 2.0]).collect();
        let (words_in, pairs_in) = (upload(gpu, &words), upload(gpu, &pairs));
        let [mut words_out, mut pairs_out] =
            [32 * 16; 2].map(|bytes| Memory::uninitialised(gpu, bytes).unwrap());
        let args = Vectors {
            words: In::within(&words_in, 0),
            words_out: Out::whole(&mut words_out),
            pairs: In::within(&pairs_in, 0),
            pairs_out: Out::whole(&mut pairs_out),
        };
        launch(gpu, "vectors", Launch::blocks(1, 32), &args);
        let expected: Vec<[u32; 4]> = words
            .iter()
            .map(|&[x, y, z, w]| {
                let high = (u64::from(x) * 0xD251_1F53) >> 32;
                [high as u32, y.count_ones(), z.leading_zeros(), w.reverse_bits()]
            })
            .collect();
        assert_eq!(download::<[u32; 4]>(&words_out), expected);
        let expected: Vec<[f64; 2]> = pairs.iter().map(|&[x, y]| [y, x * y + 1.0]).collect();
        assert_eq!(download::<[f64; 2]>(&pairs_out), expected);
    });
}

#[test]
fn blocks_and_threads_in_three_dimensions() {
    in_either_mode("three dimensions", |gpu| {
        let mut out = Memory::uninitialised(gpu, 2 * 3 * 4 * 5 * 3 * 2 * 4).unwrap();
        let size = Launch { blocks: [2, 3, 4], threads: [5, 3, 2], shared: 0 };
        launch(gpu, "grid", size, &Grid { out: Out::whole(&mut out) });
        let expected: Vec<i32> =
            (0..24).flat_map(|block| (0..30).map(move |thread| block * 1000 + thread)).collect();
        assert_eq!(download::<i32>(&out), expected);
    });
}
