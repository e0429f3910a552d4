//! Views of slices, made on a GPU from slices that stay in its memory.
//!
//! What `resample` and `intensity` do to one view on the host is done here to all views of a batch, in
//! five launches: sampling, in which standardisation, scale, shift and noise are folded, and labels
//! beside it; blur downwards and along; extremes; contrast and solarisation. Views that want none of a
//! pass are left alone by it. Equal to the host's but for rounding; it is no operation of the tape.

use std::sync::Arc;

use bytemuck::{Pod, Zeroable, cast_slice};
use tensor::gpu::{Address, Argument, Gpu, Launch, Memory, Program, Source};
use tensor::{Buffer, DType, Device, Error, Result, Tensor};

use crate::gpu::ROWS;
use crate::intensity::{Noise, smoothing_kernel};
use crate::resample::Matrix;

const SOURCES: &[Source] = &[
    ROWS,
    Source { path: "kernels/src/gpu/philox.cuh", text: include_str!("../gpu/philox.cuh") },
    Source { path: "kernels/src/views/views.cu", text: include_str!("views.cu") },
];

/// Taps of a blur, at most: those of a sigma of five pixels.
const TAPS: usize = 41;

/// The kernels. Views are of float32.
pub fn program() -> Program {
    Program::new(SOURCES, DType::F32)
}

/// What pixels of a slice are stored as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stored {
    /// 16-bit whole numbers.
    Whole,
    /// 32-bit floats.
    Real,
}

impl Stored {
    fn bytes(self) -> usize {
        match self {
            Stored::Whole => 2,
            Stored::Real => 4,
        }
    }
}

/// One view: of which slice, and how.
#[derive(Clone, Debug)]
pub struct View {
    /// Where the slice's pixels begin in the resident memory, in bytes.
    pub pixels: usize,
    /// What they are stored as.
    pub stored: Stored,
    /// Where its labels begin, a byte for each pixel, if it has any.
    pub labels: Option<usize>,
    /// Rows and columns of the slice.
    pub size: [usize; 2],
    /// From normalised coordinates of the view to those of the slice.
    pub matrix: Matrix,
    /// What samples are multiplied with, and what is then added.
    pub affine: [f64; 2],
    /// Noise that is then added.
    pub noise: Option<Noise>,
    /// Sigma of a blur in pixels, `[rows, columns]`, zeros outside; and what is added after it.
    pub blur: Option<([f64; 2], f64)>,
    /// Exponent of contrast.
    pub contrast: Option<f64>,
    /// Values above the first become the second minus them.
    pub solarise: Option<[f64; 2]>,
}

/// A view as the kernels take it.
#[derive(Clone, Copy, Pod, Zeroable)]
#[repr(C)]
struct Row {
    pixels: u64,
    labels: u64,
    size: [i64; 2],
    whole: i64,
    along: [f64; 3],
    down: [f64; 3],
    affine: [f64; 2],
    noise: f64,
    stream: [i64; 4],
    reach: [i64; 2],
    late: f64,
    contrast: f64,
    solarise: i64,
    limits: [f64; 2],
    weights: [[f64; TAPS]; 2],
}

/// Renders `views` of slices that lie in `resident`: `[views, rows, columns, 1]` of float32, and labels
/// `[views, rows, columns]` if `labelled`, background where a slice has none.
///
/// # Errors
/// When a slice does not lie within the memory, a blur is too wide, or the device fails.
pub fn render(
    resident: &Memory,
    views: &[View],
    [rows, columns]: [usize; 2],
    labelled: bool,
) -> Result<(Tensor, Option<Tensor>)> {
    let (gpu, pixels) = (resident.gpu(), rows * columns);
    let device = Device::Gpu(gpu.clone());
    let count = views.len() * pixels;
    let table: Vec<Row> = views.iter().map(|view| row(resident, view)).collect::<Result<_>>()?;
    let table = Memory::from_host(gpu, cast_slice(&table))?;
    let images = Buffer::stale_on(&device, DType::F32, count)?;
    let labels = labelled.then(|| Buffer::stale_on(&device, DType::U8, count)).transpose()?;
    let of_labels = labels.as_ref().map_or(Address::NULL, Buffer::address);
    if count > 0 {
        let (table, image) = (table.address(), images.address());
        let pass = Pass { gpu, views: views.len(), size: [rows, columns] };
        pass.over_pixels("views_sample", &[table, image, of_labels])?;
        if views.iter().any(|view| view.blur.is_some()) {
            let smoothed = Buffer::stale_on(&device, DType::F32, count)?;
            pass.over_pixels("views_blur_down", &[table, image, smoothed.address()])?;
            pass.over_pixels("views_blur_along", &[table, smoothed.address(), image])?;
        }
        let extremes = Buffer::stale_on(&device, DType::F32, 2 * views.len())?;
        if views.iter().any(|view| view.contrast.is_some()) {
            pass.over_views("views_extremes", &[table, image, extremes.address()])?;
        }
        if views.iter().any(|view| view.contrast.is_some() || view.solarise.is_some()) {
            pass.finish(&[table, extremes.address(), image])?;
        }
    }
    let labels = labels.map(|labels| Tensor::over(labels, [views.len(), rows, columns], DType::U8));
    Ok((Tensor::over(images, [views.len(), rows, columns, 1], DType::F32), labels))
}

