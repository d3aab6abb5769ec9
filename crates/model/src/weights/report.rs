//! What loading did: which tensor went where, and what did not fit.

use std::fmt;

use serde::{Deserialize, Serialize};
use unicode_width::UnicodeWidthStr;

use super::buffers::{Role, role};

/// One line of a [`LoadReport`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// The parameter's name in the net; for unused and skipped tensors, the name that the key map
    /// gave it.
    pub name: String,
    /// The parameter's shape in the net; for unused and skipped tensors, that in the file.
    pub shape: Vec<usize>,
    /// The tensor's name in the file, where a tensor was found.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// What was done or why, in words; may be empty.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub note: String,
}

/// What became of each of a net's parameters and each of a file's tensors.
///
/// Each parameter is in exactly one of the first five lists, each tensor of the file that none of
/// them used in one of the last two. `missing`, `mismatched` and `unused` are faults.
///
/// Displayed it is a table: a line of totals for each list, and a line for each tensor with
/// something to say about, several of one kind being folded (`blocks.*.attn.qkv.lora_A.weight`), up to
/// twenty a list. The alternate form (`{:#}`) names every tensor.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LoadReport {
    /// The file that the tensors came from, if there was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// Taken from the file as it is, up to the dtype and the layout.
    pub loaded: Vec<Entry>,
    /// Taken from the file and changed to fit, such as a stem for another number of channels.
    pub adapted: Vec<Entry>,
    /// Drawn anew: there was no file, the head was replaced, or the tensor was allowed to be
    /// missing.
    pub initialized: Vec<Entry>,
    /// Asked for and not in the file.
    pub missing: Vec<Entry>,
    /// In the file with a shape or type that does not fit.
    pub mismatched: Vec<Entry>,
    /// In the file and not asked for.
    pub unused: Vec<Entry>,
    /// In the file and passed over, because its name says that it is no weight, or because it was
    /// allowed.
    pub skipped: Vec<Entry>,
    /// What was taken off the beginning of the file's names, such as `module.`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub prefix: String,
    /// What was chosen of the file and taken off its names, a line each.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
    /// The names of the head's parameters in `initialized`: the file's head is for other classes,
    /// or it has none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub new_head: Vec<String>,
}

impl LoadReport {
    /// Whether nothing is missing, mismatched or unused.
    pub fn is_clean(&self) -> bool {
        self.missing.is_empty() && self.mismatched.is_empty() && self.unused.is_empty()
    }

    /// Whether no tensor of the file went into the net.
    pub(crate) fn uses_nothing(&self) -> bool {
        self.loaded.is_empty() && self.adapted.is_empty()
    }

    /// One line for each fault, in the order missing, mismatched, unused.
    pub fn faults(&self) -> Vec<String> {
        let lists = [&self.missing, &self.mismatched, &self.unused];
        let each = WHATS.into_iter().zip(lists);
        each.flat_map(|(what, list)| list.iter().map(move |e| fault(what, &Line::of(&[e]))))
            .collect()
    }

    /// As [`faults`](Self::faults), but one line for those of a kind, and no more than a screen has.
    pub(super) fn folded_faults(&self) -> Vec<String> {
        let lists = [&self.missing, &self.mismatched, &self.unused];
        let each = WHATS.into_iter().zip(lists);
        let lines = each.flat_map(|(what, list)| {
            let (lines, more) = folded(list.iter());
            let lines = lines.into_iter().map(move |line| fault(what, &line));
            lines.chain(more.map(|more| format!("{what} {more}")))
        });
        lines.collect()
    }

