//! Values that no run could work with.

use super::{Network, Optimisation, Pretraining, Settings, Subjects};
use crate::{Error, Result};

impl Settings {
    /// Refuses values that no run could work with, naming the key.
    ///
    /// # Errors
    /// The first such value.
    pub fn check(&self) -> Result<()> {
        self.network.check()?;
        self.pretrain.optimisation.check("pretrain")?;
        self.finetune.optimisation.check("finetune")?;
        self.subjects.check()?;
        self.augmentation.check()?;
        let Pretraining { temperature, threshold, ref mlp, .. } = self.pretrain;
        above_0("pretrain.temperature", temperature)?;
        above_0("pretrain.threshold", threshold)?;
        if mlp.is_empty() || mlp.contains(&0) {
            return refuse(format!("pretrain.mlp={mlp:?}: takes one or more widths above 0"));
        }
        above_0("finetune.pretrained_learning_rate", self.finetune.pretrained_learning_rate)?;
        if self.save_every.is_nan() || self.save_every < 0.0 {
            return refuse(format!("save_every={}: takes seconds from 0", self.save_every));
        }
        Ok(())
    }
}

fn refuse(what: String) -> Result<()> {
    Err(Error::Setting(what))
}

fn above_0(key: &str, value: f64) -> Result<()> {
    match value {
        value if value > 0.0 && value.is_finite() => Ok(()),
        _ => refuse(format!("{key}={value}: takes a number above 0")),
    }
}

impl Network {
    fn check(&self) -> Result<()> {
        let Network { channels, size, spacing, .. } = self;
        if channels.len() < 2 || channels.contains(&0) {
            return refuse(format!(
                "network.channels={channels:?}: takes two or more counts above 0, finest first"
            ));
        }
        let coarsest = 1usize << (channels.len() - 1).min(30);
        if *size == 0 || size % coarsest != 0 {
            return refuse(format!(
                "network.size={size}: takes a multiple of {coarsest}, as {} resolutions halve it \
                 {} times",
                channels.len(),
                channels.len() - 1
            ));
        }
        if !(0.01..=100.0).contains(spacing) {
            return refuse(format!("network.spacing={spacing}: takes 0.01 to 100 millimetres"));
        }
        Ok(())
    }
}

impl Optimisation {
    fn check(&self, stage: &str) -> Result<()> {
        let Optimisation { epochs, batch, learning_rate, momentum, weight_decay, .. } = *self;
        for (key, value, highest) in
            [("epochs", epochs, u32::MAX as usize), ("batch", batch, u16::MAX as usize)]
        {
            if !(1..=highest).contains(&value) {
                return refuse(format!("{stage}.optimisation.{key}={value}: takes 1 to {highest}"));
            }
        }
        above_0(&format!("{stage}.optimisation.learning_rate"), learning_rate)?;
        if !(0.0..1.0).contains(&momentum) || weight_decay < 0.0 {
            return refuse(format!(
                "{stage}.optimisation: momentum={momentum} takes 0 up to 1, \
                 weight_decay={weight_decay} 0 or more"
            ));
        }
        Ok(())
    }
}

impl Subjects {
    fn check(&self) -> Result<()> {
        let Subjects { test_share, valid_share, phantom, .. } = *self;
        if !(1..=10_000).contains(&phantom) {
            return refuse(format!("subjects.phantom={phantom}: takes 1 to 10000"));
        }
        for (key, share) in [("test_share", test_share), ("valid_share", valid_share)] {
            if !(0.0..1.0).contains(&share) {
                return refuse(format!(
                    "subjects.{key}={share}: takes 0 up to but not including 1"
                ));
            }
        }
        Ok(())
    }
}
