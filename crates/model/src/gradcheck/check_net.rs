//! Whether a net is what its data says.

use super::check_layer::{LayerCheck, LayerCheckConfig, check_layer_with};
use super::error::CheckError;
use crate::nets::NetInfo;
use crate::pattern::matches;

/// Elements of the image and of each parameter whose gradients are compared with differences.
const SAMPLE: usize = 3;

/// Builds a net for its usual images and classes, and checks it as [`check_layer_with`] checks a layer, by three
/// elements of the image and of each parameter; and what its [`NetInfo`] says:
///
/// 1. two images give logits of shape (2, classes);
/// 2. stem and head are prefixes of parameters, where they are named;
/// 3. every parameter is in one of the stages, and in one alone, and each pattern of a stage matches a parameter,
///    where there are stages;
/// 4. each key map gives a name that the net has.
///
/// ```
/// use taper_model::gradcheck::check_net;
/// use taper_model::nets;
///
/// let check = check_net(nets::find("lenet5").expect("it is one of ours"))?;
/// assert_eq!(check.parameters.len(), 10);
/// # Ok::<(), taper_model::gradcheck::CheckError>(())
/// ```
///
/// # Errors
///
/// The first that does not hold, with what was expected and found; as [`check_layer_with`].
pub fn check_net(info: &NetInfo) -> Result<LayerCheck, CheckError> {
    let config = info.config();
    let input = [2, config.channels, config.height, config.width];
    let build = |vb, key: &_| (info.build)(&config, vb, key);
    let sample = LayerCheckConfig { sample: SAMPLE };
    let check = check_layer_with(build, &input, &[2, config.num_classes], &sample)?;

    let wrong = |what: String| Err(CheckError::Net { net: info.name, what });
    let parameters = &check.parameters;
    let example = parameters.first().map_or("", String::as_str);
    for (what, prefix) in [("stem", info.stem), ("head", info.head)] {
        let is_below =
            |name: &String| name.strip_prefix(prefix).is_some_and(|n| n.starts_with('.'));
        if !prefix.is_empty() && !parameters.iter().any(is_below) {
            return wrong(format!(
                "the {what} is `{prefix}`, expected the prefix of a parameter, such as that of `{example}`"
            ));
        }
    }
    for name in parameters.iter().filter(|_| !info.stages.is_empty()) {
        let holds = |stage: &&Vec<String>| stage.iter().any(|pattern| matches(pattern, name));
        let found = info.stages.iter().filter(holds).count();
        if found != 1 {
            return wrong(format!("the parameter `{name}` is in {found} stages, expected one"));
        }
    }
    for pattern in info.stages.iter().flatten() {
        if !parameters.iter().any(|name| matches(pattern, name)) {
            return wrong(format!("the pattern `{pattern}` of a stage matches no parameter"));
        }
    }
    for (name, map) in &info.key_maps {
        let rules = map.rules.iter().map(|(_, to)| to);
        let mut targets = rules.chain(map.joins.iter().map(|join| &join.whole)).peekable();
        let is_there = |to: &String| parameters.iter().any(|name| matches(to, name));
        if targets.peek().is_some() && !targets.any(is_there) {
            return wrong(format!("no rule of the key map `{name}` gives a name that the net has"));
        }
    }
    Ok(check)
}
