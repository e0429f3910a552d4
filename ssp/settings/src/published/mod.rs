//! Reading and writing the configuration files (YAML) of the published study.
//!
//! A published file configures one stage: a pretext task or supervised training. One table
//! (`table.rs`) lists every key with its effect here; reading, writing and `--set` all use it.
//! Settings without a published key are in a section `cine`, under the keys of
//! [`Settings`](crate::Settings). A file with those keys alone, such as a run's `settings.json`, is
//! read too.

mod assign;
mod configs;
mod document;
mod form;
mod kind;
mod read;
mod table;
mod write;

#[cfg(test)]
mod tests;

pub use assign::published_keys;
pub(crate) use assign::{all_keys, assign};
pub use configs::Configs;
pub use read::Configured;
