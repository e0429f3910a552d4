//! The range of every number of the settings, in one table. It keeps values out that are mistakes (a digit
//! too many) or attacks (the metadata of a weights file), before memory is allocated for them. What settings
//! mean together is checked elsewhere.

use serde_json::Value;

use crate::{Error, Method, Network, Result, Settings};

/// The range of a setting. Of a list, every number is in it.
pub(crate) struct Limit {
    /// The end of the setting's path, in whole parts.
    key: &'static str,
    /// The lowest value.
    low: f64,
    /// The highest value.
    high: f64,
}

const fn limit(key: &'static str, low: f64, high: f64) -> Limit {
    Limit { key, low, high }
}

/// Rows and columns of images: 4096 x 4096 is 60 times a large cine slice.
const PIXELS: f64 = 4096.0;
/// Epochs and steps: a year of steps of a millisecond is 3e10. Their product still is a number of steps.
const EPOCHS: f64 = 1e7;
const STEPS: f64 = 1e9;
/// Width of a linear layer: 32 times the widest of the published networks.
const WIDTH: f64 = 65536.0;
/// Intensities are standardised, so that 1e4 is ten thousand standard deviations.
const INTENSITY: f64 = 1e4;
/// Numbers that only scale something else.
const ANY: f64 = 1e6;

const LIMITS: [Limit; 54] = [
    limit("labelled", 0.0, STEPS),
    limit("save_every", 0.0, 1e9),
    limit("subjects.test_share", 0.0, 1.0),
    limit("subjects.valid_share", 0.0, 1.0),
    limit("subjects.phantom", 1.0, 10_000.0),
    // 8192 channels are 16 times those of the published network.
    limit("network.channels", 1.0, 8192.0),
    limit("network.size", 1.0, PIXELS),
    limit("network.spacing", 0.01, 100.0),
    limit("network.heads", -64.0, 64.0),
    limit("optimisation.epochs", 1.0, EPOCHS),
    // Places in a batch are numbers of 16 bits.
    limit("optimisation.batch", 1.0, 65535.0),
    limit("optimisation.learning_rate", 0.0, ANY),
    limit("optimisation.final_learning_rate", 0.0, ANY),
    limit("optimisation.warmup_epochs", 0.0, EPOCHS),
    limit("optimisation.power", 0.0, 100.0),
    limit("optimisation.momentum", 0.0, 1.0),
    limit("optimisation.weight_decay", 0.0, ANY),
    limit("optimisation.final_weight_decay", 0.0, ANY),
    limit("validate_every", 0.0, STEPS),
    limit("contrastive.temperature", 0.0, ANY),
    limit("contrastive.threshold", 0.0, ANY),
    limit("contrastive.mlp", 1.0, WIDTH),
    // Views of a slice have 64 streams of random numbers, of which two are for global views.
    limit("dino.local_views", 0.0, 62.0),
    limit("dino.local_size", 1.0, PIXELS),
    limit("dino.hidden", 1.0, WIDTH),
    limit("dino.bottleneck", 1.0, WIDTH),
    // 16 times the prototypes of DINO's authors.
    limit("dino.outputs", 1.0, 1_048_576.0),
    limit("student_temperature", 0.0, ANY),
    limit("teacher_temperature", 0.0, ANY),
    limit("first_teacher_temperature", 0.0, ANY),
    limit("teacher_temperature_epochs", 0.0, EPOCHS),
    limit("centre_momentum", 0.0, 1.0),
    limit("teacher_momentum", 0.0, 1.0),
    limit("frozen_last_layer_epochs", 0.0, EPOCHS),
    limit("checkpoint_every", 0.0, EPOCHS),
    limit("mim.patch", 1.0, PIXELS),
    limit("mim.ratio", 0.0, 1.0),
    limit("mim.masking", -INTENSITY, INTENSITY),
    limit("pretrained_learning_rate", 0.0, ANY),
    limit("loss.cross_entropy", 0.0, ANY),
    limit("loss.dice", 0.0, ANY),
    limit("loss.class_weights", 0.0, ANY),
    limit("frozen_epochs", 0.0, EPOCHS),
    limit("finetune.steps", 0.0, STEPS),
    limit("validate_steps", 0.0, STEPS),
    limit("patience", 0.0, EPOCHS),
    limit("min_delta", 0.0, ANY),
    // Pixels of a target of 256: beyond 16 times its size nothing of the slice is left.
    limit("translation.range", -PIXELS, PIXELS),
    limit("rotation.range", -3600.0, 3600.0),
    limit("scale.range", 0.0, 100.0),
    // Pixels: the filter is eight times as wide, and each pixel takes as many steps.
    limit("blur.range", 0.0, 64.0),
    limit("contrast.range", 0.0, 100.0),
    limit("solarise_above", -INTENSITY, INTENSITY),
    // Noise, and the scale and shift of intensities.
    limit("range", -INTENSITY, INTENSITY),
];

