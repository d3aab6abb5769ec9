//! Line charts and bars as inline SVG, colored by the page's own style.

use std::fmt::Write;

use crate::html::{COLORS, escape};

/// Width of a chart in its own units; on a telephone about a pixel each.
const WIDTH: f64 = 360.0;
const HEIGHT: f64 = 220.0;
const LEFT: f64 = 46.0;
const RIGHT: f64 = 10.0;
const TOP: f64 = 10.0;
const BOTTOM: f64 = 34.0;

/// Points that are drawn of a series at most; more would not be seen, and make the page large.
const MOST_POINTS: usize = 600;

/// The largest size of a value that has a place: no axis and no power of ten overflows below it. What is beyond it is no
/// measure of anything, but a damaged file's.
const LARGEST: f64 = 1e100;

/// One line of a chart.
pub struct Series {
    /// What the legend calls it.
    pub name: String,
    /// Which of the page's colors it has.
    pub color: usize,
    /// Drawn thin and pale, behind the others.
    pub faint: bool,
    /// Where it goes; points that are not finite, or beyond 1e100, are left out.
    pub points: Vec<(f64, f64)>,
}

/// How an axis divides its range.
#[derive(Clone, Copy, PartialEq)]
pub enum Scale {
    /// Evenly.
    Linear,
    /// By powers of ten; values of 0 and less are left out.
    Log,
}

/// A chart of lines over a common axis.
pub struct Chart<'a> {
    /// What stands above it.
    pub title: &'a str,
    /// What stands below the x axis.
    pub x_label: &'a str,
    /// How the x axis is divided.
    pub x_scale: Scale,
    /// How the y axis is divided.
    pub y_scale: Scale,
    /// The lines.
    pub series: Vec<Series>,
    /// Places on the x axis that are marked, with their names.
    pub marks: Vec<(f64, String)>,
}

impl Chart<'_> {
    /// The chart as a figure with its title and legend; a sentence where there is nothing to draw.
    pub fn figure(&self) -> String {
        let mut svg = String::new();
        let lines: Vec<(&Series, Vec<(f64, f64)>)> = self
            .series
            .iter()
            .map(|series| (series, self.usable(series)))
            .filter(|(_, points)| !points.is_empty())
            .collect();
        let points = || lines.iter().flat_map(|(_, points)| points.iter().copied());
        let (Some(x), Some(y)) = (
            Axis::of(points().map(|p| p.0), self.x_scale, false),
            Axis::of(points().map(|p| p.1), self.y_scale, true),
        ) else {
            return format!(
                "<figure><figcaption>{}</figcaption><p class=\"none\">Nothing was recorded.</p>\
                 </figure>",
                escape(self.title)
            );
        };
        let px = |value: f64| LEFT + x.place(value) * (WIDTH - LEFT - RIGHT);
        let py = |value: f64| HEIGHT - BOTTOM - y.place(value) * (HEIGHT - TOP - BOTTOM);

        let _ = write!(
            svg,
            "<svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-label=\"{}\">",
            escape(self.title)
        );
        for tick in y.ticks() {
            let at = py(tick);
            let _ = write!(
                svg,
                "<line class=\"grid\" x1=\"{LEFT}\" x2=\"{:.1}\" y1=\"{at:.1}\" y2=\"{at:.1}\"/>\
                 <text class=\"tick\" text-anchor=\"end\" x=\"{:.1}\" y=\"{:.1}\">{}</text>",
                WIDTH - RIGHT,
                LEFT - 5.0,
                at + 3.5,
                label(tick, y.high)
            );
        }
        for tick in x.ticks() {
            let at = px(tick);
            let _ = write!(
                svg,
                "<text class=\"tick\" text-anchor=\"middle\" x=\"{at:.1}\" y=\"{:.1}\">{}</text>",
                HEIGHT - BOTTOM + 15.0,
                label(tick, x.high)
            );
        }
        let _ = write!(
            svg,
            "<line class=\"axis\" x1=\"{LEFT}\" x2=\"{:.1}\" y1=\"{:.1}\" y2=\"{:.1}\"/>\
             <text class=\"tick\" text-anchor=\"middle\" x=\"{:.1}\" y=\"{:.1}\">{}</text>",
            WIDTH - RIGHT,
            HEIGHT - BOTTOM,
            HEIGHT - BOTTOM,
            (LEFT + WIDTH - RIGHT) / 2.0,
            HEIGHT - 4.0,
            escape(self.x_label)
        );
        for (value, name) in &self.marks {
            if *value >= x.low && *value <= x.high {
                let _ = write!(
                    svg,
                    "<line class=\"mark\" x1=\"{0:.1}\" x2=\"{0:.1}\" y1=\"{TOP}\" y2=\"{1:.1}\">\
                     <title>{2}</title></line>",
                    px(*value),
                    HEIGHT - BOTTOM,
                    escape(name)
                );
            }
        }
        // Faint ones first: what is drawn later lies above.
        for faint in [true, false] {
            for (series, points) in lines.iter().filter(|(series, _)| series.faint == faint) {
                line(&mut svg, series, points, &px, &py);
            }
        }
        svg.push_str("</svg>");
        format!(
            "<figure><figcaption>{}{}</figcaption>{svg}</figure>",
            escape(self.title),
            legend(&lines)
        )
    }

    fn usable(&self, series: &Series) -> Vec<(f64, f64)> {
        let fits = |scale: Scale, value: f64| match scale {
            Scale::Linear => value.abs() <= LARGEST,
            Scale::Log => (1.0 / LARGEST..=LARGEST).contains(&value),
        };
        let points = series.points.iter().copied();
        thinned(points.filter(|p| fits(self.x_scale, p.0) && fits(self.y_scale, p.1)).collect())
    }
}

