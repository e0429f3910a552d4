//! Loss and Dice against steps or epochs.

use plotters::prelude::{ChartBuilder, Circle, LabelAreaPosition, LineSeries};
use plotters::style::{Color, ShapeStyle};

use super::axis::{Axis, extremes};
use super::canvas::{Align, Canvas, FINE, Picture, fail, rgb, style, text_width};
use super::colour::{Colour, FAINT_INK, GRID, INK, blend, series_colour};
use crate::Result;

/// Series of at most this many points have a dot at each.
const MAX_DOTS: usize = 40;

/// One named line.
#[derive(Clone, Debug, PartialEq)]
pub struct Series {
    name: String,
    points: Vec<(f64, f64)>,
    colour: Option<Colour>,
    smoothed: bool,
}

impl Series {
    /// A line called `name` through `points` (position on the horizontal axis, value).
    ///
    /// A value that is not finite leaves a gap.
    pub fn new(name: impl Into<String>, points: Vec<(f64, f64)>) -> Series {
        Series { name: name.into(), points, colour: None, smoothed: false }
    }

    /// Draws the line in `colour` rather than in the next of the palette.
    pub fn colour(mut self, colour: Colour) -> Series {
        self.colour = Some(colour);
        self
    }

    /// Draws the values faintly, and over them their mean over a moving twenty-fifth of the points.
    pub fn smoothed(mut self) -> Series {
        self.smoothed = true;
        self
    }

    /// Centred moving means; at the ends the window is cut off. Values that are not finite are left out.
    fn means(&self) -> Vec<(f64, f64)> {
        let reach = self.points.len() / 50;
        let mean = |index: usize| {
            let last = (index + reach).min(self.points.len() - 1);
            let around = &self.points[index.saturating_sub(reach)..=last];
            let values = around.iter().map(|point| point.1).filter(|value| value.is_finite());
            values.clone().sum::<f64>() / values.count() as f64
        };
        (0..self.points.len()).map(|index| (self.points[index].0, mean(index))).collect()
    }
}

/// A chart of one or more series over a common axis.
///
/// ```
/// use figures::{Curves, Series};
/// let loss = (1..=50).map(|epoch| (epoch as f64, 1.0 / epoch as f64)).collect();
/// let chart = Curves::new("Fine-tuning", "epoch", "loss").log().with(Series::new("training", loss));
/// assert_eq!(chart.draw()?.width, 900);
/// # Ok::<(), common::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Curves {
    title: String,
    x_label: String,
    y_label: String,
    log: bool,
    range: Option<(f64, f64)>,
    size: (usize, usize),
    series: Vec<Series>,
}

impl Curves {
    /// A chart without series; labels name the quantity and, where it has one, its unit.
    pub fn new(
        title: impl Into<String>,
        x_label: impl Into<String>,
        y_label: impl Into<String>,
    ) -> Curves {
        Curves {
            title: title.into(),
            x_label: x_label.into(),
            y_label: y_label.into(),
            log: false,
            range: None,
            size: (900, 500),
            series: Vec::new(),
        }
    }

    /// Makes the vertical axis logarithmic; values that are not positive leave gaps.
    pub fn log(mut self) -> Curves {
        self.log = true;
        self
    }

    /// Sets the range of the vertical axis, by default that of the values.
    pub fn range(mut self, low: f64, high: f64) -> Curves {
        self.range = Some((low, high));
        self
    }

    /// Sets the size of the picture in pixels, by default 900 by 500.
    pub fn size(mut self, width: usize, height: usize) -> Curves {
        self.size = (width, height);
        self
    }

    /// Adds a line.
    pub fn with(mut self, series: Series) -> Curves {
        self.series.push(series);
        self
    }

    /// Draws the chart; without any finite value, only its axes.
    ///
    /// # Errors
    /// When a side of the picture is 0 or too large.
    pub fn draw(&self) -> Result<Picture> {
        let (width, height) = self.size;
        let mut canvas = Canvas::new(width, height)?;
        canvas.text(&self.title, 76.0, 34.0, Align::Left, 23.0, INK)?;
        self.legend(&mut canvas)?;
        self.chart(&mut canvas)?;
        Ok(canvas.finish())
    }