/// Most numbers in a list: channels of an image that is halved 15 times, layers of a projection head.
const LONGEST_LIST: usize = 16;

/// Most parameters of a network: 1 GiB of float32, ten times the published one.
const MOST_PARAMETERS: f64 = (1u64 << 28) as f64;

/// Most bytes of the finest features of a batch. More than any one machine has.
const MOST_FEATURE_BYTES: f64 = (1u64 << 40) as f64;

/// The range of a setting, for its description.
pub(crate) fn of(path: &str) -> Option<[f64; 2]> {
    let ends = |path: &str, key: &str| {
        path.strip_suffix(key).is_some_and(|before| before.is_empty() || before.ends_with('.'))
    };
    LIMITS.iter().find(|limit| ends(path, limit.key)).map(|limit| [limit.low, limit.high])
}

/// Checks every number of the settings, and the size of what they make.
///
/// # Errors
/// For the first that is not in its range.
pub(crate) fn check(settings: &Settings) -> Result<()> {
    check_below(&settings.to_value()?, "")?;
    settings.network.check_size()?;
    settings.check_heads()?;
    for (stage, batch, views) in [
        ("finetune", settings.finetune.optimisation.batch, 1),
        ("pretrain", settings.pretrain.optimisation.batch, 2),
    ] {
        let used = stage == "finetune" || settings.method != Method::Scratch;
        let bytes = settings.network.finest_bytes(batch * views);
        if used && bytes > MOST_FEATURE_BYTES {
            let Network { size, channels, .. } = &settings.network;
            return Err(Error::Setting(format!(
                "{stage}.optimisation.batch={batch}: with network.size={size} and {} channels, features \
                 take {:.0} GiB, more than a machine has; lower one of them",
                channels[0],
                bytes / (1u64 << 30) as f64
            )));
        }
    }
    Ok(())
}

fn check_below(tree: &Value, path: &str) -> Result<()> {
    match tree {
        Value::Object(map) => map.iter().try_for_each(|(key, value)| {
            let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
            check_below(value, &path)
        }),
        Value::Array(items) if items.iter().all(Value::is_number) => {
            if items.len() > LONGEST_LIST {
                let count = items.len();
                return Err(Error::Setting(format!(
                    "{path}: takes at most {LONGEST_LIST} numbers, not {count}"
                )));
            }
            items.iter().try_for_each(|item| check_number(item, tree, path))
        }
        number => check_number(number, tree, path),
    }
}

fn check_number(number: &Value, all: &Value, path: &str) -> Result<()> {
    let (Some(value), Some([low, high])) = (number.as_f64(), of(path)) else { return Ok(()) };
    if (low..=high).contains(&value) {
        return Ok(());
    }
    Err(Error::Setting(format!("{path}={all}: takes {low} to {high}")))
}

impl Network {
    /// Checks the number of parameters.
    fn check_size(&self) -> Result<()> {
        let count = self.parameters();
        if count <= MOST_PARAMETERS {
            return Ok(());
        }
        Err(Error::Setting(format!(
            "network.channels={:?}: a network of {count:.1e} parameters; takes at most \
             {MOST_PARAMETERS:.1e}",
            self.channels
        )))
    }

    /// Parameters of the convolutions: two of 3 x 3 per resolution and side, and one of 2 x 2 up to each
    /// resolution but the coarsest. An estimate as a float, which does not overflow.
    pub fn parameters(&self) -> f64 {
        let mut finer = 1.0;
        let mut count = 0.0;
        for (level, &channels) in self.channels.iter().enumerate() {
            let c = channels as f64;
            count += 9.0 * (finer * c + c * c);
            if level > 0 {
                count += 4.0 * finer * c + 9.0 * 3.0 * finer * finer;
            }
            finer = c;
        }
        count
    }

    /// Bytes of the finest features of some images.
    fn finest_bytes(&self, images: usize) -> f64 {
        let pixels = (self.size as f64).powi(2);
        let channels = self.channels.first().map_or(1.0, |&channels| channels as f64);
        4.0 * images as f64 * pixels * channels
    }
}

