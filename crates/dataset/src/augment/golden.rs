//! Every change against a reference: torchvision, scipy and Pillow (`tests/golden/augment.py` made
//! the values); and against the pictures of an earlier day.

use serde_json::Value;

use crate::augment::augmentation::Scratch;
use crate::augment::elastic::{Field, gaussian, smooth};
use crate::augment::erase::EraseFill;
use crate::augment::geometry::{Map, Motion};
use crate::augment::settings::Augment;
use crate::augment::warp::{Border, warp};
use crate::augment::{blur, color, tone};
use crate::image::Image;
use crate::preprocessing::Preprocessing;
use crate::resize::{Edge, Filter, resize_part};
use crate::sheet::sheet;
use crate::source::{InMemory, embedded};

fn golden() -> Value {
    let text =
        include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/golden/augment.json"));
    serde_json::from_str(text).unwrap()
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap()
}

fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(number).collect()
}

fn size(case: &Value) -> [usize; 3] {
    let sides = numbers(&case["size"]);
    [0, 1, 2].map(|side| sides[side] as usize)
}

/// The generator's rough input.
fn pattern(size: [usize; 3]) -> Image {
    let value = |place: usize| match place {
        place if place % 13 == 5 => 255,
        place if place % 11 == 3 => 0,
        place => ((7919 * place + 31 * place * place) % 256) as u8,
    };
    let pixels = (0..size.iter().product()).map(value).collect();
    Image::new(size[0], size[1], size[2], pixels).unwrap()
}

/// The generator's smooth input.
fn waves([height, width, channels]: [usize; 3]) -> Image {
    let places = (0..height * width * channels).map(|place| {
        let (pixel, c) = (place / channels, place % channels);
        let (x, y) = (pixel % width, pixel / width);
        ((x * 9 + y * 13 + c * 60 + (x * y) % 7) % 256) as u8
    });
    Image::new(height, width, channels, places.collect()).unwrap()
}

/// Compares with the reference's bytes; `most` is the largest difference allowed.
fn compare(found: &[u8], case: &Value, most: u8) {
    let digits = case["pixels"].as_str().unwrap().as_bytes();
    let (pairs, _) = digits.as_chunks::<2>();
    let byte = |pair: &[u8; 2]| u8::from_str_radix(str::from_utf8(pair).unwrap(), 16).unwrap();
    let expected: Vec<u8> = pairs.iter().map(byte).collect();
    assert_eq!(found.len(), expected.len());
    let error = found.iter().zip(&expected).map(|(a, b)| a.abs_diff(*b)).max().unwrap();
    let mut about = case.clone();
    about["pixels"] = Value::Null;
    about["x"] = Value::Null;
    assert!(error <= most, "differs by {error}: {about}\n{found:?}\n{expected:?}");
}

fn warped(image: &Image, map: &Map, field: Option<&Field>, border: Border) -> Vec<u8> {
    let mut out = Vec::new();
    warp(image, map, field, border, &mut out);
    out
}

// One step of a byte: both sides compute in floats and round, each in its own order.

#[test]
fn affine_maps_give_what_torchvision_gives() {
    for case in golden()["affine"].as_array().unwrap() {
        let [height, width, _] = size(case);
        let shift = numbers(&case["translate"]);
        let motion = Motion {
            angle: number(&case["angle"]),
            shift_x: shift[0],
            shift_y: shift[1],
            scale: number(&case["scale"]),
            shear: number(&case["shear"]),
        };
        let map = Map::affine(height, width, &motion);
        compare(&warped(&pattern(size(case)), &map, None, Border::Black), case, 1);
    }
}

#[test]
fn perspective_gives_what_torchvision_gives() {
    for case in golden()["perspective"].as_array().unwrap() {
        let corners = |name: &str| -> [[f64; 2]; 4] {
            let corner = |place: usize| numbers(&case[name][place]);
            std::array::from_fn(|place| [corner(place)[0], corner(place)[1]])
        };
        let map = Map::perspective(corners("from"), corners("to")).unwrap();
        compare(&warped(&pattern(size(case)), &map, None, Border::Black), case, 1);
    }
}

