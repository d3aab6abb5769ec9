//! What is taken off a file's names: prefixes and wrappers that training tools put there.

use super::error::listed;
use super::key_map::KeyMap;
use super::state_key::TOP;

/// Parts of names that stand for a wrapped module wherever they are: those of `DataParallel`,
/// `torch.compile`, FSDP, activation checkpointing and DeepSpeed.
const WRAPPERS: [&str; 5] = [
    "module",
    "_orig_mod",
    "_fsdp_wrapped_module",
    "_checkpoint_wrapped_module",
    "_forward_module",
];

/// What is taken off a file's names; nothing by default.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Unwrap {
    /// Leading parts with their dot, such as `_orig_mod.module.`.
    pub prefix: String,
    /// Whether [`WRAPPERS`] are taken out of the middle of names, too.
    pub(super) wrappers: bool,
    /// Whether it is done to what the key map made of the names, not before.
    pub(super) after: bool,
    /// The other prefixes below which the file has the whole net, too.
    pub(super) others: Vec<String>,
}

impl Unwrap {
    /// The net's name for the file's `name`, and whether `name` is below the prefix.
    pub fn apply(&self, name: &str, key_map: &KeyMap) -> (String, bool) {
        let name = if self.after { key_map.apply(name) } else { name.to_string() };
        let name = if self.wrappers { without_wrappers(&name) } else { name };
        let (name, below) = match name.strip_prefix(&self.prefix) {
            Some(rest) => (rest.to_string(), true),
            None => (name, false),
        };
        (if self.after { name } else { key_map.apply(&name) }, below)
    }

    /// One line on what was done, `None` for nothing.
    pub fn note(&self) -> Option<String> {
        let taken = match (self.prefix.as_str(), self.wrappers) {
            ("", false) => return None,
            ("", true) => format!("the wrappers {} are", listed(&WRAPPERS)),
            (prefix, _) => format!("the prefix `{prefix}` is"),
        };
        let others = match self.others.as_slice() {
            [] => String::new(),
            [top] if top == TOP => "; its weights are the averaged ones, and the file has the net's own \
                 names, too: `model.state_key=\".\"` takes these, `model.allow_unused` leaves the others"
                .to_string(),
            others => format!(
                "; its weights are the averaged ones, and the file has others under {}: \
                 `model.state_key` chooses",
                listed(others)
            ),
        };
        Some(format!("{taken} taken off the file's names{others}"))
    }
}

pub(super) fn without_wrappers(name: &str) -> String {
    name.split('.').filter(|part| !WRAPPERS.contains(part)).collect::<Vec<_>>().join(".")
}
