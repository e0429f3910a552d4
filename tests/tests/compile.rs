//! Every kernel compiles for the GPUs that are meant, has registers enough, and on Hopper keeps its
//! matrix products going. Needs CUDA's run-time compiler, and no GPU.

use std::collections::{BTreeSet, HashSet};
use std::sync::OnceLock;

use cine_tests::suites::{left_out, say};
use rayon::prelude::*;
use tensor::DType;
use tensor::cuda::{CompiledProgram, Compiler, KernelUsage, Unavailable};
use tensor::gpu::{Program, Source};

/// Ampere, which has all that the portable kernels use, and Hopper with its own instructions.
const ARCHITECTURES: [&str; 2] = ["sm_80", "sm_90a"];

/// The compiler; where there is none, that is told once.
fn compiler() -> Option<Compiler> {
    static FOUND: OnceLock<Option<Compiler>> = OnceLock::new();
    let remedy = "Unpack the wheel of `pip download --no-deps 'nvidia-cuda-nvrtc==13.0.*'`, and \
                  set CINE_NVRTC to that folder";
    *FOUND.get_or_init(|| {
        let tell =
            |absent: Unavailable| left_out("compilation of kernels", &absent.to_string(), remedy);
        Compiler::find().map_err(tell).ok()
    })
}

/// What is wrong with a program that compiled.
fn faults(compiled: &CompiledProgram) -> Vec<String> {
    let spilled = compiled.kernels.iter().filter(|kernel| kernel.spills()).map(|kernel| {
        let KernelUsage { name, registers, spill_stores, spill_loads, .. } = kernel;
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
    let mut seen = HashSet::new();
    let programs = [DType::BF16, DType::F32, DType::F64].into_iter().flat_map(kernels::programs);
    let programs: Vec<Program> = programs.filter(|program| seen.insert(program.clone())).collect();
    let outcomes: Vec<_> = programs
        .par_iter()
        .map(|program| ARCHITECTURES.map(|target| compiler.compile(program, target)))
        .collect();

    let mut rows =
        vec!["kernel,registers,shared,stack,program".split(',').map(str::to_owned).collect()];
    let mut wrong = Vec::new();
    for (program, outcomes) in programs.iter().zip(outcomes) {
        let title = title(program);
        let mut compiled = Vec::new();
        for (outcome, target) in outcomes.into_iter().zip(ARCHITECTURES) {
            match outcome {
                Ok(found) if found.kernels.is_empty() => wrong.push(format!("{title}: no kernels")),
                Ok(found) => {
                    let faults = faults(&found).into_iter();
                    wrong.extend(faults.map(|fault| format!("{title} for {target}: {fault}")));
                    compiled.push(found);
                }
                Err(error) => wrong.push(error.to_string()),
            }
        }
        rows.extend(rows_of(&title, &compiled));
    }
    let (version, targets) = (compiler.version(), ARCHITECTURES.join("/"));
    say(&format!("\nKernels as {version} compiles them for {targets}:\n{}", table(&rows)));
    assert!(rows.len() > 1, "there are kernels");
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

/// File, dtype and constants of a program.
fn title(program: &Program) -> String {
    let constants = program.constants.iter().map(|(name, value)| format!(" {name}={value}"));
    format!("{} {}{}", program.path(), program.dtype, constants.collect::<String>())
}

/// What each kernel of a program takes of the hardware. Where architectures differ, all are told.
fn rows_of(title: &str, compiled: &[CompiledProgram]) -> Vec<Vec<String>> {
    let all = || compiled.iter().flat_map(|compiled| &compiled.kernels);
    let names: BTreeSet<&str> = all().map(|kernel| kernel.name.as_str()).collect();
    let row = |name: &str| {
        let told = |what: fn(&KernelUsage) -> usize| {
            let kernels = all().filter(|kernel| kernel.name == name);
            let mut told: Vec<String> = kernels.map(|kernel| what(kernel).to_string()).collect();
            told.dedup();
            told.join("/")
        };
        let numbers = [told(|k| k.registers), told(|k| k.shared), told(|k| k.stack)];
        std::iter::once(name.to_owned()).chain(numbers).chain([title.to_owned()]).collect()
    };
    names.into_iter().map(row).collect()
}

/// Rows with their columns one below the other.
fn table(rows: &[Vec<String>]) -> String {
    let width = |column: usize| rows.iter().map(|row| row[column].len()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..rows[0].len()).map(width).collect();
    let line = |row: &Vec<String>| {
        let cells = row.iter().zip(&widths).map(|(cell, &width)| format!("{cell:width$}"));
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned() + "\n"
    };
    rows.iter().map(line).collect()
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
    let hasty = |early| Program::new(HASTY, DType::F32).define("EARLY", early);
    let found = faults(&compiler.compile(&hasty(1), "sm_90a").unwrap());
    assert!(found.len() == 1 && found[0].contains("serialised"), "{found:?}");
    assert!(faults(&compiler.compile(&hasty(0), "sm_90a").unwrap()).is_empty());
    assert!(compiler.compile(&hasty(0), "sm_80").is_err(), "Ampere has no such instruction");
}
