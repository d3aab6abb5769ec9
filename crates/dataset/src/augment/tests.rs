use super::*;
use crate::source::{Images, InMemory, embedded};
use crate::{Image, Loader, LoaderConfig, Preprocessing};

/// Everything at once.
fn all() -> Augment {
    Augment {
        resized_crop: [0.5, 1.0],
        horizontal_flip: 0.5,
        vertical_flip: 0.5,
        padding: 2,
        rotation: 20.0,
        shift: 0.1,
        scale: [0.8, 1.2],
        shear: 10.0,
        perspective: 0.3,
        elastic: 20.0,
        rand_augment: 2,
        brightness: 0.3,
        contrast: 0.3,
        saturation: 0.3,
        hue: 0.1,
        blur: 0.5,
        noise: 0.1,
        erase: 0.5,
        mixup: 0.4,
        cutmix: 1.0,
        ..Augment::none()
    }
}

fn augmented(augment: &Augment, seed: u64, epoch: u64, index: usize) -> Image {
    let mut scratch = Scratch::default();
    let preprocessing = Preprocessing::mnist();
    augment.prepare(&embedded::digits(), &preprocessing, seed, epoch, index, &mut scratch).unwrap()
}

fn batches(augment: Augment, config: LoaderConfig, threads: usize) -> Vec<crate::Batch> {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
    let source = std::sync::Arc::new(embedded::digits());
    let indices: Vec<usize> = (0..100).collect();
    let config = LoaderConfig { augment, shuffle: true, seed: 5, epoch: 2, ..config };
    // The loader's thread uses the global pool; making the batches here uses this one.
    pool.install(|| crate::loader::all_batches(source, &indices, Preprocessing::mnist(), config))
        .unwrap()
}

#[test]
fn the_same_address_gives_the_same_pixels_and_another_one_others() {
    let augment = all();
    assert_eq!(augmented(&augment, 1, 2, 3), augmented(&augment, 1, 2, 3));
    for other in [augmented(&augment, 0, 2, 3), augmented(&augment, 1, 0, 3)] {
        assert_ne!(augmented(&augment, 1, 2, 3), other);
    }
}

#[test]
fn neither_threads_nor_the_place_in_a_batch_change_a_pixel() {
    let config = LoaderConfig { batch_size: 32, ..LoaderConfig::default() };
    let one = batches(all(), config, 1);
    assert_eq!(one, batches(all(), config, 3));
    let unmixed = Augment { mixup: 0.0, cutmix: 0.0, ..all() };
    let pixels = |batch_size| -> Vec<f32> {
        let config = LoaderConfig { batch_size, ..config };
        batches(unmixed, config, 2).into_iter().flat_map(|batch| batch.images).collect()
    };
    assert_eq!(pixels(32), pixels(7));
}

#[test]
fn an_epoch_entered_in_its_middle_goes_on_as_it_would_have() {
    let config = LoaderConfig { batch_size: 16, ..LoaderConfig::default() };
    let whole = batches(all(), config, 2);
    let rest = batches(all(), LoaderConfig { first_batch: 3, ..config }, 2);
    assert_eq!(rest, whole[3..]);
    assert!(rest.iter().all(|batch| batch.targets.is_some()));
}

#[test]
fn a_loader_gives_what_making_the_batches_gives() {
    let config = LoaderConfig { batch_size: 40, augment: all(), ..LoaderConfig::default() };
    let source = std::sync::Arc::new(embedded::digits());
    let indices: Vec<usize> = (0..100).collect();
    let preprocessing = Preprocessing::mnist();
    let made = crate::loader::all_batches(source.clone(), &indices, preprocessing.clone(), config)
        .unwrap();
    let loader = Loader::new(source, indices, preprocessing, config).unwrap();
    assert_eq!(loader.collect::<crate::Result<Vec<_>>>().unwrap(), made);
}

#[test]
fn what_one_change_draws_does_not_depend_on_the_others() {
    // Noise of deviation 0.1 at most, after a rotation or not: the same noise.
    let preprocessing = Preprocessing::plain(8, 8, 1);
    let grey = InMemory::new("grey", [8, 8, 1], vec![128; 64], vec![0], vec!["a".to_owned()]);
    let (source, mut scratch) = (grey.unwrap(), Scratch::default());
    let noise = Augment { noise: 0.1, ..Augment::none() };
    let both = Augment { border: Border::Edge, rotation: 30.0, ..noise };
    let mut image =
        |augment: Augment| augment.prepare(&source, &preprocessing, 1, 1, 0, &mut scratch).unwrap();
    assert_eq!(image(noise), image(both));
}

