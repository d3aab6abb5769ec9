//! The page of a run: what is on it, and that a browser shows it without script, error or request.

use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::tempdir;

use crate::program::{arg, error, json, stderr, taper};

/// A short run with a validation part and a few mistakes.
fn short_run(out: &Path, seed: &str) {
    let set = "data.validation_fraction=0.2";
    let args = ["train", "--net", "mlp", "--epochs", "3", "--max-steps", "20", "--seed", seed];
    json(&[&args[..], &["--quiet", "--set", set, "--out", arg(out)]].concat());
}

fn page(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap()
}

/// Nothing on a page may lead outside, or run.
fn check_self_contained(page: &str) {
    for forbidden in
        ["<script", "<link", "<iframe", "src=\"http", "href=", "url(", "@import", " on"]
    {
        // ` on` stands for the attributes of events; words in texts are followed by a space.
        let found = page.match_indices(forbidden).any(|(at, _)| {
            forbidden != " on"
                || page[at..].split_once('=').is_some_and(|(name, _)| {
                    name.len() < 16 && name.trim().chars().all(char::is_alphabetic)
                })
        });
        assert!(!found, "{forbidden}");
    }
    assert!(page.contains("Content-Security-Policy"));
}

#[test]
fn a_run_ends_with_a_page_that_shows_all_of_it() {
    let folder = tempdir().unwrap();
    let out = folder.path().join("run");
    short_run(&out, "0");
    let page = page(&out.join("report.html"));
    for heading in [
        "Learning",
        "Confusion matrix",
        "Classes",
        "Most confident mistakes",
        "Reliability",
        "Images of each class",
        "Weights",
        "Machine and time",
        "Recipe",
    ] {
        assert!(page.contains(&format!("<h2>{heading}</h2>")), "{heading}");
    }
    for content in
        ["validation", "<polyline", "data:image/png;base64,", "recipe.toml", "macro average"]
    {
        assert!(page.contains(content), "{content}");
    }
    check_self_contained(&page);
    assert!(page.len() < 1 << 20, "{} bytes", page.len());
}

#[test]
fn a_page_is_made_anew_from_the_folder_alone_and_says_what_is_missing_in_it() {
    let folder = tempdir().unwrap();
    let out = folder.path().join("run");
    short_run(&out, "0");
    let path = out.join("report.html");
    let before = page(&path);
    std::fs::remove_file(&path).unwrap();
    assert_eq!(json(&["report", arg(&out)])["report"], path.display().to_string());
    assert!(page(&path) == before);

    // Neither weights nor mistakes are needed for the rest.
    std::fs::remove_file(out.join("model.safetensors")).unwrap();
    std::fs::remove_dir_all(out.join("mistakes")).unwrap();
    json(&["report", arg(&out)]);
    let page = page(&path);
    assert!(page.contains("The run has not recorded them"), "{page}");
    assert!(page.contains("<h2>Confusion matrix</h2>"));
}

#[test]
fn a_finished_run_that_lacks_its_pages_gets_them_when_it_is_resumed() {
    let folder = tempdir().unwrap();
    let out = folder.path().join("run");
    short_run(&out, "0");
    let files = ["report.html", "README.md"].map(|name| out.join(name));
    let before = files.each_ref().map(|file| page(file));
    files.iter().for_each(|file| std::fs::remove_file(file).unwrap());
    assert!(json(&["resume", arg(&out)])["finished"].is_string());
    assert!(files.each_ref().map(|file| page(file)) == before);
    // What a person wrote into the card stays.
    std::fs::write(&files[1], "mine").unwrap();
    json(&["report", arg(&out)]);
    assert_eq!(page(&files[1]), "mine");
}

