use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;
use crate::augment::Augment;
use crate::augment::tests::all;
use crate::image::Image;
use crate::source::{InMemory, embedded};

/// Ten one-pixel images; item 7 is broken if `broken`, and decodes are counted.
struct Ten {
    broken: Option<usize>,
    decoded: AtomicUsize,
    names: Vec<String>,
}

impl Ten {
    fn new(broken: Option<usize>) -> Arc<Self> {
        Arc::new(Ten { broken, decoded: AtomicUsize::new(0), names: vec!["a".to_owned()] })
    }
}

impl Images for Ten {
    fn len(&self) -> usize {
        10
    }
    fn decode(&self, index: usize) -> Result<Image> {
        self.decoded.fetch_add(1, Ordering::Relaxed);
        match self.broken {
            Some(first) if index >= first => {
                Err(Error::Image { item: self.item_name(index), reason: "torn".to_owned() })
            }
            _ => Image::new(1, 1, 1, vec![index as u8]),
        }
    }
    fn item_name(&self, index: usize) -> String {
        format!("file{index}.png")
    }
    fn describe(&self) -> String {
        "ten".to_owned()
    }
}

impl Labelled for Ten {
    fn label(&self, _: usize) -> u32 {
        0
    }
    fn class_names(&self) -> &[String] {
        &self.names
    }
}

fn config(batch_size: usize) -> LoaderConfig {
    LoaderConfig { batch_size, ..LoaderConfig::default() }
}

fn load(source: Arc<dyn Labelled>, config: LoaderConfig) -> Vec<Batch> {
    let indices = (0..source.len()).collect();
    let loader = Loader::new(source, indices, Preprocessing::plain(1, 1, 1), config).unwrap();
    loader.collect::<Result<_>>().unwrap()
}

#[test]
fn the_last_partial_batch_is_kept() {
    let batches = load(Ten::new(None), config(4));
    let sizes: Vec<usize> = batches.iter().map(|batch| batch.labels.len()).collect();
    assert_eq!(sizes, [4, 4, 2]);
    assert_eq!(batches[2].shape, [2, 1, 1, 1]);
    assert_eq!(batches[2].indices, [8, 9]);
    assert_eq!(batches[2].images, [8.0 / 255.0, 9.0 / 255.0]);
}

#[test]
fn a_shuffled_epoch_is_the_samplers_order() {
    let config = LoaderConfig { shuffle: true, seed: 5, epoch: 2, ..config(3) };
    let seen: Vec<usize> =
        load(Ten::new(None), config).into_iter().flat_map(|batch| batch.indices).collect();
    assert_eq!(seen, epoch_order(10, 5, 2, true));
}

#[test]
fn an_epoch_can_be_entered_in_its_middle() {
    let config = LoaderConfig { shuffle: true, ..config(3) };
    let whole = load(Ten::new(None), config.clone());
    let source = Ten::new(None);
    let rest = load(source.clone(), LoaderConfig { first_batch: 2, ..config.clone() });
    assert_eq!(rest, whole[2..]);
    assert_eq!(source.decoded.load(Ordering::Relaxed), 4);
    assert!(load(source, LoaderConfig { first_batch: 9, ..config }).is_empty());
}

#[test]
fn broken_images_end_the_epoch_and_all_are_named() {
    let source = Ten::new(Some(8));
    let mut loader =
        Loader::new(source, (0..10).collect(), Preprocessing::plain(1, 1, 1), config(4)).unwrap();
    assert!(loader.next().unwrap().is_ok());
    assert!(loader.next().unwrap().is_ok());
    let error = loader.next().unwrap().unwrap_err().to_string();
    assert_eq!(
        error,
        "2 of 10 images cannot be read; fix or remove them, or leave them out with \
         data.broken=skip:\n  file8.png is not a readable image: torn\n  file9.png is not a readable \
         image: torn"
    );
    assert!(loader.next().is_none());
    let one = Ten::new(Some(9));
    let loader =
        Loader::new(one, (0..10).collect(), Preprocessing::plain(1, 1, 1), config(4)).unwrap();
    let error = loader.last().unwrap().unwrap_err().to_string();
    assert_eq!(
        error,
        "file9.png is not a readable image: torn; fix or remove it, or leave it out with \
         data.broken=skip"
    );
}

#[test]
fn a_dropped_loader_stops_its_thread() {
    let source = Ten::new(None);
    let config = LoaderConfig { prefetch: 1, ..config(1) };
    let mut loader =
        Loader::new(source.clone(), (0..10).collect(), Preprocessing::plain(1, 1, 1), config)
            .unwrap();
    assert!(loader.next().unwrap().is_ok());
    drop(loader); // joins the thread
    assert_eq!(Arc::strong_count(&source), 1);
    // One taken, one in the channel, one waiting to be sent, one freed by the drop.
    assert!(source.decoded.load(Ordering::Relaxed) <= 4);
}

#[test]
fn a_loader_without_items_ends_at_once() {
    let mut loader =
        Loader::new(Ten::new(None), Vec::new(), Preprocessing::plain(1, 1, 1), config(4)).unwrap();
    assert!(loader.next().is_none());
}

#[test]
fn settings_that_cannot_be_used_are_an_error() {
    let message = |indices, preprocessing, config| {
        Loader::new(Ten::new(None), indices, preprocessing, config).unwrap_err().to_string()
    };
    let plain = Preprocessing::plain(1, 1, 1);
    assert_eq!(
        message(vec![3, 10], plain.clone(), config(4)),
        "index is 10, expected below 10, the number of items"
    );
    assert_eq!(message(vec![3], plain, config(0)), "batch size is 0, expected at least 1");
    assert_eq!(
        message(vec![3], Preprocessing::plain(1, 0, 1), config(4)),
        "width is 0, expected 1 to 16384"
    );
}

