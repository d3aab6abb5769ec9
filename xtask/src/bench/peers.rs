//! The sides that can be asked: ours, and the peers of `benches/peers`.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use taper_runner::DeviceChoice;

use super::side::Side;

/// The name of our side.
pub const OURS: &str = "taper";

/// What a peer is written in.
enum Kind {
    /// A script and its arguments.
    Python(&'static [&'static str]),
    /// A package in a folder, with a workspace of its own.
    Cargo(&'static str),
}

const PEERS: &[(&str, Kind)] = &[
    ("pytorch", Kind::Python(&["pytorch_peer.py", "eager"])),
    ("pytorch-channels-last", Kind::Python(&["pytorch_peer.py", "channels-last"])),
    ("pytorch-compile", Kind::Python(&["pytorch_peer.py", "compile"])),
    ("pytorch-compile-channels-last", Kind::Python(&["pytorch_peer.py", "compile-channels-last"])),
    ("keras-tensorflow", Kind::Python(&["keras_tensorflow.py"])),
    ("keras-tensorflow-xla", Kind::Python(&["keras_tensorflow.py", "xla"])),
    ("burn", Kind::Cargo("burn")),
    ("candle", Kind::Cargo("candle")),
];

/// Our side: this program once more.
pub fn ours(device: DeviceChoice) -> Result<Side> {
    let program = std::env::current_exe()?.display().to_string();
    let arguments = ["bench", "--serve", "--device", &device.to_string()].map(str::to_string);
    Ok(Side { name: OURS, command: std::iter::once(program).chain(arguments).collect() })
}

/// The names of all peers.
pub fn names() -> Vec<&'static str> {
    PEERS.iter().map(|(name, _)| *name).collect()
}

/// The peers with these names, all of them if there are none; those in Rust are built. On a GPU PyTorch's alone.
pub fn find(python: &str, wanted: &[String], device: DeviceChoice) -> Result<Vec<Side>> {
    if let Some(unknown) = wanted.iter().find(|w| !names().contains(&w.as_str())) {
        bail!("unknown peer `{unknown}`, expected one of: {}", names().join(", "));
    }
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../benches/peers");
    let mut sides = Vec::new();
    for (name, kind) in PEERS {
        if device != DeviceChoice::Cpu && !name.starts_with("pytorch") {
            continue;
        }
        if !wanted.is_empty() && !wanted.iter().any(|w| w == name) {
            continue;
        }
        let command = match kind {
            Kind::Python(args) => {
                let script = folder.join(args[0]).display().to_string();
                let mut rest: Vec<_> = args[1..].iter().map(|arg| arg.to_string()).collect();
                if device != DeviceChoice::Cpu {
                    rest.push(device.to_string());
                }
                [python.to_string(), script].into_iter().chain(rest).collect()
            }
            Kind::Cargo(package) => vec![build(&folder.join(package), package)?],
        };
        sides.push(Side { name, command });
    }
    Ok(sides)
}

/// Builds a peer in release mode, in a target folder of its own, and gives its program.
fn build(folder: &Path, package: &str) -> Result<String> {
    let target = std::env::var_os("TAPER_PEERS_TARGET").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/peers"),
        PathBuf::from,
    );
    eprintln!("building the peer {package} …");
    let status = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        .args(["build", "--release", "--quiet"])
        .current_dir(folder)
        .env("CARGO_TARGET_DIR", &target)
        .status()
        .with_context(|| format!("cargo does not start in {}", folder.display()))?;
    if !status.success() {
        bail!("the peer {package} does not build; leave it out with --sides");
    }
    Ok(target.join("release").join(format!("peer-{package}")).display().to_string())
}
