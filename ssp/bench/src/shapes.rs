//! The shapes of a network: every convolution of encoder and decoder, and the widths of heads.

use crate::{Error, Result};
use settings::{Method, Preset, Settings};

/// The network whose shapes are timed, and its batch size.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Network {
    /// Rows and columns of the images.
    pub size: usize,
    /// Images of a supervised step. The pretext tasks' batches are in proportion: with 32, SimCLR
    /// has 224 views, PCL and DINO's global crops 64 images, MIM 128, as in the study.
    pub batch: usize,
    /// Channels of each resolution, finest first.
    pub channels: Vec<usize>,
    /// Widths of the linear layers after the encoder in the contrastive tasks.
    pub mlp: Vec<usize>,
    /// Hidden width, bottleneck and outputs of DINO's head.
    pub head: [usize; 3],
}

impl Network {
    /// A network with the study's heads.
    ///
    /// # Errors
    /// When there are no channels or images, or the size cannot be halved once per resolution.
    pub fn new(size: usize, batch: usize, channels: Vec<usize>) -> Result<Self> {
        let settings = Settings::preset(Preset::Paper, Method::Dino).pretrain;
        let head = [settings.dino.hidden, settings.dino.bottleneck, settings.dino.outputs];
        let network = Network { size, batch, channels, mlp: settings.contrastive.mlp, head };
        network.check()?;
        Ok(network)
    }

    pub(super) fn check(&self) -> Result<()> {
        let refuse = |what: String| Err(Error::Setting(what));
        let levels = self.channels.len();
        if levels < 2 || self.channels.contains(&0) {
            return refuse(format!("--channels {:?}: give two widths or more", self.channels));
        }
        // Enough for each patch and crop to have a pixel.
        let unit = u32::try_from(levels - 1).ok().and_then(|halvings| 2usize.checked_pow(halvings));
        let unit = unit.unwrap_or(usize::MAX).max(8);
        if self.size == 0 || !self.size.is_multiple_of(unit) {
            return refuse(format!(
                "--size {} is not a multiple of {unit}, for {levels} resolutions",
                self.size
            ));
        }
        if self.batch < 2 || !self.batch.is_multiple_of(2) {
            return refuse(format!("--batch {} is not an even number above 0", self.batch));
        }
        // What is beyond the range of a training's settings is beyond memory, if not beyond counting.
        let mut trained = Settings::preset(Preset::Paper, Method::Scratch);
        trained.network.size = self.size;
        trained.network.channels.clone_from(&self.channels);
        trained.finetune.optimisation.batch = self.batch;
        trained.check()
    }

    /// Rows and columns of a resolution, 0 being the finest.
    pub fn rows(&self, level: usize) -> usize {
        self.size >> level
    }

    /// Every distinct convolution, with the number of its uses.
    pub fn convolutions(&self) -> Vec<Convolution> {
        let mut all: Vec<Convolution> = Vec::new();
        let mut add = |rows, inputs: &[usize], out, kernel, stride, normalised| {
            let inputs = inputs.to_vec();
            let one = Convolution { rows, inputs, out, kernel, stride, normalised, uses: 1 };
            match all
                .iter_mut()
                .find(|known| **known == Convolution { uses: known.uses, ..one.clone() })
            {
                Some(known) => known.uses += 1,
                None => all.push(one),
            }
        };
        for (level, &out) in self.channels.iter().enumerate() {
            match level {
                0 => add(self.size, &[1], out, 3, 1, None),
                _ => add(self.rows(level - 1), &[self.channels[level - 1]], out, 3, 2, Some(0)),
            }
            add(self.rows(level), &[out], out, 3, 1, Some(0));
        }
        for (level, &out) in self.channels.iter().enumerate().rev().skip(1) {
            // The upsampled features come first, not normalised; the encoder's features second.
            add(self.rows(level), &[out, out], out, 3, 1, Some(1));
            add(self.rows(level), &[out], out, 3, 1, Some(0));
            add(self.rows(level), &[out], data::CLASSES, 1, 1, Some(0));
        }
        all
    }

    /// Every transposed convolution: rows and columns of its input, its channels, and those of its
    /// result; coarsest first.
    pub fn upsamplings(&self) -> Vec<[usize; 3]> {
        let levels = (1..self.channels.len()).rev();
        levels.map(|k| [self.rows(k), self.channels[k], self.channels[k - 1]]).collect()
    }

    /// Shape of the largest features, those of the finest resolution: `[batch, rows, columns, channels]`.
    pub fn finest(&self) -> [usize; 4] {
        [self.batch, self.size, self.size, self.channels[0]]
    }

    /// Shape of the features of the coarsest resolution, without the batch: `[rows, columns, channels]`.
    pub fn deepest(&self) -> [usize; 3] {
        let rows = self.rows(self.channels.len() - 1);
        [rows, rows, self.channels[self.channels.len() - 1]]
    }
}

/// A convolution of the network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Convolution {
    /// Rows and columns of its inputs.
    pub rows: usize,
    /// Channels of each input; several inputs are concatenated.
    pub inputs: Vec<usize>,
    /// Channels of the result.
    pub out: usize,
    /// Rows and columns of the kernel.
    pub kernel: usize,
    /// Stride.
    pub stride: usize,
    /// Index of the input that is normalised and activated on load, if any.
    pub normalised: Option<usize>,
    /// Number of uses in the network.
    pub uses: usize,
}

#[cfg(test)]
mod tests {
    use super::*;
    use settings::PAPER_CHANNELS;

    #[test]
    fn the_published_network_takes_its_published_operations() {
        let network = Network::new(256, 32, PAPER_CHANNELS.to_vec()).unwrap();
        let of_convolution = |c: &Convolution| {
            let pixels = (c.rows / c.stride).pow(2);
            let cin: usize = c.inputs.iter().sum();
            c.uses * 2 * pixels * c.kernel.pow(2) * cin * c.out
        };
        let convolutions: usize = network.convolutions().iter().map(of_convolution).sum();
        let up = |[rows, from, to]: &[usize; 3]| 8 * rows * rows * from * to;
        let upsamplings: usize = network.upsamplings().iter().map(up).sum();
        // 29.5 GFLOP forward per image.
        let total = (convolutions + upsamplings) as f64 / 1e9;
        assert!((total - 29.5).abs() < 0.1, "{total}");
        let layers: usize = network.convolutions().iter().map(|c| c.uses).sum();
        assert_eq!((layers, network.upsamplings().len()), (14 + 12 + 6, 6));
    }

    #[test]
    fn sizes_that_make_no_network_are_refused() {
        for (size, batch, channels) in
            [(256, 3, vec![4, 8]), (36, 2, vec![4, 8]), (0, 2, vec![4, 8]), (64, 2, vec![4])]
        {
            assert!(matches!(Network::new(size, batch, channels), Err(Error::Setting(_))));
        }
        for (size, batch, channels, name) in [
            (1 << 62, 2, vec![4, 8], "network.size"),
            (64, 1 << 62, vec![4, 8], "batch"),
            (64, 2, vec![4, 1 << 62], "network.channels"),
            (4096, 65534, vec![64, 8], "GiB"),
        ] {
            let error = Network::new(size, batch, channels).unwrap_err();
            assert!(matches!(&error, Error::Setting(what) if what.contains(name)), "{error}");
        }
    }
}
