//! Weights from the Hub, against a server on loopback: every case ends in the file or in one clear
//! line.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use taper_hub::{Fetched, Hub, HubId};
use tempfile::{TempDir, tempdir};

use crate::hub_server::{COMMIT, HubServer, sha256};
use crate::program::{arg, stderr, taper};

/// A repository as timm has them, with `large` bytes of weights that are none.
fn files(large: usize) -> BTreeMap<String, Vec<u8>> {
    let weights = (0..large).map(|i| (i * 31 % 251) as u8).collect();
    BTreeMap::from([
        ("README.md".to_string(), b"# A net".to_vec()),
        ("config.json".to_string(), br#"{"architecture": "resnet18"}"#.to_vec()),
        ("model.safetensors".to_string(), weights),
    ])
}

/// A server, and a cache for one test.
struct Fixture {
    server: HubServer,
    hub: Hub,
    folder: TempDir,
}

impl Fixture {
    fn new(large: usize) -> Self {
        Self::of(files(large))
    }

    fn of(files: BTreeMap<String, Vec<u8>>) -> Self {
        let server = HubServer::start(files);
        let folder = tempdir().unwrap();
        let hub = Hub {
            endpoint: server.endpoint.clone(),
            cache: folder.path().join("hub"),
            token: None,
            certificates: None,
            offline: false,
            tries: 3,
            pause: Duration::from_millis(1),
            patience: Duration::from_secs(2),
            longest_pause: Duration::from_secs(2),
        };
        Self { server, hub, folder }
    }

    fn fetch(&self) -> Result<Fetched, String> {
        self.fetch_revision("main")
    }

    fn fetch_revision(&self, revision: &str) -> Result<Fetched, String> {
        let id =
            HubId { repo: "taper/test".to_string(), revision: revision.to_string(), data: false };
        let result = self.hub.fetch(&id, &mut |_| {}).map_err(|e| e.to_string());
        if let Err(line) = &result {
            assert_eq!(line.lines().count(), 1, "{line}");
        }
        result
    }

    /// Fetches, and checks that the weights are the server's.
    fn fetch_whole(&self) -> Fetched {
        let fetched = self.fetch().unwrap();
        self.check(&fetched);
        fetched
    }

    fn check(&self, fetched: &Fetched) {
        let here = std::fs::read(fetched.folder.join("model.safetensors")).unwrap();
        assert!(here == self.server.state.lock().unwrap().files["model.safetensors"]);
        assert_eq!(fetched.commit, COMMIT);
    }

    fn requests_of(&self, what: &str) -> Vec<String> {
        self.server.log().into_iter().filter(|line| line.contains(what)).collect()
    }
}

#[test]
fn a_repository_becomes_a_folder_in_the_layout_that_python_shares() {
    let fixture = Fixture::new(1000);
    let fetched = fixture.fetch_whole();
    let repo = fixture.hub.cache.join("models--taper--test");
    assert_eq!(fetched.folder, repo.join("snapshots").join(COMMIT));
    assert_eq!(std::fs::read_to_string(repo.join("refs/main")).unwrap(), COMMIT);
    let weights = &fixture.server.state.lock().unwrap().files["model.safetensors"].clone();
    let blob = repo.join("blobs").join(sha256(weights));
    assert!(std::fs::read(&blob).unwrap() == *weights);
    let link = std::fs::read_link(fetched.folder.join("model.safetensors")).unwrap();
    assert_eq!(link, Path::new("../../blobs").join(sha256(weights)));
    // Nothing is fetched that is not needed, and nothing is left half done.
    assert!(!fetched.folder.join("README.md").exists());
    let left = std::fs::read_dir(repo.join("blobs")).unwrap();
    assert_eq!(left.count(), 2);
}

#[test]
fn a_warm_cache_needs_no_server_at_all() {
    let mut fixture = Fixture::new(1000);
    fixture.fetch_whole();
    let asked = fixture.server.log().len();
    fixture.hub.endpoint = "http://127.0.0.1:1".to_string();
    fixture.fetch_whole();
    fixture.check(&fixture.fetch_revision(COMMIT).unwrap());
    fixture.hub.offline = true;
    fixture.fetch_whole();
    assert_eq!(fixture.server.log().len(), asked);
}

#[test]
fn what_python_has_left_in_the_cache_is_used() {
    let mut fixture = Fixture::new(1000);
    fixture.hub.offline = true;
    let repo = fixture.hub.cache.join("models--taper--test");
    let snapshot = repo.join("snapshots").join(COMMIT);
    for folder in [&repo.join("refs"), &repo.join("blobs"), &snapshot] {
        std::fs::create_dir_all(folder).unwrap();
    }
    std::fs::write(repo.join("refs/main"), COMMIT).unwrap();
    for (name, bytes) in &fixture.server.state.lock().unwrap().files {
        let blob = sha256(bytes);
        std::fs::write(repo.join("blobs").join(&blob), bytes).unwrap();
        let link = Path::new("../../blobs").join(&blob);
        std::os::unix::fs::symlink(link, snapshot.join(name)).unwrap();
    }
    fixture.fetch_whole();
    assert!(fixture.server.log().is_empty());
}

#[test]
fn offline_what_is_missing_is_named() {
    let mut fixture = Fixture::new(1000);
    fixture.hub.offline = true;
    let line = fixture.fetch().unwrap_err();
    assert!(
        line.starts_with("hub:taper/test is not in the cache (revision `main` is missing in "),
        "{line}"
    );
    assert!(line.ends_with("HF_HUB_OFFLINE is set") && fixture.server.log().is_empty(), "{line}");
    fixture.hub.offline = false;
    let fetched = fixture.fetch_whole();
    fixture.hub.offline = true;
    std::fs::remove_file(fetched.folder.join("model.safetensors")).unwrap();
    let line = fixture.fetch().unwrap_err();
    assert!(
        line.starts_with("hub:taper/test is not in the cache (a weights file is missing in "),
        "{line}"
    );
}

#[test]
fn a_cut_connection_is_gone_on_with_where_it_broke_off() {
    let fixture = Fixture::new(300_000);
    fixture.server.state.lock().unwrap().cuts = vec![100_000, 70_000];
    fixture.fetch_whole();
    let ranges = fixture.requests_of("/model.safetensors?");
    let ranges: Vec<_> = ranges.iter().map(|line| line.split(' ').nth(2)).collect();
    assert_eq!(ranges, [None, Some("bytes=100000-"), Some("bytes=170000-")]);
}

#[test]
fn a_download_that_was_given_up_goes_on_at_the_next_run() {
    let fixture = Fixture::new(1000);
    fixture.server.state.lock().unwrap().cuts = vec![400, 0, 0];
    let line = fixture.fetch().unwrap_err();
    let expected = "the download of model.safetensors of hub:taper/test broke off at 400 bytes";
    assert!(line.starts_with(expected), "{line}");
    fixture.fetch_whole();
    assert_eq!(fixture.requests_of("bytes=400-").len(), 3 + 3, "{:?}", fixture.server.log());
}

#[test]
fn a_server_that_ignores_ranges_starts_over() {
    let fixture = Fixture::new(1000);
    let mut state = fixture.server.state.lock().unwrap();
    (state.cuts, state.ignore_ranges) = (vec![400], true);
    drop(state);
    fixture.fetch_whole();
}

#[test]
fn a_server_that_begins_anew_each_time_is_given_up_however_much_it_sends() {
    let fixture = Fixture::new(300_000);
    let mut state = fixture.server.state.lock().unwrap();
    (state.cuts, state.ignore_ranges) = (vec![200_000; 100], true);
    drop(state);
    let line = fixture.fetch().unwrap_err();
    let expected = "the download of model.safetensors of hub:taper/test broke off at 200000 bytes";
    assert!(line.starts_with(expected), "{line}");
    assert_eq!(fixture.requests_of("/model.safetensors?").len(), 3);
}

#[test]
fn a_server_that_sends_a_byte_now_and_then_is_given_up() {
    let mut fixture = Fixture::new(300_000);
    fixture.hub.patience = Duration::from_millis(100);
    fixture.server.state.lock().unwrap().trickle = Some(Duration::from_millis(20));
    let start = std::time::Instant::now();
    let line = fixture.fetch().unwrap_err();
    assert!(line.contains("of hub:taper/test broke off at "), "{line}");
    assert!(start.elapsed() < Duration::from_secs(20), "{:?}", start.elapsed());
}

#[test]
fn weights_whose_length_is_not_told_are_not_downloaded() {
    let fixture = Fixture::new(300_000);
    fixture.server.state.lock().unwrap().no_length = true;
    let line = fixture.fetch().unwrap_err();
    assert!(line.contains("no length of model.safetensors"), "{line}");
    assert_eq!(fixture.requests_of("/model.safetensors?").len(), 0);
}

#[cfg(unix)]
#[test]
fn a_pipe_in_the_cache_is_not_waited_for() {
    let mut fixture = Fixture::new(1000);
    let fetched = fixture.fetch_whole();
    let repo = fixture.hub.cache.join("models--taper--test");
    let config = fetched.folder.join("config.json").canonicalize().unwrap();
    for path in [config, repo.join("refs/main")] {
        std::fs::remove_file(&path).unwrap();
        assert!(std::process::Command::new("mkfifo").arg(&path).status().unwrap().success());
        fixture.hub.offline = true;
        let line = fixture.fetch().unwrap_err();
        assert!(line.starts_with("hub:taper/test is not in the cache"), "{line}");
    }
}

#[test]
fn a_small_file_has_a_limit() {
    let mut files = files(1000);
    files.insert("config.json".to_string(), vec![b' '; (64 << 20) + 1]);
    let line = Fixture::of(files).fetch().unwrap_err();
    let expected = "67108865 bytes as the length of config.json, the limit is 67108864";
    assert!(line.contains(expected), "{line}");
}

#[test]
fn a_small_file_that_was_damaged_in_the_cache_is_downloaded_again() {
    let mut fixture = Fixture::new(1000);
    let fetched = fixture.fetch_whole();
    let config = fetched.folder.join("config.json");
    let whole = std::fs::read(&config).unwrap();
    for damaged in [&whole[..9], br#"{"architecture": "resnet50"}"#, b""] {
        std::fs::write(config.canonicalize().unwrap(), damaged).unwrap();
        fixture.hub.offline = true;
        let line = fixture.fetch().unwrap_err();
        let expected = "hub:taper/test is not in the cache (config.json is damaged in ";
        assert!(line.starts_with(expected), "{line}");
        fixture.hub.offline = false;
        fixture.fetch_whole();
        assert_eq!(std::fs::read(&config).unwrap(), whole);
    }
}

#[test]
fn what_is_left_of_another_file_is_found_out_and_done_again() {
    let fixture = Fixture::new(1000);
    let weights = fixture.server.state.lock().unwrap().files["model.safetensors"].clone();
    let blobs = fixture.hub.cache.join("models--taper--test/blobs");
    std::fs::create_dir_all(&blobs).unwrap();
    for length in [500, 1000, 2000] {
        let part = blobs.join(format!("{}.incomplete", sha256(&weights)));
        std::fs::write(&part, vec![7; length]).unwrap();
        let fetched = fixture.fetch_whole();
        std::fs::remove_dir_all(&fetched.folder).unwrap();
        std::fs::remove_file(blobs.join(sha256(&weights))).unwrap();
    }
}

#[test]
fn a_wrong_hash_is_downloaded_again_and_then_an_error() {
    let fixture = Fixture::new(1000);
    fixture.server.state.lock().unwrap().corrupt = 1;
    fixture.fetch_whole();

    let fixture = Fixture::new(1000);
    fixture.server.state.lock().unwrap().corrupt = 2;
    let line = fixture.fetch().unwrap_err();
    let start = "model.safetensors of hub:taper/test is corrupt after download: found SHA-256 ";
    assert!(line.starts_with(start) && line.contains(", the Hub states "), "{line}");
    let blobs = std::fs::read_dir(fixture.hub.cache.join("models--taper--test/blobs")).unwrap();
    assert_eq!(blobs.count(), 1, "the configuration alone");
    assert!(!fixture.hub.cache.join("models--taper--test/refs").exists());
}

#[test]
fn a_file_that_was_damaged_in_the_cache_is_downloaded_again() {
    let mut fixture = Fixture::new(1000);
    let fetched = fixture.fetch_whole();
    let blob = fetched.folder.join("model.safetensors").canonicalize().unwrap();
    std::fs::write(&blob, vec![0; 1000]).unwrap();
    fixture.hub.offline = true;
    let line = fixture.fetch().unwrap_err();
    assert!(
        line.starts_with("hub:taper/test is not in the cache (model.safetensors is damaged in "),
        "{line}"
    );
    fixture.hub.offline = false;
    fixture.fetch_whole();
}

#[test]
fn a_busy_server_is_waited_for() {
    let fixture = Fixture::new(1000);
    let statuses = [(503, None), (429, Some(1)), (200, None)];
    fixture.server.state.lock().unwrap().statuses = statuses[..2].to_vec();
    let start = std::time::Instant::now();
    fixture.fetch_whole();
    assert!(start.elapsed() >= Duration::from_secs(1), "{:?}", start.elapsed());
}

#[test]
fn a_server_that_stays_busy_or_broken_is_an_error() {
    let fixture = Fixture::new(1000);
    fixture.server.state.lock().unwrap().statuses = vec![(429, Some(3600))];
    let line = fixture.fetch().unwrap_err();
    assert!(line.contains("rate limit at ") && line.contains("retry in 3600 s"), "{line}");
    fixture.server.state.lock().unwrap().statuses = vec![(429, Some(0)); 3];
    assert!(fixture.fetch().unwrap_err().contains("rate limit at "));
    for status in [500, 502, 503, 504] {
        fixture.server.state.lock().unwrap().statuses = vec![(status, None); 3];
        let line = fixture.fetch().unwrap_err();
        assert!(line.ends_with(&format!("with status {status} (tries: 3)")), "{line}");
    }
    fixture.fetch_whole();
}

#[test]
fn nobody_there_is_an_error_with_the_address() {
    let mut fixture = Fixture::new(1000);
    fixture.hub.endpoint = "http://127.0.0.1:1".to_string();
    let line = fixture.fetch().unwrap_err();
    let start = "cannot reach http://127.0.0.1:1 for hub:taper/test: ";
    assert!(line.starts_with(start) && line.ends_with("the connection is refused"), "{line}");
}

#[test]
fn certificates_that_are_none_are_an_error_with_their_file() {
    let mut fixture = Fixture::new(1000);
    let path = fixture.folder.path().join("ca.pem");
    std::fs::write(&path, "no certificate").unwrap();
    fixture.hub.certificates = Some(path);
    let line = fixture.fetch().unwrap_err();
    assert!(line.ends_with("ca.pem: it has no certificate in PEM"), "{line}");
}

#[test]
fn a_private_repository_takes_the_token_and_the_store_never_sees_it() {
    let mut fixture = Fixture::new(1000);
    fixture.server.state.lock().unwrap().token = Some("hf_right".to_string());
    let line = fixture.fetch().unwrap_err();
    assert!(line.ends_with("it is private and needs HF_TOKEN"), "{line}");
    fixture.hub.token = Some("hf_wrong".to_string());
    let line = fixture.fetch().unwrap_err();
    assert!(line.ends_with("or HF_TOKEN has no right to read it"), "{line}");
    assert!(!line.contains("hf_wrong"), "{line}");
    fixture.hub.token = Some("hf_right".to_string());
    fixture.fetch_whole();
}

#[test]
fn what_is_not_there_is_named() {
    let fixture = Fixture::new(1000);
    let line = fixture.fetch_revision("v9").unwrap_err();
    assert!(line.ends_with("has no revision `v9` of hub:taper/test (status 404)"), "{line}");
    fixture.server.state.lock().unwrap().repo = "taper/other".to_string();
    let line = fixture.fetch().unwrap_err();
    assert!(line.ends_with("has no repository taper/test (status 404)"), "{line}");

    let mut some = files(10);
    some.remove("model.safetensors");
    let line = Fixture::of(some).fetch().unwrap_err();
    assert!(line.starts_with("hub:taper/test has no weights: expected "), "{line}");
}

#[test]
fn a_hostile_file_name_is_refused() {
    for name in ["../../../evil.safetensors", "/etc/cron.d/x", "a/../../b", "C:\\x", "..\\x"] {
        let mut some = files(10);
        some.insert(name.to_string(), b"evil".to_vec());
        let fixture = Fixture::of(some);
        let line = fixture.fetch().unwrap_err();
        assert!(line.ends_with("which would leave its folder; refused"), "{line}");
        assert!(!fixture.folder.path().join("evil.safetensors").exists());
    }
    let mut some = files(10);
    some.remove("model.safetensors");
    let index = br#"{"weight_map": {"x": "../../../../evil.safetensors"}}"#;
    some.insert("model.safetensors.index.json".to_string(), index.to_vec());
    let line = Fixture::of(some).fetch().unwrap_err();
    assert!(line.contains("must be a file name in the same folder"), "{line}");
}

#[test]
fn a_commit_or_an_answer_that_makes_no_sense_is_an_error() {
    let fixture = Fixture::new(10);
    fixture.server.state.lock().unwrap().commit = "../../x".to_string();
    let line = fixture.fetch().unwrap_err();
    assert!(line.contains("`../../x` as the commit of `main`"), "{line}");
    assert!(!fixture.hub.cache.exists());
}

#[test]
fn all_shards_come_with_their_index() {
    let mut some = files(10);
    let weights = some.remove("model.safetensors").unwrap();
    let index = br#"{"weight_map": {"a": "1-of-2.safetensors", "b": "2-of-2.safetensors"}}"#;
    some.insert("model.safetensors.index.json".to_string(), index.to_vec());
    some.insert("1-of-2.safetensors".to_string(), weights.clone());
    some.insert("2-of-2.safetensors".to_string(), [weights, vec![1]].concat());
    let mut fixture = Fixture::of(some);
    let fetched = fixture.fetch().unwrap();
    assert_eq!(std::fs::read(fetched.folder.join("2-of-2.safetensors")).unwrap().len(), 11);
    fixture.hub.offline = true;
    fixture.fetch().unwrap();
    std::fs::remove_file(fetched.folder.join("2-of-2.safetensors")).unwrap();
    let line = fixture.fetch().unwrap_err();
    assert!(
        line.starts_with("hub:taper/test is not in the cache (2-of-2.safetensors is missing in "),
        "{line}"
    );
}

#[test]
fn transformers_preprocessing_comes_along() {
    let mut some = files(10);
    some.insert("config.json".to_string(), br#"{"model_type": "vit"}"#.to_vec());
    some.insert("preprocessor_config.json".to_string(), br#"{"size": 224}"#.to_vec());
    let mut fixture = Fixture::of(some);
    let fetched = fixture.fetch().unwrap();
    assert!(fetched.folder.join("preprocessor_config.json").is_file());
    fixture.hub.offline = true;
    std::fs::remove_file(fetched.folder.join("preprocessor_config.json")).unwrap();
    let line = fixture.fetch().unwrap_err();
    assert!(
        line.starts_with(
            "hub:taper/test is not in the cache (preprocessor_config.json is missing in "
        ),
        "{line}"
    );
}

#[test]
fn two_at_once_both_end_with_the_file() {
    let fixture = Fixture::new(2_000_000);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| fixture.fetch_whole());
        }
    });
    assert_eq!(fixture.requests_of("/model.safetensors?").len(), 1);
}

