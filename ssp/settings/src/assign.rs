//! `--set key=value`.

use common::yaml;
use serde_json::Value;

use crate::explain::{meaning, refusal};
use crate::keys::{leaves, nearest};
use crate::tree::{self, fit};
use crate::{Error, Method, Result, Settings, keys, published, views};

impl Settings {
    /// Applies assignments such as `finetune.epochs=80`, as `--set` takes them, then checks all
    /// settings together.
    ///
    /// # Errors
    /// When there is no such key (the nearest is named), or a value does not fit it or the others.
    pub fn apply(&mut self, assignments: &[String]) -> Result<()> {
        self.change(assignments)?;
        self.check()
    }

    /// As [`apply`](Self::apply), without the check.
    pub(super) fn change(&mut self, assignments: &[String]) -> Result<()> {
        assignments.iter().try_for_each(|assignment| self.set(assignment))
    }

    fn set(&mut self, assignment: &str) -> Result<()> {
        let Some((key, value)) = assignment.split_once('=') else {
            return Err(Error::Setting(format!(
                "--set {assignment}: not key=value; for example --set finetune.epochs=80"
            )));
        };
        let (key, value) = (key.trim(), value.trim());
        let mut tree = self.to_value()?;
        views::begin(&mut tree, key);
        let leaves = leaves(&tree);
        // A `Chance` can be set as a whole.
        let whole = keys().iter().any(|whole| whole.path == key);
        let resolved = if whole { Ok(key.to_owned()) } else { resolve(key, &leaves) };
        let (key, parsed) = &match resolved {
            Ok(key) => (key, parse(value)),
            Err(unknown) => match published::assign(self.method, &tree, key, value)? {
                Some(found) => found,
                None => return Err(Error::Setting(unknown.message(key, &leaves, self.method))),
            },
        };
        if let "method" | "preset" | "seed" | "labelled" = key.as_str() {
            return Err(Error::Setting(format!("{key} is not for --set; use --{key}")));
        }
        let Some(before) = tree::get(&tree, key) else {
            return Err(Error::Setting(format!("there is no setting {key}")));
        };
        let is_list = before.is_array();
        // A list of one element needs no brackets.
        let listed = |value: Value| match is_list && !value.is_array() && !value.is_null() {
            true => Value::Array(vec![value]),
            false => value,
        };
        let readings = [parsed.clone(), yaml::unquoted(parsed), texts(value, is_list)].map(listed);
        (*self, _) = fit(&tree, key, readings).map_err(|error| {
            let meaning = meaning(key).map_or(String::new(), |m| format!(" ({m})"));
            let what = refusal(before, value, &error);
            Error::Setting(format!("{key}={value}: {what}{meaning}"))
        })?;
        Ok(())
    }
}

/// Parses a value of the command line: JSON if it is valid JSON, a list or section in brackets as
/// `cine config keys` prints it, else text.
fn parse(text: &str) -> Value {
    if let Ok(value) = serde_json::from_str(text) {
        return value;
    }
    if text.starts_with(['[', '{']) {
        return yaml::value(text);
    }
    // A list without brackets: 16,32,64 or mm1,mm2.
    if text.contains(',') {
        return Value::Array(text.split(',').map(|item| parse(item.trim())).collect());
    }
    match text {
        "none" | "None" => Value::Null,
        "True" => Value::Bool(true),
        "False" => Value::Bool(false),
        // Numbers that are not valid JSON: .5, 1., +1e-4.
        text => match text.parse::<f64>().ok().and_then(serde_json::Number::from_f64) {
            Some(number) => Value::Number(number),
            None => Value::String(text.to_owned()),
        },
    }
}

/// A value of the command line as text, or for a list as texts: names that look like numbers.
fn texts(text: &str, is_list: bool) -> Value {
    if !is_list {
        return text.into();
    }
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    bare.split(',').map(|item| item.trim().trim_matches(['"', '\''])).collect()
}

/// The full path of a key, some parts of which may be left out if only one setting fits:
/// `finetune.epochs` for `finetune.optimisation.epochs`.
fn resolve(key: &str, keys: &[String]) -> std::result::Result<String, Unresolved> {
    if keys.iter().any(|k| k == key) {
        return Ok(key.to_owned());
    }
    let fits = |full: &&String| {
        let mut parts = full.split('.');
        full.rsplit('.').next() == key.rsplit('.').next()
            && key.split('.').all(|wanted| parts.any(|part| part == wanted))
    };
    match keys.iter().filter(fits).collect::<Vec<_>>().as_slice() {
        [one] => Ok((*one).clone()),
        [first, second, ..] => Err(Unresolved::Two((*first).clone(), (*second).clone())),
        [] => Err(Unresolved::None),
    }
}

/// Why a key names no setting.
enum Unresolved {
    None,
    Two(String, String),
}

impl Unresolved {
    /// The message for a key that is not a published one either.
    fn message(self, key: &str, keys: &[String], method: Method) -> String {
        if let Unresolved::Two(first, second) = self {
            return format!("{key} could be {first} or {second}; name one");
        }
        let published = published::all_keys(method);
        let all = keys.iter().map(String::as_str).chain(published);
        format!("there is no setting {key}; the nearest is {}", nearest(key, all))
    }
}

