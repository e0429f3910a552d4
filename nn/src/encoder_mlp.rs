//! Encoder and projection: the network of the contrastive tasks.

use kernels::pointwise::relu;
use tensor::{Result, Tensor};

use crate::module::join;
use crate::{Encoder, Init, Linear, Mode, Module, Slot};

/// Linear layers with ReLU between them, none after the last.
#[derive(Debug)]
pub struct Mlp {
    layers: Vec<Linear>,
}

impl Mlp {
    /// From `cin` features through `widths`.
    ///
    /// # Errors
    /// When the dtype is not floating.
    pub fn new(init: &mut Init, cin: usize, widths: &[usize]) -> Result<Self> {
        let inputs = [cin].into_iter().chain(widths.iter().copied());
        let layers = inputs.zip(widths).map(|(from, &to)| Linear::new(init, from, to));
        Ok(Mlp { layers: layers.collect::<Result<_>>()? })
    }

    /// `[rows, cin]` to `[rows, widths.last()]`.
    ///
    /// # Errors
    /// When shapes do not fit.
    pub fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let mut x = x.clone();
        for (index, layer) in self.layers.iter().enumerate() {
            if index > 0 {
                x = relu(&x)?;
            }
            x = layer.forward(&x)?;
        }
        Ok(x)
    }
}

impl Module for Mlp {
    fn visit(&mut self, path: &str, visitor: &mut dyn FnMut(&str, Slot<'_>)) {
        // Every other entry of the published list of layers is an activation.
        for (index, layer) in self.layers.iter_mut().enumerate() {
            layer.visit(&join(path, &format!("mlp.{}", 2 * index)), visitor);
        }
    }
}

/// Encoder, global average of its deepest features, projection.
#[derive(Debug)]
pub struct EncoderMlp {
    encoder: Encoder,
    mlp: Mlp,
}

impl EncoderMlp {
    /// An encoder of `channels` and a projection of `widths`.
    ///
    /// # Errors
    /// When there are no channels, or the dtype is not floating.
    pub fn new(init: &mut Init, channels: &[usize], widths: &[usize]) -> Result<Self> {
        let encoder = Encoder::new(init, 1, channels)?;
        let deepest = channels.last().copied().unwrap_or(1);
        Ok(EncoderMlp { encoder, mlp: Mlp::new(init, deepest, widths)? })
    }

    /// Projections of `[n, rows, columns, 1]`: `[n, widths.last()]`.
    ///
    /// # Errors
    /// When shapes do not fit.
    pub fn forward(&mut self, x: &Tensor, mode: Mode) -> Result<Tensor> {
        self.mlp.forward(&self.encoder.pooled(x, mode)?)
    }

    /// The encoder.
    pub fn encoder(&mut self) -> &mut Encoder {
        &mut self.encoder
    }
}

impl Module for EncoderMlp {
    fn visit(&mut self, path: &str, visitor: &mut dyn FnMut(&str, Slot<'_>)) {
        self.encoder.visit(&join(path, "encoder"), visitor);
        self.mlp.visit(&join(path, "mlp"), visitor);
    }
}
