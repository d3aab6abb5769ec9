//! A server on loopback that behaves like the Hub, and misbehaves as asked.
//!
//! As the Hub does: a repository's description under `/api/models`; `resolve` answers for a small
//! file with a relative redirect, for a large one with its SHA-256 and a redirect to another host,
//! which serves ranges and must not be shown the token. Every connection serves one request.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

/// What the server serves and how.
#[derive(Default)]
pub struct State {
    /// Whether it keeps the length of large files to itself.
    pub no_length: bool,
    /// `OWNER/NAME`.
    pub repo: String,
    /// What `main` stands for.
    pub commit: String,
    /// The files; those that end in `.safetensors`, `.bin`, `.pth` or `.parquet` are large files.
    pub files: BTreeMap<String, Vec<u8>>,
    /// The token that is asked for, if one is.
    pub token: Option<String>,
    /// Statuses, with `retry-after`, that the next requests are answered with.
    pub statuses: Vec<(u16, Option<u64>)>,
    /// Bytes after which the connection is cut, for each of the next downloads of a large file.
    pub cuts: Vec<usize>,
    /// Downloads of a large file that come with a byte changed.
    pub corrupt: usize,
    /// The pause after each byte of a body, of which only one byte comes at a time.
    pub trickle: Option<std::time::Duration>,
    /// Whether ranges are ignored: the whole file comes, with status 200.
    pub ignore_ranges: bool,
    /// The requests: method, path, and the value of `range`.
    pub log: Vec<String>,
}

/// The server; it ends with the test's process.
pub struct HubServer {
    /// What `HF_ENDPOINT` is to be.
    pub endpoint: String,
    /// What it serves.
    pub state: Arc<Mutex<State>>,
}

/// 40 hexadecimal digits.
pub const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";

impl HubServer {
    /// Serves `files` as the repository `taper/test`.
    pub fn start(files: BTreeMap<String, Vec<u8>>) -> Self {
        let state = State {
            repo: "taper/test".to_string(),
            commit: COMMIT.to_string(),
            files,
            ..State::default()
        };
        let state = Arc::new(Mutex::new(state));
        // Two ports, as the Hub has two hosts: one for descriptions, one for large files.
        let (hub, store) = (bind(), bind());
        let address = |listener: &TcpListener| format!("http://{}", listener.local_addr().unwrap());
        let (endpoint, store_address) = (address(&hub), address(&store));
        for (listener, is_hub) in [(hub, true), (store, false)] {
            let (state, store) = (state.clone(), store_address.clone());
            std::thread::spawn(move || {
                for stream in listener.incoming().flatten() {
                    let (state, store) = (state.clone(), store.clone());
                    // A client that hangs up early is no fault of the server's.
                    std::thread::spawn(move || serve(stream, &state, is_hub, &store).ok());
                }
            });
        }
        Self { endpoint, state }
    }

    /// The requests so far.
    pub fn log(&self) -> Vec<String> {
        self.state.lock().unwrap().log.clone()
    }
}

fn bind() -> TcpListener {
    TcpListener::bind("127.0.0.1:0").unwrap()
}

struct Request {
    method: String,
    path: String,
    headers: BTreeMap<String, String>,
}

fn read(stream: &TcpStream) -> std::io::Result<Request> {
    let mut lines = BufReader::new(stream).lines();
    let first = lines.next().ok_or(std::io::ErrorKind::UnexpectedEof)??;
    let mut words = first.split(' ').map(String::from);
    let (method, path) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let mut headers = BTreeMap::new();
    for line in lines {
        let line = line?;
        match line.split_once(':') {
            Some((name, value)) => {
                headers.insert(name.to_lowercase(), value.trim().to_string());
            }
            None => break,
        }
    }
    Ok(Request { method, path, headers })
}

fn answer(
    mut stream: &TcpStream,
    status: u16,
    headers: &[(&str, String)],
    length: usize,
    body: &[u8],
) -> std::io::Result<()> {
    let mut text =
        format!("HTTP/1.1 {status} X\r\ncontent-length: {length}\r\nconnection: close\r\n");
    for (name, value) in headers {
        text += &format!("{name}: {value}\r\n");
    }
    stream.write_all(text.as_bytes())?;
    stream.write_all(b"\r\n")?;
    stream.write_all(body)
}

