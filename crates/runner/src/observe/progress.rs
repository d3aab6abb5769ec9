//! A progress bar on a terminal, plain lines elsewhere; both on stderr.

use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use taper_dataset::LeftOut;
use taper_metrics::text::{printable, printable_lines, width};
use taper_run_folder::{Epoch, Event, Step};

use super::counter::Counter;
use super::listener::{Listener, Verdict};
use crate::error::RunnerError;

/// The most images that are listed one by one.
const LISTED: usize = 20;

/// Columns that every terminal has.
const COLUMNS: usize = 80;

/// A run's line on a terminal. Without colours where `NO_COLOR` is set.
const BAR: &str = "{prefix:.bold} {wide_bar:.cyan/dim} {pos}/{len} · {msg} · {eta} left";

/// Shows loss, rate, images per second and the time left.
pub struct Progress {
    label: String,
    bar: Option<ProgressBar>,
    /// What else takes its time.
    work: Option<(&'static str, Counter)>,
    epochs: usize,
    steps_per_epoch: usize,
    /// The first that is seen from here.
    first_epoch: usize,
    started: Instant,
    images: usize,
    /// Smoothed as most tools do: 0.9 of the old, 0.1 of the new.
    loss: Option<f64>,
}

impl Progress {
    /// A progress display headed by `label`.
    pub fn new(label: &str) -> Self {
        Self {
            label: printable(label),
            bar: None,
            work: None,
            epochs: 0,
            steps_per_epoch: 0,
            first_epoch: 0,
            started: Instant::now(),
            images: 0,
            loss: None,
        }
    }

    fn start(&mut self, epochs: usize, steps_per_epoch: usize) {
        self.epochs = epochs;
        self.steps_per_epoch = steps_per_epoch;
        self.started = Instant::now();
        if !std::io::stderr().is_terminal() {
            return;
        }
        let total = (epochs * steps_per_epoch) as u64;
        let bar = ProgressBar::with_draw_target(Some(total), ProgressDrawTarget::stderr_with_hz(5));
        if let Ok(style) = ProgressStyle::with_template(BAR) {
            bar.set_style(style.progress_chars("━╸ "));
        }
        bar.set_prefix(self.heading(self.first_epoch));
        bar.set_message("starting");
        bar.enable_steady_tick(Duration::from_millis(250));
        self.bar = Some(bar);
    }

    /// What the line begins with.
    fn heading(&self, epoch: usize) -> String {
        format!("{} epoch {}/{}", self.label, epoch + 1, self.epochs)
    }

    fn step(&mut self, epoch: usize, loss: f64, images: usize) {
        self.images += images;
        let smooth = self.loss.map_or(loss, |old| 0.9 * old + 0.1 * loss);
        self.loss = Some(smooth);
        if let Some(bar) = &self.bar {
            let speed = self.images as f64 / self.started.elapsed().as_secs_f64().max(1e-9);
            bar.set_prefix(self.heading(epoch));
            bar.set_message(status(smooth, speed));
            bar.inc(1);
        }
    }

    fn line(&self, text: &str) {
        match &self.bar {
            Some(bar) => bar.println(printable_lines(text)),
            None => say(text),
        }
    }
}

/// A line on stderr. That nobody reads it (a closed pipe, a full disk) is no reason to end a run, as
/// `eprintln!` would.
fn say(line: &str) {
    let _ = writeln!(std::io::stderr(), "{}", printable_lines(line));
}

impl Listener for Progress {
    fn observe(&mut self, event: &Event) -> Result<Verdict, RunnerError> {
        match event {
            Event::LeftOut { counts, faults } => {
                say(&format!(
                    "{} leaves out {}",
                    self.label,
                    printable(&LeftOut(counts.clone()).to_string())
                ));
                faults
                    .iter()
                    .take(LISTED)
                    .for_each(|fault| say(&format!("  {}", printable(fault))));
                if faults.len() > LISTED {
                    say(&format!("  and {} more, in history.jsonl", faults.len() - LISTED));
                }
            }
            Event::Loaded { weights, notes } => {
                weights.lines().for_each(|line| self.line(line));
                notes.iter().for_each(|note| self.line(&format!("note: {note}")));
            }
            Event::Unfrozen { epoch, trainable } => self.line(&format!(
                "{} epoch {}/{}: unfroze, {trainable} trainable parameters",
                self.label,
                epoch + 1,
                self.epochs
            )),
            Event::Started { epochs, steps_per_epoch, .. } => self.start(*epochs, *steps_per_epoch),
            Event::Resumed { epochs, steps_per_epoch, epoch, step, .. } => {
                self.first_epoch = *epoch;
                self.start(*epochs, *steps_per_epoch);
                if let Some(bar) = &self.bar {
                    bar.set_position(*step);
                    bar.reset_eta();
                }
                let (label, epoch) = (&self.label, epoch + 1);
                self.line(&format!("{label} goes on in epoch {epoch}/{epochs} after step {step}"));
            }
            Event::Step(Step { epoch, loss, images, .. }) => self.step(*epoch, *loss, *images),
            Event::Skipped { step, reason, .. } => {
                self.line(&format!("{} skipped step {step}: {reason}", self.label));
                if let Some(bar) = &self.bar {
                    bar.inc(1);
                }
            }
            Event::Epoch(Epoch {
                epoch,
                loss,
                learning_rate,
                validation,
                images_per_second,
                ..
            }) => {
                let done = epoch + 1;
                let here = done.saturating_sub(self.first_epoch).max(1);
                let left = self.started.elapsed().as_secs_f64() / here as f64
                    * (self.epochs - done.min(self.epochs)) as f64;
                let own = validation.iter().flat_map(|scores| &scores.own);
                let own: Vec<_> =
                    own.map(|(name, score)| format!("{name} {:.4}", score.value)).collect();
                let validation = validation
                    .as_ref()
                    .map(|v| format!("validation {:.2} % loss {:.4}", 100.0 * v.accuracy, v.loss));
                let head = format!("{} epoch {done}/{}: loss {loss:.4}", self.label, self.epochs);
                let more = [
                    Some(format!("rate {learning_rate:.2e}")),
                    Some(format!("{images_per_second:.0} images/s")),
                    Some(format!("{left:.0} s left")),
                ];
                self.line(&epoch_line(&head, validation, &own.join(" "), more));
            }
            Event::Finished { stopped, .. } => {
                if let Some(bar) = self.bar.take() {
                    bar.finish_and_clear();
                }
                if let Some(reason) = stopped {
                    say(&format!("{} stopped: {reason}", self.label));
                }
            }
            _ => {}
        }
        Ok(Verdict::Continue)
    }

