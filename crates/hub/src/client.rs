//! Requests to the Hub: redirects, tries and what its answers mean.

use std::io::Read;
use std::path::Path;
use std::time::Duration;

use hf_hub::api::RepoInfo;
use taper_untrusted::json;
use ureq::http::Response;
use ureq::tls::{PemItem, RootCerts, TlsConfig, parse_pem};
use ureq::{Agent, Body};

use crate::cache::{Digest, Snapshot, repo};
use crate::copy::copy;
use crate::error::{HubError, at};
use crate::files::SMALL;
use crate::id::{HubId, is_commit, stays_inside};
use crate::settings::Hub;

const REDIRECTS: usize = 10;
/// The description of a repository, in bytes; one with ten thousand files has two million.
const INFO_LIMIT: u64 = 64 << 20;

/// What the Hub says of a repository.
fn repo_info(bytes: &[u8]) -> serde_json::Result<RepoInfo> {
    json::read(bytes, json::MOST)
}

/// For the fuzzer: reads bytes as the Hub's list of files, as an index of shards, as a name of a content, and says whether they are one.
/// What it takes of them stays within a folder.
#[doc(hidden)]
pub fn parse_answer(bytes: &[u8]) -> bool {
    let names = |info: RepoInfo| info.siblings.into_iter().map(|file| file.rfilename);
    let listed = repo_info(bytes).into_iter().flat_map(names).filter(|name| stays_inside(name));
    let shards = crate::files::shard_names(bytes).into_iter().flatten();
    let named: Vec<String> = listed.chain(shards).collect();
    for name in &named {
        let parts = Path::new(name).components();
        assert!(parts.into_iter().all(|part| matches!(part, std::path::Component::Normal(_))));
    }
    let text = String::from_utf8_lossy(bytes);
    let digest = Digest::of(&text);
    assert!(digest.is_none_or(|_| text.len() == 40 || text.len() == 64));
    digest.is_some() || !named.is_empty()
}

/// Asks the Hub about one repository.
pub(crate) struct Client<'a> {
    pub hub: &'a Hub,
    pub id: &'a HubId,
    agent: Agent,
}

/// What the Hub says of a file before it sends it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FileMetadata {
    /// The name of the file's content, safe as a file's name.
    pub etag: String,
    /// Length in bytes.
    pub size: Option<u64>,
}

