//! Prefixes that training tools put before names.

use super::*;

/// Loads the two layers, fc1 and fc2, with a head of two classes.
fn load(config: WeightsConfig) -> Result<(Params, LoadReport), WeightsError> {
    let build = |vb: ParamBuilder<'static>| {
        let vb = vb.candle();
        candle_nn::linear(3, 4, vb.pp("fc1"))?;
        candle_nn::linear(4, 2, vb.pp("fc2"))
    };
    let (_, params, report) = Weights::load(config, DType::F32, &CPU, build)?;
    Ok((params, report))
}

/// The two layers, each name made by `rename`, and more.
fn file(rename: impl Fn(&str) -> String, more: &[(&str, &[usize])]) -> TensorFile {
    let layers = [("fc1.weight", vec![4, 3]), ("fc1.bias", vec![4]), ("fc2.weight", vec![2, 4])];
    let layers = layers.into_iter().chain([("fc2.bias", vec![2])]);
    let mut tensors: Vec<(String, Tensor)> =
        layers.map(|(name, shape)| (rename(name), counting(&shape))).collect();
    tensors.extend(more.iter().map(|(name, shape)| (name.to_string(), counting(shape))));
    TensorFile::from_tensors(tensors.into_iter().collect(), "a.pth").unwrap()
}

fn prefixed(prefix: &str) -> TensorFile {
    file(|name| format!("{prefix}{name}"), &[])
}

fn head(source: TensorFile) -> WeightsConfig {
    WeightsConfig { head: strings(&["fc2"]), ..from(source) }
}

#[test]
fn prefixes_of_training_tools_are_taken_off_in_any_order() {
    for prefix in [
        "module.",
        "model.",
        "net.",
        "_orig_mod.",
        "_orig_mod.module.",
        "module._orig_mod.",
        "model.module._orig_mod.",
        "backbone.",
        "my.own.prefix.",
    ] {
        let (params, report) = load(from(prefixed(prefix))).unwrap();
        assert_eq!(value(&params, "fc2.bias"), [0.0, 1.0]);
        let note = format!("the prefix `{prefix}` is taken off the file's names");
        assert_eq!(report.notes, std::slice::from_ref(&note));
        let text = report.to_string();
        assert!(text.starts_with(&format!("weights from a.pth\n{note}\nloaded ")), "{text}");
        assert!(!text.contains("from module"), "{text}");
    }
    let (_, report) = load(from(prefixed(""))).unwrap();
    assert!(report.notes.is_empty());
}

#[test]
fn wrappers_in_the_middle_of_names_are_taken_out() {
    let within = |name: &str| match name.split_once('.') {
        Some(("fc1", rest)) => format!("fc1._orig_mod.{rest}"),
        _ => name.to_string(),
    };
    let (_, report) = load(from(file(within, &[]))).unwrap();
    assert!(report.notes[0].starts_with("the wrappers `module`, `_orig_mod`, "), "{report}");
    let both = |name: &str| format!("model.{}", within(name));
    let (_, report) = load(from(file(both, &[]))).unwrap();
    assert_eq!(report.loaded.len(), 4);
    assert_eq!(report.loaded[0].from.as_deref(), Some("model.fc1._orig_mod.bias"));
}

#[test]
fn renames_of_one_s_own_go_with_the_prefix_before_or_after_it() {
    for rules in [
        [("_orig_mod.*", "*"), ("x.*", "y.*")],
        [("module.*", "*"), ("x.*", "y.*")],
        [("_orig_mod.module.*", "*"), ("x.*", "y.*")],
        [("_orig_mod.*", "*"), ("module.*", "*")],
    ] {
        let key_map = KeyMap::new(rules);
        load(WeightsConfig { key_map, ..from(prefixed("_orig_mod.module.")) }).unwrap();
    }
    let head = |name: &str| format!("module.{}", name.replace("fc2", "classifier"));
    for from_name in ["classifier.*", "module.classifier.*"] {
        let key_map = KeyMap::new([(from_name, "fc2.*")]);
        load(WeightsConfig { key_map, ..from(file(head, &[])) }).unwrap();
    }
}

