//! The report as text.

use std::fmt::{Display, Formatter, Result};

use super::super::nifti::{Format, SpacingFrom};
use super::super::subject::{Label, Moment};
use super::{FileContent, FileReport, Finding, Inspection, Reading, SetReport, Severity};

/// A finding that many share names so many of them, and counts the rest.
const NAMED: usize = 3;

impl Display for Inspection {
    fn fmt(&self, out: &mut Formatter<'_>) -> Result {
        writeln!(out, "{}", self.path.display())?;
        for set in &self.sets {
            write_set(out, set)?;
        }
        for file in &self.files {
            write_file(out, file, self.path != file.path)?;
        }
        for finding in &self.findings {
            writeln!(out, "  {:7}  {}", finding.severity.name(), finding.what)?;
        }
        Ok(())
    }
}

fn write_set(out: &mut Formatter<'_>, set: &SetReport) -> Result {
    let labelled = set.subjects.iter().filter(|subject| subject.listing.labelled).count();
    let count = set.subjects.len();
    writeln!(out, "  {}: {count} subjects, {labelled} with labels", set.layout.name())?;
    let mut rows = vec![
        [
            "subject",
            "group",
            "vendor",
            "slices x rows x columns",
            "phases",
            "spacing mm",
            "stored as",
        ]
        .map(String::from)
        .to_vec(),
    ];
    rows[0].extend(["intensities", "labels: LV, MYO, RV in ml"].map(String::from));
    for subject in &set.subjects {
        let listing = &subject.listing;
        let or_dash = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".into());
        let mut row =
            vec![listing.id.clone(), or_dash(&listing.pathology), or_dash(&listing.vendor)];
        match &subject.reading {
            Some(reading) => row.extend(reading_cells(reading)),
            None => row.push("not readable, see below".into()),
        }
        rows.push(row);
    }
    write_table(out, &rows)?;
    write_orders(out, set)?;
    write_findings(out, set)
}

fn reading_cells(reading: &Reading) -> Vec<String> {
    let [slices, rows, columns, phases] = reading.shape;
    let [row, column, slice] = reading.spacing.map(short);
    let frames: Vec<String> = reading
        .frames
        .iter()
        .map(|frame| {
            let name = match frame.moment {
                Moment::Other => String::new(),
                moment => format!("{} ", moment.name()),
            };
            let [left, muscle, right] = frame.millilitres;
            format!("{name}phase {}: {left:.0}, {muscle:.0}, {right:.0}", frame.phase)
        })
        .collect();
    let [low, high] = reading.range;
    vec![
        format!("{slices} x {rows} x {columns}"),
        phases.to_string(),
        format!("{row} x {column} x {slice}"),
        reading.header.stored_as(),
        format!("{} to {}", short(low), short(high)),
        if frames.is_empty() { "none".into() } else { frames.join("; ") },
    ]
}

/// Columns as wide as their widest cell.
fn write_table(out: &mut Formatter<'_>, rows: &[Vec<String>]) -> Result {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| {
        let cells = rows.iter().filter(|row| row.len() > column + 1).map(|row| &row[column]);
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    for row in rows {
        let cells = row.iter().zip(&widths).map(|(cell, &width)| format!("{cell:width$}"));
        writeln!(out, "    {}", cells.collect::<Vec<_>>().join("  ").trim_end())?;
    }
    Ok(())
}

/// How slices were ordered and spacing was found, for each way that occurs.
fn write_orders(out: &mut Formatter<'_>, set: &SetReport) -> Result {
    let mut ways: Vec<(String, usize)> = Vec::new();
    for reading in set.subjects.iter().filter_map(|subject| subject.reading.as_ref()) {
        let way = format!(
            "{}; {}",
            reading.slice_order.describe(),
            spacing_from(reading.header.spacing_from)
        );
        match ways.iter_mut().find(|(known, _)| *known == way) {
            Some((_, count)) => *count += 1,
            None => ways.push((way, 1)),
        }
    }
    for (way, count) in ways {
        writeln!(out, "  read     {count} of {}: {way}", set.subjects.len())?;
    }
    Ok(())
}

