//! DINO's network: encoder and head, over views of several sizes.
//!
//! Caron et al., *Emerging properties in self-supervised vision transformers* (ICCV 2021).

use kernels::concat::concat;
use kernels::l2_normalise::l2_normalise;
use kernels::linear::linear;
use kernels::weight_norm::weight_norm;
use tensor::{Result, Tensor};

use crate::{
    BatchNorm, Buffer, Encoder, Init, Layer, Linear, Mode, Module, Parameter, Sequential,
    StateList, StateMut, StateRef, WeightLayout, module,
};

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
    /// The rows of the last layer's weight keep a magnitude of 1.
    pub fixed_magnitude: bool,
}

/// Linear, batch norm, GELU, twice; linear; rows scaled to length 1; a linear layer with weight
/// normalisation and without bias.
#[derive(Debug)]
pub struct DinoHead {
    mlp: Sequential,
    last_layer: WeightNormLinear,
}

module!(DinoHead { mlp, last_layer });

impl DinoHead {
    /// From `cin` features.
    ///
    /// # Errors
    /// When the dtype is not floating.
    pub fn new(init: &mut Init, cin: usize, settings: &DinoHeadSettings) -> Result<Self> {
        let DinoHeadSettings { hidden, bottleneck, outputs, batch_norm, fixed_magnitude } =
            *settings;
        let mut layers = Vec::new();
        for (from, to) in [(cin, hidden), (hidden, hidden), (hidden, bottleneck)] {
            if !layers.is_empty() {
                if batch_norm {
                    layers.push(Layer::BatchNorm(BatchNorm::new(init, from)?));
                }
                layers.push(Layer::Gelu);
            }
            layers.push(Layer::Linear(Linear::truncated_normal(init, from, to, 0.02)?));
        }
        let last_layer = WeightNormLinear::new(init, bottleneck, outputs, fixed_magnitude)?;
        Ok(DinoHead { mlp: Sequential::new(layers), last_layer })
    }

    /// `[rows, cin]` to `[rows, outputs]`.
    ///
    /// # Errors
    /// When shapes do not fit.
    pub fn forward(&mut self, x: &Tensor, mode: Mode) -> Result<Tensor> {
        let features = l2_normalise(&self.mlp.forward(x, mode)?)?;
        self.last_layer.forward(&features)
    }
}

/// A linear layer without bias whose weight is given by the direction and the magnitude of each row.
///
/// Salimans, Kingma, *Weight normalization* (NIPS 2016); names are those of PyTorch's
/// `parametrizations.weight_norm`.
#[derive(Debug)]
struct WeightNormLinear {
    magnitude: Magnitude,
    direction: Parameter,
}

module!(WeightNormLinear {
    magnitude as "parametrizations.weight.original0",
    direction as "parametrizations.weight.original1",
});

/// The length of each row of a weight, `[outputs, 1]`.
#[derive(Debug)]
enum Magnitude {
    Fixed(Buffer),
    Trained(Parameter),
}

impl WeightNormLinear {
    fn new(init: &mut Init, cin: usize, outputs: usize, fixed_magnitude: bool) -> Result<Self> {
        let ones = init.constant([outputs, 1], 1.0)?;
        let direction = init.uniform([outputs, cin], cin)?;
        Ok(WeightNormLinear {
            magnitude: match fixed_magnitude {
                true => Magnitude::Fixed(Buffer::new(ones)),
                false => Magnitude::Trained(Parameter::new(ones, WeightLayout::Plain)?),
            },
            direction: Parameter::new(direction, WeightLayout::Plain)?,
        })
    }

    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let magnitude = match &self.magnitude {
            Magnitude::Fixed(magnitude) => magnitude.tensor(),
            Magnitude::Trained(magnitude) => magnitude.tensor(),
        };
        linear(x, &weight_norm(magnitude, self.direction.tensor())?, None)
    }
}

impl Module for Magnitude {
    fn list_state<'a>(&'a self, list: &mut StateList<StateRef<'a>>) {
        match self {
            Magnitude::Fixed(magnitude) => magnitude.list_state(list),
            Magnitude::Trained(magnitude) => magnitude.list_state(list),
        }
    }

    fn list_state_mut<'a>(&'a mut self, list: &mut StateList<StateMut<'a>>) {
        match self {
            Magnitude::Fixed(magnitude) => magnitude.list_state_mut(list),
            Magnitude::Trained(magnitude) => magnitude.list_state_mut(list),
        }
    }
}

/// Encoder, global average of its deepest features, head.
#[derive(Debug)]
pub struct DinoNet {
    encoder: Encoder,
    head: DinoHead,
}

module!(DinoNet { encoder, head });

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

    /// Outputs `[rows, outputs]` for images of several sizes, each `[n, rows, columns, 1]`: those of
    /// the first size come first. Each size passes through the encoder on its own; the head gets all
    /// of them together.
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
            let net = DinoNet::new(&mut init, &[4, 6], settings).unwrap();
            let named = |(name, state)| (name, matches!(state, StateRef::Parameter(_)));
            net.state().into_iter().map(named).collect::<Vec<(String, bool)>>()
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
