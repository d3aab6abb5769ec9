//! `reference`: docs/reference.md and docs/commands.md, from the keys of the recipe and from clap.
//!
//! A test compares both pages with what is made here, so that a key or a flag cannot be missing from them.

use std::fmt::Write;
use std::path::PathBuf;

use anyhow::Result;
use clap::Arg;
use serde::Serialize;
use serde::de::DeserializeOwned;
use taper_dataset::Augment;
use taper_dataset::augment::PRESETS;
use taper_optimizer::{Rule, TakeRule};
use taper_runner::{Choice, Key, Registry, choices, keys};
use toml::{Table, Value};

/// The longest line.
const COLUMNS: usize = 108;

const GENERATED: &str = "<!-- Made by `cargo xtask reference`; do not edit. -->\n\n";

/// Writes both pages.
pub fn run() -> Result<()> {
    for (path, text) in pages() {
        std::fs::write(path, text)?;
    }
    Ok(())
}

/// The pages' places and texts.
fn pages() -> [(PathBuf, String); 2] {
    let docs = super::tidy::root().join("docs");
    [(docs.join("reference.md"), recipe_page()), (docs.join("commands.md"), commands_page())]
}

fn recipe_page() -> String {
    let mut page = String::from(GENERATED);
    page += "# Every key of a recipe\n\n";
    paragraph(
        &mut page,
        "",
        "A recipe is a TOML file. A key that it leaves out has the default given here. `taper recipe` prints all \
         keys of a recipe, `taper recipe --explain KEY` this text for one key or one table. On the command line \
         a key is set by its flag, or by `--set KEY=VALUE`.",
    );
    page +=
        "```sh run\ntaper recipe --explain train.epochs\ntaper recipe photos > mine.toml\n```\n\n";
    let registry = Registry::new();
    let named: Vec<String> = registry.recipe_names().map(|name| format!("`{name}`")).collect();
    let named = format!("Recipes that ship, by name: {}.", named.join(", "));
    paragraph(&mut page, "", &named);
    let is_table = |key: &&Key| !key.name.contains('.');
    let inside = |table: &str| {
        let prefix = format!("{table}.");
        keys().iter().filter(move |key| key.name.starts_with(&prefix)).collect::<Vec<_>>()
    };
    page += "## The run itself\n\n";
    for key in keys().iter().filter(is_table).filter(|key| inside(&key.name).is_empty()) {
        entry(&mut page, key);
    }
    page.push('\n');
    for table in keys().iter().filter(is_table) {
        let inner = inside(&table.name);
        if inner.is_empty() {
            continue;
        }
        let _ = write!(page, "## {}\n\n", table.name);
        if let Some(flag) = flag(&table.name) {
            paragraph(&mut page, "", &format!("{} Flag `{flag}`.", text_of(table)));
        } else {
            paragraph(&mut page, "", &text_of(table));
        }
        let chosen: Vec<&Choice> = choices()
            .iter()
            .filter(|choice| format!("{}.", choice.table).starts_with(&format!("{}.", table.name)))
            .collect();
        // What a choice brings stands with it, below.
        let own = |key: &&&Key| {
            (key.name.ends_with(".name") && key.default.is_some())
                || !chosen.iter().any(|choice| choice.settings.iter().any(|s| s.name == key.name))
        };
        for key in inner.iter().filter(own) {
            entry(&mut page, key);
        }
        page.push('\n');
        for choice in chosen {
            match choice.name.as_str() {
                "" => {}
                name => _ = write!(page, "### {} = \"{name}\"\n\n", choice.table),
            }
            if choice.settings.is_empty() {
                page += "No settings of its own.\n";
            }
            choice.settings.iter().for_each(|key| entry(&mut page, key));
            page.push('\n');
        }
        match table.name.as_str() {
            "augment" => policies(&mut page),
            "optimizer" => presets(&mut page),
            _ => {}
        }
    }
    page.trim_end().to_string() + "\n"
}

/// What each policy of augmentation sets.
fn policies(page: &mut String) {
    *page += "### Policies\n\n";
    let none = Table::try_from(Augment::none()).unwrap_or_default();
    for (name, policy) in PRESETS {
        let policy = Table::try_from(policy).unwrap_or_default();
        let set = policy.iter().filter(|(key, value)| none.get(*key) != Some(value));
        let set: Vec<String> = set.map(|(key, value)| format!("`{key} = {value}`")).collect();
        let set = if set.is_empty() { "nothing".to_string() } else { set.join(", ") };
        paragraph(page, "- ", &format!("`augment = \"{name}\"`: {set}."));
        page.pop();
    }
    page.push('\n');
}

