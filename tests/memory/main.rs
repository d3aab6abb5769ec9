//! What each reader takes for hostile files: a test program of its own, so that the peak is that of these files alone,
//! with the allocator of the program.
#![cfg(target_os = "linux")]

mod data;
mod runs;
mod weights;

use std::path::Path;
use std::process::Command;

#[global_allocator]
static ALLOCATOR: taper_cli::PoolingAllocator = taper_cli::PoolingAllocator::new();

/// One test at a time: the peak is the whole program's.
static ALONE: std::sync::Mutex<()> = std::sync::Mutex::new(());

/// MiB that any reader may take above its input: 1 GB.
const MOST: usize = 953;

/// A reader, by its name: of a file, or of the folder that it is in.
type Reader = (&'static str, fn(&Path) -> Result<(), String>);

const READERS: &[&[Reader]] = &[data::READERS, runs::READERS, weights::READERS];

/// Names reader and file to [`a_reader_in_a_process_of_its_own`].
const READ: &str = "TAPER_READ";

/// The most memory that this process has taken, in KiB.
fn peak() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

/// No test by itself: what [`reads`] starts.
#[test]
fn a_reader_in_a_process_of_its_own() {
    let Ok(read) = std::env::var(READ) else { return };
    let (name, path) = read.split_once(' ').unwrap();
    let mut readers = READERS.iter().flat_map(|readers| readers.iter());
    let (_, reader) = readers.find(|(known, _)| *known == name).unwrap();
    let before = peak();
    let read = reader(Path::new(path));
    let taken = peak().saturating_sub(before) >> 10;
    println!("\n{taken} {:?} {}", read.is_ok(), read.err().unwrap_or_default());
}

/// What the limit of JSON says.
const LIMIT: &str = "what it stands for takes more than 671088640 bytes";

/// Writes a file, reads it in a process of its own, whose allocator is the program's, and makes sure that this takes no more
/// than the file and a gigabyte, and that it ends where the file is made to lead: read whole for an empty `end`, or with
/// an error that says `end`. (One that is refused before shows nothing.)
fn reads(reader: &str, what: &str, path: &Path, bytes: Vec<u8>, end: &str) {
    let _alone = ALONE.lock();
    let size = bytes.len() >> 20;
    std::fs::write(path, bytes).unwrap();
    let child = Command::new(std::env::current_exe().unwrap())
        .args(["a_reader_in_a_process_of_its_own", "--exact", "--nocapture"])
        .env(READ, format!("{reader} {}", path.display()))
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&child.stdout);
    let line =
        told.lines().find_map(|line| line.split_once(" true ").or(line.split_once(" false ")));
    let (taken, error) = line.unwrap_or_else(|| panic!("{reader}, {what}: {child:?}"));
    println!("{reader}, {what}, {size} MiB: {taken} MiB {error}");
    assert!(
        taken.parse::<usize>().unwrap() < MOST + size,
        "{reader}, {what}: {taken} MiB, a file of {size}"
    );
    assert!(error.len() < 3000, "{reader}, {what}: {error}");
    let is_read = line.is_some_and(|_| !told.contains(" false "));
    assert!(
        is_read == end.is_empty() && error.contains(end),
        "{reader}, {what}: {error:?}, not {end:?}"
    );
}

/// So many MiB of a text, again and again.
fn filled(text: &str, mib: usize) -> String {
    text.repeat((mib << 20) / text.len())
}

/// So many MiB of entries, each of which has a number of its own in the place of `#`.
fn numbered(entry: &str, mib: usize) -> String {
    numbered_within(entry, mib << 20)
}

/// As many entries as are no more than so many bytes, each with a number of seven digits.
fn numbered_within(entry: &str, bytes: usize) -> String {
    let count = bytes / (entry.len() + 6);
    (1_000_000..1_000_000 + count).map(|n| entry.replace('#', &n.to_string())).collect()
}