    /// Names of the series, each after a stroke of its colour, in one line under the title.
    fn legend(&self, canvas: &mut Canvas) -> Result<()> {
        const SIZE: f32 = 17.0;
        let mut x = 76.0;
        for (index, series) in self.series.iter().enumerate() {
            canvas.rectangle(x, 54.0, 22.0, 3.0, self.colour(index));
            canvas.text(&series.name, x + 28.0, 61.0, Align::Left, SIZE, INK)?;
            x += 28.0 + text_width(&series.name, SIZE)? + 22.0;
        }
        Ok(())
    }

    /// Axes, grid and lines.
    fn chart(&self, canvas: &mut Canvas) -> Result<()> {
        let scale = FINE as u32;
        let lines: Vec<_> = self.series.iter().map(|series| self.drawn(&series.points)).collect();
        let points = || lines.iter().flatten().filter(|point| point.1.is_finite());
        let x_axis = Axis::linear(&self.x_label, widened(points().map(|point| point.0), 0.0), 8);
        let y_range = self.vertical(points().map(|point| point.1));
        let y_axis = match self.log {
            true => Axis::logarithmic(&self.y_label, y_range),
            false => Axis::linear(&self.y_label, y_range, 6),
        };
        let x_text = |value: &f64| x_axis.label_at(*value);
        let y_text = |value: &f64| y_axis.label_at(*value);
        let area = canvas.area();
        let mut chart = ChartBuilder::on(&area)
            .margin_top(80 * scale)
            .margin_right(30 * scale)
            .margin_left(8 * scale)
            .margin_bottom(8 * scale)
            .x_label_area_size(52 * scale)
            .y_label_area_size(68 * scale)
            .build_cartesian_2d(x_axis.clone(), y_axis.clone())
            .map_err(|error| fail(&error))?;
        chart
            .configure_mesh()
            .disable_x_mesh()
            .light_line_style(rgb(GRID).mix(0.0))
            .bold_line_style(stroke(GRID, 1.0))
            .axis_style(stroke(FAINT_INK, 1.0))
            .x_label_style(style(16.0, INK)?)
            .y_label_style(style(16.0, INK)?)
            .axis_desc_style(style(17.0, INK)?)
            // Centres the digits at their ticks, and keeps them off the axis.
            .y_label_offset(3 * FINE as i32)
            .set_tick_mark_size(LabelAreaPosition::Bottom, 8 * scale)
            .x_desc(&self.x_label)
            .y_desc(&self.y_label)
            .x_label_formatter(&x_text)
            .y_label_formatter(&y_text)
            .draw()
            .map_err(|error| fail(&error))?;
        for (index, series) in self.series.iter().enumerate() {
            let colour = self.colour(index);
            let faint = blend([255; 3], colour, 0.3);
            let (values, smooth) = (&lines[index], series.smoothed.then(|| series.means()));
            let under = if smooth.is_some() { (faint, 1.0) } else { (colour, 2.2) };
            let over = smooth.map(|means| (self.drawn(&means), (colour, 2.2)));
            for (points, (colour, width)) in [(values.clone(), under)].into_iter().chain(over) {
                for piece in pieces(&points) {
                    let line = LineSeries::new(piece.iter().copied(), stroke(colour, width));
                    chart.draw_series(line).map_err(|error| fail(&error))?;
                }
            }
            if values.len() <= MAX_DOTS {
                let finite = values.iter().filter(|point| point.1.is_finite());
                let dots = finite.map(|&at| Circle::new(at, 3 * scale, rgb(colour).filled()));
                chart.draw_series(dots).map_err(|error| fail(&error))?;
            }
        }
        Ok(())
    }

