use taper_model::nets;
use taper_optimizer::ParamGroup;

use super::*;
use crate::recipe::{FeatureCache, HeadMethod};

fn net(name: &str) -> &'static NetInfo {
    nets::find(name).unwrap()
}

#[test]
fn the_head_alone_is_the_layer_that_the_net_calls_so() {
    let stage =
        Method::Head(HeadMethod { cache: FeatureCache::Auto }).trainable_set(net("resnet18"), 5);
    assert_eq!(stage, TrainableSet { trainable: vec!["fc.*".to_string()], head_only: true });
}

#[test]
fn the_last_blocks_are_counted_before_the_head() {
    let last = |blocks| {
        Method::LastN(LastNMethod { blocks, layer_decay: 1.0 })
            .trainable_set(net("resnet18"), 0)
            .trainable
    };
    assert_eq!(last(0), ["fc.*"]);
    assert_eq!(last(2), ["layer4.0.*", "layer4.1.*", "fc.*"]);
    // Stem, eight blocks, head: from nine on it is all.
    assert_eq!(last(8)[0], "layer1.0.*");
    assert!(last(9).is_empty() && last(usize::MAX).is_empty());
    let vit = Method::LastN(LastNMethod { blocks: 1, layer_decay: 1.0 });
    let vit = vit.trainable_set(net("vit_tiny_patch16_224"), 0).trainable;
    assert_eq!(vit, ["blocks.11.*", "norm.*", "head.*"]);
}

#[test]
fn gradual_unfreezing_goes_from_the_head_to_all() {
    let gradual = |frozen_epochs, blocks_per_epoch| {
        Method::Gradual(GradualMethod { frozen_epochs, blocks_per_epoch, layer_decay: 0.75 })
    };
    let at_once = gradual(2, 0);
    let stages: Vec<_> = (0..4).map(|epoch| at_once.trainable_set(net("lenet5"), epoch)).collect();
    assert!(stages[0].head_only && stages[1].head_only);
    assert_eq!(stages[2], TrainableSet::all());
    assert_eq!(stages[3], at_once.largest_set(net("lenet5")));
    let step_by_step = gradual(1, 2);
    let stage = |epoch| step_by_step.trainable_set(net("lenet5"), epoch).trainable;
    assert_eq!(stage(1), ["fc1.*", "fc2.*", "fc3.*"]);
    assert!(stage(2).is_empty());
}

#[test]
fn rates_decay_from_the_head_on_and_within_the_groups_of_the_recipe() {
    let names: Vec<String> =
        ["conv1.weight", "conv1.bias", "fc2.weight", "fc3.weight"].map(String::from).to_vec();
    let biases = ParamGroup {
        name: "biases".to_string(),
        parameters: vec!["*.bias".to_string()],
        learning_rate_scale: 2.0,
        weight_decay: Some(0.5),
        decay_biases: false,
    };
    let method = Method::Full(FullMethod { layer_decay: 0.5 });
    let groups = groups(&method, net("lenet5"), &names, std::slice::from_ref(&biases));
    let of = |name: &str| groups.iter().find(|group| group.contains(name));
    let conv1 = of("conv1.weight").unwrap();
    assert_eq!((conv1.learning_rate_scale, conv1.weight_decay), (0.5f64.powi(4), None));
    let bias = of("conv1.bias").unwrap();
    assert_eq!((bias.learning_rate_scale, bias.weight_decay), (2.0 * 0.5f64.powi(4), Some(0.5)));
    assert_eq!(of("fc2.weight").unwrap().learning_rate_scale, 0.5);
    assert_eq!(of("fc3.weight"), None);
    assert_eq!(groups.last(), Some(&groups::named(&biases, &names)));
    let plain = Method::default();
    assert_eq!(
        super::groups(&plain, net("lenet5"), &names, std::slice::from_ref(&biases)),
        [groups::named(&biases, &names)]
    );
}

#[test]
fn settings_outside_their_range_are_errors() {
    for (method, expected) in [
        (
            Method::Full(FullMethod { layer_decay: 0.0 }),
            "`method.layer_decay` is 0, expected a number above 0, up to 1",
        ),
        (
            Method::LastN(LastNMethod { blocks: 1, layer_decay: f64::NAN }),
            "`method.layer_decay` is NaN, expected a number above 0, up to 1",
        ),
        (
            Method::Gradual(GradualMethod {
                frozen_epochs: 0,
                blocks_per_epoch: 0,
                layer_decay: 1.0,
            }),
            "`method.frozen_epochs` is 0, expected 1 or more",
        ),
    ] {
        assert_eq!(method.check(net("lenet5")).unwrap_err().to_string(), expected);
    }
}

#[test]
fn a_net_that_says_nothing_of_its_parts_is_trained_whole() {
    let unknown = NetInfo::new("mine", |_, _, _| unreachable!());
    assert!(Method::default().check(&unknown).is_ok());
    for (method, expected) in [
        (
            Method::Head(HeadMethod { cache: FeatureCache::Auto }),
            "`method` is head, expected full without layer_decay: `mine` does not say which layer \
             is its head",
        ),
        (
            Method::Full(FullMethod { layer_decay: 0.5 }),
            "`method` is full, expected full without layer_decay: `mine` does not say what its \
             blocks are",
        ),
    ] {
        assert_eq!(method.check(&unknown).unwrap_err().to_string(), expected);
    }
}
