//! What a run is about, in a line.

use settings::{Finetuning, Method, Network, Settings};

use super::Parts;

/// What the network sees: `preset demo: 96 x 96 pixels of 2.5 mm`.
pub fn scale(settings: &Settings) -> String {
    let Network { size, spacing, .. } = settings.network;
    format!("preset {}: {size} x {size} pixels of {spacing} mm", settings.preset.name())
}

/// `pcl, preset demo: 96 x 96 pixels of 2.5 mm; 3 epochs of pretraining, 14 epochs of fine-tuning`.
pub fn summary(settings: &Settings, parts: Parts) -> String {
    let Finetuning { ref optimisation, steps, .. } = settings.finetune;
    let mut stages = Vec::new();
    if settings.method != Method::Scratch && matches!(parts, Parts::All | Parts::Pretrain) {
        stages.push(format!("{} epochs of pretraining", settings.pretrain.optimisation.epochs));
    }
    match (parts, steps) {
        (Parts::Pretrain, _) => {}
        (_, 0) => stages.push(format!("{} epochs of fine-tuning", optimisation.epochs)),
        (_, steps) => stages.push(format!("{steps} steps of fine-tuning")),
    }
    format!("{}, {}; {}", settings.method.name(), scale(settings), stages.join(", "))
}

#[cfg(test)]
mod tests {
    use settings::Preset;

    use super::*;

    #[test]
    fn only_the_stages_that_run_are_named() {
        let mut settings = Settings::preset(Preset::Demo, Method::Pcl);
        let text = summary(&settings, Parts::All);
        for part in ["pcl", "demo", "96 x 96", "2.5 mm", "3 epochs", "14 epochs"] {
            assert!(text.contains(part), "{part}: {text}");
        }
        assert!(!summary(&settings, Parts::Finetune).contains("3 epochs"));
        assert!(!summary(&settings, Parts::Pretrain).contains("14 epochs"));
        settings.finetune.steps = 7;
        let text = summary(&settings, Parts::Finetune);
        assert!(text.contains("7 steps") && !text.contains("epochs"), "{text}");
    }
}
