//! Checks of what is written for people: docs/, and the pages beside Cargo.toml and in the crates.

use super::{files, read, root};

/// The longest line of prose, in characters.
const COLUMNS: usize = 110;

/// Words that mean nothing to a practitioner; the term stands beside each.
const ODD_WORDS: &[(&str, &str)] = &[
    ("numbers trained", "trainable parameters"),
    ("of peace", "rate limited"),
    ("utilise", "use"),
    ("utilize", "use"),
    ("leverage", "use"),
    ("seamless", "say what happens"),
    ("blazing", "give the figure"),
    ("cutting-edge", "give the figure"),
    ("simply ", "leave it out"),
];

/// All pages, as paths below the checkout.
fn pages() -> Vec<String> {
    let mut pages = files("docs", ".md");
    pages.extend(files("crates", ".md").into_iter().filter(|path| !path.contains("/assets/")));
    let top = ["README.md", "CONTRIBUTING.md", "CHANGELOG.md"].map(str::to_string);
    pages.extend(top.into_iter().filter(|path| root().join(path).exists()));
    pages
}

/// The lines of a page with their numbers, from 1, and whether each stands in a block of code.
fn lines(text: &str) -> Vec<(usize, &str, bool)> {
    let mut is_code = false;
    let mut found = Vec::new();
    for (at, line) in text.lines().enumerate() {
        let is_fence = line.trim_start().starts_with("```");
        found.push((at + 1, line, is_code || is_fence));
        is_code ^= is_fence;
    }
    found
}

pub fn long_lines() -> Vec<String> {
    let mut found = Vec::new();
    for path in pages().into_iter().filter(|path| !path.starts_with("CHANGELOG")) {
        for (at, line, is_code) in lines(&read(&path)) {
            // A table's row cannot be broken, nor a line that is one word.
            let must = is_code
                || line.starts_with('|')
                || !line.trim().trim_start_matches("- ").contains(' ');
            let length = line.chars().count();
            if !must && length > COLUMNS {
                found.push(format!("{path}:{at} has {length} characters, of {COLUMNS}"));
            }
        }
    }
    found
}

pub fn odd_words() -> Vec<String> {
    let mut found = Vec::new();
    for path in pages().into_iter().filter(|path| !path.starts_with("CHANGELOG")) {
        for (at, line, is_code) in lines(&read(&path)) {
            let line = line.to_lowercase();
            for (odd, better) in ODD_WORDS.iter().filter(|(odd, _)| !is_code && line.contains(odd))
            {
                found.push(format!("{path}:{at}: `{}`; {better}", odd.trim()));
            }
        }
    }
    found
}

pub fn unmarked_blocks() -> Vec<String> {
    let mut found = Vec::new();
    for path in pages() {
        let mut is_open = false;
        for (at, line) in read(&path).lines().enumerate() {
            let Some(mark) = line.trim_start().strip_prefix("```") else { continue };
            if !is_open && mark.is_empty() {
                found.push(format!("{path}:{}: the block does not say what it is", at + 1));
            }
            is_open = !is_open;
        }
        if is_open {
            found.push(format!("{path}: a block does not end"));
        }
    }
    found
}

/// The places of a page that a link may end in: its headings as GitHub and mdBook name them.
fn anchors(text: &str) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    for (_, line, is_code) in lines(text) {
        if is_code || !line.starts_with('#') {
            continue;
        }
        let heading = line.trim_start_matches('#').trim();
        let slug: String = heading
            .to_lowercase()
            .chars()
            .filter(|c| c.is_alphanumeric() || " -_".contains(*c))
            .map(|c| if c == ' ' { '-' } else { c })
            .collect();
        let same = found.iter().filter(|known| **known == slug).count();
        found.push(if same > 0 { format!("{slug}-{same}") } else { slug });
    }
    found
}

/// What the links and pictures of a page point to, with their lines.
fn targets(text: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    for (at, line, is_code) in lines(text) {
        if is_code {
            continue;
        }
        // What stands between backticks is shown as it is.
        let shown: String = line.split('`').step_by(2).collect::<Vec<_>>().join("`");
        for part in shown.split("](").skip(1) {
            found.extend(part.split(')').next().map(|to| (at, to.to_string())));
        }
        if let Some((_, to)) = line.split_once("]: ").filter(|_| line.starts_with('[')) {
            found.push((at, to.trim().to_string()));
        }
    }
    found
}

pub fn links() -> Vec<String> {
    let mut found = Vec::new();
    for path in pages() {
        let text = read(&path);
        for (at, to) in targets(&text) {
            if to.contains("://") || to.starts_with("mailto:") || to.is_empty() {
                continue;
            }
            let (file, anchor) = to.split_once('#').unwrap_or((&to, ""));
            let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
            let full = match file.is_empty() {
                true => path.clone(),
                false => format!("{folder}/{file}").trim_start_matches('/').to_string(),
            };
            if !root().join(&full).exists() {
                found.push(format!("{path}:{at}: there is no {to}"));
            } else if !anchor.is_empty() && full.ends_with(".md") {
                let there = anchors(&read(&full));
                if !there.iter().any(|known| known == anchor) {
                    found.push(format!("{path}:{at}: {full} has no heading #{anchor}"));
                }
            }
        }
    }
    found
}

/// Pages that the book's table of contents lacks.
pub fn book() -> Vec<String> {
    let summary = read("docs/SUMMARY.md");
    let named: Vec<String> = targets(&summary).into_iter().map(|(_, to)| to).collect();
    let missing = files("docs", ".md").into_iter().filter_map(|path| {
        let below = path.strip_prefix("docs/")?.to_string();
        (below != "SUMMARY.md" && !named.contains(&below)).then_some(below)
    });
    missing.map(|page| format!("docs/SUMMARY.md does not name {page}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_and_headings_are_read_as_a_browser_does() {
        let text = "# A `b` c, d\n\n[x](y.md#z) `[a](b)` ![p](i.png)\n\n[k]: far.md\n## A b c d\n```text\n[no](n)\n```\n";
        let to: Vec<String> = targets(text).into_iter().map(|(_, to)| to).collect();
        assert_eq!(to, ["y.md#z", "i.png", "far.md"]);
        assert_eq!(anchors(text), ["a-b-c-d", "a-b-c-d-1"]);
    }
}
