//! `keys`: every key of the recipe, with its default and what it sets.

use std::fmt::Write;

use anyhow::{Result, bail};
use serde_json::json;
use taper_runner::{Key, keys};
use toml::Value;

use crate::advice;
use crate::flags::{Output, flag_of};
use crate::print::{print, print_json};

/// The width of a line of documentation.
const WIDTH: usize = 76;

/// Explains a key or the keys of a table; without one, all.
pub(super) fn run(key: Option<&str>, output: Output) -> Result<()> {
    let prefix = key.unwrap_or_default();
    let is_wanted = |key: &&Key| {
        let rest = key.name.strip_prefix(prefix);
        rest.is_some_and(|rest| prefix.is_empty() || rest.is_empty() || rest.starts_with('.'))
    };
    let found: Vec<&Key> = keys().iter().filter(is_wanted).collect();
    if found.is_empty() {
        bail!("unknown key `{prefix}`{}", advice::meant_key(prefix));
    }
    if output.json {
        let object = |key: &&Key| {
            let flag = flag_of(&key.name).map(|flag| format!("--{flag}"));
            json!({ "key": key.name, "default": key.default, "flag": flag, "doc": key.doc })
        };
        let keys = found.iter().map(object);
        return print_json(&keys.collect());
    }
    let mut text = String::new();
    for key in found {
        match &key.default {
            Some(Value::Table(_)) | None => writeln!(text, "{}", key.name)?,
            Some(default) => writeln!(text, "{} = {default}", key.name)?,
        }
        for paragraph in key.doc.split("\n\n").filter(|paragraph| !paragraph.is_empty()) {
            let mut line = String::new();
            for word in paragraph.split(' ') {
                if line.len() + word.len() > WIDTH {
                    writeln!(text, "   {line}")?;
                    line.clear();
                }
                line = line + " " + word;
            }
            writeln!(text, "   {line}")?;
        }
        if let Some(flag) = flag_of(&key.name) {
            writeln!(text, "    Flag: --{flag}")?;
        }
    }
    print(&text)
}
