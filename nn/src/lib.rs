//! Layers, networks, an optimiser, learning-rate schedules and checkpoints.
//!
//! Parameters carry the names of the published PyTorch code, so that weights can be exchanged with it
//! in both directions. In memory, convolution weights are `[rows, columns, in, out]`; PyTorch's layouts
//! exist only in files.

pub mod checkpoint;
mod dino_net;
mod encoder_mlp;
mod init;
mod layers;
mod module;
mod moving_average;
mod optimiser;
mod precision;
pub mod schedule;
mod sequential;
mod state;
mod unet;

pub use dino_net::{DinoHead, DinoHeadSettings, DinoNet};
pub use encoder_mlp::{EncoderMlp, Mlp};
pub use init::Init;
pub use layers::{BatchNorm, Block, Conv, ConvTranspose, Linear, Mode};
pub use module::{Module, NameFilter, StateList};
pub use moving_average::MovingAverage;
pub use optimiser::{Rates, Sgd, SgdSettings};
pub use precision::{Precision, widened};
pub use sequential::{Layer, Sequential};
pub use state::{Buffer, Counter, Parameter, StateMut, StateRef, WeightLayout, state_generation};
pub use unet::{Decoder, Encoder, UNet};
