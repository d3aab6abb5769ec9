//! From a picture of a line of digits to the digits, with any classifier.
//!
//! The modules stand in the order in which data meets them. A picture becomes a map of its ink: the
//! light is evened out, and ink is what differs from the paper around it. Connected pieces of ink
//! that stand side by side make the line, which is turned straight, upright and to one height: a
//! strip. A window slides over it column by column, and a classifier says of each which digit is in
//! its middle, if any. So digits that touch or overlap need not be cut apart. The most probable way
//! through these answers is what the line says, and the share of all ways that agree with a digit is
//! its confidence. A digit that has too little is not guessed.
//!
//! The classifier is a closure from windows of 28x28 pixels to [`Scores`], so this crate needs no
//! tensor library.
//!
//! ```
//! use taper_dataset::Image;
//! use taper_reader::{ReadError, Scores, Settings, read};
//!
//! let blank = Image::new(40, 200, 1, vec![230; 8000])?;
//! let classifier = |windows: Vec<Image>| Ok::<_, String>(vec![[1.0 / 11.0; 11]; windows.len()]);
//! let error = read(&blank, None, &Settings::default(), classifier).unwrap_err();
//! assert!(matches!(error, ReadError::NoLine(_)));
//! # Ok::<(), taper_dataset::Error>(())
//! ```

mod error;
mod evidence;
mod settings;

mod pattern;

mod ink;
mod layout;
mod line;
mod number;
mod straighten;
mod strip;
mod words;

mod page;
mod sheet;
mod text_line;
mod view;

mod decode;
mod luhn;
mod reading;
mod scene;

mod annotate;

pub use annotate::annotate;
pub use error::{ReadError, Result};
pub use luhn::luhn;
pub use number::{Number, Scene};
pub use pattern::Pattern;
pub use reading::{CARD_DIGITS, Digit, Reading, read};
pub use scene::read_scene;
pub use settings::{CHARACTERS, CLASSES, Character, LETTER, Scores, Settings};
pub use strip::{Strip, strips};
pub use view::{Glance, glances};

/// The README's example, compiled and run.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
