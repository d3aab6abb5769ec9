//! Event files that TensorBoard opens.
//!
//! A file is a row of records: length (8 bytes, little end first), CRC-32C of the length, an `Event`
//! message, CRC-32C of the message; both checksums masked. The messages are those of
//! `tensorflow/core/util/event.proto` and `summary.proto`, of which few fields are needed.

use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use taper_run_folder::{Epoch, Event, Scores, Step};
use toml::Value;

use super::listener::{Listener, Verdict};
use super::log_file::LogFile;
use crate::error::RunnerError;

/// Writes loss, learning rate, gradient norm, speed and validation scores as scalars, by step.
///
/// One file in the folder; a run that goes on cuts it back to its checkpoint and appends. The times
/// of day in it are those of the writing.
pub struct TensorBoard {
    file: LogFile,
    every: u64,
}

/// The file's name: TensorBoard wants `tfevents` in it, and a number that says when it began.
const FILE: &str = "events.out.tfevents.0000000000.taper";

impl TensorBoard {
    /// Opens the file of a folder, which is created where it is missing, to add every `every`-th step to, 0: only
    /// the epochs; [`Listener::restore`] cuts it back to the checkpoint.
    ///
    /// # Errors
    /// Folder or file cannot be created or opened.
    pub fn open(folder: &Path, every: u64) -> Result<Self, RunnerError> {
        std::fs::create_dir_all(folder).map_err(RunnerError::io(folder))?;
        let mut board = Self { file: LogFile::open("tensorboard", &folder.join(FILE))?, every };
        if board.file.read()?.is_empty() {
            board.begin()?;
        }
        Ok(board)
    }

    /// The first record says which version of the format follows.
    fn begin(&mut self) -> Result<(), RunnerError> {
        let mut event = Message::default();
        event.double(1, now());
        event.bytes(3, b"brain.Event:2");
        self.write(&event)
    }

    fn scalars<T: AsRef<str>>(
        &mut self,
        step: u64,
        values: &[(T, f64)],
    ) -> Result<(), RunnerError> {
        let mut summary = Message::default();
        for (tag, value) in values {
            let mut one = Message::default();
            one.bytes(1, tag.as_ref().as_bytes());
            one.float(2, *value as f32);
            summary.bytes(1, &one.0);
        }
        let mut event = Message::default();
        event.double(1, now());
        event.integer(2, step);
        event.bytes(5, &summary.0);
        self.write(&event)
    }

    fn write(&mut self, event: &Message) -> Result<(), RunnerError> {
        self.file.append(&record(&event.0))
    }
}

impl Listener for TensorBoard {
    fn observe(&mut self, event: &Event) -> Result<Verdict, RunnerError> {
        match event {
            Event::Step(Step { step, loss, learning_rate, gradient_norm, .. })
                if self.every > 0 && step % self.every == 0 =>
            {
                let values = [
                    ("step/loss", *loss),
                    ("step/learning_rate", *learning_rate),
                    ("step/gradient_norm", *gradient_norm),
                ];
                self.scalars(*step, &values)?;
            }
            Event::Epoch(Epoch {
                step, loss, validation, images_per_second, data_wait, ..
            }) => {
                let mut values = vec![
                    ("train/loss".to_string(), *loss),
                    ("train/images_per_second".to_string(), *images_per_second),
                    ("train/data_wait".to_string(), *data_wait),
                ];
                if let Some(Scores { loss, accuracy, macro_f1, own, .. }) = validation {
                    let known = [("loss", *loss), ("accuracy", *accuracy), ("macro_f1", *macro_f1)];
                    let own = own.iter().map(|(name, score)| (name.as_str(), score.value));
                    let all = known.into_iter().chain(own);
                    values.extend(all.map(|(name, value)| (format!("validation/{name}"), value)));
                }
                self.scalars(*step, &values)?;
            }
            _ => {}
        }
        Ok(Verdict::Continue)
    }

    fn name(&self) -> &'static str {
        "tensorboard"
    }

    fn state(&self) -> Result<Option<Value>, RunnerError> {
        self.file.state()
    }

    /// A file that has been removed or cut begins again: what is shown is no part of the result.
    fn restore(&mut self, state: &Value) -> Result<(), RunnerError> {
        let (length, bytes) = (self.file.read()?.len(), self.file.saved_length(state)?);
        match length >= bytes && bytes > 0 {
            true => self.file.cut(bytes as u64),
            false => self.file.cut(0).and_then(|()| self.begin()),
        }
    }
}