    fn working(&mut self, what: &'static str, done: usize, of: usize) {
        if let Some(bar) = &self.bar {
            bar.set_message(format!("{what} {done}/{of}"));
            return;
        }
        if self.work.as_ref().is_none_or(|(before, _)| *before != what) {
            self.work = Some((what, Counter::new(true, &format!("{} {what}", self.label), of)));
        }
        match &self.work {
            Some((_, counter)) if done < of => counter.set(done),
            _ => self.work = None,
        }
    }
}

/// Loss and speed; the rate, which would not fit into eighty columns, stands in each epoch's line.
fn status(loss: f64, speed: f64) -> String {
    format!("loss {loss:.4} · {speed:.0} images/s")
}

/// An epoch in one line of a terminal: what is left out where it would not fit is first the speed, then the rate,
/// then the time; the history has it all. A program's own metrics have a line of their own where they do not fit.
fn epoch_line(
    head: &str,
    validation: Option<String>,
    own: &str,
    mut more: [Option<String>; 3],
) -> String {
    let with = |line: String, part: &String| line + " · " + part;
    let head = validation.iter().fold(head.to_string(), with);
    let together = match own {
        "" => head.clone(),
        own => with(head.clone(), &own.to_string()),
    };
    let (head, below) = match width(&together) > COLUMNS {
        true => (head, format!("\n  {own}")),
        false => (together, String::new()),
    };
    let line = |more: &[Option<String>; 3]| more.iter().flatten().fold(head.clone(), with);
    for least in [1, 0, 2] {
        if width(&line(&more)) > COLUMNS {
            more[least] = None;
        }
    }
    line(&more) + &below
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_s_line_names_the_epoch_and_leaves_room_for_the_bar_in_eighty_columns() {
        let mut progress = Progress::new("finetune");
        progress.epochs = 120;
        assert_eq!(progress.heading(2), "finetune epoch 3/120");
        let parts =
            [&progress.heading(99), "", "1234/5678 ·", &status(12.3456, 12345.0), "· 59m left"];
        assert!(width(&parts.join(" ")) <= COLUMNS - 2, "{}", parts.join(" "));
        let shown = ["prefix", "wide_bar", "pos", "len", "msg", "eta"];
        assert!(shown.iter().all(|part| BAR.contains(&format!("{{{part}"))), "{BAR}");
    }

    #[test]
    fn an_epoch_s_line_fits_into_eighty_columns() {
        let part = |text: &str| Some(text.to_string());
        let with = |label: &str, validation: bool, own: &str| {
            epoch_line(
                &format!("{label} epoch 10/12: loss 0.1234"),
                validation.then(|| "validation 98.76 % loss 0.1234".to_string()),
                own,
                [part("rate 1.00e-3"), part("12345 images/s"), part("1234 s left")],
            )
        };
        let line = |label: &str, validation: bool| with(label, validation, "");
        assert_eq!(
            line("finetune", false),
            "finetune epoch 10/12: loss 0.1234 · rate 1.00e-3 · 12345 images/s · 1234 s left"
        );
        assert_eq!(
            line("finetune", true),
            "finetune epoch 10/12: loss 0.1234 · validation 98.76 % loss 0.1234 · 1234 s left"
        );
        assert_eq!(
            with("train", true, "cost 1.5000"),
            "train epoch 10/12: loss 0.1234 · validation 98.76 % loss 0.1234 · cost 1.5000"
        );
        assert_eq!(
            with("finetune", true, "mean_cost 1.5000"),
            "finetune epoch 10/12: loss 0.1234 · validation 98.76 % loss 0.1234 · 1234 s left\n  mean_cost 1.5000"
        );
        for label in
            ["train", "lr-find", "keras-mnist… fold 10", "000-12-epochs", "七八九十 fold 1"]
        {
            assert!(width(&line(label, true)) <= COLUMNS, "{}", line(label, true));
        }
    }
}
