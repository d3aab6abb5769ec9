//! The machine that this process runs on, and how much memory it has left.

use candle_core::Device;
use taper_classifier::gpu_name;
use taper_run_folder::Machine;

/// This machine, now, computing on a device.
pub(crate) fn this_machine(device: &Device) -> Machine {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let asked = std::env::var("RAYON_NUM_THREADS").ok().and_then(|text| text.parse().ok());
    Machine {
        processor: processor(),
        gpu: gpu_name(device),
        threads: asked.filter(|&threads| threads > 0).unwrap_or(cores),
        memory: kilobytes("/proc/meminfo", "MemTotal:"),
        peak_memory: kilobytes("/proc/self/status", "VmHWM:"),
        system: format!("{} {}", std::env::consts::OS, std::env::consts::ARCH),
    }
}

/// Bytes that this process can still get without swapping, where the system tells it: what Linux
/// counts as available, or what a control group or a limit of the process leaves, whichever is less; and what earlier
/// runs of this process left to the allocator.
pub(crate) fn available_memory() -> Option<u64> {
    let free = kilobytes("/proc/meminfo", "MemAvailable:");
    let groups = [
        ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory.current"),
        (
            "/sys/fs/cgroup/memory/memory.limit_in_bytes",
            "/sys/fs/cgroup/memory/memory.usage_in_bytes",
        ),
    ];
    let left = groups.into_iter().filter_map(|(limit, usage)| {
        // A group without a limit says `max`, or a number near 2^63.
        Some(number(limit)?.saturating_sub(number(usage)?))
    });
    let left = left.chain(free).chain(address_space()).min();
    left.map(|left| left + taper_model::kept_memory() as u64)
}

/// What a limit of the process's addresses (`ulimit -v`) leaves.
fn address_space() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/self/limits").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("Max address space"))?;
    let limit: u64 = line.split_whitespace().next()?.parse().ok()?;
    Some(limit.saturating_sub(kilobytes("/proc/self/status", "VmSize:")?))
}

fn number(path: &str) -> Option<u64> {
    std::fs::read_to_string(path).ok()?.trim().parse().ok()
}

/// The number of kB behind a key, in bytes.
fn kilobytes(path: &str, key: &str) -> Option<u64> {
    let text = std::fs::read_to_string(path).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix(key))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok().map(|kilobytes| 1024 * kilobytes)
}

fn processor() -> String {
    let text = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let name = text.lines().find_map(|line| line.strip_prefix("model name")?.split_once(':'));
    name.map_or(std::env::consts::ARCH.to_string(), |(_, name)| name.trim().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(target_os = "linux")]
    #[test]
    fn the_machine_has_a_processor_threads_and_memory() {
        let machine = this_machine(&Device::Cpu);
        assert!(!machine.processor.is_empty() && machine.threads > 0 && machine.gpu.is_none());
        assert!(machine.memory.unwrap() >= machine.peak_memory.unwrap());
        assert!(available_memory().unwrap() > 0);
    }
}
