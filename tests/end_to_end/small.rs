//! A small net with all that has a state or draws random numbers, and a small data set: runs that
//! take milliseconds.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use candle_core::{ModuleT, Result, Tensor};
use taper_dataset::{Dataset, InMemory};
use taper_model::ParamBuilder;
use taper_model::layers::{BatchNorm, BatchNormConfig, Dropout, Linear, LinearConfig, Sequential};
use taper_model::nets::{Net, NetConfig, NetInfo};
use taper_model::rng::RngKey;
use taper_runner::observe::{Event, Listener, Step, Verdict};
use taper_runner::{Existing, FolderLock, Outcome, Plan, Registry, RunnerError, resolve, run};

/// Linear, batch norm, ReLU.
struct Body {
    fc1: Linear,
    norm: BatchNorm,
    counted: bool,
}

/// The images that have gone through the bodies of nets called `counted`, in batches of several.
pub static COUNTED_IMAGES: AtomicU64 = AtomicU64::new(0);

/// Dropout, linear.
struct Head {
    dropout: Dropout,
    fc2: Linear,
    /// Training steps so far, of a net with a fault.
    fault: Option<AtomicU64>,
}

impl ModuleT for Body {
    fn forward_t(&self, images: &Tensor, train: bool) -> Result<Tensor> {
        // A single image only asks how much memory the net's layers take.
        if self.counted && images.dim(0)? > 1 {
            COUNTED_IMAGES.fetch_add(images.dim(0)? as u64, Ordering::Relaxed);
        }
        let hidden = self.fc1.forward_t(&images.flatten_from(1)?, train)?;
        self.norm.forward_t(&hidden, train)?.relu()
    }
}

impl ModuleT for Head {
    fn forward_t(&self, hidden: &Tensor, train: bool) -> Result<Tensor> {
        let logits = self.fc2.forward_t(&self.dropout.forward_t(hidden, train)?, train)?;
        // In every fifth training step of a net with a fault the logits are no numbers.
        match &self.fault {
            Some(steps) if train && steps.fetch_add(1, Ordering::Relaxed) % 5 == 4 => {
                logits.affine(f64::NAN, 0.0)
            }
            _ => Ok(logits),
        }
    }
}

/// The small net; one called `faulty` or `counted` is.
fn build(name: &str, config: &NetConfig, vb: ParamBuilder<'_>, key: &RngKey) -> Result<Net> {
    let inputs = config.channels * config.height * config.width;
    let body = Body {
        fc1: Linear::new(inputs, 8, LinearConfig::default(), vb.pp("fc1"))?,
        norm: BatchNorm::new(8, BatchNormConfig::default(), vb.pp("norm"))?,
        counted: name == "counted",
    };
    let head = Head {
        dropout: Dropout::new(0.3, key, vb.pp("dropout"))?,
        fc2: Linear::new(8, config.num_classes, LinearConfig::default(), vb.pp("fc2"))?,
        fault: (name == "faulty").then(|| AtomicU64::new(0)),
    };
    Ok(Net { body: Sequential::new().add(body), head: Sequential::new().add(head) })
}

/// `small`, `faulty` or `counted`.
fn net(name: &'static str, description: &'static str) -> NetInfo {
    NetInfo {
        description,
        default_input: (1, 4, 4),
        num_classes: 2,
        stem: "fc1",
        head: "fc2",
        stages: ["fc1.*", "norm.*", "fc2.*"].map(|pattern| vec![pattern.to_string()]).to_vec(),
        ..NetInfo::new(name, move |config, vb, key| build(name, config, vb, key))
    }
}

/// Stripes that are even or odd, with noise; a little is labelled wrong.
fn stripes(seed: u64) -> InMemory {
    let mut noise = seed;
    let mut next = move || {
        noise =
            noise.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (noise >> 56) as u8
    };
    let truth: Vec<u32> = (0..50).map(|i| i % 2).collect();
    let pixels = truth.iter().flat_map(|&label| {
        (0..16).map(move |p| if (p / 4 + label as usize).is_multiple_of(2) { 150 } else { 0 })
    });
    let pixels = pixels.map(|p: u8| p.saturating_add(next() / 2)).collect();
    let labels = truth.iter().enumerate().map(|(i, &l)| if i % 9 == 0 { 1 - l } else { l });
    let classes = vec!["even".to_string(), "odd".to_string()];
    InMemory::new("stripes", [4, 4, 1], pixels, labels.collect(), classes).unwrap()
}