/// Name, rule and settings of each preset of an update rule.
#[derive(Default)]
struct Presets(Vec<(String, &'static str, Table)>);

impl TakeRule for Presets {
    fn take<R: Rule + Serialize + DeserializeOwned + 'static>(&mut self, name: &str, rule: R) {
        let settings = Table::try_from(&rule).unwrap_or_default();
        self.0.push((name.to_string(), rule.name(), settings));
    }
}

/// What each preset of an update rule has besides the rule's own defaults.
fn presets(page: &mut String) {
    *page += "### Presets\n\n";
    paragraph(
        page,
        "",
        "`optimizer = \"NAME\"` takes a rule with PyTorch's defaults, as above, or with Keras's:",
    );
    let mut presets = Presets::default();
    taper_optimizer::presets(&mut presets);
    for (name, rule, preset) in &presets.0 {
        let usual = presets.0.iter().find(|(name, ..)| name == rule).map(|(.., usual)| usual);
        let set = preset
            .iter()
            .filter(|(key, value)| usual.and_then(|usual| usual.get(*key)) != Some(*value));
        let set: Vec<String> = set.map(|(key, value)| format!("`{key} = {value}`")).collect();
        if !set.is_empty() {
            paragraph(page, "- ", &format!("`{name}`: `{rule}` with {}.", set.join(", ")));
            page.pop();
        }
    }
    page.push('\n');
}

/// A key with its type, default, flag and meaning.
fn entry(page: &mut String, key: &Key) {
    let about = match &key.default {
        Some(Value::String(_)) => "text",
        Some(Value::Integer(_)) => "whole number",
        Some(Value::Float(_)) => "number",
        Some(Value::Boolean(_)) => "true or false",
        Some(Value::Array(_)) => "list",
        Some(Value::Table(_) | Value::Datetime(_)) => "table",
        None => "no default",
    };
    let default = match &key.default {
        Some(Value::Table(_)) | None => String::new(),
        Some(default) => format!(" = `{default}`"),
    };
    let flag = flag(&key.name).map_or(String::new(), |flag| format!("; flag `{flag}`"));
    let text = text_of(key);
    paragraph(page, "- ", &format!("**`{}`**{default} ({about}{flag}): {text}", key.name));
    page.pop();
}

/// What a key sets, in one paragraph that ends with a full stop.
fn text_of(key: &Key) -> String {
    let text = key.doc.replace("\n\n", " ");
    match text.ends_with('.') {
        true => text,
        false => text + ".",
    }
}

/// The flag that sets a key.
fn flag(key: &str) -> Option<String> {
    taper_cli::flag_of(key).map(|flag| format!("--{flag}"))
}

/// Text in lines, the first after `mark`, the others as far in, and an empty line.
fn paragraph(page: &mut String, mark: &str, text: &str) {
    let indent = " ".repeat(mark.len());
    let mut line = mark.to_string();
    let mut is_first = true;
    for word in words(text) {
        if !is_first && line.chars().count() + 1 + word.chars().count() > COLUMNS {
            *page += line.trim_end();
            page.push('\n');
            line = indent.clone();
            is_first = true;
        }
        if !is_first {
            line.push(' ');
        }
        line += &word;
        is_first = false;
    }
    *page += &line;
    *page += "\n\n";
}

/// The words of a text; what stands between backticks is not broken.
fn words(text: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        let is_odd = |word: &String| word.matches('`').count() % 2 == 1;
        match words.last_mut().filter(|last| is_odd(last)) {
            Some(last) => *last = format!("{last} {word}"),
            None => words.push(word.to_string()),
        }
    }
    words
}

