//! The cache on disk, in the layout that Python's `huggingface_hub` has too:
//!
//! ```text
//! models--OWNER--NAME/refs/main                 the commit that `main` stood for
//! models--OWNER--NAME/blobs/ETAG                a file's bytes; a large file's ETag is its SHA-256
//! models--OWNER--NAME/snapshots/COMMIT/FILE     a link to the blob
//! models--OWNER--NAME/.no_exist/COMMIT/FILE     empty: the commit has no such file
//! .locks/models--OWNER--NAME/ETAG.lock          held while the blob is written
//! ```

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use hf_hub::{Cache, CacheRepo};
use sha2::{Digest, Sha256};
use taper_model::weights::{INDEX_SUFFIX, ShardIndex};

use super::error::at;
use super::{Fetched, HubError, HubId, is_commit};
use crate::files;

/// One commit of a repository in the cache.
pub(super) struct Snapshot<'a> {
    pub id: &'a HubId,
    cache: &'a Path,
    repo: CacheRepo,
    commit: String,
}

/// The commit that the cache has for a revision.
pub(super) fn read_ref(cache: &Path, id: &HubId) -> Option<String> {
    let path = cache.join(id.repo().folder_name()).join("refs").join(&id.revision);
    let text = std::fs::read_to_string(path).ok()?;
    Some(text.trim().to_string()).filter(|commit| is_commit(commit))
}

impl<'a> Snapshot<'a> {
    pub fn new(cache: &'a Path, id: &'a HubId, commit: &str) -> Self {
        let repo = Cache::new(cache.to_path_buf()).repo(id.repo());
        Self { id, cache, repo, commit: commit.to_string() }
    }

    pub fn commit(&self) -> &str {
        &self.commit
    }

    /// The folder with the links.
    pub fn folder(&self) -> PathBuf {
        self.repo.pointer_path(&self.commit)
    }

    pub fn fetched(&self) -> Fetched {
        Fetched { commit: self.commit.clone(), folder: self.folder() }
    }

    /// The first of the needed files that is not here whole; `None` if all are.
    pub fn missing(&self) -> Result<Option<String>, HubError> {
        let folder = self.folder();
        let settled = |name: &str| self.holds(name) || self.absent(name).is_file();
        if !settled(files::CONFIG) {
            return Ok(Some(files::CONFIG.to_string()));
        }
        if files::wants_preprocessor(&folder) && !settled(files::PREPROCESSOR) {
            return Ok(Some(files::PREPROCESSOR.to_string()));
        }
        let here = files::names_in(&folder).map_err(at(&folder))?;
        let Ok(weights) = files::choose(here.iter().map(String::as_str)) else {
            return Ok(Some("a weights file".to_string()));
        };
        if !self.holds(&weights) {
            return Ok(Some(weights));
        }
        let mut shards = self.shards(&weights)?.into_iter();
        Ok(shards.find(|shard| !self.holds(shard)))
    }

    /// The files that an index of shards names; none for a file that is no index.
    pub fn shards(&self, weights: &str) -> Result<Vec<String>, HubError> {
        if !weights.ends_with(INDEX_SUFFIX) {
            return Ok(Vec::new());
        }
        let path = self.folder().join(weights);
        let bytes = std::fs::read(&path).map_err(at(&path))?;
        let index = ShardIndex::from_bytes(&bytes, &format!("{weights} of {}", self.id))?;
        Ok(index.files().map(String::from).collect())
    }

    /// Whether a file is here, and, where its blob is named by its SHA-256, has that.
    pub fn holds(&self, name: &str) -> bool {
        let Ok(path) = self.folder().join(name).canonicalize() else { return false };
        match path.file_name().and_then(|blob| blob.to_str()).filter(|blob| is_sha256(blob)) {
            Some(expected) => sha256(&path).is_ok_and(|found| found == expected),
            None => path.is_file(),
        }
    }

    /// Where a blob is, or is to be.
    pub fn blob(&self, etag: &str) -> PathBuf {
        self.repo.blob_path(etag)
    }

    /// Waits until nobody else writes a blob, and keeps others from it until it is dropped.
    pub fn lock(&self, etag: &str) -> Result<File, HubError> {
        let folder = self.cache.join(".locks").join(self.id.repo().folder_name());
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
        // The blob's lock is held, so nobody else has the name.
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
        let path = self.absent(name);
        let folder = path.parent().unwrap_or(&path).to_path_buf();
        std::fs::create_dir_all(&folder).map_err(at(&folder))?;
        std::fs::write(&path, "").map_err(at(&path))
    }

    /// Notes which commit the revision stands for.
    pub fn write_ref(&self) -> Result<(), HubError> {
        let refs = self.cache.join(self.id.repo().folder_name()).join("refs");
        self.repo.create_ref(&self.commit).map_err(at(refs.join(&self.id.revision)))
    }

    /// Where the names of a commit's parquet files are noted; `huggingface_hub` passes it over.
    pub(super) fn list_path(&self) -> PathBuf {
        self.cache.join(self.id.repo().folder_name()).join(".parquet").join(&self.commit)
    }

    fn absent(&self, name: &str) -> PathBuf {
        let folder = self.cache.join(self.id.repo().folder_name());
        folder.join(".no_exist").join(&self.commit).join(name)
    }
}

/// Whether text is a SHA-256 in hexadecimal digits.
pub(super) fn is_sha256(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
}

/// The SHA-256 of a file's bytes.
pub(super) fn sha256(path: &Path) -> std::io::Result<String> {
    let mut file = File::open(path)?;
    let mut hash = Sha256::new();
    let mut buffer = vec![0; 1 << 20];
    loop {
        match file.read(&mut buffer) {
            Ok(0) => break,
            Ok(n) => hash.update(&buffer[..n]),
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
}
