//! A bar that counts images on a terminal, where it takes longer than a moment.

use std::io::IsTerminal;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use taper_dataset::Labelled;
use taper_dataset::source::Watched;
use taper_metrics::text::printable;

/// What takes no longer shows no bar.
const SHORT: Duration = Duration::from_millis(500);

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
    let decoded = move |_, image| {
        if let Some(counter) = weak.upgrade() {
            counter.add_one();
        }
        image
    };
    work(Arc::new(Watched { source: source.clone(), decoded }))
}
