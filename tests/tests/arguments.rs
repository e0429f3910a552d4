//! Every kernel takes the struct of arguments that Rust declares for it: the same fields, of the same
//! types, at the same offsets. The emulator's compiler does the comparison; a program whose structs
//! differ does not compile.

use std::collections::BTreeSet;

use emulator::{Emulator, Mode};
use tensor::DType;
use tensor::gpu::{Kernel, Out, Program, Real, Source};

#[test]
fn every_kernel_takes_the_struct_that_rust_has() {
    let Some(gpu) = Emulator::for_test("kernel arguments", Mode::Fast) else { return };
    let mut compared = 0;
    for program in [DType::BF16, DType::F32, DType::F64].into_iter().flat_map(kernels::programs) {
        let compiled = gpu.kernels(&program).unwrap_or_else(|error| panic!("{error}"));
        let compiled: BTreeSet<&str> = compiled.iter().map(String::as_str).collect();
        let declared: BTreeSet<&str> = program.kernels.iter().map(|kernel| kernel.name).collect();
        assert_eq!(compiled, declared, "kernels of {} and their declarations", program.path());
        compared += declared.len();
    }
    assert!(compared > 100, "{compared} kernels");
}

tensor::kernels! {
    const KERNELS;

    planted => struct Planted<'a> {
        x: Out<'a, Real>,
        scale: f64,
        count: usize,
    }
}

#[test]
fn planted_differences_do_not_compile() {
    let Some(gpu) = Emulator::for_test("planted kernel arguments", Mode::Fast) else { return };
    let message = |fields: &str, parameter: &str, kernels: &'static [Kernel]| {
        let text = format!(
            "struct Planted {{ {fields} }}; struct Other {{ long long count; }};\n\
             extern \"C\" __global__ void planted({parameter}) {{}}"
        );
        let source = Source { path: "planted.cu", text: text.leak() };
        let program = Program::new(vec![source].leak(), DType::F32).with_kernels(kernels);
        gpu.kernels(&program).err().map(|error| error.to_string())
    };
    let sound = "Real* x; double scale; long long count;";
    assert_eq!(message(sound, "Planted a", KERNELS), None);
    assert_eq!(message(sound, "__grid_constant__ const Planted a", KERNELS), None);
    for (fields, parameter, words) in [
        ("Real* x; long long count; double scale;", "Planted a", "scale is double at byte 8"),
        ("const Real* x; double scale; long long count;", "Planted a", "x is Real* at byte 0"),
        ("double* x; double scale; long long count;", "Planted a", "x is Real* at byte 0"),
        ("Real* x; double scale; int count;", "Planted a", "count is long long at byte 16"),
        ("Real* x; double factor; long long count;", "Planted a", "scale"),
        ("Real* x; double scale; long long count, more;", "Planted a", "has 24 bytes"),
        (sound, "Other a", "planted takes Planted"),
        (sound, "Real* x, double scale, long long count", "one struct of arguments"),
    ] {
        let found = message(fields, parameter, KERNELS).expect("a difference");
        assert!(found.contains(words), "{fields} {parameter}: {found}");
    }
}
