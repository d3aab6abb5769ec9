//! A side of the comparison, seen from the one that asks: a process behind two pipes.

use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use anyhow::{Context, Result, bail};

use super::memory::Memory;
use super::serve::{Answer, Hello, Request};
use super::work::Work;

/// How a side is started.
#[derive(Debug, Clone)]
pub struct Side {
    /// Its short name.
    pub name: &'static str,
    /// Program and arguments.
    pub command: Vec<String>,
}

/// A side that is running.
pub struct Running {
    child: Child,
    stdin: ChildStdin,
    stdout: BufReader<ChildStdout>,
    log: PathBuf,
    /// What it said of itself.
    pub hello: Hello,
}

impl Side {
    /// Starts it with as many threads as ours. What it writes to stderr goes to a file in `logs`.
    pub fn start(&self, threads: usize, logs: &Path) -> Result<Running> {
        let log = logs.join(format!("{}.log", self.name));
        let stderr = File::options()
            .create(true)
            .append(true)
            .open(&log)
            .with_context(|| format!("{} cannot be written", log.display()))?;
        let [program, args @ ..] = &self.command[..] else { bail!("{} has no command", self.name) };
        let mut command = Command::new(program);
        for variable in ["RAYON_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "BENCH_THREADS"]
        {
            command.env(variable, threads.to_string());
        }
        let mut child = command
            .args(args)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(stderr)
            .spawn()
            .with_context(|| format!("{program} does not start"))?;
        let (Some(stdin), Some(stdout)) = (child.stdin.take(), child.stdout.take()) else {
            bail!("{program} has no pipes")
        };
        let hello = Hello { version: String::new(), threads, settings: String::new() };
        let mut running = Running { child, stdin, stdout: BufReader::new(stdout), log, hello };
        running.hello = running.read()?;
        Ok(running)
    }
}

impl Running {
    /// Has a work measured for so many seconds.
    pub fn measure(&mut self, work: &Work, seconds: f64) -> Result<Answer> {
        self.ask(work, false, seconds)
    }

    /// Has a work made ready.
    pub fn prepare(&mut self, work: &Work) -> Result<Answer> {
        self.ask(work, true, 0.0)
    }

    /// The memory of its process.
    pub fn memory(&self) -> Memory {
        Memory::of(self.child.id())
    }

    fn ask(&mut self, work: &Work, prepare: bool, seconds: f64) -> Result<Answer> {
        let request = Request { work: work.clone(), prepare, seconds };
        let line = serde_json::to_string(&request)?;
        // A side that has died shows it in what it says, with its log.
        let _ = writeln!(self.stdin, "{line}");
        let answer: Answer = self.read()?;
        if answer.work != work.name {
            bail!("asked for {}, the answer is for {}", work.name, answer.work);
        }
        Ok(answer)
    }

    /// The next line that is a JSON object; frameworks print other things, too.
    fn read<T: serde::de::DeserializeOwned>(&mut self) -> Result<T> {
        let mut line = String::new();
        while self.stdout.read_line(&mut line)? > 0 {
            if line.starts_with('{') {
                return serde_json::from_str(&line)
                    .with_context(|| format!("not an answer: {line}"));
            }
            line.clear();
        }
        let log = std::fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        let last = lines[lines.len().saturating_sub(8)..].join("\n");
        bail!("it ended; its last words in {}:\n{last}", self.log.display())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