/// Gravest first; what several subjects share is said once.
fn write_findings(out: &mut Formatter<'_>, set: &SetReport) -> Result {
    let mut shared: Vec<(&Finding, Vec<&str>)> = Vec::new();
    for subject in &set.subjects {
        for finding in &subject.findings {
            match shared.iter_mut().find(|(known, _)| *known == finding) {
                Some((_, ids)) => ids.push(&subject.listing.id),
                None => shared.push((finding, vec![&subject.listing.id])),
            }
        }
    }
    shared.extend(set.findings.iter().map(|finding| (finding, Vec::new())));
    shared.sort_by_key(|(finding, _)| std::cmp::Reverse(finding.severity));
    for (finding, ids) in &shared {
        let mut who = ids.iter().take(NAMED).copied().collect::<Vec<_>>().join(", ");
        if ids.len() > NAMED {
            who += &format!(" and {} more", ids.len() - NAMED);
        }
        let colon = if who.is_empty() { "" } else { ": " };
        writeln!(out, "  {:7}  {who}{colon}{}", finding.severity.name(), finding.what)?;
    }
    if shared.iter().all(|(finding, _)| finding.severity == Severity::Note) {
        writeln!(out, "  nothing is wrong")?;
    }
    Ok(())
}

fn write_file(out: &mut Formatter<'_>, file: &FileReport, named: bool) -> Result {
    if named {
        let name = file.path.file_name().unwrap_or_default().to_string_lossy();
        writeln!(out, "  {name}")?;
    }
    if let Some(content) = &file.content {
        for (what, text) in content_lines(content) {
            writeln!(out, "    {what:12} {text}")?;
        }
    }
    for finding in &file.findings {
        writeln!(out, "    {:12} {}", finding.severity.name(), finding.what)?;
    }
    Ok(())
}

fn content_lines(content: &FileContent) -> Vec<(&'static str, String)> {
    let header = &content.header;
    let version = match header.format {
        Format::Nifti1 => "NIfTI-1",
        Format::Nifti2 => "NIfTI-2",
    };
    let scale = header.scale().map_or("no scale slope".into(), |(slope, offset)| {
        format!("scaled by {} plus {}", short(slope as f32), short(offset as f32))
    });
    let [low, high] = content.range;
    let [i, j, k, phases] = header.dims;
    let spacing = header.spacing.map(|step| short(step as f32)).join(" x ");
    let axes = content.axes.map(|axis| ["i", "j", "k"][axis]);
    let orientation = match header.axis_codes() {
        Some(codes) => format!("{codes} by the {}", header.affine_from.name()),
        None => "not told".into(),
    };
    let mut lines = vec![
        ("stored", format!("{version}, {}, {scale}", header.stored_as())),
        ("shape", format!("{i} x {j} x {k} voxels, {phases} phases")),
        ("spacing", format!("{spacing} mm, {}", spacing_from(header.spacing_from))),
        ("orientation", orientation),
        (
            "read as",
            format!(
                "slices along {}, rows along {}, columns along {}; {}",
                axes[0],
                axes[1],
                axes[2],
                content.slice_order.describe()
            ),
        ),
        ("intensities", format!("{} to {}", short(low), short(high))),
    ];
    if let Some(labels) = &content.labels {
        let counts = labels.iter().map(|(label, count)| {
            let known = [Label::LeftVentricle, Label::Myocardium, Label::RightVentricle];
            let name = known.iter().find(|known| **known as u8 == *label).map(|label| label.name());
            name.map_or(format!("{label}: {count}"), |name| format!("{label} ({name}?): {count}"))
        });
        let counts = counts.collect::<Vec<_>>().join(", ");
        lines
            .push(("labels", format!("whole numbers only, so perhaps labels; voxels of {counts}")));
    }
    lines
}

fn spacing_from(from: SpacingFrom) -> &'static str {
    match from {
        SpacingFrom::Pixdim => "spacing from pixdim",
        SpacingFrom::Affine => "spacing from the affine",
    }
}

/// A number to three decimals, without trailing zeros.
fn short(value: f32) -> String {
    format!("{}", (f64::from(value) * 1000.0).round() / 1000.0)
}
