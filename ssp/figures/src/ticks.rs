//! Round tick positions and the text of their labels.

/// About `count` round values (1, 2 or 5 times a power of ten) within `low` to `high`.
pub(super) fn linear(low: f64, high: f64, count: usize) -> Vec<f64> {
    let rough = (high - low) / (1.4 * count.max(1) as f64);
    let power = 10f64.powf(rough.log10().floor());
    let step = [1.0, 2.0, 5.0].map(|m| m * power).into_iter().find(|step| *step >= rough);
    let step = step.unwrap_or(10.0 * power);
    let slack = 1e-9 * step;
    let (first, last) = (((low - slack) / step).ceil(), ((high + slack) / step).floor());
    (0..=(last - first).max(0.0) as usize).map(|k| (first + k as f64) * step).collect()
}

/// Logarithms (base ten) of round values within the logarithms `low` to `high`: whole powers of
/// ten if they span two decades, and else 1, 2 and 5 times those, or finer steps until there are three ticks.
pub(super) fn logarithmic(low: f64, high: f64) -> Vec<f64> {
    let decades = |multiples: &[f64]| -> Vec<f64> {
        (low.floor() as i32..=high.ceil() as i32)
            .flat_map(|power| multiples.iter().map(move |m| f64::from(power) + m.log10()))
            .filter(|value| (low - 1e-9..=high + 1e-9).contains(value))
            .collect()
    };
    if high - low > 8.0 {
        let every = ((high - low) / 6.0).ceil();
        return decades(&[1.0]).into_iter().filter(|v| v.rem_euclid(every) < 0.5).collect();
    }
    let sets: [&[f64]; 3] = [&[1.0], &[1.0, 2.0, 5.0], &[1.0, 1.5, 2.0, 3.0, 4.0, 5.0, 7.0]];
    let found = sets.iter().map(|set| decades(set)).find(|values| values.len() >= 3);
    found.unwrap_or_else(|| {
        linear(10f64.powf(low), 10f64.powf(high), 5).iter().map(|value| value.log10()).collect()
    })
}

/// `value` with as many decimal places as are needed to distinguish ticks `step` apart.
pub(super) fn tick_label(value: f64, step: f64) -> String {
    let value = if value.abs() < 1e-9 * step.abs() { 0.0 } else { value };
    if value != 0.0 && !(1e-3..1e6).contains(&value.abs()) {
        return shortest(value);
    }
    let places = (-step.abs().log10() - 1e-9).ceil().clamp(0.0, 6.0) as usize;
    format!("{value:.places$}").replace('-', "−")
}

/// A value to four significant digits, without trailing zeros.
pub(super) fn shortest(value: f64) -> String {
    let rounded = format!("{value:.3e}").parse().unwrap_or(value);
    let text = match (1e-3..1e6).contains(&rounded.abs()) {
        true => format!("{rounded}"),
        false => format!("{rounded:e}"),
    };
    text.replace('-', "−")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(found: &[f64], wanted: &[f64]) -> bool {
        found.len() == wanted.len() && found.iter().zip(wanted).all(|(a, b)| (a - b).abs() < 1e-9)
    }

    #[test]
    fn ticks_are_round_and_inside() {
        assert!(close(&linear(0.0, 1.0, 5), &[0.0, 0.2, 0.4, 0.6, 0.8, 1.0]));
        assert!(close(&linear(-3.0, 17.0, 4), &[0.0, 5.0, 10.0, 15.0]));
        assert!(close(&linear(0.812, 0.853, 4), &[0.82, 0.83, 0.84, 0.85]));
        assert!(close(&logarithmic(-4.0, -1.0), &[-4.0, -3.0, -2.0, -1.0]));
        let within: Vec<_> = logarithmic(0.0, 1.0).iter().map(|v| 10f64.powf(*v)).collect();
        assert!(close(&within, &[1.0, 2.0, 5.0, 10.0]));
        assert!(logarithmic(0.30, 0.31).len() >= 3);
        assert!(logarithmic(-20.0, 20.0).len() < 10);
    }

    #[test]
    fn values_are_short() {
        assert_eq!(tick_label(0.2, 0.1), "0.2");
        assert_eq!(tick_label(0.30000000000000004, 0.05), "0.30");
        assert_eq!(tick_label(1500.0, 500.0), "1500");
        assert_eq!(tick_label(0.0001, 0.0001), "1e−4");
        assert_eq!(tick_label(-2.5e7, 5e6), "−2.5e7");
        assert_eq!(tick_label(-1e-17, 0.1), "0.0");
        assert_eq!(shortest(0.15000000000000002), "0.15");
        assert_eq!(shortest(9.999999999e-5), "1e−4");
        assert_eq!(shortest(2000.0), "2000");
    }
}
