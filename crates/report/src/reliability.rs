//! The reliability diagram: whether answers are right as often as their confidence says.

use std::fmt::Write;

use taper_metrics::Calibration;

use crate::html::percent;

/// Confidence across, how often it was right up; how many answers had it below.
pub(crate) fn reliability(calibration: &Calibration) -> String {
    const SIDE: f64 = 240.0;
    const LEFT: f64 = 40.0;
    const TOP: f64 = 8.0;
    const COUNTS: f64 = 46.0;
    let x = |share: f64| LEFT + share * (360.0 - LEFT - 18.0);
    let y = |share: f64| TOP + (1.0 - share) * SIDE;
    let most = calibration.bins.iter().map(|bin| bin.count).max().unwrap_or(1).max(1);
    let base = TOP + SIDE + 22.0 + COUNTS;
    let mut svg = format!(
        "<svg viewBox=\"0 0 360 {:.0}\" role=\"img\" aria-label=\"reliability diagram\">",
        base + 36.0
    );
    for tick in 0..=5 {
        let share = f64::from(tick) / 5.0;
        let _ = write!(
            svg,
            "<line class=\"grid\" x1=\"{:.1}\" x2=\"{:.1}\" y1=\"{:.1}\" y2=\"{:.1}\"/>\
             <text text-anchor=\"end\" x=\"{:.1}\" y=\"{:.1}\">{:.0}%</text>\
             <text text-anchor=\"middle\" x=\"{:.1}\" y=\"{:.1}\">{:.0}%</text>",
            x(0.0),
            x(1.0),
            y(share),
            y(share),
            LEFT - 5.0,
            y(share) + 3.5,
            100.0 * share,
            x(share),
            base + 14.0,
            100.0 * share
        );
    }
    for bin in &calibration.bins {
        let (left, width) = (x(bin.lower) + 1.0, x(bin.upper) - x(bin.lower) - 2.0);
        let (Some(confidence), Some(accuracy)) = (bin.confidence, bin.accuracy) else { continue };
        let height = COUNTS * (bin.count as f64 / most as f64).sqrt();
        let title = format!(
            "{} answers of {} confidence: {} right",
            bin.count,
            percent(confidence),
            percent(accuracy)
        );
        let _ = write!(
            svg,
            "<rect class=\"bar c0\" x=\"{left:.1}\" width=\"{width:.1}\" y=\"{:.1}\" height=\"{:.1}\">\
             <title>{title}</title></rect>\
             <rect class=\"bar pale c0\" x=\"{left:.1}\" width=\"{width:.1}\" y=\"{:.1}\" \
             height=\"{height:.1}\"><title>{title}</title></rect>",
            y(accuracy),
            accuracy * SIDE,
            base - height
        );
        let _ = write!(
            svg,
            "<line class=\"gap\" x1=\"{left:.1}\" x2=\"{:.1}\" y1=\"{1:.1}\" y2=\"{1:.1}\"/>",
            left + width,
            y(confidence)
        );
    }
    let _ = write!(
        svg,
        "<line class=\"diagonal\" x1=\"{:.1}\" y1=\"{:.1}\" x2=\"{:.1}\" y2=\"{:.1}\"/>\
         <line class=\"axis\" x1=\"{:.1}\" x2=\"{:.1}\" y1=\"{base:.1}\" y2=\"{base:.1}\"/>\
         <text text-anchor=\"middle\" x=\"{:.1}\" y=\"{:.1}\">confidence</text></svg>",
        x(0.0),
        y(0.0),
        x(1.0),
        y(1.0),
        x(0.0),
        x(1.0),
        x(0.5),
        base + 31.0
    );
    format!(
        "<figure><figcaption>Right answers by confidence</figcaption>{svg}</figure>\
         <p class=\"note\">Bars on the dashed line are well calibrated; below it the net is overconfident. The short \
         lines mark the mean confidence, the pale bars below how many answers there are (root scale). \
         Expected calibration error {}, largest {}.</p>",
        percent(calibration.expected_error),
        percent(calibration.maximum_error)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bins_without_answers_have_no_bar() {
        let calibration =
            taper_metrics::calibration(&[0, 1], &[0.9, 0.1, 0.2, 0.8], 2, 15).unwrap();
        assert_eq!(reliability(&calibration).matches("class=\"gap\"").count(), 2);
    }
}
