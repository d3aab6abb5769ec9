//! The page and the card of one run.

use std::path::{Path, PathBuf};

use taper_run_folder::{RunFolder, RunFolderError, write_whole};

use crate::card::model_card;
use crate::error::ReportError;
use crate::page::run_page;
use crate::record::Record;

/// Writes what a finished run's folder still lacks: the model card `README.md`, and `report.html`
/// where the recipe asks for it. What is there stays as it is.
///
/// # Errors
/// The folder holds no finished run, or its files are not what they should be.
pub fn complete(run: &Path) -> Result<(), ReportError> {
    let folder = RunFolder::finished(run)?;
    if folder.card().exists() && folder.report().exists() {
        return Ok(());
    }
    let record = Record::read(run)?;
    write_card(&folder, &record)?;
    match record.recipe.log.report && !folder.report().exists() {
        true => write_page(&folder, &record),
        false => Ok(()),
    }
}

/// Where the page of a run by an older version is kept.
pub const KEPT_PAGE: &str = "report-before.html";

/// Writes a finished run's `report.html` anew, and the card where it is missing; gives the page's
/// path. The page of a run by an older version, which alone has its mistakes, is kept as [`KEPT_PAGE`].
///
/// # Errors
/// As [`complete`].
pub fn report(run: &Path) -> Result<PathBuf, ReportError> {
    let (folder, record) = (RunFolder::finished(run)?, Record::read(run)?);
    write_card(&folder, &record)?;
    let kept = run.join(KEPT_PAGE);
    if record.results.is_older() && folder.report().exists() && !kept.exists() {
        std::fs::rename(folder.report(), &kept).map_err(RunFolderError::io(&kept))?;
    }
    write_page(&folder, &record)?;
    Ok(folder.report())
}

/// A card that is there may have been written on.
fn write_card(folder: &RunFolder, record: &Record) -> Result<(), ReportError> {
    match folder.card().exists() {
        true => Ok(()),
        false => Ok(write_whole(&folder.card(), model_card(record).as_bytes())?),
    }
}

fn write_page(folder: &RunFolder, record: &Record) -> Result<(), ReportError> {
    Ok(write_whole(&folder.report(), run_page(record).as_bytes())?)
}
