//! Numbers and names as the report writes them.

use super::compare::Group;
use super::statistics::Spread;
use settings::Method;

/// A method as it is written.
pub fn title(method: Method) -> &'static str {
    match method {
        Method::Scratch => "scratch",
        Method::SimClr => "SimCLR",
        Method::Pcl => "PCL",
        Method::Dino => "DINO",
        Method::Mim => "MIM",
    }
}

/// A p alone in its column: `0.012`, `< 0.001`.
pub fn p(p: f64) -> String {
    if p < 0.001 { "< 0.001".into() } else { digits(p) }
}

/// A p in a sentence: `p = 0.012`, `p < 0.001`.
pub fn p_in_words(p: f64) -> String {
    if p < 0.001 { "p < 0.001".into() } else { format!("p = {}", digits(p)) }
}

/// Three places, and a fourth where it takes that to be on the right side of 0.05.
fn digits(p: f64) -> String {
    if (0.045..0.055).contains(&p) { format!("{p:.4}") } else { format!("{p:.3}") }
}

/// A difference: `+0.012`, `−0.003`; what rounds to nothing has no sign.
pub fn signed(value: f64) -> String {
    let text = format!("{value:+.3}");
    if text.ends_with("0.000") { "0.000".into() } else { text.replace('-', "−") }
}

/// An interval: `−0.003 to +0.012`.
pub fn interval([low, high]: [f64; 2]) -> String {
    format!("{} to {}", signed(low), signed(high))
}

/// A share of a hundred: `−1.2 %`.
pub fn percent(share: f64) -> String {
    format!("{:+.1} %", 100.0 * share).replace('-', "−")
}

/// `5`, `5 and 10`, `5, 10 and 25`.
pub fn listed(items: &[String]) -> String {
    match items {
        [] => String::new(),
        [one] => one.clone(),
        [rest @ .., last] => format!("{} and {last}", rest.join(", ")),
    }
}

/// `1 seed`, `2 seeds`.
pub fn number(count: usize, what: &str) -> String {
    if count == 1 { format!("1 {what}") } else { format!("{count} {what}s") }
}

/// A length of time: `45 s`, `12 min`, `3.5 h`.
pub fn time(seconds: f64) -> String {
    match seconds {
        s if s < 100.0 => format!("{s:.0} s"),
        s if s < 6000.0 => format!("{:.0} min", s / 60.0),
        s => format!("{:.1} h", s / 3600.0),
    }
}

/// A mean over seeds as a table has it.
pub struct Entry {
    /// `0.812`.
    pub mean: String,
    /// `± 0.010`; none of one seed.
    pub deviation: Option<String>,
    /// `2 seeds`, where others were to be.
    pub fewer: Option<String>,
}

impl Entry {
    /// Of a method's cells in a group.
    pub fn of(spread: Spread, group: &Group, method: Method) -> Self {
        let seeds = group.side(method).map_or(0, |side| side.cells.len());
        Entry {
            mean: format!("{:.3}", spread.mean),
            deviation: spread.deviation.map(|deviation| format!("± {deviation:.3}")),
            fewer: (seeds < group.seeds).then(|| number(seeds, "seed")),
        }
    }

    /// On one line.
    pub fn line(&self) -> String {
        let mut text = self.mean.clone();
        if let Some(deviation) = &self.deviation {
            text += &format!(" {deviation}");
        }
        if let Some(fewer) = &self.fewer {
            text += &format!(" ({fewer})");
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_as_they_are_meant() {
        assert_eq!((signed(-0.0204).as_str(), signed(-0.0004).as_str()), ("−0.020", "0.000"));
        assert_eq!(interval([-0.003, 0.0121]), "−0.003 to +0.012");
        assert_eq!((p(0.0004).as_str(), p_in_words(0.0125).as_str()), ("< 0.001", "p = 0.013"));
        assert_eq!(percent(-0.0123), "−1.2 %");
        assert_eq!((time(62.5).as_str(), time(600.0).as_str()), ("62 s", "10 min"));
        assert_eq!(listed(&["5".into(), "10".into(), "all 36".into()]), "5, 10 and all 36");
        assert_eq!((number(1, "seed"), number(3, "seed")), ("1 seed".into(), "3 seeds".into()));
    }
}
