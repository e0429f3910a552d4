//! What g++ cannot take of a kernel source is rewritten: declarations of shared variables, which
//! C++ has no word for, and kernels, which are described so that they can be found and called.
//!
//! Everything stays on its line, so that messages name the lines of the source.

use std::ops::Range;

/// A source that g++ takes, and the kernels in it.
pub struct Rewritten {
    pub text: String,
    pub kernels: Vec<String>,
}

/// Rewrites a whole program.
///
/// # Errors
/// On declarations that make no sense, with the line's text.
pub fn rewrite(source: &str) -> Result<Rewritten, String> {
    let source = without_comments(source);
    let mut text = String::with_capacity(2 * source.len());
    let mut kernels = Vec::new();
    let mut rest = source.as_str();
    while let Some((at, word)) = next_of(rest, &["__shared__", "__global__"]) {
        let (before, from) = rest.split_at(at);
        let after = &from[word.len()..];
        rest = match word {
            "__shared__" => shared(&mut text, before, after),
            _ => kernel(&mut text, &mut kernels, before, after),
        }
        .map_err(|what| format!("{what}: {}", line_around(before, from)))?;
    }
    text.push_str(rest);
    Ok(Rewritten { text, kernels })
}

/// `__shared__ T name[n], ...;`, or `extern __shared__ T name[];`.
fn shared<'a>(text: &mut String, before: &str, after: &'a str) -> Result<&'a str, String> {
    let end = after.find(';').ok_or("a shared variable without `;`")?;
    let (alignment, declaration) = take_alignment(&after[..end]);
    let trimmed = before.trim_end();
    if let Some(start) = trimmed.strip_suffix("extern") {
        let (kind, name, _) = declarator(&declaration).ok_or("an unnamed shared variable")?;
        text.push_str(start);
        text.push_str(&format!("{kind}* const {name} = emulated::dynamic_shared<{kind}>();"));
    } else {
        text.push_str(before);
        let mut kind = "";
        let parts: Vec<&str> = split_commas(&declaration);
        for (index, part) in parts.iter().enumerate() {
            let (first, name, extents) = declarator(part).ok_or("an unnamed shared variable")?;
            kind = if index == 0 { first } else { kind };
            let of = match &alignment {
                Some(alignment) => format!("{kind}{extents}, {alignment}"),
                None => format!("{kind}{extents}"),
            };
            text.push_str(&format!(
                "static emulated::Shared<{of}> {name}_shared{{\"{name}\"}}; \
                 auto& {name} = {name}_shared.here(); "
            ));
        }
    }
    // Lines that the declaration took.
    text.extend(after[..end].chars().filter(|&c| c == '\n'));
    Ok(&after[end + 1..])
}

/// `extern "C" __global__ void __launch_bounds__(n) name(parameters)`, of which `before` has all up
/// to `__global__`.
fn kernel<'a>(
    text: &mut String,
    kernels: &mut Vec<String>,
    before: &str,
    after: &'a str,
) -> Result<&'a str, String> {
    let trimmed = before.trim_end();
    let linkage = trimmed.strip_suffix("\"C\"").map(str::trim_end);
    let start = linkage
        .and_then(|text| text.strip_suffix("extern"))
        .ok_or("a kernel must be extern \"C\", to be found by its name")?;

    let mut bound = "0";
    let mut rest = after.trim_start();
    let (name, parameters) = loop {
        let word = word_at(rest).ok_or("a kernel without a name")?;
        rest = rest[word.len()..].trim_start();
        match word {
            "void" => {}
            "__launch_bounds__" => {
                let inner = parenthesised(rest).ok_or("__launch_bounds__ without a number")?;
                bound = split_commas(&rest[inner.clone()])[0];
                rest = rest[inner.end + 1..].trim_start();
            }
            name => break (name, parenthesised(rest).ok_or("a kernel without parameters")?),
        }
    };
    let list = rest[parameters.clone()].replace('\n', " ");
    let body = &rest[parameters.end + 1..];

    text.push_str(start);
    if !body.trim_start().starts_with(';') {
        text.push_str(&format!(
            "extern \"C\" void {name}({list}); EMULATED_KERNEL({name}, ({bound})) "
        ));
        kernels.push(name.to_string());
    }
    let signature = &after[..after.len() - body.len()];
    text.push_str(&before[start.len()..]);
    text.push_str("__global__");
    text.push_str(signature);
    Ok(body)
}

/// The source with spaces for comments.
fn without_comments(source: &str) -> String {
    let mut text = String::with_capacity(source.len());
    let mut rest = source;
    while let Some(character) = rest.chars().next() {
        let length = if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if rest.starts_with("/*") {
            rest.find("*/").map_or(rest.len(), |end| end + 2)
        } else if character == '"' {
            string_length(rest)
        } else {
            character.len_utf8()
        };
        let (piece, next) = rest.split_at(length);
        if piece.starts_with("//") || piece.starts_with("/*") {
            text.extend(piece.chars().map(|c| if c == '\n' { '\n' } else { ' ' }));
        } else {
            text.push_str(piece);
        }
        rest = next;
    }
    text
}

