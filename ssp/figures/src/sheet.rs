//! Sheets: named rows of images on a dark panel, all in one grey-scale window. Views of slices,
//! reconstructions, nearest neighbours.

use super::canvas::{Align, Canvas, Picture, fitted, text_width};
use super::colour::{FAINT_INK, INK, LIGHT_INK, MARK, PANEL};
use super::grey::Window;
use super::regions::{Crop, Plane, known};
use super::relations;
use super::slice::{Layer, View};
use crate::{Error, Result};

/// Smallest width of an image where the page has space for it, and bounds on the width of a sheet.
const MIN_SIDE: usize = 180;
const MAX_WIDTH: usize = 1500;
const MIN_WIDTH: usize = 560;
/// Gap between images, wider gap before a separated column, margin of the sheet, padding of its panel.
const GAP: usize = 8;
const WIDE_GAP: usize = 26;
const MARGIN: usize = 18;
const PADDING: usize = 10;
/// Largest width of the names of rows.
const NAMES_WIDTH: usize = 150;
/// Heights of the title, of a line of the notes, of the column heads, and of a line of a caption.
const TITLE_HEIGHT: usize = 44;
const LINE_HEIGHT: usize = 22;
const HEADS_HEIGHT: usize = 32;
const CAPTION_HEIGHT: usize = 19;

/// What a column of a sheet holds in each row.
#[derive(Clone, Debug, PartialEq)]
pub struct Column {
    /// Text above the column.
    pub head: String,
    /// Number of images of half size, in two lines; 0 for one image of full size.
    pub halves: usize,
    /// Whether a wider gap separates it from the column before.
    pub apart: bool,
}

impl Column {
    /// One image a row.
    pub fn one(head: impl Into<String>) -> Self {
        Column { head: head.into(), halves: 0, apart: false }
    }

    /// `count` images of half size a row.
    pub fn halves(head: impl Into<String>, count: usize) -> Self {
        Column { head: head.into(), halves: count, apart: false }
    }

    /// The column, separated by a wider gap from the one before.
    pub fn apart(self) -> Self {
        Column { apart: true, ..self }
    }

    /// Number of images a row.
    fn images(&self) -> usize {
        self.halves.max(1)
    }

    /// Width where an image of full size is `side` wide.
    fn width(&self, side: usize) -> usize {
        match self.halves {
            0 => side,
            count => {
                let across = count.div_ceil(2);
                across * half(side) + (across - 1) * GAP
            }
        }
    }
}

/// Side of an image of half size: two of them and the gap between them are as one of full size.
fn half(side: usize) -> usize {
    (side - GAP) / 2
}

/// An image of a sheet.
#[derive(Clone, Debug, PartialEq)]
pub struct SheetImage<'a> {
    /// `rows * columns` intensities.
    pub image: &'a [f32],
    /// Rows and columns.
    pub size: [usize; 2],
    /// `rows * columns` labels, outlined where they are not 0.
    pub outlined: Option<&'a [u8]>,
    /// Lines of text under the image, truncated to its width. Not drawn under images of half size.
    pub caption: Vec<String>,
}

impl<'a> SheetImage<'a> {
    /// An image without outlines and caption; `size` is rows and columns.
    pub fn new(image: &'a [f32], size: [usize; 2]) -> Self {
        SheetImage { image, size, outlined: None, caption: vec![] }
    }

    /// The image with lines under it.
    pub fn caption(self, lines: impl IntoIterator<Item = String>) -> Self {
        SheetImage { caption: lines.into_iter().collect(), ..self }
    }

    fn check(&self) -> Result<()> {
        let [rows, columns] = self.size;
        let (pixels, given) = (rows * columns, self.image.len());
        let outlined = self.outlined.map_or(pixels, <[u8]>::len);
        if pixels == 0 || given != pixels || outlined != pixels {
            return Err(Error::Data(format!(
                "an image of {rows} rows and {columns} columns has {given} intensities and \
                 {outlined} labels to outline, not {pixels} of each"
            )));
        }
        self.outlined.map_or(Ok(()), known)
    }
}

/// A row of a sheet.
#[derive(Clone, Debug, PartialEq)]
pub struct SheetRow<'a> {
    /// Lines of text to the left of the row.
    pub names: Vec<String>,
    /// Its images, column by column.
    pub images: Vec<SheetImage<'a>>,
}

