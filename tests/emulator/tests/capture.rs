//! Steps that are captured and replayed, and the mistakes that replays find.

use std::sync::Arc;

use emulator::{Emulator, Mode};
use tensor::gpu::{
    CapturedGraph, DeviceScalar, Gpu, In, Launch, Memory, Out, Program, ScalarArgs, Source, capture,
};
use tensor::{DType, Result};

const COUNT: usize = 100;

const SOURCES: &[Source] = &[Source {
    path: "steps.cu",
    text: r#"
struct Operands { double* a; const double* b; long long count; };
extern "C" __global__ void add(Operands o) {
    if (thread_index() < o.count) o.a[thread_index()] += o.b[thread_index()];
}
extern "C" __global__ void scale(Operands o) {
    if (thread_index() < o.count) o.a[thread_index()] *= *o.b;
}
"#,
}];

tensor::kernels! {
    const KERNELS;

    add, scale => struct Operands<'a> {
        a: Out<'a, f64>,
        b: In<'a, f64>,
        count: usize,
    }
}

fn run(gpu: &dyn Gpu, kernel: &str, a: &mut Memory, b: In<f64>) -> Result<()> {
    let args = Operands { a: Out::whole(a), b, count: COUNT };
    let program = Program::new(SOURCES, DType::F64).with_kernels(KERNELS);
    // SAFETY: there are as many numbers as threads, and one factor.
    unsafe { gpu.launch(&program, kernel, Launch::over(COUNT), &args) }
}

/// All of some memory.
fn all(memory: &Memory) -> In<'_, f64> {
    In::within(memory, 0)
}

fn filled(gpu: &Arc<dyn Gpu>, value: f64) -> Memory {
    Memory::from_host(gpu, bytemuck::cast_slice(&[value; COUNT])).unwrap()
}

fn value(memory: &Memory) -> f64 {
    let mut values = [0f64; COUNT];
    memory.read(bytemuck::cast_slice_mut(&mut values)).unwrap();
    assert!(values.iter().all(|value| *value == values[0]));
    values[0]
}

/// Runs a test in both modes, with kernels that were run once.
fn on_each(test: &str, check: impl Fn(Arc<dyn Gpu>)) {
    for mode in [Mode::Fast, Mode::Check] {
        let Some(gpu) = Emulator::for_test(test, mode) else { return };
        let gpu: Arc<dyn Gpu> = gpu;
        let (mut a, b) = (filled(&gpu, 1.0), filled(&gpu, 2.0));
        run(&*gpu, "add", &mut a, all(&b)).unwrap();
        run(&*gpu, "scale", &mut a, all(&b)).unwrap();
        check(gpu);
    }
}

/// Replays a step.
fn replay(step: &dyn CapturedGraph) -> Result<()> {
    // SAFETY: the emulator checks every address that a step uses.
    unsafe { step.replay() }
}

fn refusal(outcome: Result<impl Sized>) -> String {
    outcome.err().expect("a refusal").to_string()
}

/// `a = (a + 1) factor`, with memory that is given back in between, and a copy of `a`.
fn step(gpu: &Arc<dyn Gpu>, a: &Memory, factor: &DeviceScalar) -> Result<Memory> {
    let mut once = a.copied()?;
    run(&**gpu, "add", &mut once, all(&filled(gpu, 1.0)))?;
    run(&**gpu, "scale", &mut once, factor.input())?;
    a.copy_from(&once)?;
    a.copied()
}

#[test]
fn a_replay_does_what_was_captured_with_what_lies_there_then() {
    on_each("replays", |gpu| {
        let (a, numbers) = (filled(&gpu, 1.0), ScalarArgs::new(&gpu, 1).unwrap());
        let factor = numbers.write(&[2.0]).unwrap()[0].to_device(&gpu).unwrap();
        let (kept, captured) = capture(&gpu, || step(&gpu, &a, &factor)).unwrap();
        assert_eq!(value(&a), 1.0, "a capture runs nothing");
        replay(&*captured).unwrap();
        assert_eq!((value(&a), value(&kept)), (4.0, 4.0));
        // Other work in between does not disturb it, nor does it see other numbers than the newest.
        let others: Vec<Memory> = (0..9).map(|_| filled(&gpu, 77.0)).collect();
        numbers.write(&[10.0]).unwrap();
        replay(&*captured).unwrap();
        assert_eq!((value(&a), value(&kept)), (50.0, 50.0));
        assert!(others.iter().all(|other| value(other) == 77.0));
    });
}

