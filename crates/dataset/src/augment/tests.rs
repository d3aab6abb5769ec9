use super::*;
use crate::image::Image;
use crate::preprocessing::Preprocessing;
use crate::random::Random;
use crate::source::{Images, InMemory, embedded};

/// Everything at once.
pub(crate) fn all() -> Augment {
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
    augment
        .list()
        .prepare(&embedded::digits(), &preprocessing, seed, epoch, index, &mut scratch)
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
fn what_one_change_draws_does_not_depend_on_the_others() {
    // Noise of deviation 0.1 at most, after a rotation or not: the same noise.
    let preprocessing = Preprocessing::plain(8, 8, 1);
    let grey = InMemory::new("grey", [8, 8, 1], vec![128; 64], vec![0], vec!["a".to_owned()]);
    let (source, mut scratch) = (grey.unwrap(), Scratch::default());
    let noise = Augment { noise: 0.1, ..Augment::none() };
    let both = Augment { border: Border::Edge, rotation: 30.0, ..noise };
    let mut image = |augment: Augment| {
        augment.list().prepare(&source, &preprocessing, 1, 1, 0, &mut scratch).unwrap()
    };
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
        let image =
            augment.list().prepare(&source, &preprocessing, 0, epoch, 0, &mut scratch).unwrap();
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
        let image =
            augment.list().prepare(&source, &preprocessing, 0, epoch, 0, &mut scratch).unwrap();
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
        let image =
            all().list().prepare(&source, &preprocessing, 0, epoch, 0, &mut scratch).unwrap();
        assert_eq!(image.size(), [1, 1, 3]);
    }
    assert_eq!(source.len(), 1);
}

#[derive(Debug)]
struct Own(fn(&mut Image, &mut Random));

impl Augmentation for Own {
    fn name(&self) -> &str {
        "own"
    }

    fn apply(&self, image: &mut Image, random: &mut Random, _: &mut Scratch) {
        self.0(image, random);
    }
}

#[test]
fn an_augmentation_of_ones_own_comes_last_and_draws_numbers_of_its_own() {
    let (source, preprocessing) = (embedded::digits(), Preprocessing::plain(8, 8, 1));
    let own = Own(|image, random| image.pixels[0] = random.next_u32() as u8);
    let first = |policy: Policy| {
        let image = policy.prepare(&source, &preprocessing, 3, 1, 7, &mut Scratch::default());
        image.unwrap().pixels[0]
    };
    let alone = first(Policy::default().with(Own(own.0)));
    assert_eq!(alone, first(all().list().with(own)));
    let fresh = || Random::new(3, crate::random::Purpose::Augment, 1, 7);
    let lanes: Vec<u8> = (0..12u8).map(|lane| fresh().lane(lane).next_u32() as u8).collect();
    assert!(!lanes.contains(&alone), "{alone} in {lanes:?}");
}

#[test]
fn an_augmentation_that_changes_the_size_is_an_error() {
    let own = Own(|image, _| *image = Image::black(1, 2, 3));
    let (source, preprocessing) = (embedded::digits(), Preprocessing::plain(8, 8, 1));
    let policy = Policy::default().with(own);
    let error = policy.prepare(&source, &preprocessing, 0, 0, 0, &mut Scratch::default());
    assert_eq!(
        error.unwrap_err().to_string(),
        "the augmentation `own` made an image of height, width, channels [1, 2, 3], expected \
         [8, 8, 1]"
    );
}

#[test]
fn every_key_is_told_with_what_it_sets() {
    let settings = serde_json::to_value(Augment::none()).unwrap();
    assert_eq!(KEYS.len(), settings.as_object().unwrap().len());
    assert!(KEYS.iter().all(|(key, doc)| settings.get(key).is_some() && doc.len() > 15));
}

#[test]
fn names_that_differ_in_a_letter_draw_numbers_of_their_own() {
    #[derive(Debug)]
    struct Named(String);

    impl Augmentation for Named {
        fn name(&self) -> &str {
            &self.0
        }

        fn apply(&self, _: &mut Image, _: &mut Random, _: &mut Scratch) {}
    }

    let purpose = crate::random::Purpose::Augment;
    let names = (0..1000).map(|number| Named(format!("own {number}")));
    let mut lanes: Vec<u32> = names.map(|own| own.lane()).collect();
    assert!(lanes.iter().all(|lane| *lane > LAST_LANE));
    let mut first: Vec<[u32; 2]> = lanes
        .iter()
        .map(|lane| {
            let mut random = Random::new(3, purpose, 1, 7).lane(*lane);
            [random.next_u32(), random.next_u32()]
        })
        .collect();
    lanes.sort_unstable();
    lanes.dedup();
    first.sort_unstable();
    first.dedup();
    assert_eq!((lanes.len(), first.len()), (1000, 1000));
}
