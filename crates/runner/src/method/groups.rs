//! Layer-wise rates, as groups of the optimizer.

use taper_model::nets::NetInfo;
use taper_model::pattern::matches;
use taper_optimizer::ParamGroup;

use crate::recipe::Method;

/// The recipe's groups with the layer-wise rates worked in.
///
/// A parameter is in one group alone: the parts of each group that are in one block become a group
/// of their own. The recipe's groups stay behind them, for what is in no such part, and so that a
/// pattern without a parameter is still an error.
pub(crate) fn groups(
    method: &Method,
    net: &NetInfo,
    names: &[String],
    recipe: &[ParamGroup],
) -> Vec<ParamGroup> {
    let recipe: Vec<ParamGroup> = recipe.iter().map(|group| named(group, names)).collect();
    let decay = method.layer_decay();
    if decay == 1.0 {
        return recipe;
    }
    let mut groups = Vec::new();
    for (block, patterns) in net.stages.iter().enumerate() {
        let nearer = (net.stages.len() - 1 - block) as i32;
        let scale = decay.powi(nearer);
        let here = |name: &&String| patterns.iter().any(|pattern| matches(pattern, name.as_str()));
        let here: Vec<&String> = names.iter().filter(here).collect();
        let of = |index: Option<usize>| -> Vec<String> {
            let first = |name: &str| recipe.iter().position(|group| group.contains(name));
            let names = here.iter().filter(|name| first(name) == index);
            names.map(|name| name.to_string()).collect()
        };
        for index in (0..recipe.len()).map(Some).chain([None]) {
            let parameters = of(index);
            if parameters.is_empty() || nearer == 0 {
                continue;
            }
            let group = index.map_or_else(|| ParamGroup::new("rest"), |i| recipe[i].clone());
            groups.push(ParamGroup {
                name: format!("{} of block {block}", group.name),
                parameters,
                learning_rate_scale: scale * group.learning_rate_scale,
                ..group
            });
        }
    }
    groups.extend(recipe);
    groups
}

/// The group with those of `names` that a pattern of it matches. A pattern that matches none stays, so that the
/// optimizer refuses it.
pub(super) fn named(group: &ParamGroup, names: &[String]) -> ParamGroup {
    let mut parameters = Vec::new();
    for pattern in &group.parameters {
        let before = parameters.len();
        parameters.extend(names.iter().filter(|name| matches(pattern, name)).cloned());
        if parameters.len() == before {
            parameters.push(pattern.clone());
        }
    }
    ParamGroup { parameters, ..group.clone() }
}
