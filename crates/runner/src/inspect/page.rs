//! The numbers and pictures as one page that needs nothing else.

use std::fmt::Write;

use taper_dataset::inspect::InspectedPart;

use super::Inspected;

const STYLE: &str = "body{font:15px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:64rem;\
    padding:0 1rem;color:#222;background:#fff}h1{font-size:1.5rem}h2{font-size:1.15rem;\
    margin-top:2rem}table{border-collapse:collapse}td,th{padding:.15rem .8rem .15rem 0;\
    text-align:left;vertical-align:top;font-variant-numeric:tabular-nums}td.n{text-align:right}\
    .bar{display:inline-block;height:.7rem;background:#47a;min-width:1px}.warn{color:#a30}\
    img{max-width:100%;image-rendering:pixelated;background:#404050}code{background:#f3f3f3}\
    @media(prefers-color-scheme:dark){body{color:#ddd;background:#181818}code{background:#333}\
    .warn{color:#f84}}";

/// The page, as HTML.
pub(super) fn page(inspected: &Inspected) -> String {
    let inspection = &inspected.inspection;
    let name = escape(&inspection.name);
    let mut html = format!(
        "<!doctype html>\n<html lang=\"en\"><meta charset=\"utf-8\"><title>{name}</title>\n\
         <meta name=\"viewport\" content=\"width=device-width\"><style>{STYLE}</style>\n\
         <h1>{name}</h1>\n"
    );
    let mut add = |text: String| html.push_str(&text);
    for part in &inspection.parts {
        add(format!("<h2>{}: {} images</h2>\n", part.name, part.description.count));
        add(numbers(part));
    }
    add("<h2>Classes</h2>\n".to_string());
    add(classes(&inspection.parts));
    if let Some((class, count)) = &inspection.smallest_class {
        let class = escape(class);
        add(format!("<p>The smallest class is {class}, with {count} images to train on.</p>\n"));
    }
    add("<h2>Suggested normalization</h2>\n".to_string());
    add(format!("<p><code>{}</code></p>\n", inspected.normalization()));
    add(duplicates(inspected));
    if !inspected.left_out.is_empty() {
        let reasons = inspected.left_out.iter().map(|reason| format!("<li>{}", escape(reason)));
        let (count, reasons) = (inspected.left_out.len(), reasons.collect::<String>());
        add(format!("<h2>Left out</h2>\n<p>{count} cannot be read:</p><ul>{reasons}</ul>\n"));
    }
    if let Some(cut) = inspected.cut() {
        add(format!("<p>Here {cut}.</p>\n"));
    }
    add(picture("Some images of each class", &inspected.sheet));
    if let Some(augmented) = &inspected.augmented {
        add(picture("As they are, and as they are changed in eleven epochs", augmented));
    }
    html.push_str("</html>\n");
    html
}

fn numbers(part: &InspectedPart) -> String {
    let description = &part.description;
    let mut rows = vec![("source", escape(&description.source))];
    let sizes: Vec<String> = description
        .sizes
        .iter()
        .take(20)
        .map(|([h, w, c], count)| format!("{h}×{w}×{c}: {count}"))
        .collect();
    let more = description.sizes.len().saturating_sub(20);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    rows.push(("height × width × channels", format!("{}{more}", sizes.join("<br>"))));
    if !part.endings.is_empty() {
        let endings = part.endings.iter().map(|(ending, count)| format!("{count} {ending}"));
        rows.push(("files", escape(&endings.collect::<Vec<_>>().join(", "))));
    }
    if !part.stored.is_empty() {
        rows.push(("stored as", escape(&super::stored(part))));
    }
    rows.push(("values", format!("{} to {}", description.min, description.max)));
    for (channel, (mean, std)) in description.mean.iter().zip(&description.std).enumerate() {
        let name = ["channel 0", "channel 1", "channel 2"][channel.min(2)];
        rows.push((name, format!("mean {mean:.4}, deviation {std:.4} (of value / 255)")));
    }
    let rows = rows.iter().map(|(name, value)| format!("<tr><th>{name}<td>{value}\n"));
    let mut html = format!("<table>\n{}</table>\n", rows.collect::<String>());
    if !part.faults.is_empty() {
        let _ = write!(html, "<p class=\"warn\">{} cannot be read:</p><ul>", part.faults.len());
        for fault in &part.faults {
            let _ = write!(html, "<li>{}", escape(fault));
        }
        html.push_str("</ul>\n");
    }
    html
}

fn classes(parts: &[InspectedPart]) -> String {
    let counts = |part: &InspectedPart| part.description.classes.iter().map(|(_, n)| *n).max();
    let most = parts.iter().filter_map(counts).max().unwrap_or(1).max(1);
    let mut html = "<table><tr><th>class".to_string();
    for part in parts {
        let _ = write!(html, "<th colspan=2>{}", part.name);
    }
    for (place, (name, _)) in parts[0].description.classes.iter().enumerate() {
        let _ = write!(html, "\n<tr><td>{}", escape(name));
        for part in parts {
            let count = part.description.classes.get(place).map_or(0, |(_, count)| *count);
            let width = 160.0 * count as f64 / most as f64;
            let bar = format!("<span class=\"bar\" style=\"width:{width:.0}px\"></span>");
            let _ = write!(html, "<td class=\"n\">{count}<td>{bar}");
        }
    }
    html + "\n</table>\n"
}

fn duplicates(inspected: &Inspected) -> String {
    let inspection = &inspected.inspection;
    let (within, across) = (inspection.groups_within, inspection.groups_across);
    let conflicts = inspection.conflicts;
    let class = if across + conflicts > 0 { " class=\"warn\"" } else { "" };
    let mut html = format!(
        "<h2>Equal images</h2>\n<p{class}>Groups of equal images: {within} within a part, {across} across \
         parts (what is trained on is tested on), {conflicts} with different classes.</p>\n<ul>"
    );
    for group in &inspection.duplicates {
        let item = |(part, name, class): &(&str, String, String)| {
            format!("{} ({part}, class {})", escape(name), escape(class))
        };
        let items: Vec<String> = group.items.iter().map(item).collect();
        let _ = writeln!(html, "<li>{}", items.join(" = "));
    }
    html + "</ul>\n"
}

fn picture(title: &str, png: &[u8]) -> String {
    let data = base64(png);
    format!("<h2>{title}</h2>\n<img alt=\"{title}\" src=\"data:image/png;base64,{data}\">\n")
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// RFC 4648, with padding.
fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for three in bytes.chunks(3) {
        let bits = three.iter().fold(0u32, |bits, &byte| bits << 8 | u32::from(byte));
        let bits = bits << (8 * (3 - three.len()));
        for place in 0..4 {
            let digit = bits >> (18 - 6 * place) & 63;
            let padding = place > three.len();
            text.push(if padding { '=' } else { char::from(DIGITS[digit as usize]) });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_that_of_the_standard() {
        for (bytes, text) in
            [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foobar", "Zm9vYmFy")]
        {
            assert_eq!(base64(bytes.as_bytes()), text);
        }
    }

    #[test]
    fn names_cannot_break_the_page() {
        assert_eq!(escape("<b & \"c\">"), "&lt;b &amp; &quot;c&quot;&gt;");
    }
}