#[cfg(test)]
mod tests {
    use sampling::augment::Chance;

    use super::*;
    use crate::{Decay, Fill, Masking, Preset};

    #[test]
    fn a_value_is_set_by_its_path() {
        let mut settings = Settings::preset(Preset::Small, Method::Pcl);
        let changes = [
            "finetune.epochs=7",
            "finetune.momentum=.5",
            "network.channels = 8,16",
            "pretrain.cyclic=true",
            "pretrain.masking=replace_patches",
            "dino.local.scale.range=0.2,0.4",
            "finetune.final_weight_decay=none",
            "finetune.optimisation.decay=cosine",
        ];
        settings.apply(&changes.map(str::to_owned)).unwrap();
        assert_eq!(settings.finetune.optimisation.epochs, 7);
        assert_eq!(settings.network.channels, [8, 16]);
        assert!(settings.pretrain.contrastive.cyclic);
        assert_eq!(settings.pretrain.mim.masking, Masking::Drawn(Fill::ReplacePatches));
        assert_eq!(settings.pretrain.dino.local.scale, Some(Chance::new(1.0, 0.2, 0.4)));
        assert_eq!(settings.finetune.optimisation.decay, Decay::Cosine);
    }

    #[test]
    fn what_is_listed_can_be_set() {
        for preset in Preset::ALL {
            for method in Method::ALL {
                let settings = Settings::preset(preset, method);
                let own = ["preset", "method", "seed", "labelled"];
                let all: Vec<String> = keys()
                    .iter()
                    .filter(|key| !own.contains(&key.path.as_str()))
                    .map(|key| format!("{}={}", key.path, settings.value_at(&key.path).unwrap()))
                    .collect();
                let mut set = settings.clone();
                set.apply(&all).unwrap();
                assert_eq!(set, settings);
            }
        }
    }

    #[test]
    fn a_number_may_be_quoted_and_a_name_may_look_like_a_number() {
        let mut settings = Settings::preset(Preset::Small, Method::Pcl);
        let changes = [
            "finetune.epochs=\"7\"",
            "network.channels=['8', \"16\"]",
            "subjects.split=2024",
            "subjects.vendors=1,2",
            "subjects.labelled_split=a,b.yaml",
            "finetune.augmentation.blur={probability: 0.5, range: [0.5, 1.0]}",
            "pretrain.cyclic=True",
        ];
        settings.apply(&changes.map(str::to_owned)).unwrap();
        assert_eq!(settings.finetune.optimisation.epochs, 7);
        assert_eq!(settings.network.channels, [8, 16]);
        assert_eq!(settings.subjects.split.as_deref(), Some("2024"));
        assert_eq!(settings.subjects.vendors, ["1", "2"]);
        assert_eq!(settings.subjects.labelled_split.as_deref(), Some("a,b.yaml"));
        assert_eq!(settings.finetune.augmentation.blur, Chance::new(0.5, 0.5, 1.0));
        assert!(settings.pretrain.contrastive.cyclic);
    }

    #[test]
    fn values_are_checked_together_once_all_are_set() {
        let mut settings = Settings::preset(Preset::Small, Method::Pcl);
        settings.apply(&["network.size=20".into(), "network.channels=4,8".into()]).unwrap();
        assert_eq!((settings.network.size, settings.network.channels.len()), (20, 2));
    }

    #[test]
    fn what_cannot_be_set_is_refused_in_one_line() {
        let settings = Settings::preset(Preset::Small, Method::Pcl);
        let refusal = |text: &str| {
            let error = settings.clone().apply(&[text.into()]).unwrap_err().to_string();
            assert!(!error.contains('\n'), "{error}");
            error
        };
        for (text, parts) in [
            ("finetune.optimisation.epoch=7", &["epoch;", "finetune.optimisation.epochs"][..]),
            ("epochs=7", &["pretrain.optimisation.epochs", "finetune.optimisation.epochs"]),
            ("epochs", &["key=value"]),
            ("finetune.optimisation.epochs=many", &["finetune.optimisation.epochs=many", "80"]),
            ("finetune.momentum=fast", &["finetune.optimisation.momentum=fast", "0.99"]),
            ("pretrain.cyclic=7", &["cyclic=7", "true or false"]),
            ("pretrain.mim.patch=12", &["pretrain.mim.patch=12", "16,16"]),
            ("pretrain.mim.masking=stripes", &["pretrain.mim.masking=stripes"]),
            ("network.size=100", &["network.size", "16"]),
            ("network.channels=8", &["network.channels"]),
            ("method=scratch", &["--method"]),
            ("finetune.learning_rate=0,01", &["0.01", "point"]),
            ("finetune.epochs=1_000", &["1000", "without _"]),
            ("finetune.decay=polynomal", &["cosine", "nearest is polynomial"]),
        ] {
            let error = refusal(text);
            assert!(parts.iter().all(|part| error.contains(part)), "{text}: {error}");
        }
        for text in [
            "pretrain.contrastive.mlp=8,0",
            "pretrain.contrastive.threshold=0",
            "subjects.phantom=0",
            "save_every=-1",
        ] {
            assert!(refusal(text).starts_with(text.split('=').next().unwrap()), "{text}");
        }
    }
}
