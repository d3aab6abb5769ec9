//! Key maps: how a file's names become a net's, as data.

use super::pattern::rename;

/// A list of renaming rules from a file's names to a net's.
///
/// Each rule is a pair of patterns (`*` stands for any run of characters, see [`rename`]). The
/// rules are applied in turn, each to what the one before made of the name; a rule that does not
/// match leaves the name as it is.
///
/// ```
/// use taper_model::weights::KeyMap;
///
/// let map = KeyMap::new([
///     ("module.*", "*"),             // strip a prefix
///     ("encoder.*", "backbone.*"),   // rename a prefix
///     ("classifier.1.*", "fc.*"),
///     ("scale", "norm.weight"),      // rename one tensor
/// ]);
/// assert_eq!(map.apply("module.encoder.conv1.weight"), "backbone.conv1.weight");
/// assert_eq!(map.apply("scale"), "norm.weight");
/// assert_eq!(map.apply("other.bias"), "other.bias");
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeyMap {
    /// The rules `(from, to)`, in the order in which they are applied.
    pub rules: Vec<(String, String)>,
}

impl KeyMap {
    /// A map of the given rules `(from, to)`.
    pub fn new<S: Into<String>>(rules: impl IntoIterator<Item = (S, S)>) -> Self {
        Self { rules: rules.into_iter().map(|(from, to)| (from.into(), to.into())).collect() }
    }

    /// The net's name for the file's `name`.
    pub fn apply(&self, name: &str) -> String {
        self.rules
            .iter()
            .fold(name.to_string(), |name, (from, to)| rename(from, to, &name).unwrap_or(name))
    }
}

/// A key map that belongs to a net: constant data with a name to choose it by.
#[derive(Clone, Copy, Debug)]
pub struct NamedKeyMap {
    /// The name, such as `keras`.
    pub name: &'static str,
    /// The rules, as in [`KeyMap::rules`].
    pub rules: &'static [(&'static str, &'static str)],
}

impl From<NamedKeyMap> for KeyMap {
    fn from(map: NamedKeyMap) -> Self {
        Self::new(map.rules.iter().copied())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_are_applied_one_after_the_other() {
        let map = KeyMap::new([("module.*", "*"), ("a.*", "b.*"), ("b.*", "c.*")]);
        assert_eq!(map.apply("module.a.x"), "c.x");
    }

    #[test]
    fn a_prefix_does_not_match_a_longer_name() {
        let map: KeyMap =
            NamedKeyMap { name: "keras", rules: &[("dense.*", "fc1.*"), ("dense_1.*", "fc2.*")] }
                .into();
        assert_eq!(map.apply("dense.weight"), "fc1.weight");
        assert_eq!(map.apply("dense_1.weight"), "fc2.weight");
    }
}
