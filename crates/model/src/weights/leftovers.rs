//! What nobody asked for: tensors of the source that the net left, and patterns that stand for
//! nothing.

use std::collections::BTreeMap;

use super::buffers::{Role, role};
use super::config::WeightsConfig;
use super::error::{WeightsError, listed};
use super::layout::Mapped;
use super::report::{Entry, LoadReport};
use super::state_key::is_averaged;
use crate::lora::{Adapters, is_target};
use crate::params::Params;
use crate::pattern::{first_match, matches};

/// Notes the parameters of another net that `params` left.
pub(super) fn of_params(others: &Params, params: &Params, report: &mut LoadReport) {
    let left = others.iter().filter(|(name, _)| params.get(name).is_none());
    report.unused.extend(left.map(|(name, param)| Entry {
        name: name.clone(),
        shape: param.var.dims().to_vec(),
        from: None,
        note: String::new(),
    }));
}

/// Notes the tensors of a file that `params` left.
pub(super) fn of_file(
    mapped: &BTreeMap<String, Mapped>,
    params: &Params,
    config: &WeightsConfig,
    report: &mut LoadReport,
) {
    // Another module's, such as a metric's, where the net has all of its own.
    let head_is_new = || report.new_head.iter().any(|name| mapped.get(name).is_none());
    let is_whole = report.missing.is_empty() && !head_is_new();
    let (left, used): (Vec<_>, Vec<_>) =
        mapped.iter().partition(|(name, _)| params.get(name).is_none());
    let beside: Vec<&str> = used
        .iter()
        .filter(|(_, found)| found.outside)
        .map(|(_, found)| found.from.as_str())
        .collect();
    if !beside.is_empty() {
        report.notes.push(format!("from outside of the prefix are used: {}", listed(&beside)));
    }
    let mut averaged = Vec::new();
    for (name, Mapped { from, outside, tensor, .. }) in left {
        let allowed = &config.allow_unused;
        let allowed = first_match(allowed, name).or(first_match(allowed, from));
        let known = first_match(&config.key_map.skip, name);
        let (list, note) = match (role(name), known, allowed) {
            (Role::Skipped, ..) => (&mut report.skipped, "no weight, by its name".to_string()),
            _ if *outside && is_whole => {
                if from.split_once('.').is_some_and(|(key, _)| is_averaged(key)) {
                    averaged.push(from.as_str());
                }
                (&mut report.skipped, "outside of the prefix that is taken off".to_string())
            }
            (_, Some(pattern), _) => {
                let note = format!("of no use to this net, key map's `{pattern}`");
                (&mut report.skipped, note)
            }
            (_, _, Some(pattern)) => (&mut report.skipped, format!("allowed by `{pattern}`")),
            _ => (&mut report.unused, String::new()),
        };
        list.push(Entry {
            name: name.clone(),
            shape: tensor.shape().to_vec(),
            from: Some(from.clone()),
            note,
        });
    }
    if !averaged.is_empty() {
        report.notes.push(format!(
            "averaged weights are left out, for they are not the whole net by its names: {}",
            listed(&averaged)
        ));
    }
}

/// Whether each target of the adapters stands for a layer.
pub(super) fn check_targets(config: &WeightsConfig, params: &Params) -> Result<(), WeightsError> {
    let Some(adapters) = &config.adapters else { return Ok(()) };
    for target in &adapters.lora.targets {
        let mut adapted = params.names().filter_map(Adapters::layer_of);
        if !adapted.any(|layer| is_target(target, layer)) {
            // Dense layers and convolutions are those whose weight is a matrix or more.
            let mut layers = params
                .iter()
                .filter(|(name, param)| param.var.rank() > 1 && Adapters::layer_of(name).is_none());
            let example = layers.find_map(|(name, _)| name.strip_suffix(".weight"));
            let example = example.unwrap_or_default().to_string();
            return Err(WeightsError::NoLayerMatches { target: target.clone(), example });
        }
    }
    Ok(())
}

/// Whether each pattern that allows something stands for a parameter or a tensor of the file.
pub(super) fn check_allowed(
    mapped: &BTreeMap<String, Mapped>,
    params: &Params,
    config: &WeightsConfig,
    report: &LoadReport,
) -> Result<(), WeightsError> {
    for pattern in &config.allow_missing {
        if !params.names().any(|name| matches(pattern, name)) {
            let example = params.names().next().unwrap_or_default().to_string();
            let (pattern, what) = (pattern.clone(), "parameter of the net");
            return Err(WeightsError::AllowsNothing { pattern, what, example });
        }
    }
    for pattern in &config.allow_unused {
        let mut names = mapped.iter().map(|(name, found)| [name, &found.from]);
        if !names.any(|names| names.iter().any(|name| matches(pattern, name))) {
            let example = report.loaded.iter().find_map(|entry| entry.from.clone());
            let (pattern, what) = (pattern.clone(), "tensor of the file");
            let example = example.unwrap_or_default();
            return Err(WeightsError::AllowsNothing { pattern, what, example });
        }
    }
    Ok(())
}
