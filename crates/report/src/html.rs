//! A page: its head, its style, its pieces. Every piece escapes the text that it is given.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// Colors that lines and bars can have; then they repeat.
pub(crate) const COLORS: usize = 8;

const STYLE: &str = include_str!("style.css");

/// A whole page. Nothing in it asks for anything from outside, and its policy forbids it to.
pub fn page(title: &str, body: &str) -> String {
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; \
         style-src 'unsafe-inline'; img-src data:\">\n\
         <title>{}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n<main>\n{body}</main>\n\
         </body>\n</html>\n",
        escape(title)
    )
}

/// A part of the page under a heading; nothing where there is no content.
pub fn section(heading: &str, content: &str) -> String {
    if content.is_empty() {
        return String::new();
    }
    format!("<section>\n<h2>{}</h2>\n{content}\n</section>\n", escape(heading))
}

/// Charts side by side where there is room.
pub(crate) fn grid(figures: &[String]) -> String {
    format!("<div class=\"grid\">{}</div>", figures.concat())
}

/// Two columns: what, and how much.
pub(crate) fn facts(rows: &[(&str, String)]) -> String {
    let rows = rows
        .iter()
        .map(|(name, value)| format!("<dt>{}</dt><dd>{}</dd>", escape(name), escape(value)));
    format!("<dl class=\"facts\">{}</dl>", rows.collect::<String>())
}

/// Large numbers in a row.
pub fn tiles(tiles: &[(&str, String, String)]) -> String {
    let tiles = tiles.iter().map(|(name, value, note)| {
        format!(
            "<div class=\"tile\"><span>{}</span><b>{}</b><small>{}</small></div>",
            escape(name),
            escape(value),
            escape(note)
        )
    });
    format!("<div class=\"tiles\">{}</div>", tiles.collect::<String>())
}

/// Texts one below the other.
pub(crate) fn list(items: impl IntoIterator<Item = impl AsRef<str>>) -> String {
    let items = items.into_iter().map(|item| format!("<li>{}</li>", escape(item.as_ref())));
    format!("<ul>{}</ul>", items.collect::<String>())
}

/// Text that is folded away until it is asked for.
pub(crate) fn folded(summary: &str, text: &str) -> String {
    format!("<details><summary>{}</summary><pre>{}</pre></details>", escape(summary), escape(text))
}

/// Text for between tags and within quotes.
pub fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            // HTML knows no other control characters.
            c if c.is_control() && !matches!(c, '\n' | '\t') => escaped.push('\u{fffd}'),
            c => escaped.push(c),
        }
    }
    escaped
}

/// `98.76 %`
pub(crate) fn percent(share: f64) -> String {
    format!("{:.2}\u{a0}%", 100.0 * share)
}

/// Seconds in words: `3 min 12 s`.
pub(crate) fn duration(seconds: f64) -> String {
    if seconds < 60.0 {
        return format!("{seconds:.1} s");
    }
    let whole = seconds.round() as u64;
    match whole / 3600 {
        0 => format!("{} min {} s", whole / 60, whole % 60),
        hours => format!("{hours} h {} min", whole % 3600 / 60),
    }
}

