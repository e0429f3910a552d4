//! Text that other programs read: terminals, spreadsheets, Markdown viewers. Names of files and subjects may
//! hold what these would act on.

use std::borrow::Cow;
use std::fmt::Write;

/// One line of text that a terminal shows and does not act on: control characters, line breaks and
/// characters that change the direction of text are written as escapes (`\n`, `\u{1b}`).
pub fn line(text: &str) -> Cow<'_, str> {
    escaped(text, is_control)
}

/// As [`line()`], of text of several lines: line breaks stay.
pub fn lines(text: &str) -> Cow<'_, str> {
    escaped(text, |c| c != '\n' && is_control(c))
}

/// Text in Markdown, outside of code: no part of it is taken for HTML, a link, code or the end of a cell.
pub fn markdown(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let text = line(text);
    for (at, c) in text.char_indices() {
        let after = &text[at + c.len_utf8()..];
        match c {
            // As HTML has them: a space after <, as in "p < 0.05", makes text of it.
            '<' if !after.starts_with([' ', '\u{a0}']) => out.push_str("&lt;"),
            '&' if is_entity(after) => out.push_str("&amp;"),
            '|' | '`' | '[' | ']' | '\\' => {
                out.push('\\');
                out.push(c);
            }
            c => out.push(c),
        }
    }
    out
}

/// Whether text after an ampersand makes it a character by its name or number.
fn is_entity(after: &str) -> bool {
    let rest = after.trim_start_matches(|c: char| c.is_ascii_alphanumeric() || c == '#');
    rest.len() < after.len() && rest.starts_with(';')
}

/// A text as a cell of a CSV file. One that a spreadsheet would run as a formula gets a leading apostrophe,
/// which marks text there. Numbers stay as they are. [`from_cell`] is the inverse.
///
/// Source: <https://owasp.org/www-community/attacks/CSV_Injection>.
pub fn to_cell(text: &str) -> Cow<'_, str> {
    if is_formula(text) { Cow::Owned(format!("'{text}")) } else { Cow::Borrowed(text) }
}

/// The text that [`to_cell`] wrote.
pub fn from_cell(cell: &str) -> &str {
    match cell.strip_prefix('\'') {
        Some(text) if is_formula(cell) => text,
        _ => cell,
    }
}

/// Whether a spreadsheet may run a text, after the apostrophes and spaces at its start. So a text is a
/// formula with an apostrophe before it if it is one without.
fn is_formula(text: &str) -> bool {
    let begins = |c: char| "=+-@\t\r\n\u{ff1d}\u{ff0b}\u{ff0d}\u{ff20}".contains(c);
    let is_number =
        || text.chars().all(|c| "+-.0123456789eE".contains(c)) && text.parse::<f64>().is_ok();
    // A dash alone stands for a value that is missing.
    text != "-"
        && text.trim_start_matches(['\'', '"', ' ', '\u{a0}']).starts_with(begins)
        && !is_number()
}

fn is_control(c: char) -> bool {
    c.is_control()
        || matches!(c,
            // Marks, embeddings, overrides and isolates of direction.
            '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
            // Line and paragraph separators, the byte order mark, and invisible tags.
            | '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{e0000}'..='\u{e007f}')
}

fn escaped(text: &str, escapes: impl Fn(char) -> bool) -> Cow<'_, str> {
    if !text.contains(&escapes) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        match c {
            '\n' | '\r' | '\t' if escapes(c) => out.extend(c.escape_default()),
            c if escapes(c) => {
                let _ = write!(out, "\\u{{{:x}}}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    Cow::Owned(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_terminal_shows_control_characters_and_does_not_act_on_them() {
        for plain in ["patient001", "sujet é", "心臓 1", "a b", "مريض"] {
            assert!(matches!(line(plain), Cow::Borrowed(_)), "{plain}");
        }
        assert_eq!(line("a\nb\r\tc\u{1b}[2J\u{7}"), "a\\nb\\r\\tc\\u{1b}[2J\\u{7}");
        assert_eq!(line("gz.\u{202e}iin\u{2066}\u{9b}0m"), "gz.\\u{202e}iin\\u{2066}\\u{9b}0m");
        assert_eq!(lines("a\nb\u{1b}c\n"), "a\nb\\u{1b}c\n");
    }

    #[test]
    fn markdown_is_shown_as_it_is_written() {
        assert_eq!(
            markdown("<svg onload=\"f()\">|`x`[a](b)\nc &lt; d"),
            "&lt;svg onload=\"f()\">\\|\\`x\\`\\[a\\](b)\\\\nc &amp;lt; d"
        );
        let plain = "p < 0.05, M&Ms & ACDC, a > b";
        assert_eq!(markdown(plain), plain);
    }

    #[test]
    fn no_cell_is_a_formula_and_every_cell_is_read_back() {
        for text in [
            "=cmd|calc!A1",
            "+1+1",
            "-2+3",
            "@SUM(1)",
            "\t=1",
            "\r=1",
            " =1",
            "\"=1",
            "-a",
            "\u{ff1d}1",
            "'=1",
            "''=1",
            "=HYPERLINK(\"http://evil\")",
        ] {
            assert!(to_cell(text).starts_with('\''), "{text:?}");
            assert_eq!(from_cell(&to_cell(text)), text);
        }
        for text in
            ["-3.5", "+2", "-1e-5", "-", "", "patient001", "A=B", "'quoted'", "O'Neill", "1-2"]
        {
            assert_eq!(to_cell(text), text);
            assert_eq!(from_cell(text), text);
        }
    }
}
