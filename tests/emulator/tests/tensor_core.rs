//! A product of bf16 matrices through `tensor_core.cuh`, against one by three loops.

use std::sync::Arc;

use emulator::{Emulator, Mode};
use half::bf16;
use tensor::DType;
use tensor::gpu::{Gpu, In, Launch, Memory, Out, Pointee, Program, Source};

tensor::kernels! {
    /// The kernel of `tensor_core.cu`.
    const KERNELS;

    product => struct Product<'a> {
        a: In<'a, Bf16>,
        b: In<'a, Bf16>,
        sum: Out<'a, f32>,
    }
}

/// Elements of factors: `bf16` in CUDA.
struct Bf16;

impl Pointee for Bf16 {
    const CUDA: &'static str = "bf16";
}

const SOURCES: &[Source] = &[
    Source {
        path: "kernels/src/gpu/tensor_core.cuh",
        text: include_str!("../../../kernels/src/gpu/tensor_core.cuh"),
    },
    Source { path: "tests/emulator/tests/tensor_core.cu", text: include_str!("tensor_core.cu") },
];

/// Rows beyond the last multiple of a tile are zeros that no memory is read for.
const ROWS: usize = 75;
const COLUMNS: usize = 64;
const K: usize = 80;

/// Small multiples of 1/8 are exact, and so are their products and sums.
fn numbers(count: usize, step: usize) -> Vec<bf16> {
    (0..count).map(|i| bf16::from_f32((i * step % 37) as f32 / 8.0 - 2.0)).collect()
}

fn upload(gpu: &Arc<dyn Gpu>, values: &[bf16]) -> Memory {
    let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_ne_bytes()).collect();
    Memory::from_host(gpu, &bytes).unwrap()
}

fn product(gpu: &Arc<dyn Gpu>, a: &[bf16], b: &[bf16], b_rows: bool) -> Vec<f32> {
    let program = Program::new(SOURCES, DType::F32)
        .with_kernels(KERNELS)
        .define("ROWS", ROWS as i64)
        .define("COLUMNS", COLUMNS as i64)
        .define("K", K as i64)
        .define("B_ROWS", b_rows.into());
    let (a, b) = (upload(gpu, a), upload(gpu, b));
    let mut sum = Memory::uninitialised(gpu, 4 * ROWS * COLUMNS).unwrap();
    let blocks = [COLUMNS.div_ceil(32) as u32, ROWS.div_ceil(32) as u32, 1];
    let launch = Launch { blocks, threads: [128, 1, 1], shared: 0 };
    let args = Product { a: In::within(&a, 0), b: In::within(&b, 0), sum: Out::whole(&mut sum) };
    // SAFETY: the kernel reads and writes matrices of these sizes.
    unsafe { gpu.launch(&program, "product", launch, &args) }.unwrap();
    let mut bytes = vec![0; sum.bytes()];
    sum.read(&mut bytes).unwrap();
    bytemuck::pod_collect_to_vec(&bytes)
}

#[test]
fn products_are_those_of_three_loops_in_either_mode_and_any_order() {
    let (a, b) = (numbers(ROWS * K, 7), numbers(K * COLUMNS, 5));
    for (mode, seed) in [(Mode::Fast, 0), (Mode::Fast, 1), (Mode::Check, 0), (Mode::Check, 1)] {
        if Emulator::for_test("products of matrices", mode).is_none() {
            return;
        }
        let gpu: Arc<dyn Gpu> = Emulator::seeded(mode, seed).unwrap();
        for b_rows in [false, true] {
            let found = product(&gpu, &a, &b, b_rows);
            for (i, found) in found.into_iter().enumerate() {
                let (row, column) = (i / COLUMNS, i % COLUMNS);
                let at = |k| if b_rows { k * COLUMNS + column } else { column * K + k };
                let expected: f32 =
                    (0..K).map(|k| a[row * K + k].to_f32() * b[at(k)].to_f32()).sum();
                assert_eq!(found, expected, "{mode:?}, b by rows: {b_rows}, {row}, {column}");
            }
        }
    }
}
