//! Training tasks: what each sees, its network and its loss.

mod contrastive;
mod segmentation;

use nn::Module;
use tensor::Tensor;

use crate::Result;
use crate::data::sampler::Batch;

pub use contrastive::Contrastive;
pub use segmentation::{Segmentation, Validation, unet};

/// Something to train. The trainer supplies batches, updates the network and keeps the books.
pub trait Task {
    /// The network, whose parameters are updated and saved.
    fn network(&mut self) -> &mut dyn Module;

    /// The loss of a batch in training mode, on the tape.
    ///
    /// # Errors
    /// When the batch does not fit the network.
    fn loss(&mut self, batch: &Batch) -> Result<Tensor>;

    /// Looks at subjects that are not trained on, if there are any.
    ///
    /// # Errors
    /// When they do not fit the network.
    fn validate(&mut self) -> Result<Option<Validation>> {
        Ok(None)
    }
}
