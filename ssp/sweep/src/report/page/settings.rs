//! The settings of each method.

use maud::{Markup, html};
use serde_json::Value;

use crate::report::words::title;
use crate::{Choice, Results};
use settings::{Method, Optimisation, Settings};

/// Rates and lengths of what each method has taken.
pub fn taken(results: &Results) -> Markup {
    html! {
        div.scroll { table {
            thead { tr {
                th { "Method" } th.n { "Pretraining rate" } th.n { "Epochs" } th.n { "Batch" }
                th.n { "Fine-tuning rate" } th.n { "Length" } th.n { "Batch" }
            } }
            tbody { @for choice in &results.choices { tr {
                td { (title(choice.method)) }
                @match settings_of(choice) {
                    Some(settings) => {
                        @for cell in pretraining(settings) { td.n { (cell) } }
                        @for cell in finetuning(settings) { td.n { (cell) } }
                    },
                    None => td colspan="6" { "not chosen" },
                }
            } } }
        } }
    }
}

fn settings_of(choice: &Choice) -> Option<&Settings> {
    choice.candidates.get(choice.chosen?).map(|tried| &tried.settings)
}

fn pretraining(settings: &Settings) -> [String; 3] {
    let Optimisation { learning_rate, rate_per_256, epochs, batch, .. } =
        &settings.pretrain.optimisation;
    if settings.method == Method::Scratch {
        return ["–", "–", "–"].map(str::to_owned);
    }
    let per = if *rate_per_256 { " per 256" } else { "" };
    [format!("{learning_rate}{per}"), epochs.to_string(), batch.to_string()]
}

fn finetuning(settings: &Settings) -> [String; 3] {
    let finetune = &settings.finetune;
    let rate = match settings.method {
        Method::Scratch => finetune.optimisation.learning_rate,
        _ => finetune.pretrained_learning_rate,
    };
    let length = match finetune.steps {
        0 => format!("{} epochs", finetune.optimisation.epochs),
        steps => format!("{steps} steps"),
    };
    [rate.to_string(), length, finetune.optimisation.batch.to_string()]
}

/// What is not as in the preset, for each method.
pub fn changes(results: &Results) -> Markup {
    html! {
        div.scroll { table {
            thead { tr { th { "Method" } th { "Settings" } } }
            tbody { @for choice in &results.choices { tr {
                td { (title(choice.method)) }
                td.keys { @match settings_of(choice) {
                    Some(settings) => @for change in changed(settings) { code { (change) } " " },
                    None => "not chosen",
                } }
            } } }
        } }
    }
}

/// `KEY=VALUE` of what is not as in the preset, but for what is of the subjects and the seed.
fn changed(settings: &Settings) -> Vec<String> {
    let preset = Settings::preset(settings.preset, settings.method).to_value();
    let (Ok(preset), Ok(found)) = (preset, settings.to_value()) else { return vec![] };
    let mut changes = Vec::new();
    differ("", &preset, &found, &mut changes);
    changes
}

fn differ(path: &str, preset: &Value, found: &Value, changes: &mut Vec<String>) {
    match (preset, found) {
        (Value::Object(preset), Value::Object(found)) => {
            for (key, value) in found {
                let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                differ(&path, preset.get(key).unwrap_or(&Value::Null), value, changes);
            }
        }
        _ if preset == found => {}
        _ => changes.push(format!("{path}={found}")),
    }
}
