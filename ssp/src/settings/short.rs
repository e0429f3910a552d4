//! What a run is about, in a line.

use super::{Finetuning, Method, Network, Settings};
use crate::study::Parts;

impl Settings {
    /// `preset demo: 96 x 96 pixels of 2.5 mm`.
    pub fn scale_in_short(&self) -> String {
        let Network { size, spacing, .. } = self.network;
        format!("preset {}: {size} x {size} pixels of {spacing} mm", self.preset.name())
    }

    /// `pcl, preset demo: 96 x 96 pixels of 2.5 mm; 3 epochs of pretraining, 14 epochs of fine-tuning`.
    pub fn in_short(&self, parts: Parts) -> String {
        let Finetuning { ref optimisation, steps, .. } = self.finetune;
        let mut stages = Vec::new();
        if self.method != Method::Scratch && matches!(parts, Parts::All | Parts::Pretrain) {
            stages.push(format!("{} epochs of pretraining", self.pretrain.optimisation.epochs));
        }
        match (parts, steps) {
            (Parts::Pretrain, _) => {}
            (_, 0) => stages.push(format!("{} epochs of fine-tuning", optimisation.epochs)),
            (_, steps) => stages.push(format!("{steps} steps of fine-tuning")),
        }
        format!("{}, {}; {}", self.method.name(), self.scale_in_short(), stages.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::Preset;

    #[test]
    fn stages_that_run_are_told() {
        let mut settings = Settings::preset(Preset::Demo, Method::Pcl);
        let text = settings.in_short(Parts::All);
        for part in ["pcl", "demo", "96 x 96", "2.5 mm", "3 epochs", "14 epochs"] {
            assert!(text.contains(part), "{part}: {text}");
        }
        assert!(!settings.in_short(Parts::Finetune).contains("3 epochs"));
        assert!(!settings.in_short(Parts::Pretrain).contains("14 epochs"));
        settings.finetune.steps = 7;
        let text = settings.in_short(Parts::Finetune);
        assert!(text.contains("7 steps") && !text.contains("epochs"), "{text}");
    }
}
