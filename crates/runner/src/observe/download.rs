//! The progress of a download, on stderr.

use std::io::IsTerminal;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// A bar for one file; on a stderr that is no terminal, one line when it is done.
pub struct DownloadBar {
    name: String,
    shown: bool,
    received: u64,
    bar: Option<ProgressBar>,
}

impl DownloadBar {
    /// A bar for the file `name` of `size` bytes, if that is known; nothing unless `shown`.
    pub fn new(shown: bool, name: &str, size: Option<u64>) -> Self {
        let bar = (shown && std::io::stderr().is_terminal()).then(|| {
            let bar = ProgressBar::with_draw_target(size, ProgressDrawTarget::stderr_with_hz(5));
            let template = "{prefix} {bar:24} {bytes}/{total_bytes} · {bytes_per_sec}, {eta} left";
            if let Ok(style) = ProgressStyle::with_template(template) {
                bar.set_style(style.progress_chars("━╸ "));
            }
            bar.set_prefix(name.to_string());
            bar
        });
        Self { name: name.to_string(), shown, received: 0, bar }
    }

    /// So many bytes are here already.
    pub fn set(&mut self, received: u64) {
        self.received = received;
        if let Some(bar) = &self.bar {
            bar.set_position(received);
            bar.reset_eta();
        }
    }

    /// So many bytes have come.
    pub fn advance(&mut self, bytes: u64) {
        self.received += bytes;
        if let Some(bar) = &self.bar {
            bar.inc(bytes);
        }
    }

    /// The file is here.
    pub fn finish(&self) {
        match &self.bar {
            Some(bar) => bar.finish(),
            None if self.shown => eprintln!("{}: {} bytes downloaded", self.name, self.received),
            None => {}
        }
    }
}
