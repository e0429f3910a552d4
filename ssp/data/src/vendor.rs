//! Scanner vendors, whose names differ between data sets.

/// A vendor's letter in M&Ms: A Siemens, B Philips, C General Electric, D Canon (Toshiba until 2016).
/// `name` may be a letter or a name that begins with one of these; any other is returned trimmed.
pub fn vendor_letter(name: &str) -> &str {
    const NAMES: [(&str, &str); 6] = [
        ("siemens", "A"),
        ("philips", "B"),
        ("ge", "C"),
        ("general electric", "C"),
        ("canon", "D"),
        ("toshiba", "D"),
    ];
    let name = name.trim();
    let lower = name.to_lowercase();
    let begins_with = |known: &str| {
        lower.strip_prefix(known).is_some_and(|rest| !rest.starts_with(char::is_alphanumeric))
    };
    if let Some(known) = ["A", "B", "C", "D"].into_iter().find(|l| l.eq_ignore_ascii_case(name)) {
        return known;
    }
    NAMES.into_iter().find(|(known, _)| begins_with(known)).map_or(name, |(_, letter)| letter)
}

#[cfg(test)]
mod tests {
    use super::vendor_letter;

    #[test]
    fn every_name_of_a_vendor_has_the_same_letter() {
        for (name, wanted) in [
            ("A", "A"),
            ("b", "B"),
            ("SIEMENS", "A"),
            ("Siemens Healthineers", "A"),
            ("Philips Medical Systems", "B"),
            ("GE MEDICAL SYSTEMS", "C"),
            ("General Electric", "C"),
            ("Canon", "D"),
            ("Geneva", "Geneva"),
            ("", ""),
        ] {
            assert_eq!(vendor_letter(name), wanted, "{name}");
        }
    }
}