#[test]
fn runs_are_compared_on_one_page() {
    let folder = tempdir().unwrap();
    let runs = ["one", "two"].map(|name| folder.path().join(name));
    for (run, seed) in runs.iter().zip(["0", "1"]) {
        short_run(run, seed);
    }
    let out = folder.path().join("both.html");
    json(&["report", arg(&runs[0]), arg(&runs[1]), "--out", arg(&out)]);
    let model = runs[0].join("model.safetensors");
    let said = error(&["report", arg(&runs[0]), arg(&runs[1]), "--out", arg(&model)]);
    assert!(said.contains("is a file of a run that is compared"), "{said}");
    let page = page(&out);
    check_self_contained(&page);
    for content in ["<h1>2 runs</h1>", "Validation accuracy", "<td>seed</td><td>0</td><td>1</td>"] {
        assert!(page.contains(content), "{content}");
    }
}

#[test]
fn a_folder_without_a_finished_run_has_no_page() {
    let folder = tempdir().unwrap();
    let said = error(&["report", arg(folder.path())]);
    assert!(said.contains("holds no run"), "{said}");
}

/// Debian's Chromium, or what else there is.
fn chromium() -> Option<PathBuf> {
    let names = ["chromium", "chromium-browser", "google-chrome", "chrome"];
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path)
        .flat_map(|folder| names.map(|name| folder.join(name)))
        .find(|program| program.is_file());
    if found.is_none() {
        assert!(std::env::var_os("TAPER_NEEDS_CHROMIUM").is_none(), "Chromium is not installed");
        eprintln!("skipped: Chromium is not installed");
    }
    found
}

/// What Chromium makes of a page, and what its console and its network log say.
fn shown(
    chromium: &Path,
    page: &Path,
    folder: &Path,
    settings: &[&str],
) -> (String, String, String) {
    let log = folder.join("net.json");
    let mut command = Command::new(chromium);
    command.args([
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-quic",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        "--enable-logging=stderr",
        "--dump-dom",
        "--proxy-server=127.0.0.1:9",
    ]);
    command.arg(format!("--user-data-dir={}", folder.join("profile").display()));
    command.arg(format!("--log-net-log={}", log.display()));
    command.args(settings).arg(format!("file://{}", page.display()));
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
    let dom = String::from_utf8(output.stdout.clone()).unwrap();
    (dom, stderr(&output), std::fs::read_to_string(log).unwrap_or_default())
}

/// The hosts of all addresses that a network log says were asked for.
fn hosts(log: &str) -> impl Iterator<Item = &str> {
    let addresses = log.split("\"url\":\"http").skip(1);
    addresses.filter_map(|rest| rest.split_once("://")?.1.split(['/', '"', ':']).next())
}

/// Chromium looks for updates of itself; the proxy that is none keeps it from finding any.
fn is_the_browsers_own(host: &str) -> bool {
    ["google.com", "googleapis.com", "gstatic.com"].iter().any(|own| host.ends_with(own))
}

#[test]
fn a_browser_shows_the_page_without_error_and_without_a_request() {
    let Some(chromium) = chromium() else { return };
    let folder = tempdir().unwrap();
    let out = folder.path().join("run");
    short_run(&out, "0");
    for (i, scheme) in ["0", "1"].into_iter().enumerate() {
        let profile = folder.path().join(i.to_string());
        std::fs::create_dir(&profile).unwrap();
        let scheme = format!("--blink-settings=preferredColorScheme={scheme}");
        let path = std::fs::canonicalize(out.join("report.html")).unwrap();
        let (dom, console, requests) = shown(&chromium, &path, &profile, &[&scheme]);
        assert!(dom.contains("<h2>Confusion matrix</h2>") && dom.contains("</html>"));
        assert!(!console.contains("CONSOLE"), "{console}");
        let asked: Vec<&str> = hosts(&requests).filter(|host| !is_the_browsers_own(host)).collect();
        assert!(asked.is_empty(), "{asked:?}");
    }
}

#[test]
fn a_run_can_do_without_a_page() {
    let folder = tempdir().unwrap();
    let out = folder.path().join("run");
    let output = taper(&["train", "--net", "mlp", "--fast-dev-run", "--quiet", "--out", arg(&out)])
        .args(["--set", "log.report=false"])
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
    assert!(!out.join("report.html").exists() && out.join("metrics.json").exists());
    assert!(!String::from_utf8_lossy(&output.stdout).contains("Report"));
}
