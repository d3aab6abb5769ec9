//! From a list of indices to batches, ahead of the training thread.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rayon::prelude::*;

use crate::augment::{Augment, Scratch, mix};
use crate::batch::Batch;
use crate::error::{Error, Result};
use crate::image::Image;
use crate::normalize;
use crate::pipeline::Pipeline;
use crate::sampler::epoch_order;
use crate::source::{Source, all_faults};

/// How a loader goes through its items.
#[derive(Debug, Clone, Copy, PartialEq)]
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
    /// Batches that are kept ready. Default 4.
    pub prefetch: usize,
    /// What is changed at random, by seed, epoch and index. Default nothing.
    pub augment: Augment,
}

impl Default for LoaderConfig {
    fn default() -> Self {
        LoaderConfig {
            batch_size: 128,
            shuffle: false,
            seed: 0,
            epoch: 0,
            first_batch: 0,
            prefetch: 4,
            augment: Augment::none(),
        }
    }
}

/// One epoch over some items of a source: an iterator of batches, made by a thread of its own.
///
/// Images that are not in memory are decoded in parallel (rayon's global pool). What comes out is a
/// function of source, indices, pipeline and configuration, whatever the number of threads. The
/// first fault ends the epoch, and all items are looked at so that every broken one is told. A
/// dropped loader stops its thread.
#[derive(Debug)]
pub struct Loader {
    batches: Option<Receiver<Result<Batch>>>,
    thread: Option<JoinHandle<()>>,
    left: usize,
    waited: Duration,
}

impl Loader {
    /// Starts an epoch over the items `indices` of `source`.
    ///
    /// # Errors
    ///
    /// When an index is not below the source's length, the pipeline is not usable, the batch size
    /// is 0, or no thread can be started.
    ///
    /// ```
    /// use std::sync::Arc;
    /// use taper_dataset::{Loader, LoaderConfig, Pipeline, source::embedded};
    ///
    /// let source = Arc::new(embedded::digits());
    /// let config = LoaderConfig { batch_size: 64, shuffle: true, ..LoaderConfig::default() };
    /// let mut loader = Loader::new(source, (0..100).collect(), Pipeline::mnist(), config)?;
    /// assert_eq!(loader.next().unwrap()?.shape, [64, 1, 28, 28]);
    /// assert_eq!(loader.next().unwrap()?.shape, [36, 1, 28, 28]);
    /// assert!(loader.next().is_none());
    /// # Ok::<(), taper_dataset::Error>(())
    /// ```
    pub fn new(
        source: Arc<dyn Source>,
        indices: Vec<usize>,
        pipeline: Pipeline,
        config: LoaderConfig,
    ) -> Result<Self> {
        pipeline.check()?;
        config.augment.check()?;
        check_indices(source.as_ref(), &indices)?;
        if config.batch_size == 0 {
            return Err(Error::setting("batch size", "at least 1", 0));
        }
        let order = epoch_order(indices.len(), config.seed, config.epoch, config.shuffle);
        let order: Vec<usize> = order.into_iter().map(|place| indices[place]).collect();
        let batches = order.len().div_ceil(config.batch_size);
        let (sender, receiver) = sync_channel(config.prefetch);
        let thread = std::thread::Builder::new()
            .name("loader".to_owned())
            .spawn(move || send_batches(source.as_ref(), &order, &pipeline, &config, &sender))
            .map_err(Error::Thread)?;
        Ok(Loader {
            batches: Some(receiver),
            thread: Some(thread),
            left: batches.saturating_sub(config.first_batch),
            waited: Duration::ZERO,
        })
    }

