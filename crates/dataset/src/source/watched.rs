//! A source each of whose images is looked at when it is decoded.

use std::ops::Deref;

use crate::error::Result;
use crate::image::Image;
use crate::source::images::{Images, Labelled};
use crate::source::left_out::LeftOut;

/// A source that calls `decoded` with each item that it decodes, and gives what that makes of it, from whatever thread
/// it is on: for a display of how far a pass over the images is, or for checks.
pub struct Watched<S, F> {
    /// The source: an `Arc` of one, or a reference.
    pub source: S,
    /// What is called.
    pub decoded: F,
}

impl<S, F> Images for Watched<S, F>
where
    S: Deref<Target = dyn Labelled> + Send + Sync,
    F: Fn(usize, Result<Image>) -> Result<Image> + Send + Sync,
{
    fn len(&self) -> usize {
        self.source.len()
    }

    fn decode(&self, index: usize) -> Result<Image> {
        (self.decoded)(index, self.source.decode(index))
    }

    fn item_name(&self, index: usize) -> String {
        self.source.item_name(index)
    }

    fn describe(&self) -> String {
        self.source.describe()
    }

    fn left_out(&self) -> LeftOut {
        self.source.left_out()
    }

    fn in_memory(&self) -> bool {
        self.source.in_memory()
    }

    fn stored(&self, index: usize) -> Option<String> {
        self.source.stored(index)
    }
}

impl<S, F> Labelled for Watched<S, F>
where
    S: Deref<Target = dyn Labelled> + Send + Sync,
    F: Fn(usize, Result<Image>) -> Result<Image> + Send + Sync,
{
    fn label(&self, index: usize) -> u32 {
        self.source.label(index)
    }

    fn class_names(&self) -> &[String] {
        self.source.class_names()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;
    use crate::source::embedded;
    use crate::{Preprocessing, cache};

    #[test]
    fn every_image_that_is_decoded_is_told_of_once() {
        let source: Arc<dyn Labelled> = Arc::new(embedded::digits());
        let count = Arc::new(AtomicUsize::new(0));
        let told = count.clone();
        let decoded = move |_, image| {
            told.fetch_add(1, Ordering::Relaxed);
            image
        };
        let watched = Arc::new(Watched { source: source.clone(), decoded });
        let all: Vec<usize> = (0..watched.len()).collect();
        let cached = cache(watched, &all, &Preprocessing::mnist(), 1 << 30).unwrap();
        assert_eq!(count.load(Ordering::Relaxed), source.len());
        cached.source.decode(0).unwrap();
        assert_eq!(count.load(Ordering::Relaxed), source.len());
    }
}