/// A sheet of images.
///
/// ```
/// use figures::{Column, Sheet, SheetImage, SheetRow, Window};
/// let ramp: Vec<f32> = (0..64 * 64).map(|value| value as f32).collect();
/// let image = || SheetImage::new(&ramp, [64, 64]);
/// let sheet = Sheet {
///     title: "Views".into(),
///     notes: vec![],
///     columns: vec![Column::one("global"), Column::halves("local", 2)],
///     strips: vec![SheetRow { names: vec!["A1".into()], images: vec![image(), image(), image()] }],
///     window: Window::of(&ramp),
///     related: vec![],
/// };
/// assert!(sheet.draw()?.width < 1600);
/// # Ok::<(), common::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Sheet<'a> {
    /// Heading.
    pub title: String,
    /// Paragraphs under it.
    pub notes: Vec<String>,
    /// Columns.
    pub columns: Vec<Column>,
    /// Rows.
    pub strips: Vec<SheetRow<'a>>,
    /// Grey-scale window of all images.
    pub window: Window,
    /// For each row the indices of related rows, drawn to the right of the panel; empty for none.
    pub related: Vec<Vec<usize>>,
}

impl Sheet<'_> {
    /// Draws the sheet.
    ///
    /// # Errors
    /// When a row has too few or too many images for the columns, an image's length is not that of
    /// its size, a label is unknown, or `related` does not match the rows.
    pub fn draw(&self) -> Result<Picture> {
        self.check()?;
        let layout = Layout::new(self)?;
        let mut canvas = Canvas::new(layout.page[0], layout.page[1])?;
        let left = MARGIN as f32;
        let title = fitted(&self.title, (layout.page[0] - 2 * MARGIN) as f32, 23.0)?;
        canvas.text(&title, left, 36.0, Align::Left, 23.0, INK)?;
        for (line, text) in layout.notes.iter().enumerate() {
            let y = (TITLE_HEIGHT + (line + 1) * LINE_HEIGHT - 5) as f32;
            canvas.text(text, left, y, Align::Left, 16.0, FAINT_INK)?;
        }
        let [x, y, width, height] = layout.panel.map(|side| side as f32);
        canvas.rectangle(x, y, width, height, PANEL);
        for (column, &x) in self.columns.iter().zip(&layout.lefts) {
            let width = column.width(layout.side) as f32;
            let head = fitted(&column.head, width, 17.0)?;
            let (middle, y) = (x as f32 + width / 2.0, y - 10.0);
            canvas.text(&head, middle, y, Align::Centre, 17.0, INK)?;
        }
        for (index, strip) in self.strips.iter().enumerate() {
            self.strip(&mut canvas, &layout, strip, layout.tops[index])?;
        }
        if layout.lanes > 0 {
            let middles = layout.tops.iter().map(|&top| (top + layout.high / 2) as f32);
            let x = (layout.panel[0] + layout.panel[2]) as f32 + 8.0;
            relations::draw(&mut canvas, &self.related, x, &middles.collect::<Vec<_>>(), y - 10.0)?;
        }
        Ok(canvas.finish())
    }

    fn check(&self) -> Result<()> {
        let wanted: usize = self.columns.iter().map(Column::images).sum();
        for strip in &self.strips {
            let given = strip.images.len();
            if given != wanted {
                return Err(Error::Data(format!("a row of {given} images in a sheet of {wanted}")));
            }
            strip.images.iter().try_for_each(SheetImage::check)?;
        }
        let rows = self.strips.len();
        let related = self.related.iter().flatten().all(|&row| row < rows);
        if !related || ![0, rows].contains(&self.related.len()) {
            return Err(Error::Data(format!(
                "the relations of a sheet do not match its {rows} rows"
            )));
        }
        Ok(())
    }

    /// The names of a row and its images.
    fn strip(
        &self,
        canvas: &mut Canvas,
        layout: &Layout,
        strip: &SheetRow,
        top: usize,
    ) -> Result<()> {
        let middle = top as f32 + layout.high as f32 / 2.0;
        for (line, name) in strip.names.iter().enumerate() {
            let (size, ink) = if line == 0 { (17.0, INK) } else { (15.0, FAINT_INK) };
            let y = middle + 5.0 + 20.0 * (line as f32 - (strip.names.len() as f32 - 1.0) / 2.0);
            let name = fitted(name, NAMES_WIDTH as f32, size)?;
            canvas.text(&name, MARGIN as f32, y, Align::Left, size, ink)?;
        }
        let mut images = strip.images.iter();
        for (column, &left) in self.columns.iter().zip(&layout.lefts) {
            let across = column.halves.div_ceil(2).max(1);
            for (place, shown) in images.by_ref().take(column.images()).enumerate() {
                let (side, high) = match column.halves {
                    0 => (layout.side, layout.high),
                    _ => (half(layout.side), half(layout.high)),
                };
                let x = left + place % across * (side + GAP);
                let y = top + place / across * (high + GAP);
                self.image(canvas, shown, [x, y], [side, high]);
                let captions = if column.halves == 0 { shown.caption.as_slice() } else { &[] };
                for (line, text) in captions.iter().enumerate() {
                    let text = fitted(text, side as f32, 15.0)?;
                    let y = (y + high + (line + 1) * CAPTION_HEIGHT) as f32 - 3.0;
                    let middle = x as f32 + side as f32 / 2.0;
                    canvas.text(&text, middle, y, Align::Centre, 15.0, LIGHT_INK)?;
                }
            }
        }
        Ok(())
    }

    fn image(
        &self,
        canvas: &mut Canvas,
        shown: &SheetImage,
        [x, y]: [usize; 2],
        [w, h]: [usize; 2],
    ) {
        let [rows, columns] = shown.size;
        let layer = shown.outlined.map(|values| Layer {
            labels: Plane { values, rows, columns },
            fill: 0.0,
            line: 1.0,
            line_colour: Some(MARK),
        });
        let view = View {
            image: Plane { values: shown.image, rows, columns },
            crop: Crop::whole(rows, columns),
            window: self.window,
            size: (w, h),
        };
        view.draw(canvas, x, y, layer.as_slice());
    }
}

