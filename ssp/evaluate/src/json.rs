//! Results as JSON, for `result.json`.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{Agreement, CARDIAC_MEASURES, Results, SurfaceDistance, cardiac_functions};
use data::CardiacPhase;

impl Results {
    /// `dice`, `dice_by_moment` and `distance_mm`: means over frames. `predicted_less_true`: agreement of volumes,
    /// ejection fractions and mass over subjects.
    pub fn to_json(&self) -> Value {
        let subjects = cardiac_functions(&self.frames);
        let agreement = CARDIAC_MEASURES.iter().map(|r| (r.column, Agreement::of(&subjects, r)));
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

    /// Mean Dice over the frames of a cardiac phase, or over all frames (none).
    fn dice_at(&self, moment: Option<CardiacPhase>) -> Value {
        let mut part = self.clone();
        part.frames.retain(|row| moment.is_none_or(|moment| row.moment == moment));
        let [lv, myo, rv] = part.dice().values();
        json!({ "LV": lv, "MYO": myo, "RV": rv, "mean": part.mean(), "frames": part.frames.len() })
    }

    /// Mean distances between the surfaces of a structure, over the frames in which it is predicted and true.
    fn distance(&self, structure: usize) -> Value {
        let found = self.frames.iter().filter_map(|row| row.measurements?.distances[structure]);
        let found: Vec<_> = found.collect();
        let mean = |of: fn(&SurfaceDistance) -> f64| {
            (!found.is_empty()).then(|| found.iter().map(of).sum::<f64>() / found.len() as f64)
        };
        json!({ "hd95": mean(|d| d.hd95), "assd": mean(|d| d.assd), "frames": found.len() })
    }
}