/// An image that the page holds, PNG or JPEG; `alt` says what it shows, `size` is its width and height
/// in pixels, where they are known. With `pixels`, an enlarged one shows its pixels as squares.
pub(crate) fn image(bytes: &[u8], size: Option<[usize; 2]>, alt: &str, pixels: bool) -> String {
    let kind = if bytes.starts_with(&[0xff, 0xd8]) { "jpeg" } else { "png" };
    let class = if pixels { " class=\"pixels\"" } else { "" };
    let size = size
        .map_or(String::new(), |[width, height]| format!(" width=\"{width}\" height=\"{height}\""));
    format!(
        "<img{class}{size} alt=\"{}\" src=\"data:image/{kind};base64,{}\">",
        escape(alt),
        STANDARD.encode(bytes)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Red, green and blue of a variable of the style, 0 to 1.
    fn color(style: &str, name: &str) -> [f64; 3] {
        let start = style.find(&format!("--{name}: ")).expect(name) + name.len() + 4;
        let value = style[start..].split(';').next().unwrap().trim();
        let bytes: Vec<u8> = match value.strip_prefix('#') {
            None => value.split(", ").map(|number| number.parse().unwrap()).collect(),
            Some(short) if short.len() == 3 => {
                short.chars().map(|digit| 17 * digit.to_digit(16).unwrap() as u8).collect()
            }
            Some(hex) => {
                (0..3).map(|at| u8::from_str_radix(&hex[2 * at..2 * at + 2], 16).unwrap()).collect()
            }
        };
        [0, 1, 2].map(|at| f64::from(bytes[at]) / 255.0)
    }

    /// The contrast of two colors as WCAG 2 defines it, 1 to 21.
    fn contrast(a: [f64; 3], b: [f64; 3]) -> f64 {
        let luminance = |color: [f64; 3]| {
            let linear = color.map(|c| match c <= 0.04045 {
                true => c / 12.92,
                false => ((c + 0.055) / 1.055).powf(2.4),
            });
            0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
        };
        let (a, b) = (luminance(a), luminance(b));
        (a.max(b) + 0.05) / (a.min(b) + 0.05)
    }

    #[test]
    fn every_text_has_wcag_s_contrast_on_every_shade_in_light_and_dark() {
        let (light, rest) =
            STYLE.split_once("@media screen and (prefers-color-scheme: dark)").unwrap();
        let dark = rest.split("* { box-sizing").next().unwrap();
        for (mode, style) in [("light", light), ("dark", dark)] {
            let color = |name| color(style, name);
            for text in ["ink", "soft", "good", "bad"] {
                for ground in ["card", "page"] {
                    let found = contrast(color(text), color(ground));
                    assert!(found >= 4.5, "{mode}: {text} on {ground} {found:.2}");
                }
            }
            for cell in ["cell", "cell-bad"] {
                for share in 0..=100 {
                    let a = f64::from(share) / 100.0;
                    let ground =
                        [0, 1, 2].map(|c| a * color(cell)[c] + (1.0 - a) * color("card")[c]);
                    let found = contrast(color("ink"), ground);
                    assert!(found >= 4.5, "{mode}: a number on {cell} at {a}: {found:.2}");
                }
            }
        }
    }

    #[test]
    fn paper_is_light_and_keeps_its_colors() {
        let print = STYLE.split("@media print").nth(1).unwrap();
        assert!(print.contains(" print-color-adjust: exact"), "{print}");
        // Whatever is dark is for a screen alone.
        assert_eq!(STYLE.matches("prefers-color-scheme").count(), 1);
        assert!(STYLE.contains("@media screen and (prefers-color-scheme: dark)"));
    }

    #[test]
    fn an_image_stands_in_the_page_itself() {
        let html = image(b"\x89PNG", Some([2, 1]), "<cat>", true);
        assert_eq!(
            html,
            "<img class=\"pixels\" width=\"2\" height=\"1\" alt=\"&lt;cat&gt;\" \
             src=\"data:image/png;base64,iVBORw==\">"
        );
        assert!(
            image(&[0xff, 0xd8, 0xff], None, "", false).contains("data:image/jpeg;base64,/9j/")
        );
    }

    #[test]
    fn nothing_of_a_name_reaches_the_page_as_markup() {
        let escaped = escape("<img src=\"x\" onerror='y'>&\u{1b}\n");
        assert_eq!(escaped, "&lt;img src=&quot;x&quot; onerror=&#39;y&#39;&gt;&amp;\u{fffd}\n");
    }

    #[test]
    fn times_are_told_in_units_that_fit() {
        assert_eq!([0.34, 61.2, 3725.0].map(duration), ["0.3 s", "1 min 1 s", "1 h 2 min"]);
    }
}