fn commands_page() -> String {
    let mut page = String::from(GENERATED);
    page += "# Every command and flag\n\n";
    paragraph(
        &mut page,
        "",
        "From a checkout, `cargo xtask COMMAND` in place of `taper COMMAND`. Flags that set a key of the recipe are \
         told more of in the [reference](reference.md).",
    );
    let mut taper = taper_cli::command();
    taper.build();
    page += "## Exit codes\n\n";
    for line in taper_cli::AFTER_HELP.lines() {
        paragraph(&mut page, "", &escaped(line));
    }
    page += "## Of every command\n\n";
    let is_global = |arg: &&Arg| arg.is_global_set() && arg.get_id() != "help";
    taper.get_arguments().filter(is_global).for_each(|arg| argument(&mut page, arg));
    let train = taper.find_subcommand("train").cloned().unwrap_or_default();
    for command in taper.get_subcommands().filter(|command| command.get_name() != "help") {
        let name = command.get_name();
        let about = command.get_about().map_or(String::new(), ToString::to_string);
        let _ = write!(page, "\n## {name}\n\n");
        paragraph(&mut page, "", &format!("{}.", escaped(&about)));
        let usage = command.clone().render_usage().to_string();
        let usage = usage.trim_start_matches("Usage: ").split_whitespace().collect::<Vec<_>>();
        let _ = write!(page, "```text\n{}\n```\n", usage.join(" "));
        let is_own = |arg: &&Arg| !arg.is_global_set() && arg.get_id() != "help";
        let own: Vec<&Arg> = command.get_arguments().filter(is_own).collect();
        let as_train: Vec<&Arg> = train.get_arguments().filter(is_own).collect();
        let same = |a: &Arg, b: &Arg| a.get_id() == b.get_id() && a.get_help() == b.get_help();
        let takes_all = name != "train" && as_train.iter().all(|t| own.iter().any(|o| same(o, t)));
        if !own.is_empty() {
            page.push('\n');
        }
        for arg in own {
            if !takes_all || !as_train.iter().any(|known| same(known, arg)) {
                argument(&mut page, arg);
            }
        }
        if takes_all {
            page += "- And all flags of [train](#train).\n";
        }
    }
    page
}

fn argument(page: &mut String, arg: &Arg) {
    let value = match arg.get_action().takes_values() {
        true => arg.get_value_names().map_or(String::new(), |names| {
            names.iter().map(|name| format!(" {name}")).collect::<String>()
        }),
        false => String::new(),
    };
    let short = arg.get_short().map_or(String::new(), |short| format!("-{short}, "));
    let form = match arg.get_long() {
        Some(long) => format!("{short}--{long}{value}"),
        None => value.trim_start().to_string(),
    };
    let mut text = arg.get_help().map_or(String::new(), ToString::to_string);
    let possible = arg.get_possible_values();
    let values: Vec<String> = possible
        .iter()
        .filter(|_| arg.get_action().takes_values())
        .filter(|value| !value.is_hide_set())
        .map(|value| match value.get_help() {
            Some(help) => format!("`{}` ({})", value.get_name(), help.to_string().to_lowercase()),
            None => format!("`{}`", value.get_name()),
        })
        .collect();
    if !values.is_empty() {
        text += &format!(": {}", values.join(", "));
    }
    let defaults: Vec<_> = arg.get_default_values().iter().map(|v| v.to_string_lossy()).collect();
    if !defaults.is_empty() && arg.get_action().takes_values() {
        text += &format!("; default `{}`", defaults.join(" "));
    }
    let key = keys().iter().find(|key| taper_cli::flag_of(&key.name) == arg.get_long());
    if let Some(key) = key.filter(|_| arg.get_long().is_some()) {
        text += &format!("; sets `{}`", key.name);
    }
    paragraph(page, "- ", &format!("**`{form}`**: {}.", escaped(text.trim_end_matches('.'))));
    page.pop();
}

/// Text whose words in angle brackets and stars are not taken for marks.
fn escaped(text: &str) -> String {
    let mut is_code = false;
    let mut out = String::new();
    for c in text.chars() {
        is_code ^= c == '`';
        if !is_code && matches!(c, '<' | '*' | '_') {
            out.push('\\');
        }
        out.push(c);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_pages_of_reference_are_what_the_code_says() {
        for (path, text) in pages() {
            let written = std::fs::read_to_string(&path).unwrap_or_default();
            let at = written.lines().zip(text.lines()).position(|(a, b)| a != b);
            assert!(
                written == text,
                "{} is stale from line {:?}: run `cargo xtask reference`",
                path.display(),
                at.map(|line| line + 1)
            );
        }
    }

    #[test]
    fn every_key_and_every_flag_stands_in_the_reference() {
        let [(_, recipe), (_, commands)] = pages();
        for key in keys().iter().chain(choices().iter().flat_map(|choice| &choice.settings)) {
            let (entry, table) = (format!("**`{}`**", key.name), format!("\n## {}\n", key.name));
            assert!(recipe.contains(&entry) || recipe.contains(&table), "{}", key.name);
        }
        let taper = taper_cli::command();
        for command in taper.get_subcommands() {
            assert!(commands.contains(&format!("\n## {}\n", command.get_name())));
            for long in command.get_arguments().filter_map(Arg::get_long) {
                assert!(commands.contains(&format!("--{long}")), "{} --{long}", command.get_name());
            }
        }
    }
}
