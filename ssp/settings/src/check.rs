//! Validation of settings.

use super::{
    Contrastive, Decay, Dino, Finetuning, Loss, Masking, Method, Mim, Network, Optimisation,
    Pretraining, Settings, Subjects,
};
use crate::{Error, Result, limits};
use sampling::augment::Augmentation;

impl Settings {
    /// Checks that every value is in its range, and that values fit each other.
    ///
    /// # Errors
    /// The first value that is not; the line names its key.
    pub fn check(&self) -> Result<()> {
        limits::check(self)?;
        self.network.check()?;
        self.pretrain.optimisation.check("pretrain")?;
        self.finetune.optimisation.check("finetune")?;
        self.subjects.check()?;
        self.pretrain.check(self.method, &self.network)?;
        self.finetune.check()?;
        above_0("finetune.pretrained_learning_rate", self.finetune.pretrained_learning_rate)?;
        if self.save_every.is_nan() || self.save_every < 0.0 {
            return refuse(format!("save_every={}: takes seconds from 0", self.save_every));
        }
        Ok(())
    }
}

fn share(key: &str, value: f64) -> Result<()> {
    match (0.0..=1.0).contains(&value) {
        true => Ok(()),
        false => refuse(format!("{key}={value}: takes 0 to 1")),
    }
}

/// Checks an augmentation; its error names the key within the stage.
fn augmentation(stage: &str, augmentation: &Augmentation) -> Result<()> {
    augmentation.check().map_err(|error| Error::Setting(format!("{stage}.{error}")))
}

impl Pretraining {
    fn check(&self, method: Method, network: &Network) -> Result<()> {
        augmentation("pretrain", &self.augmentation)?;
        match method {
            Method::Scratch => Ok(()),
            Method::SimClr | Method::Pcl => self.contrastive.check(),
            Method::Dino => self.dino.check(&self.augmentation, network),
            Method::Mim => self.mim.check(network),
        }
    }
}

impl Contrastive {
    fn check(&self) -> Result<()> {
        above_0("pretrain.contrastive.temperature", self.temperature)?;
        above_0("pretrain.contrastive.threshold", self.threshold)?;
        if self.mlp.is_empty() || self.mlp.contains(&0) {
            return refuse(format!(
                "pretrain.contrastive.mlp={:?}: takes one or more widths above 0",
                self.mlp
            ));
        }
        Ok(())
    }
}

impl Dino {
    fn check(&self, base: &Augmentation, network: &Network) -> Result<()> {
        for (name, change) in
            [("first", &self.first), ("second", &self.second), ("local", &self.local)]
        {
            augmentation(&format!("pretrain.dino.{name}"), &change.applied(base))?;
        }
        for (key, width) in
            [("hidden", self.hidden), ("bottleneck", self.bottleneck), ("outputs", self.outputs)]
        {
            if width == 0 {
                return refuse(format!("pretrain.dino.{key}=0: takes a width above 0"));
            }
        }
        for (key, temperature) in [
            ("student_temperature", self.student_temperature),
            ("teacher_temperature", self.teacher_temperature),
            ("first_teacher_temperature", self.first_teacher_temperature),
        ] {
            above_0(&format!("pretrain.dino.{key}"), temperature)?;
        }
        share("pretrain.dino.centre_momentum", self.centre_momentum)?;
        share("pretrain.dino.teacher_momentum", self.teacher_momentum)?;
        if self.local_views > 62 {
            let views = self.local_views;
            return refuse(format!("pretrain.dino.local_views={views}: takes 0 to 62"));
        }
        multiple("pretrain.dino.local_size", self.local_size, network)
    }
}

impl Mim {
    fn check(&self, network: &Network) -> Result<()> {
        let Mim { patch, ratio, .. } = *self;
        if patch.iter().any(|&pixels| pixels == 0 || !network.size.is_multiple_of(pixels)) {
            return refuse(format!(
                "pretrain.mim.patch={patch:?}: takes divisors of network.size, {}",
                network.size
            ));
        }
        let all = (network.size / patch[0]) * (network.size / patch[1]);
        if ratio.is_nan() || !(0.0..=1.0).contains(&ratio) || (ratio * all as f64) < 0.5 {
            return refuse(format!(
                "pretrain.mim.ratio={ratio}: takes a share up to 1 of the {all} patches, of which \
                 at least one is hidden"
            ));
        }
        match self.masking {
            Masking::Constant(value) if !value.is_finite() => {
                refuse(format!("pretrain.mim.masking={value}: takes a number or a name"))
            }
            _ => Ok(()),
        }
    }
}

