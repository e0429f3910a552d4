//! `report.html`: one file without external resources, for screens, phones and paper.

pub mod curves;
pub mod forest;
pub mod protocol;
pub mod provenance;
pub mod published;
mod settings;
pub mod worst;

use ::settings::Method;
use figures::svg;
use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::TITLE;
use super::document::Section;
use super::format::title;

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
                style { (PreEscaped(svg::style_sheet())) (PreEscaped(include_str!("style.css"))) }
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

/// Index of a method's colour and marker, the same in every chart.
fn style(method: Method) -> usize {
    Method::ALL.iter().position(|other| *other == method).unwrap_or(0)
}

/// A legend of methods.
pub fn legend(methods: &[Method]) -> Markup {
    let item = |&method: &Method| (style(method), title(method).to_owned());
    svg::legend(&methods.iter().map(item).collect::<Vec<_>>())
}
