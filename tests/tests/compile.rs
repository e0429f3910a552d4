//! Every kernel compiles for the GPUs that are meant, has registers enough, and on Hopper keeps its
//! matrix products going. Needs CUDA's run-time compiler, and no GPU.

use std::sync::OnceLock;

use cine_tests::suites::{left_out, say};
use rayon::prelude::*;
use tensor::DType;
use tensor::cuda::{Absent, Compiled, Compiler, Usage};
use tensor::gpu::{Program, Source};

/// Ampere, which has all that the portable kernels use, and Hopper with its own instructions.
const ARCHITECTURES: [&str; 2] = ["sm_80", "sm_90a"];

/// The compiler; where there is none, that is told once.
fn compiler() -> Option<Compiler> {
    static FOUND: OnceLock<Option<Compiler>> = OnceLock::new();
    let remedy = "Unpack the wheel of `pip download --no-deps 'nvidia-cuda-nvrtc==13.0.*'`, and \
                  set CINE_NVRTC to that folder";
    *FOUND.get_or_init(|| {
        let tell = |absent: Absent| left_out("compilation of kernels", &absent.to_string(), remedy);
        Compiler::find().map_err(tell).ok()
    })
}

/// What is wrong with a program that compiled.
fn faults(compiled: &Compiled) -> Vec<String> {
    let spilled = compiled.kernels.iter().filter(|kernel| kernel.spills()).map(|kernel| {
        let Usage { name, registers, spill_stores, spill_loads, .. } = kernel;
        format!(
            "{name} spills: {spill_stores} bytes stored and {spill_loads} loaded, with {registers} \
             registers"
        )
    });
    let serialised = compiled.kernels.iter().filter(|kernel| kernel.serialised);
    spilled
        .chain(serialised.map(|kernel| format!("{}: its wgmma are serialised", kernel.name)))
        .collect()
}

#[test]
fn every_kernel_compiles_without_spills() {
    let Some(compiler) = compiler() else { return };
    let programs: Vec<Program> =
        [DType::F32, DType::F64].into_iter().flat_map(kernels::programs).collect();
    assert!(!programs.is_empty());
    let jobs: Vec<_> =
        programs.iter().flat_map(|program| ARCHITECTURES.map(|target| (program, target))).collect();
    let outcomes: Vec<_> =
        jobs.par_iter().map(|(program, target)| compiler.compile(program, target)).collect();

    let mut table = Table::default();
    let mut wrong = Vec::new();
    for ((program, target), outcome) in jobs.iter().zip(outcomes) {
        match outcome {
            Ok(compiled) => {
                assert!(!compiled.kernels.is_empty(), "{} has no kernels", program.path());
                compiled.kernels.iter().for_each(|kernel| table.add(program, target, kernel));
                let faults = faults(&compiled).into_iter();
                wrong.extend(
                    faults.map(|fault| format!("{} for {target}: {fault}", title(program))),
                );
            }
            Err(error) => wrong.push(error.to_string()),
        }
    }
    say(&format!("\nKernels as {} compiles them:\n{}", compiler.version(), table.render()));
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

/// File, dtype and constants of a program.
fn title(program: &Program) -> String {
    let constants = program.constants.iter().map(|(name, value)| format!(" {name}={value}"));
    format!("{} {}{}", program.path(), program.dtype, constants.collect::<String>())
}

/// What kernels take of the hardware, to be read by people.
#[derive(Default)]
struct Table(Vec<[String; 7]>);

impl Table {
    const HEAD: [&str; 7] =
        ["kernel", "target", "registers", "shared", "stack", "constant", "program"];

    fn add(&mut self, program: &Program, target: &str, kernel: &Usage) {
        self.0.push([
            kernel.name.clone(),
            target.to_owned(),
            kernel.registers.to_string(),
            kernel.shared.to_string(),
            kernel.stack.to_string(),
            kernel.constant.to_string(),
            title(program),
        ]);
    }

    fn render(&self) -> String {
        let rows = || std::iter::once(Self::HEAD.map(str::to_owned)).chain(self.0.iter().cloned());
        let widths: Vec<usize> = (0..Self::HEAD.len())
            .map(|column| rows().map(|row| row[column].len()).max().unwrap_or(0))
            .collect();
        let line = |row: [String; 7]| {
            let cells = row.iter().zip(&widths).map(|(cell, &width)| format!("{cell:width$}"));
            cells.collect::<Vec<_>>().join("  ").trim_end().to_owned() + "\n"
        };
        rows().map(line).collect()
    }
}

/// More numbers than the registers that a thread is allowed here.
const CROWDED: &[Source] = &[Source {
    path: "crowded.cu",
    text: r#"
extern "C" __global__ void __launch_bounds__(1024, 2) crowded(float* a, const float* b, long long n) {
    float kept[64];
    #pragma unroll
    for (int i = 0; i < 64; i++) kept[i] = b[i * n + threadIdx.x];
    for (long long k = 0; k < n; k++)
        #pragma unroll
        for (int i = 0; i < 64; i++) kept[i] = kept[i] * kept[(i + 7) % 64] + 1;
    #pragma unroll
    for (int i = 0; i < 64; i++) a[i * n + threadIdx.x] = kept[i];
}
"#,
}];

/// A matrix product whose result is touched (with `EARLY` 1) before it is waited for.
const HASTY: &[Source] = &[Source {
    path: "hasty.cu",
    text: r#"
extern "C" __global__ void hasty(float* c, unsigned long long a, unsigned long long b) {
    float d[4] = {0, 0, 0, 0};
    for (int k = 0; k < 4; k++) {
        asm volatile("wgmma.fence.sync.aligned;" ::: "memory");
        asm volatile("wgmma.mma_async.sync.aligned.m64n8k16.f32.bf16.bf16 "
                     "{%0, %1, %2, %3}, %4, %5, 1, 1, 1, 0, 0;"
                     : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3]) : "l"(a + k), "l"(b + k));
        if (EARLY) d[0] += 1;
        asm volatile("wgmma.commit_group.sync.aligned;" ::: "memory");
        asm volatile("wgmma.wait_group.sync.aligned 0;" ::: "memory");
    }
    for (int i = 0; i < 4; i++) c[4 * threadIdx.x + i] = d[i];
}
"#,
}];

#[test]
fn planted_faults_are_found() {
    let Some(compiler) = compiler() else { return };
    for target in ARCHITECTURES {
        let crowded = Program::new(CROWDED, DType::F32);
        let found = faults(&compiler.compile(&crowded, target).unwrap());
        assert!(found.len() == 1 && found[0].contains("crowded spills"), "{target}: {found:?}");
    }
    let hasty = |early| Program::new(HASTY, DType::F32).with("EARLY", early);
    let found = faults(&compiler.compile(&hasty(1), "sm_90a").unwrap());
    assert!(found.len() == 1 && found[0].contains("serialised"), "{found:?}");
    assert!(faults(&compiler.compile(&hasty(0), "sm_90a").unwrap()).is_empty());
    assert!(compiler.compile(&hasty(0), "sm_80").is_err(), "Ampere has no such instruction");
}
