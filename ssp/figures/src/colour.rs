//! The palette of all figures. Its hues can be distinguished by colour-blind readers (Okabe and Ito,
//! *Color Universal Design*, 2008).

use data::Label;

/// Red, green and blue, 0 to 255.
pub type Colour = [u8; 3];

pub(super) const WHITE: Colour = [255, 255, 255];
pub(super) const BLACK: Colour = [0, 0, 0];
/// Text and axes.
pub(super) const INK: Colour = [34, 34, 34];
/// Secondary text.
pub(super) const FAINT_INK: Colour = [95, 95, 95];
/// Grid lines.
pub(super) const GRID: Colour = [226, 226, 226];

/// A colour of the palette in the two versions that have enough contrast on light and dark paper.
#[derive(Clone, Copy)]
pub(super) struct Hue {
    pub light: Colour,
    pub dark: Colour,
}

/// Colours of lines: black, blue, vermilion, bluish green, reddish purple, orange, sky blue.
/// SVG charts number their styles in this order; pictures begin with blue, as their text is black.
pub(super) const PALETTE: [Hue; 7] = [
    Hue { light: INK, dark: [240, 240, 238] },
    Hue { light: [0, 114, 178], dark: [74, 168, 224] },
    Hue { light: [198, 79, 0], dark: [240, 138, 69] },
    Hue { light: [0, 128, 94], dark: [47, 196, 154] },
    Hue { light: [168, 79, 134], dark: [221, 147, 190] },
    Hue { light: [176, 120, 0], dark: [230, 169, 60] },
    Hue { light: [47, 134, 189], dark: [138, 204, 242] },
];

/// Background around images: a white border would make their dark parts hard to see.
pub(super) const PANEL: Colour = [20, 20, 22];
/// Text on a panel.
pub(super) const LIGHT_INK: Colour = [222, 222, 226];
/// Outlines on grey images: orange.
pub(super) const MARK: Colour = [230, 159, 0];

/// Colour of line `index` in a picture: blue first, black last, then again from blue.
pub fn series_colour(index: usize) -> Colour {
    PALETTE[(index + 1) % PALETTE.len()].light
}

/// Colour of a structure in overlays: LV vermilion, MYO bluish green, RV sky blue.
pub fn label_colour(label: Label) -> Colour {
    match label {
        Label::Background => BLACK,
        Label::LeftVentricle => [230, 85, 13],
        Label::Myocardium => [0, 178, 130],
        Label::RightVentricle => [86, 180, 233],
    }
}

/// `over` painted on `under` with opacity `alpha`, 0 to 1.
pub(super) fn blend(under: Colour, over: Colour, alpha: f32) -> Colour {
    std::array::from_fn(|channel| {
        let (under, over) = (f32::from(under[channel]), f32::from(over[channel]));
        (under + (over - under) * alpha).round() as u8
    })
}