/// At most [`MOST_POINTS`] points: the first and last, and of the rest evenly spread ones.
fn thinned(points: Vec<(f64, f64)>) -> Vec<(f64, f64)> {
    let n = points.len();
    if n <= MOST_POINTS {
        return points;
    }
    (0..MOST_POINTS).map(|i| points[i * (n - 1) / (MOST_POINTS - 1)]).collect()
}

fn line(
    svg: &mut String,
    series: &Series,
    points: &[(f64, f64)],
    px: &impl Fn(f64) -> f64,
    py: &impl Fn(f64) -> f64,
) {
    let faint = if series.faint { " faint" } else { "" };
    let color = series.color % COLORS;
    if points.len() > 1 {
        let path: Vec<String> =
            points.iter().map(|&(x, y)| format!("{:.1},{:.1}", px(x), py(y))).collect();
        let _ =
            write!(svg, "<polyline class=\"line c{color}{faint}\" points=\"{}\"/>", path.join(" "));
    }
    // Few points are shown as such, and say their value.
    if points.len() <= 40 && !series.faint {
        for &(x, y) in points {
            let _ = write!(
                svg,
                "<circle class=\"dot c{color}\" cx=\"{:.1}\" cy=\"{:.1}\" r=\"2.5\"><title>{}: {} at {}\
                 </title></circle>",
                px(x),
                py(y),
                escape(&series.name),
                short(y),
                short(x)
            );
        }
    }
}

/// The names of the lines with their colors; none for a single line.
fn legend(lines: &[(&Series, Vec<(f64, f64)>)]) -> String {
    if lines.len() < 2 {
        return String::new();
    }
    let mut text = "<span class=\"legend\">".to_string();
    for (series, _) in lines {
        let faint = if series.faint { " faint" } else { "" };
        let color = series.color % COLORS;
        let _ = write!(
            text,
            "<span><i class=\"key c{color}{faint}\"></i>{}</span>",
            escape(&series.name)
        );
    }
    text + "</span>"
}

/// The range of an axis.
struct Axis {
    low: f64,
    high: f64,
    scale: Scale,
}

impl Axis {
    fn of(values: impl Iterator<Item = f64>, scale: Scale, padded: bool) -> Option<Self> {
        let (low, high) = values.fold(None, |range: Option<(f64, f64)>, value| match range {
            None => Some((value, value)),
            Some((low, high)) => Some((low.min(value), high.max(value))),
        })?;
        let (mut low, mut high) = match scale {
            Scale::Linear => (low, high),
            Scale::Log => (low.log10(), high.log10()),
        };
        if high - low < 1e-12 * high.abs().max(1.0) {
            let around = if scale == Scale::Log { 0.5 } else { 0.5 * high.abs().max(1e-3) };
            (low, high) = (low - around, high + around);
        } else if padded {
            let margin = 0.05 * (high - low);
            // Nothing that is counted from 0 goes below it.
            low = if scale == Scale::Linear && low >= 0.0 {
                (low - margin).max(0.0)
            } else {
                low - margin
            };
            high += margin;
        }
        let (low, high) = match scale {
            Scale::Linear => (low, high),
            Scale::Log => (10f64.powf(low), 10f64.powf(high)),
        };
        Some(Self { low, high, scale })
    }

    /// Where a value stands, from 0 to 1.
    fn place(&self, value: f64) -> f64 {
        match self.scale {
            Scale::Linear => (value - self.low) / (self.high - self.low),
            Scale::Log => (value / self.low).ln() / (self.high / self.low).ln(),
        }
    }

    /// Round numbers within the range, about five of them.
    fn ticks(&self) -> Vec<f64> {
        match self.scale {
            Scale::Linear => {
                let step = round_step((self.high - self.low) / 5.0);
                let first = (self.low / step - 1e-9).ceil() as i64;
                let last = (self.high / step + 1e-9).floor() as i64;
                (first..=last).map(|tick| tick as f64 * step).collect()
            }
            Scale::Log => {
                let (first, last) =
                    (self.low.log10().ceil() as i32, self.high.log10().floor() as i32);
                let every = ((last - first) / 5 + 1).max(1) as usize;
                let powers: Vec<f64> =
                    (first..=last).step_by(every).map(|p| 10f64.powi(p)).collect();
                if powers.len() < 2 { vec![self.low, self.high] } else { powers }
            }
        }
    }
}

