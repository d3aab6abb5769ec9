//! From a list of indices to batches, ahead of the training thread.

use std::ops::Range;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;

use crate::augment::Policy;
use crate::batch::Batch;
use crate::error::{Error, Result};
use crate::normalize;
use crate::pieces::Pieces;
use crate::prepare::PrepareJob;
use crate::preprocessing::Preprocessing;
use crate::sampler::epoch_order;
use crate::source::{Images, Labelled, check_indices, with_all_faults};

/// How a loader goes through its items.
#[derive(Debug, Clone)]
pub struct LoaderConfig {
    /// Items per batch; the last batch holds what is left. Default 128.
    pub batch_size: usize,
    /// Whether the order is random, by seed and epoch. Default false.
    pub shuffle: bool,
    /// The run's seed. Default 0.
    pub seed: u64,
    /// Number of the epoch, from 0. Default 0.
    pub epoch: u64,
    /// Number of the first batch to give; those before are passed over for free. Default 0.
    pub first_batch: usize,
    /// How batches are cut: each piece is given as a batch. Default not at all.
    pub pieces: Pieces,
    /// Batches that are kept ready. Default 4.
    pub prefetch: usize,
    /// What is changed at random, by seed, epoch and index. Default nothing.
    pub augment: Policy,
}

impl Default for LoaderConfig {
    fn default() -> Self {
        LoaderConfig {
            batch_size: 128,
            shuffle: false,
            seed: 0,
            epoch: 0,
            first_batch: 0,
            pieces: Pieces::default(),
            prefetch: 4,
            augment: Policy::default(),
        }
    }
}

/// One epoch over some items of a source: an iterator of batches, made by a thread of its own.
///
/// Images that are not in memory are decoded in parallel (rayon's global pool). What comes out is a
/// function of source, indices, preprocessing and configuration, whatever the number of threads. The
/// first fault ends the epoch, and all items are looked at so that every broken one is told. A
/// dropped loader stops its thread.
#[derive(Debug)]
pub struct Loader {
    batches: Option<Receiver<Result<Batch>>>,
    thread: Option<JoinHandle<()>>,
    left: usize,
}

impl Loader {
    /// Starts an epoch over the items `indices` of `source`.
    ///
    /// # Errors
    ///
    /// When an index is not below the source's length, the preprocessing is not usable, the batch size
    /// is 0, or no thread can be started.
    ///
    /// ```
    /// use std::sync::Arc;
    /// use taper_dataset::{Loader, LoaderConfig, Preprocessing, source::embedded};
    ///
    /// let source = Arc::new(embedded::digits());
    /// let config = LoaderConfig { batch_size: 64, shuffle: true, ..LoaderConfig::default() };
    /// let mut loader = Loader::new(source, (0..100).collect(), Preprocessing::mnist(), config)?;
    /// assert_eq!(loader.next().unwrap()?.shape, [64, 1, 28, 28]);
    /// assert_eq!(loader.next().unwrap()?.shape, [36, 1, 28, 28]);
    /// assert!(loader.next().is_none());
    /// # Ok::<(), taper_dataset::Error>(())
    /// ```
    pub fn new(
        source: Arc<dyn Labelled>,
        indices: Vec<usize>,
        preprocessing: Preprocessing,
        config: LoaderConfig,
    ) -> Result<Self> {
        let labels = Some(source.clone());
        Self::start(BatchMaker::new(source, labels, &indices, preprocessing, config)?)
    }

    /// As [`Loader::new`] over images without labels: those of its batches are empty.
    ///
    /// # Errors
    ///
    /// As [`Loader::new`], and when images are to be mixed: there are no targets to mix.
    pub fn unlabelled(
        images: Arc<dyn Images>,
        indices: Vec<usize>,
        preprocessing: Preprocessing,
        config: LoaderConfig,
    ) -> Result<Self> {
        if config.augment.mixes() {
            return Err(Error::setting("mixing", "none of images without labels", "on"));
        }
        Self::start(BatchMaker::new(images, None, &indices, preprocessing, config)?)
    }

    fn start(maker: BatchMaker) -> Result<Self> {
        let left = maker.pieces.len();
        let LoaderConfig { prefetch, pieces, .. } = &maker.config;
        let (sender, receiver) = sync_channel(prefetch * pieces.own.len());
        let thread = std::thread::Builder::new()
            .name("loader".to_owned())
            .spawn(move || maker.send_all(&sender))
            .map_err(Error::Thread)?;
        Ok(Loader { batches: Some(receiver), thread: Some(thread), left })
    }

    /// Ends the thread: without a receiver its next send fails.
    fn stop(&mut self) -> std::thread::Result<()> {
        self.batches = None;
        self.left = 0;
        self.thread.take().map_or(Ok(()), JoinHandle::join)
    }
}