/// Knows the nets `small`, `faulty`, `counted` and `logistic` and the data sets `stripes`, `other-stripes` and
/// `three-stripes`, which has a third class.
pub fn registry() -> Registry {
    let mut registry = Registry::new();
    for (name, description) in [
        ("small", "a small net"),
        ("faulty", "a small net whose logits are no numbers in every fifth training step"),
        ("counted", "a small net that counts the images that go through its body"),
    ] {
        registry.models.add_net(net(name, description));
    }
    registry.models.add_net(crate::extension::logistic());
    for (name, seed) in [("stripes", 1), ("other-stripes", 2)] {
        registry.add_dataset(name, move |_| {
            let train = Arc::new(stripes(seed));
            Ok(Dataset { name: name.to_string(), train, validation: None, test: None })
        });
    }
    registry.add_dataset("three-stripes", |_| {
        let labels = (0..50).map(|i| i % 3).collect();
        let classes = ["even", "odd", "third"].map(String::from).to_vec();
        let train = InMemory::new("three-stripes", [4, 4, 1], vec![90; 800], labels, classes)?;
        let (name, train) = ("three-stripes".to_string(), Arc::new(train));
        Ok(Dataset { name, train, validation: None, test: None })
    });
    registry
}

/// 30 images to train on in batches of 5, 10 to validate on, 10 held out; 3 epochs of 6 batches.
pub fn plan(settings: &[(&str, &str)]) -> std::result::Result<Plan, RunnerError> {
    plan_of(settings, &registry())
}

/// The same by another registry.
pub fn plan_of(
    settings: &[(&str, &str)],
    registry: &Registry,
) -> std::result::Result<Plan, RunnerError> {
    let shared = [
        ("model.net", "small"),
        ("data.source", "stripes"),
        ("data.validation_fraction", "0.2"),
        ("train.batch_size", "5"),
        ("train.epochs", "3"),
        ("checkpoint.every_minutes", "0"),
    ];
    let settings = shared.iter().chain(settings);
    let overrides: Vec<_> = settings.map(|(k, v)| (k.to_string(), v.to_string())).collect();
    Plan::new(resolve(None, &overrides, registry)?, registry)
}

/// Runs a plan from its beginning.
pub fn begin(
    settings: &[(&str, &str)],
    out: &Path,
    listeners: Vec<Box<dyn Listener>>,
) -> std::result::Result<Outcome, RunnerError> {
    run(&plan(settings)?, &FolderLock::take(out)?, Existing::Refuse, listeners)
}

/// Goes on with a run.
pub fn go_on(
    settings: &[(&str, &str)],
    out: &Path,
    listeners: Vec<Box<dyn Listener>>,
) -> std::result::Result<Outcome, RunnerError> {
    resume(settings, out, false, listeners)
}

/// Goes on with a run, also by other settings where that is forced.
pub fn resume(
    settings: &[(&str, &str)],
    out: &Path,
    force: bool,
    listeners: Vec<Box<dyn Listener>>,
) -> std::result::Result<Outcome, RunnerError> {
    run(&plan(settings)?, &FolderLock::take(out)?, Existing::Resume { force }, listeners)
}

/// Leaves the run off after a step.
pub struct LeaveOff(pub u64);

impl Listener for LeaveOff {
    fn observe(&mut self, event: &Event) -> std::result::Result<Verdict, RunnerError> {
        match event {
            Event::Step(Step { step, .. }) | Event::Skipped { step, .. } if *step == self.0 => {
                Ok(Verdict::Suspend("left off".to_string()))
            }
            _ => Ok(Verdict::Continue),
        }
    }
}

/// The bytes of a run's model.
pub fn model(run: &Path) -> Vec<u8> {
    std::fs::read(run.join("model.safetensors")).unwrap()
}

/// The lines of a run's history without times.
pub fn history(run: &Path) -> Vec<serde_json::Value> {
    let text = std::fs::read_to_string(run.join("history.jsonl")).unwrap();
    let line = |line: &str| {
        let mut value: serde_json::Value = serde_json::from_str(line).unwrap();
        let object = value.as_object_mut().unwrap();
        for time in ["seconds", "images_per_second", "data_wait"] {
            object.remove(time);
        }
        value
    };
    text.lines().map(line).collect()
}
