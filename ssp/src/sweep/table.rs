//! What came out of a sweep, as tables: one line per cell, and means by method and count.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;

use tensor::random::{Purpose, Stream};

use super::statistics::{holm, wilcoxon};
use super::{Cell, Done, Plan, Results, Table, status};
use crate::Result;
use crate::evaluate::{Dice, Summary, quantile};
use crate::run::files::write_atomically;
use crate::settings::Method;

impl Done {
    fn dice(&self) -> Dice {
        let mut sums = [0.0; 3];
        for row in &self.frames {
            sums.iter_mut().zip(row.dice.values()).for_each(|(sum, value)| *sum += value);
        }
        Dice::from_values(sums.map(|sum| sum / self.frames.len() as f64))
    }
}

/// Writes `table.csv` and `table.md` of what is done so far, and returns the latter.
///
/// # Errors
/// When the folder holds no sweep, or a file cannot be read or written.
pub fn write(folder: &Path) -> Result<String> {
    let Results { plan, cells: done, .. } = Results::read(folder)?;
    write_atomically(folder.join("table.csv"), csv(&done).as_bytes())?;
    let text = markdown(&plan, &done, &status(folder)?.to_string());
    write_atomically(folder.join("table.md"), text.as_bytes())?;
    Ok(text)
}

fn csv(done: &[Done]) -> String {
    let mut text = String::from(
        "table,method,labelled,seed,variant,dice_lv,dice_myo,dice_rv,dice_mean,seconds\n",
    );
    for cell in done {
        let Cell { table, method, seed, variant, .. } = &cell.record.cell;
        let (dice, count) = (cell.dice(), cell.record.cell.count());
        let (table, seconds) = (table.name(), cell.record.ending.seconds);
        let [lv, myo, rv] = dice.values();
        let _ = writeln!(
            text,
            "{table},{},{count},{seed},{variant},{lv:.6},{myo:.6},{rv:.6},{:.6},{seconds:.1}",
            method.name(),
            dice.mean()
        );
    }
    text
}

fn named(labelled: Option<usize>) -> String {
    labelled.map_or("all".into(), |count| count.to_string())
}

fn markdown(plan: &Plan, done: &[Done], status: &str) -> String {
    let mut text = String::from(
        "# Dice by method and labelled subjects\n\nMean over structures, frames and test subjects; ± \
         is the standard deviation over seeds (divisor n - 1).\n\n| labelled |",
    );
    let methods: Vec<Method> = plan.arms.iter().map(|arm| arm.method).collect();
    methods.iter().for_each(|method| {
        let _ = write!(text, " {} |", method.name());
    });
    text += "\n|---|";
    text += &"---|".repeat(methods.len());
    text.push('\n');
    for &count in &plan.counts {
        let _ = write!(text, "| {} |", named(count));
        for &method in &methods {
            let of_seeds: Vec<f64> =
                of(done, method, count).map(|cell| cell.dice().mean()).collect();
            let cell = match Summary::of(&of_seeds) {
                Some(s) if s.count > 1 => {
                    let deviation = s.deviation * (s.count as f64 / (s.count as f64 - 1.0)).sqrt();
                    format!("{:.3} ± {deviation:.3}", s.mean)
                }
                Some(s) => format!("{:.3}", s.mean),
                None => "-".into(),
            };
            let _ = write!(text, " {cell} |");
        }
        text.push('\n');
    }
    if methods.contains(&Method::Scratch) && methods.len() > 1 {
        text += "\n## Differences from scratch\n\nPaired by test subject: Dice averaged over \
                 structures, frames and seeds. 95 % interval by bootstrap over subjects; p by \
                 Wilcoxon's signed-rank test, corrected by Holm over the methods of a count.\n\n\
                 | labelled | method | subjects | seeds | difference | interval | p | corrected |\n\
                 |---|---|---|---|---|---|---|---|\n";
        for &count in &plan.counts {
            text += &differences(done, &methods, count);
        }
    }
    let _ = write!(text, "\n## Cells\n\n```\n{status}```\n");
    text
}

fn of(done: &[Done], method: Method, count: Option<usize>) -> impl Iterator<Item = &Done> {
    done.iter().filter(move |Done { record, .. }| {
        let Cell { table, method: of, labelled, .. } = record.cell;
        (table, of, labelled) == (Table::Subjects, method, count)
    })
}

/// Dice by test subject, averaged over structures, frames and seeds; of the seeds that both methods
/// have.
fn by_subject(
    done: &[Done],
    method: Method,
    count: Option<usize>,
    seeds: &[u64],
) -> BTreeMap<String, f64> {
    let mut sums: BTreeMap<String, (f64, f64)> = BTreeMap::new();
    for cell in of(done, method, count).filter(|cell| seeds.contains(&cell.record.cell.seed)) {
        for row in &cell.frames {
            let sum = sums.entry(row.subject.clone()).or_default();
            *sum = (sum.0 + row.dice.mean(), sum.1 + 1.0);
        }
    }
    sums.into_iter().map(|(subject, (sum, n))| (subject, sum / n)).collect()
}

fn differences(done: &[Done], methods: &[Method], count: Option<usize>) -> String {
    let seeds = |method| of(done, method, count).map(|cell| cell.record.cell.seed);
    let of_scratch: Vec<u64> = seeds(Method::Scratch).collect();
    let mut found = Vec::new();
    for &method in methods.iter().filter(|method| **method != Method::Scratch) {
        let shared: Vec<u64> = seeds(method).filter(|seed| of_scratch.contains(seed)).collect();
        let scratch = by_subject(done, Method::Scratch, count, &shared);
        let theirs = by_subject(done, method, count, &shared);
        let pairs = theirs.iter().filter_map(|(subject, dice)| Some(dice - scratch.get(subject)?));
        let apart: Vec<f64> = pairs.collect();
        if let Some(summary) = Summary::of(&apart) {
            found.push((method, shared.len(), apart.clone(), summary.mean, wilcoxon(&apart)));
        }
    }
    let p: Vec<f64> = found.iter().map(|(.., p)| p.unwrap_or(1.0)).collect();
    let mut text = String::new();
    for ((method, seeds, apart, mean, p), corrected) in found.iter().zip(holm(&p)) {
        let [low, high] = interval(apart);
        let told = |p: f64| if p < 0.001 { "< 0.001".into() } else { format!("{p:.3}") };
        let _ = writeln!(
            text,
            "| {} | {} | {} | {seeds} | {mean:+.3} | {low:+.3} to {high:+.3} | {} | {} |",
            named(count),
            method.name(),
            apart.len(),
            p.map_or("-".into(), told),
            told(corrected)
        );
    }
    text
}

/// The middle 95 % of the means of samples drawn from the differences with replacement.
fn interval(apart: &[f64]) -> [f64; 2] {
    const SAMPLES: usize = 10_000;
    let mut stream = Stream::new(0, Purpose::Split, 0, 1);
    let mut means: Vec<f64> = (0..SAMPLES)
        .map(|_| {
            let drawn = apart.iter().map(|_| apart[stream.below(apart.len())]);
            drawn.sum::<f64>() / apart.len() as f64
        })
        .collect();
    means.sort_by(f64::total_cmp);
    [quantile(&means, 0.025), quantile(&means, 0.975)]
}
