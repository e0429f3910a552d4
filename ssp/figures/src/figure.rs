//! The layout of an overlay figure: heading, columns of images, Dice beside each row, legend.

use super::canvas::{Align, Canvas, Picture, fitted, text_width};
use super::colour::{FAINT_INK, INK, WHITE, label_colour};
use super::grey::Window;
use super::regions::{Crop, Plane};
use super::slice::{Layer, View};
use crate::Result;
use data::{CardiacPhase, Label, Stack};
use evaluate::dice;

/// Smallest and preferred largest side of an image, in pixels of the picture.
const MIN_SIDE: f32 = 180.0;
const MAX_SIDE: f32 = 480.0;
/// Margin around the labelled structures, and smallest extent of the view, in millimetres.
const CROP_MARGIN_MM: f32 = 15.0;
const MIN_CROP_MM: f32 = 90.0;
/// Length of the scale bar, in millimetres.
const SCALE_BAR_MM: f32 = 20.0;
/// Gap between images, margin of the figure, widths of the row names and of the Dice of a slice.
const GAP: usize = 6;
const MARGIN: usize = 18;
const NAMES_WIDTH: usize = 72;
const SCORES_WIDTH: usize = 92;
/// Height of the title, of a line of Dice, of the column titles, and of the legend.
const TITLE_HEIGHT: usize = 40;
const LINE_HEIGHT: usize = 21;
const HEADS_HEIGHT: usize = 30;
const LEGEND_HEIGHT: usize = 50;

/// A cardiac phase of a stack with its segmentation.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Segmented<'a> {
    /// Index of the phase in the stack.
    pub phase: usize,
    /// End-diastole, end-systole or another phase.
    pub moment: CardiacPhase,
    /// Ground truth: `slices * rows * columns` labels, if there are any.
    pub truth: Option<&'a [u8]>,
    /// `slices * rows * columns` predicted labels.
    pub prediction: &'a [u8],
}

impl Segmented<'_> {
    /// The labels that locate the heart: the ground truth, or else the prediction.
    pub fn reference(&self) -> &[u8] {
        self.truth.unwrap_or(self.prediction)
    }

    /// `ED`, `ES`, or the number of the phase.
    pub fn name(&self) -> String {
        match self.moment {
            CardiacPhase::Other => format!("phase {}", self.phase),
            moment => moment.name().to_string(),
        }
    }
}

/// One slice of one frame: a row of the figure.
pub(super) struct SliceRow<'a> {
    /// Lines of text beside the row.
    pub names: [String; 3],
    pub image: &'a [f32],
    pub truth: Option<&'a [u8]>,
    pub prediction: &'a [u8],
}

/// The content of a column.
#[derive(Clone, Copy, PartialEq)]
enum Column {
    Image,
    Truth,
    Prediction,
    Both,
}

impl Column {
    fn head(self) -> &'static str {
        match self {
            Column::Image => "image",
            Column::Truth => "ground truth",
            Column::Prediction => "prediction",
            Column::Both => "prediction on ground truth",
        }
    }
}

/// The figure before it is drawn.
pub(super) struct Figure<'a> {
    rows: &'a [SliceRow<'a>],
    columns: &'static [Column],
    /// Name of each frame, and its Dice if there is a ground truth.
    frames: Vec<(String, Option<[f64; 3]>)>,
    /// Rows and columns of a slice.
    grid: (usize, usize),
    crop: Crop,
    window: Window,
    /// Width and height of an image.
    size: (usize, usize),
    /// Picture pixels per millimetre.
    scale: f32,
}

