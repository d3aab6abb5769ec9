//! A stranger's program: a net and a data set of its own, in the same command line.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use candle_core::{Module, ModuleT, Result, Tensor};
use candle_nn::Linear;
use taper_dataset::{Dataset, InMemory};
use taper_model::nets::{Net, NetInfo};
use taper_optimizer::Sgd;
use taper_runner::observe::{Event, Listener, Verdict};
use taper_runner::{Better, Existing, FolderLock, Named, Plan, Recipe, Registry, RunnerError, run};
use tempfile::tempdir;

use crate::small;

/// Logistic regression with candle's own layer; no trait of ours.
struct Logistic(Linear);

impl ModuleT for Logistic {
    fn forward_t(&self, images: &Tensor, _train: bool) -> Result<Tensor> {
        self.0.forward(&images.flatten_from(1)?)
    }
}

pub fn logistic() -> NetInfo {
    NetInfo {
        description: "one linear layer",
        default_input: (1, 4, 4),
        num_classes: 2,
        stem: "linear",
        head: "linear",
        ..NetInfo::new("logistic", |config, vb, _key| {
            let inputs = config.channels * config.height * config.width;
            let linear = candle_nn::linear(inputs, config.num_classes, vb.pp("linear").candle())?;
            Ok(Net::new(Logistic(linear)))
        })
    }
}

fn stripes() -> InMemory {
    let labels: Vec<u32> = (0..40).map(|i| i % 2).collect();
    let pixels = labels.iter().flat_map(|&label| {
        (0..16).map(move |p| if (p / 4 + label as usize).is_multiple_of(2) { 255 } else { 0 })
    });
    let classes = vec!["even".to_string(), "odd".to_string()];
    InMemory::new("stripes", [4, 4, 1], pixels.collect(), labels.clone(), classes).unwrap()
}

#[test]
fn a_net_and_a_data_set_of_ones_own_train_by_name() {
    let mut registry = Registry::new();
    registry.models.add_net(logistic());
    registry.add_dataset("stripes", |_| {
        let train = Arc::new(stripes());
        Ok(Dataset { name: "stripes".to_string(), train, validation: None, test: None })
    });
    let mut recipe = Recipe::default();
    recipe.model.net = "logistic".to_string();
    recipe.data.source = "stripes".to_string();
    recipe.train.batch_size = 8;
    recipe.optimizer = Named::new("sgd", &Sgd { learning_rate: 0.1, ..Sgd::pytorch() });
    let plan = Plan::new(recipe, &registry).unwrap();
    let folder = tempdir().unwrap();
    let outcome = run(
        &plan,
        &FolderLock::take(&folder.path().join("run")).unwrap(),
        Existing::Refuse,
        Vec::new(),
    )
    .unwrap();
    assert_eq!(outcome.results.after.accuracy, 1.0);
    assert_eq!(outcome.evaluation.as_ref().unwrap().class_names, ["even", "odd"]);
}

/// Counts epochs under a name.
struct Epochs(&'static str, Arc<AtomicUsize>);

impl Listener for Epochs {
    fn observe(&mut self, event: &Event) -> std::result::Result<Verdict, RunnerError> {
        if let Event::Epoch(_) = event {
            self.1.fetch_add(1, Ordering::Relaxed);
        }
        Ok(Verdict::Continue)
    }

    fn name(&self) -> &'static str {
        self.0
    }
}

#[test]
fn a_listener_of_the_program_follows_every_run_and_no_two_have_one_name() {
    let folder = tempdir().unwrap();
    let counted = Arc::new(AtomicUsize::new(0));
    let with = |names: &[&'static str]| {
        let mut registry = small::registry();
        for &name in names {
            let counted = Arc::clone(&counted);
            registry.add_listener(move || Epochs(name, Arc::clone(&counted)));
        }
        registry
    };
    let begin = |registry: &Registry, out: &Path| {
        let settings = [("early_stopping.patience", "9")];
        let plan = small::plan_of(&settings, registry).unwrap();
        let out = FolderLock::take(out).unwrap();
        run(&plan, &out, Existing::Refuse, Vec::new()).map(|_| ()).map_err(|e| e.to_string())
    };
    let registry = with(&["mine", "", ""]);
    for name in ["a", "b"] {
        begin(&registry, &folder.path().join(name)).unwrap();
    }
    assert_eq!(counted.load(Ordering::Relaxed), 2 * 3 * 3);
    for names in [&["mine", "mine"][..], &["history"], &["tensorboard"], &["early_stopping"]] {
        let out = folder.path().join("refused");
        let error = begin(&with(names), &out).unwrap_err();
        let expected = format!("two listeners of the run are called `{}`;", names[0]);
        assert!(error.starts_with(&expected), "{error}");
        assert!(!out.join("recipe.toml").exists());
    }
}

#[test]
fn a_metric_that_is_undefined_in_every_epoch_is_told_of_wherever_it_was_to_steer() {
    let mut registry = small::registry();
    registry.add_metric("nothing", Better::Less, |_| f64::NAN);
    let warnings = |settings: &[(&str, &str)]| {
        let folder = tempdir().unwrap();
        let plan = small::plan_of(settings, &registry).unwrap();
        let out = FolderLock::take(&folder.path().join("run")).unwrap();
        run(&plan, &out, Existing::Refuse, Vec::new()).unwrap().results
    };
    let told = |key: &str, counts: &str| {
        format!(
            "`{key}.metric` is `nothing`, which was undefined (NaN) in every epoch: none counted {counts}"
        )
    };
    let results = warnings(&[("select.metric", "nothing"), ("select.best", "true")]);
    assert_eq!(results.warnings, [told("select", "as the best")]);
    let results =
        warnings(&[("early_stopping.metric", "nothing"), ("early_stopping.patience", "2")]);
    assert_eq!(results.warnings, [told("early_stopping", "as better")]);
    assert_eq!(results.trained.stopped.unwrap(), "nothing was undefined (NaN) for 2 epochs");
    let results = warnings(&[("plateau.metric", "nothing"), ("plateau.factor", "0.5")]);
    assert_eq!(results.warnings, [told("plateau", "as better")]);
    // One that nothing asks for, and one that has values, need no word.
    assert!(warnings(&[("select.best", "true")]).warnings.is_empty());
}
