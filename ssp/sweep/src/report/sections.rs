//! The sections that the page and the Markdown share, but for the summary and its limits.

use maud::html;

use super::compare::{ALPHA, Comparisons, FrameFilter, Group};
use super::document::{Cell, Section, Table};
use super::format::{interval, mean_and_sd, number, p_value, signed, title};
use super::page::{curves, forest, legend};
use super::statistics::{MeanSd, mean};
use super::tables::{self, Differences, Row};
use crate::{CompletedCell, StudyTable};
use evaluate::{Agreement, CARDIAC_MEASURES, Dice, SurfaceDistance, cardiac_functions};
use settings::Method;

/// A table of the study: means, and paired differences in figures and numbers.
pub fn study_table(table: &tables::Table, comparisons: &Comparisons) -> Section {
    let mut section = Section::new(table.kind.name(), table.title)
        .text(table.description)
        .table(means(table.head, &comparisons.methods, &table.rows));
    if table.kind == StudyTable::Subjects {
        section = section.html(html! {
            (legend(&comparisons.methods))
            div.main { (curves::by_count("Mean of the structures", comparisons, Dice::mean, &|_| true)) }
        });
    }
    if table.differences.is_empty() {
        return section;
    }
    // Explained in full below the first table only.
    let (explanation, head) = match table.kind {
        StudyTable::Subjects => (
            "Each pretraining minus scratch, paired by test subject. The Dice of a subject is averaged over \
             structures, frames and the seeds that both methods have. 95 % intervals: bootstrap over subjects, \
             and Student’s t over the mean differences of the seeds. p: Wilcoxon’s signed-rank test over \
             subjects, corrected by Holm’s method over the methods of a group (the rows with the same name).",
            table.head,
        ),
        _ => (
            "Each pretraining minus scratch unless the row says otherwise, on the same frames and with the same \
             labels.",
            "Comparison",
        ),
    };
    section
        .heading("Paired differences")
        .text(explanation)
        .html(forest::grid(&table.differences))
        .table(differences(head, &table.differences))
}

/// Mean Dice, a column for each method.
fn means(head: &str, methods: &[Method], rows: &[Row]) -> Table {
    let mut table = Table::new([head].into_iter().chain(methods.iter().map(|&m| title(m))));
    for Row { name, group, filter } in rows {
        let cells = methods.iter().map(|&method| dice_cell(group, method, filter.as_ref()));
        table.rows.push([Cell::text(name)].into_iter().chain(cells).collect());
    }
    table
}

/// Mean Dice of a method over the selected frames of a group.
pub fn dice_cell(group: &Group, method: Method, filter: FrameFilter) -> Cell {
    let cells = group.of_method(method);
    let Some((cells, dice)) = cells.and_then(|c| Some((c, c.dice(Dice::mean, filter)?))) else {
        return Cell::optional(None::<String>);
    };
    let (mean, sd) = mean_and_sd(dice, 3);
    let seeds = cells.cells.len();
    let fewer = (seeds < group.seeds).then(|| format!("({})", number(seeds, "seed")));
    let empty = cells.cells.iter().filter(|cell| cell.outlines_nothing).count();
    let empty = (empty > 0).then(|| format!("({empty} of {seeds} outline nothing)"));
    let detail: Vec<String> = sd.into_iter().chain(fewer).chain(empty).collect();
    Cell::number(mean).detail((!detail.is_empty()).then(|| detail.join(" ")))
}

/// Paired differences, a row for each.
fn differences(head: &str, all: &[Differences]) -> Table {
    let mut table = Table::new([
        head,
        "Method",
        "Finding",
        "Difference",
        "95 %, subjects",
        "p, corrected",
        "p",
        "95 %, seeds",
        "By seed",
        "Subjects",
    ]);
    for Differences { name, comparisons, .. } in all {
        for c in comparisons {
            let seeds: Vec<String> = c.seeds.iter().map(|&seed| signed(seed)).collect();
            table.rows.push(vec![
                Cell::text(name),
                Cell::text(title(c.method)),
                Cell::text(c.finding().name()),
                Cell::number(signed(c.mean)),
                Cell::optional(c.over_subjects.map(interval)),
                Cell::number(p_value(c.p_holm)).strong(c.p_holm < ALPHA),
                Cell::number(p_value(c.p)),
                Cell::optional(c.over_seeds.map(interval)),
                Cell::number(seeds.join(", ")),
                Cell::number(c.subjects.len()),
            ]);
        }
    }
    table
}

/// A measure of a completed cell; none where nothing was measured.
type Measure = fn(&CompletedCell) -> Option<f64>;

const MEASURES: [(&str, Measure); 4] = [
    ("HD95, mm", |cell| surface_distance(cell, |d| d.hd95)),
    ("ASSD, mm", |cell| surface_distance(cell, |d| d.assd)),
    ("LV EF error, % points", |cell| absolute_error(cell, "lv_ef_percent")),
    ("RV EF error, % points", |cell| absolute_error(cell, "rv_ef_percent")),
];

fn surface_distance(cell: &CompletedCell, of: fn(&SurfaceDistance) -> f64) -> Option<f64> {
    let measurements = cell.frames.iter().filter_map(|row| row.measurements.as_ref());
    let found = measurements.flat_map(|m| m.distances.iter().flatten());
    mean(&found.map(of).collect::<Vec<_>>())
}

fn absolute_error(cell: &CompletedCell, column: &str) -> Option<f64> {
    let measure = CARDIAC_MEASURES.iter().find(|measure| measure.column == column)?;
    Agreement::of(&cardiac_functions(&cell.frames), measure)
        .map(|agreement| agreement.mean_absolute)
}

/// Surface distances and errors of ejection fractions; none where no cell has any.
pub fn distances(comparisons: &Comparisons) -> Option<Section> {
    let methods = &comparisons.methods;
    let heads = ["Measure", "Labelled"].into_iter();
    let mut table = Table::new(heads.chain(methods.iter().map(|&method| title(method))));
    for (name, measure) in MEASURES {
        for group in comparisons.table(StudyTable::Subjects) {
            let of_method = |&method: &Method| {
                let cells = group.of_method(method).map_or(&[][..], |method| &method.cells);
                MeanSd::of(&cells.iter().filter_map(|cell| measure(cell)).collect::<Vec<_>>())
            };
            let values: Vec<Option<MeanSd>> = methods.iter().map(of_method).collect();
            if values.iter().all(Option::is_none) {
                continue;
            }
            let cell = |value: Option<MeanSd>| {
                let (mean, sd) = value.map(|value| mean_and_sd(value, 1)).unzip();
                Cell::optional(mean).detail(sd.flatten())
            };
            let names = [Cell::text(name), Cell::text(group.count())];
            table.rows.push(names.into_iter().chain(values.into_iter().map(cell)).collect());
        }
    }
    let section = Section::new("distances", "Surface distances and ejection fractions").text(
        "Distances between predicted and true surfaces, averaged over structures, frames and test subjects \
         (HD95: 95th percentile of the Hausdorff distance; ASSD: average symmetric surface distance), and mean \
         absolute errors of ejection fractions. ± is the standard deviation over seeds. A structure that is \
         missing in the prediction or in the ground truth has no distance, and a ventricle that was not found at \
         end-diastole has no ejection fraction: such failures count in Dice, but not here.",
    );
    (!table.rows.is_empty()).then(|| section.table(table))
}
