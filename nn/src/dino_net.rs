//! DINO's network: encoder and head, over views of several sizes.
//!
//! Caron et al., *Emerging properties in self-supervised vision transformers* (ICCV 2021).

use kernels::batch_norm::moments;
use kernels::concat::concat;
use kernels::l2_normalise::l2_normalise;
use kernels::linear::linear;
use kernels::pointwise::gelu;
use kernels::weight_norm::weight_norm;
use tensor::{Result, Tensor};

use crate::module::join;
use crate::{BatchNorm, Encoder, Init, Layout, Linear, Mode, Module, Parameter, Slot};

/// Widths and choices of a [`DinoHead`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DinoHeadSettings {
    /// Width of the two hidden layers.
    pub hidden: usize,
    /// Width of the features that are normalised to length 1.
    pub bottleneck: usize,
    /// Width of the output.
    pub outputs: usize,
    /// Batch norm after each hidden layer.
    pub batch_norm: bool,
    /// The last layer's magnitude stays 1.
    pub fixed_magnitude: bool,
}

/// Linear, batch norm, GELU, twice; linear; rows scaled to length 1; a linear layer without bias
/// whose rows have a magnitude of their own.
#[derive(Debug)]
pub struct DinoHead {
    linear: [Linear; 3],
    norm: Option<[BatchNorm; 2]>,
    magnitude: Magnitude,
    direction: Parameter,
}

/// The magnitude of the last layer's rows, `[outputs, 1]`.
#[derive(Debug)]
enum Magnitude {
    Fixed(Tensor),
    Trained(Parameter),
}

impl DinoHead {
    /// From `cin` features.
    ///
    /// # Errors
    /// When the dtype is not floating.
    pub fn new(init: &mut Init, cin: usize, settings: &DinoHeadSettings) -> Result<Self> {
        let DinoHeadSettings { hidden, bottleneck, outputs, batch_norm, fixed_magnitude } =
            *settings;
        let mut layer = |cin, cout| Linear::truncated_normal(init, cin, cout, 0.02);
        let linear = [layer(cin, hidden)?, layer(hidden, hidden)?, layer(hidden, bottleneck)?];
        let norm = match batch_norm {
            true => Some([BatchNorm::new(init, hidden)?, BatchNorm::new(init, hidden)?]),
            false => None,
        };
        let ones = init.constant([outputs, 1], 1.0)?;
        Ok(DinoHead {
            linear,
            norm,
            magnitude: match fixed_magnitude {
                true => Magnitude::Fixed(ones),
                false => Magnitude::Trained(Parameter::new(ones, Layout::Plain)),
            },
            direction: Parameter::new(
                init.uniform([outputs, bottleneck], bottleneck)?,
                Layout::Plain,
            ),
        })
    }

    /// `[rows, cin]` to `[rows, outputs]`.
    ///
    /// # Errors
    /// When shapes do not fit.
    pub fn forward(&mut self, x: &Tensor, mode: Mode) -> Result<Tensor> {
        let mut x = x.clone();
        for (layer, linear) in self.linear.iter().enumerate() {
            x = linear.forward(&x)?;
            if layer == 2 {
                break;
            }
            if let Some(norm) = &mut self.norm {
                // A slope of 1 leaves the leaky ReLU out.
                x = match mode {
                    Mode::Train => norm[layer].train(&x, &moments(&x)?, 1.0)?,
                    Mode::Evaluate => norm[layer].evaluate(&x, 1.0)?,
                };
            }
            x = gelu(&x)?;
        }
        let magnitude = match &self.magnitude {
            Magnitude::Fixed(magnitude) => magnitude,
            Magnitude::Trained(magnitude) => magnitude.tensor(),
        };
        let weight = weight_norm(magnitude, self.direction.tensor())?;
        linear(&l2_normalise(&x)?, &weight, None)
    }
}

