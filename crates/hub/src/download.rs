//! One file: received under a name of its own, resumed where it broke off, verified, then renamed.

use std::fs::OpenOptions;
use std::io::Read;
use std::path::Path;

use crate::cache::Snapshot;
use crate::client::{Client, FileMetadata};
use crate::copy::copy;
use crate::error::{HubError, at};
use crate::files::SMALL;

/// A download that breaks off resumes; one that is not further than it ever was by as many bytes is a failed try.
const PROGRESS: u64 = 64 << 10;

/// What happens in a download, for a progress bar.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DownloadEvent<'a> {
    /// Bytes of a file begin to come: at the start, and again wherever it resumes after a break.
    Begin {
        /// The file's name in the repository.
        file: &'a str,
        /// Bytes that are here already.
        received: u64,
        /// Length of the whole file in bytes, if the Hub gives it.
        size: Option<u64>,
    },
    /// Bytes have come since the last event.
    Received(u64),
    /// The file is here; it is verified next.
    End,
}

/// Who is told of downloads.
pub(crate) type Listener<'a> = &'a mut dyn FnMut(DownloadEvent<'_>);

/// Makes sure that the snapshot has a file, whole.
pub(crate) fn ensure(
    client: &Client<'_>,
    snapshot: &Snapshot<'_>,
    file: &str,
    listener: Listener<'_>,
) -> Result<(), HubError> {
    if snapshot.holds(file) {
        return Ok(());
    }
    let metadata = client.metadata(snapshot, file)?;
    if let Some(size) = metadata.size.filter(|size| *size > most(file)) {
        let (id, most) = (client.id.clone(), most(file));
        let what = format!("{size} bytes as the length of {file}, the limit is {most}");
        return Err(HubError::Answer { id, what });
    }
    if metadata.size.is_none() && most(file) == u64::MAX {
        // It could fill the disk, and nothing would tell its end from a cut.
        let what = format!("no length of {file}");
        return Err(HubError::Answer { id: client.id.clone(), what });
    }
    let blob = snapshot.blob(&metadata.etag);
    let folder = blob.parent().unwrap_or(&blob).to_path_buf();
    std::fs::create_dir_all(&folder).map_err(at(&folder))?;
    // Another process may have downloaded it in the meantime.
    let _lock = snapshot.lock(&metadata.etag)?;
    if snapshot.holds(file) {
        return Ok(());
    }
    if blob.is_file() && difference(&blob, &metadata).map_err(at(&blob))?.is_none() {
        return snapshot.link(file, &metadata.etag);
    }
    let part = blob.with_file_name(format!("{}.incomplete", metadata.etag));
    for last in [false, true] {
        receive(client, snapshot, file, &part, metadata.size, listener)?;
        match difference(&part, &metadata).map_err(at(&part))? {
            None => break,
            Some((found, expected)) => {
                std::fs::remove_file(&part).map_err(at(&part))?;
                if last {
                    let (id, file) = (client.id.clone(), file.to_string());
                    let (found, expected) = (found.into(), expected.into());
                    return Err(HubError::Corrupt { id, file, found, expected });
                }
            }
        }
    }
    std::fs::rename(&part, &blob).map_err(at(&blob))?;
    snapshot.link(file, &metadata.etag)
}

/// The most bytes that a file may have, by its name.
fn most(file: &str) -> u64 {
    if file.ends_with(".json") { SMALL } else { u64::MAX }
}

/// How a file differs from what the Hub says of it: what was found, what is expected.
fn difference(path: &Path, metadata: &FileMetadata) -> std::io::Result<Option<(String, String)>> {
    let length = path.metadata()?.len();
    if let Some(size) = metadata.size.filter(|size| *size != length) {
        return Ok(Some((format!("{length} bytes"), format!("{size}"))));
    }
    let Some(digest) = metadata.digest() else { return Ok(None) };
    let (found, expected) = (digest.of_file(path)?, &metadata.etag);
    Ok((found != *expected).then(|| (format!("{} {found}", digest.name()), expected.to_string())))
}

/// Receives a file, or what is still to come of it.
fn receive(
    client: &Client<'_>,
    snapshot: &Snapshot<'_>,
    file: &str,
    part: &Path,
    size: Option<u64>,
    listener: Listener<'_>,
) -> Result<(), HubError> {
    let mut failed = 0;
    let mut furthest = 0;
    loop {
        let mut have = part.metadata().map_or(0, |metadata| metadata.len());
        match size {
            Some(size) if have == size && part.is_file() => return Ok(()),
            // Without a length it is unknown whether what is here is the file's beginning.
            Some(size) if have < size => {}
            _ => have = 0,
        }
        let mut response = client.get(snapshot, file, have)?;
        if response.status() == 416 {
            // It has no such position: what is here is not its beginning.
            std::fs::remove_file(part).map_err(at(part))?;
            response = client.get(snapshot, file, 0)?;
        }
        let range = response.headers().get("content-range").and_then(|range| range.to_str().ok());
        let goes_on = response.status() == 206
            && range.is_some_and(|range| range.starts_with(&format!("bytes {have}-")));
        if !goes_on {
            have = 0;
        }
        let mut out = OpenOptions::new()
            .create(true)
            .append(goes_on)
            .write(true)
            .truncate(!goes_on)
            .open(part)
            .map_err(at(part))?;
        listener(DownloadEvent::Begin { file, received: have, size });
        let limit = size.unwrap_or(most(file)).saturating_sub(have).saturating_add(1);
        let body = response.body_mut().as_reader().take(limit);
        let mut told = |bytes| listener(DownloadEvent::Received(bytes));
        let copied = copy(body, &mut out, client.hub.patience, &mut told);
        let (received, ended) = copied.map_err(at(part))?;
        out.sync_all().map_err(at(part))?;
        let whole = match size {
            // One byte too many is enough to know that it is another file.
            Some(size) => have + received >= size,
            None if received >= limit => {
                let what = format!("more than {} bytes of {file}", most(file));
                return Err(HubError::Answer { id: client.id.clone(), what });
            }
            None => ended,
        };
        if whole {
            listener(DownloadEvent::End);
            return Ok(());
        }
        // A server that knows no ranges begins anew each time.
        let further = have + received >= furthest + PROGRESS;
        furthest = furthest.max(have + received);
        failed = if further { 1 } else { failed + 1 };
        if failed >= client.hub.tries {
            let (id, received) = (client.id.clone(), have + received);
            return Err(HubError::Cut { id, file: file.to_string(), received });
        }
        std::thread::sleep(client.pause(failed));
    }
}
