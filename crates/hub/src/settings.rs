//! The Hub's settings in the environment, with the meanings that they have in Python's
//! `huggingface_hub` (its `constants.py`).

use std::path::PathBuf;
use std::time::Duration;

use taper_untrusted::files::{LINE, read_text};

use crate::error::HubError;

const ENDPOINT: &str = "https://huggingface.co";

/// How the Hub is reached, and where its files are kept.
///
/// ```no_run
/// use taper_hub::{Hub, HubId};
///
/// let id = HubId::parse("timm/resnet18.a1_in1k")?;
/// let fetched = Hub::from_env()?.fetch(&id, &mut |_| {})?;
/// println!("{} of commit {}", fetched.folder.display(), fetched.commit);
/// # Ok::<(), taper_hub::HubError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hub {
    /// The Hub's address, without a slash at the end. Default `https://huggingface.co`.
    pub endpoint: String,
    /// The folder of the cache, with a folder for each repository.
    pub cache: PathBuf,
    /// The access token; most repositories need none.
    pub token: Option<String>,
    /// A file of certificates (PEM) to trust in place of the usual ones, as behind a proxy that has
    /// its own.
    pub certificates: Option<PathBuf>,
    /// Whether to use the cache alone.
    pub offline: bool,
    /// How often a request is tried that fails in a way that may pass. Default 5.
    pub tries: u32,
    /// The pause after the first try, doubled after each one. Default a second.
    pub pause: Duration,
    /// How long fewer than 1,024 bytes a second are waited for, before a download counts as broken off. Default half a
    /// minute.
    pub patience: Duration,
    /// The longest pause that the Hub may ask for. Default two minutes.
    pub longest_pause: Duration,
}

impl Hub {
    /// The Hub as the environment says: `HF_ENDPOINT`, `HF_HOME`, `HF_HUB_CACHE`, `HF_TOKEN`,
    /// `HF_TOKEN_PATH` and `HF_HUB_OFFLINE`, with the meanings that they have in Python;
    /// `REQUESTS_CA_BUNDLE` or `SSL_CERT_FILE` for certificates.
    ///
    /// # Errors
    /// There is no home folder to keep a cache in, or a setting cannot be used.
    pub fn from_env() -> Result<Self, HubError> {
        read(|key| std::env::var(key).ok())
    }
}

