//! A stranger's program: a net and a data set of its own, in the same command line.

use std::sync::Arc;

use candle_core::{Module, ModuleT, Result, Tensor};
use candle_nn::Linear;
use taper_dataset::{Dataset, InMemory};
use taper_model::nets::{Net, NetInfo};
use taper_optimizer::Sgd;
use taper_runner::{Existing, FolderLock, Named, Plan, Recipe, Registry, run};
use tempfile::tempdir;

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