impl Module for DinoHead {
    fn visit(&mut self, path: &str, visitor: &mut dyn FnMut(&str, Slot<'_>)) {
        // The published list of layers counts activations, and batch norms where there are any.
        let step = if self.norm.is_some() { 3 } else { 2 };
        for (index, layer) in self.linear.iter_mut().enumerate() {
            layer.visit(&join(path, &format!("mlp.{}", step * index)), visitor);
            if let Some(norm) = self.norm.as_mut().and_then(|norms| norms.get_mut(index)) {
                norm.visit(&join(path, &format!("mlp.{}", step * index + 1)), visitor);
            }
        }
        let last =
            |which: u8| join(path, &format!("last_layer.parametrizations.weight.original{which}"));
        let magnitude = match &mut self.magnitude {
            Magnitude::Fixed(magnitude) => Slot::Buffer(magnitude),
            Magnitude::Trained(magnitude) => Slot::Parameter(magnitude),
        };
        visitor(&last(0), magnitude);
        visitor(&last(1), Slot::Parameter(&mut self.direction));
    }
}

/// Encoder, global average of its deepest features, head.
#[derive(Debug)]
pub struct DinoNet {
    encoder: Encoder,
    head: DinoHead,
}

impl DinoNet {
    /// An encoder of `channels` and a head.
    ///
    /// # Errors
    /// When there are no channels, or the dtype is not floating.
    pub fn new(init: &mut Init, channels: &[usize], head: &DinoHeadSettings) -> Result<Self> {
        let encoder = Encoder::new(init, 1, channels)?;
        let deepest = channels.last().copied().unwrap_or(1);
        Ok(DinoNet { encoder, head: DinoHead::new(init, deepest, head)? })
    }

    /// Outputs `[rows, outputs]` for the images of several sizes, each `[n, rows, columns, 1]`, one
    /// after the other. Each size passes through the encoder on its own; the head sees all.
    ///
    /// # Errors
    /// When shapes do not fit.
    pub fn forward(&mut self, views: &[&Tensor], mode: Mode) -> Result<Tensor> {
        let features = views
            .iter()
            .map(|view| self.encoder.pooled(view, mode))
            .collect::<Result<Vec<Tensor>>>()?;
        let features = concat(&features.iter().collect::<Vec<_>>(), 0)?;
        self.head.forward(&features, mode)
    }

    /// The encoder.
    pub fn encoder(&mut self) -> &mut Encoder {
        &mut self.encoder
    }
}

impl Module for DinoNet {
    fn visit(&mut self, path: &str, visitor: &mut dyn FnMut(&str, Slot<'_>)) {
        self.encoder.visit(&join(path, "encoder"), visitor);
        self.head.visit(&join(path, "head"), visitor);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tensor::DType;

    #[test]
    fn names_are_those_of_the_published_code() {
        let settings = DinoHeadSettings {
            hidden: 6,
            bottleneck: 4,
            outputs: 8,
            batch_norm: true,
            fixed_magnitude: true,
        };
        let names = |settings: &DinoHeadSettings| {
            let mut init = Init::new(0, 0, DType::F32);
            let mut net = DinoNet::new(&mut init, &[4, 6], settings).unwrap();
            let mut names = Vec::new();
            net.head.visit("head", &mut |name, slot| {
                names.push((name.to_owned(), matches!(slot, Slot::Parameter(_))));
            });
            names
        };
        let with = names(&settings);
        let has = |names: &[(String, bool)], name: &str, trained| {
            names.contains(&(name.to_owned(), trained))
        };
        let last = "head.last_layer.parametrizations.weight.original";
        assert!(has(&with, "head.mlp.6.bias", true) && has(&with, "head.mlp.4.running_var", false));
        assert!(has(&with, &format!("{last}0"), false) && has(&with, &format!("{last}1"), true));
        let without =
            names(&DinoHeadSettings { batch_norm: false, fixed_magnitude: false, ..settings });
        assert!(has(&without, "head.mlp.4.bias", true) && has(&without, &format!("{last}0"), true));
    }
}