/// Reads the settings through `get`, the environment or what stands for it.
fn read(get: impl Fn(&str) -> Option<String>) -> Result<Hub, HubError> {
    let set = |key: &str| get(key).map(|value| value.trim().to_string()).filter(|v| !v.is_empty());
    let user = set("HOME").or_else(|| set("USERPROFILE")).map(PathBuf::from);
    let path = |text: String| match (text.strip_prefix("~/"), &user) {
        (Some(rest), Some(user)) => user.join(rest),
        _ => PathBuf::from(text),
    };
    let home = set("HF_HOME").map(path).or_else(|| {
        let cache = set("XDG_CACHE_HOME").map(path);
        let cache = cache.or_else(|| user.as_ref().map(|user| user.join(".cache")));
        cache.map(|cache| cache.join("huggingface"))
    });
    let in_home = |name: &str| home.as_ref().map(|home| home.join(name));
    let cache = set("HF_HUB_CACHE").or_else(|| set("HUGGINGFACE_HUB_CACHE")).map(path);

    let endpoint = set("HF_ENDPOINT").unwrap_or_else(|| ENDPOINT.to_string());
    if !(endpoint.starts_with("https://") || endpoint.starts_with("http://")) {
        return Err(HubError::Environment {
            key: "HF_ENDPOINT",
            found: endpoint,
            expected: "an address that begins with https:// or http://",
        });
    }
    let token_file = set("HF_TOKEN_PATH").map(path).or_else(|| in_home("token"));
    let stored = || {
        let text = read_text(&token_file?, LINE).ok()?;
        Some(text.trim().to_string()).filter(|token| !token.is_empty())
    };
    let token = set("HF_TOKEN").or_else(|| set("HUGGING_FACE_HUB_TOKEN")).or_else(stored);
    if token.as_ref().is_some_and(|token| !token.chars().all(|c| c.is_ascii_graphic())) {
        return Err(HubError::Environment {
            key: "HF_TOKEN",
            found: "(hidden)".to_string(),
            expected: "a token of letters, digits and signs on one line",
        });
    }
    let offline = set("HF_HUB_OFFLINE")
        .is_some_and(|value| ["1", "ON", "YES", "TRUE"].contains(&value.to_uppercase().as_str()));
    let certificates = set("REQUESTS_CA_BUNDLE").or_else(|| set("SSL_CERT_FILE"));
    Ok(Hub {
        endpoint: endpoint.trim_end_matches('/').to_string(),
        cache: cache.or_else(|| in_home("hub")).ok_or(HubError::NoHome)?,
        token,
        certificates: certificates.map(path).filter(|path| !path.is_dir()),
        offline,
        tries: 5,
        pause: Duration::from_secs(1),
        patience: Duration::from_secs(30),
        longest_pause: Duration::from_secs(120),
    })
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn with(variables: &[(&str, &str)]) -> Result<Hub, String> {
        read(|key| variables.iter().find(|(k, _)| *k == key).map(|(_, value)| value.to_string()))
            .map_err(|e| e.to_string())
    }

    #[test]
    fn without_settings_the_cache_is_where_python_has_it() {
        let hub = with(&[("HOME", "/home/a")]).unwrap();
        assert_eq!(hub.endpoint, "https://huggingface.co");
        assert_eq!(hub.cache, Path::new("/home/a/.cache/huggingface/hub"));
        assert!(!hub.offline && hub.token.is_none());
    }

    #[test]
    fn each_variable_moves_what_it_names() {
        let home = ("HOME", "/home/a");
        let cache = |variables: &[(&str, &str)]| with(variables).unwrap().cache;
        assert_eq!(cache(&[home, ("XDG_CACHE_HOME", "/x")]), Path::new("/x/huggingface/hub"));
        assert_eq!(cache(&[home, ("HF_HOME", "~/hf")]), Path::new("/home/a/hf/hub"));
        let both = [home, ("HF_HOME", "/h"), ("HF_HUB_CACHE", "/c")];
        assert_eq!(cache(&both), Path::new("/c"));
        let hub = with(&[("HF_HOME", "/h"), ("HF_ENDPOINT", "http://127.0.0.1:80/")]).unwrap();
        assert_eq!(hub.endpoint, "http://127.0.0.1:80");
        for (value, offline) in [("1", true), ("true", true), ("0", false), ("", false)] {
            let hub = with(&[home, ("HF_HUB_OFFLINE", value)]).unwrap();
            assert_eq!(hub.offline, offline, "{value}");
        }
    }

    #[test]
    fn a_token_comes_from_the_variable_else_from_the_file() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("token"), "hf_file\n").unwrap();
        std::fs::write(folder.path().join("other"), "hf_other\n").unwrap();
        let home = ("HF_HOME", folder.path().to_str().unwrap());
        let token = |variables: &[(&str, &str)]| with(variables).unwrap().token.unwrap();
        assert_eq!(token(&[home]), "hf_file");
        let other = folder.path().join("other");
        assert_eq!(token(&[home, ("HF_TOKEN_PATH", other.to_str().unwrap())]), "hf_other");
        assert_eq!(token(&[home, ("HF_TOKEN", "hf_variable")]), "hf_variable");
    }

    #[cfg(unix)]
    #[test]
    fn a_token_is_not_waited_for_in_a_pipe_nor_read_from_a_device() {
        let folder = tempfile::tempdir().unwrap();
        let pipe = folder.path().join("pipe");
        assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        for path in [pipe.to_str().unwrap(), "/dev/zero"] {
            let hub = with(&[("HOME", "/home/a"), ("HF_TOKEN_PATH", path)]).unwrap();
            assert_eq!(hub.token, None);
        }
    }

    #[test]
    fn settings_that_cannot_be_used_are_errors() {
        let home = ("HOME", "/home/a");
        let error = with(&[home, ("HF_ENDPOINT", "huggingface.co")]).unwrap_err();
        assert!(error.starts_with("HF_ENDPOINT is \"huggingface.co\""), "{error}");
        let error = with(&[home, ("HF_TOKEN", "hf_\nx")]).unwrap_err();
        assert!(error.starts_with("HF_TOKEN is ") && !error.contains("hf_"), "{error}");
        let error = with(&[]).unwrap_err();
        assert!(error.contains("set HF_HOME"), "{error}");
    }
}
