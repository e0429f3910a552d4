//! A thread for each element.

use tensor::gpu::{Gpu, In, Launch, Out, Pointee, Program, Real, Source};
use tensor::{DType, Result, Tensor};

const SOURCES: &[Source] =
    &[Source { path: "kernels/src/cast/cast.cu", text: include_str!("cast.cu") }];

tensor::kernels! {
    /// The kernel of `cast.cu`.
    const KERNELS;

    cast => struct Cast<'a> {
        x: In<'a, From>,
        y: Out<'a, Real>,
        count: usize,
    }
}

/// Elements before the conversion: `from` in CUDA.
struct From;

impl Pointee for From {
    const CUDA: &'static str = "from";
}

/// The programs.
pub fn programs(dtype: DType) -> Vec<Program> {
    [DType::BF16, DType::F32, DType::F64].into_iter().map(|from| program(from, dtype)).collect()
}

fn program(from: DType, to: DType) -> Program {
    Program::new(SOURCES, to).with_kernels(KERNELS).define("FROM", 8 * from.bytes() as i64)
}

/// Every value, rounded to the nearest of the new dtype.
pub fn convert(gpu: &dyn Gpu, x: &Tensor, dtype: DType) -> Result<Tensor> {
    let (program, count) = (program(x.dtype(), dtype), x.shape().elements());
    let mut y = Tensor::uninitialised(&x.device(), dtype, x.shape())?;
    // The program is for elements of `x`.
    let args = Cast { x: In::of_any_dtype(x)?, y: program.output(&mut y)?, count };
    // SAFETY: both have `count` elements; a thread for each.
    unsafe { gpu.launch(&program, "cast", Launch::over(count), &args)? };
    Ok(y)
}
