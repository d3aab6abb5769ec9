//! The name of a repository, and which names are safe.

use std::fmt;

use hf_hub::{Repo, RepoType};

use super::HubError;

/// A repository of models, or of data, at a revision.
///
/// Displayed as it is given: `hub:OWNER/NAME`, with `@REVISION` where that is not `main`.
///
/// ```
/// use taper_runner::hub::HubId;
///
/// let id = HubId::parse("timm/resnet18.a1_in1k@refs/pr/3")?;
/// assert_eq!((id.repo.as_str(), id.revision.as_str()), ("timm/resnet18.a1_in1k", "refs/pr/3"));
/// assert_eq!(HubId::parse("timm/resnet18.a1_in1k")?.revision, "main");
/// assert!(HubId::parse("../resnet18").is_err());
/// # Ok::<(), taper_runner::hub::HubError>(())
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

impl HubId {
    /// Takes apart `OWNER/NAME[@REVISION]`.
    ///
    /// # Errors
    /// [`HubError::Name`], by the rules that the Hub has for names.
    pub fn parse(text: &str) -> Result<Self, HubError> {
        let wrong = |reason| HubError::Name { name: text.to_string(), reason };
        let (repo, revision) = text.split_once('@').unwrap_or((text, "main"));
        let (owner, name) = repo.split_once('/').ok_or_else(|| wrong("it has no owner"))?;
        for part in [owner, name] {
            let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
            if part.is_empty() || !part.chars().all(plain) {
                return Err(wrong("a part is empty or has characters beyond letters, digits, -_."));
            }
            if part.starts_with(['-', '.']) || part.ends_with(['-', '.']) {
                return Err(wrong("a part begins or ends with - or ."));
            }
        }
        if repo.contains("--") || repo.contains("..") {
            return Err(wrong("it contains -- or .."));
        }
        if repo.len() > 96 {
            return Err(wrong("it is longer than 96 characters"));
        }
        let forbidden = |c: char| c.is_control() || c.is_whitespace() || "?#%\\:*".contains(c);
        if revision.contains(forbidden) || !stays_inside(revision) {
            return Err(wrong("the revision is no name of a branch, a tag or a commit"));
        }
        Ok(Self { repo: repo.to_string(), revision: revision.to_string(), data: false })
    }

    /// The same repository at a commit.
    pub fn at(&self, commit: &str) -> Self {
        Self { revision: commit.to_string(), ..self.clone() }
    }

    pub(super) fn repo(&self) -> Repo {
        let kind = if self.data { RepoType::Dataset } else { RepoType::Model };
        Repo::with_revision(self.repo.clone(), kind, self.revision.clone())
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

/// Whether text is the full name of a commit: 40 hexadecimal digits.
pub fn is_commit(text: &str) -> bool {
    text.len() == 40 && text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
}

/// Whether a path, parts separated by slashes, stays in the folder that it is relative to, on every
/// system.
pub(super) fn stays_inside(name: &str) -> bool {
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
