//! Which weights are taken of a checkpoint that holds several.

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

/// The place of the key whose weights are taken where nobody chooses: the averaged ones, else what a
/// training program trains; `None` where nothing says which.
pub(super) fn choose(keys: &[&str]) -> Option<usize> {
    if keys.iter().any(|key| is_averaged(key)) {
        return averaged(keys);
    }
    if keys.len() == 1 {
        return Some(0);
    }
    let usual = |key: &&str| USUAL.contains(&key.rsplit('.').next().unwrap_or(key));
    let mut places = (0..keys.len()).filter(|&place| usual(&keys[place]));
    places.next().filter(|_| places.next().is_none())
}

/// Whether a key says so in one of its parts, as `state_dict_ema` and `ModelEma` do.
fn is_averaged(key: &str) -> bool {
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

    #[test]
    fn averaged_weights_go_first_and_then_what_training_programs_train() {
        for (keys, chosen) in [
            (&["net"][..], Some(0)),
            (&["state_dict", "state_dict_ema"], Some(1)),
            (&["model_ema", "model"], Some(0)),
            (&["model", "ema.state_dict"], Some(1)),
            (&["model", "ModelEMA2"], Some(1)),
            (&["swa_model", "model"], Some(0)),
            (&["model", "teacher"], Some(0)),
            (&["checkpoint.model", "checkpoint.queue"], Some(0)),
            (&["student", "teacher"], None),
            (&["state_dict", "model"], None),
            (&["ema_fast", "ema_slow", "model"], None),
            (&["schema", "model"], Some(1)),
        ] {
            assert_eq!(choose(keys), chosen, "{keys:?}");
        }
    }
}
