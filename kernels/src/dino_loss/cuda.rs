//! A block for each row of outputs. The rows' derivatives are left in memory by the forward pass.

use tensor::gpu::{Argument, Gpu, Launch, Program, Source};
use tensor::{Buffer, DType, Result, Tensor};

use super::{DinoLoss, Size};
use crate::gpu::{ROWS, changed, filled, gpu_of};
use crate::reduce;

const SOURCES: &[Source] = &[
    ROWS,
    Source { path: "kernels/src/dino_loss/dino_loss.cu", text: include_str!("dino_loss.cu") },
];

/// The kernels.
pub fn programs(dtype: DType) -> Vec<Program> {
    vec![Program::new(SOURCES, dtype)]
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
    let program = Program::new(SOURCES, dtype);
    let rows = teacher.dims()[0];
    let launch = Launch::blocks(rows, Launch::THREADS);
    let teacher_temperature = settings.teacher_temperature.on(&gpu_of("dino_loss", student)?)?;
    let rest = [teacher_temperature.address().into(), outputs.into()];
    let (name, inputs) = ("dino_loss_teacher", [teacher, centre]);
    // SAFETY: a block for each row of the teacher, and a normaliser for each.
    let normalisers = unsafe { filled(gpu, &program, name, launch, &inputs, [rows], &rest)? };

    let rows = views * batch;
    let slopes = Buffer::stale_on(&device, dtype, rows * outputs)?;
    let losses = Buffer::stale_on(&device, DType::F64, rows)?;
    let each = 1.0 / (size.pairs() * batch) as f64;
    let mut arguments = Vec::new();
    for tensor in [student, teacher, centre, &normalisers] {
        arguments.push(Argument::from(tensor.address()?));
    }
    arguments.extend([&slopes, &losses].map(|buffer| Argument::from(buffer.address())));
    arguments.push(teacher_temperature.address().into());
    arguments.extend([settings.student_temperature, each].map(Argument::from));
    arguments.extend([batch, outputs].map(Argument::from));
    let launch = Launch::blocks(rows, Launch::THREADS);
    // SAFETY: a block for each row of the student, its derivatives and its loss.
    unsafe { gpu.launch(&program, "dino_loss_rows", launch, &arguments)? };
    let losses = Tensor::over(losses, [rows], DType::F64);
    let loss = reduce::cuda::total(gpu, &losses, dtype, each)?;
    Ok((loss, Tensor::over(slopes, student.shape(), dtype)))
}

/// The gradient with respect to the student, written over the derivatives.
pub(super) fn backward(slopes: Tensor, gradient: &Tensor) -> Result<Tensor> {
    let gpu = &*gpu_of("dino_loss", &slopes)?;
    let (program, count) = (Program::new(SOURCES, slopes.dtype()), slopes.shape().elements());
    let (name, launch) = ("dino_loss_backward", Launch::over(count));
    // SAFETY: the gradient is one element, and each derivative has a thread.
    unsafe { changed(gpu, &program, name, launch, &[gradient], slopes, &[count.into()]) }
}

/// `centre = momentum centre + (1 - momentum) mean of the teacher's rows`.
pub(super) fn move_centre(
    gpu: &dyn Gpu,
    centre: &mut Tensor,
    teacher: &Tensor,
    rows: usize,
    momentum: f64,
) -> Result<()> {
    let outputs = centre.shape().elements();
    let (program, launch) = (Program::new(SOURCES, centre.dtype()), Launch::over(outputs));
    let places = [centre.memory_mut()?.address(), teacher.address()?].map(Argument::from);
    let rest = [momentum.into(), rows.into(), outputs.into()];
    let arguments = [&places[..], &rest].concat();
    // SAFETY: the teacher has so many rows of outputs, and each output a thread.
    unsafe { gpu.launch(&program, "dino_loss_centre", launch, &arguments) }
}
