//! Every number of the augmentation, with the study's values.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Error, Result};

/// Something that happens to a view with some probability, and how strongly.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Chance {
    /// From 0 (never) to 1 (always).
    pub probability: f64,
    /// Its strength is uniform from the first to the second.
    pub range: [f64; 2],
}

impl Chance {
    /// Happens with `probability`, its strength uniform from `low` to `high`.
    pub const fn new(probability: f64, low: f64, high: f64) -> Self {
        Chance { probability, range: [low, high] }
    }

    /// Never.
    pub const NEVER: Chance = Chance::new(0.0, 0.0, 0.0);
}

/// What a drawn intensity scale `f` does to a value `v`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum IntensityScale {
    /// `v (1 + f)`: as published, so that the range of 0.6 to 1.5 makes values 1.6 to 2.5 times
    /// as large.
    #[default]
    OnePlusFactor,
    /// `v f`: what a range about 1 suggests was meant.
    Factor,
}

/// The augmentation of one view. The default is the study's, for all tasks but DINO.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Augmentation {
    /// Shift, drawn for each axis, in pixels of a target of 256; it scales with the target's size.
    pub translation: Chance,
    /// Rotation in degrees.
    pub rotation: Chance,
    /// Scale, the same for both axes; above 1 shows more of the slice.
    pub scale: Chance,
    /// Probability of mirroring rows and columns.
    pub flip: [f64; 2],
    /// Gaussian noise: its deviation, after standardisation.
    pub noise: Chance,
    /// Gaussian blur: sigma in pixels, drawn for each axis.
    pub blur: Chance,
    /// Scaling of intensities.
    pub intensity_scale: Chance,
    /// What a drawn scale f does to a value v: one-plus-factor, v (1 + f), as published; factor,
    /// v f, what a range about 1 suggests was meant.
    pub intensity_scale_means: IntensityScale,
    /// Value added to intensities.
    pub intensity_shift: Chance,
    /// Exponent of contrast.
    pub contrast: Chance,
    /// Probability of solarisation: high values become the subject's highest minus them.
    pub solarise: f64,
    /// Values above this count as high, for solarisation.
    pub solarise_above: f64,
}

impl Default for Augmentation {
    fn default() -> Self {
        Augmentation {
            translation: Chance::new(1.0, -40.0, 40.0),
            rotation: Chance::new(1.0, -180.0, 180.0),
            scale: Chance::new(1.0, 0.7, 1.4),
            flip: [0.5, 0.5],
            noise: Chance::new(0.2, 0.0, 0.2),
            blur: Chance::new(0.2, 0.5, 1.5),
            intensity_scale: Chance::new(1.0, 0.6, 1.5),
            intensity_scale_means: IntensityScale::OnePlusFactor,
            intensity_shift: Chance::new(1.0, -0.4, 0.4),
            contrast: Chance::new(1.0, 0.7, 1.5),
            solarise: 0.0,
            solarise_above: 0.0,
        }
    }
}

impl Augmentation {
    /// What DINO's views have in common.
    pub fn dino() -> Self {
        let study = Self::default();
        let with = |probability: f64, chance: Chance| Chance { probability, ..chance };
        Self {
            noise: with(0.15, study.noise),
            blur: with(0.1, study.blur),
            intensity_scale: with(0.2, study.intensity_scale),
            intensity_shift: with(0.15, study.intensity_shift),
            contrast: with(0.15, study.contrast),
            ..study
        }
    }

    /// Refuses numbers that mean nothing.
    ///
    /// # Errors
    /// Names the first setting that is out of range, and what it takes.
    pub fn check(&self) -> Result<()> {
        let refuse =
            |name: &str, what: String| Err(Error::Setting(format!("augmentation.{name}: {what}")));
        let positive = |range: [f64; 2]| range[0] > 0.0;
        let natural = |range: [f64; 2]| range[0] >= 0.0;
        let any = |_: [f64; 2]| true;
        for (name, value) in
            [("flip", self.flip[0]), ("flip", self.flip[1]), ("solarise", self.solarise)]
        {
            if !(0.0..=1.0).contains(&value) {
                return refuse(name, format!("takes a probability from 0 to 1, not {value}"));
            }
        }
        if !self.solarise_above.is_finite() {
            return refuse(
                "solarise_above",
                format!("takes a number, not {}", self.solarise_above),
            );
        }
        type Holds = fn([f64; 2]) -> bool;
        let chances: [(&str, Chance, Holds, &str); 8] = [
            ("translation", self.translation, any, ""),
            ("rotation", self.rotation, any, ""),
            ("scale", self.scale, positive, "above 0"),
            ("noise", self.noise, natural, "from 0"),
            ("blur", self.blur, natural, "from 0"),
            ("intensity_scale", self.intensity_scale, any, ""),
            ("intensity_shift", self.intensity_shift, any, ""),
            ("contrast", self.contrast, natural, "from 0"),
        ];
        for (name, Chance { probability, range }, holds, which) in chances {
            if !(0.0..=1.0).contains(&probability) {
                let what = format!("takes a probability from 0 to 1, not {probability}");
                return refuse(name, what);
            }
            let [low, high] = range;
            if !(low.is_finite() && high.is_finite() && low <= high && holds(range)) {
                let what = format!("takes a range of rising numbers {which}, not {low} to {high}");
                return refuse(name, what);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_survive_json_and_defaults_fill_gaps() {
        let settings: Augmentation =
            serde_json::from_str(r#"{"intensity_scale_means": "factor", "flip": [0.25, 0]}"#)
                .unwrap();
        let wanted = Augmentation {
            intensity_scale_means: IntensityScale::Factor,
            flip: [0.25, 0.0],
            ..Augmentation::default()
        };
        assert_eq!(settings, wanted);
        let text = serde_json::to_string(&settings).unwrap();
        assert_eq!(serde_json::from_str::<Augmentation>(&text).unwrap(), settings);
        assert!(serde_json::from_str::<Augmentation>(r#"{"flipp": [0.25, 0]}"#).is_err());
    }

    #[test]
    fn nonsense_is_refused_by_name() {
        for settings in [Augmentation::default(), Augmentation::dino()] {
            settings.check().unwrap();
        }
        let wrong = Augmentation { flip: [0.5, 1.5], ..Augmentation::default() };
        let error = wrong.check().unwrap_err().to_string();
        assert!(error.starts_with("augmentation.flip") && error.contains("1.5"), "{error}");
        let wrong = Augmentation { scale: Chance::new(1.0, 0.0, 1.0), ..Augmentation::default() };
        let error = wrong.check().unwrap_err().to_string();
        assert!(error.starts_with("augmentation.scale"), "{error}");
        let wrong =
            Augmentation { rotation: Chance::new(1.0, f64::NAN, 1.0), ..Augmentation::default() };
        assert!(wrong.check().is_err());
    }
}