    /// Points in the units of the axes: logarithms of the values if the axis is logarithmic.
    fn drawn(&self, points: &[(f64, f64)]) -> Vec<(f64, f64)> {
        let value = |y: f64| match self.log {
            true if y > 0.0 => y.log10(),
            true => f64::NAN,
            false => y,
        };
        points.iter().filter(|point| point.0.is_finite()).map(|&(x, y)| (x, value(y))).collect()
    }

    /// Range of the vertical axis, as logarithms if it is logarithmic.
    fn vertical(&self, values: impl Iterator<Item = f64>) -> [f64; 2] {
        match self.range {
            Some((low, high)) if self.log && low > 0.0 && high > low => [low.log10(), high.log10()],
            Some((low, high)) if !self.log && high > low => [low, high],
            _ => widened(values, 0.05),
        }
    }

    fn colour(&self, index: usize) -> Colour {
        self.series[index].colour.unwrap_or_else(|| series_colour(index))
    }
}

/// Range of `values`, widened at both ends by `margin` times its length; 0 to 1 without values.
fn widened(values: impl Iterator<Item = f64>, margin: f64) -> [f64; 2] {
    let Some([low, high]) = extremes(values) else { return [0.0, 1.0] };
    // An axis needs a length even if all values are equal.
    if high - low <= 1e-9 * low.abs().max(high.abs()).max(1e-9) {
        let margin = if low == 0.0 { 1.0 } else { 0.1 * low.abs() };
        return [low - margin, high + margin];
    }
    [low - margin * (high - low), high + margin * (high - low)]
}

/// A stroke `width` picture pixels wide.
fn stroke(colour: Colour, width: f32) -> ShapeStyle {
    rgb(colour).stroke_width((width * FINE as f32).round() as u32)
}

/// Runs of at least two neighbouring points whose values are finite.
fn pieces(points: &[(f64, f64)]) -> impl Iterator<Item = &[(f64, f64)]> {
    points.split(|point| !point.1.is_finite()).filter(|piece| piece.len() > 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(picture: &Picture, colour: Colour) -> usize {
        picture.pixels.chunks_exact(3).filter(|pixel| *pixel == colour).count()
    }

    #[test]
    fn every_series_is_drawn_in_its_colour() {
        let line = |slope: f64| (0..100).map(move |x| (f64::from(x), 1.0 + slope * f64::from(x)));
        let chart = Curves::new("Loss", "step", "loss")
            .with(Series::new("training", line(1.0).collect()))
            .with(Series::new("validation", line(0.3).collect()));
        for chart in [chart.clone(), chart.clone().log(), chart.range(0.0, 200.0)] {
            let picture = chart.draw().unwrap();
            assert_eq!((picture.width, picture.height), (900, 500));
            assert!(count(&picture, series_colour(0)) > 300);
            assert!(count(&picture, series_colour(1)) > 300);
        }
    }

    /// Diverged, constant, empty and single values, and a range that makes no sense.
    #[test]
    fn odd_values_are_drawn_as_far_as_they_go() {
        let odd: [Vec<(f64, f64)>; 6] = [
            vec![],
            vec![(1.0, 0.5)],
            vec![(1.0, f64::NAN), (2.0, f64::INFINITY), (f64::NAN, 1.0)],
            vec![(0.0, 0.0), (1.0, 0.0)],
            vec![(0.0, 1e-300), (1.0, 1e300), (2.0, -1.0)],
            vec![(5.0, 2.0), (5.0, 2.0)],
        ];
        for points in odd {
            let chart = Curves::new("Odd", "epoch", "loss")
                .range(1.0, 0.0)
                .with(Series::new("values", points).smoothed());
            for chart in [chart.clone(), chart.log()] {
                let picture = chart.draw().unwrap();
                assert!(count(&picture, [255; 3]) < 900 * 500, "not blank");
            }
        }
    }

    #[test]
    fn smoothing_takes_centred_means() {
        let points = (0..150).map(|x| (f64::from(x), f64::from(x) + f64::from(x % 2)));
        let means = Series::new("loss", points.collect()).means();
        assert_eq!(means[0].1, 2.0);
        assert!((means[75].1 - (75.0 + 3.0 / 7.0)).abs() < 1e-12);
    }
}
