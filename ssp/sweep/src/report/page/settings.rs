//! The settings of each method, as tables.

use serde_json::Value;

use crate::report::document::{Cell, Table};
use crate::report::format::title;
use crate::{SettingChoice, SweepResults};
use settings::{Method, Optimisation, Settings};

/// Learning rates, lengths and batches of the chosen settings.
pub fn rates(results: &SweepResults) -> Table {
    let mut table = Table::new([
        "Method",
        "Pretraining rate",
        "Epochs",
        "Batch",
        "Fine-tuning rate",
        "Length",
        "Batch",
    ]);
    for choice in &results.choices {
        let numbers = match chosen(choice) {
            Some(settings) => [pretraining(settings), finetuning(settings)].concat(),
            None => vec!["not chosen".to_owned(); 6],
        };
        let numbers = numbers.into_iter().map(Cell::number);
        table.rows.push([Cell::text(title(choice.method))].into_iter().chain(numbers).collect());
    }
    table
}

fn chosen(choice: &SettingChoice) -> Option<&Settings> {
    choice.candidates.get(choice.chosen?).map(|candidate| &candidate.settings)
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

/// The settings of each method that differ from its preset, as `KEY=VALUE`.
pub fn changes(results: &SweepResults) -> Table {
    let mut table = Table::new(["Method", "Settings"]);
    for choice in &results.choices {
        let changes = chosen(choice).map_or("not chosen".to_owned(), |settings| {
            let preset = Settings::preset(settings.preset, settings.method).to_value();
            let mut changes = Vec::new();
            if let (Ok(preset), Ok(found)) = (preset, settings.to_value()) {
                differ("", &preset, &found, &mut changes);
            }
            changes.join(" ")
        });
        table.rows.push(vec![Cell::text(title(choice.method)), Cell::long(changes)]);
    }
    table
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
