//! Colours and markers, the same for a method in every figure.

use maud::{Markup, html};

use super::chart::rounded;
use crate::report::format::title;
use settings::Method;

/// The number of colours and markers.
const STYLES: usize = 7;

/// Index of a method's colour and marker.
pub fn style(method: Method) -> usize {
    Method::ALL.iter().position(|other| *other == method).unwrap_or(0)
}

/// The CSS class of a style.
pub fn style_of(style: usize) -> String {
    format!("s{}", style % STYLES)
}

/// A marker at a position.
pub fn marker(style: usize, x: f64, y: f64) -> Markup {
    let [l, r, t, b] = [x - 4.0, x + 4.0, y - 4.0, y + 4.0].map(rounded);
    let (x, y) = (rounded(x), rounded(y));
    html! {
        @match style % STYLES {
            0 => circle.mark cx=(x) cy=(y) r="3.6" {},
            1 => rect.mark x=(rounded(l + 0.6)) y=(rounded(t + 0.6)) width="6.8" height="6.8" {},
            2 => path.mark d={ "M" (l) " " (b) "L" (r) " " (b) "L" (x) " " (t) "Z" } {},
            3 => path.mark d={ "M" (l) " " (y) "L" (x) " " (t) "L" (r) " " (y) "L" (x) " " (b) "Z" } {},
            4 => path.mark d={ "M" (l) " " (t) "L" (r) " " (t) "L" (x) " " (b) "Z" } {},
            5 => path.cross d={ "M" (l) " " (t) "L" (r) " " (b) "M" (l) " " (b) "L" (r) " " (t) } {},
            _ => path.cross d={ "M" (l) " " (y) "L" (r) " " (y) "M" (x) " " (b) "L" (x) " " (t) } {},
        }
    }
}

/// A legend of methods.
pub fn legend(methods: &[Method]) -> Markup {
    let items: Vec<(usize, String)> =
        methods.iter().map(|&method| (style(method), title(method).to_owned())).collect();
    legend_of(&items)
}

/// A legend of names with their styles.
pub fn legend_of(items: &[(usize, String)]) -> Markup {
    html! {
        ul.legend {
            @for (style, name) in items {
                li {
                    svg viewBox="0 0 28 12" width="28" height="12" aria-hidden="true" {
                        g class=(style_of(*style)) {
                            path.line d="M1 6L27 6" {}
                            (marker(*style, 14.0, 6.0))
                        }
                    }
                    " " (name)
                }
            }
        }
    }
}
