//! The machine that a run was on.

use serde::{Deserialize, Serialize};

/// The machine that a run was on.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Machine {
    /// The processor's name, as Linux tells it; elsewhere the architecture.
    pub processor: String,
    /// The GPU that computed, if one did.
    pub gpu: Option<String>,
    /// Threads that training used.
    pub threads: usize,
    /// Memory in bytes, where the system tells it.
    pub memory: Option<u64>,
    /// The most memory that the process has held so far, in bytes, where the system tells it.
    pub peak_memory: Option<u64>,
    /// Operating system and architecture.
    pub system: String,
}

/// Bytes in a unit that fits: `1.5 GiB`.
pub fn bytes(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["B", "KiB", "MiB", "GiB", "TiB"];
    let mut value = bytes as f64;
    let mut unit = 0;
    while value >= 1024.0 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    let digits = if unit == 0 || value >= 100.0 { 0 } else { 1 };
    format!("{value:.digits$} {}", UNITS[unit])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_told_in_a_unit_that_fits() {
        let told = [0, 1023, 1024, 1536 << 20, 200 << 20].map(bytes);
        assert_eq!(told, ["0 B", "1023 B", "1.0 KiB", "1.5 GiB", "200 MiB"]);
    }
}
