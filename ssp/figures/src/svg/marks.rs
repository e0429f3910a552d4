//! Markers and legends. A style is an index: it selects one of seven colours and of seven markers.

use maud::{Markup, html};

use super::text::rounded;
use crate::colour::PALETTE;

/// CSS class that sets the colour of a style. Styles repeat after seven.
pub(super) fn class(style: usize) -> String {
    format!("s{}", style % PALETTE.len())
}

/// The marker of a style, centred at (`x`, `y`). Shapes differ so that lines can be
/// distinguished without colour.
pub(super) fn marker(style: usize, x: f64, y: f64) -> Markup {
    let [l, r, t, b] = [x - 4.0, x + 4.0, y - 4.0, y + 4.0].map(rounded);
    let (x, y) = (rounded(x), rounded(y));
    html! {
        @match style % PALETTE.len() {
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

/// A legend as a list: for each item (style, name), a line with its marker and the name.
pub fn legend(items: &[(usize, String)]) -> Markup {
    html! {
        ul.legend {
            @for (style, name) in items {
                li {
                    svg viewBox="0 0 28 12" width="28" height="12" aria-hidden="true" {
                        g class=(class(*style)) {
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
