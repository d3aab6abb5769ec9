//! A side of the comparison: reads works from stdin, one JSON object a line, and answers each with
//! one on stdout. `benches/peers/README.md` has the protocol; the peers in Rust share this file.

use std::collections::BTreeMap;
use std::io::{BufRead, Write};
use std::time::Instant;

use anyhow::Result;
use serde::{Deserialize, Serialize};

use super::work::Work;

/// What a side says of itself first.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Hello {
    /// Name and version of what is measured.
    pub version: String,
    /// Threads that it uses.
    pub threads: usize,
    /// What else bears on its speed, in words.
    pub settings: String,
}

/// What a side is asked.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Request {
    /// The work.
    pub work: Work,
    /// Only get ready for it: build the net, fill the tensors.
    #[serde(default)]
    pub prepare: bool,
    /// How long to repeat it.
    #[serde(default)]
    pub seconds: f64,
}

/// What a side answers.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Answer {
    /// The work's name.
    pub work: String,
    /// Seconds by what they were spent on (`step`, `forward`, `backward`): medians of the runs.
    #[serde(default)]
    pub values: BTreeMap<String, f64>,
    /// How many runs.
    #[serde(default)]
    pub iterations: usize,
    /// Why the side does not do this work.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unsupported: Option<String>,
}

/// Repeats a work that is ready for about so many seconds.
pub type Measure = Box<dyn FnMut(f64) -> Result<Measured>>;

/// Times by name, and how many runs they are the medians of.
pub type Measured = (Vec<(&'static str, f64)>, usize);

/// Answers works until stdin ends; `prepare` gives `None` for a work that this side does not do. The
/// last work stays ready, as it is asked for several rounds.
pub fn serve(hello: &Hello, prepare: impl Fn(&Work) -> Result<Option<Measure>>) -> Result<()> {
    say(hello)?;
    let mut current: Option<(String, Option<Measure>)> = None;
    for line in std::io::stdin().lock().lines() {
        let request: Request = serde_json::from_str(&line?)?;
        let name = &request.work.name;
        if current.as_ref().is_none_or(|(last, _)| last != name) {
            drop(current.take()); // before the next one takes its memory
            current = Some((name.clone(), prepare(&request.work)?));
        }
        let mut answer = Answer {
            work: name.clone(),
            values: BTreeMap::new(),
            iterations: 0,
            unsupported: None,
        };
        match &mut current {
            Some((_, Some(measure))) if !request.prepare => {
                let (values, iterations) = measure(request.seconds)?;
                answer.values = values.into_iter().map(|(k, v)| (k.to_string(), v)).collect();
                answer.iterations = iterations;
            }
            Some((_, None)) => answer.unsupported = Some("not in this peer".to_string()),
            _ => {}
        }
        say(&answer)?;
    }
    Ok(())
}

fn say(what: &impl Serialize) -> Result<()> {
    let mut out = std::io::stdout().lock();
    serde_json::to_writer(&mut out, what)?;
    out.write_all(b"\n")?;
    Ok(out.flush()?)
}

/// Runs a step once to warm up, then for so many seconds, three times at least unless one run is
/// longer than that already; gives the median of each part.
pub fn repeat<const N: usize>(
    names: [&'static str; N],
    seconds: f64,
    mut step: impl FnMut() -> Result<[f64; N]>,
) -> Result<Measured> {
    let started = Instant::now();
    step()?;
    let least = if started.elapsed().as_secs_f64() > seconds { 1 } else { 3 };
    let started = Instant::now();
    let mut times = names.map(|_| Vec::new());
    while times[0].len() < least || started.elapsed().as_secs_f64() < seconds {
        for (all, time) in times.iter_mut().zip(step()?) {
            all.push(time);
        }
    }
    let runs = times[0].len();
    Ok((names.into_iter().zip(times.map(median)).collect(), runs))
}

/// The middle value; the mean of the two middle ones of an even number.
pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    match values.len() {
        0 => f64::NAN,
        n => (values[(n - 1) / 2] + values[n / 2]) / 2.0,
    }
}
