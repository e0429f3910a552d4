//! Layers, networks, optimisers, schedules and checkpoints.
//!
//! Parameters carry the names of the published PyTorch code, so that checkpoints move both ways.
//! Inside, convolution weights are `[rows, columns, in, out]`; PyTorch's layouts exist only in
//! files.

pub mod checkpoint;
mod dino_net;
mod encoder_mlp;
mod error;
mod init;
mod layers;
mod module;
mod moving_average;
mod optimiser;
mod precision;
pub mod schedule;
mod unet;

pub use dino_net::{DinoHead, DinoHeadSettings, DinoNet};
pub use encoder_mlp::{EncoderMlp, Mlp};
pub use error::{Error, Result};
pub use init::Init;
pub use layers::{BatchNorm, Block, Conv, ConvTranspose, Linear, Mode};
pub use module::{Layout, Module, Parameter, Part, Slot};
pub use moving_average::Follower;
pub use optimiser::{Sgd, SgdSettings};
pub use precision::{Precision, widened};
pub use unet::{Decoder, Encoder, UNet};

/// Channels of the published network, finest resolution first.
pub const PAPER_CHANNELS: [usize; 7] = [32, 64, 128, 256, 512, 512, 512];
