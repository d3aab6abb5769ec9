//! `bench`: how fast Taper is here, alone or side by side with its peers.

mod backbones;
mod kernel;
mod memory;
mod net;
mod operations;
mod ours;
mod peak;
mod peers;
mod results;
mod serve;
mod side;
mod table;
mod work;
mod works;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context, Result, bail};
use clap::Args;
use taper_runner::DeviceChoice;

use peers::OURS;
use results::{Results, metrics};
use side::{Running, Side};
use work::{Task, Work};

/// Measure speed: the machine's peak, the reference CNN, single kernels, and the peers.
#[derive(Debug, Args)]
#[command(after_help = "RAYON_NUM_THREADS sets the number of threads, the peers' too. \
    docs/performance.md tells how it is measured, benches/peers/README.md how to set up the peers.")]
pub struct Flags {
    /// Only works whose name contains this (may be repeated)
    #[arg(long, value_name = "NAME")]
    filter: Vec<String>,

    /// Measure the peers too, in turn with ours; the Python that has them installed
    #[arg(long, value_name = "PYTHON")]
    peers: Option<String>,

    /// Only these peers, by name, separated by commas
    #[arg(long, value_name = "PEERS", value_delimiter = ',', requires = "peers")]
    sides: Vec<String>,

    /// Where to compute: cpu, cuda, cuda:N or metal; of the peers only PyTorch's know GPUs
    #[arg(long, value_name = "DEVICE", default_value_t = DeviceChoice::Cpu)]
    device: DeviceChoice,

    /// Rounds in which every side has its turn [default: 5 with peers, 1 without]
    #[arg(long, value_name = "N")]
    rounds: Option<usize>,

    /// Seconds for which a kernel is repeated in a round; a whole net takes five times as long
    #[arg(long, value_name = "S", default_value_t = 0.3)]
    seconds: f64,

    /// Measure every net with published weights instead, and print the table of docs/choosing-a-backbone.md
    #[arg(long, conflicts_with = "list")]
    backbones: bool,

    /// Print the list of works and end
    #[arg(long)]
    list: bool,

    /// Answer works on stdin, as the peers do
    #[arg(long, hide = true)]
    serve: bool,
}

/// Seconds beyond those asked for after which a side is not asked for the same again.
const SLOW: f64 = 10.0;

/// Carries out the command; as one JSON object, it prints the values of each round, too.
pub fn run(flags: &Flags, json: bool) -> Result<()> {
    if flags.serve {
        // As the command line does; here, so that the peers' processes do not inherit it.
        taper_kernels::let_candle_threads_sleep();
        return ours::run(flags.device);
    }
    let mut works = if flags.backbones { backbones::works() } else { works::all() };
    if flags.device != DeviceChoice::Cpu {
        // A process's start and its memory are the CPU's.
        works.retain(|work| !work.task.is_whole_process());
    }
    works.retain(|work| {
        flags.filter.is_empty() || flags.filter.iter().any(|part| work.name.contains(part))
    });
    if works.is_empty() {
        bail!("no work's name contains {}; --list names them", flags.filter.join(" or "));
    }
    if flags.list {
        works.iter().for_each(|work| println!("{}", work.name));
        return Ok(());
    }
    compare(flags, json, &works)
}

/// The profile that this program was built with.
fn profile() -> &'static str {
    // Both are at opt-level 3; dev keeps the debug assertions of the workspace's own crates.
    if cfg!(debug_assertions) { "dev (optimized, with debug assertions)" } else { "release" }
}

fn compare(flags: &Flags, json: bool, works: &[Work]) -> Result<()> {
    let peak = peak::measure();
    // A GPU's is not measured.
    let share_of = if flags.device == DeviceChoice::Cpu { peak.all_threads } else { f64::INFINITY };
    let mut sides = vec![peers::ours(flags.device)?];
    if let Some(python) = &flags.peers {
        sides.extend(peers::find(python, &flags.sides, flags.device)?);
    }
    let rounds = flags.rounds.unwrap_or(if sides.len() > 1 { 5 } else { 1 });
    let logs = logs()?;
    let mut measuring = Measuring::start(sides, peak.threads, &logs)?;
    if !json {
        print!("{}", table::peak(&peak));
        for (name, hello) in &measuring.hellos {
            println!("{name}: {}, {} threads, {}", hello.version, hello.threads, hello.settings);
        }
        println!("{rounds} rounds, medians; (2.00x): takes twice as long as {OURS}\n");
    }
    for work in works {
        for round in 0..rounds {
            measuring.round(work, round, flags.seconds)?;
        }
        if !json && !flags.backbones {
            let names = measuring.names();
            let one = std::slice::from_ref(work);
            print!("{}", table::results(&measuring.results, one, &names, share_of));
        }
    }
    let names = measuring.names();
    if json {
        let report = serde_json::json!({
            "machine": machine(),
            "device": flags.device,
            "profile": profile(),
            "peak_gflops": peak,
            "rounds": rounds,
            "sides": measuring.hellos.iter().cloned().collect::<std::collections::BTreeMap<_, _>>(),
            "results": measuring.results.rows(works, &names, share_of),
            "sums": measuring.results.sums(works, &names),
        });
        println!("{report}");
    } else if flags.backbones {
        println!("{}", machine());
        print!("{}", backbones::table(&measuring.results, works, &names));
    } else {
        let sums = table::sums(&measuring.results, works, &names);
        if !sums.trim().is_empty() {
            print!("\nForward and backward, summed over the net:\n{sums}");
        }
    }
    Ok(())
}

