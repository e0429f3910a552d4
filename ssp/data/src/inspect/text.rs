//! The report as text.

use std::fmt::{Display, Formatter, Result};

use common::text::line;

use super::super::diagnostics::{grouped, names};
use super::super::subject::{CardiacPhase, Label};
use super::report::{
    DatasetReport, FileContent, FileReport, Finding, Inspection, Severity, SubjectContent,
};

impl Display for Inspection {
    fn fmt(&self, out: &mut Formatter<'_>) -> Result {
        writeln!(out, "{}", line(&self.path.display().to_string()))?;
        for set in &self.sets {
            write_set(out, set)?;
        }
        for file in &self.files {
            write_file(out, file, self.path != file.path)?;
        }
        for finding in &self.findings {
            writeln!(out, "  {:7}  {}", finding.severity.name(), line(&finding.message))?;
        }
        Ok(())
    }
}

fn write_set(out: &mut Formatter<'_>, set: &DatasetReport) -> Result {
    let labelled = set.subjects.iter().filter(|subject| subject.entry.labelled).count();
    let count = set.subjects.len();
    writeln!(out, "  {}: {count} subjects, {labelled} with labels", set.layout.name())?;
    let columns = [
        "subject",
        "group",
        "vendor",
        "slices x rows x columns",
        "phases",
        "spacing mm",
        "stored as",
        "intensities",
        "labels: LV, MYO, RV in ml",
    ];
    let mut rows = vec![columns.map(String::from).to_vec()];
    for subject in &set.subjects {
        let entry = &subject.entry;
        let or_dash = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".into());
        let mut row = vec![entry.id.clone(), or_dash(&entry.pathology), or_dash(&entry.vendor)];
        match &subject.content {
            Some(content) => row.extend(content_cells(content)),
            None => row.push("not readable, see below".into()),
        }
        rows.push(row);
    }
    write_table(out, &rows)?;
    write_reading(out, set)?;
    write_findings(out, set)
}

fn content_cells(content: &SubjectContent) -> [String; 6] {
    let [slices, rows, columns, phases] = content.shape;
    let [row, column, slice] = content.spacing.map(short);
    let frames: Vec<String> = content
        .frames
        .iter()
        .map(|frame| {
            let name = match frame.cardiac_phase {
                CardiacPhase::Other => String::new(),
                cardiac_phase => format!("{} ", cardiac_phase.name()),
            };
            let [left, myocardium, right] = frame.millilitres;
            format!("{name}phase {}: {left:.0}, {myocardium:.0}, {right:.0}", frame.phase)
        })
        .collect();
    [
        format!("{slices} x {rows} x {columns}"),
        phases.to_string(),
        format!("{row} x {column} x {slice}"),
        content.header.stored_as(),
        in_words(content.range),
        if frames.is_empty() { "none".into() } else { frames.join("; ") },
    ]
}

