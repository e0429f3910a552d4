//! One launch for each pass over all views of a batch, and one small table for all launches.

use std::sync::Arc;

use bytemuck::{Pod, Zeroable};
use tensor::gpu::{Address, Argument, Gpu, Launch, Memory, Program, Source};
use tensor::{Buffer, DType, Result, Tensor};

use super::{Encoding, View};
use crate::gpu::{PHILOX, ROWS, gpu_of};
use crate::intensity::Adjustment;
use crate::intensity::cuda::{INTENSITY, Making, program};
use crate::resample::cuda::{RESAMPLE, map};

const SOURCES: &[Source] = &[
    ROWS,
    PHILOX,
    INTENSITY,
    RESAMPLE,
    Source { path: "kernels/src/views/views.cu", text: include_str!("views.cu") },
];

/// The kernels.
pub fn programs(dtype: DType) -> Vec<Program> {
    vec![program(SOURCES, dtype)]
}

/// A [`View`] as kernels read it, but for its adjustment.
#[repr(C)]
#[derive(Clone, Copy, Pod, Zeroable)]
struct Row {
    pixels: i64,
    labels: i64,
    size: [i64; 2],
    real_numbers: i64,
    map: [f64; 6],
}

impl Row {
    fn new(View { place, matrix, .. }: &View) -> Self {
        Row {
            pixels: place.pixels as i64,
            labels: place.labels.map_or(-1, |labels| labels as i64),
            size: place.size.map(|extent| extent as i64),
            real_numbers: (place.encoding == Encoding::Real).into(),
            map: map(matrix),
        }
    }
}

/// Makes views of `[rows, columns]`.
pub(super) fn render(
    gpu: Arc<dyn Gpu>,
    memory: &Tensor,
    views: &[View],
    target: [usize; 2],
    dtype: DType,
) -> Result<Tensor> {
    let rows: Vec<Row> = views.iter().map(Row::new).collect();
    let adjustments: Vec<Adjustment> = views.iter().map(|view| view.adjustment).collect();
    let making = Making::new(gpu, dtype, target, &adjustments, bytemuck::cast_slice(&rows))?;
    let inputs = [memory.address()?, making.beside()];
    // SAFETY: there is a row for each view, and every slice is wholly in the memory.
    unsafe { making.first(&program(SOURCES, dtype), "views_first", &inputs)? };
    making.finished()
}

/// Labels of views of `[rows, columns]`.
pub(super) fn labels(
    gpu: &dyn Gpu,
    memory: &Tensor,
    views: &[View],
    [rows, columns]: [usize; 2],
) -> Result<Tensor> {
    let table: Vec<Row> = views.iter().map(Row::new).collect();
    let table = Memory::from_host(&gpu_of("views", memory)?, bytemuck::cast_slice(&table))?;
    let count = views.len() * rows * columns;
    let out = Buffer::stale_on(&memory.device(), DType::U8, count)?;
    let addresses: [Address; 3] = [memory.address()?, table.address(), out.address()];
    let arguments: Vec<Argument> = addresses
        .map(Argument::from)
        .into_iter()
        .chain([rows, columns, count].map(Argument::from))
        .collect();
    // Labels are bytes whatever images are stored in.
    let program = program(SOURCES, DType::F32);
    // SAFETY: there is a row for each view, and every slice's labels are wholly in the memory.
    unsafe { gpu.launch(&program, "views_labels", Launch::over(count), &arguments)? };
    Ok(Tensor::over(out, [views.len(), rows, columns], DType::U8))
}