    /// How long [`Iterator::next`] has waited for batches so far.
    pub fn waited(&self) -> Duration {
        self.waited
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
        let start = Instant::now();
        let received = self.batches.as_ref().map(Receiver::recv);
        self.waited += start.elapsed();
        match received {
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

fn send_batches(
    source: &dyn Source,
    order: &[usize],
    pipeline: &Pipeline,
    config: &LoaderConfig,
    sender: &SyncSender<Result<Batch>>,
) {
    let tables = pipeline.normalize.tables(pipeline.channels);
    let numbered = order.chunks(config.batch_size).enumerate().skip(config.first_batch);
    for (number, indices) in numbered {
        let batch = make_batch(source, indices, pipeline, &tables, config, number)
            .map_err(|first| all_faults(source, order, first));
        let failed = batch.is_err();
        if sender.send(batch).is_err() || failed {
            return;
        }
    }
}

/// All batches of an epoch, made by the caller's own threads.
#[cfg(test)]
pub(crate) fn all_batches(
    source: &dyn Source,
    indices: &[usize],
    pipeline: &Pipeline,
    config: &LoaderConfig,
) -> Result<Vec<Batch>> {
    let order = epoch_order(indices.len(), config.seed, config.epoch, config.shuffle);
    let order: Vec<usize> = order.into_iter().map(|place| indices[place]).collect();
    let tables = pipeline.normalize.tables(pipeline.channels);
    let numbered = order.chunks(config.batch_size).enumerate().skip(config.first_batch);
    let make = |(number, indices)| make_batch(source, indices, pipeline, &tables, config, number);
    numbered.map(make).collect()
}

fn make_batch(
    source: &dyn Source,
    indices: &[usize],
    pipeline: &Pipeline,
    tables: &[[f32; 256]],
    config: &LoaderConfig,
    number: usize,
) -> Result<Batch> {
    let [height, width, channels] = pipeline.size();
    let LoaderConfig { augment, seed, epoch, .. } = config;
    let mut images = vec![0.0; indices.len() * channels * height * width];
    let prepare = |index: usize, scratch: &mut Scratch| match augment.changes_images() {
        true => augment.prepare(source, pipeline, *seed, *epoch, index, scratch),
        false => pipeline.prepare(source, index),
    };
    let work = Work { source, pipeline, indices, augment };
    work.prepare_all(&mut images, prepare, |image, out| normalize::write(image, tables, out))?;
    let mut batch = Batch {
        images,
        shape: [indices.len(), channels, height, width],
        labels: indices.iter().map(|&index| source.label(index)).collect(),
        indices: indices.to_vec(),
        targets: None,
    };
    mix(augment, &mut batch, source.class_names().len(), *seed, *epoch, number as u64)?;
    Ok(batch)
}

/// Items to prepare.
pub(crate) struct Work<'a> {
    pub source: &'a dyn Source,
    pub pipeline: &'a Pipeline,
    pub indices: &'a [usize],
    pub augment: &'a Augment,
}

impl Work<'_> {
    /// Prepares items and hands each to `write` with its piece of `out`; the first fault, in the
    /// order of the items, is returned.
    pub(crate) fn prepare_all<T: Send>(
        &self,
        out: &mut [T],
        prepare: impl Fn(usize, &mut Scratch) -> Result<Image> + Sync,
        write: impl Fn(&Image, &mut [T]) + Sync,
    ) -> Result<()> {
        let each = self.pipeline.size().iter().product::<usize>();
        let one = |scratch: &mut Scratch, (out, &index): (&mut [T], &usize)| {
            prepare(index, scratch).map(|image| write(&image, out))
        };
        if self.is_little(each) {
            let mut scratch = Scratch::default();
            return out
                .chunks_exact_mut(each)
                .zip(self.indices)
                .try_for_each(|x| one(&mut scratch, x));
        }
        let results: Vec<Result<()>> = out
            .par_chunks_exact_mut(each)
            .zip(self.indices.par_iter())
            .map_init(Scratch::default, one)
            .collect();
        results.into_iter().collect()
    }

    /// Whether an item of `each` values is so little work that waking threads would cost more.
    fn is_little(&self, each: usize) -> bool {
        let placed = self.pipeline.placement == crate::Placement::AsIs && !self.augment.crops();
        self.source.in_memory() && placed && (each <= 4096 || !self.augment.changes_images())
    }
}

/// Makes sure that every index leads to an item.
pub(crate) fn check_indices(source: &dyn Source, indices: &[usize]) -> Result<()> {
    let len = source.len();
    match indices.iter().find(|&&index| index >= len) {
        Some(index) => {
            Err(Error::setting("index", format!("below {len}, the number of items"), index))
        }
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests;
