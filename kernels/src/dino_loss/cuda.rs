//! A block for each row of outputs. The forward pass keeps the rows' derivatives in memory.

use tensor::gpu::{Acc, Gpu, In, Launch, Out, Program, Real, Source};
use tensor::{DType, Result, Tensor};

use super::{DinoLoss, Size};
use crate::gpu::{ROWS, gpu_of};
use crate::reduce;

const SOURCES: &[Source] = &[
    ROWS,
    Source { path: "kernels/src/dino_loss/dino_loss.cu", text: include_str!("dino_loss.cu") },
];

tensor::kernels! {
    /// The kernels of `dino_loss.cu`.
    const KERNELS;

    dino_loss_teacher => struct DinoLossTeacher<'a> {
        teacher: In<'a, Real>,
        centre: In<'a, Real>,
        normalisers: Out<'a, Acc>,
        temperature: In<'a, f64>,
        outputs: usize,
    }

    dino_loss_rows => struct DinoLossRows<'a> {
        student: In<'a, Real>,
        teacher: In<'a, Real>,
        centre: In<'a, Real>,
        normalisers: In<'a, Acc>,
        slopes: Out<'a, Real>,
        losses: Out<'a, f64>,
        teacher_temperature: In<'a, f64>,
        student_temperature: f64,
        each: f64,
        batch: usize,
        outputs: usize,
    }

    dino_loss_backward => struct DinoLossBackward<'a> {
        loss_gradient: In<'a, Real>,
        gradient: Out<'a, Real>,
        count: usize,
    }

    dino_loss_centre => struct DinoLossCentre<'a> {
        centre: Out<'a, Real>,
        teacher: In<'a, Real>,
        momentum: f64,
        rows: usize,
        outputs: usize,
    }
}

/// The programs.
pub fn programs(dtype: DType) -> Vec<Program> {
    vec![program(dtype)]
}

fn program(dtype: DType) -> Program {
    Program::new(SOURCES, dtype).with_kernels(KERNELS)
}

/// The loss, and its derivatives with respect to the student.
pub(super) fn forward(
    gpu: &dyn Gpu,
    [student, teacher, centre]: [&Tensor; 3],
    size: Size,
    settings: &DinoLoss,
) -> Result<(Tensor, Tensor)> {
    let Size { views, batch, outputs } = size;
    let (dtype, device) = (student.dtype(), student.device());
    let program = program(dtype);
    let temperature = settings.teacher_temperature.to_device(&gpu_of("dino_loss", student)?)?;
    let rows = teacher.dims()[0];
    let mut normalisers = Tensor::uninitialised(&device, dtype, [rows])?;
    let args = DinoLossTeacher {
        teacher: program.input(teacher)?,
        centre: program.input(centre)?,
        normalisers: program.output(&mut normalisers)?,
        temperature: temperature.input(),
        outputs,
    };
    let launch = Launch::blocks(rows, Launch::THREADS);
    // SAFETY: the teacher has `rows` rows of `outputs`, the centre one; a block for each row.
    unsafe { gpu.launch(&program, "dino_loss_teacher", launch, &args)? };

    let rows = views * batch;
    let mut slopes = Tensor::uninitialised(&device, dtype, student.shape())?;
    let mut losses = Tensor::uninitialised(&device, DType::F64, [rows])?;
    let each = 1.0 / (size.pairs() * batch) as f64;
    let args = DinoLossRows {
        student: program.input(student)?,
        teacher: program.input(teacher)?,
        centre: program.input(centre)?,
        normalisers: program.input(&normalisers)?,
        slopes: program.output(&mut slopes)?,
        losses: program.output(&mut losses)?,
        teacher_temperature: temperature.input(),
        student_temperature: settings.student_temperature,
        each,
        batch,
        outputs,
    };
    let launch = Launch::blocks(rows, Launch::THREADS);
    // SAFETY: the student has `views * batch` rows of `outputs`, the teacher and its normalisers
    // `2 * batch`; a block for each row of the student.
    unsafe { gpu.launch(&program, "dino_loss_rows", launch, &args)? };
    Ok((reduce::cuda::total(gpu, &losses, dtype, each)?, slopes))
}

/// The gradient with respect to the student, written over the derivatives.
pub(super) fn backward(mut slopes: Tensor, gradient: &Tensor) -> Result<Tensor> {
    let gpu = &*gpu_of("dino_loss", &slopes)?;
    let (program, count) = (program(slopes.dtype()), slopes.shape().elements());
    let args = DinoLossBackward {
        loss_gradient: program.input(gradient)?,
        gradient: program.output(&mut slopes)?,
        count,
    };
    // SAFETY: the gradient of the loss is one element; a thread for each of `count` derivatives.
    unsafe { gpu.launch(&program, "dino_loss_backward", Launch::over(count), &args)? };
    Ok(slopes)
}

/// `centre = momentum centre + (1 - momentum) mean of the teacher's rows`.
pub(super) fn move_centre(
    gpu: &dyn Gpu,
    centre: &mut Tensor,
    teacher: &Tensor,
    rows: usize,
    momentum: f64,
) -> Result<()> {
    let (program, outputs) = (program(centre.dtype()), centre.shape().elements());
    let args = DinoLossCentre {
        centre: program.output(centre)?,
        teacher: program.input(teacher)?,
        momentum,
        rows,
        outputs,
    };
    // SAFETY: the teacher has `rows` rows of `outputs`; a thread for each output.
    unsafe { gpu.launch(&program, "dino_loss_centre", Launch::over(outputs), &args) }
}
