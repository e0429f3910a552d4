//! `report.html`: one file without external resources, for screens, phones and paper.

mod chart;
pub mod curves;
pub mod forest;
mod marks;
pub mod protocol;
pub mod provenance;
pub mod published;
mod settings;
pub mod worst;

use maud::{DOCTYPE, PreEscaped, html};

use super::TITLE;
use super::document::Section;
pub use marks::legend;

/// The page.
pub fn page(source: Option<&str>, sections: &[Section]) -> String {
    let source = source.unwrap_or("no data yet");
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                // An empty icon: browsers request one otherwise.
                link rel="icon" href="data:,";
                title { "cine sweep: " (source) }
                style { (PreEscaped(include_str!("style.css"))) }
            }
            body {
                h1 { (TITLE) }
                p.faint {
                    (source) ". Segmentation of short-axis cine MR; Dice in 3D on held-out subjects."
                }
                @for section in sections { (section.to_html()) }
            }
        }
    };
    page.into_string()
}
