//! Check mode finds each of the mistakes planted in `planted/`, and finds none in what is sound.

use std::sync::Arc;

use emulator::{Emulator, Mode};
use tensor::DType;
use tensor::gpu::{Gpu, In, Launch, Memory, Out, Program, Source};

tensor::kernels! {
    /// The kernel that every planted source has.
    const KERNELS;

    run => struct Run<'a> {
        x: In<'a, f32>,
        y: Out<'a, f32>,
    }
}

const ARGUMENTS: Source =
    Source { path: "run.cuh", text: "struct Run { const float* x; float* y; };" };

/// Numbers that every kernel reads and writes.
const COUNT: usize = 256;

/// Of a mistake that is no kernel's.
const NO_LINE: u32 = 0;

/// A kernel of which `BROKEN` chooses a sound form, 0, or one of several broken ones.
struct Planted {
    path: &'static str,
    text: &'static str,
    blocks: u32,
    /// What the sound form makes of 0, 1, 2, ... at an index.
    result: fn(usize) -> f32,
    /// What is said of each broken form: the line where it is found, and words of the message.
    found: &'static [(u32, &'static str)],
}

/// Name and text of a file in `planted/`.
macro_rules! source {
    ($name:literal) => {
        (
            $name,
            concat!(
                "#line 1 \"tensor_core.cuh\"\n",
                include_str!("../../../kernels/src/gpu/tensor_core.cuh"),
                concat!("\n#line 1 \"", $name, "\"\n"),
                include_str!(concat!("planted/", $name))
            ),
        )
    };
}

/// A kernel of one block of 256 threads, which writes an output that holds nothing.
const fn one_block(
    (path, text): (&'static str, &'static str),
    result: fn(usize) -> f32,
    found: &'static [(u32, &'static str)],
) -> Planted {
    Planted { path, text, blocks: 1, result, found }
}

/// A kernel of four blocks of 64 threads, which updates an output of zeros.
const fn four_blocks(
    (path, text): (&'static str, &'static str),
    result: fn(usize) -> f32,
    found: &'static [(u32, &'static str)],
) -> Planted {
    Planted { path, text, blocks: 4, result, found }
}

const PLANTED: &[Planted] = &[
    one_block(
        source!("reduction.cu"),
        |_| 255.0 * 128.0,
        &[
            (
                13,
                "thread (31, 0, 0): uninitialised: reads byte 0 of part (32 bytes of shared memory)",
            ),
            (9, "thread (0, 0, 0): race: writes byte 0 of part"),
        ],
    ),
    one_block(
        source!("warp_exchange.cu"),
        |i| (i ^ 1) as f32,
        &[(
            12,
            "race: reads byte 120 of swap (1024 bytes of shared memory), which thread (30, 0, 0)",
        )],
    ),
    one_block(
        source!("histogram.cu"),
        |i| [128.0, 64.0, 0.0, 64.0][i % 4],
        &[
            (16, "uninitialised: updates byte 0 of counts"),
            (16, "race: updates byte 0 of counts"),
            (14, "race: reads byte 0 of counts"),
        ],
    ),
    four_blocks(
        source!("blocks.cu"),
        |i| if i == 0 { 4.0 } else { 0.0 },
        &[(
            5,
            "race between blocks: reads byte 0 of y (1024 bytes of global memory), which block (0,",
        )],
    ),
    four_blocks(
        source!("last_block.cu"),
        |i| match i {
            0 => 4.0,
            1..=4 => i as f32,
            5 => 10.0,
            _ => 0.0,
        },
        &[
            (18, "race between blocks: reads byte 4 of y"),
            (6, "race between blocks: writes byte 8 of y"),
        ],
    ),
    one_block(
        source!("bounds.cu"),
        |i| i as f32,
        &[
            (
                9,
                "thread (255, 0, 0): out of bounds: reads 4 bytes at byte 1024 of x (1024 bytes of",
            ),
            (
                14,
                "thread (0, 0, 0): out of bounds: writes 4 bytes, 4 bytes before the beginning of y",
            ),
            (9, "thread (255, 0, 0): out of bounds: index 256 of 'float [256]'"),
            (11, "out of bounds: writes 4 bytes at byte 1024 of dynamic shared memory"),
            (13, "out of bounds: index 4 of 'float [4]'"),
        ],
    ),
    one_block(
        source!("uninitialised.cu"),
        |i| 2.0 * i as f32,
        &[
            (9, "thread (0, 0, 0): uninitialised: reads byte 0 of y"),
            (11, "thread (7, 0, 0): uninitialised: reads byte 28 of twice"),
            (NO_LINE, "uninitialised: the host reads byte 400 of a buffer of 1024 bytes"),
        ],
    ),
    one_block(
        source!("misaligned.cu"),
        |i| if i % 4 == 0 { 4.0 * i as f32 + 6.0 } else { 6.0 },
        &[
            (
                12,
                "misaligned: 'const struct float4' at an address that lies 4 bytes behind a multiple",
            ),
            (12, "misaligned: 'const struct float4'"),
        ],
    ),
    one_block(
        source!("divergent.cu"),
        |i| i as f32,
        &[
            (10, "divergent barrier: comes to line 10 while thread (0, 0, 0) waits at line 8"),
            (
                14,
                "deadlock: 128 threads wait at the barrier of line 13, 128 wait for lanes of their",
            ),
            (17, "a shuffle with lanes that have ended (mask 0000ffff)"),
        ],
    ),
    one_block(
        source!("copies.cu"),
        |i| (i ^ 3) as f32,
        &[
            (20, "cp.async without wait: reads byte 1008 of dynamic shared memory"),
            (20, "cp.async without wait: reads byte 1008 of dynamic shared memory"),
            (20, "race: reads byte 8 of dynamic shared memory"),
            (9, "misaligned: cp.async to an address that is no multiple of 16"),
        ],
    ),
];

