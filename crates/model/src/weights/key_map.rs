//! Key maps: how a file's names become a net's, as data.

use crate::pattern::rename;

/// From a file's tensors to a net's: rules to rename them, tensors to put together, tensors to
/// leave, numbers to add.
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
#[derive(Clone, Debug, Default, PartialEq)]
pub struct KeyMap {
    /// The rules `(from, to)`, in the order in which they are applied.
    pub rules: Vec<(String, String)>,
    /// Tensors to put together, by the names that the rules gave.
    pub joins: Vec<Join>,
    /// Patterns, over the names that the rules gave, of tensors that the net has no use for.
    pub skip: Vec<String>,
    /// Patterns, over the names that the rules gave, and what is added to all values of the tensors
    /// that match.
    ///
    /// Where another program's batch-norm has another epsilon, the difference added to
    /// `running_var` gives the same answers; batches of training are normalized with the net's own.
    pub offsets: Vec<(String, f64)>,
}

/// Tensors of a file that are one tensor of the net: put one after another along the first
/// dimension.
///
/// Where one of the parts is not there, nothing is done, and the report tells of the others.
///
/// ```
/// use taper_model::weights::Join;
///
/// let join = Join::new(["*.query.*", "*.key.*", "*.value.*"], "*.qkv.*");
/// let (parts, whole) = join.of("blocks.3.attn.query.bias").expect("the first part matches");
/// let expected = ["query", "key", "value"].map(|part| format!("blocks.3.attn.{part}.bias"));
/// assert_eq!(parts, expected);
/// assert_eq!(whole, "blocks.3.attn.qkv.bias");
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Join {
    /// Patterns of the parts, in their order; what each `*` of the first one matches stands for the
    /// `*` of the others.
    pub parts: Vec<String>,
    /// The name of the whole.
    pub whole: String,
}

impl Join {
    /// The whole of the given parts.
    pub fn new<S: Into<String>>(parts: impl IntoIterator<Item = S>, whole: &str) -> Self {
        Self { parts: parts.into_iter().map(Into::into).collect(), whole: whole.to_string() }
    }

    /// The names of all parts and of the whole, if `name` is a first part.
    pub fn of(&self, name: &str) -> Option<(Vec<String>, String)> {
        let first = self.parts.first()?;
        let parts = self.parts.iter().map(|part| rename(first, part, name)).collect::<Option<_>>();
        Some((parts?, rename(first, &self.whole, name)?))
    }
}

impl KeyMap {
    /// A map of the given rules `(from, to)`.
    pub fn new<S: Into<String>>(rules: impl IntoIterator<Item = (S, S)>) -> Self {
        let rules = rules.into_iter().map(|(from, to)| (from.into(), to.into())).collect();
        Self { rules, ..Self::default() }
    }

    /// The net's name for the file's `name`.
    pub fn apply(&self, name: &str) -> String {
        self.rules
            .iter()
            .fold(name.to_string(), |name, (from, to)| rename(from, to, &name).unwrap_or(name))
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
        let rules = [("dense.*", "fc1.*"), ("dense_1.*", "fc2.*")];
        let map = KeyMap::new(rules);
        assert_eq!(map.apply("dense.weight"), "fc1.weight");
        assert_eq!(map.apply("dense_1.weight"), "fc2.weight");
    }
}
