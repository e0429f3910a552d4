//! Results as a tree, for `result.json`.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{Agreement, READINGS, Results, SurfaceDistance, functions};
use data::CardiacPhase;

impl Results {
    /// `dice`, `dice_by_moment`, `distance_mm` and `predicted_less_true`: means over frames, and how volumes,
    /// ejection fractions and mass agree over subjects.
    pub fn to_json(&self) -> Value {
        let subjects = functions(&self.frames);
        let agreement = READINGS.iter().map(|r| (r.column, Agreement::of(&subjects, r)));
        let agreement: BTreeMap<&str, Option<Agreement>> = agreement.collect();
        json!({
            "dice": self.dice_at(None),
            "dice_by_moment": {
                "ED": self.dice_at(Some(CardiacPhase::EndDiastole)),
                "ES": self.dice_at(Some(CardiacPhase::EndSystole)),
            },
            "distance_mm": { "LV": self.distance(0), "MYO": self.distance(1), "RV": self.distance(2) },
            "predicted_less_true": agreement,
        })
    }

    /// Dice over the frames of a moment; none for all.
    fn dice_at(&self, moment: Option<CardiacPhase>) -> Value {
        let mut part = self.clone();
        part.frames.retain(|row| moment.is_none_or(|moment| row.moment == moment));
        let [lv, myo, rv] = part.dice().values();
        json!({ "LV": lv, "MYO": myo, "RV": rv, "mean": part.mean(), "frames": part.frames.len() })
    }

    /// Distances between the surfaces of a structure, over the frames that have both.
    fn distance(&self, structure: usize) -> Value {
        let found = self.frames.iter().filter_map(|row| row.measured?.distances[structure]);
        let found: Vec<_> = found.collect();
        let mean = |of: fn(&SurfaceDistance) -> f64| {
            (!found.is_empty()).then(|| found.iter().map(of).sum::<f64>() / found.len() as f64)
        };
        json!({ "hd95": mean(|d| d.hd95), "assd": mean(|d| d.assd), "frames": found.len() })
    }
}