impl Finetuning {
    fn check(&self) -> Result<()> {
        augmentation("finetune", &self.augmentation)?;
        let Loss { cross_entropy, dice, class_weights } = self.loss;
        let natural = |value: f64| value >= 0.0 && value.is_finite();
        if !(natural(cross_entropy) && natural(dice) && cross_entropy + dice > 0.0) {
            return refuse(format!(
                "finetune.loss: cross_entropy={cross_entropy} and dice={dice} take numbers from \
                 0, not both 0"
            ));
        }
        if !class_weights.iter().all(|&w| natural(w)) || class_weights.iter().sum::<f64>() == 0.0 {
            return refuse(format!(
                "finetune.loss.class_weights={class_weights:?}: takes four numbers from 0, not \
                 all 0"
            ));
        }
        if !natural(self.min_delta) {
            return refuse(format!("finetune.min_delta={}: takes a number from 0", self.min_delta));
        }
        Ok(())
    }
}

/// Images are halved once per resolution after the first.
fn multiple(key: &str, size: usize, network: &Network) -> Result<()> {
    let levels = network.channels.len();
    let coarsest = 1usize << (levels - 1).min(30);
    if size == 0 || !size.is_multiple_of(coarsest) {
        return refuse(format!(
            "{key}={size}: takes a multiple of {coarsest}, as {levels} resolutions halve it {} \
             times",
            levels - 1
        ));
    }
    Ok(())
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
        multiple("network.size", *size, self)?;
        if !(0.01..=100.0).contains(spacing) {
            return refuse(format!("network.spacing={spacing}: takes 0.01 to 100 millimetres"));
        }
        Ok(())
    }
}

impl Optimisation {
    fn check(&self, stage: &str) -> Result<()> {
        let Optimisation { epochs, batch, learning_rate, momentum, weight_decay, .. } = *self;
        let key = |name: &str| format!("{stage}.optimisation.{name}");
        for (key, value, highest) in
            [("epochs", epochs, u32::MAX as usize), ("batch", batch, u16::MAX as usize)]
        {
            if !(1..=highest).contains(&value) {
                return refuse(format!("{stage}.optimisation.{key}={value}: takes 1 to {highest}"));
            }
        }
        above_0(&key("learning_rate"), learning_rate)?;
        above_0(&key("power"), self.power)?;
        let last = self.final_learning_rate;
        if last.is_nan() || last < 0.0 || last > self.base_rate() {
            return refuse(format!(
                "{}={last}: takes 0 to the highest rate, {}",
                key("final_learning_rate"),
                self.base_rate()
            ));
        }
        if self.decay == Decay::WarmupCosine && self.warmup_epochs >= epochs {
            return refuse(format!(
                "{}={}: takes fewer than the epochs, {epochs}",
                key("warmup_epochs"),
                self.warmup_epochs
            ));
        }
        if self.final_weight_decay.is_some_and(|decay| decay.is_nan() || decay < 0.0) {
            return refuse(format!("{}: takes a number from 0", key("final_weight_decay")));
        }
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
        const SUBSETS: [&str; 5] = ["mm1", "mm2", "acdc", "folder", sampling::PHANTOM];
        if let Some(name) = self.subsets.iter().find(|name| !SUBSETS.contains(&name.as_str())) {
            let names = SUBSETS.join(", ");
            return refuse(format!("subjects.subsets={name}: takes some of {names}; none for all"));
        }
        if let (None, Some(name)) = (&self.split, &self.labelled_split) {
            return refuse(format!(
                "subjects.labelled_split={name}: needs subjects.split, of whose training subjects \
                 it says which have labels"
            ));
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