#[test]
fn a_data_set_of_the_hub_is_fetched_once_and_pinned() {
    let golden = |name: &str| {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/golden/parquet");
        std::fs::read(format!("{folder}/{name}")).unwrap()
    };
    let fixture = Fixture::of(BTreeMap::from([
        ("README.md".to_string(), b"# Data".to_vec()),
        ("data/train-00000-of-00001.parquet".to_string(), golden("hub.parquet")),
        ("data/test-00000-of-00001.parquet".to_string(), golden("words.parquet")),
    ]));
    let train = |out: &str, offline: &str| {
        let out = fixture.folder.path().join(out);
        let mut command = taper(&["train", "--data", "hub:taper/test", "--net", "mlp", "--quiet"]);
        command.args(["--epochs", "1", "--out", arg(&out)]);
        command.args(["--set", "image.height=3", "--set", "image.width=4"]);
        command.env("HF_ENDPOINT", &fixture.server.endpoint);
        command.env("HF_HOME", fixture.folder.path()).env("HF_HUB_OFFLINE", offline);
        let output = command.output().unwrap();
        assert!(output.status.success(), "{}", stderr(&output));
        std::fs::read_to_string(out.join("recipe.toml")).unwrap()
    };
    let recipe = train("one", "0");
    assert!(recipe.contains(&format!("source = \"hub:taper/test@{COMMIT}\"")), "{recipe}");
    assert_eq!(fixture.requests_of("README.md"), Vec::<String>::new());
    let asked = fixture.server.log().len();
    assert_eq!(train("two", "1"), recipe);
    assert_eq!(fixture.server.log().len(), asked);
}