    fn lists(&self) -> [(&'static str, &[Entry]); 7] {
        [
            ("loaded", &self.loaded),
            ("adapted", &self.adapted),
            ("initialized", &self.initialized),
            ("missing", &self.missing),
            ("mismatched", &self.mismatched),
            ("unused", &self.unused),
            ("skipped", &self.skipped),
        ]
    }
}

/// What is said of faults, in the order in which they are told.
const WHATS: [&str; 3] = ["missing", "mismatched", "unused"];

/// A line on a fault, by the name in the file where it is one of the file's.
fn fault(what: &str, Line { name, shape, from, note }: &Line) -> String {
    let names = match (what, from.as_str()) {
        ("unused", from) if !from.is_empty() && from != name => format!("`{from}` -> {name}"),
        _ => format!("`{name}`"),
    };
    let note = if note.is_empty() { String::new() } else { format!(": {note}") };
    format!("{what} {names} {shape}{note}")
}

impl fmt::Display for LoadReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(source) = &self.source {
            writeln!(f, "weights from {source}")?;
        }
        self.notes.iter().try_for_each(|note| writeln!(f, "{note}"))?;
        // Without a file everything is initialized, and there is nothing to say about each.
        let fresh = self.source.is_none();
        for (list, entries) in self.lists().into_iter().filter(|(_, entries)| !entries.is_empty()) {
            let elements: usize = entries.iter().map(|e| e.shape.iter().product::<usize>()).sum();
            let tensors = if entries.len() == 1 { "tensor " } else { "tensors" };
            writeln!(f, "{list:<12}{:>5} {tensors} {elements:>12} numbers", entries.len())?;
            let told = |entry: &&Entry| match list {
                "loaded" => was_renamed(entry, &self.prefix),
                "initialized" => !fresh,
                _ => true,
            };
            let (lines, more) = match f.alternate() {
                true => (entries.iter().map(|entry| Line::of(&[entry])).collect(), None),
                false => folded(entries.iter().filter(told)),
            };
            // A longer name, which a file can have, is written whole.
            let columns = lines.iter().map(|line| line.name.width()).max().unwrap_or(0).min(80);
            for Line { name, shape, from, note } in &lines {
                let padding = " ".repeat(columns.saturating_sub(name.width()));
                write!(f, "  {name}{padding}  {shape}")?;
                if from != name && !from.is_empty() {
                    write!(f, "  from {from}")?;
                }
                if !note.is_empty() {
                    write!(f, "  {note}")?;
                }
                writeln!(f)?;
            }
            if let Some(more) = more {
                writeln!(f, "  {more}")?;
            }
        }
        Ok(())
    }
}

/// A line on one tensor, or on several of a kind.
struct Line {
    name: String,
    /// The shape of one, the number of several.
    shape: String,
    from: String,
    note: String,
}

impl Line {
    fn of(entries: &[&Entry]) -> Self {
        let first = entries[0];
        let from = first.from.clone().unwrap_or_default();
        match entries.len() {
            1 => Self {
                name: printable(&first.name),
                shape: format!("{:?}", first.shape),
                from: printable(&from),
                note: first.note.clone(),
            },
            n => {
                let (name, mut from, note) = kind(first);
                // Of what has lost its name only the last part is left.
                from = if name.starts_with("*.") { String::new() } else { from };
                let (name, from) = (printable(&name), printable(&from));
                Self { name, shape: format!("{n} tensors"), from, note }
            }
        }
    }
}

/// A name of a file in one line: a line break or an escape sequence must not reach the terminal.
fn printable(name: &str) -> String {
    let escape = |c: char| match c.is_control() {
        true => c.escape_default().to_string(),
        false => c.to_string(),
    };
    name.chars().map(escape).collect()
}

/// Lines of a list; what is beyond is counted.
const LINES: usize = 20;

/// The entries, each on a line of its own, but those of a kind on one, where there are three or more; and
/// how many are left when [`LINES`] are full.
fn folded<'a>(entries: impl Iterator<Item = &'a Entry>) -> (Vec<Line>, Option<String>) {
    let mut kinds: Vec<(Kind, Vec<&Entry>)> = Vec::new();
    for entry in entries {
        let kind = kind(entry);
        match kinds.iter_mut().find(|(known, _)| *known == kind) {
            Some((_, members)) => members.push(entry),
            None => kinds.push((kind, vec![entry])),
        }
    }
    let groups = kinds.iter().flat_map(|(_, members)| match members.len() {
        1 | 2 => members.chunks(1).collect(),
        _ => vec![members.as_slice()],
    });
    let groups: Vec<&[&Entry]> = groups.collect();
    let (shown, left) = groups.split_at(groups.len().min(LINES));
    let count: usize = left.iter().map(|group| group.len()).sum();
    let more = (count > 0).then(|| format!("… {count} tensors more"));
    (shown.iter().map(|group| Line::of(group)).collect(), more)
}

/// Name, name in the file, note.
type Kind = (String, String, String);

/// What entries of a kind agree in: name, name in the file and note, but for their numbers; of what is
/// no weight by its name, the name's last part.
fn kind(entry: &Entry) -> Kind {
    let last = entry.name.rsplit('.').next().unwrap_or_default();
    let name = match role(&entry.name) {
        Role::Skipped => format!("*.{last}"),
        _ => starred(&entry.name),
    };
    let from = match role(&entry.name) {
        Role::Skipped => String::new(),
        _ => starred(entry.from.as_deref().unwrap_or_default()),
    };
    (name, from, entry.note.clone())
}

/// A name with `*` for each number that is a part of its own.
fn starred(name: &str) -> String {
    let is_number = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    let parts = name.split('.').map(|part| if is_number(part) { "*" } else { part });
    parts.collect::<Vec<_>>().join(".")
}

/// Of the tensors that were loaded, those are told of that came under another name.
fn was_renamed(entry: &Entry, prefix: &str) -> bool {
    let from = entry.from.as_deref();
    from.is_some_and(|from| from.strip_prefix(prefix).unwrap_or(from) != entry.name)
}