impl<'a> Figure<'a> {
    /// Chooses the part of the slices to show, the grey-scale window and the size of the images.
    pub fn new(
        stack: &Stack,
        rows: &'a [SliceRow<'a>],
        frames: &[Segmented],
    ) -> Result<Figure<'a>> {
        let compared = frames.iter().any(|frame| frame.truth.is_some());
        let grid = (stack.rows, stack.columns);
        // Without a spacing, pixels are taken as squares of one millimetre.
        let spacing = [stack.spacing[0], stack.spacing[1]].map(|s| if s > 0.0 { s } else { 1.0 });
        let crop = crop(rows, grid, spacing);
        let fine = spacing[0].min(spacing[1]);
        let extent = (crop.rows as f32 * spacing[0]).max(crop.columns as f32 * spacing[1]) / fine;
        // A whole multiple keeps all pixels the same size; only images that are too large are shrunk.
        let factor = (MIN_SIDE / extent).ceil().min((MAX_SIDE / extent).max(MIN_SIDE / extent));
        let scale = factor / fine;
        let side =
            |count: usize, spacing: f32| ((count as f32 * spacing * scale).round() as usize).max(1);
        let score = |frame: &Segmented| -> Result<_> {
            let scores = frame.truth.map(|truth| dice(frame.prediction, truth)).transpose()?;
            Ok((frame.name(), scores.map(|scores| scores.values())))
        };
        Ok(Figure {
            rows,
            columns: match compared {
                true => &[Column::Image, Column::Truth, Column::Prediction, Column::Both],
                false => &[Column::Image, Column::Prediction],
            },
            frames: frames.iter().map(score).collect::<Result<_>>()?,
            grid,
            crop,
            window: window(rows, grid, crop),
            size: (side(crop.columns, spacing[1]), side(crop.rows, spacing[0])),
            scale,
        })
    }

    /// Draws the figure of the subject `id`.
    pub fn draw(&self, id: &str) -> Result<Picture> {
        let mut canvas = Canvas::new(
            self.left(self.columns.len()) - GAP
                + if self.compared() { SCORES_WIDTH } else { MARGIN },
            self.top(self.rows.len()) - GAP + LEGEND_HEIGHT,
        )?;
        self.heading(&mut canvas, id)?;
        for index in 0..self.rows.len() {
            self.row(&mut canvas, index)?;
        }
        self.legend(&mut canvas)?;
        Ok(canvas.finish())
    }

    fn compared(&self) -> bool {
        self.columns.contains(&Column::Both)
    }

    /// Left edge of a column's images.
    fn left(&self, column: usize) -> usize {
        MARGIN + NAMES_WIDTH + column * (self.size.0 + GAP)
    }

    /// Upper edge of a row's images. A wider gap separates frames.
    fn top(&self, row: usize) -> usize {
        let lines = self.frames.iter().filter(|frame| frame.1.is_some()).count();
        let changes = (1..self.rows.len().min(row + 1))
            .filter(|&row| self.rows[row].names[0] != self.rows[row - 1].names[0])
            .count();
        TITLE_HEIGHT
            + lines * LINE_HEIGHT
            + HEADS_HEIGHT
            + row * (self.size.1 + GAP)
            + changes * GAP
    }

    /// The subject, the Dice of its frames, and the column titles.
    fn heading(&self, canvas: &mut Canvas, id: &str) -> Result<()> {
        let left = self.left(0) as f32;
        let width = (self.columns.len() * (self.size.0 + GAP)) as f32;
        canvas.text(&fitted(id, width, 23.0)?, left, 34.0, Align::Left, 23.0, INK)?;
        let mut y = TITLE_HEIGHT as f32;
        for (name, scores) in &self.frames {
            let Some(scores) = scores else { continue };
            y += LINE_HEIGHT as f32;
            let mean = scores.iter().sum::<f64>() / scores.len() as f64;
            let named = Label::STRUCTURES.map(Label::name).into_iter().zip(*scores);
            let text = named.chain([("mean", mean)]).map(|(n, score)| format!("{n} {score:.3}"));
            let text = text.collect::<Vec<_>>().join("    ");
            canvas.text(&format!("Dice {name}"), left, y - 3.0, Align::Left, 16.0, FAINT_INK)?;
            canvas.text(&text, left + 80.0, y - 3.0, Align::Left, 16.0, INK)?;
        }
        let y = self.top(0) as f32 - 8.0;
        for (index, column) in self.columns.iter().enumerate() {
            let middle = self.left(index) as f32 + self.size.0 as f32 / 2.0;
            canvas.text(column.head(), middle, y, Align::Centre, 17.0, INK)?;
        }
        if self.compared() {
            let x = self.left(self.columns.len()) as f32 + 4.0;
            canvas.text("slice Dice", x, y, Align::Left, 15.0, FAINT_INK)?;
        }
        Ok(())
    }

    /// The names of a row, its images, and its Dice.
    fn row(&self, canvas: &mut Canvas, index: usize) -> Result<()> {
        let row = &self.rows[index];
        let (top, middle) = (self.top(index), self.top(index) as f32 + self.size.1 as f32 / 2.0);
        for (line, (name, size)) in row.names.iter().zip([19.0, 16.0, 14.0]).enumerate() {
            let ink = if line == 2 { FAINT_INK } else { INK };
            let y = middle - 14.0 + 20.0 * line as f32;
            canvas.text(name, MARGIN as f32, y, Align::Left, size, ink)?;
        }
        for (index, &column) in self.columns.iter().enumerate() {
            self.image(canvas, row, column, self.left(index), top);
        }
        if index == 0 {
            self.scale_bar(canvas)?;
        }
        let Some(truth) = row.truth else { return Ok(()) };
        let scores = dice(row.prediction, truth)?.values();
        let x = self.left(self.columns.len()) as f32 + 4.0;
        for (line, (label, score)) in Label::STRUCTURES.into_iter().zip(scores).enumerate() {
            let y = middle - 16.0 + 21.0 * line as f32;
            canvas.rectangle(x, y - 10.0, 5.0, 11.0, label_colour(label));
            canvas.text(label.name(), x + 10.0, y, Align::Left, 15.0, FAINT_INK)?;
            // A structure absent from both has Dice 1 by definition, which is not informative.
            let absent = !row.prediction.iter().chain(truth).any(|&class| class == label as u8);
            let score = if absent { "–".to_string() } else { format!("{score:.2}") };
            canvas.text(&score, x + 76.0, y, Align::Right, 15.0, INK)?;
        }
        Ok(())
    }

    /// One image with the labels of its column over it.
    fn image(&self, canvas: &mut Canvas, row: &SliceRow, column: Column, x: usize, y: usize) {
        let (rows, columns) = self.grid;
        let layer = |values, fill, line, line_colour| Layer {
            labels: Plane { values, rows, columns },
            fill,
            line,
            line_colour,
        };
        let truth = |fill, line| row.truth.map(|labels| layer(labels, fill, line, None));
        let prediction = |fill, line, colour| Some(layer(row.prediction, fill, line, colour));
        let layers = match column {
            Column::Image => [None, None],
            Column::Truth => [truth(0.25, 1.5), None],
            Column::Prediction => [prediction(0.25, 1.5, None), None],
            Column::Both => [truth(0.6, 0.0), prediction(0.0, 1.0, Some(WHITE))],
        };
        let layers: Vec<_> = layers.into_iter().flatten().collect();
        let image = Plane { values: row.image, rows, columns };
        let view = View { image, crop: self.crop, window: self.window, size: self.size };
        view.draw(canvas, x, y, &layers);
    }

    /// A length in the lower left corner of the first image.
    fn scale_bar(&self, canvas: &mut Canvas) -> Result<()> {
        let (x, y) = (self.left(0) as f32 + 10.0, (self.top(0) + self.size.1) as f32 - 12.0);
        canvas.rectangle(x, y, SCALE_BAR_MM * self.scale, 2.0, WHITE);
        canvas.text(&format!("{SCALE_BAR_MM} mm"), x, y - 6.0, Align::Left, 14.0, WHITE)
    }

    /// The colours of the structures, and how ground truth and prediction are drawn.
    fn legend(&self, canvas: &mut Canvas) -> Result<()> {
        let y = (self.top(self.rows.len()) - GAP) as f32 + 29.0;
        let mut x = self.left(0) as f32;
        for label in Label::STRUCTURES {
            canvas.rectangle(x, y - 11.0, 13.0, 13.0, label_colour(label));
            canvas.text(label.name(), x + 19.0, y, Align::Left, 16.0, INK)?;
            x += 19.0 + text_width(label.name(), 16.0)? + 20.0;
        }
        if self.compared() {
            let text = "areas: ground truth; white outlines: prediction";
            let right = (self.left(self.columns.len()) - GAP) as f32;
            canvas.text(text, right, y, Align::Right, 15.0, FAINT_INK)?;
        }
        Ok(())
    }
}