#[test]
fn what_cannot_be_captured_is_refused_in_one_line_and_ends_the_capture() {
    on_each("refusals of captures", |gpu| {
        let a = filled(&gpu, 1.0);
        let says = |work: &dyn Fn() -> Result<()>, words: &str| {
            let message = refusal(capture(&gpu, work));
            assert!(message.contains(words) && !message.contains('\n'), "{message}");
        };
        says(&|| a.write(&[0; 8]), "a copy from the host cannot be captured");
        says(&|| a.read(&mut [0; 8 * COUNT]), "a copy to the host cannot be captured");
        says(&|| gpu.synchronise(), "waiting for the device cannot be captured");
        says(&|| gpu.begin_capture(), "captured already");
        let other = Program::new(SOURCES, DType::F32).with_kernels(KERNELS);
        let args = Operands { a: Out::NULL, b: In::NULL, count: 0 };
        // SAFETY: nothing is run.
        let launch = || unsafe { gpu.launch(&other, "add", Launch::over(1), &args) };
        says(&launch, "loading kernel add of steps.cu cannot be captured");
        assert!(refusal(gpu.clone().end_capture()).contains("no step is being captured"));
        assert_eq!(value(&a), 1.0);
    });
}

#[test]
fn a_replay_that_uses_what_was_given_back_is_stopped() {
    on_each("captures that outlive their memory", |gpu| {
        let (mut a, b) = (filled(&gpu, 1.0), filled(&gpu, 2.0));
        let ((), step) = capture(&gpu, || run(&*gpu, "add", &mut a, all(&b))).unwrap();
        replay(&*step).unwrap();
        drop(b);
        let message = refusal(replay(&*step));
        assert!(message.contains("launch of add of steps.cu uses memory that was given back"));

        // What is given back during the capture stays with the step.
        let b = filled(&gpu, 2.0);
        let ((), step) = capture(&gpu, || {
            run(&*gpu, "add", &mut a, all(&b))?;
            drop(b);
            Ok::<_, tensor::Error>(())
        })
        .unwrap();
        replay(&*step).unwrap();
        assert_eq!(value(&a), 5.0);
    });
}

#[test]
fn memory_of_a_step_is_there_as_long_as_it_or_its_holder() {
    on_each("memory of captures", |gpu| {
        let a = filled(&gpu, 1.0);
        let (kept, step) = capture(&gpu, || a.copied()).unwrap();
        let address = kept.address();
        drop(kept);
        replay(&*step).unwrap();
        let mut bytes = [0; 8];
        // SAFETY: the emulator knows what is memory, other than a GPU.
        unsafe { gpu.read(address, &mut bytes) }.expect("the step's");
        drop(step);
        // SAFETY: as above.
        assert!(unsafe { gpu.read(address, &mut bytes) }.is_err(), "nobody's");

        let (kept, step) = capture(&gpu, || a.copied()).unwrap();
        replay(&*step).unwrap();
        drop(step);
        assert_eq!(value(&kept), 1.0, "the holder's");
    });
}

#[test]
fn what_one_step_gave_and_another_read_stays_for_both() {
    on_each("memory of two captures", |gpu| {
        let (mut a, b) = (filled(&gpu, 1.0), filled(&gpu, 5.0));
        let (kept, one) = capture(&gpu, || b.copied()).unwrap();
        replay(&*one).unwrap();
        let ((), other) = capture(&gpu, || {
            let kept = kept;
            run(&*gpu, "add", &mut a, all(&kept))
        })
        .unwrap();
        drop(one);
        replay(&*other).expect("what it reads is still there");
        assert_eq!(value(&a), 6.0);
    });
}

#[test]
fn other_threads_are_refused_while_one_captures() {
    on_each("captures and threads", |gpu| {
        let (mut a, b) = (filled(&gpu, 1.0), filled(&gpu, 2.0));
        let ((), step) = capture(&gpu, || {
            let tried: Vec<Result<()>> = std::thread::scope(|scope| {
                let work = || {
                    vec![
                        run(&*gpu, "add", &mut a, all(&b)),
                        a.copied().map(|_| ()),
                        b.copy_from(&a),
                        gpu.synchronise(),
                        gpu.begin_capture(),
                        gpu.clone().end_capture().map(|_| ()),
                    ]
                };
                scope.spawn(work).join().expect("no panic")
            });
            for outcome in tried {
                let message = refusal(outcome);
                assert!(message.contains("another thread is capturing a step"), "{message}");
            }
            run(&*gpu, "add", &mut a, all(&b))
        })
        .unwrap();
        replay(&*step).unwrap();
        assert_eq!(value(&a), 3.0, "only what the capturing thread launched");
    });
}

#[test]
fn a_replay_that_lives_on_the_last_one_is_found() {
    let Some(gpu) = Emulator::for_test("planted captures", Mode::Check) else { return };
    let gpu: Arc<dyn Gpu> = gpu;
    let mut a = filled(&gpu, 1.0);
    run(&*gpu, "add", &mut a, all(&filled(&gpu, 1.0))).unwrap();
    // Reads what only an earlier replay could have written.
    let ((), step) = capture(&gpu, || {
        let fresh = Memory::uninitialised(&gpu, 8 * COUNT)?;
        run(&*gpu, "add", &mut a, all(&fresh))
    })
    .unwrap();
    assert!(refusal(replay(&*step)).contains("uninitialised"));
    // Counts on from what it wrote over a constant.
    let ((), step) = capture(&gpu, || run(&*gpu, "add", &mut filled(&gpu, 0.0), all(&a))).unwrap();
    assert!(refusal(replay(&*step)).contains("wrote over a constant"));
}