/// Position of everything, in pixels of the picture.
struct Layout {
    page: [usize; 2],
    /// Left, top, width, height.
    panel: [usize; 4],
    notes: Vec<String>,
    /// Width and height of an image of full size.
    side: usize,
    high: usize,
    /// Left edges of columns, upper edges of rows.
    lefts: Vec<usize>,
    tops: Vec<usize>,
    /// Width of the drawing of relations.
    lanes: usize,
}

impl Layout {
    fn new(sheet: &Sheet) -> Result<Self> {
        let mut names = 0f32;
        for strip in &sheet.strips {
            for (line, name) in strip.names.iter().enumerate() {
                names = names.max(text_width(name, if line == 0 { 17.0 } else { 15.0 })?);
            }
        }
        let names = if names > 0.0 { (names.ceil() as usize).min(NAMES_WIDTH) + 14 } else { 0 };
        let lanes = relations::width(sheet.related.len());
        let around = 2 * MARGIN + names + 2 * PADDING + lanes;
        let [rows, columns] = largest(sheet);
        let side = side(sheet, columns, MAX_WIDTH.saturating_sub(around));
        let high = (side * rows).div_ceil(columns).max(1);
        let mut x = MARGIN + names + PADDING;
        let mut lefts = Vec::new();
        for (index, column) in sheet.columns.iter().enumerate() {
            x += if index == 0 { 0 } else { GAP } + if column.apart { WIDE_GAP - GAP } else { 0 };
            lefts.push(x);
            x += column.width(side);
        }
        let width = (x + PADDING + lanes + MARGIN).max(MIN_WIDTH);
        let mut notes = Vec::new();
        for note in &sheet.notes {
            notes.extend(wrapped(note, (width - 2 * MARGIN) as f32, 16.0)?);
        }
        let captions = sheet.strips.iter().flat_map(|strip| &strip.images);
        let captions = captions.map(|shown| shown.caption.len()).max().unwrap_or(0);
        let step = high + captions * CAPTION_HEIGHT + if captions > 0 { GAP + 4 } else { GAP };
        let top = TITLE_HEIGHT + notes.len() * LINE_HEIGHT + HEADS_HEIGHT;
        let count = sheet.strips.len();
        let tops = (0..count).map(|row| top + PADDING + row * step).collect();
        let height = (count * step).saturating_sub(GAP) + 2 * PADDING;
        Ok(Layout {
            page: [width, top + height + MARGIN],
            panel: [MARGIN + names, top, x + PADDING - MARGIN - names, height],
            notes,
            side,
            high,
            lefts,
            tops,
            lanes,
        })
    }
}