#[test]
fn elastic_distortion_gives_what_scipy_gives() {
    for case in golden()["elastic"].as_array().unwrap() {
        let [height, width, _] = size(case);
        let (mut kernel, mut field) = (Vec::new(), Field::default());
        gaussian(number(&case["sigma"]), &mut kernel);
        for (part, offset) in [(&mut field.x, 0), (&mut field.y, 1000)] {
            let noise = |place: usize| {
                let value = (7919 * (place + offset) + 31 * (place + offset).pow(2)) % 256;
                (number(&case["alpha"]) * (value as f64 / 127.5 - 1.0)) as f32
            };
            *part = (0..height * width).map(noise).collect();
            smooth(part, height, width, &kernel, &mut Vec::new());
        }
        for (found, expected) in field.x.iter().zip(numbers(&case["x"])) {
            // Thousandths of a pixel, from sums in f32.
            assert!((f64::from(*found) - expected).abs() < 1e-4, "{found}, {expected}");
        }
        let found = warped(&pattern(size(case)), &Map::IDENTITY, Some(&field), Border::Black);
        compare(&found, case, 1);
    }
}

#[test]
fn borders_are_those_of_scipy() {
    for case in golden()["borders"].as_array().unwrap() {
        let border: Border = serde_json::from_value(case["border"].clone()).unwrap();
        // scipy counts from pixel centres, rows first.
        let map = Map([[1.1, -0.3, 3.0], [0.35, 0.9, -4.0], [0.0, 0.0, 1.0]]);
        let map = Map::shift(-0.5, -0.5).then(&map).then(&Map::shift(0.5, 0.5));
        compare(&warped(&pattern([16, 20, 1]), &map, None, border), case, 1);
    }
}

#[test]
fn blur_gives_what_scipy_gives() {
    for case in golden()["blur"].as_array().unwrap() {
        let mut image = pattern(size(case));
        blur::blur(&mut image, number(&case["sigma"]));
        compare(&image.pixels, case, 1);
    }
}

#[test]
fn colours_change_as_torchvisions_do() {
    for case in golden()["colors"].as_array().unwrap() {
        let mut image = waves([13, 11, 3]);
        let factor = number(&case["factor"]);
        match case["name"].as_str().unwrap() {
            "brightness" => color::brightness(&mut image, factor),
            "contrast" => color::contrast(&mut image, factor),
            "saturation" => color::saturation(&mut image, factor),
            _ => color::hue(&mut image, factor),
        }
        compare(&image.pixels, case, 1);
    }
}

#[test]
fn tones_change_as_pillows_do() {
    for case in golden()["tones"].as_array().unwrap() {
        let mut image = waves(size(case));
        image.pixels.iter_mut().for_each(|value| *value = *value / 2 + 40);
        let (mut most, image) = (0, &mut image);
        match case["name"].as_str().unwrap() {
            "posterize" => tone::posterize(image, 5),
            "solarize" => tone::solarize(image, 120.0),
            "autocontrast" => tone::autocontrast(image),
            "equalize" => tone::equalize(image),
            _ => {
                // Pillow cuts where this rounds.
                most = 1;
                tone::sharpen(image, 1.8);
            }
        }
        compare(&image.pixels, case, most);
    }
}

#[test]
fn crops_are_resized_as_pillow_resizes_a_box() {
    for case in golden()["crops"].as_array().unwrap() {
        let part = numbers(&case["part"]);
        let (rows, columns) = ((part[0], part[0] + part[2]), (part[1], part[1] + part[3]));
        let image = pattern(size(case));
        let found = resize_part(&image, rows, columns, (6, 8), Filter::Bilinear, Edge::Cut);
        // Pillow leaves rows out that it does not need; else the bytes are the same.
        compare(&found.pixels, case, 1);
    }
}

