//! How the report writes numbers, methods and units.

use super::statistics::MeanSd;
use settings::Method;

/// The name of a method.
pub fn title(method: Method) -> &'static str {
    match method {
        Method::Scratch => "scratch",
        Method::SimClr => "SimCLR",
        Method::Pcl => "PCL",
        Method::Dino => "DINO",
        Method::Mim => "MIM",
    }
}

/// A p value: `0.012`, `< 0.001`. Near 0.05 it has a fourth digit, to show on which side it is.
pub fn p_value(p: f64) -> String {
    match p {
        p if p < 0.001 => "< 0.001".into(),
        p if (0.045..0.055).contains(&p) => format!("{p:.4}"),
        p => format!("{p:.3}"),
    }
}

/// A difference: `+0.012`, `−0.003`; what rounds to 0 has no sign.
pub fn signed(value: f64) -> String {
    let text = format!("{value:+.3}");
    if text.ends_with("0.000") { "0.000".into() } else { text.replace('-', "−") }
}

/// An interval: `−0.003 to +0.012`.
pub fn interval([low, high]: [f64; 2]) -> String {
    format!("{} to {}", signed(low), signed(high))
}

/// A relative change in per cent: `−1.2 %`.
pub fn percent(share: f64) -> String {
    format!("{:+.1} %", 100.0 * share).replace('-', "−")
}

/// `0.812 ± 0.010` as two parts, the second missing for a single value.
pub fn mean_and_sd(MeanSd { mean, sd }: MeanSd, digits: usize) -> (String, Option<String>) {
    (format!("{mean:.digits$}"), sd.map(|sd| format!("± {sd:.digits$}")))
}

/// A number of labelled subjects as options and folders write it: `5`, `all`.
pub fn labelled(count: Option<usize>) -> String {
    count.map_or("all".to_owned(), |count| count.to_string())
}

/// A count with its noun: `1 seed`, `2 seeds`.
pub fn number(count: usize, noun: &str) -> String {
    if count == 1 { format!("1 {noun}") } else { format!("{count} {noun}s") }
}

/// A duration: `45 s`, `12 min`, `3.5 h`.
pub fn duration(seconds: f64) -> String {
    match seconds {
        s if s < 100.0 => format!("{s:.0} s"),
        s if s < 6000.0 => format!("{:.0} min", s / 60.0),
        s => format!("{:.1} h", s / 3600.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_rounded_and_signed() {
        assert_eq!((signed(-0.0204).as_str(), signed(-0.0004).as_str()), ("−0.020", "0.000"));
        assert_eq!(interval([-0.003, 0.0121]), "−0.003 to +0.012");
        let p = [0.0004, 0.0125, 0.0496, 0.0504].map(p_value);
        assert_eq!(p, ["< 0.001", "0.013", "0.0496", "0.0504"]);
        assert_eq!(percent(-0.0123), "−1.2 %");
        assert_eq!((duration(62.5).as_str(), duration(600.0).as_str()), ("62 s", "10 min"));
        assert_eq!((number(1, "seed"), number(3, "seed")), ("1 seed".into(), "3 seeds".into()));
        assert_eq!((labelled(Some(5)).as_str(), labelled(None).as_str()), ("5", "all"));
        let spread = MeanSd { mean: 4.25, sd: Some(0.31) };
        assert_eq!(mean_and_sd(spread, 1), ("4.2".into(), Some("± 0.3".into())));
    }
}
