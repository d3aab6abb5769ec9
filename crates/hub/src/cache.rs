//! The cache on disk, in the layout that Python's `huggingface_hub` has too:
//!
//! ```text
//! models--OWNER--NAME/refs/main                 the commit that `main` stood for
//! models--OWNER--NAME/blobs/ETAG                a file's bytes; a large file's ETag is its SHA-256
//! models--OWNER--NAME/snapshots/COMMIT/FILE     a link to the blob
//! models--OWNER--NAME/.no_exist/COMMIT/FILE     empty: the commit has no such file
//! .locks/models--OWNER--NAME/ETAG.lock          held while the blob is written
//! ```

use std::collections::BTreeSet;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use hf_hub::{Cache, CacheRepo, Repo, RepoType};
use sha1::Sha1;
use sha2::{Digest as _, Sha256};
use taper_untrusted::checksums::hex;
use taper_untrusted::files::{LINE, open, read, read_text};

use crate::error::{HubError, at};
use crate::files::{self, SMALL};
use crate::id::{HubId, is_commit, is_hex, stays_inside};

/// One commit of a repository in the cache.
pub(crate) struct Snapshot<'a> {
    pub id: &'a HubId,
    cache: &'a Path,
    repo: CacheRepo,
    commit: String,
}

/// The repository in hf-hub's terms, which has the names of folders and the addresses.
pub(crate) fn repo(id: &HubId) -> Repo {
    let kind = if id.data { RepoType::Dataset } else { RepoType::Model };
    Repo::with_revision(id.repo.clone(), kind, id.revision.clone())
}

/// The commit of a revision: itself, or the one that the cache has for it.
pub(crate) fn commit_of(cache: &Path, id: &HubId) -> Option<String> {
    if is_commit(&id.revision) {
        return Some(id.revision.clone());
    }
    let path = cache.join(repo(id).folder_name()).join("refs").join(&id.revision);
    let text = read_text(&path, LINE).ok()?;
    Some(text.trim().to_string()).filter(|commit| is_commit(commit))
}

impl<'a> Snapshot<'a> {
    pub fn new(cache: &'a Path, id: &'a HubId, commit: &str) -> Self {
        let repo = Cache::new(cache.to_path_buf()).repo(repo(id));
        Self { id, cache, repo, commit: commit.to_string() }
    }

    pub fn commit(&self) -> &str {
        &self.commit
    }

    /// The folder with the links.
    pub fn folder(&self) -> PathBuf {
        self.repo.pointer_path(&self.commit)
    }

    /// The repository's own folder.
    fn root(&self) -> PathBuf {
        self.cache.join(repo(self.id).folder_name())
    }

    /// The first of a model's files that is not here whole; `None` if all are.
    pub fn missing(&self) -> Result<Option<String>, HubError> {
        let folder = self.folder();
        let settled = |name: &str| self.holds(name) || self.absent(name).is_file();
        if !settled(files::CONFIG) {
            return Ok(Some(self.lacks(files::CONFIG)));
        }
        if files::wants_preprocessor(&folder) && !settled(files::PREPROCESSOR) {
            return Ok(Some(self.lacks(files::PREPROCESSOR)));
        }
        let here = files::file_names(&folder).map_err(at(&folder))?;
        let Ok(weights) = files::weights_file(here.iter().map(String::as_str)) else {
            return Ok(Some("a weights file is missing".to_string()));
        };
        if !self.holds(&weights) {
            return Ok(Some(self.lacks(&weights)));
        }
        let mut shards = self.shards(&weights)?.into_iter();
        Ok(shards.find(|shard| !self.holds(shard)).map(|shard| self.lacks(&shard)))
    }

    /// In words that a file is not here, or not as it was.
    fn lacks(&self, name: &str) -> String {
        match self.folder().join(name).exists() {
            true => format!("{name} is damaged"),
            false => format!("{name} is missing"),
        }
    }

    /// The files that an index of shards names; none where the weights are one file.
    pub fn shards(&self, weights: &str) -> Result<BTreeSet<String>, HubError> {
        if !files::is_index(weights) {
            return Ok(BTreeSet::new());
        }
        let path = self.folder().join(weights);
        let bytes = read(&path, SMALL).map_err(at(&path))?;
        files::shard_names(&bytes).map_err(|reason| HubError::Index {
            id: self.id.clone(),
            file: weights.to_string(),
            reason,
        })
    }

    /// Whether a file is here, and, where its blob is named by its content, has that.
    pub fn holds(&self, name: &str) -> bool {
        let Ok(path) = self.folder().join(name).canonicalize() else { return false };
        let Some(blob) = path.file_name().and_then(|blob| blob.to_str()) else { return false };
        // A pipe would be waited for.
        path.is_file()
            && Digest::of(blob)
                .is_none_or(|digest| digest.of_file(&path).is_ok_and(|found| found == blob))
    }

