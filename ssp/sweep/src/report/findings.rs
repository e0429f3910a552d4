//! The summary: how many differences are clear, and which.

use super::compare::{ALPHA, Comparison, Comparisons, Finding, Group, all_frames};
use super::document::{Cell, Section, Table};
use super::format::{interval, p_value, title};
use super::tables::{self, Differences};
use crate::StudyTable;
use evaluate::Dice;
use settings::Method;

impl Finding {
    /// As tables name it.
    pub fn name(self) -> &'static str {
        match self {
            Finding::ClearlyBetter => "clearly better",
            Finding::ClearlyWorse => "clearly worse",
            Finding::SeedsDisagree => "seeds disagree",
            Finding::OneSeed => "one seed",
            Finding::SubjectsDisagree => "subjects disagree",
            Finding::Open => "open",
            Finding::OutlinesNothing => "outlines nothing",
        }
    }
}

/// Every finding, in the order of the columns of the summary.
const FINDINGS: [Finding; 7] = [
    Finding::ClearlyBetter,
    Finding::ClearlyWorse,
    Finding::SeedsDisagree,
    Finding::OneSeed,
    Finding::SubjectsDisagree,
    Finding::Open,
    Finding::OutlinesNothing,
];

/// The findings that are listed one by one, under these headings.
const LISTED: [(&str, &[Finding]); 5] = [
    ("Clear differences", &[Finding::ClearlyBetter, Finding::ClearlyWorse]),
    (
        "Seeds disagree: the interval over seeds includes 0, so another training may give another result",
        &[Finding::SeedsDisagree],
    ),
    ("One seed: it cannot show how far another training would differ", &[Finding::OneSeed]),
    (
        "Subjects disagree: most differ in one direction, a few by more in the other; check single subjects",
        &[Finding::SubjectsDisagree],
    ),
    (
        "Outlines nothing: a network of the comparison outlines nothing, so its training failed",
        &[Finding::OutlinesNothing],
    ),
];

/// The section.
pub fn summary(comparisons: &Comparisons, tables: &[tables::Table]) -> Section {
    let section = Section::new("summary", "Summary");
    if comparisons.groups.is_empty() {
        return section.text("No cell is completed yet.");
    }
    let rows = || tables.iter().flat_map(|table| &table.differences);
    let section = match counts(tables) {
        table if table.rows.is_empty() => section.text(
            "No pretraining is compared with scratch: this takes completed cells of both with the same seeds.",
        ),
        table => section
            .text(format!(
                "A difference is clear if p < {ALPHA} over test subjects after Holm’s correction, the 95 % \
                 intervals over subjects and over seeds both exclude 0, and the ranks of the test point the same \
                 way as the mean. A difference with p ≥ {ALPHA} is open: an interval that includes 0 does not \
                 show that two methods are equal."
            ))
            .table(table),
    };
    let section = LISTED.iter().fold(section, |section, (heading, findings)| {
        let found = rows().flat_map(|row| {
            let found = row.comparisons.iter().filter(|c| findings.contains(&c.finding()));
            found.map(|c| sentence(row, c))
        });
        section.list(heading, found.collect())
    });
    match scratch(comparisons) {
        Some(sentence) => section.heading("More labels").text(sentence),
        None => section,
    }
}

/// How many comparisons of each table have each finding.
fn counts(tables: &[tables::Table]) -> Table {
    let mut heads = vec!["Table", "Compared with", "Comparisons"];
    heads.extend(FINDINGS.map(Finding::name));
    let mut counts = Table::new(heads.into_iter().chain(["95 % intervals of open ones"]));
    for table in tables {
        for reference in tables::REFERENCES {
            let rows = table.differences.iter().filter(|row| row.reference == reference);
            let all: Vec<&Comparison> = rows.flat_map(|row| &row.comparisons).collect();
            if all.is_empty() {
                continue;
            }
            let with = |finding| all.iter().filter(move |c| c.finding() == finding);
            let open = with(Finding::Open).filter_map(|c| c.over_subjects);
            let open = open.reduce(|a, b| [a[0].min(b[0]), a[1].max(b[1])]);
            let mut cells = vec![Cell::text(table.title), Cell::text(reference)];
            cells.push(Cell::number(all.len()));
            cells.extend(FINDINGS.map(|finding| Cell::number(with(finding).count())));
            cells.push(Cell::optional(open.map(interval)));
            counts.rows.push(cells);
        }
    }
    counts
}

/// `5 labelled: MIM better than scratch by 0.045 Dice (95 % interval ...; p = 0.002).`
fn sentence(Differences { name, reference, .. }: &Differences, c: &Comparison) -> String {
    let over = |what, found: Option<[f64; 2]>| Some(format!("{} over {what}", interval(found?)));
    let intervals = [over("subjects", c.over_subjects), over("seeds", c.over_seeds)];
    let p = p_value(c.p_holm);
    format!(
        "{name} labelled: {} {} than {reference} by {:.3} Dice (95 % interval {}; p {}{p}).",
        title(c.method),
        if c.mean > 0.0 { "better" } else { "worse" },
        c.mean.abs(),
        intervals.into_iter().flatten().collect::<Vec<_>>().join(", "),
        if p.starts_with('<') { "" } else { "= " },
    )
}

/// What more labels do without pretraining, for scale.
fn scratch(comparisons: &Comparisons) -> Option<String> {
    let groups: Vec<&Group> = comparisons.table(StudyTable::Subjects).collect();
    let (first, last) = (groups.first()?, groups.last()?);
    let dice =
        |group: &Group| Some(group.of_method(Method::Scratch)?.dice(Dice::mean, &all_frames)?.mean);
    (first.labelled != last.labelled).then_some(())?;
    Some(format!(
        "Scratch has a Dice of {:.3} with {} labelled and of {:.3} with {} labelled.",
        dice(first)?,
        first.count(),
        dice(last)?,
        last.count()
    ))
}
