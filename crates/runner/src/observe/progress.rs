//! A progress bar on a terminal, plain lines elsewhere; both on stderr.

use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use taper_run_folder::{Epoch, Event, Step};

use super::listener::{Listener, Verdict};
use crate::error::RunnerError;

/// The most images that are listed one by one.
const LISTED: usize = 20;

/// Shows loss, rate, images per second and the time left.
pub struct Progress {
    label: String,
    bar: Option<ProgressBar>,
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
            label: label.to_string(),
            bar: None,
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
        if let Ok(style) =
            ProgressStyle::with_template("{prefix} {wide_bar} {pos}/{len} {msg} · {eta} left")
        {
            bar.set_style(style.progress_chars("━╸ "));
        }
        bar.set_prefix(self.label.clone());
        bar.enable_steady_tick(Duration::from_millis(250));
        self.bar = Some(bar);
    }

    fn step(&mut self, loss: f64, learning_rate: f64, images: usize) {
        self.images += images;
        let smooth = self.loss.map_or(loss, |old| 0.9 * old + 0.1 * loss);
        self.loss = Some(smooth);
        if let Some(bar) = &self.bar {
            let speed = self.images as f64 / self.started.elapsed().as_secs_f64().max(1e-9);
            bar.set_message(format!(
                "loss {smooth:.4} · rate {learning_rate:.2e} · {speed:.0} images/s"
            ));
            bar.inc(1);
        }
    }

    fn line(&self, text: &str) {
        match &self.bar {
            Some(bar) => bar.println(text),
            None => say(text),
        }
    }
}

/// A line on stderr. That nobody reads it (a closed pipe, a full disk) is no reason to end a run, as
/// `eprintln!` would.
fn say(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
}

impl Listener for Progress {
    fn observe(&mut self, event: &Event) -> Result<Verdict, RunnerError> {
        match event {
            Event::LeftOut { images, reasons } => {
                say(&format!("{} leaves out {images} images that cannot be read:", self.label));
                reasons.iter().take(LISTED).for_each(|reason| say(&format!("  {reason}")));
                if *images > LISTED {
                    say(&format!("  and {} more, in history.jsonl", images - LISTED));
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
                self.start(*epochs, *steps_per_epoch);
                self.first_epoch = *epoch;
                if let Some(bar) = &self.bar {
                    bar.set_position(*step);
                    bar.reset_eta();
                }
                let (label, epoch) = (&self.label, epoch + 1);
                self.line(&format!("{label} goes on in epoch {epoch}/{epochs} after step {step}"));
            }
            Event::Step(Step { loss, learning_rate, images, .. }) => {
                self.step(*loss, *learning_rate, *images);
            }
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
                let validation = validation.as_ref().map_or(String::new(), |v| {
                    format!(" · validation {:.2} % loss {:.4}", 100.0 * v.accuracy, v.loss)
                });
                self.line(&format!(
                    "{} epoch {done}/{}: loss {loss:.4}{validation} · rate {learning_rate:.2e} · \
                     {images_per_second:.0} images/s · {left:.0} s left",
                    self.label, self.epochs,
                ));
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
}

/// Counts images that a model has answered, on a terminal alone.
pub struct Counter {
    bar: Option<ProgressBar>,
}

impl Counter {
    /// A bar for `total` images, headed by `label`; nothing unless `shown`.
    pub fn new(shown: bool, label: &str, total: usize) -> Self {
        let bar = (shown && std::io::stderr().is_terminal()).then(|| {
            let draw = ProgressDrawTarget::stderr_with_hz(5);
            let bar = ProgressBar::with_draw_target(Some(total as u64), draw);
            let template = "{prefix} {wide_bar} {pos}/{len} · {per_sec} · {eta} left";
            if let Ok(style) = ProgressStyle::with_template(template) {
                bar.set_style(style.progress_chars("━╸ "));
            }
            bar.set_prefix(label.to_string());
            bar
        });
        Self { bar }
    }

    /// So many images are answered.
    pub fn set(&mut self, images: usize) {
        if let Some(bar) = &self.bar {
            bar.set_position(images as u64);
        }
    }
}

impl Drop for Counter {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
