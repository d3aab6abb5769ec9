//! `new-layer` and `new-net`: the file that a layer or a net of one's own begins with, its test included.

use std::path::PathBuf;

use anyhow::{Context, Result, ensure};
use clap::Args;

/// What is begun with: the model crate compiles and tests both as they are.
const LAYER: &str = include_str!("../../crates/model/tests/templates/layer.rs");
const NET: &str = include_str!("../../crates/model/tests/templates/net.rs");

/// Flags of `new-layer` and `new-net`.
#[derive(Debug, Args)]
pub struct Flags {
    /// Its name, such as row_scale
    #[arg(value_name = "NAME")]
    name: String,

    /// The folder to write NAME.rs to
    #[arg(long, value_name = "DIR", default_value = ".")]
    out: PathBuf,
}

/// Writes the file of a layer.
pub fn layer(flags: &Flags) -> Result<()> {
    write(flags, LAYER)
}

/// Writes the file of a net.
pub fn net(flags: &Flags) -> Result<()> {
    write(flags, NET)
}

fn write(flags: &Flags, template: &str) -> Result<()> {
    let name = snake(&flags.name)?;
    let path = flags.out.join(format!("{name}.rs"));
    ensure!(!path.exists(), "{} is there already", path.display());
    std::fs::write(&path, text(template, &name))
        .with_context(|| format!("cannot write {}", path.display()))?;
    println!("{}: declare it with `mod {name};`, then `cargo test {name}`", path.display());
    Ok(())
}

/// The name of the file.
fn snake(name: &str) -> Result<String> {
    let snake = name.replace('-', "_");
    let is_name = snake.starts_with(|c: char| c.is_ascii_lowercase())
        && snake.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
    ensure!(
        is_name,
        "the name is {name:?}, expected small letters, digits and `_`, such as row_scale"
    );
    Ok(snake)
}

/// The template under another name.
fn text(template: &str, name: &str) -> String {
    let camel = name.split('_').map(|word| {
        let (first, rest) = word.split_at(word.len().min(1));
        first.to_ascii_uppercase() + rest
    });
    let kebab = name.replace('_', "-");
    template
        .replace("TemplateLayer", &camel.collect::<String>())
        .replace("template_layer", name)
        .replace("template_net", name)
        .replace("template-net", &kebab)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_the_template_under_the_name_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        for (template, name, file) in
            [(LAYER, "row_scale", "row_scale.rs"), (NET, "two-dense", "two_dense.rs")]
        {
            let flags = Flags { name: name.to_string(), out: folder.path().to_path_buf() };
            write(&flags, template).unwrap();
            let text = std::fs::read_to_string(folder.path().join(file)).unwrap();
            assert!(!text.to_lowercase().contains("template"), "{text}");
            let back = text
                .replace("RowScale", "TemplateLayer")
                .replace("row_scale", "template_layer")
                .replace("two_dense", "template_net")
                .replace("two-dense", "template-net");
            assert_eq!(back, template);
            // What is there stays.
            assert!(write(&flags, template).unwrap_err().to_string().contains("is there already"));
        }
        for name in ["", "9a", "a b", "../a", "Ä"] {
            assert!(snake(name).is_err(), "{name}");
        }
    }
}