#[test]
fn digits_are_not_flipped_by_any_policy_for_them() {
    for name in ["none", "light", "digits"] {
        let augment = Augment::preset(name).unwrap();
        assert_eq!((augment.horizontal_flip, augment.vertical_flip), (0.0, 0.0), "{name}");
    }
    assert_eq!(Augment::default(), Augment::none());
}

#[test]
fn flips_come_as_often_as_they_should() {
    // One row, dark left and bright right.
    let source = InMemory::new("x", [1, 2, 1], vec![0, 200], vec![0], vec!["a".to_owned()]);
    let source: InMemory = source.unwrap();
    let augment = Augment { horizontal_flip: 0.3, ..Augment::none() };
    let (preprocessing, mut scratch) = (Preprocessing::plain(1, 2, 1), Scratch::default());
    let flipped = (0..3000).filter(|&epoch| {
        let image = augment.prepare(&source, &preprocessing, 0, epoch, 0, &mut scratch).unwrap();
        assert!(image.pixels == [0, 200] || image.pixels == [200, 0], "{image:?}");
        image.pixels[0] == 200
    });
    // Five standard deviations: 5 sqrt(3000 * 0.3 * 0.7) = 126.
    assert!(flipped.count().abs_diff(900) < 126);
}

#[test]
fn moves_stay_within_their_bounds() {
    // A bright pixel in the middle of 41x41: where it goes is what was drawn.
    let mut pixels = vec![0; 41 * 41];
    pixels[20 * 41 + 20] = 255;
    let source = InMemory::new("x", [41, 41, 1], pixels, vec![0], vec!["a".to_owned()]).unwrap();
    let augment = Augment { shift: 0.2, ..Augment::none() };
    let (preprocessing, mut scratch) = (Preprocessing::plain(41, 41, 1), Scratch::default());
    let (mut most, mut total) = (0.0f64, 0.0f64);
    for epoch in 0..500 {
        let image = augment.prepare(&source, &preprocessing, 0, epoch, 0, &mut scratch).unwrap();
        let mass: f64 = image.pixels.iter().map(|&value| f64::from(value)).sum();
        let places = image.pixels.iter().enumerate();
        let column = places.map(|(p, &v)| (p % 41) as f64 * f64::from(v)).sum::<f64>() / mass;
        most = most.max((column - 20.0).abs());
        total += column - 20.0;
    }
    // Evenly from -8.2 to 8.2; bytes cost a little.
    assert!((7.5..8.3).contains(&most), "{most}");
    assert!((total / 500.0).abs() < 5.0 * 8.2 / 3f64.sqrt() / 500f64.sqrt(), "{total}");
}

#[test]
fn a_policy_that_cannot_be_used_is_an_error() {
    let message = |augment: Augment| augment.check().unwrap_err().to_string();
    assert_eq!(
        message(Augment { rotation: -3.0, ..Augment::none() }),
        "augment.rotation is -3, expected a number from 0 to 180"
    );
    assert_eq!(
        message(Augment { scale: [1.2, 0.8], ..Augment::none() }),
        "augment.scale is [1.2, 0.8], expected the least and the most, from 0.01 to 100"
    );
    assert!(
        message(Augment { mixup: f64::NAN, ..Augment::none() }).contains("augment.mixup is NaN")
    );
    assert!(PRESETS.iter().all(|(_, augment)| augment.check().is_ok()));
    all().check().unwrap();
}

#[test]
fn a_policy_survives_json_and_needs_only_what_it_changes() {
    let text = serde_json::to_string(&all()).unwrap();
    assert_eq!(serde_json::from_str::<Augment>(&text).unwrap(), all());
    let short: Augment = serde_json::from_str(r#"{"rotation": 10, "border": "edge"}"#).unwrap();
    assert_eq!(short, Augment { rotation: 10.0, border: Border::Edge, ..Augment::none() });
    assert!(serde_json::from_str::<Augment>(r#"{"rotate": 10}"#).is_err());
}

#[test]
fn a_net_of_one_pixel_is_no_fault() {
    let source = InMemory::new("x", [1, 1, 3], vec![1, 2, 3], vec![0], vec!["a".to_owned()]);
    let source: InMemory = source.unwrap();
    let mut scratch = Scratch::default();
    for epoch in 0..50 {
        let preprocessing = Preprocessing::plain(1, 1, 3);
        let image = all().prepare(&source, &preprocessing, 0, epoch, 0, &mut scratch).unwrap();
        assert_eq!(image.size(), [1, 1, 3]);
    }
    assert_eq!(source.len(), 1);
}
