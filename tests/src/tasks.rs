//! Every training task in small, with batches that are drawn.

use kernels::check::Argument;
use nn::{Rates, Sgd, SgdSettings};
use sampling::sampler::Batch;
use settings::{Method, Preset, Settings};
use tensor::DType;
use tensor::random::{Purpose, Stream};
use train::task::{Contrastive, Dino, ErasedTask, Mim, Segmentation};

/// Networks and images so small that an emulated GPU takes a step in a moment; in float32, unless
/// `mixed`.
pub fn settings(method: Method, mixed: bool) -> Settings {
    let mut settings = Settings::preset(Preset::Demo, method);
    settings.pretrain.optimisation.mixed_precision = mixed;
    settings.finetune.optimisation.mixed_precision = mixed;
    settings.network.channels = vec![2, 3];
    settings.network.size = 16;
    settings.pretrain.contrastive.mlp = vec![5, 4];
    settings.pretrain.mim.patch = [4, 4];
    let dino = &mut settings.pretrain.dino;
    (dino.local_views, dino.local_size) = (1, 8);
    (dino.hidden, dino.bottleneck, dino.outputs) = (5, 4, 7);
    settings
}

/// The task of a method, without validation.
///
/// # Errors
/// When the settings make no network.
pub fn task(settings: &Settings) -> common::Result<Box<dyn ErasedTask>> {
    Ok(match settings.method {
        Method::Scratch => Box::new(Segmentation::unvalidated(settings)?),
        Method::SimClr | Method::Pcl => Box::new(Contrastive::new(settings, None)?),
        Method::Dino => Box::new(Dino::new(settings)?),
        Method::Mim => Box::new(Mim::new(settings, None)?),
    })
}

/// A batch of four slices or views for that task; another number, another batch.
///
/// # Errors
/// None that a caller can cause.
pub fn batch(method: Method, number: u32) -> common::Result<Vec<Batch>> {
    let drawn = |count: usize, size: usize| -> common::Result<Batch> {
        let mut stream = Stream::new(5, Purpose::CHECK, 1, number);
        Ok(Batch {
            images: Argument::normal([count, size, size, 1]).draw(DType::F32, &mut stream)?,
            labels: Some(Argument::classes([count, size, size], 4).draw(DType::F32, &mut stream)?),
            positions: (0..count).map(|row| 0.06 * row as f64).collect(),
            slices: vec![],
        })
    };
    Ok(match method {
        Method::Dino => vec![drawn(4, 16)?, drawn(2, 8)?],
        _ => vec![drawn(4, 16)?],
    })
}

/// An optimiser for it.
pub fn sgd(method: Method) -> Sgd {
    Sgd::new(SgdSettings {
        momentum: 0.9,
        nesterov: false,
        decay_matrices_only: method == Method::Dino,
    })
}

/// Rates for it: a learning rate with a weight decay of 1e-4.
pub fn rates(learning_rate: f64) -> Rates {
    Rates::new(learning_rate, 1e-4)
}