fn serve(
    stream: TcpStream,
    state: &Mutex<State>,
    is_hub: bool,
    store: &str,
) -> std::io::Result<()> {
    let request = read(&stream)?;
    let mut state = state.lock().unwrap();
    let range = request.headers.get("range").cloned().unwrap_or_default();
    state.log.push(format!("{} {} {range}", request.method, request.path).trim_end().to_string());
    let head = request.method == "HEAD";
    let text = |status: u16, headers: &[(&str, String)], body: &str| {
        let body = body.as_bytes();
        answer(&stream, status, headers, body.len(), if head { b"" } else { body })
    };
    if !state.statuses.is_empty() {
        let (status, wait) = state.statuses.remove(0);
        let headers: Vec<_> = wait.iter().map(|w| ("retry-after", w.to_string())).collect();
        return text(status, &headers, "not now");
    }
    let authorization = request.headers.get("authorization").cloned();
    if !is_hub {
        if authorization.is_some() {
            return text(400, &[], "the token has leaked");
        }
        return serve_large(&stream, &mut state, &request, head);
    }
    let wanted = state.token.as_ref().map(|token| format!("Bearer {token}"));
    if wanted.is_some() && authorization != wanted {
        return text(401, &[("x-error-code", "RepoNotFound".to_string())], "who are you?");
    }

    let commit = state.commit.clone();
    let path = request.path.as_str();
    let described = path.strip_prefix("/api/models/").or(path.strip_prefix("/api/datasets/"));
    if let Some(path) = described {
        let Some(revision) = path.strip_prefix(&format!("{}/revision/", state.repo)) else {
            return text(404, &[("x-error-code", "RepoNotFound".to_string())], "no repository");
        };
        if revision != "main" && revision != commit {
            return text(404, &[("x-error-code", "RevisionNotFound".to_string())], "no revision");
        }
        let names: Vec<_> =
            state.files.keys().map(|name| serde_json::json!({ "rfilename": name })).collect();
        let info = serde_json::json!({ "id": state.repo, "sha": commit, "siblings": names });
        return text(200, &[], &info.to_string());
    }
    let resolve = format!("/{}/resolve/{commit}/", state.repo);
    let asked = path.strip_prefix("/datasets").unwrap_or(path);
    if let Some(name) = asked.strip_prefix(&resolve) {
        let Some(bytes) = state.files.get(name) else {
            return text(404, &[("x-error-code", "EntryNotFound".to_string())], "no file");
        };
        let mut headers = vec![("x-repo-commit", commit.clone())];
        if !is_large(name) {
            headers.push(("location", format!("/api/resolve-cache/{name}")));
            return text(307, &headers, "there");
        }
        headers.extend([
            ("x-linked-etag", format!("\"{}\"", sha256(bytes))),
            ("etag", "\"of-the-pointer\"".to_string()),
            ("location", format!("{store}/{name}?signature=x%20y")),
        ]);
        if !state.no_length {
            headers.push(("x-linked-size", bytes.len().to_string()));
        }
        return text(302, &headers, "there");
    }
    if let Some(name) = request.path.strip_prefix("/api/resolve-cache/") {
        let bytes = state.files.get(name).cloned().unwrap_or_default();
        let etag = format!("\"{}\"", git_sha1(&bytes));
        let headers = [("etag", etag), ("x-repo-commit", commit)];
        return answer(&stream, 200, &headers, bytes.len(), if head { b"" } else { &bytes });
    }
    text(404, &[], "nothing")
}

fn serve_large(
    stream: &TcpStream,
    state: &mut State,
    request: &Request,
    head: bool,
) -> std::io::Result<()> {
    let name = request.path.trim_start_matches('/').split('?').next().unwrap_or_default();
    let Some(mut bytes) = state.files.get(name).cloned() else {
        return answer(stream, 404, &[], 0, b"");
    };
    if head {
        // A signed address is signed for one method.
        return answer(stream, 403, &[], 0, b"");
    }
    if state.corrupt > 0 {
        state.corrupt -= 1;
        let last = bytes.len() - 1;
        bytes[last] ^= 1;
    }
    let total = bytes.len();
    let from = request.headers.get("range").filter(|_| !state.ignore_ranges);
    let from = from.and_then(|range| range.strip_prefix("bytes=")?.strip_suffix('-')?.parse().ok());
    let (status, start): (u16, usize) = from.map_or((200, 0), |from| (206, from));
    if start >= total {
        return answer(stream, 416, &[("content-range", format!("bytes */{total}"))], 0, b"");
    }
    let headers = [("content-range", format!("bytes {start}-{}/{total}", total - 1))];
    let headers = if status == 206 { &headers[..] } else { &[] };
    let body = &bytes[start..];
    if let Some(pause) = state.trickle {
        answer(stream, status, headers, body.len(), b"")?;
        return body.iter().try_for_each(|byte| {
            std::thread::sleep(pause);
            (&mut &*stream).write_all(&[*byte])
        });
    }
    let sent = match state.cuts.is_empty() {
        true => body.len(),
        false => state.cuts.remove(0).min(body.len()),
    };
    answer(stream, status, headers, body.len(), &body[..sent])
}

fn is_large(name: &str) -> bool {
    [".safetensors", ".bin", ".pth", ".parquet"].iter().any(|ending| name.ends_with(ending))
}

/// The name that git gives to a content.
pub fn git_sha1(bytes: &[u8]) -> String {
    let blob = [format!("blob {}\0", bytes.len()).as_bytes(), bytes].concat();
    sum("sha1sum", &blob)[..40].to_string()
}

/// The SHA-256 of bytes.
pub fn sha256(bytes: &[u8]) -> String {
    sum("sha256sum", bytes)[..64].to_string()
}

/// A checksum by the system's own tool: the program's must agree with another's.
fn sum(tool: &str, bytes: &[u8]) -> String {
    let mut child = std::process::Command::new(tool)
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .expect("it is part of coreutils");
    child.stdin.take().unwrap().write_all(bytes).unwrap();
    let mut text = String::new();
    child.stdout.take().unwrap().read_to_string(&mut text).unwrap();
    child.wait().unwrap();
    text
}
