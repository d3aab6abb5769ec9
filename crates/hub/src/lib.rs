//! The Hugging Face Hub: from `OWNER/NAME[@REVISION]` to a folder with the repository's files.
//!
//! The folder is a snapshot in the cache that Python's `huggingface_hub` uses too, in the same
//! layout: what one has downloaded the other finds. A complete snapshot is used without a request.
//! A file that is missing is downloaded, verified against the metadata that the Hub gives (SHA-256
//! for large files, length for all) and only then given its name; a download that breaks off resumes.
//!
//! [`weights_file`] says which file of a folder in the Hub's layout holds the weights. It needs no
//! network and stays without the feature `download`.
//!
//! [`hf_hub`] gives the layout of the cache and the Hub's addresses. The requests are made here, with
//! the HTTP client that it brings: its own downloads verify nothing.

mod files;
mod id;

#[cfg(feature = "download")]
mod cache;
#[cfg(feature = "download")]
mod client;
#[cfg(feature = "download")]
mod copy;
#[cfg(feature = "download")]
mod dataset;
#[cfg(feature = "download")]
mod download;
#[cfg(feature = "download")]
mod error;
#[cfg(feature = "download")]
mod fetch;
#[cfg(feature = "download")]
mod settings;

pub use files::{
    CONFIG, PREPROCESSOR, WeightsFileError, file_names, is_transformers, weights_file,
};
pub use id::{HubDataset, HubId, HubIdError, is_commit};

#[cfg(feature = "download")]
#[doc(hidden)]
pub use client::parse_answer;
#[cfg(feature = "download")]
pub use download::DownloadEvent;
#[cfg(feature = "download")]
pub use error::HubError;
#[cfg(feature = "download")]
pub use fetch::Fetched;
#[cfg(feature = "download")]
pub use settings::Hub;

/// The README's example, compiled and run.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
