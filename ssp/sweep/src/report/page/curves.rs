//! Dice against labelled subjects, and against the place between base and apex.

use std::collections::BTreeSet;

use maud::{Markup, html};

use super::chart::{Axis, Chart, Line, Point};
use super::marks::{legend, style};
use crate::Table;
use crate::report::compare::{Comparisons, Group, Keep, STRUCTURES, Score, Side};
use crate::report::statistics::{Spread, mean};
use crate::report::words::title;
use data::vendor::vendor_letter;
use evaluate::FrameRow;

/// Parts of the way from base to apex that slices are put together in.
const BINS: usize = 6;

/// All but the main one.
pub fn curves(comparisons: &Comparisons) -> Markup {
    let groups: Vec<&Group> = comparisons.table(Table::Subjects).collect();
    let rows = groups.iter().flat_map(|group| &group.sides).flat_map(|side| &side.cells);
    let rows: Vec<&FrameRow> = rows.flat_map(|cell| &cell.frames).collect();
    let moments: Vec<&str> =
        ["ED", "ES"].into_iter().filter(|m| rows.iter().any(|r| r.moment.name() == *m)).collect();
    let vendors: BTreeSet<&str> =
        rows.iter().filter_map(|r| r.vendor.as_deref().map(vendor_letter)).collect();
    html! {
        section id="structures" {
            h2 { "By structure" }
            (legend(&comparisons.methods))
            div.grid {
                @for (name, score) in STRUCTURES {
                    (by_count(name, comparisons, score, &|_: &FrameRow| true))
                }
            }
        }
        @if moments.len() > 1 {
            section id="phases" {
                h2 { "By phase" }
                (legend(&comparisons.methods))
                div.grid { @for moment in moments {
                    @let name = if moment == "ED" { "End-diastole" } else { "End-systole" };
                    (by_count(name, comparisons, mean_dice, &|row: &FrameRow| row.moment.name() == moment))
                } }
            }
        }
        @if vendors.len() > 1 {
            section id="vendors" {
                h2 { "By vendor" }
                p.faint { "Letters as in M&Ms: A Siemens, B Philips, C General Electric, D Canon." }
                (legend(&comparisons.methods))
                div.grid { @for vendor in vendors {
                    @let tested = rows.iter().filter(|r| r.vendor.as_deref().map(vendor_letter) == Some(vendor));
                    @let tested = tested.map(|r| &r.subject).collect::<BTreeSet<_>>().len();
                    (by_count(
                        &format!("Vendor {vendor} ({tested} test subjects)"),
                        comparisons,
                        mean_dice,
                        &|row: &FrameRow| row.vendor.as_deref().map(vendor_letter) == Some(vendor),
                    ))
                } }
            }
        }
        section id="slices" {
            h2 { "From base to apex" }
            p { "Dice of single slices against their place, in " (BINS) " parts of the way: 0 is the most basal \
                 slice with labels, 1 the most apical. Mean over seeds, frames, slices and structures; a \
                 structure that is in neither truth nor prediction of a slice counts as 1." }
            (legend(&comparisons.methods))
            div.grid { @for group in groups { (by_position(group)) } }
        }
    }
}

/// `With 5 labelled subjects`, for a heading.
pub fn with_labels(group: &Group) -> String {
    format!("With {} labelled subjects", group.count_in_words())
}

fn mean_dice(dice: &evaluate::Dice) -> f64 {
    dice.mean()
}

/// Dice against the number of labelled subjects, a line for each method.
pub fn by_count(name: &str, comparisons: &Comparisons, score: Score, keep: Keep) -> Markup {
    let groups: Vec<&Group> = comparisons.table(Table::Subjects).collect();
    let place = |group: &Group| group.train_subjects().max(1.0).ln();
    let lines: Vec<Line> = comparisons
        .methods
        .iter()
        .map(|&method| {
            let point = |group: &&Group| {
                let Spread { mean, deviation } = group.side(method)?.spread(score, keep)?;
                Some(Point { x: place(group), y: mean, spread: deviation })
            };
            let points = groups.iter().filter_map(point).collect();
            Line { name: title(method).to_owned(), style: style(method), points }
        })
        .collect();
    let reach = |p: &Point| [p.y - p.spread.unwrap_or(0.0), p.y + p.spread.unwrap_or(0.0)];
    let values: Vec<f64> =
        lines.iter().flat_map(|line| line.points.iter().flat_map(reach)).collect();
    let mut x = Axis::over("labelled subjects (logarithmic)", groups.iter().map(|g| place(g)), 4);
    // A little more at the sides, for marks side by side.
    let margin = 0.05 * (x.range[1] - x.range[0]);
    x.range = [x.range[0] - margin, x.range[1] + margin];
    x.marks = groups.iter().map(|group| (place(group), group.count_in_words())).collect();
    Chart { title: name.to_owned(), x, y: Axis::over("Dice", values, 5), lines }.figure()
}

/// Dice of slices against their place, for each method of a group.
fn by_position(group: &Group) -> Markup {
    let lines: Vec<Line> = group
        .sides
        .iter()
        .map(|side| Line {
            name: title(side.method).to_owned(),
            style: style(side.method),
            points: along(side),
        })
        .collect();
    let values: Vec<f64> =
        lines.iter().flat_map(|line| line.points.iter().map(|point| point.y)).collect();
    let ends = [(0.0, "0, base"), (0.5, "0.5"), (1.0, "1, apex")];
    let x = Axis {
        label: "relative position",
        range: [-0.08, 1.08],
        marks: ends.map(|(at, text)| (at, text.to_owned())).to_vec(),
    };
    let title = with_labels(group);
    Chart { title, x, y: Axis::over("Dice of slices", values, 5), lines }.figure()
}

fn along(side: &Side) -> Vec<Point> {
    let mut bins = vec![Vec::new(); BINS];
    for slice in side.cells.iter().flat_map(|cell| &cell.slices) {
        let bin = (slice.slice.position * BINS as f64) as usize;
        bins[bin.min(BINS - 1)].push(slice.slice.dice.mean());
    }
    let centre = |bin: usize| (bin as f64 + 0.5) / BINS as f64;
    let point = |(bin, values): (usize, Vec<f64>)| {
        Some(Point { x: centre(bin), y: mean(&values)?, spread: None })
    };
    bins.into_iter().enumerate().filter_map(point).collect()
}
