//! The name of a repository, and which names are safe.

use std::fmt;

/// A repository of models, or of data, at a revision.
///
/// Displayed as it is given: `hub:OWNER/NAME`, with `@REVISION` where that is not `main`.
///
/// ```
/// use taper_hub::HubId;
///
/// let id = HubId::parse("timm/resnet18.a1_in1k@refs/pr/3")?;
/// assert_eq!((id.repo.as_str(), id.revision.as_str()), ("timm/resnet18.a1_in1k", "refs/pr/3"));
/// assert_eq!(HubId::parse("timm/resnet18.a1_in1k")?.revision, "main");
/// assert!(HubId::parse("../resnet18").is_err());
/// # Ok::<(), taper_hub::HubIdError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HubId {
    /// `OWNER/NAME`.
    pub repo: String,
    /// A branch, a tag or a commit; by default the branch `main`.
    pub revision: String,
    /// Whether it is a repository of data. [`HubId::parse`] gives models.
    pub data: bool,
}

/// A name that no repository can have, by the Hub's rules.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{name}` cannot be a repository: {reason}; expected hub:OWNER/NAME[@REVISION]")]
#[non_exhaustive]
pub struct HubIdError {
    /// The name as given.
    pub name: String,
    /// What is wrong with it.
    pub reason: &'static str,
}

impl HubId {
    /// Takes apart `OWNER/NAME[@REVISION]`.
    ///
    /// # Errors
    /// No repository can have the name.
    pub fn parse(text: &str) -> Result<Self, HubIdError> {
        let (repo, revision) = text.split_once('@').unwrap_or((text, "main"));
        match wrong(repo, revision) {
            Some(reason) => Err(HubIdError { name: text.to_string(), reason }),
            None => {
                Ok(Self { repo: repo.to_string(), revision: revision.to_string(), data: false })
            }
        }
    }

    /// The same repository at a commit.
    pub fn at(&self, commit: &str) -> Self {
        Self { revision: commit.to_string(), ..self.clone() }
    }
}

impl fmt::Display for HubId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.revision.as_str() {
            "main" => write!(f, "hub:{}", self.repo),
            revision => write!(f, "hub:{}@{revision}", self.repo),
        }
    }
}

/// A repository of data at a revision, and which of its configurations.
///
/// ```
/// use taper_hub::HubDataset;
///
/// let data = HubDataset::parse("uoft-cs/cifar100/plain_text@main")?;
/// assert_eq!((data.id.repo.as_str(), data.config.as_deref()), ("uoft-cs/cifar100", Some("plain_text")));
/// assert!(HubDataset::parse("mnist").is_err());
/// # Ok::<(), taper_hub::HubIdError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HubDataset {
    /// The repository.
    pub id: HubId,
    /// The folder of the parquet files, where there are several.
    pub config: Option<String>,
}

impl HubDataset {
    /// Takes apart `OWNER/NAME[/CONFIGURATION][@REVISION]`.
    ///
    /// # Errors
    /// No repository can have the name, or no folder that of the configuration.
    pub fn parse(text: &str) -> Result<Self, HubIdError> {
        let (name, revision) = text.split_once('@').unwrap_or((text, "main"));
        let (repo, config) = match name.match_indices('/').nth(1) {
            Some((end, _)) => (&name[..end], Some(&name[end + 1..])),
            None => (name, None),
        };
        let bad_config = config
            .is_some_and(|config| !stays_inside(config))
            .then_some("the configuration cannot be a folder");
        match bad_config.or_else(|| wrong(repo, revision)) {
            Some(reason) => Err(HubIdError { name: text.to_string(), reason }),
            None => {
                let (repo, revision) = (repo.to_string(), revision.to_string());
                let id = HubId { repo, revision, data: true };
                Ok(Self { id, config: config.map(str::to_string) })
            }
        }
    }

    /// The name that finds the same files again: `hub:OWNER/NAME[/CONFIGURATION]@COMMIT`.
    pub fn at(&self, commit: &str) -> String {
        let config = self.config.as_ref().map_or(String::new(), |config| format!("/{config}"));
        format!("hub:{}{config}@{commit}", self.id.repo)
    }
}

