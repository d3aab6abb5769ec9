//! The parts by themselves.

use taper_cli::taper_runner::candle::{Device, Tensor, Var};
use taper_cli::taper_runner::taper_dataset::augment::{Augmentation, Scratch};
use taper_cli::taper_runner::taper_dataset::random::{Purpose, Random};
use taper_cli::taper_runner::taper_model::gradcheck::check_layer;
use taper_cli::taper_runner::taper_model::loss::{CrossEntropy, Loss, Targets};
use taper_cli::taper_runner::taper_optimizer::{Optimizer, ScheduleKind};
use taper_stranger::{focal, lion, lstm, mish, muon, noise, restarts, rings, scan, softsign};

#[test]
fn every_layer_keeps_what_a_layer_promises() {
    check_layer(|_, _| Ok(mish::Mish), &[3, 5], &[3, 5]).unwrap();
    check_layer(|_, _| Ok(softsign::Softsign), &[3, 5], &[3, 5]).unwrap();
    let noise = check_layer(|vb, key| noise::LearnedNoise::new(5, vb, key), &[3, 5], &[3, 5]);
    assert_eq!(noise.unwrap().parameters, ["strength"]);
    let lstm = check_layer(|vb, _| lstm::RowLstm::new(4, 3, vb), &[2, 2, 3, 2], &[2, 3]).unwrap();
    assert_eq!(lstm.parameters, ["hidden.bias", "hidden.weight", "input.bias", "input.weight"]);
}

#[test]
fn the_rules_do_what_their_papers_say() {
    let matrix = Var::new(&[[3f32, 0.0], [0.0, 4.0]], &Device::Cpu).unwrap();
    let params = || vec![("matrix".to_string(), matrix.clone())];
    let step = |mut optimizer: Optimizer| {
        let gradients =
            (matrix.sqr().unwrap() * 0.5).unwrap().sum_all().unwrap().backward().unwrap();
        optimizer.step(&gradients, 0.1).unwrap();
        matrix.to_vec2::<f32>().unwrap()
    };
    // By the sign of the gradient, which is the matrix.
    let lion = step(Optimizer::new(params(), lion::Lion::default(), &[]).unwrap());
    assert_eq!(lion, [[2.9, 0.0], [0.0, 3.9]]);
    // By its orthogonal part, the identity; five iterations come as close as that.
    let muon = step(Optimizer::new(params(), muon::Muon::default(), &[]).unwrap());
    for (row, start) in [(0, 2.9), (1, 3.9)] {
        assert!((muon[row][row] - (start - 0.1)).abs() < 0.04, "{muon:?}");
    }
}

#[test]
fn schedule_augmentation_source_and_loss_do_what_they_say() {
    let restarts = restarts::Restarts { cycles: 2 };
    assert_eq!([0, 5].map(|step| restarts.scale(step, 10)), [1.0, 1.0]);

    let rings = rings::open("9").unwrap();
    assert_eq!((rings.train.len(), rings.train.class_names().len()), (9, 3));
    assert!(rings::open("many").is_err());

    let image = rings.train.decode(0).unwrap();
    let all = scan::Scan { probability: 1.0, factor: 0.5 };
    let mut scanned = image.clone();
    let mut random = Random::new(1, Purpose::Augment, 0, 0);
    all.apply(&mut scanned, &mut random, &mut Scratch::default());
    assert!(image.pixels.iter().zip(&scanned.pixels).all(|(before, after)| before / 2 == *after));

    let logits = Tensor::new(&[[1f32, -1.0, 0.5], [0.0, 2.0, 0.0]], &Device::Cpu).unwrap();
    let targets = Targets::Classes(Tensor::new(&[2u32, 0], &Device::Cpu).unwrap());
    let value = |loss: &dyn Loss| loss.loss(&logits, &targets).unwrap().to_scalar::<f32>().unwrap();
    let plain = value(&CrossEntropy::default());
    assert!((value(&focal::Focal { gamma: 0.0 }) - plain).abs() < 1e-6);
    assert!(value(&focal::Focal { gamma: 2.0 }) < plain);
}

#[test]
fn no_part_is_longer_than_sixty_lines() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    for file in std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
        let lines = std::fs::read_to_string(&file).unwrap().lines().count();
        assert!(lines <= 60, "{}: {lines} lines", file.display());
    }
}
