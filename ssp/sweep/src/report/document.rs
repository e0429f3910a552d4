//! The report as data: sections of text, lists, tables and figures, rendered as HTML and as Markdown.

use std::fmt::Write;

use common::text::markdown;
use maud::{Markup, html};

/// A part of the report under its own heading.
pub struct Section {
    /// Anchor on the page.
    pub id: &'static str,
    /// The heading.
    pub title: String,
    /// Content, from top to bottom.
    pub blocks: Vec<Block>,
    /// Left out of the Markdown.
    pub page_only: bool,
}

/// A piece of a section.
pub enum Block {
    /// A heading below that of the section.
    Heading(String),
    /// A paragraph.
    Text(String),
    /// A bulleted list.
    List(Vec<String>),
    /// A table.
    Table(Table),
    /// Figures, legends and folded lists, left out of the Markdown.
    Html(Markup),
}

/// A table; every row has a cell for each heading.
pub struct Table {
    /// Headings of the columns.
    pub head: Vec<String>,
    /// Rows of cells.
    pub rows: Vec<Vec<Cell>>,
}

/// A cell of a table.
pub struct Cell {
    text: String,
    /// Set smaller, after the text: a standard deviation, a remark.
    detail: Option<String>,
    /// CSS classes: `n` for numbers, `long` for text of several lines, `wrap`, `strong`.
    classes: Vec<&'static str>,
}

impl Section {
    /// An empty section.
    pub fn new(id: &'static str, title: impl Into<String>) -> Self {
        Section { id, title: title.into(), blocks: vec![], page_only: false }
    }

    /// An empty section that the Markdown leaves out.
    pub fn page_only(id: &'static str, title: impl Into<String>) -> Self {
        Section { page_only: true, ..Section::new(id, title) }
    }

    /// The section with another paragraph.
    pub fn text(mut self, text: impl Into<String>) -> Self {
        self.blocks.push(Block::Text(text.into()));
        self
    }

    /// The section with another table; a table without rows is left out.
    pub fn table(mut self, table: Table) -> Self {
        if !table.rows.is_empty() {
            self.blocks.push(Block::Table(table));
        }
        self
    }

    /// The section with a heading and a list; without items, both are left out.
    pub fn list(mut self, heading: &str, items: Vec<String>) -> Self {
        if !items.is_empty() {
            if !heading.is_empty() {
                self.blocks.push(Block::Heading(heading.to_owned()));
            }
            self.blocks.push(Block::List(items));
        }
        self
    }

    /// The section with another heading.
    pub fn heading(mut self, heading: &str) -> Self {
        self.blocks.push(Block::Heading(heading.to_owned()));
        self
    }

    /// The section with more HTML.
    pub fn html(mut self, markup: Markup) -> Self {
        self.blocks.push(Block::Html(markup));
        self
    }

    /// As HTML.
    pub fn to_html(&self) -> Markup {
        html! {
            section id=(self.id) {
                h2 { (self.title) }
                @for block in &self.blocks {
                    @match block {
                        Block::Heading(heading) => h3 { (heading) },
                        Block::Text(text) => p { (unbroken(text)) },
                        Block::List(items) => ul { @for item in items { li { (unbroken(item)) } } },
                        Block::Table(table) => (table.to_html()),
                        Block::Html(markup) => (markup),
                    }
                }
            }
        }
    }

    /// As Markdown, after an empty line.
    pub fn to_markdown(&self) -> String {
        let mut out = format!("\n## {}\n", markdown(&self.title));
        for block in &self.blocks {
            let _ = match block {
                Block::Heading(heading) => writeln!(out, "\n### {}", markdown(heading)),
                Block::Text(text) => writeln!(out, "\n{}", markdown(text)),
                Block::List(items) => {
                    let items: Vec<String> = items.iter().map(|item| markdown(item)).collect();
                    writeln!(out, "\n- {}", items.join("\n- "))
                }
                Block::Table(table) => write!(out, "\n{}", table.to_markdown()),
                Block::Html(_) => Ok(()),
            };
        }
        out
    }
}

/// Text in which a number stays on one line with what belongs to it.
fn unbroken(text: &str) -> String {
    text.replace("p = ", "p\u{a0}=\u{a0}")
        .replace("p < ", "p\u{a0}<\u{a0}")
        .replace("95 %", "95\u{a0}%")
}

impl Table {
    /// A table without rows.
    pub fn new<T: Into<String>>(head: impl IntoIterator<Item = T>) -> Self {
        Table { head: head.into_iter().map(Into::into).collect(), rows: vec![] }
    }

