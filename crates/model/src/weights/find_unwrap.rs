//! What has to be taken off a file's names so that a net finds its own.

use std::collections::BTreeMap;

use super::adapt::same_but_ones;
use super::config::WeightsConfig;
use super::error::WeightsError;
use super::key_map::KeyMap;
use super::layout::{self, Layout, Mapped};
use super::state_key::{TOP, averaged};
use super::tensor_file::TensorFile;
use super::unwrap::{Unwrap, without_wrappers};
use crate::pattern::is_under;

/// What has to be taken off the names of the file so that most of the net's parameters, `wanted` by
/// name and shape, are in it; `None` if nothing makes more of them fit.
///
/// # Errors
///
/// [`WeightsError::SeveralStates`] where the whole net is there under several prefixes, unless one
/// of them says that its weights are averaged.
pub(crate) fn find_unwrap(
    config: &WeightsConfig,
    wanted: &BTreeMap<String, Vec<usize>>,
) -> Result<Option<Unwrap>, WeightsError> {
    let Some(file) = config.source.as_ref().filter(|_| config.layout == Layout::PyTorch) else {
        return Ok(None);
    };
    let mut choices = choices(config, file, wanted);
    let most = choices.iter().map(|(_, used)| used.len()).max().unwrap_or(0);
    choices.retain(|(_, used)| used.len() == most);
    let body = wanted.keys().filter(|name| !is_under(&config.head, name)).count();
    let keys: Vec<&str> = choices.iter().map(|(one, _)| one.prefix.trim_end_matches('.')).collect();
    let chosen = match keys.as_slice() {
        [_] => 0,
        _ if most == 0 || most < body => return Ok(None),
        keys if file.at_top && keys.contains(&"") => return Ok(None),
        _ => match averaged(&keys) {
            Some(chosen) => chosen,
            // The net's own names are there; that there are others is for the report to say.
            None if keys.contains(&"") => return Ok(None),
            None => {
                let keys = keys.into_iter().map(String::from).collect();
                return Err(WeightsError::SeveralStates { file: file.origin().to_string(), keys });
            }
        },
    };
    let others = keys.iter().enumerate().filter(|(place, _)| *place != chosen);
    let key = |key: &str| if key.is_empty() { TOP.to_string() } else { key.to_string() };
    let others = others.map(|(_, one)| key(one)).collect();
    let (choice, _) = choices.swap_remove(chosen);
    Ok((choice != Unwrap::default()).then_some(Unwrap { others, ..choice }))
}

/// How many of a net's parameters, `wanted` by name and shape as [`NetInfo::shapes`](crate::nets::NetInfo::shapes)
/// gives them, the configuration's source has, below whatever prefix or wrapper; 0 without a source. No
/// net is built.
pub fn count_found(config: &WeightsConfig, wanted: &BTreeMap<String, Vec<usize>>) -> usize {
    let Some(file) = &config.source else { return 0 };
    choices(config, file, wanted).iter().map(|(_, used)| used.len()).max().unwrap_or(0)
}

/// The tensors of the file that would be used, for each distinct choice of them.
fn choices(
    config: &WeightsConfig,
    file: &TensorFile,
    wanted: &BTreeMap<String, Vec<usize>>,
) -> Vec<(Unwrap, Vec<String>)> {
    let mut choices: Vec<(Unwrap, Vec<String>)> = Vec::new();
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
    choices
}

/// Whether a tensor can become the parameter, or is one of those that are made to fit.
fn fits(config: &WeightsConfig, name: &str, shape: &[usize], found: &Mapped) -> bool {
    same_but_ones(found.tensor.shape(), shape)
        || is_under(&config.head, name)
        || is_under(&config.stem, name)
        || config.positions.as_ref().is_some_and(|positions| positions.name == name)
}

/// Parts of a prefix; a name of dots alone must not fill the memory.
const PREFIX_PARTS: usize = 16;

/// Prefixes of each kind that are tried, the commonest first: each takes all of the file's names.
const PREFIXES: usize = 32;

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
            for (dot, _) in name.match_indices('.').take(PREFIX_PARTS) {
                *counts.entry(name[..=dot].to_string()).or_default() += 1;
            }
        }
        counts.retain(|_, count| *count * 2 >= wanted);
        // Sorting is stable: of those as common, the first by name.
        let mut counts: Vec<_> = counts.into_iter().collect();
        counts.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        let prefixes =
            counts.into_iter().take(PREFIXES).map(|(prefix, _)| Unwrap { prefix, ..bare.clone() });
        candidates.extend(wrappers.then(|| bare.clone()));
        candidates.extend(prefixes);
    }
    candidates
}