/// The next of 1, 2, 5 times a power of ten.
fn round_step(raw: f64) -> f64 {
    let power = 10f64.powf(raw.log10().floor());
    let factor = [1.0, 2.0, 5.0].into_iter().find(|factor| factor * power >= raw * 0.999);
    factor.unwrap_or(10.0) * power
}

/// A tick's number: short, without the noise of a float's last bits, and written as the other ticks
/// of an axis that ends at `high`.
fn label(value: f64, high: f64) -> String {
    if value == 0.0 {
        return "0".to_string();
    }
    if !(0.05..1e5).contains(&high) || !(1e-4..1e5).contains(&value.abs()) {
        let text = format!("{value:.1e}");
        return text.replace(".0e", "e");
    }
    let text = format!("{value:.4}");
    text.trim_end_matches('0').trim_end_matches('.').to_string()
}

/// A value with four digits that count.
pub fn short(value: f64) -> String {
    let size = value.abs();
    if value == 0.0 || !value.is_finite() {
        return format!("{value}");
    }
    if !(1e-3..1e6).contains(&size) {
        return format!("{value:.2e}");
    }
    if value.fract() == 0.0 {
        return format!("{value:.0}");
    }
    let digits = (3 - size.log10().floor() as i32).clamp(0, 6) as usize;
    format!("{value:.digits$}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chart(points: Vec<(f64, f64)>, y_scale: Scale) -> String {
        let series = vec![Series { name: "a<b".to_string(), color: 0, faint: false, points }];
        let x_scale = Scale::Linear;
        Chart { title: "t", x_label: "x", x_scale, y_scale, series, marks: Vec::new() }.figure()
    }

    #[test]
    fn a_line_goes_from_corner_to_corner_of_its_range() {
        let axis = Axis::of([2.0, 10.0].into_iter(), Scale::Linear, false).unwrap();
        assert_eq!((axis.place(2.0), axis.place(6.0), axis.place(10.0)), (0.0, 0.5, 1.0));
        let axis = Axis::of([1e-4, 1.0].into_iter(), Scale::Log, false).unwrap();
        assert!((axis.place(1e-2) - 0.5).abs() < 1e-12);
    }

    #[test]
    fn ticks_are_round_numbers_within_the_range() {
        let axis = Axis::of([0.03, 0.97].into_iter(), Scale::Linear, false).unwrap();
        assert_eq!(
            axis.ticks().iter().map(|t| label(*t, axis.high)).collect::<Vec<_>>(),
            ["0.2", "0.4", "0.6", "0.8"]
        );
        let axis = Axis::of([1e-7, 10.0].into_iter(), Scale::Log, false).unwrap();
        assert!(axis.ticks().len() <= 6 && axis.ticks().len() >= 3, "{:?}", axis.ticks());
    }

    #[test]
    fn what_is_not_finite_or_has_no_place_is_left_out() {
        let figure = chart(vec![(0.0, 1.0), (1.0, f64::NAN), (2.0, 3.0)], Scale::Linear);
        assert_eq!(figure.matches("<circle").count(), 2);
        assert!(!figure.contains("NaN"), "{figure}");
        let figure = chart(vec![(0.0, 0.0), (1.0, 0.1), (2.0, 0.01)], Scale::Log);
        assert_eq!(figure.matches("<circle").count(), 2);
        assert!(chart(Vec::new(), Scale::Linear).contains("Nothing was recorded"));
    }

    #[test]
    fn values_that_no_axis_can_have_are_left_out_and_all_others_have_few_ticks() {
        let extremes = [5e-324, 1e-300, 1e-101, 1.0, 1e99, 1e300, f64::MAX, -f64::MAX];
        for scale in [Scale::Linear, Scale::Log] {
            for a in extremes {
                for b in extremes {
                    let figure = chart(vec![(a, b), (b, a), (1.0, 1.0), (2.0, 2.0)], scale);
                    assert!(
                        !figure.contains("NaN") && !figure.contains("inf"),
                        "{a} {b}: {figure}"
                    );
                    assert!(figure.matches("class=\"tick\"").count() < 30, "{a} {b}: {figure}");
                }
            }
        }
    }

    #[test]
    fn one_value_and_equal_values_have_a_range_too() {
        for points in [vec![(0.0, 0.5)], vec![(0.0, 0.0), (1.0, 0.0)]] {
            let figure = chart(points, Scale::Linear);
            assert!(!figure.contains("NaN") && !figure.contains("inf"), "{figure}");
        }
    }

    #[test]
    fn names_are_escaped_and_long_lines_are_thinned() {
        let figure = chart(vec![(0.0, 1.0), (1.0, 2.0)], Scale::Linear);
        assert!(figure.contains("a&lt;b") && !figure.contains("a<b"), "{figure}");
        let many = (0..10_000).map(|i| (f64::from(i), f64::from(i % 7))).collect();
        let kept = thinned(many);
        assert_eq!((kept.len(), kept[0].0, kept[MOST_POINTS - 1].0), (MOST_POINTS, 0.0, 9999.0));
    }
}
