//! Dice against labelled subjects, by structure, phase and vendor, and against the position between base and
//! apex.

use std::collections::BTreeSet;

use figures::svg::{Chart, Line, Point};
use figures::{Axis, Tick};
use maud::{Markup, html};

use super::{legend, style};
use crate::StudyTable;
use crate::report::compare::{
    Comparisons, DiceOf, FrameFilter, Group, MethodCells, STRUCTURES, all_frames,
};
use crate::report::document::Section;
use crate::report::format::title;
use crate::report::statistics::{MeanSd, mean};
use data::vendor::vendor_letter;
use evaluate::{Dice, FrameRow};

/// Bins of the relative position between base and apex.
const BINS: usize = 6;

/// The sections of curves.
pub fn curves(comparisons: &Comparisons) -> Vec<Section> {
    let groups: Vec<&Group> = comparisons.table(StudyTable::Subjects).collect();
    let cells = groups.iter().flat_map(|group| &group.methods).flat_map(|method| &method.cells);
    let rows: Vec<&FrameRow> = cells.flat_map(|cell| &cell.frames).collect();
    let vendor_of =
        |row: &FrameRow| row.vendor.as_deref().map(|vendor| vendor_letter(vendor).to_owned());
    let vendors: BTreeSet<String> = rows.iter().filter_map(|row| vendor_of(row)).collect();
    let phases = [("ED", "End-diastole"), ("ES", "End-systole")].into_iter();
    let phases = phases.filter(|(name, _)| rows.iter().any(|row| row.moment.name() == *name));

    let structures = STRUCTURES.map(|(name, of)| by_count(name, comparisons, of, &all_frames));
    let phases = phases.map(|(name, heading)| {
        by_count(heading, comparisons, Dice::mean, &|row: &FrameRow| row.moment.name() == name)
    });
    let phases: Vec<Markup> = phases.collect();
    let by_vendor = vendors.iter().map(|vendor| {
        let of_vendor = |row: &FrameRow| vendor_of(row).as_ref() == Some(vendor);
        let tested = rows.iter().filter(|row| of_vendor(row)).map(|row| &row.subject);
        let tested = tested.collect::<BTreeSet<_>>().len();
        let heading = format!("Vendor {vendor} ({tested} test subjects)");
        by_count(&heading, comparisons, Dice::mean, &of_vendor)
    });
    let by_vendor: Vec<Markup> = by_vendor.collect();
    let by_position: Vec<Markup> = groups.into_iter().map(by_position).collect();

    let section = |id, title: &str, text: &str, figures: &[Markup]| {
        let section = Section::page_only(id, title);
        let section = if text.is_empty() { section } else { section.text(text) };
        section.html(html! {
            (legend(&comparisons.methods))
            div.grid { @for figure in figures { (figure) } }
        })
    };
    let mut sections = vec![section("by-structure", "By structure", "", &structures)];
    if phases.len() > 1 {
        sections.push(section("by-phase", "By phase", "", &phases));
    }
    if vendors.len() > 1 {
        let letters = "Letters as in M&Ms: A Siemens, B Philips, C General Electric, D Canon.";
        sections.push(section("by-vendor", "By vendor", letters, &by_vendor));
    }
    let text = format!(
        "Dice of single slices by relative position in {BINS} bins: 0 is the most basal labelled slice, 1 the \
         most apical. Mean over seeds, frames, slices and structures. A structure that is missing in both \
         prediction and ground truth of a slice counts as 1."
    );
    sections.push(section("by-position", "From base to apex", &text, &by_position));
    sections
}

/// Dice against the number of labelled subjects, a line for each method.
pub fn by_count(
    name: &str,
    comparisons: &Comparisons,
    dice_of: DiceOf,
    filter: FrameFilter,
) -> Markup {
    let groups: Vec<&Group> = comparisons.table(StudyTable::Subjects).collect();
    let position = |group: &Group| group.train_subjects().max(1.0).ln();
    let lines: Vec<Line> = comparisons
        .methods
        .iter()
        .map(|&method| {
            let point = |group: &&Group| {
                let MeanSd { mean, sd } = group.of_method(method)?.dice(dice_of, filter)?;
                Some(Point { x: position(group), y: mean, spread: sd })
            };
            let points = groups.iter().filter_map(point).collect();
            Line { name: title(method).to_owned(), style: style(method), points }
        })
        .collect();
    let reach = |p: &Point| [p.y - p.spread.unwrap_or(0.0), p.y + p.spread.unwrap_or(0.0)];
    let values: Vec<f64> =
        lines.iter().flat_map(|line| line.points.iter().flat_map(reach)).collect();
    let mut x =
        Axis::covering("labelled subjects (logarithmic)", groups.iter().map(|g| position(g)), 4);
    // Space at both ends for marks that are drawn side by side.
    let margin = 0.05 * (x.high - x.low);
    (x.low, x.high) = (x.low - margin, x.high + margin);
    let tick = |group: &&Group| Tick { value: position(group), label: group.count() };
    x.ticks = groups.iter().map(tick).collect();
    Chart { title: name.to_owned(), x, y: Axis::covering("Dice", values, 5), lines }.figure()
}

/// Dice of slices against their position, a line for each method of a group.
fn by_position(group: &Group) -> Markup {
    let lines: Vec<Line> = group
        .methods
        .iter()
        .map(|cells| Line {
            name: title(cells.method).to_owned(),
            style: style(cells.method),
            points: binned(cells),
        })
        .collect();
    let values: Vec<f64> =
        lines.iter().flat_map(|line| line.points.iter().map(|point| point.y)).collect();
    let ends = [(0.0, "0, base"), (0.5, "0.5"), (1.0, "1, apex")];
    let x = Axis {
        label: "relative position".into(),
        low: -0.08,
        high: 1.08,
        ticks: ends.map(|(value, label)| Tick { value, label: label.into() }).to_vec(),
    };
    let title = format!("{} labelled", group.count());
    Chart { title, x, y: Axis::covering("Dice of slices", values, 5), lines }.figure()
}

fn binned(method: &MethodCells) -> Vec<Point> {
    let mut bins = vec![Vec::new(); BINS];
    for slice in method.cells.iter().flat_map(|cell| &cell.slices) {
        let bin = (slice.slice.position * BINS as f64) as usize;
        bins[bin.min(BINS - 1)].push(slice.slice.dice.mean());
    }
    let centre = |bin: usize| (bin as f64 + 0.5) / BINS as f64;
    let point = |(bin, values): (usize, Vec<f64>)| {
        Some(Point { x: centre(bin), y: mean(&values)?, spread: None })
    };
    bins.into_iter().enumerate().filter_map(point).collect()
}