fn run(gpu: &Arc<dyn Gpu>, planted: &Planted, broken: usize) -> tensor::Result<Vec<f32>> {
    let sources = Vec::leak(vec![ARGUMENTS, Source { path: planted.path, text: planted.text }]);
    let program =
        Program::new(sources, DType::F32).with_kernels(KERNELS).define("BROKEN", broken as i64);
    let numbers: Vec<u8> = (0..COUNT).flat_map(|i| (i as f32).to_ne_bytes()).collect();
    let x = Memory::from_host(gpu, &numbers)?;
    let mut y = if planted.blocks > 1 {
        Memory::from_host(gpu, &vec![0; 4 * COUNT])?
    } else {
        Memory::uninitialised(gpu, 4 * COUNT)?
    };
    let mut launch = Launch::blocks(planted.blocks as usize, COUNT as u32 / planted.blocks);
    launch.shared = 4 * COUNT as u32;
    let args = Run { x: In::within(&x, 0), y: Out::whole(&mut y) };
    // SAFETY: the sound form stays within memory; the others are stopped before they leave it.
    unsafe { gpu.launch(&program, "run", launch, &args)? };
    let mut bytes = vec![0; 4 * COUNT];
    y.read(&mut bytes)?;
    Ok(bytes.chunks_exact(4).map(|b| f32::from_ne_bytes([b[0], b[1], b[2], b[3]])).collect())
}

#[test]
fn sound_kernels_give_the_right_numbers_in_either_mode_and_any_order() {
    for mode in [Mode::Fast, Mode::Check] {
        if Emulator::for_test("sound kernels", mode).is_none() {
            return;
        }
        for seed in [0, 1, 2, 3] {
            let gpu: Arc<dyn Gpu> = Emulator::seeded(mode, seed).unwrap();
            for planted in PLANTED {
                let expected: Vec<f32> = (0..COUNT).map(planted.result).collect();
                let found = run(&gpu, planted, 0);
                assert_eq!(found.unwrap(), expected, "{} {mode:?} {seed}", planted.path);
            }
        }
    }
}

#[test]
fn every_planted_mistake_is_found_where_it_is() {
    let Some(gpu) = Emulator::for_test("planted mistakes", Mode::Check) else { return };
    let gpu: Arc<dyn Gpu> = gpu;
    for planted in PLANTED {
        for (broken, (line, words)) in (1..).zip(planted.found) {
            let message = run(&gpu, planted, broken).expect_err("a mistake").to_string();
            assert!(message.contains(words), "{} {broken}: {message}", planted.path);
            let place = format!("{}:{line}: ", planted.path);
            assert!(
                *line == NO_LINE || message.contains(&place),
                "{} {broken}: {message}",
                planted.path
            );
        }
    }
}

#[test]
fn every_planted_mistake_is_found_in_any_order_of_threads() {
    if Emulator::for_test("planted mistakes in any order", Mode::Check).is_none() {
        return;
    }
    for seed in 1..=20 {
        let gpu: Arc<dyn Gpu> = Emulator::seeded(Mode::Check, seed).unwrap();
        for planted in PLANTED {
            for broken in 1..=planted.found.len() {
                assert!(run(&gpu, planted, broken).is_err(), "{} {broken} {seed}", planted.path);
            }
        }
    }
}