impl Iterator for Loader {
    type Item = Result<Batch>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.left == 0 {
            return None;
        }
        match self.batches.as_ref().map(Receiver::recv) {
            Some(Ok(Ok(batch))) => {
                self.left -= 1;
                Some(Ok(batch))
            }
            Some(Ok(Err(error))) => {
                self.left = 0;
                Some(Err(error))
            }
            // The thread ended before its last batch: it panicked, and so does its owner.
            _ => match self.stop() {
                Err(panic) => std::panic::resume_unwind(panic),
                Ok(()) => None,
            },
        }
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (0, Some(self.left)) // an error ends it early
    }
}

impl Drop for Loader {
    fn drop(&mut self) {
        // A panic of the thread has been shown by the thread itself; a second one here would abort.
        let _ = self.stop();
    }
}

/// What makes an epoch's batches.
struct BatchMaker {
    images: Arc<dyn Images>,
    /// The same images with their labels, if they have some.
    labels: Option<Arc<dyn Labelled>>,
    /// The items of the pieces that are given, in the epoch's order.
    items: Vec<usize>,
    /// The pieces that are given: each with its number in the epoch and its items among those.
    pieces: Vec<(usize, Range<usize>)>,
    preprocessing: Preprocessing,
    tables: Vec<[f32; 256]>,
    config: LoaderConfig,
}

impl BatchMaker {
    fn new(
        images: Arc<dyn Images>,
        labels: Option<Arc<dyn Labelled>>,
        indices: &[usize],
        preprocessing: Preprocessing,
        config: LoaderConfig,
    ) -> Result<Self> {
        preprocessing.check()?;
        check_indices(images.as_ref(), indices)?;
        let Pieces { count, own, .. } = &config.pieces;
        if own.is_empty() || own.end > *count {
            let found = format!("{own:?} of {count}");
            return Err(Error::setting("pieces", "some of the pieces of a batch", found));
        }
        if config.batch_size == 0 {
            return Err(Error::setting("batch size", "at least 1", 0));
        }
        let order = epoch_order(indices.len(), config.seed, config.epoch, config.shuffle);
        let mut items = Vec::with_capacity(indices.len());
        let mut pieces = Vec::new();
        let LoaderConfig { batch_size, first_batch, pieces: cut, .. } = &config;
        for (number, places) in cut.of_epoch(0, indices.len(), *batch_size) {
            let start = items.len();
            items.extend(order[places].iter().map(|&place| indices[place]));
            if number >= first_batch * cut.count {
                pieces.push((number, start..items.len()));
            }
        }
        let tables = preprocessing.tables();
        Ok(BatchMaker { images, labels, items, pieces, preprocessing, tables, config })
    }

    /// From the first batch that is wanted on.
    fn batches(&self) -> impl Iterator<Item = Result<Batch>> {
        self.pieces.iter().map(|(number, items)| self.make(&self.items[items.clone()], *number))
    }

    fn send_all(&self, sender: &SyncSender<Result<Batch>>) {
        for batch in self.batches() {
            let all = |first| with_all_faults(self.images.as_ref(), &self.items, first);
            let batch = batch.map_err(all);
            let failed = batch.is_err();
            if sender.send(batch).is_err() || failed {
                return;
            }
        }
    }

    /// The piece of some items, the `number`-th of its epoch.
    fn make(&self, indices: &[usize], number: usize) -> Result<Batch> {
        let [height, width, channels] = self.preprocessing.size();
        let LoaderConfig { augment, seed, epoch, .. } = &self.config;
        let mut images = vec![0.0; indices.len() * channels * height * width];
        let job = PrepareJob {
            source: self.images.as_ref(),
            indices,
            preprocessing: &self.preprocessing,
            augment,
            seed: *seed,
            epoch: *epoch,
        };
        job.run(&mut images, |image, out| normalize::write(image, &self.tables, out))?;
        let labels = |source: &Arc<dyn Labelled>| -> Vec<u32> {
            indices.iter().map(|&index| source.label(index)).collect()
        };
        let mut batch = Batch {
            images,
            shape: [indices.len(), channels, height, width],
            labels: self.labels.as_ref().map_or(Vec::new(), labels),
            indices: indices.to_vec(),
            targets: None,
        };
        if let (Some(mix), Some(source)) = (&augment.mix, &self.labels) {
            let classes = source.class_names().len();
            mix.apply(&mut batch, classes, *seed, *epoch, number as u64)?;
        }
        Ok(batch)
    }
}

/// All batches of an epoch, made by the caller's own threads.
#[cfg(test)]
pub(crate) fn all_batches(
    source: Arc<dyn Labelled>,
    indices: &[usize],
    preprocessing: Preprocessing,
    config: LoaderConfig,
) -> Result<Vec<Batch>> {
    BatchMaker::new(source.clone(), Some(source), indices, preprocessing, config)?
        .batches()
        .collect()
}

#[cfg(test)]
mod tests;
