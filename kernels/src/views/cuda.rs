//! One launch for each pass over all views of a batch, and one small table for all launches.

use std::sync::Arc;

use bytemuck::{Pod, Zeroable};
use tensor::gpu::{Gpu, In, Launch, Memory, Out, Pointee, Program, Source};
use tensor::{DType, Result, Tensor};

use super::{Encoding, View};
use crate::gpu::{PHILOX, ROWS, gpu_of};
use crate::intensity::Adjustment;
use crate::intensity::cuda::{FirstPass, INTENSITY, Making, program};
use crate::resample::cuda::{RESAMPLE, map};

const SOURCES: &[Source] = &[
    ROWS,
    PHILOX,
    INTENSITY,
    RESAMPLE,
    Source { path: "kernels/src/views/views.cu", text: include_str!("views.cu") },
];

tensor::kernels! {
    /// The kernels of `views.cu`.
    const KERNELS;

    views_first => struct ViewsFirst<'a> {
        memory: In<'a, u8>,
        views: In<'a, Row>,
        pass: FirstPass<'a>,
    }

    views_labels => struct ViewsLabels<'a> {
        memory: In<'a, u8>,
        views: In<'a, Row>,
        out: Out<'a, u8>,
        rows: usize,
        columns: usize,
        count: usize,
    }
}

/// The programs.
pub fn programs(dtype: DType) -> Vec<Program> {
    vec![program(SOURCES, KERNELS, dtype)]
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

impl Pointee for Row {
    const CUDA: &'static str = "View";
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
    let mut making =
        Making::new(gpu.clone(), dtype, target, &adjustments, bytemuck::cast_slice(&rows))?;
    let program = program(SOURCES, KERNELS, dtype);
    if let Some(launch) = making.launch(0) {
        let (pass, views) = making.first_pass(&program)?;
        let args = ViewsFirst { memory: program.input(memory)?, views, pass };
        // SAFETY: the table has one row per view, and every slice is entirely within the memory.
        unsafe { gpu.launch(&program, "views_first", launch, &args)? };
    }
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
    let mut out = Tensor::uninitialised(&memory.device(), DType::U8, [views.len(), rows, columns])?;
    // Labels are bytes, whatever the dtype of images.
    let program = program(SOURCES, KERNELS, DType::F32);
    let args = ViewsLabels {
        memory: program.input(memory)?,
        views: In::within(&table, 0),
        out: program.output(&mut out)?,
        rows,
        columns,
        count,
    };
    // SAFETY: there is a row for each view, and the memory has the labels of each slice; a thread for
    // each of `count` pixels.
    unsafe { gpu.launch(&program, "views_labels", Launch::over(count), &args)? };
    Ok(out)
}
