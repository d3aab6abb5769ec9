//! Pictures of lines of digits, with the truth beside them: what a reader of postcodes and card
//! numbers is trained, tuned and tested on.
//!
//! A [`Generator`] makes the n-th line of a set as a pure function of a seed: it draws a text and the
//! [`Parameters`] of the line, takes digits from a hand (MNIST) or from a font, composes them on
//! one baseline and lays them on paper or on a card, under uneven light and noise. A digit is
//! 28 pixels high before its own scale; [`Level`] says how far everything else may go.
//!
//! ```
//! use taper_lines::{Generator, Kind, Level, Part, Settings};
//!
//! let settings = Settings { kind: Kind::Printed, ..Settings::default() };
//! let generator = Generator::new(settings, "mnist-sample")?;
//! let line = generator.line(0)?;
//! assert_eq!(line.text.len(), 5);
//! assert_eq!(line.boxes.len(), 5);
//! assert_eq!(generator.line(0)?.picture, line.picture);
//! # Ok::<(), taper_lines::Error>(())
//! ```

mod error;
mod settings;

mod glyph;
mod hand;
mod print;

mod layer;
mod paper;

mod generator;

mod address;
mod canvas;
mod photo;
mod sheet;

mod scene;
mod set;

pub use error::{Error, Result};
pub use generator::{Generator, Line};
pub use photo::Photo;
pub use scene::{Scene, SceneGenerator, SceneSettings, SceneTruth, View};
pub use set::{Record, SceneRecord, write, write_scenes};
pub use settings::{Kind, Level, Parameters, Part, SceneKind, Settings};

/// The README's example, compiled and run.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