#[test]
fn caching_changes_no_batch() {
    let source: Arc<dyn Labelled> = Arc::new(embedded::digits());
    let preprocessing = Preprocessing::mnist();
    let config = LoaderConfig { shuffle: true, ..config(100) };
    let indices: Vec<usize> = (0..500).collect();
    let cached = crate::cache(source.clone(), &indices, &preprocessing, usize::MAX).unwrap();
    let direct = Loader::new(source, indices.clone(), preprocessing, config.clone()).unwrap();
    let kept = Loader::new(cached.source, indices, cached.preprocessing, config).unwrap();
    for (direct, kept) in direct.zip(kept) {
        assert_eq!(direct.unwrap(), kept.unwrap());
    }
}

#[test]
#[should_panic(expected = "a fault in a source")]
fn a_panic_of_a_source_reaches_the_owner() {
    struct Faulty(InMemory);
    impl Images for Faulty {
        fn len(&self) -> usize {
            self.0.len()
        }
        fn decode(&self, _: usize) -> Result<Image> {
            panic!("a fault in a source")
        }
        fn item_name(&self, index: usize) -> String {
            self.0.item_name(index)
        }
        fn describe(&self) -> String {
            self.0.describe()
        }
    }
    impl Labelled for Faulty {
        fn label(&self, index: usize) -> u32 {
            self.0.label(index)
        }
        fn class_names(&self) -> &[String] {
            self.0.class_names()
        }
    }
    let inner = InMemory::new("x", [1, 1, 1], vec![1], vec![0], vec!["a".to_owned()]).unwrap();
    load(Arc::new(Faulty(inner)), config(1));
}

#[test]
fn images_without_labels_are_loaded_too() {
    let images = vec![Image::new(1, 1, 1, vec![51]).unwrap(), Image::black(1, 1, 1)];
    let images: Arc<dyn Images> = Arc::new(images);
    let load = |config| {
        Loader::unlabelled(images.clone(), vec![1, 0], Preprocessing::plain(1, 1, 1), config)
    };
    let batch = load(config(4)).unwrap().next().unwrap().unwrap();
    assert_eq!((batch.images, batch.labels.len()), (vec![0.0, 0.2], 0));
    let augment = Augment { mixup: 0.2, ..Augment::none() }.policy().unwrap();
    let error = load(LoaderConfig { augment, ..config(4) }).unwrap_err().to_string();
    assert_eq!(error, "mixing is on, expected none of images without labels");
}

fn batches(augment: Augment, config: LoaderConfig, threads: usize) -> Vec<Batch> {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
    let source = Arc::new(embedded::digits());
    let indices: Vec<usize> = (0..100).collect();
    let augment = augment.policy().unwrap();
    let config = LoaderConfig { augment, shuffle: true, seed: 5, epoch: 2, ..config };
    // The loader's thread uses the global pool; making the batches here uses this one.
    pool.install(|| all_batches(source, &indices, Preprocessing::mnist(), config)).unwrap()
}

#[test]
fn neither_threads_nor_the_place_in_a_batch_change_a_pixel() {
    let config = LoaderConfig { batch_size: 32, ..LoaderConfig::default() };
    let one = batches(all(), config.clone(), 1);
    assert_eq!(one, batches(all(), config.clone(), 3));
    let unmixed = Augment { mixup: 0.0, cutmix: 0.0, ..all() };
    let pixels = |batch_size| -> Vec<f32> {
        let config = LoaderConfig { batch_size, ..config.clone() };
        batches(unmixed, config, 2).into_iter().flat_map(|batch| batch.images).collect()
    };
    assert_eq!(pixels(32), pixels(7));
}

#[test]
fn an_epoch_entered_in_its_middle_goes_on_as_it_would_have() {
    let config = LoaderConfig { batch_size: 16, ..LoaderConfig::default() };
    let whole = batches(all(), config.clone(), 2);
    let rest = batches(all(), LoaderConfig { first_batch: 3, ..config }, 2);
    assert_eq!(rest, whole[3..]);
    assert!(rest.iter().all(|batch| batch.targets.is_some()));
}

#[test]
fn a_loader_gives_what_making_the_batches_gives() {
    let config = LoaderConfig {
        batch_size: 40,
        augment: all().policy().unwrap(),
        ..LoaderConfig::default()
    };
    let source = Arc::new(embedded::digits());
    let indices: Vec<usize> = (0..100).collect();
    let preprocessing = Preprocessing::mnist();
    let made =
        all_batches(source.clone(), &indices, preprocessing.clone(), config.clone()).unwrap();
    let loader = Loader::new(source, indices, preprocessing, config).unwrap();
    assert_eq!(loader.collect::<Result<Vec<_>>>().unwrap(), made);
}

#[test]
fn a_piece_is_mixed_the_same_whoever_is_given_it() {
    let config = LoaderConfig { batch_size: 32, ..LoaderConfig::default() };
    let given = |own, first_batch| {
        let pieces = Pieces { count: 4, own, joins_last: false };
        batches(all(), LoaderConfig { pieces, first_batch, ..config.clone() }, 2)
    };
    let whole = given(0..4, 0);
    assert_eq!(whole.len(), 3 * 4 + 1);
    assert!(whole.iter().all(|piece| piece.targets.is_some()));
    let (lower, upper) = (given(0..2, 0), given(2..4, 0));
    assert_eq!((&lower[2..4], &upper[2..4]), (&whole[4..6], &whole[6..8]));
    assert_eq!((lower.len(), upper.len()), (7, 6));
    assert_eq!(given(2..4, 1), upper[2..]);
}
