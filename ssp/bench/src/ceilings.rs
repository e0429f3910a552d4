//! Measured hardware limits: memory bandwidth and matrix product throughput.

use kernels::conv2d::conv2d;
use kernels::linear::linear;
use rayon::prelude::*;
use serde::Serialize;
use tensor::{DType, Device, no_grad};

use super::case::{Argument, Dtypes};
use super::cases::extents;
use super::clock::{Clock, Once};
use crate::Result;

/// Limits measured before the operations, in the same process.
#[derive(Clone, Debug, Serialize)]
pub struct Ceilings {
    /// Bytes read and written per second by a large copy.
    pub copy_bytes_per_s: f64,
    /// Size of that copy in bytes.
    pub copied_bytes: usize,
    /// Floating-point operations per second of a large matrix product.
    pub product_flop_per_s: f64,
    /// Implementation and size of that product.
    pub product: String,
}

/// Sizes of the copy and of the products.
#[derive(Clone, Copy, Debug)]
pub(super) struct Extent {
    /// Values of 4 bytes to copy.
    pub copied: usize,
    /// Rows and columns of the factors of a linear layer.
    pub rows: usize,
    /// Batch, rows, columns and channels of a convolution.
    pub convolved: [usize; 4],
}

impl Extent {
    /// Sizes beyond every cache, and large enough for full throughput.
    pub fn of(device: &Device) -> Self {
        match device {
            Device::Cpu => Extent { copied: 1 << 26, rows: 2048, convolved: [8, 32, 32, 128] },
            Device::Gpu(_) => Extent { copied: 1 << 28, rows: 8192, convolved: [32, 64, 64, 256] },
        }
    }
}

impl Ceilings {
    /// Measures a copy (by all threads, or by the driver of a GPU) and the faster of the engine's
    /// linear layer and convolution.
    ///
    /// # Errors
    /// When the device fails or has too little memory.
    pub(super) fn measure(clock: &Clock<'_>, dtypes: Dtypes, extent: Extent) -> Result<Self> {
        let copied = extent.copied;
        let seconds = match clock.device {
            Device::Cpu => host_copy(clock, copied)?,
            Device::Gpu(_) => device_copy(clock, copied)?,
        };
        let moved = (2 * copied * size_of::<f32>()) as f64;
        let products = [
            own_product(clock, dtypes, extent.rows)?,
            own_convolution(clock, dtypes, extent.convolved)?,
        ];
        let [linear, convolution] = products;
        let (product_flop_per_s, what) =
            if linear.0 > convolution.0 { linear } else { convolution };
        Ok(Ceilings {
            copy_bytes_per_s: moved / seconds,
            copied_bytes: copied * size_of::<f32>(),
            product_flop_per_s,
            product: format!("our own {what}"),
        })
    }

    /// The same with the throughput of another implementation's product.
    pub(super) fn with_product(self, name: String, flop_per_s: f64) -> Self {
        Ceilings { product: name, product_flop_per_s: flop_per_s, ..self }
    }

    /// Lower bound in seconds for this work, and whether memory traffic is the limit.
    pub(super) fn least(&self, flop: Option<f64>, bytes: f64) -> (f64, bool) {
        let products = flop.unwrap_or(0.0) / self.product_flop_per_s;
        let moves = bytes / self.copy_bytes_per_s;
        (products.max(moves), moves >= products)
    }
}

fn host_copy(clock: &Clock<'_>, count: usize) -> Result<f64> {
    const CHUNK: usize = 1 << 18;
    let from = vec![1f32; count];
    let to = std::cell::RefCell::new(vec![0f32; count]);
    clock.median(0, &mut || {
        Ok(Box::new(|| {
            let mut to = to.borrow_mut();
            let chunks = to.par_chunks_mut(CHUNK).zip(from.par_chunks(CHUNK));
            chunks.for_each(|(to, from)| to.copy_from_slice(from));
            std::hint::black_box(&mut *to);
            Ok(())
        }) as Once<'_>)
    })
}

fn device_copy(clock: &Clock<'_>, count: usize) -> Result<f64> {
    let tensor = Argument::normal([count], DType::F32).draw(clock.device)?;
    clock
        .median(0, &mut || Ok(Box::new(|| Ok(tensor.copy_to(clock.device).map(drop)?)) as Once<'_>))
}

/// Floating-point operations per second of a square linear layer, and its description.
fn own_product(clock: &Clock<'_>, dtypes: Dtypes, rows: usize) -> Result<(f64, String)> {
    let x = Argument::normal([rows, rows], dtypes.features).draw(clock.device)?;
    let w = Argument::normal([rows, rows], dtypes.parameters).draw(clock.device)?;
    let seconds = clock.median(0, &mut || {
        let once = || Ok(no_grad(|| linear(&x, &w, None)).map(drop)?);
        Ok(Box::new(once) as Once<'_>)
    })?;
    Ok((
        2.0 * (rows as f64).powi(3) / seconds,
        format!("linear layer of {rows}^3 in {}", dtypes.features),
    ))
}

/// The same for a 3 x 3 convolution with as many output channels as input channels.
fn own_convolution(clock: &Clock<'_>, dtypes: Dtypes, shape: [usize; 4]) -> Result<(f64, String)> {
    let channels = shape[3];
    let x = Argument::normal(shape, dtypes.features).draw(clock.device)?;
    let w = Argument::normal([3, 3, channels, channels], dtypes.parameters).draw(clock.device)?;
    let seconds = clock.median(0, &mut || {
        let once = || Ok(no_grad(|| conv2d(&[&x], &w, None, 1)).map(drop)?);
        Ok(Box::new(once) as Once<'_>)
    })?;
    let flop = (18 * shape.iter().product::<usize>() * channels) as f64;
    let what = format!("3 x 3 convolution of {} in {}", extents(&shape), dtypes.features);
    Ok((flop / seconds, what))
}