fn now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64())
}

/// A message of Google's protocol buffers: fields by number.
#[derive(Default)]
struct Message(Vec<u8>);

impl Message {
    fn key(&mut self, field: u64, wire_type: u64) {
        self.varint(field << 3 | wire_type);
    }

    fn varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.0.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.0.push(value as u8);
    }

    fn integer(&mut self, field: u64, value: u64) {
        self.key(field, 0);
        self.varint(value);
    }

    fn double(&mut self, field: u64, value: f64) {
        self.key(field, 1);
        self.0.extend(value.to_le_bytes());
    }

    fn bytes(&mut self, field: u64, value: &[u8]) {
        self.key(field, 2);
        self.varint(value.len() as u64);
        self.0.extend(value);
    }

    fn float(&mut self, field: u64, value: f32) {
        self.key(field, 5);
        self.0.extend(value.to_le_bytes());
    }
}

fn record(message: &[u8]) -> Vec<u8> {
    let length = (message.len() as u64).to_le_bytes();
    let mut record = Vec::with_capacity(message.len() + 16);
    record.extend(length);
    record.extend(masked_crc(&length).to_le_bytes());
    record.extend(message);
    record.extend(masked_crc(message).to_le_bytes());
    record
}

/// A checksum of bytes that hold checksums themselves would be weak; hence TensorFlow's mask.
fn masked_crc(bytes: &[u8]) -> u32 {
    crc32c(bytes).rotate_right(15).wrapping_add(0xa282_ead8)
}

/// CRC-32C (Castagnoli), bit by bit: the records are short.
fn crc32c(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0u32, |crc, &byte| {
        (0..8).fold(crc ^ u32::from(byte), |crc, _| {
            (crc >> 1) ^ if crc & 1 == 1 { 0x82f6_3b78 } else { 0 }
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_is_that_of_the_standard() {
        // RFC 3720, appendix B.4.
        assert_eq!(crc32c(b"123456789"), 0xe306_9283);
        assert_eq!(crc32c(&[0; 32]), 0x8a91_36aa);
    }

    #[test]
    fn a_record_has_the_bytes_that_tensorflow_writes() {
        let mut event = Message::default();
        event.double(1, 0.0);
        event.bytes(3, b"brain.Event:2");
        let record = record(&event.0);
        assert_eq!(record[..8], 24u64.to_le_bytes());
        // The masked checksum of a length of 24, as at the head of any file of TensorFlow's.
        assert_eq!(record[8..12], [0xa3, 0x7f, 0x4b, 0x22]);
        assert_eq!(&record[12..36][9..11], [0x1a, 13]);
        assert_eq!(record.len(), 24 + 16);
    }

    #[test]
    fn large_numbers_take_several_bytes() {
        let mut message = Message::default();
        message.integer(2, 300);
        assert_eq!(message.0, [0x10, 0xac, 0x02]);
    }

    #[test]
    fn a_resumed_file_is_cut_back_to_the_checkpoint() {
        let folder = tempfile::tempdir().unwrap();
        let step = |step| {
            Event::Step(Step {
                epoch: 0,
                step,
                loss: 1.0,
                learning_rate: 0.1,
                gradient_norm: 2.0,
                images: 5,
            })
        };
        let path = folder.path().join(FILE);
        let mut board = TensorBoard::open(folder.path(), 1).unwrap();
        let _ = board.observe(&step(1)).unwrap();
        let state = board.state().unwrap().unwrap();
        let length = std::fs::metadata(&path).unwrap().len();
        let _ = board.observe(&step(2)).unwrap();
        drop(board);
        let mut board = TensorBoard::open(folder.path(), 1).unwrap();
        board.restore(&state).unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().len(), length);
        let _ = board.observe(&step(2)).unwrap();
        assert!(std::fs::metadata(&path).unwrap().len() > length);
        // And one that is gone begins again.
        std::fs::remove_file(&path).unwrap();
        let mut board = TensorBoard::open(folder.path(), 10).unwrap();
        board.restore(&state).unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().len(), 24 + 16);
    }
}