#[test]
fn what_is_outside_of_the_prefix_is_another_module_s_where_the_net_is_whole() {
    let more: [(&str, &[usize]); 2] = [("val_acc.correct", &[2]), ("criterion.weight", &[2])];
    let lightning = file(|name| format!("model.{name}"), &more);
    let (_, report) = load(from(lightning)).unwrap();
    let skipped: Vec<&str> = report.skipped.iter().map(|entry| entry.name.as_str()).collect();
    assert_eq!(skipped, ["criterion.weight", "val_acc.correct"]);
    assert_eq!(report.skipped[0].note, "outside of the prefix that is taken off");

    // A layer under the net's own name beside the prefix counts.
    let beside = |name: &str| match name.starts_with("fc2") {
        true => name.to_string(),
        false => format!("backbone.{name}"),
    };
    let (_, report) = load(head(file(beside, &[]))).unwrap();
    assert_eq!((report.loaded.len(), report.new_head.len()), (4, 0));
    let note = "from outside of the prefix are used: `fc2.bias`, `fc2.weight`";
    assert_eq!(report.notes[1..], [note]);

    // A head under another name is no other module's.
    let other = |name: &str| match name.starts_with("fc2") {
        true => name.replace("fc2", "classifier"),
        false => format!("backbone.{name}"),
    };
    let message = text(load(head(file(other, &[]))));
    assert!(message.contains("unused `classifier.weight`"), "{message}");
    assert!(
        message.ends_with(
            "\nif the file's `classifier` is the net's `fc2`: \
             `model.renames=[{from=\"classifier.*\",to=\"fc2.*\"}]`; if not: \
             `model.allow_unused=[\"classifier.*\"]`\
             \n(the prefix `backbone.` is taken off the file's names)"
        ),
        "{message}"
    );
    let key_map = KeyMap::new([("classifier.*", "fc2.*")]);
    let renamed = WeightsConfig { key_map, ..head(file(other, &[])) };
    assert_eq!(load(renamed).unwrap().1.loaded.len(), 4);
    let allow_unused = strings(&["classifier.*"]);
    let (_, report) = load(WeightsConfig { allow_unused, ..head(file(other, &[])) }).unwrap();
    assert_eq!(report.new_head, ["fc2.weight", "fc2.bias"]);
    // A net whose head is not drawn anew lacks it.
    let message = text(load(from(file(|name| name.replace("fc2", "head"), &[]))));
    assert!(message.contains("`model.renames=[{from=\"head.*\",to=\"fc2.*\"}]`"), "{message}");
}

#[test]
fn of_two_prefixes_the_averaged_one_is_taken_or_one_has_to_be_chosen() {
    let twice = |first: &str, second: &str| {
        let (first, second) = (prefixed(first), prefixed(second));
        let all = [&first, &second].map(|file| {
            file.names()
                .map(|name| (name.to_string(), file.get(name).unwrap().clone()))
                .collect::<Vec<_>>()
        });
        TensorFile::from_tensors(all.concat().into_iter().collect(), "a.pth").unwrap()
    };
    let moco = twice("module.encoder_q.", "module.encoder_k.");
    assert_eq!(
        text(load(from(moco.clone()))),
        "a.pth holds several sets of weights, under `module.encoder_k`, `module.encoder_q`: \
         `model.state_key` chooses one of them"
    );
    load(from(moco.state("module.encoder_q").unwrap())).unwrap();

    let (_, report) = load(from(twice("model.", "ema_model."))).unwrap();
    assert_eq!(
        report.notes,
        [
            "the prefix `ema_model.` is taken off the file's names; its weights are the averaged ones, \
          and the file has others under `model`: `model.state_key` chooses"
        ]
    );
    let (_, report) = load(from(twice("", "ema."))).unwrap();
    assert!(report.loaded[0].from.as_deref() == Some("ema.fc1.bias"), "{report:#}");
    assert!(report.notes[0].ends_with("`model.allow_unused` leaves the others"), "{report}");
    let top = twice("", "ema.").state(".").unwrap();
    for file in [twice("", "ema."), top.clone()] {
        let config = WeightsConfig { allow_unused: strings(&["ema.*"]), ..from(file) };
        assert_eq!(load(config).unwrap().1.loaded[0].from.as_deref(), Some("fc1.bias"));
    }
    assert!(text(load(from(top))).contains("unused `ema.fc1.bias`"));
    // With a prefix on all names there is nothing else to take.
    load(from(prefixed("module.").state(".").unwrap())).unwrap();
    // A copy that says nothing of averages is left over.
    let message = text(load(from(twice("", "teacher."))));
    assert!(
        message.contains("4 faults") && message.contains("unused `teacher.fc1.bias`"),
        "{message}"
    );
}