/// Launches over a batch of views.
struct Pass<'a> {
    gpu: &'a Arc<dyn Gpu>,
    views: usize,
    size: [usize; 2],
}

impl Pass<'_> {
    fn pixels(&self) -> usize {
        self.size[0] * self.size[1]
    }

    fn each_pixel(&self) -> Launch {
        let Launch { blocks: [across, ..], threads, .. } = Launch::over(self.pixels());
        Launch { blocks: [across, self.views as u32, 1], threads, shared: 0 }
    }

    fn launch(
        &self,
        kernel: &str,
        launch: Launch,
        places: &[Address],
        sizes: &[usize],
    ) -> Result<()> {
        let places = places.iter().map(|&place| Argument::from(place));
        let arguments: Vec<Argument> =
            places.chain(sizes.iter().map(|&size| Argument::from(size))).collect();
        // SAFETY: the table has a row for each view, whose slice lies in resident memory; images and
        // labels have the pixels of all views, each of which has a thread of its own.
        unsafe { self.gpu.launch(&program(), kernel, launch, &arguments) }
    }

    fn over_pixels(&self, kernel: &str, places: &[Address]) -> Result<()> {
        self.launch(kernel, self.each_pixel(), places, &self.size)
    }

    fn over_views(&self, kernel: &str, places: &[Address]) -> Result<()> {
        self.launch(kernel, Launch::blocks(self.views, 1024), places, &[self.pixels()])
    }

    fn finish(&self, places: &[Address]) -> Result<()> {
        self.launch("views_finish", self.each_pixel(), places, &[self.pixels()])
    }
}

fn row(resident: &Memory, view: &View) -> Result<Row> {
    let [rows, columns] = view.size;
    let within = |start: usize, bytes: usize| match start.checked_add(bytes) {
        Some(end) if end <= resident.bytes() => Ok(resident.address().0 + start as u64),
        _ => Err(Error::value("views", "a slice lies outside of the resident memory")),
    };
    let labels = view.labels.map(|labels| within(labels, rows * columns)).transpose()?;
    let mut weights = [[0.0; TAPS]; 2];
    let mut reach = [-1; 2];
    if let Some((sigma, _)) = view.blur {
        for axis in 0..2 {
            let kernel = smoothing_kernel(sigma[axis]);
            if kernel.len() > TAPS {
                let what = format!("a blur of {} pixels is too wide for a GPU", sigma[axis]);
                return Err(Error::value("views", what));
            }
            weights[axis][..kernel.len()].copy_from_slice(&kernel);
            reach[axis] = (kernel.len() / 2) as i64;
        }
    }
    let noise = view.noise.unwrap_or(Noise { seed: 0, epoch: 0, sample: 0, deviation: 0.0 });
    let words = [noise.seed as u32, (noise.seed >> 32) as u32, noise.epoch, noise.sample];
    let [along, down, _] = view.matrix.0;
    Ok(Row {
        pixels: within(view.pixels, rows * columns * view.stored.bytes())?,
        labels: labels.unwrap_or(0),
        size: view.size.map(|extent| extent as i64),
        whole: i64::from(view.stored == Stored::Whole),
        along,
        down,
        affine: view.affine,
        noise: noise.deviation,
        stream: words.map(i64::from),
        reach,
        late: view.blur.map_or(0.0, |(_, late)| late),
        contrast: view.contrast.unwrap_or(0.0),
        solarise: i64::from(view.solarise.is_some()),
        limits: view.solarise.unwrap_or_default(),
        weights,
    })
}