/// One policy per kind of change, by name.
fn kinds() -> Vec<(&'static str, Augment)> {
    let none = Augment::none;
    vec![
        ("none", none()),
        ("resized crop", Augment { resized_crop: [0.3, 0.8], ..none() }),
        ("horizontal flip", Augment { horizontal_flip: 0.5, ..none() }),
        ("vertical flip", Augment { vertical_flip: 0.5, ..none() }),
        ("padding crop", Augment { padding: 4, ..none() }),
        ("rotation", Augment { rotation: 30.0, ..none() }),
        ("shift", Augment { shift: 0.2, ..none() }),
        ("scale", Augment { scale: [0.6, 1.5], ..none() }),
        ("shear", Augment { shear: 30.0, ..none() }),
        ("perspective", Augment { perspective: 0.6, ..none() }),
        ("elastic", Augment { elastic: 34.0, ..none() }),
        ("edge border", Augment { rotation: 30.0, border: Border::Edge, ..none() }),
        ("reflect border", Augment { shift: 0.3, border: Border::Reflect, ..none() }),
        ("RandAugment", Augment { rand_augment: 2, rand_augment_magnitude: 15.0, ..none() }),
        ("brightness", Augment { brightness: 0.8, ..none() }),
        ("contrast", Augment { contrast: 0.8, ..none() }),
        ("saturation", Augment { saturation: 0.9, ..none() }),
        ("hue", Augment { hue: 0.5, ..none() }),
        ("blur", Augment { blur: 0.8, ..none() }),
        ("noise", Augment { noise: 0.3, ..none() }),
        ("erase", Augment { erase: 0.9, ..none() }),
        ("erase with noise", Augment { erase: 0.9, erase_fill: EraseFill::Noise, ..none() }),
        ("erase with the mean", Augment { erase: 0.9, erase_fill: EraseFill::Mean, ..none() }),
        ("digits", Augment::preset("digits").unwrap()),
        ("cifar", Augment::preset("cifar").unwrap()),
        ("imagenet", Augment::preset("imagenet").unwrap()),
    ]
}

/// A house in colours, 32x32.
fn house() -> InMemory {
    let pixel = |place: usize| {
        let (x, y) = ((place % 32) as i32, (place / 32) as i32);
        match (x, y) {
            (8..24, 14..28) if (14..18).contains(&x) && y > 19 => [90, 50, 20],
            (8..24, 14..28) => [220, 200, 150],
            _ if (5..14).contains(&y) && (x - 16).abs() <= y - 4 => [190, 40, 30],
            _ if (x - 27).pow(2) + (y - 5).pow(2) < 10 => [250, 230, 60],
            (_, 26..) => [60, 150, 50],
            _ => [110, 170, 230 - 3 * y as u8],
        }
    };
    let pixels = (0..32 * 32).flat_map(pixel).collect();
    InMemory::new("house", [32, 32, 3], pixels, vec![0], vec!["house".to_owned()]).unwrap()
}

/// A row per kind: two epochs of a digit, two of the house.
fn pictures() -> Image {
    let (digits, house, mut scratch) = (embedded::mnist_sample(), house(), Scratch::default());
    let mut tiles = Vec::new();
    for (_, augment) in kinds() {
        let policy = augment.policy().unwrap();
        for epoch in 0..2 {
            let size = &Preprocessing::plain(32, 32, 3);
            tiles.push(policy.prepare(&digits, size, 1, epoch, 2500, &mut scratch).unwrap());
        }
        for epoch in 0..2 {
            let size = &Preprocessing::plain(32, 32, 3);
            tiles.push(policy.prepare(&house, size, 1, epoch, 0, &mut scratch).unwrap());
        }
    }
    sheet(&tiles, 4, 32)
}

/// With `TAPER_WRITE_GOLDEN=1` the picture is written anew: look at it before it is committed.
#[test]
fn every_kind_of_change_looks_as_it_did() {
    let found = pictures();
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/golden/augment.png");
    if std::env::var_os("TAPER_WRITE_GOLDEN").is_some() {
        std::fs::write(path, crate::sheet::to_png(&found)).unwrap();
    }
    let golden = crate::source::read_image(path.as_ref(), &Default::default()).unwrap();
    assert_eq!(found.size(), golden.size());
    let row = |place: usize| place / (golden.width * 3 * 33);
    for (place, (found, golden)) in found.pixels.iter().zip(&golden.pixels).enumerate() {
        // Sine, logarithm and their like may differ in their last bit between machines.
        let kinds = kinds();
        let name = kinds.get(row(place)).map_or("", |(name, _)| name);
        assert!(found.abs_diff(*golden) <= 2, "{name}: {found}, was {golden}, at {place}");
    }
}
