//! What a run's result depends on besides its recipe: the data, the program, the kind of machine.

use candle_core::Device;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use taper_classifier::gpu_name;
use taper_dataset::Part;
use taper_untrusted::checksums::hex;

use crate::data::Data;
use crate::error::{Difference, RunnerError};

/// Items of a part that is not in memory whose pixels are looked at.
const LOOKED_AT: usize = 64;

/// The data, the program and the kind of machine of a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Identity {
    /// Counts of the parts and a SHA-256 over their labels and images. Of images that are not in
    /// memory: over their labels, the names of the files with their folders, and 64 of the images.
    pub data: String,
    /// The version of Taper.
    pub version: String,
    /// Instruction sets, cache sizes and what was chosen by `TAPER_KERNELS`: the library that
    /// multiplies matrices cuts its work by them, and so rounds differently. And the GPU, where it is one that
    /// computes.
    pub machine: String,
}

impl Identity {
    /// The identity of a run on this data and device, here and now.
    ///
    /// # Errors
    /// An image that is looked at cannot be read.
    pub fn of(data: &Data, device: &Device) -> Result<Self, RunnerError> {
        Ok(Self {
            data: fingerprint(data)?,
            version: env!("CARGO_PKG_VERSION").to_string(),
            machine: machine(device),
        })
    }

    /// In what another identity differs.
    pub fn differences(&self, now: &Self) -> Vec<Difference> {
        let pairs = [
            ("data", &self.data, &now.data),
            ("version", &self.version, &now.version),
            ("machine", &self.machine, &now.machine),
        ];
        let other = pairs.into_iter().filter(|(_, before, now)| before != now);
        let difference = |(what, before, now): (&str, &String, &String)| Difference {
            what: what.to_string(),
            before: before.clone(),
            now: now.clone(),
        };
        other.map(difference).collect()
    }
}

fn fingerprint(data: &Data) -> Result<String, RunnerError> {
    let mut hash = Sha256::new();
    let parts = [Some(&data.train), data.validation.as_ref(), Some(&data.test)];
    let mut counts = Vec::new();
    for part in parts {
        add(&mut hash, part)?;
        counts.push(part.map_or(0, Part::len).to_string());
    }
    Ok(format!("{} images {}", counts.join("+"), hex(&hash.finalize()[..16])))
}

fn add(hash: &mut Sha256, part: Option<&Part>) -> Result<(), RunnerError> {
    let Some(part) = part else {
        hash.update([0]);
        return Ok(());
    };
    hash.update([1]);
    hash.update((part.len() as u64).to_le_bytes());
    for name in part.class_names() {
        hash.update((name.len() as u64).to_le_bytes());
        hash.update(name.as_bytes());
    }
    let every = if part.in_memory() { 1 } else { part.len().div_ceil(LOOKED_AT).max(1) };
    for (place, &index) in part.indices().iter().enumerate() {
        hash.update((index as u64).to_le_bytes());
        hash.update(part.source().label(index).to_le_bytes());
        if every > 1 {
            // Without the folders above: data may move.
            let name = part.source().item_name(index);
            let mut tail = name.rsplit(['/', '\\']);
            for piece in [tail.next(), tail.next()].into_iter().flatten() {
                hash.update(piece.as_bytes());
                hash.update([0]);
            }
        }
        if place % every == 0 {
            let image = part.source().decode(index)?;
            for side in [image.height, image.width, image.channels] {
                hash.update((side as u64).to_le_bytes());
            }
            hash.update(&image.pixels);
        }
    }
    Ok(())
}

fn machine(device: &Device) -> String {
    let kernels = std::env::var("TAPER_KERNELS").unwrap_or_else(|_| "auto".to_string());
    let gpu = gpu_name(device).map_or(String::new(), |name| format!(" gpu [{name}]"));
    format!(
        "{} [{}] caches [{}] kernels {kernels}{gpu}",
        std::env::consts::ARCH,
        features(),
        caches()
    )
}

#[cfg(target_arch = "x86_64")]
fn features() -> String {
    let all = [
        ("avx2", is_x86_feature_detected!("avx2")),
        ("fma", is_x86_feature_detected!("fma")),
        ("avx512f", is_x86_feature_detected!("avx512f")),
    ];
    let there: Vec<&str> = all.iter().filter(|(_, there)| *there).map(|(name, _)| *name).collect();
    there.join(" ")
}

#[cfg(not(target_arch = "x86_64"))]
fn features() -> String {
    String::new()
}

/// The sizes of the first core's caches as Linux tells them; elsewhere unknown.
fn caches() -> String {
    let size = |index: usize| {
        let path = format!("/sys/devices/system/cpu/cpu0/cache/index{index}/size");
        std::fs::read_to_string(path).ok().map(|text| text.trim().to_string())
    };
    let sizes: Vec<String> = (0..8).map_while(size).collect();
    if sizes.is_empty() { "unknown".to_string() } else { sizes.join(" ") }
}
