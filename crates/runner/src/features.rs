//! What a frozen body makes of each image, computed once and kept.
//!
//! A body's answer to an image does not depend on the other images of its batch, to the bit (the
//! kernels add in an order that the size of a batch does not change), so a kept row is the row that
//! would be computed again.

use std::collections::HashMap;
use std::io::{Read, Result as IoResult, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use candle_core::{DType, Device, Tensor};
use taper_dataset::{Batch, Part};
use tempfile::{SpooledTempFile, spooled_tempfile_in};

use crate::error::RunnerError;
use crate::recipe::FeatureCache;

/// Features that are kept in memory unless asked for, in bytes of both parts together.
const IN_MEMORY: usize = 1 << 30;

/// The cached features of the parts that each epoch goes over.
#[derive(Debug)]
pub(crate) struct CachedFeatures {
    /// Those of the training part.
    pub train: Features,
    /// Those of the validation part, where there is one.
    pub validation: Option<Features>,
}

/// The features of the images of a part.
#[derive(Debug)]
pub(crate) struct Features {
    /// The row of each item, by its place in the source.
    rows: HashMap<usize, usize>,
    known: Vec<bool>,
    left: usize,
    /// The shape of one image's features; known with the first of them.
    shape: Vec<usize>,
    /// In memory up to a size, beyond it in a file without a name.
    store: SpooledTempFile,
    folder: PathBuf,
}

impl Features {
    /// None yet of a part; of its rows and those of others there will be `all_rows`.
    pub fn new(part: &Part, cache: FeatureCache, folder: &Path, all_rows: usize) -> Self {
        let mut rows = HashMap::new();
        for &index in part.indices() {
            let next = rows.len();
            rows.entry(index).or_insert(next);
        }
        let left = rows.len();
        let in_memory = match cache {
            FeatureCache::Disk => 0,
            FeatureCache::Auto => IN_MEMORY / all_rows.max(1) * left,
            FeatureCache::Memory | FeatureCache::Off => usize::MAX,
        };
        let store = spooled_tempfile_in(in_memory, folder);
        let (known, folder) = (vec![false; left], folder.to_path_buf());
        Self { rows, known, left, shape: Vec::new(), store, folder }
    }

    /// Whether those of all images are known.
    pub fn are_complete(&self) -> bool {
        self.left == 0
    }

    /// The features of a batch: kept ones if all are known, else computed, and kept.
    pub fn of(
        &mut self,
        batch: &Batch,
        device: &Device,
        compute: impl FnOnce() -> Result<Tensor, RunnerError>,
    ) -> Result<Tensor, RunnerError> {
        let rows: Vec<usize> = batch.indices.iter().map(|index| self.rows[index]).collect();
        if rows.iter().all(|&row| self.known[row]) {
            return self.read(&rows, device);
        }
        let features = compute()?;
        self.keep(&rows, &features)?;
        Ok(features)
    }

    /// Reads or writes a row.
    fn at(
        &mut self,
        row: usize,
        access: impl FnOnce(&mut SpooledTempFile) -> IoResult<()>,
    ) -> Result<(), RunnerError> {
        let first = 4 * row as u64 * self.row_len() as u64;
        let done = self.store.seek(SeekFrom::Start(first)).and_then(|_| access(&mut self.store));
        done.map_err(RunnerError::io(&self.folder))
    }

    fn row_len(&self) -> usize {
        self.shape.iter().product()
    }

    fn keep(&mut self, rows: &[usize], features: &Tensor) -> Result<(), RunnerError> {
        let values = features.to_dtype(DType::F32)?.flatten_all()?.to_vec1::<f32>()?;
        self.shape = features.dims()[1..].to_vec();
        for (&row, values) in rows.iter().zip(values.chunks_exact(self.row_len().max(1))) {
            let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
            self.at(row, |store| store.write_all(&bytes))?;
            if !std::mem::replace(&mut self.known[row], true) {
                self.left -= 1;
            }
        }
        Ok(())
    }

    fn read(&mut self, rows: &[usize], device: &Device) -> Result<Tensor, RunnerError> {
        let mut bytes = vec![0; 4 * self.row_len()];
        let mut values = Vec::with_capacity(rows.len() * self.row_len());
        for &row in rows {
            self.at(row, |store| store.read_exact(&mut bytes))?;
            let (floats, _) = bytes.as_chunks::<4>();
            values.extend(floats.iter().map(|&float| f32::from_le_bytes(float)));
        }
        let shape: Vec<usize> = [&[rows.len()], &self.shape[..]].concat();
        Ok(Tensor::from_vec(values, shape, device)?)
    }
}