impl FileMetadata {
    /// How the file's bytes give its name, where that is known.
    pub fn digest(&self) -> Option<Digest> {
        Digest::of(&self.etag)
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Method {
    /// Only the headers: no redirect to another place is followed.
    Head,
    /// The bytes, from a position on.
    Get(u64),
}

impl<'a> Client<'a> {
    pub fn new(hub: &'a Hub, id: &'a HubId) -> Result<Self, HubError> {
        let second = Duration::from_secs(1);
        let mut config = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .user_agent(concat!("taper/", env!("CARGO_PKG_VERSION")))
            .timeout_connect(Some(10 * second))
            .timeout_recv_response(Some(60 * second))
            .timeout_per_read(Some(60 * second));
        // A proxy knows nothing of this machine's own addresses.
        if ["127.0.0.1", "localhost", "[::1]"].contains(&host(authority(&hub.endpoint))) {
            config = config.proxy(None);
        }
        if let Some(path) = &hub.certificates {
            config = config.tls_config(trusting(path)?);
        }
        Ok(Self { hub, id, agent: config.build().into() })
    }

    /// The commit of the revision, and its files, whose names stay within a folder.
    pub fn info(&self) -> Result<RepoInfo, HubError> {
        let url = format!("{}/api/{}", self.hub.endpoint, repo(self.id).api_url());
        let what = format!("revision `{}` of hub:{}", self.id.revision, self.id.repo);
        let mut response = self.send(Method::Get(0), &url, &what)?;
        let mut bytes = Vec::new();
        let body = response.body_mut().as_reader().take(INFO_LIMIT);
        let (received, ended) = copy(body, &mut bytes, self.hub.patience, &mut |_| {})
            .map_err(|e| self.unreachable(&e.to_string()))?;
        if !ended {
            let reason = format!("the list of its files breaks off after {received} bytes");
            return Err(self.unreachable(&reason));
        }
        let info = repo_info(&bytes).map_err(|e| self.answer(format!("no list of files ({e})")))?;
        let asked = &self.id.revision;
        if !is_commit(&info.sha) || (is_commit(asked) && info.sha != *asked) {
            return Err(self.answer(format!("`{}` as the commit of `{asked}`", info.sha)));
        }
        let mut names = info.siblings.iter().map(|file| &file.rfilename);
        match names.find(|name| !stays_inside(name)) {
            Some(name) => Err(HubError::FileName { id: self.id.clone(), name: name.clone() }),
            None => Ok(info),
        }
    }

    /// What the Hub says of a file.
    pub fn metadata(&self, snapshot: &Snapshot<'_>, file: &str) -> Result<FileMetadata, HubError> {
        let response = self.send(Method::Head, &self.url(snapshot, file), &self.named(file))?;
        let header = |name: &str| text(&response, name);
        if let Some(commit) = header("x-repo-commit")
            && commit != snapshot.commit()
        {
            return Err(self.answer(format!("{file} of commit `{commit}`")));
        }
        let linked = header("x-linked-etag");
        let etag = linked.or_else(|| header("etag")).unwrap_or_default();
        let etag = etag.trim_start_matches("W/").trim_matches('"').to_string();
        let safe = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
        if etag.is_empty() || etag.len() > 128 || etag.starts_with('.') || !etag.chars().all(safe) {
            return Err(self.answer(format!("{etag:?} as the ETag of {file}")));
        }
        // A redirect's own length is that of its page.
        let own = header("content-length").filter(|_| !response.status().is_redirection());
        let size = header("x-linked-size").or(own);
        let size = match size.map(|size| size.parse()) {
            None => None,
            Some(Ok(size)) => Some(size),
            Some(Err(_)) => return Err(self.answer(format!("no number as the length of {file}"))),
        };
        Ok(FileMetadata { etag, size })
    }

    /// A file's bytes from a position on; the answer says whether it begins there or at the start.
    pub fn get(
        &self,
        snapshot: &Snapshot<'_>,
        file: &str,
        from: u64,
    ) -> Result<Response<Body>, HubError> {
        self.send(Method::Get(from), &self.url(snapshot, file), &self.named(file))
    }

    /// The pause before the try after `failed` others.
    pub fn pause(&self, failed: u32) -> Duration {
        self.hub.pause.saturating_mul(1 << failed.saturating_sub(1).min(16))
    }

    fn url(&self, snapshot: &Snapshot<'_>, file: &str) -> String {
        let (endpoint, page) = (&self.hub.endpoint, repo(self.id).url());
        format!("{endpoint}/{page}/resolve/{}/{}", snapshot.commit(), encoded(file))
    }

    fn named(&self, file: &str) -> String {
        format!("{file} of {}", self.id)
    }

    /// Sends a request until it is answered by something that another try would not change.
    fn send(&self, method: Method, url: &str, what: &str) -> Result<Response<Body>, HubError> {
        let mut failed = 0;
        loop {
            let result = self.follow(method, url);
            failed += 1;
            let again = failed < self.hub.tries;
            let mut pause = self.pause(failed);
            match result {
                Ok(response) => match response.status().as_u16() {
                    200..=399 | 416 => return Ok(response),
                    429 if again => {
                        if let Some(seconds) = retry_after(&response) {
                            pause = pause.max(Duration::from_secs(seconds));
                        }
                        if pause > self.hub.longest_pause {
                            let endpoint = self.hub.endpoint.clone();
                            let seconds = pause.as_secs();
                            return Err(HubError::TooManyRequests { endpoint, seconds });
                        }
                    }
                    408 | 500.. if again => {}
                    status => return Err(self.refusal(status, &response, what, failed)),
                },
                Err(Fault::Transient(_)) if again => {}
                Err(Fault::Transient(reason) | Fault::Permanent(reason)) => {
                    return Err(self.unreachable(&reason));
                }
            }
            std::thread::sleep(pause);
        }
    }

    /// Sends a request and follows where it is sent.
    fn follow(&self, method: Method, url: &str) -> Result<Response<Body>, Fault> {
        let permanent = |reason: &str| Fault::Permanent(reason.to_string());
        let mut url = url.to_string();
        for _ in 0..REDIRECTS {
            let mut request = match method {
                Method::Head => self.agent.head(&url),
                Method::Get(0) => self.agent.get(&url),
                Method::Get(from) => self.agent.get(&url).header("range", format!("bytes={from}-")),
            };
            // Lengths and positions are those of the bytes themselves.
            request = request.header("accept-encoding", "identity");
            if let Some(token) = &self.hub.token
                && authority(&url) == authority(&self.hub.endpoint)
            {
                request = request.header("authorization", format!("Bearer {token}"));
            }
            let response = request.call().map_err(Fault::of)?;
            let place = text(&response, "location");
            let Some(place) = place.filter(|_| response.status().is_redirection()) else {
                return Ok(response);
            };
            let (scheme, _) = url.split_once("://").unwrap_or_default();
            let next = match place.as_str() {
                place if place.starts_with("//") => format!("{scheme}:{place}"),
                place if place.starts_with('/') => format!("{scheme}://{}{place}", authority(&url)),
                _ => place,
            };
            if method == Method::Head && authority(&next) != authority(&url) {
                return Ok(response);
            }
            if !(next.starts_with("https://") || (next.starts_with("http://") && scheme == "http"))
            {
                return Err(permanent("it redirects to an address that is not safe"));
            }
            url = next;
        }
        Err(permanent("it redirects in a circle"))
    }

    fn refusal(&self, status: u16, response: &Response<Body>, what: &str, tries: u32) -> HubError {
        let endpoint = self.hub.endpoint.clone();
        let id = self.id.clone();
        // The Hub says so of what is not there, too, to who may not know.
        let code = text(response, "x-error-code").unwrap_or_default();
        let page = format!("{endpoint}/{}", repo(&id).url());
        match status {
            401 | 403 if code == "GatedRepo" => {
                let advice = match self.hub.token {
                    Some(_) => format!("accept its terms at {page}"),
                    None => format!("accept its terms at {page}, and set HF_TOKEN"),
                };
                HubError::Refused { endpoint, id, status, advice }
            }
            401 | 403 => {
                let advice = match self.hub.token {
                    Some(_) => "there is no such repository, or HF_TOKEN has no right to read it",
                    None => "there is no such repository, or it is private and needs HF_TOKEN",
                };
                HubError::Refused { endpoint, id, status, advice: advice.to_string() }
            }
            404 => {
                let what = match code.as_str() {
                    "RepoNotFound" => format!("repository {}", id.repo),
                    _ => what.to_string(),
                };
                HubError::NotFound { endpoint, what }
            }
            429 => {
                let seconds = retry_after(response).unwrap_or(60);
                HubError::TooManyRequests { endpoint, seconds }
            }
            _ => HubError::Status { endpoint, what: what.to_string(), status, tries },
        }
    }

    fn unreachable(&self, reason: &str) -> HubError {
        HubError::Unreachable {
            endpoint: self.hub.endpoint.clone(),
            id: self.id.clone(),
            reason: reason.lines().collect::<Vec<_>>().join("; "),
        }
    }

    fn answer(&self, what: String) -> HubError {
        HubError::Answer { id: self.id.clone(), what }
    }
}

/// A configuration that trusts the certificates in a file alone.
fn trusting(path: &Path) -> Result<TlsConfig, HubError> {
    let bytes = taper_untrusted::files::read(path, SMALL).map_err(at(path))?;
    let certificates: Vec<_> = parse_pem(&bytes)
        .filter_map(|item| match item {
            Ok(PemItem::Certificate(certificate)) => Some(certificate),
            _ => None,
        })
        .collect();
    if certificates.is_empty() {
        return Err(at(path)(std::io::Error::other("it has no certificate in PEM")));
    }
    let roots = RootCerts::new_with_certs(&certificates);
    Ok(TlsConfig::builder().root_certs(roots).build())
}

/// Why a request had no answer.
enum Fault {
    /// It may have one the next time.
    Transient(String),
    /// It will have none.
    Permanent(String),
}

impl Fault {
    fn of(error: ureq::Error) -> Self {
        let text = error.to_string();
        match error {
            ureq::Error::HostNotFound => {
                Fault::Permanent("its name cannot be resolved".to_string())
            }
            ureq::Error::Io(e) if e.kind() == std::io::ErrorKind::ConnectionRefused => {
                Fault::Permanent("the connection is refused".to_string())
            }
            ureq::Error::Io(_) | ureq::Error::Timeout(_) | ureq::Error::Protocol(_) => {
                Fault::Transient(text)
            }
            _ => Fault::Permanent(text),
        }
    }
}

fn text(response: &Response<Body>, header: &str) -> Option<String> {
    response.headers().get(header)?.to_str().ok().map(|text| text.trim().to_string())
}

fn retry_after(response: &Response<Body>) -> Option<u64> {
    text(response, "retry-after")?.parse().ok()
}

/// Host and port of an address.
fn authority(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    rest.split(['/', '?', '#']).next().unwrap_or(rest)
}

/// The host, without the port.
fn host(authority: &str) -> &str {
    match authority.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|b| b.is_ascii_digit()) => host,
        _ => authority,
    }
}

/// A path with the characters escaped that an address cannot have.
fn encoded(path: &str) -> String {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-_.~/".contains(&b);
    path.bytes()
        .map(|b| if plain(b) { char::from(b).to_string() } else { format!("%{b:02X}") })
        .collect()
}
