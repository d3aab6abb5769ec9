//! The progress of a download, on stderr.

use std::io::{IsTerminal, Write};
use std::sync::{Arc, Mutex, PoisonError};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use taper_hub::DownloadEvent;
use taper_metrics::text::printable;
use taper_pretrained::OnDownload;

/// A bar for each file; where stderr is not a terminal, one line when it is done.
struct DownloadBar {
    file: Option<FileBar>,
}

struct FileBar {
    name: String,
    received: u64,
    bar: Option<ProgressBar>,
}

/// Who shows downloads on stderr: a bar for each file on a terminal, else a line when it is done.
pub(crate) fn download_bar() -> OnDownload {
    let bar = Mutex::new(DownloadBar { file: None });
    Arc::new(move |event| bar.lock().unwrap_or_else(PoisonError::into_inner).notify(event))
}

impl DownloadBar {
    /// Shows what happens.
    fn notify(&mut self, event: DownloadEvent<'_>) {
        match event {
            DownloadEvent::Begin { file, received, size } => {
                self.file.get_or_insert_with(|| FileBar::new(file, size)).set(received);
            }
            DownloadEvent::Received(bytes) => {
                if let Some(file) = &mut self.file {
                    file.advance(bytes);
                }
            }
            DownloadEvent::End => {
                if let Some(file) = self.file.take() {
                    file.finish();
                }
            }
        }
    }
}

impl FileBar {
    fn new(name: &str, size: Option<u64>) -> Self {
        let bar = std::io::stderr().is_terminal().then(|| {
            let bar = ProgressBar::with_draw_target(size, ProgressDrawTarget::stderr_with_hz(5));
            let template = "{prefix} {bar:24} {bytes}/{total_bytes} · {bytes_per_sec}, {eta} left";
            if let Ok(style) = ProgressStyle::with_template(template) {
                bar.set_style(style.progress_chars("━╸ "));
            }
            bar.set_prefix(printable(name));
            bar
        });
        Self { name: name.to_string(), received: 0, bar }
    }

    fn set(&mut self, received: u64) {
        self.received = received;
        if let Some(bar) = &self.bar {
            bar.set_position(received);
            bar.reset_eta();
        }
    }

    fn advance(&mut self, bytes: u64) {
        self.received += bytes;
        if let Some(bar) = &self.bar {
            bar.inc(bytes);
        }
    }

    fn finish(&self) {
        match &self.bar {
            Some(bar) => bar.finish(),
            // That nobody reads it is no reason to end, as with `eprintln!`.
            None => {
                let line = format!("{}: {} bytes downloaded", printable(&self.name), self.received);
                let _ = writeln!(std::io::stderr(), "{line}");
            }
        }
    }
}