impl Settings {
    /// Checks the number of parameters of the head that the method trains.
    fn check_heads(&self) -> Result<()> {
        let deepest = self.network.channels.last().copied().unwrap_or(1);
        let (key, widths) = match self.method {
            Method::SimClr | Method::Pcl => {
                ("pretrain.contrastive.mlp", self.pretrain.contrastive.mlp.clone())
            }
            Method::Dino => {
                let dino = &self.pretrain.dino;
                let widths = vec![dino.hidden, dino.hidden, dino.bottleneck, dino.outputs];
                ("pretrain.dino: hidden, bottleneck, outputs", widths)
            }
            Method::Scratch | Method::Mim => return Ok(()),
        };
        let inputs = std::iter::once(deepest).chain(widths.iter().copied());
        let count: f64 = inputs.zip(&widths).map(|(from, &to)| from as f64 * to as f64).sum();
        if count <= MOST_PARAMETERS {
            return Ok(());
        }
        Err(Error::Setting(format!(
            "{key}={widths:?}: a head of {count:.1e} parameters; takes at most {MOST_PARAMETERS:.1e}"
        )))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::leaves;
    use crate::{Preset, keys};

    #[test]
    fn every_number_has_a_range_that_its_presets_are_in() {
        // Any number is a seed; probabilities are checked with the rest of an augmentation.
        let free = |path: &str| {
            path.ends_with("seed")
                || ["probability", "flip", "solarise"].iter().any(|end| path.ends_with(end))
        };
        for method in Method::ALL {
            for preset in Preset::ALL {
                let settings = Settings::preset(preset, method);
                check(&settings).unwrap();
                let tree = settings.to_value().unwrap();
                for path in leaves(&tree).iter().filter(|path| !free(path)) {
                    let value = crate::tree::get(&tree, path).unwrap();
                    let first = value.as_array().and_then(|items| items.first()).unwrap_or(value);
                    assert!(!first.is_number() || of(path).is_some(), "{path}");
                }
            }
        }
        for limit in &LIMITS {
            let used = keys().iter().any(|key| of(&key.path) == Some([limit.low, limit.high]));
            assert!(used || limit.key.ends_with("range"), "{}", limit.key);
        }
    }

    #[test]
    fn numbers_beyond_counting_are_refused_by_the_name_of_their_setting() {
        for text in [
            "network.channels=[9223372036854775808,2]",
            "network.channels=8,8,99999999999999999",
            "network.channels=8192,8192,8192,8192",
            "network.channels=1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1",
            "network.size=4611686018427387904",
            "network.heads=-9223372036854775808",
            "network.spacing=1e300",
            "pretrain.contrastive.mlp=[9223372036854775808]",
            "pretrain.contrastive.mlp=65536,65536",
            "pretrain.optimisation.epochs=18446744073709551615",
            "pretrain.optimisation.warmup_epochs=18446744073709551615",
            "finetune.optimisation.batch=18446744073709551615",
            "finetune.steps=18446744073709551615",
            "finetune.validate_steps=18446744073709551615",
            "finetune.patience=18446744073709551615",
            "finetune.optimisation.learning_rate=1e300",
            "pretrain.dino.local_size=18446744073709551600",
            "pretrain.dino.outputs=18446744073709551615",
            "pretrain.dino.local_views=18446744073709551615",
            "pretrain.mim.patch=[18446744073709551615,1]",
            "pretrain.mim.masking=1e300",
            "pretrain.augmentation.blur.range=[1e300,1e300]",
            "pretrain.augmentation.blur.range=[0,1e9]",
            "pretrain.dino.local.blur.range=[0,1e9]",
            "pretrain.augmentation.translation.range=[-1e300,1e300]",
            "pretrain.augmentation.noise.range=[0,1e300]",
            "subjects.phantom=18446744073709551615",
            "save_every=1e300",
        ] {
            let mut settings = Settings::preset(Preset::Demo, Method::Pcl);
            let error = settings.apply(&[text.to_owned()]).unwrap_err().to_string();
            let key = text.split('=').next().unwrap();
            assert!(error.starts_with(key) && error.contains("takes"), "{text}: {error}");
        }
        let mut dino = Settings::preset(Preset::Demo, Method::Dino);
        let wide = ["hidden", "outputs"].map(|key| format!("pretrain.dino.{key}=65536"));
        assert!(dino.apply(&wide).unwrap_err().to_string().contains("parameters"));
        let mut large = Settings::preset(Preset::Demo, Method::Pcl);
        let large = large.apply(&["network.size=4096".into(), "finetune.batch=65535".into()]);
        assert!(large.unwrap_err().to_string().contains("GiB"));
    }

    #[test]
    fn settings_in_files_are_held_to_the_same_ranges() {
        let mut tree = Settings::preset(Preset::Demo, Method::Pcl).to_value().unwrap();
        tree["network"]["size"] = 4_611_686_018_427_387_904u64.into();
        let error = Settings::from_value(&tree).unwrap_err().to_string();
        assert!(error.starts_with("network.size=4611686018427387904: takes 1 to 4096"), "{error}");
    }
}
