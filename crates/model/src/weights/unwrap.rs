//! Prefixes that training tools put before a net's names, and how they are found and taken off.

use std::collections::BTreeMap;

use super::config::WeightsConfig;
use super::error::WeightsError;
use super::key_map::KeyMap;
use super::layout::{self, Layout, Mapped};
use super::state_key::averaged;
use crate::pattern::is_under;

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
pub(super) struct Unwrap {
    /// Leading parts with their dot, such as `_orig_mod.module.`.
    pub prefix: String,
    /// Whether [`WRAPPERS`] are taken out of the middle of names, too.
    wrappers: bool,
    /// Whether it is done to what the key map made of the names, not before.
    after: bool,
    /// The other prefixes below which the file has the whole net, too.
    others: Vec<String>,
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
            [top] if top.is_empty() => {
                "; its weights are the averaged ones, and the file has the net's own names, too: \
                 `model.allow_unused` leaves these"
                    .to_string()
            }
            others => format!(
                "; its weights are the averaged ones, and the file has others under {}: \
                 `model.state_key` chooses",
                listed(others)
            ),
        };
        Some(format!("{taken} taken off the file's names{others}"))
    }

    /// What has to be taken off the names of the file so that most of the net's parameters, `wanted` by
    /// name and shape, are in it; `None` if nothing makes more of them fit.
    ///
    /// # Errors
    ///
    /// [`WeightsError::SeveralStates`] where the whole net is there under several prefixes, unless one
    /// of them says that its weights are averaged.
    pub fn find(
        config: &WeightsConfig,
        wanted: &BTreeMap<String, Vec<usize>>,
    ) -> Result<Option<Self>, WeightsError> {
        let Some(file) = config.source.as_ref().filter(|_| config.layout == Layout::PyTorch) else {
            return Ok(None);
        };
        // The tensors of the file that would be used, for each distinct choice of them.
        let mut choices: Vec<(Self, Vec<String>)> = Vec::new();
        let names: Vec<&str> = file.names().collect();
        for candidate in candidates(&names, &config.key_map, wanted.len()) {
            let flatten = config.flatten.as_ref();
            let mapped = layout::map(file, &config.key_map, config.layout, flatten, &candidate);
            let Ok(mapped) = mapped else { continue };
            let used = wanted.iter().filter_map(|(name, shape)| {
                let found = mapped.get(name)?;
                fits(config, name, shape, found).then(|| found.from.clone())
            });
            let used: Vec<String> = used.collect();
            if !choices.iter().any(|(_, known)| *known == used) {
                choices.push((candidate, used));
            }
        }
        let most = choices.iter().map(|(_, used)| used.len()).max().unwrap_or(0);
        choices.retain(|(_, used)| used.len() == most);
        let body = wanted.keys().filter(|name| !is_under(&config.head, name)).count();
        let keys: Vec<&str> =
            choices.iter().map(|(one, _)| one.prefix.trim_end_matches('.')).collect();
        let chosen = match keys.as_slice() {
            [_] => 0,
            _ if most == 0 || most < body => return Ok(None),
            _ => match averaged(&keys) {
                Some(chosen) => chosen,
                // The net's own names are there; that there are others is for the report to say.
                None if keys.contains(&"") => return Ok(None),
                None => {
                    let keys = keys.into_iter().map(String::from).collect();
                    return Err(WeightsError::SeveralStates {
                        file: file.origin().to_string(),
                        keys,
                    });
                }
            },
        };
        let others = keys.iter().enumerate().filter(|(place, _)| *place != chosen);
        let others = others.map(|(_, key)| key.to_string()).collect();
        let (choice, _) = choices.swap_remove(chosen);
        Ok((choice != Self::default()).then_some(Self { others, ..choice }))
    }
}

/// Whether a tensor can become the parameter, or is one of those that are made to fit.
fn fits(config: &WeightsConfig, name: &str, shape: &[usize], found: &Mapped) -> bool {
    found.tensor.shape() == shape
        || is_under(&config.head, name)
        || is_under(&config.stem, name)
        || config.positions.as_ref().is_some_and(|positions| positions.name == name)
}

/// Nothing to take off, then each prefix that as many names as half the net's have.
fn candidates(names: &[&str], key_map: &KeyMap, wanted: usize) -> Vec<Unwrap> {
    let mut candidates = vec![Unwrap::default()];
    for (wrappers, after) in [(false, false), (false, true), (true, false), (true, true)] {
        if after && key_map.rules.is_empty() {
            continue;
        }
        let bare = Unwrap { wrappers, after, ..Unwrap::default() };
        let mut counts: BTreeMap<String, usize> = BTreeMap::new();
        for name in names {
            let name = if after { key_map.apply(name) } else { name.to_string() };
            let name = if wrappers { without_wrappers(&name) } else { name };
            for (dot, _) in name.match_indices('.') {
                *counts.entry(name[..=dot].to_string()).or_default() += 1;
            }
        }
        counts.retain(|_, count| *count * 2 >= wanted);
        let prefixes = counts.into_keys().map(|prefix| Unwrap { prefix, ..bare.clone() });
        candidates.extend(wrappers.then(|| bare.clone()));
        candidates.extend(prefixes);
    }
    candidates
}

fn without_wrappers(name: &str) -> String {
    name.split('.').filter(|part| !WRAPPERS.contains(part)).collect::<Vec<_>>().join(".")
}

/// Names in backticks, with commas.
pub(super) fn listed<S: AsRef<str>>(names: &[S]) -> String {
    names.iter().map(|name| format!("`{}`", name.as_ref())).collect::<Vec<_>>().join(", ")
}