#[test]
fn averaged_weights_that_are_not_the_whole_net_are_told_of() {
    for more in [
        &[("ema.fc1.weight", &[4, 3][..]), ("ema.fc2.weight", &[2, 4])][..],
        &[("model_ema.fc1weight", &[4, 3]), ("model_ema.fc2weight", &[2, 4])],
    ] {
        let (_, report) = load(from(file(|name| format!("model.{name}"), more))).unwrap();
        assert!(report.loaded[0].from.as_deref() == Some("model.fc1.bias"), "{report:#}");
        let names = format!("`{}`, `{}`", more[0].0, more[1].0);
        let note = "averaged weights are left out, for they are not the whole net by its names";
        assert_eq!(report.notes[1..], [format!("{note}: {names}")]);
    }
    // What is taken from outside of the averaged ones.
    let both: [(&str, &[usize]); 3] =
        [("ema.fc1.weight", &[4, 3]), ("ema.fc1.bias", &[4]), ("ema.fc2.weight", &[2, 4])];
    let (_, report) = load(from(file(|name| name.to_string(), &both))).unwrap_or_else(|e| {
        panic!("{e}");
    });
    assert_eq!(report.notes[1..], ["from outside of the prefix are used: `fc2.bias`"]);
}

#[test]
fn a_name_of_dots_alone_does_not_fill_the_memory() {
    let dots = ".".repeat(1 << 20);
    let other = file(|name| format!("module.{name}"), &[(dots.as_str(), &[1])]);
    load(WeightsConfig { allow_unused: strings(&["*"]), ..from(other) }).unwrap();
}

#[test]
fn a_prefix_is_found_where_everything_may_be_missing_and_unused() {
    let all = || strings(&["*"]);
    let config =
        WeightsConfig { allow_missing: all(), allow_unused: all(), ..from(prefixed("module.")) };
    assert_eq!(load(config).unwrap().1.loaded.len(), 4);
}

#[test]
fn another_net_s_names_stay_as_they_are() {
    let other = file(|name| format!("module.{}", name.replace("fc", "conv")), &[]);
    let message = text(load(from(other)));
    assert!(message.contains("unused `module.conv1.weight`"), "{message}");
    assert!(!message.contains("prefix"), "{message}");
}

#[test]
fn an_averaged_model_of_pytorch_s_has_a_counter() {
    let file = file(|name| format!("module.{name}"), &[("n_averaged", &[])]);
    assert_eq!(load(from(file)).unwrap().1.skipped[0].name, "n_averaged");
}

#[test]
fn a_key_of_names_that_is_not_there_names_those_that_are() {
    let error = prefixed("model.").state("ema").unwrap_err().to_string();
    assert_eq!(
        error,
        "a.pth has no weights under `ema` (`model.state_key`); there are some under `model`"
    );
}

#[test]
fn hundreds_of_faults_are_a_screen_of_lines() {
    let names: Vec<String> = (0..300).map(|i| format!("layer{}.x{i}.weight", i % 7)).collect();
    let more: Vec<(&str, &[usize])> = names.iter().map(|name| (name.as_str(), &[2][..])).collect();
    let message = text(load(from(file(|name| name.to_string(), &more))));
    assert!(message.lines().count() < 30, "{message}");
    assert!(message.contains("unused … 280 tensors more"), "{message}");
    let names: Vec<String> = (0..300).map(|i| format!("blocks.{i}.weight")).collect();
    let more: Vec<(&str, &[usize])> = names.iter().map(|name| (name.as_str(), &[2][..])).collect();
    let message = text(load(from(file(|name| name.to_string(), &more))));
    assert!(message.contains("unused `blocks.*.weight` 300 tensors"), "{message}");
}
