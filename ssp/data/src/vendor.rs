//! Scanner vendors, which sources name differently.

/// The letter of a vendor in M&Ms, whichever way a source names it: A Siemens, B Philips, C General
/// Electric, D Canon (Toshiba until 2016). A name of none of them stays as it is.
pub fn letter(name: &str) -> &str {
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
    let begins = |known: &str| {
        lower.strip_prefix(known).is_some_and(|rest| !rest.starts_with(char::is_alphanumeric))
    };
    if let Some(known) = ["A", "B", "C", "D"].into_iter().find(|l| l.eq_ignore_ascii_case(name)) {
        return known;
    }
    NAMES.into_iter().find(|(known, _)| begins(known)).map_or(name, |(_, letter)| letter)
}

#[cfg(test)]
mod tests {
    use super::letter;

    #[test]
    fn vendors_are_the_same_under_every_name() {
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
            assert_eq!(letter(name), wanted, "{name}");
        }
    }
}
