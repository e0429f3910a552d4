//! The style sheet of the SVG charts: colours of a light and a dark page, and the classes.

use crate::colour::{Colour, FAINT_INK, GRID, INK, PALETTE, WHITE};

/// Colours of a page.
struct Theme {
    ink: Colour,
    faint_ink: Colour,
    grid: Colour,
    paper: Colour,
    series: [Colour; PALETTE.len()],
}

/// CSS for the charts of this module, to be included once in a page.
///
/// It defines the custom properties `--ink`, `--faint`, `--grid`, `--paper` and `--s0` to `--s6`,
/// which the page may use too, with other values where the reader prefers a dark page.
pub fn style_sheet() -> String {
    let light = Theme {
        ink: INK,
        faint_ink: FAINT_INK,
        grid: GRID,
        paper: WHITE,
        series: PALETTE.map(|hue| hue.light),
    };
    let dark = Theme {
        ink: [232, 232, 230],
        faint_ink: [169, 169, 166],
        grid: [52, 52, 58],
        paper: [22, 22, 26],
        series: PALETTE.map(|hue| hue.dark),
    };
    let classes =
        (0..PALETTE.len()).map(|style| format!(".s{style} {{ --c: var(--s{style}); }}\n"));
    format!(
        ":root {{ color-scheme: light dark; {} }}\n\
         @media (prefers-color-scheme: dark) {{ :root {{ {} }} }}\n{}{}",
        light.properties(),
        dark.properties(),
        include_str!("style.css"),
        classes.collect::<String>(),
    )
}

impl Theme {
    /// The colours as CSS custom properties.
    fn properties(&self) -> String {
        let named = [
            ("ink", self.ink),
            ("faint", self.faint_ink),
            ("grid", self.grid),
            ("paper", self.paper),
        ];
        let named = named.map(|(name, colour)| (name.to_owned(), colour)).into_iter();
        let series =
            self.series.into_iter().enumerate().map(|(n, colour)| (format!("s{n}"), colour));
        let properties = named.chain(series).map(|(name, [red, green, blue])| {
            format!("--{name}: #{red:02x}{green:02x}{blue:02x};")
        });
        properties.collect::<Vec<_>>().join(" ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn light_and_dark_pages_have_all_colours() {
        let css = style_sheet();
        let (light, dark) = css.split_once("@media (prefers-color-scheme: dark)").unwrap();
        for name in ["ink", "faint", "grid", "paper", "s0", "s6"] {
            let property = format!("--{name}: #");
            let value =
                |part: &str| part.split_once(&property).map(|(_, rest)| rest[..6].to_owned());
            assert!(value(light).is_some() && value(dark).is_some(), "{name}");
            assert_ne!(value(light), value(dark), "{name}");
        }
        assert!(css.contains("--s1: #0072b2;") && css.contains(".s6 { --c: var(--s6); }"));
        assert_eq!(css.matches('{').count(), css.matches('}').count());
    }
}