/// What is wrong with a name, by the rules that the Hub has.
fn wrong(repo: &str, revision: &str) -> Option<&'static str> {
    let Some((owner, name)) = repo.split_once('/') else { return Some("it has no owner") };
    for part in [owner, name] {
        let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
        if part.is_empty() || !part.chars().all(plain) {
            return Some("a part is empty or has characters other than letters, digits, -_.");
        }
        if part.starts_with(['-', '.']) || part.ends_with(['-', '.']) {
            return Some("a part begins or ends with - or .");
        }
    }
    if repo.contains("--") || repo.contains("..") {
        return Some("it contains -- or ..");
    }
    if repo.len() > 96 {
        return Some("it is longer than 96 characters");
    }
    let forbidden = |c: char| c.is_control() || c.is_whitespace() || "?#%\\:*".contains(c);
    if revision.contains(forbidden) || !stays_inside(revision) {
        return Some("the revision cannot be a branch, a tag or a commit");
    }
    None
}

/// Whether text is the full name of a commit: 40 hexadecimal digits.
pub fn is_commit(text: &str) -> bool {
    is_hex(text, 40)
}

/// Whether text has that many hexadecimal digits, in lower case, and nothing else.
pub(crate) fn is_hex(text: &str, digits: usize) -> bool {
    text.len() == digits && text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
}

/// Whether a path, parts separated by slashes, stays in the folder that it is relative to, on every
/// system.
pub(crate) fn stays_inside(name: &str) -> bool {
    let safe = |part: &str| !part.is_empty() && part != "." && part != "..";
    !name.contains(['\\', ':']) && !name.contains(char::is_control) && name.split('/').all(safe)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_shown_as_it_was_given() {
        for text in ["timm/vit_tiny-x.augreg", "a/b@v1.0", "a/b@refs/pr/1"] {
            assert_eq!(HubId::parse(text).unwrap().to_string(), format!("hub:{text}"));
        }
        let commit = "0123456789abcdef0123456789abcdef01234567";
        assert!(is_commit(commit) && !is_commit("main") && !is_commit(&commit.to_uppercase()));
        let id = HubId::parse("a/b@main").unwrap();
        assert_eq!(id.to_string(), "hub:a/b");
        assert_eq!(id.at(commit).to_string(), format!("hub:a/b@{commit}"));
    }

    #[test]
    fn a_name_that_no_repository_can_have_is_an_error() {
        for text in [
            "",
            "resnet18",
            "/b",
            "a/",
            "a/b/c",
            "../b",
            "a/..",
            "a/.b",
            "-a/b",
            "a/b-",
            "a/b--c",
            "a/b..c",
            "a b/c",
            "a/b?x=1",
            "a/b@",
            "a/b@../../x",
            "a/b@/x",
            "a/b@x y",
            "a/b@x\\y",
            "a/b@x//y",
        ] {
            let error = HubId::parse(text).unwrap_err().to_string();
            assert!(error.contains("expected hub:OWNER/NAME[@REVISION]"), "{text}: {error}");
        }
        let long = format!("a/{}", "b".repeat(95));
        assert!(HubId::parse(&long).unwrap_err().to_string().contains("longer than 96"));
    }

    #[test]
    fn an_error_shows_the_name_as_it_was_given() {
        let error = HubDataset::parse("foo").unwrap_err().to_string();
        assert!(error.contains("`foo`") && !error.contains("main"), "{error}");
        let error = HubDataset::parse("a/b/../c").unwrap_err().to_string();
        assert!(error.contains("`a/b/../c`") && error.contains("configuration"), "{error}");
    }

    #[test]
    fn a_path_that_would_leave_its_folder_is_known() {
        for name in ["model.safetensors", "onnx/model.onnx", "a/b/c", "..x", ".gitattributes"] {
            assert!(stays_inside(name), "{name}");
        }
        for name in [
            "",
            "..",
            "../x",
            "a/../../x",
            "/etc/passwd",
            "a//b",
            "C:\\x",
            "a\\..\\b",
            "a\0",
            "./a",
        ] {
            assert!(!stays_inside(name), "{name:?}");
        }
    }
}
