//! What people look at: the page and the model card of a run, runs side by side, a data set.
//!
//! Everything is drawn from what lies in a run's folder ([`taper_run_folder`]): nothing is trained,
//! no data and no weights are opened. A page holds all that it shows, asks for nothing from outside
//! and needs no script.
//!
//! ```no_run
//! // After a run: README.md and report.html, where they are missing.
//! taper_report::complete("runs/photos-1".as_ref())?;
//! taper_report::compare(&["runs/photos-1".into(), "runs/photos-2".into()], "both.html".as_ref())?;
//! # Ok::<(), taper_report::ReportError>(())
//! ```

mod error;

pub mod html;
pub mod svg;

mod recipe;
mod record;

mod card;
mod classes;
mod compare;
mod curves;
mod mistakes;
mod page;
mod reliability;
mod run;

mod inspect;
mod inspect_page;
mod inspect_text;

pub use compare::compare;
pub use error::ReportError;
pub use inspect::{InspectConfig, Inspected, inspect};
pub use run::{KEPT_PAGE, complete, report};

/// The README's example, compiled and run.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
