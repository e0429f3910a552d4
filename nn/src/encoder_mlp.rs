//! Encoder and projection: the network of contrastive learning.

use tensor::{Result, Tensor};

use crate::{Encoder, Init, Layer, Linear, Mode, Sequential, module};

/// Linear layers with ReLU between them, none after the last.
#[derive(Debug)]
pub struct Mlp {
    mlp: Sequential,
}

module!(Mlp { mlp });

impl Mlp {
    /// From `cin` features through `widths`.
    ///
    /// # Errors
    /// When the dtype is not floating.
    pub fn new(init: &mut Init, cin: usize, widths: &[usize]) -> Result<Self> {
        let inputs = [cin].into_iter().chain(widths.iter().copied());
        let mut layers = Vec::new();
        for (from, &to) in inputs.zip(widths) {
            if !layers.is_empty() {
                layers.push(Layer::Relu);
            }
            layers.push(Layer::Linear(Linear::new(init, from, to)?));
        }
        Ok(Mlp { mlp: Sequential::new(layers) })
    }

    /// `[rows, cin]` to `[rows, widths.last()]`.
    ///
    /// # Errors
    /// When shapes do not fit.
    pub fn forward(&mut self, x: &Tensor, mode: Mode) -> Result<Tensor> {
        self.mlp.forward(x, mode)
    }
}

/// Encoder, global average of its deepest features, projection.
#[derive(Debug)]
pub struct EncoderMlp {
    encoder: Encoder,
    mlp: Mlp,
}

module!(EncoderMlp { encoder, mlp });

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
        self.mlp.forward(&self.encoder.pooled(x, mode)?, mode)
    }

    /// The encoder.
    pub fn encoder(&mut self) -> &mut Encoder {
        &mut self.encoder
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Module;
    use tensor::DType;

    #[test]
    fn names_are_those_of_the_published_code() {
        let mut init = Init::new(0, 0, DType::F32);
        let net = EncoderMlp::new(&mut init, &[4, 6], &[5, 3]).unwrap();
        let names: Vec<_> = net.state().into_iter().map(|(name, _)| name).collect();
        assert_eq!(names[0], "encoder.enc_blocks.0.conv1.weight");
        let projection: Vec<_> = names.iter().filter(|name| name.starts_with("mlp")).collect();
        assert_eq!(
            projection,
            ["mlp.mlp.0.weight", "mlp.mlp.0.bias", "mlp.mlp.2.weight", "mlp.mlp.2.bias"]
        );
    }
}
