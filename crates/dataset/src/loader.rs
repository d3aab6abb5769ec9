//! From a list of indices to batches, ahead of the training thread.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rayon::prelude::*;

use crate::batch::Batch;
use crate::error::{Error, Result};
use crate::image::Image;
use crate::normalize;
use crate::pipeline::Pipeline;
use crate::sampler::epoch_order;
use crate::source::Source;

/// How a loader goes through its items.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
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
        }
    }
}

/// One epoch over some items of a source: an iterator of batches, made by a thread of its own.
///
/// Images that are not in memory are decoded in parallel (rayon's global pool). What comes out is a
/// function of source, indices, pipeline and configuration, whatever the number of threads. The
/// first fault ends the epoch; which one is first does not depend on threads either. A dropped
/// loader stops its thread.
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
    for indices in order.chunks(config.batch_size).skip(config.first_batch) {
        let batch = make_batch(source, indices, pipeline, &tables);
        let failed = batch.is_err();
        if sender.send(batch).is_err() || failed {
            return;
        }
    }
}

fn make_batch(
    source: &dyn Source,
    indices: &[usize],
    pipeline: &Pipeline,
    tables: &[[f32; 256]],
) -> Result<Batch> {
    let [height, width, channels] = pipeline.size();
    let mut images = vec![0.0; indices.len() * channels * height * width];
    // A later augmentation of bytes goes between `prepare` and `write`, addressed by (seed, epoch,
    // index); see `random::Purpose::Augment`.
    prepare_all(source, indices, pipeline, &mut images, |image, out| {
        normalize::write(image, tables, out);
    })?;
    Ok(Batch {
        images,
        shape: [indices.len(), channels, height, width],
        labels: indices.iter().map(|&index| source.label(index)).collect(),
        indices: indices.to_vec(),
    })
}

/// Prepares items and hands each to `write` with its piece of `out`; the first fault, in the order
/// of the items, is returned.
pub(crate) fn prepare_all<T: Send>(
    source: &dyn Source,
    indices: &[usize],
    pipeline: &Pipeline,
    out: &mut [T],
    write: impl Fn(&Image, &mut [T]) + Sync,
) -> Result<()> {
    let each = pipeline.size().iter().product::<usize>();
    let one = |(out, &index): (&mut [T], &usize)| {
        pipeline.prepare(source, index).map(|image| write(&image, out))
    };
    if source.in_memory() && pipeline.placement == crate::Placement::AsIs {
        return out.chunks_exact_mut(each).zip(indices).try_for_each(one);
    }
    let results: Vec<Result<()>> =
        out.par_chunks_exact_mut(each).zip(indices.par_iter()).map(one).collect();
    results.into_iter().collect()
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