/// Rows and columns of the largest image.
fn largest(sheet: &Sheet) -> [usize; 2] {
    let images = || sheet.strips.iter().flat_map(|strip| &strip.images);
    [0, 1].map(|axis| images().map(|shown| shown.size[axis]).max().unwrap_or(1))
}

/// Width of an image of full size: a whole multiple of its pixels, or less if the columns would not
/// fit into `available` pixels.
fn side(sheet: &Sheet, columns: usize, available: usize) -> usize {
    let whole = columns * MIN_SIDE.div_ceil(columns);
    let fits = |side: usize| {
        let gap = |column: &Column| if column.apart { WIDE_GAP } else { GAP };
        sheet.columns.iter().map(|column| column.width(side) + gap(column)).sum::<usize>()
            <= available
    };
    (2 * GAP..=whole).rev().find(|&side| fits(side)).unwrap_or(2 * GAP)
}

/// A paragraph in lines of at most `width` pixels.
fn wrapped(text: &str, width: f32, size: f32) -> Result<Vec<String>> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        if let Some(line) = lines.last_mut() {
            let longer = format!("{line} {word}");
            if text_width(&longer, size)? <= width {
                *line = longer;
                continue;
            }
        }
        lines.push(fitted(word, width, size)?);
    }
    Ok(lines)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sheet<'a>(images: &'a [f32], rows: usize) -> Sheet<'a> {
        let strip = |row: usize| SheetRow {
            names: vec![format!("A{row}"), "ED".into()],
            images: (0..4)
                .map(|_| SheetImage::new(images, [32, 32]).caption(["a caption".into()]))
                .collect(),
        };
        Sheet {
            title: "Views".into(),
            notes: vec!["What a network gets to see of some slices. ".repeat(6)],
            columns: vec![Column::one("large"), Column::halves("small", 3).apart()],
            strips: (0..rows).map(strip).collect(),
            window: Window { black: 0.0, white: 1.0 },
            related: vec![],
        }
    }

    fn count(picture: &Picture, of: [u8; 3]) -> usize {
        picture.count(of, 0..picture.width, 0..picture.height)
    }

    /// Left, top, width and height of the block of one grey. The soft edges of letters have a few
    /// pixels of any grey.
    fn block(picture: &Picture, grey: u8) -> [usize; 4] {
        let column = |&x: &usize| picture.count([grey; 3], x..x + 1, 0..picture.height) > 40;
        let row = |&y: &usize| picture.count([grey; 3], 0..picture.width, y..y + 1) > 40;
        let columns: Vec<usize> = (0..picture.width).filter(column).collect();
        let rows: Vec<usize> = (0..picture.height).filter(row).collect();
        assert!(!columns.is_empty() && !rows.is_empty(), "no block of grey {grey}");
        let [width, height] = [&columns, &rows].map(|side| side[side.len() - 1] + 1 - side[0]);
        [columns[0], rows[0], width, height]
    }

    #[test]
    fn images_fill_their_places_in_order() {
        let images = [0.2f32, 0.4, 0.6, 0.8].map(|grey| vec![grey; 32 * 32]);
        let mut sheet = sheet(&images[0], 1);
        for (shown, image) in sheet.strips[0].images.iter_mut().zip(&images) {
            shown.image = image;
        }
        let picture = sheet.draw().unwrap();
        let [left, top, width, height] = block(&picture, 51);
        assert_eq!([width, height], [192, 192]);
        let half = half(192);
        let small = left + 192 + WIDE_GAP;
        assert_eq!(block(&picture, 102), [small, top, half, half]);
        assert_eq!(block(&picture, 153), [small + half + GAP, top, half, half]);
        assert_eq!(block(&picture, 204), [small, top + half + GAP, half, half]);
        // Around the images is the panel, above it the title and the notes.
        assert_eq!(picture.at(left - 1, top - 1), PANEL);
        assert_eq!(picture.at(small - 1, top), PANEL);
        let white = [255; 3];
        let blank = |y: std::ops::Range<usize>| {
            picture.count(white, 0..picture.width, y.clone()) == picture.width * y.len()
        };
        assert!(
            !blank(0..TITLE_HEIGHT) && !blank(TITLE_HEIGHT..TITLE_HEIGHT + LINE_HEIGHT),
            "a title and notes"
        );
    }

    #[test]
    fn rows_add_their_height() {
        let grey = vec![0.6; 32 * 32];
        let picture = sheet(&grey, 2).draw().unwrap();
        let one = 192 * 192 + 3 * half(192) * half(192);
        assert!((2 * one..2 * one + 200).contains(&count(&picture, [153; 3])));
        assert!(picture.width >= MIN_WIDTH && count(&picture, PANEL) > 5000);
        let taller = sheet(&grey, 3).draw().unwrap();
        assert_eq!(taller.width, picture.width);
        assert_eq!(taller.height - picture.height, 192 + CAPTION_HEIGHT + GAP + 4);
    }

    #[test]
    fn many_columns_shrink_to_the_page() {
        let grey = vec![0.6; 256 * 256];
        let mut wide = sheet(&grey, 1);
        wide.columns = (0..12).map(|_| Column::one("view")).collect();
        wide.strips[0].images = (0..12).map(|_| SheetImage::new(&grey, [256, 256])).collect();
        let picture = wide.draw().unwrap();
        assert!((MAX_WIDTH - 30..=MAX_WIDTH).contains(&picture.width), "{}", picture.width);
    }

    #[test]
    fn related_rows_and_outlines_are_drawn() {
        let grey = vec![0.6; 32 * 32];
        let mask: Vec<u8> = (0..32 * 32).map(|place| u8::from(place / 32 < 16)).collect();
        let mut sheet = sheet(&grey, 3);
        let plain = sheet.draw().unwrap();
        sheet.related = vec![vec![1], vec![0], vec![]];
        sheet.strips[0].images[0].outlined = Some(&mask);
        let marked = sheet.draw().unwrap();
        let layout = Layout::new(&sheet).unwrap();
        let (left, tops) = (layout.lefts[0], &layout.tops);
        // The upper half of the first image has a frame.
        let framed = marked.count(MARK, left..left + 192, tops[0]..tops[0] + 96);
        assert!(count(&plain, MARK) == 0 && framed > 2 * 192);
        assert_eq!(count(&marked, MARK), framed);
        let middle = |row: usize| tops[row] + layout.high / 2;
        for (row, rows) in [(0, middle(0)..middle(1)), (2, middle(2)..middle(2))] {
            let colour = crate::series_colour(row);
            let beside = layout.panel[0] + layout.panel[2]..marked.width;
            let near = rows.start - 9..rows.end + 9;
            let lane = marked.count(colour, beside, near);
            assert!(count(&plain, colour) == 0 && lane > rows.len() + 50, "row {row}: {lane}");
            assert_eq!(count(&marked, colour), lane, "row {row}");
        }
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let grey = vec![0.6; 32 * 32];
        let mut wrong = sheet(&grey, 1);
        wrong.strips[0].images.pop();
        assert!(wrong.draw().unwrap_err().to_string().contains("3 images"));
        let mut wrong = sheet(&grey[1..], 1);
        assert!(wrong.draw().unwrap_err().to_string().contains("1023"));
        wrong = sheet(&grey, 1);
        wrong.related = vec![vec![1]];
        assert!(wrong.draw().is_err());
        let empty = sheet(&grey, 0).draw().unwrap();
        // The soft edges of letters alone.
        assert!(count(&empty, [153; 3]) < 200);
    }

    #[test]
    fn paragraphs_break_between_words() {
        let lines = wrapped("one two three four five six seven", 90.0, 16.0).unwrap();
        assert!(lines.len() > 1 && lines.join(" ") == "one two three four five six seven");
        assert!(lines.iter().all(|line| text_width(line, 16.0).unwrap() <= 90.0));
    }
}
