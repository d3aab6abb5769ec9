//! Patterns over parameter names: `*` stands for any run of characters, dots included.

/// Whether `name` matches `pattern` as a whole.
///
/// `*` matches any run of characters, also an empty one and also across dots; every other character
/// matches itself.
///
/// ```
/// use taper_model::pattern::matches;
///
/// assert!(matches("conv1.*", "conv1.weight"));
/// assert!(matches("*.bias", "layer1.0.conv1.bias"));
/// assert!(matches("fc2.bias", "fc2.bias"));
/// assert!(!matches("conv1", "conv1.weight"));
/// ```
pub fn matches(pattern: &str, name: &str) -> bool {
    captures(pattern, name).is_some()
}

/// Rewrites `name` by the rule `from -> to`, or gives `None` where `from` does not match it.
///
/// The n-th `*` of `to` takes what the n-th `*` of `from` matched; a `*` of `to` beyond those of
/// `from` takes nothing. Each `*` of `from` matches as few characters as it can.
///
/// ```
/// use taper_model::pattern::rename;
///
/// assert_eq!(rename("module.*", "*", "module.fc.bias").as_deref(), Some("fc.bias"));
/// let name = rename("blocks.*.attn.*", "layer*.attention.*", "blocks.3.attn.proj");
/// assert_eq!(name.as_deref(), Some("layer3.attention.proj"));
/// assert_eq!(rename("conv2d.*", "conv1.*", "conv2d_1.kernel"), None);
/// ```
pub fn rename(from: &str, to: &str, name: &str) -> Option<String> {
    let mut captured = captures(from, name)?.into_iter();
    let mut result = String::with_capacity(name.len());
    for (index, literal) in to.split('*').enumerate() {
        if index > 0 {
            result.push_str(captured.next().unwrap_or_default());
        }
        result.push_str(literal);
    }
    Some(result)
}

/// The first of `patterns` that matches `name`.
pub(crate) fn first_match<'a>(patterns: &'a [String], name: &str) -> Option<&'a str> {
    patterns.iter().map(String::as_str).find(|pattern| matches(pattern, name))
}

/// Whether `name` is that of a layer in `prefixes`, or of a parameter below it; an empty prefix
/// stands for every layer.
pub(crate) fn is_under(prefixes: &[String], name: &str) -> bool {
    prefixes.iter().any(|prefix| {
        name.strip_prefix(prefix.as_str())
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('.') || prefix.is_empty())
    })
}

/// What each `*` of `pattern` matched, as short as possible from the left, or `None` where the
/// pattern does not match.
fn captures<'a>(pattern: &str, name: &'a str) -> Option<Vec<&'a str>> {
    let mut literals = pattern.split('*');
    let mut rest = name.strip_prefix(literals.next()?)?;
    let mut captured = Vec::new();
    let mut literals = literals.peekable();
    while let Some(literal) = literals.next() {
        // The last literal is bound to the end; the others go to their first place, which never
        // loses a match.
        let at = if literals.peek().is_none() {
            rest.strip_suffix(literal)?.len()
        } else {
            rest.find(literal)?
        };
        captured.push(&rest[..at]);
        rest = &rest[at + literal.len()..];
    }
    rest.is_empty().then_some(captured)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_pattern_without_a_star_is_an_exact_name() {
        assert!(matches("a.b", "a.b"));
        assert!(!matches("a.b", "a.bc"));
        assert!(!matches("a.b", "za.b"));
    }

    #[test]
    fn stars_match_runs_of_characters_across_dots() {
        assert!(matches("*", ""));
        assert!(matches("*", "a.b.c"));
        assert!(matches("layer*.conv*.weight", "layer1.0.conv2.weight"));
        assert!(matches("a*a", "aa"));
        assert!(!matches("a*a", "a"));
        assert!(matches("*.bn*.*", "x.bn1.weight"));
        assert!(matches("**", "anything"));
    }

    #[test]
    fn the_last_literal_is_bound_to_the_end() {
        assert!(matches("*.weight", "a.weight.b.weight"));
        assert_eq!(rename("*.weight", "*.w", "a.weight.b.weight").as_deref(), Some("a.weight.b.w"));
    }

    #[test]
    fn captures_fill_the_stars_of_the_new_name_in_order() {
        assert_eq!(rename("a*b*", "*-*", "a1b2").as_deref(), Some("1-2"));
        assert_eq!(rename("exact", "other", "exact").as_deref(), Some("other"));
        assert_eq!(rename("*", "net.*", "fc.bias").as_deref(), Some("net.fc.bias"));
    }

    /// The textbook matcher, by recursion.
    fn naive(pattern: &[u8], name: &[u8]) -> bool {
        match (pattern.first(), name.first()) {
            (None, None) => true,
            (Some(b'*'), _) => {
                naive(&pattern[1..], name) || (!name.is_empty() && naive(pattern, &name[1..]))
            }
            (Some(p), Some(n)) => p == n && naive(&pattern[1..], &name[1..]),
            _ => false,
        }
    }

    proptest! {
        #[test]
        fn matching_agrees_with_the_textbook(pattern in "[ab*]{0,7}", name in "[ab]{0,8}") {
            prop_assert_eq!(matches(&pattern, &name), naive(pattern.as_bytes(), name.as_bytes()));
        }
    }
}
