//! A 2D U-Net with an output at several resolutions.
//!
//! Ronneberger et al., *U-Net: Convolutional networks for biomedical image segmentation* (MICCAI
//! 2015), with strided convolutions instead of pooling, batch norm and deep supervision as in nnU-Net
//! (Isensee et al., *Nature Methods*, 2021).

use kernels::pool::global_average;
use tensor::{Error, Result, Tensor};

use crate::{Block, Conv, ConvTranspose, Init, Mode, module};

/// One block per resolution; every block after the first halves rows and columns.
#[derive(Debug)]
pub struct Encoder {
    enc_blocks: Vec<Block>,
}

module!(Encoder { enc_blocks });

impl Encoder {
    /// From `cin` channels through `channels`, finest resolution first.
    ///
    /// # Errors
    /// When there are no channels, or the dtype is not floating.
    pub fn new(init: &mut Init, cin: usize, channels: &[usize]) -> Result<Self> {
        if channels.is_empty() {
            return Err(Error::value(
                "encoder",
                "a network needs the channels of one resolution at least",
            ));
        }
        let inputs = [cin].into_iter().chain(channels.iter().copied());
        let blocks = inputs.zip(channels).enumerate().map(|(level, (cin, &cout))| {
            Block::new(init, cin, cout, if level == 0 { 1 } else { 2 })
        });
        Ok(Encoder { enc_blocks: blocks.collect::<Result<_>>()? })
    }

    /// Features of `[n, rows, columns, cin]` at every resolution, finest first.
    ///
    /// # Errors
    /// When shapes do not fit.
    pub fn forward(&mut self, x: &Tensor, mode: Mode) -> Result<Vec<Tensor>> {
        let mut features: Vec<Tensor> = Vec::with_capacity(self.enc_blocks.len());
        for block in &mut self.enc_blocks {
            let x = block.forward(&[features.last().unwrap_or(x)], mode)?;
            features.push(x);
        }
        Ok(features)
    }

    /// The global average of the deepest features of `[n, rows, columns, cin]`: `[n, channels]`.
    ///
    /// # Errors
    /// When shapes do not fit.
    pub fn pooled(&mut self, x: &Tensor, mode: Mode) -> Result<Tensor> {
        let deepest = self.forward(x, mode)?.pop();
        global_average(&deepest.ok_or_else(|| Error::value("encoder", "no features"))?)
    }
}

/// Per resolution, coarsest first: transposed convolution, concatenation with the encoder's features,
/// block; and 1 x 1 convolutions to the outputs.
#[derive(Debug)]
pub struct Decoder {
    upconvs: Vec<ConvTranspose>,
    dec_blocks: Vec<Block>,
    output_convs: Vec<Conv>,
    /// The coarsest resolution with an output: an index from the coarsest one.
    first_head: usize,
}

module!(Decoder { upconvs, dec_blocks, output_convs });

impl Decoder {
    /// For an encoder of the same `channels`. `heads` counts the resolutions with an output:
    /// n > 0 the n finest, 0 all of them, n < 0 all but the -n coarsest.
    ///
    /// # Errors
    /// When the dtype is not floating.
    pub fn new(init: &mut Init, channels: &[usize], classes: usize, heads: i64) -> Result<Self> {
        let up: Vec<usize> = channels.iter().rev().copied().collect();
        let all = up.len();
        let heads = match heads {
            0 => all,
            1.. => all.min(heads as usize),
            _ => all.saturating_sub(heads.unsigned_abs() as usize).max(1),
        };
        let first_head = all - heads;
        let pairs = || up.windows(2).map(|pair| (pair[0], pair[1]));
        Ok(Decoder {
            upconvs: pairs()
                .map(|(from, to)| ConvTranspose::new(init, from, to))
                .collect::<Result<_>>()?,
            dec_blocks: pairs()
                .map(|(_, to)| Block::new(init, 2 * to, to, 1))
                .collect::<Result<_>>()?,
            output_convs: up[first_head..]
                .iter()
                .map(|&channels| Conv::new(init, channels, classes, 1, 1))
                .collect::<Result<_>>()?,
            first_head,
        })
    }