/// Bytes of the string literal that a text begins with.
fn string_length(text: &str) -> usize {
    let mut escaped = false;
    for (at, character) in text.char_indices().skip(1) {
        match character {
            '"' | '\n' if !escaped => return at + character.len_utf8(),
            _ => escaped = character == '\\' && !escaped,
        }
    }
    text.len()
}

/// Where the first of some words stands, as a whole word.
fn next_of<'w>(text: &str, words: &[&'w str]) -> Option<(usize, &'w str)> {
    let is_part = |c: char| c.is_alphanumeric() || c == '_';
    let first = |word: &&'w str| {
        let whole = text.match_indices(*word).find(|&(at, _)| {
            !text[..at].ends_with(is_part) && !text[at + word.len()..].starts_with(is_part)
        });
        whole.map(|(at, _)| (at, *word))
    };
    words.iter().filter_map(first).min()
}

/// The word that a text begins with.
fn word_at(text: &str) -> Option<&str> {
    let end = text.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(text.len());
    (end > 0).then(|| &text[..end])
}

/// The word that a text ends with.
fn last_word(text: &str) -> Option<&str> {
    let text = text.trim_end();
    let start = text.rfind(|c: char| !c.is_alphanumeric() && c != '_').map_or(0, |at| at + 1);
    (start < text.len()).then(|| &text[start..])
}

/// What is between the parentheses that a text begins with.
fn parenthesised(text: &str) -> Option<Range<usize>> {
    if !text.starts_with('(') {
        return None;
    }
    let mut depth = 0;
    for (at, character) in text.char_indices() {
        match character {
            '(' => depth += 1,
            ')' if depth == 1 => return Some(1..at),
            ')' => depth -= 1,
            _ => {}
        }
    }
    None
}

/// Parts between commas that are not within brackets of any kind.
fn split_commas(text: &str) -> Vec<&str> {
    let mut depth = 0;
    let outer = |character: char| {
        match character {
            '(' | '[' | '<' | '{' => depth += 1,
            ')' | ']' | '>' | '}' => depth -= 1,
            _ => {}
        }
        character == ',' && depth == 0
    };
    text.split(outer).map(str::trim).collect()
}

/// Type, name and extents of `float tile[2][16]`.
fn declarator(text: &str) -> Option<(&str, &str, &str)> {
    let text = text.trim();
    let extents = text.find('[').unwrap_or(text.len());
    let name = last_word(&text[..extents])?;
    let kind = text[..extents].trim_end().strip_suffix(name)?.trim();
    Some((kind, name, &text[extents..]))
}

/// The number of `__align__(16)` or `alignas(16)`, and the declaration without it, on one line.
fn take_alignment(declaration: &str) -> (Option<String>, String) {
    let declaration = declaration.replace('\n', " ");
    let Some((at, word)) = next_of(&declaration, &["__align__", "alignas"]) else {
        return (None, declaration);
    };
    let after = at + word.len();
    let rest = declaration[after..].trim_start();
    let Some(inner) = parenthesised(rest) else { return (None, declaration) };
    let number = rest[inner.clone()].to_string();
    (Some(number), format!("{}{}", &declaration[..at], &rest[inner.end + 1..]))
}

/// The line in which `before` ends and `after` begins.
fn line_around(before: &str, after: &str) -> String {
    let start = before.rfind('\n').map_or(0, |at| at + 1);
    let end = after.find('\n').unwrap_or(after.len());
    format!("{}{}", &before[start..], &after[..end]).trim().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(source: &str) -> String {
        rewrite(source).unwrap().text
    }

    #[test]
    fn shared_variables_become_references() {
        assert_eq!(
            text("__shared__ __align__(16) Real a[2][N], b;"),
            "static emulated::Shared<Real[2][N], 16> a_shared{\"a\"}; auto& a = a_shared.here(); \
             static emulated::Shared<Real, 16> b_shared{\"b\"}; auto& b = b_shared.here(); "
        );
        assert_eq!(
            text("extern __shared__ unsigned char all[];"),
            "unsigned char* const all = emulated::dynamic_shared<unsigned char>();"
        );
    }

    #[test]
    fn kernels_are_declared_and_described() {
        let source = "extern \"C\" __global__ void __launch_bounds__(F(2, 3), 1) add(\n\
                      Add a) {}";
        let rewritten = rewrite(source).unwrap();
        assert_eq!(rewritten.kernels, ["add"]);
        assert_eq!(
            rewritten.text,
            format!("extern \"C\" void add( Add a); EMULATED_KERNEL(add, (F(2, 3))) {source}")
        );
        assert!(rewrite("__global__ void add() {}").is_err());
    }

    #[test]
    fn comments_and_lines_do_not_matter() {
        let source = "// __shared__ x\n/* __global__\n */ int a; const char* s = \"// no\";\n";
        let lines = |text: &str| text.matches('\n').count();
        assert_eq!(lines(&text(source)), lines(source));
        assert!(text(source).contains("\"// no\""));
        let source = "__shared__\nfloat a\n[4];\nint b;";
        assert_eq!(lines(&text(source)), lines(source));
    }
}