/// A square in millimetres around the structures of all rows, with a margin; the whole slice if it is
/// smaller or has no labels.
fn crop(rows: &[SliceRow], (height, width): (usize, usize), spacing: [f32; 2]) -> Crop {
    let labelled = rows
        .iter()
        .flat_map(|row| row.truth.into_iter().chain([row.prediction]))
        .flat_map(|labels| labels.iter().enumerate().filter(|(_, label)| **label != 0));
    let bounds = labelled.fold(None, |bounds: Option<[usize; 4]>, (index, _)| {
        let (row, column) = (index / width, index % width);
        let [top, bottom, left, right] = bounds.unwrap_or([row, row, column, column]);
        Some([top.min(row), bottom.max(row), left.min(column), right.max(column)])
    });
    let Some([top, bottom, left, right]) = bounds else {
        return Crop::whole(height, width);
    };
    let extent = |low: usize, high: usize, spacing: f32| (high + 1 - low) as f32 * spacing;
    let side = extent(top, bottom, spacing[0]).max(extent(left, right, spacing[1]));
    let side = (side + 2.0 * CROP_MARGIN_MM).max(MIN_CROP_MM);
    let along = |low: usize, high: usize, size: usize, spacing: f32| {
        let count = ((side / spacing).round() as usize).clamp(1, size);
        let first = (low + high).div_ceil(2).saturating_sub(count / 2).min(size - count);
        (first as isize, count)
    };
    let (top, rows) = along(top, bottom, height, spacing[0]);
    let (left, columns) = along(left, right, width, spacing[1]);
    Crop { top, left, rows, columns }
}

/// One grey-scale window for the visible part of all rows, so that they can be compared.
fn window(rows: &[SliceRow], (height, width): (usize, usize), crop: Crop) -> Window {
    let mut values = Vec::new();
    for row in rows {
        let plane = Plane { values: row.image, rows: height, columns: width };
        for down in 0..crop.rows as isize {
            let across = 0..crop.columns as isize;
            values.extend(across.filter_map(|c| plane.at(crop.top + down, crop.left + c)));
        }
    }
    Window::of(&values)
}
