//! An image's features are the same bits whatever else is in its batch: features that are kept are
//! those that would be computed again.

use candle_core::{DType, Device, Tensor};
use taper_model::nets::{self, NetConfig};
use taper_model::rng::RngKey;
use taper_model::weights::{Weights, WeightsConfig};

use crate::fixture::values;

fn rows(features: &Tensor) -> Vec<Vec<u32>> {
    let rows = features.flatten_from(1).unwrap().to_vec2::<f32>().unwrap();
    rows.into_iter().map(|row| row.into_iter().map(f32::to_bits).collect()).collect()
}

fn check(name: &str, size: usize) {
    let images = 7;
    let info = nets::find(name).unwrap();
    let config = NetConfig { height: size, width: size, ..info.config() };
    let weights = Weights::new(WeightsConfig::default()).unwrap();
    let vb = weights.var_builder(DType::F32, &Device::Cpu);
    let net = (info.build)(&config, vb, &RngKey::new(0)).unwrap();
    let all = values("images", &[images, config.channels, size, size]);
    let whole = rows(&net.features(&all, false).unwrap().expect("it has a body"));
    assert_ne!(whole[0], whole[1], "{name}");
    for batch in [1, 3] {
        for first in (0..images).step_by(batch) {
            let len = batch.min(images - first);
            let part = all.narrow(0, first, len).unwrap().contiguous().unwrap();
            let part = rows(&net.features(&part, false).unwrap().unwrap());
            assert!(part == whole[first..first + len], "{name} {size} batch {batch}");
        }
    }
}

#[test]
fn the_features_of_an_image_do_not_depend_on_its_batch() {
    for (name, size) in [
        ("keras-cnn", 28),
        ("digit-cnn", 28),
        ("digit-cnn-large", 28),
        ("lenet5", 28),
        ("mlp", 28),
        ("cifar_resnet20", 32),
        ("resnet18", 33),
        ("resnet50", 32),
        ("vit_tiny_patch16_224", 64),
    ] {
        check(name, size);
    }
}