/// Writes columns as wide as their widest cell.
fn write_table(out: &mut Formatter<'_>, rows: &[Vec<String>]) -> Result {
    let shown = |row: &Vec<String>| row.iter().map(|cell| line(cell).into_owned()).collect();
    let rows: Vec<Vec<String>> = rows.iter().map(shown).collect();
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| {
        // The last cell of a row may be longer than its column.
        let cells = rows.iter().filter(|row| row.len() > column + 1).map(|row| &row[column]);
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    for row in &rows {
        let cells = row.iter().zip(&widths).map(|(cell, &width)| format!("{cell:width$}"));
        writeln!(out, "    {}", cells.collect::<Vec<_>>().join("  ").trim_end())?;
    }
    Ok(())
}

/// Writes how slices were ordered and where the spacing is from, with the number of subjects of each.
fn write_reading(out: &mut Formatter<'_>, set: &DatasetReport) -> Result {
    let contents = set.subjects.iter().filter_map(|subject| subject.content.as_ref());
    let ways = contents.map(|content| {
        let source = content.header.geometry.spacing_source.name();
        (format!("{}; spacing from {source}", content.slice_order.describe()), ())
    });
    for (way, subjects) in grouped(ways) {
        let (count, all) = (subjects.len(), set.subjects.len());
        writeln!(out, "  read     {count} of {all}: {way}")?;
    }
    Ok(())
}

/// Writes findings by severity. A finding that several subjects share is written once.
fn write_findings(out: &mut Formatter<'_>, set: &DatasetReport) -> Result {
    let of_subjects = set.subjects.iter().flat_map(|subject| {
        subject.findings.iter().map(|finding| (finding, subject.entry.id.as_str()))
    });
    let mut findings: Vec<(&Finding, Vec<&str>)> = grouped(of_subjects);
    findings.extend(set.findings.iter().map(|finding| (finding, Vec::new())));
    findings.sort_by_key(|(finding, _)| std::cmp::Reverse(finding.severity));
    for (finding, ids) in &findings {
        let text = format!("{}{}", names(ids), finding.message);
        writeln!(out, "  {:7}  {}", finding.severity.name(), line(&text))?;
    }
    if findings.iter().all(|(finding, _)| finding.severity == Severity::Note) {
        writeln!(out, "  nothing is wrong")?;
    }
    Ok(())
}

fn write_file(out: &mut Formatter<'_>, file: &FileReport, with_name: bool) -> Result {
    if with_name {
        let name = file.path.file_name().unwrap_or_default().to_string_lossy();
        writeln!(out, "  {}", line(&name))?;
    }
    if let Some(content) = &file.content {
        for (what, text) in content_lines(content) {
            writeln!(out, "    {what:12} {text}")?;
        }
    }
    for finding in &file.findings {
        writeln!(out, "    {:12} {}", finding.severity.name(), line(&finding.message))?;
    }
    Ok(())
}

fn content_lines(content: &FileContent) -> Vec<(&'static str, String)> {
    let (header, geometry) = (&content.header, &content.header.geometry);
    let scale = header.scale.map_or("no scale slope".into(), |(slope, offset)| {
        format!("scaled by {} plus {}", short(slope as f32), short(offset as f32))
    });
    let [i, j, k, phases] = header.dims;
    let spacing = geometry.spacing.map(|step| short(step as f32)).join(" x ");
    let [slices, rows, columns] = content.axes.map(|axis| ["i", "j", "k"][axis]);
    let order = content.slice_order.describe();
    let orientation = geometry.affine.map_or("unknown".into(), |affine| {
        let oblique = if affine.is_oblique() { " (oblique)" } else { "" };
        format!("{}{oblique} by the {}", affine.axis_codes(), affine.source.name())
    });
    let mut lines = vec![
        ("stored", format!("{}, {}, {scale}", header.format.name(), header.stored_as())),
        ("shape", format!("{i} x {j} x {k} voxels, {phases} phases")),
        ("spacing", format!("{spacing} mm, from {}", geometry.spacing_source.name())),
        ("orientation", orientation),
        (
            "read as",
            format!("slices along {slices}, rows along {rows}, columns along {columns}; {order}"),
        ),
        ("intensities", in_words(content.range)),
    ];
    if let Some(labels) = &content.labels {
        let counts = labels.iter().map(|(label, count)| {
            let known = Label::STRUCTURES.into_iter().find(|known| *known as u8 == *label);
            let name = known.map_or(String::new(), |known| format!(" ({}?)", known.name()));
            format!("{label}{name}: {count}")
        });
        let counts = counts.collect::<Vec<_>>().join(", ");
        lines
            .push(("labels", format!("only whole numbers, so perhaps labels; voxels of {counts}")));
    }
    lines
}

fn in_words([low, high]: [f32; 2]) -> String {
    format!("{} to {}", short(low), short(high))
}

/// A number to three decimals, without trailing zeros.
fn short(value: f32) -> String {
    format!("{}", (f64::from(value) * 1000.0).round() / 1000.0)
}
