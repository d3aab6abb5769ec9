//! A progress bar on a terminal, plain lines elsewhere; both on stderr.

use std::io::{IsTerminal, Write};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use taper_dataset::source::Watched;
use taper_dataset::{Labelled, LeftOut};
use taper_metrics::text::{printable, printable_lines, width};
use taper_run_folder::{Epoch, Event, Step};

use super::listener::{Listener, Verdict};
use crate::error::RunnerError;

/// The most images that are listed one by one.
const LISTED: usize = 20;

/// Columns that every terminal has.
const COLUMNS: usize = 80;

/// What takes no longer shows no bar.
const SHORT: Duration = Duration::from_millis(500);

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
                let validation = validation
                    .as_ref()
                    .map(|v| format!("validation {:.2} % loss {:.4}", 100.0 * v.accuracy, v.loss));
                let head = format!("{} epoch {done}/{}: loss {loss:.4}", self.label, self.epochs);
                self.line(&epoch_line(
                    head,
                    [
                        validation,
                        Some(format!("rate {learning_rate:.2e}")),
                        Some(format!("{images_per_second:.0} images/s")),
                        Some(format!("{left:.0} s left")),
                    ],
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

/// An epoch in one line of a terminal: what is left out where it would not fit is first the speed, then the rate,
/// then the time; the history has it all.
fn epoch_line(head: String, mut parts: [Option<String>; 4]) -> String {
    let line = |parts: &[Option<String>; 4]| {
        parts.iter().flatten().fold(head.clone(), |line, part| line + " · " + part)
    };
    for least in [2, 1, 3] {
        if width(&line(&parts)) > COLUMNS {
            parts[least] = None;
        }
    }
    line(&parts)
}

/// Counts images on a terminal, where it takes longer than a moment.
pub struct Counter {
    label: String,
    total: usize,
    /// When it began; `None` where nothing is shown, or no longer.
    since: Option<Instant>,
    done: AtomicUsize,
    bar: OnceLock<ProgressBar>,
}

impl Counter {
    /// A bar for `total` images, headed by `label`; nothing unless `shown`.
    pub fn new(shown: bool, label: &str, total: usize) -> Self {
        let shown = shown && std::io::stderr().is_terminal();
        Self {
            label: printable(label),
            total,
            since: shown.then(Instant::now),
            done: AtomicUsize::new(0),
            bar: OnceLock::new(),
        }
    }

    /// So many images are done.
    pub fn set(&self, images: usize) {
        self.done.store(images, Ordering::Relaxed);
        self.show();
    }

    /// One image more is done; from any thread.
    pub fn add_one(&self) {
        self.done.fetch_add(1, Ordering::Relaxed);
        self.show();
    }

    fn show(&self) {
        if self.since.is_none_or(|since| since.elapsed() < SHORT) {
            return;
        }
        let bar = self.bar.get_or_init(|| {
            let draw = ProgressDrawTarget::stderr_with_hz(5);
            let bar = ProgressBar::with_draw_target(Some(self.total as u64), draw);
            let template = "{prefix} {wide_bar} {pos}/{len} · {per_sec} · {eta} left";
            if let Ok(style) = ProgressStyle::with_template(template) {
                bar.set_style(style.progress_chars("━╸ "));
            }
            bar.set_prefix(self.label.clone());
            bar
        });
        bar.set_position(self.done.load(Ordering::Relaxed) as u64);
    }
}

impl Drop for Counter {
    fn drop(&mut self) {
        if let Some(bar) = self.bar.get() {
            bar.finish_and_clear();
        }
    }
}

/// Runs over so many images of a source, which `work` is given, with a counter headed by `label`, if that is
/// `shown`.
pub fn counted<T>(
    shown: bool,
    label: &str,
    source: &Arc<dyn Labelled>,
    images: usize,
    work: impl FnOnce(Arc<dyn Labelled>) -> T,
) -> T {
    let counter = Arc::new(Counter::new(shown, label, images));
    // What is kept of the source may go on decoding, and is no longer counted then.
    let weak = Arc::downgrade(&counter);
    let decoded = move || {
        if let Some(counter) = weak.upgrade() {
            counter.add_one();
        }
    };
    work(Arc::new(Watched { source: source.clone(), decoded }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_epoch_s_line_fits_into_eighty_columns() {
        let part = |text: &str| Some(text.to_string());
        let line = |label: &str, validation: bool| {
            epoch_line(
                format!("{label} epoch 10/12: loss 0.1234"),
                [
                    validation.then(|| "validation 98.76 % loss 0.1234".to_string()),
                    part("rate 1.00e-3"),
                    part("12345 images/s"),
                    part("1234 s left"),
                ],
            )
        };
        assert_eq!(
            line("finetune", false),
            "finetune epoch 10/12: loss 0.1234 · rate 1.00e-3 · 12345 images/s · 1234 s left"
        );
        assert_eq!(
            line("finetune", true),
            "finetune epoch 10/12: loss 0.1234 · validation 98.76 % loss 0.1234 · 1234 s left"
        );
        for label in
            ["train", "lr-find", "keras-mnist… fold 10", "000-12-epochs", "七八九十 fold 1"]
        {
            assert!(width(&line(label, true)) <= COLUMNS, "{}", line(label, true));
        }
    }
}