    /// Outputs at every resolution with a head, finest first, of an encoder's features.
    ///
    /// # Errors
    /// When shapes do not fit.
    pub fn forward(&mut self, features: &[Tensor], mode: Mode) -> Result<Vec<Tensor>> {
        let (Some(coarsest), true) = (features.last(), features.len() == self.upconvs.len() + 1)
        else {
            return Err(Error::shape(
                "decoder",
                format!("{} features for {} resolutions", features.len(), self.upconvs.len() + 1),
            ));
        };
        let mut x = coarsest.clone();
        let mut outputs = Vec::new();
        let skips = features.iter().rev().skip(1);
        let levels = self.upconvs.iter().zip(&mut self.dec_blocks).zip(skips);
        for (level, ((upconv, block), skip)) in levels.enumerate() {
            if level >= self.first_head {
                outputs.push(self.output_convs[level - self.first_head].forward(&[&x])?);
            }
            x = block.forward(&[&upconv.forward(&x)?, skip], mode)?;
        }
        if let Some(finest) = self.output_convs.last() {
            outputs.push(finest.forward(&[&x])?);
        }
        outputs.reverse();
        Ok(outputs)
    }
}

/// Encoder and decoder.
#[derive(Debug)]
pub struct UNet {
    encoder: Encoder,
    decoder: Decoder,
}

module!(UNet { encoder, decoder });

impl UNet {
    /// From one channel to `classes`; for `heads` see [`Decoder::new`].
    ///
    /// # Errors
    /// When there are no channels, or the dtype is not floating.
    pub fn new(init: &mut Init, channels: &[usize], classes: usize, heads: i64) -> Result<Self> {
        Ok(UNet {
            encoder: Encoder::new(init, 1, channels)?,
            decoder: Decoder::new(init, channels, classes, heads)?,
        })
    }

    /// Outputs of `[n, rows, columns, 1]`, finest first: `[n, rows / 2^k, columns / 2^k, classes]`.
    ///
    /// # Errors
    /// When rows or columns cannot be halved once per resolution.
    pub fn forward(&mut self, x: &Tensor, mode: Mode) -> Result<Vec<Tensor>> {
        self.decoder.forward(&self.encoder.forward(x, mode)?, mode)
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
    fn parameters_are_counted() {
        let net = UNet::new(&mut Init::new(0, 0, DType::F32), &[4, 6], 3, 1).unwrap();
        let block = |cin: usize, cout: usize| 9 * cin * cout + 9 * cout * cout + 6 * cout;
        let encoder = block(1, 4) + block(4, 6);
        let decoder = (4 * 6 * 4 + 4) + block(8, 4) + (4 * 3 + 3);
        assert_eq!(net.parameter_count(), encoder + decoder);
    }

    #[test]
    fn outputs_come_finest_first_at_every_resolution_with_a_head() {
        let mut net = UNet::new(&mut Init::new(0, 0, DType::F32), &[4, 6, 8], 3, -1).unwrap();
        let x = Tensor::zeros::<f32>([2, 8, 12, 1]);
        let shapes: Vec<_> =
            net.forward(&x, Mode::Evaluate).unwrap().iter().map(|o| o.dims().to_vec()).collect();
        assert_eq!(shapes, [[2, 8, 12, 3], [2, 4, 6, 3]]);
    }

    #[test]
    fn names_are_those_of_the_published_code() {
        let net = UNet::new(&mut Init::new(0, 0, DType::F32), &[4, 6], 3, 1).unwrap();
        let names: Vec<String> = net.state().into_iter().map(|(name, _)| name).collect();
        for name in [
            "encoder.enc_blocks.1.bn2.running_var",
            "encoder.enc_blocks.0.conv1.weight",
            "decoder.upconvs.0.bias",
            "decoder.dec_blocks.0.bn1.num_batches_tracked",
            "decoder.output_convs.0.weight",
        ] {
            assert!(names.iter().any(|n| n == name), "{name} among {names:?}");
        }
    }
}