    /// Where a blob is, or is to be.
    pub fn blob(&self, etag: &str) -> PathBuf {
        self.repo.blob_path(etag)
    }

    /// Locks a blob for writing, in this and other processes, until it is dropped.
    pub fn lock(&self, etag: &str) -> Result<File, HubError> {
        let folder = self.cache.join(".locks").join(repo(self.id).folder_name());
        std::fs::create_dir_all(&folder).map_err(at(&folder))?;
        let path = folder.join(format!("{etag}.lock"));
        let file = File::options().create(true).append(true).open(&path).map_err(at(&path))?;
        file.lock().map_err(at(&path))?;
        Ok(file)
    }

    /// Puts a link to a blob into the snapshot.
    pub fn link(&self, name: &str, etag: &str) -> Result<(), HubError> {
        let link = self.folder().join(name);
        let folder = link.parent().unwrap_or(&link).to_path_buf();
        std::fs::create_dir_all(&folder).map_err(at(&folder))?;
        // Made beside its place and renamed over what is there: a reader finds the old or the new.
        // The blob's lock is held: no other process uses the name.
        let fresh = folder.join(format!(".{etag}.new"));
        match std::fs::remove_file(&fresh) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(at(&fresh)(error));
            }
            _ => {}
        }
        #[cfg(unix)]
        {
            // From snapshots/COMMIT/…/FILE, with as many steps up as the name has parts.
            let mut target = PathBuf::from("../..");
            target.extend(name.split('/').skip(1).map(|_| ".."));
            std::os::unix::fs::symlink(target.join("blobs").join(etag), &fresh)
                .map_err(at(&fresh))?;
        }
        #[cfg(not(unix))]
        {
            std::fs::copy(self.blob(etag), &fresh).map_err(at(&fresh))?;
        }
        std::fs::rename(&fresh, &link).map_err(at(&link))
    }

    /// Notes that the commit has no such file.
    pub fn mark_absent(&self, name: &str) -> Result<(), HubError> {
        write(&self.absent(name), "")
    }

    /// Notes which commit the revision stands for.
    pub fn write_ref(&self) -> Result<(), HubError> {
        let refs = self.root().join("refs");
        self.repo.create_ref(&self.commit).map_err(at(refs.join(&self.id.revision)))
    }

    /// The names of all parquet files of the commit, if they have been listed before.
    pub fn read_list(&self) -> Option<Vec<String>> {
        let text = std::fs::read_to_string(self.list_path()).ok()?;
        let names: Vec<String> = text.lines().map(str::to_string).collect();
        names.iter().all(|name| stays_inside(name)).then_some(names)
    }

    /// Notes the names of all parquet files of the commit.
    pub fn write_list(&self, names: &[&str]) -> Result<(), HubError> {
        write(&self.list_path(), &names.join("\n"))
    }

    /// Where the names of a commit's parquet files are noted; `huggingface_hub` ignores it.
    fn list_path(&self) -> PathBuf {
        self.root().join(".parquet").join(&self.commit)
    }

    fn absent(&self, name: &str) -> PathBuf {
        self.root().join(".no_exist").join(&self.commit).join(name)
    }
}

/// Writes a small file and the folders that it is in.
fn write(path: &Path, text: &str) -> Result<(), HubError> {
    let folder = path.parent().unwrap_or(path);
    std::fs::create_dir_all(folder).map_err(at(folder))?;
    std::fs::write(path, text).map_err(at(path))
}

/// How the Hub names a content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Digest {
    /// A large file's.
    Sha256,
    /// A small file's, as git names it: the SHA-1 of `blob LENGTH`, a zero and the bytes.
    Git,
}

impl Digest {
    /// That of a name; none where it is another server's.
    pub fn of(etag: &str) -> Option<Self> {
        let is_git = || is_hex(etag, 40).then_some(Self::Git);
        is_hex(etag, 64).then_some(Self::Sha256).or_else(is_git)
    }

    /// What it is called.
    pub fn name(self) -> &'static str {
        match self {
            Self::Sha256 => "SHA-256",
            Self::Git => "git's SHA-1",
        }
    }

    /// The name of a file's content, in hexadecimal digits.
    pub fn of_file(self, path: &Path) -> std::io::Result<String> {
        let file = open(path)?;
        match self {
            Self::Sha256 => digest(file, Sha256::new()),
            Self::Git => {
                let length = file.metadata()?.len();
                digest(file, Sha1::new().chain_update(format!("blob {length}\0")))
            }
        }
    }
}

fn digest(mut file: File, mut hash: impl sha2::Digest) -> std::io::Result<String> {
    let mut buffer = vec![0; 1 << 20];
    loop {
        match file.read(&mut buffer) {
            Ok(0) => break,
            Ok(n) => hash.update(&buffer[..n]),
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(hex(&hash.finalize()))
}
