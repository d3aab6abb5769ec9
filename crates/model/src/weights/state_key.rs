//! Which weights are taken of a checkpoint that holds several.

use std::collections::HashSet;

/// The value of `model.state_key` for what is not below any key.
pub(super) const TOP: &str = ".";

/// The keys under which a training program keeps what it trains, beside other things.
const USUAL: [&str; 3] = ["state_dict", "model_state_dict", "model"];

/// Parts of names that say that weights are averaged over the steps of a training.
const AVERAGED: [&str; 6] = ["ema", "swa", "avg", "average", "averaged", "shadow"];

/// The place of the only key whose weights are averaged.
///
/// They are what was validated and published: timm takes them first, too.
pub(super) fn averaged<S: AsRef<str>>(keys: &[S]) -> Option<usize> {
    let mut places = (0..keys.len()).filter(|&place| is_averaged(keys[place].as_ref()));
    places.next().filter(|_| places.next().is_none())
}

/// The place of the set of weights that is taken where nobody chooses, each given by the keys that lead to
/// it and the names of its tensors: the averaged one, else what a training program trains.
///
/// A set is averaged by its keys if another has the names of its tensors, and none at all if it has less
/// than half as many tensors as the largest, as metrics and the buffers of an optimizer.
///
/// # Errors
///
/// The places among which nothing says which.
pub(super) fn choose(states: &[(&[&str], &[&str])]) -> Result<usize, Vec<usize>> {
    let most = states.iter().map(|(_, names)| names.len()).max().unwrap_or(0);
    let is_usual = |place: usize| states[place].0.last().is_some_and(|key| USUAL.contains(key));
    let is_large = |place: usize| is_usual(place) || states[place].1.len() * 2 >= most;
    let places: Vec<usize> = (0..states.len()).filter(|&place| is_large(place)).collect();

    let says_averaged = |place: usize| states[place].0.iter().any(|key| is_averaged(key));
    let plain = states.iter().enumerate().filter(|(place, _)| !says_averaged(*place));
    let plain: HashSet<&str> =
        plain.flat_map(|(_, (_, names))| names.iter().flat_map(|name| forms(name))).collect();
    let is_copy = |place: usize| {
        let names = states[place].1;
        let known = names.iter().filter(|name| forms(name).iter().any(|form| plain.contains(form)));
        known.count() * 2 > names.len()
    };
    let of = |holds: &dyn Fn(usize) -> bool| -> Vec<usize> {
        places.iter().copied().filter(|&place| holds(place)).collect()
    };
    let averaged = of(&|place| says_averaged(place) && is_copy(place));
    let usual = of(&is_usual);
    match (averaged.as_slice(), places.as_slice(), usual.as_slice()) {
        (&[place], _, _) | ([], &[place], _) | ([], _, &[place]) => Ok(place),
        _ => Err(places),
    }
}

/// A name as it is, without its first part, and its last two parts: two names are the same but for a
/// prefix if they share one.
fn forms(name: &str) -> [&str; 3] {
    let rest = name.split_once('.').map_or(name, |(_, rest)| rest);
    let tail = name.rmatch_indices('.').nth(1).map_or(name, |(dot, _)| &name[dot + 1..]);
    [name, rest, tail]
}

/// Whether a key says so in one of its parts, as `state_dict_ema` and `ModelEma` do.
pub(super) fn is_averaged(key: &str) -> bool {
    let mut word = String::new();
    let mut was_lower = false;
    // A space at the end, so that the last word ends.
    for letter in key.chars().chain([' ']) {
        if !letter.is_ascii_alphabetic() || (letter.is_uppercase() && was_lower) {
            if AVERAGED.contains(&word.as_str()) {
                return true;
            }
            word.clear();
        }
        if letter.is_ascii_alphabetic() {
            word.push(letter.to_ascii_lowercase());
        }
        was_lower = letter.is_lowercase();
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAMES: [&str; 3] = ["conv1.weight", "fc.weight", "fc.bias"];
    const WRAPPED: [&str; 3] = ["module.conv1.weight", "module.fc.weight", "module.fc.bias"];

    /// The key that is chosen of sets of weights, `None` where several may be.
    fn chosen<'a>(states: &[(&'a str, &[&str])]) -> Option<&'a str> {
        let paths: Vec<Vec<&str>> =
            states.iter().map(|(key, _)| key.split('.').collect()).collect();
        let states_: Vec<_> =
            paths.iter().zip(states).map(|(path, (_, names))| (path.as_slice(), *names)).collect();
        choose(&states_).ok().map(|place| states[place].0)
    }

    #[test]
    fn averaged_weights_go_first_and_then_what_training_programs_train() {
        for (keys, expected) in [
            (&["net"][..], Some("net")),
            (&["state_dict", "state_dict_ema"], Some("state_dict_ema")),
            (&["model_ema", "model"], Some("model_ema")),
            (&["model", "ema.state_dict"], Some("ema.state_dict")),
            (&["model", "ModelEMA2"], Some("ModelEMA2")),
            (&["swa_model", "model"], Some("swa_model")),
            (&["model", "teacher"], Some("model")),
            (&["checkpoint.model", "checkpoint.queue"], Some("checkpoint.model")),
            (&["student", "teacher"], None),
            (&["state_dict", "model"], None),
            (&["ema_fast", "ema_slow", "model"], None),
            (&["schema", "model"], Some("model")),
        ] {
            let states: Vec<(&str, &[&str])> = keys.iter().map(|key| (*key, &NAMES[..])).collect();
            assert_eq!(chosen(&states), expected, "{keys:?}");
        }
    }

    #[test]
    fn what_is_called_averaged_counts_if_another_set_has_its_names_but_for_a_prefix() {
        assert_eq!(chosen(&[("net", &NAMES), ("ema", &WRAPPED)]), Some("ema"));
        assert_eq!(chosen(&[("net", &WRAPPED), ("ema", &NAMES)]), Some("ema"));
        assert_eq!(chosen(&[("net", &["weight"]), ("ema", &["module.weight"])]), Some("ema"));
        let metrics = ("metrics_avg", &["loss", "top1", "top5"][..]);
        assert_eq!(chosen(&[("model", &NAMES), metrics]), Some("model"));
        assert_eq!(chosen(&[("net", &NAMES), metrics]), None);
    }

    #[test]
    fn a_set_of_less_than_half_the_tensors_of_another_is_none() {
        assert_eq!(chosen(&[("net", &NAMES), ("acc", &["best"])]), Some("net"));
        assert_eq!(chosen(&[("net", &NAMES), ("avg", &["fc.bias"])]), Some("net"));
        assert_eq!(chosen(&[("net", &NAMES), ("head", &["weight", "bias"])]), None);
        let moments: Vec<String> = (0..9).map(|n| format!("m{n}")).collect();
        let moments: Vec<&str> = moments.iter().map(String::as_str).collect();
        assert_eq!(chosen(&[("model", &NAMES), ("adam", &moments)]), Some("model"));
    }
}