/// The sides at work.
struct Measuring<'a> {
    sides: Vec<(Side, Running)>,
    hellos: Vec<(String, serve::Hello)>,
    /// Sides that take no further turn, with the work.
    slow: BTreeSet<(usize, String)>,
    threads: usize,
    logs: &'a Path,
    results: Results,
}

impl<'a> Measuring<'a> {
    fn start(sides: Vec<Side>, threads: usize, logs: &'a Path) -> Result<Self> {
        let mut running = Vec::new();
        for side in sides {
            let started = side.start(threads, logs).with_context(|| side.name.to_string())?;
            running.push((side, started));
        }
        let hellos = running.iter().map(|(s, r)| (s.name.to_string(), r.hello.clone())).collect();
        let (slow, results) = (BTreeSet::new(), Results::default());
        Ok(Self { sides: running, hellos, slow, threads, logs, results })
    }

    fn names(&self) -> Vec<&'static str> {
        self.sides.iter().map(|(side, _)| side.name).collect()
    }

    /// Every side's turn at a work; each round begins with another side. One that takes very long
    /// has a single turn.
    fn round(&mut self, work: &Work, round: usize, seconds: f64) -> Result<()> {
        let count = self.sides.len();
        for turn in 0..count {
            let place = (turn + round) % count;
            let name = self.sides[place].0.name;
            if self.slow.contains(&(place, work.name.clone())) {
                continue;
            }
            let values = match &work.task {
                task if task.is_whole_process() => self.whole_process(place, work),
                task => {
                    let factor = if task.images().is_some() { 5.0 } else { 1.0 };
                    self.turn(place, work, factor * seconds)
                }
            };
            let values: Vec<(String, f64)> =
                values.with_context(|| format!("{name}, {}", work.name))?;
            for (metric, value) in values {
                debug_assert!(metrics(&work.task).contains(&metric.as_str()));
                self.results.add(work, &metric, name, value);
            }
        }
        Ok(())
    }

    /// A side's turn at a work that its process, which stays, repeats for so many seconds.
    fn turn(&mut self, place: usize, work: &Work, seconds: f64) -> Result<Vec<(String, f64)>> {
        let running = &mut self.sides[place].1;
        // The first time, a compiler may need minutes for it.
        running.prepare(work)?;
        let started = Instant::now();
        let answer = running.measure(work, seconds)?;
        if started.elapsed().as_secs_f64() > SLOW + seconds {
            self.slow.insert((place, work.name.clone()));
        }
        Ok(answer.values.into_iter().collect())
    }

    /// A work that begins with a process's start.
    fn whole_process(&self, place: usize, work: &Work) -> Result<Vec<(String, f64)>> {
        let started = Instant::now();
        let mut fresh = self.sides[place].0.start(self.threads, self.logs)?;
        let values = match work.task {
            Task::Memory { .. } => {
                if fresh.prepare(work)?.unsupported.is_some() {
                    return Ok(Vec::new());
                }
                let (answer, growth) = fresh.memory().growth(|| fresh.measure(work, 0.0));
                answer?;
                growth
                    .map_or_else(Vec::new, |growth| {
                        vec![("memory", growth.resident), ("memory_anonymous", growth.anonymous)]
                    })
                    .into_iter()
                    .map(|(metric, bytes)| (metric.to_string(), bytes as f64))
                    .collect()
            }
            _ => match fresh.measure(work, 0.0)?.unsupported {
                Some(_) => Vec::new(),
                None => vec![("start".to_string(), started.elapsed().as_secs_f64())],
            },
        };
        Ok(values)
    }
}

/// Where the sides' stderr goes.
fn logs() -> Result<PathBuf> {
    let folder = std::env::temp_dir().join(format!("taper-bench-{}", std::process::id()));
    std::fs::create_dir_all(&folder)
        .with_context(|| format!("{} cannot be made", folder.display()))?;
    Ok(folder)
}

/// The processor's name, where Linux tells.
fn machine() -> String {
    let text = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = text.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    model.map_or_else(|| std::env::consts::ARCH.to_string(), |(_, name)| name.to_string())
}
