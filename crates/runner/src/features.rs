//! What a frozen body makes of each image, computed once and kept.
//!
//! A body's answer to an image does not depend on the other images of its batch, to the bit (the
//! kernels add in an order that the size of a batch does not change), so a kept row is the row that
//! would be computed again.

use std::collections::HashMap;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use candle_core::{DType, Device, Tensor};
use taper_dataset::{Batch, Part};

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
    store: Store,
    /// Rows of both parts together.
    all_rows: usize,
}

#[derive(Debug)]
enum Store {
    /// Where to, once it is known how large they are.
    Empty {
        cache: FeatureCache,
        folder: PathBuf,
    },
    Memory(Vec<f32>),
    Disk {
        file: File,
        folder: PathBuf,
    },
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
        let store = Store::Empty { cache, folder: folder.to_path_buf() };
        Self { rows, known: vec![false; left], left, shape: Vec::new(), store, all_rows }
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

    fn row_len(&self) -> usize {
        self.shape.iter().product()
    }

    fn keep(&mut self, rows: &[usize], features: &Tensor) -> Result<(), RunnerError> {
        let values = features.to_dtype(DType::F32)?.flatten_all()?.to_vec1::<f32>()?;
        self.shape = features.dims()[1..].to_vec();
        let len = self.row_len();
        if let Store::Empty { cache, folder } = &self.store {
            let large = self.all_rows.saturating_mul(4 * len) > IN_MEMORY;
            self.store = match cache {
                FeatureCache::Disk => Store::disk(folder)?,
                FeatureCache::Auto if large => Store::disk(folder)?,
                _ => Store::Memory(vec![0.0; self.known.len() * len]),
            };
        }
        for (&row, values) in rows.iter().zip(values.chunks_exact(len.max(1))) {
            self.store.write(row * len, values)?;
            if !std::mem::replace(&mut self.known[row], true) {
                self.left -= 1;
            }
        }
        Ok(())
    }

    fn read(&mut self, rows: &[usize], device: &Device) -> Result<Tensor, RunnerError> {
        let len = self.row_len();
        let mut values = vec![0.0; rows.len() * len];
        for (&row, values) in rows.iter().zip(values.chunks_exact_mut(len.max(1))) {
            self.store.read(row * len, values)?;
        }
        let shape: Vec<usize> = [&[rows.len()], &self.shape[..]].concat();
        Ok(Tensor::from_vec(values, shape, device)?)
    }
}

impl Store {
    fn disk(folder: &Path) -> Result<Self, RunnerError> {
        let io = RunnerError::io(folder);
        Ok(Self::Disk { file: tempfile::tempfile_in(folder).map_err(io)?, folder: folder.into() })
    }

    fn write(&mut self, first: usize, values: &[f32]) -> Result<(), RunnerError> {
        match self {
            Self::Empty { .. } => {}
            Self::Memory(kept) => kept[first..][..values.len()].copy_from_slice(values),
            Self::Disk { file, folder } => {
                let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
                let mut write = || {
                    file.seek(SeekFrom::Start(4 * first as u64))?;
                    file.write_all(&bytes)
                };
                write().map_err(RunnerError::io(folder))?;
            }
        }
        Ok(())
    }

    fn read(&mut self, first: usize, values: &mut [f32]) -> Result<(), RunnerError> {
        match self {
            Self::Empty { .. } => {}
            Self::Memory(kept) => values.copy_from_slice(&kept[first..][..values.len()]),
            Self::Disk { file, folder } => {
                let mut bytes = vec![0; 4 * values.len()];
                let mut read = || {
                    file.seek(SeekFrom::Start(4 * first as u64))?;
                    file.read_exact(&mut bytes)
                };
                read().map_err(RunnerError::io(folder))?;
                for (value, bytes) in values.iter_mut().zip(bytes.chunks_exact(4)) {
                    *value = f32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
                }
            }
        }
        Ok(())
    }
}