    /// As HTML, scrolled sideways where the page is too narrow.
    pub fn to_html(&self) -> Markup {
        // A heading is aligned as the cell below it.
        let number = |column: usize| {
            self.rows.first().is_some_and(|row| row[column].classes.contains(&"n")).then_some("n")
        };
        html! {
            div.scroll { table {
                thead { tr { @for (column, head) in self.head.iter().enumerate() {
                    th class=[number(column)] { (head) }
                } } }
                tbody { @for row in &self.rows { tr { @for cell in row {
                    td class=[cell.class()] {
                        (cell.text)
                        @if let Some(detail) = &cell.detail { " " small { (detail) } }
                    }
                } } } }
            } }
        }
    }

    fn to_markdown(&self) -> String {
        let head: Vec<String> = self.head.iter().map(|head| markdown(head)).collect();
        let mut out = format!("| {} |\n|{}\n", head.join(" | "), "---|".repeat(head.len()));
        for row in &self.rows {
            let cells: Vec<String> = row.iter().map(Cell::to_markdown).collect();
            let _ = writeln!(out, "| {} |", cells.join(" | "));
        }
        out
    }
}

impl Cell {
    /// Text, aligned to the left.
    pub fn text(text: impl Into<String>) -> Self {
        Cell { text: text.into(), detail: None, classes: vec![] }
    }

    /// A number, aligned to the right.
    pub fn number(text: impl ToString) -> Self {
        Cell { classes: vec!["n"], ..Cell::text(text.to_string()) }
    }

    /// A number that may be missing.
    pub fn optional(text: Option<impl ToString>) -> Self {
        Cell::number(text.map_or("–".to_owned(), |text| text.to_string()))
    }

    /// Text of several lines, such as an error message.
    pub fn long(text: impl Into<String>) -> Self {
        Cell { classes: vec!["long"], ..Cell::text(text) }
    }

    /// The cell with a remark.
    pub fn detail(mut self, detail: Option<String>) -> Self {
        self.classes.extend(detail.is_some().then_some("wrap"));
        Cell { detail, ..self }
    }

    /// The cell, printed bold on the page if it is `strong`.
    pub fn strong(mut self, strong: bool) -> Self {
        self.classes.extend(strong.then_some("strong"));
        self
    }

    fn class(&self) -> Option<String> {
        (!self.classes.is_empty()).then(|| self.classes.join(" "))
    }

    fn to_markdown(&self) -> String {
        match &self.detail {
            Some(detail) => format!("{} {}", markdown(&self.text), markdown(detail)),
            None => markdown(&self.text),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_section_has_the_same_numbers_on_the_page_and_in_markdown() {
        let mut table = Table::new(["Method", "Dice"]);
        let dice = Cell::number("0.812").detail(Some("± 0.010".into())).strong(true);
        table.rows.push(vec![Cell::text("a < b"), dice]);
        let section = Section::new("id", "Title")
            .text("At p < 0.05.")
            .list("Items", vec!["one".into(), "two".into()])
            .list("Nothing", vec![])
            .table(table)
            .table(Table::new(["Empty"]))
            .html(html! { svg {} });
        assert_eq!(
            section.to_markdown(),
            "\n## Title\n\nAt p < 0.05.\n\n### Items\n\n- one\n- two\n\n\
             | Method | Dice |\n|---|---|\n| a < b | 0.812 ± 0.010 |\n"
        );
        let mut table = Table::new(["a|b"]);
        table.rows.push(vec![Cell::text("<svg onload=alert(2)>|\n`x`")]);
        let text = Section::new("id", "Title").table(table).to_markdown();
        let wanted = "| a\\|b |\n|---|\n| &lt;svg onload=alert(2)>\\|\\\\n\\`x\\` |\n";
        assert!(text.ends_with(wanted), "{text}");
        let page = section.to_html().into_string();
        for part in [
            "<h2>Title</h2><p>At p\u{a0}&lt;\u{a0}0.05.</p><h3>Items</h3><ul><li>one</li>",
            "<th>Method</th><th class=\"n\">Dice</th>",
            "<td>a &lt; b</td><td class=\"n wrap strong\">0.812 <small>± 0.010</small></td>",
            "<svg></svg>",
        ] {
            assert!(page.contains(part), "{part} is not in {page}");
        }
        assert!(!page.contains("Nothing") && !page.contains("Empty"), "{page}");
    }
}
