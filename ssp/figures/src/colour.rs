//! Colours that stay apart for colour-blind readers (Okabe and Ito, *Color Universal Design*,
//! 2008), the same in every figure.

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

/// Lines, in the order in which series take them: blue, vermilion, bluish green, reddish purple,
/// orange, sky blue, black.
const SERIES: [Colour; 7] = [
    [0, 114, 178],
    [213, 94, 0],
    [0, 158, 115],
    [204, 121, 167],
    [230, 159, 0],
    [86, 180, 233],
    [0, 0, 0],
];

/// Around images, so that no white border blinds the eye to what is dark in them.
pub(super) const PANEL: Colour = [20, 20, 22];
/// Text on a panel.
pub(super) const LIGHT_INK: Colour = [222, 222, 226];
/// Outlines on grey images: the orange of the palette.
pub(super) const MARK: Colour = [230, 159, 0];

/// Colour of the line number `index`; they repeat after seven.
pub fn series_colour(index: usize) -> Colour {
    SERIES[index % SERIES.len()]
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

/// `over` laid on `under` with opacity `alpha`, 0 to 1.
pub(super) fn blend(under: Colour, over: Colour, alpha: f32) -> Colour {
    std::array::from_fn(|channel| {
        let (under, over) = (f32::from(under[channel]), f32::from(over[channel]));
        (under + (over - under) * alpha).round() as u8
    })
}
