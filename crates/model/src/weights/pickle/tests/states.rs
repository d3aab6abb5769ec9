//! Which of a file's dictionaries is taken.

use super::*;

#[test]
fn a_state_dict_within_a_training_checkpoint_is_found() {
    check("training.pth", "module");
}

#[test]
fn the_state_dict_is_found_under_whatever_key() {
    let other = [("epoch", b"K\x03".to_vec()), ("best", [b"G".as_slice(), &[0; 8]].concat())];
    for key in ["net", "state_dict_ema", "weights", "teacher", "params"] {
        let object = dict(&[other[0].clone(), (key, state(2)), other[1].clone()]);
        let note = format!("the weights are those under `{key}`");
        assert_eq!(taken(&object, "").unwrap(), (2.0, note));
        assert_eq!(taken(&object, key).unwrap().0, 2.0);
    }
    let nested = dict(&[("ema", dict(&[("decay", b"K\x01".to_vec()), ("state_dict", state(3))]))]);
    assert_eq!(taken(&nested, "").unwrap().1, "the weights are those under `ema.state_dict`");
    assert_eq!(taken(&state(1), "").unwrap(), (1.0, String::new()));
    assert_eq!(taken(&state(1), ".").unwrap().0, 1.0);
    // What an optimizer keeps is no state dict.
    let object = dict(&[("net", state(1)), ("optimizer", dict(&[("state", state(2))]))]);
    assert_eq!(taken(&object, "").unwrap().0, 1.0);
}

#[test]
fn of_several_state_dicts_the_averaged_one_is_taken_or_one_has_to_be_chosen() {
    for (keys, first) in [
        (["state_dict", "state_dict_ema"], 1.0),
        (["model_ema", "model"], 0.0),
        (["model", "queue"], 0.0),
    ] {
        let object = dict(&[(keys[0], state(0)), (keys[1], state(1))]);
        let (value, note) = taken(&object, "").unwrap();
        assert_eq!(value, first, "{keys:?}");
        assert!(keys.iter().all(|key| note.contains(&format!("`{key}`"))), "{note}");
        assert!(note.ends_with("`model.state_key` chooses"), "{note}");
        for (n, key) in keys.iter().enumerate() {
            assert_eq!(taken(&object, key).unwrap(), (n as f32, String::new()));
        }
    }
    let object =
        dict(&[("student", state(1)), ("teacher", state(2)), ("epoch", b"K\x01".to_vec())]);
    let line = taken(&object, "").unwrap_err();
    let what = "under `student`, `teacher`: `model.state_key` chooses one of them";
    assert!(line.ends_with(what), "{line}");
    let line = taken(&object, "epoch").unwrap_err();
    let what =
        "no weights under `epoch` (`model.state_key`); there are some under `student`, `teacher`";
    assert!(line.ends_with(what), "{line}");
    // Beside tensors at the top.
    let object = dict(&[("w", view("0", "FloatStorage", &[1], &[1], 4, b"")), ("extra", state(2))]);
    assert!(taken(&object, "").unwrap_err().contains("under `.`, `extra`"));
    assert_eq!(taken(&object, ".").unwrap().0, 4.0);
}

#[test]
fn moments_of_an_optimizer_and_metrics_are_no_averaged_weights() {
    let scalar = dict(&[("loss", view("0", "FloatStorage", &[1], &[1], 5, b""))]);
    for (key, other) in [
        ("lion", dict(&[("exp_avg", layer("", 2))])),
        ("opt_state", dict(&[("exp_avg", layer("", 2))])),
        ("optim_state_dict", dict(&[("state", layer("", 2))])),
        ("opt", dict(&[("ema", layer("", 2))])),
        ("momentum", layer("", 2)),
        ("metrics_avg", scalar.clone()),
        ("acc", scalar),
    ] {
        let object = dict(&[("net", layer("", 1)), (key, other)]);
        assert_eq!(taken(&object, "").unwrap().0, 1.0, "{key}");
    }
    // One's own key finds them, and what only begins so is no optimizer's.
    let object = dict(&[("net", layer("", 1)), ("optimizer", dict(&[("m", layer("", 2))]))]);
    assert_eq!(taken(&object, "optimizer.m").unwrap().0, 2.0);
    for key in ["optimal_model", "optimized_state_dict", "_model"] {
        let note = format!("the weights are those under `{key}`");
        assert_eq!(taken(&dict(&[(key, layer("", 3))]), "").unwrap(), (3.0, note));
    }
    // A number beside the weights.
    let best = view("0", "FloatStorage", &[1], &[1], 5, b"");
    let object = dict(&[("model_weights", layer("", 1)), ("acc", best)]);
    let (value, note) = taken(&object, "").unwrap();
    assert!(value == 1.0 && note.contains("others under `.`"), "{note}");
}

#[test]
fn averaged_weights_that_are_no_dictionary_of_tensors_are_told_of() {
    let tensor = || view("0", "FloatStorage", &[1], &[1], 1, b"");
    let shadow = [b"](".to_vec(), tensor(), tensor(), b"e".to_vec()].concat();
    for (ema, what) in [
        (dict(&[("decay", b"K\x01".to_vec()), ("shadow_params", shadow)]), "a dictionary"),
        (b"cmy.ema\nModelEma\n)R".to_vec(), "an object of my.ema.ModelEma"),
    ] {
        let object = dict(&[("state_dict", layer("", 2)), ("ema", ema.clone())]);
        let (value, note) = taken(&object, "").unwrap();
        let expected = format!(
            "averaged weights seem to be under `ema`, but are no dictionary of tensors ({what}): left out"
        );
        assert!(value == 2.0 && note.ends_with(&expected), "{note}");
    }
    for ema in [b"K\x01".to_vec(), dict(&[("decay", b"K\x01".to_vec())])] {
        let object = dict(&[("state_dict", layer("", 2)), ("ema", ema)]);
        assert_eq!(taken(&object, "").unwrap().1, "the weights are those under `state_dict`");
    }
}

#[test]
fn a_key_of_names_alone_is_looked_for_in_the_state_that_would_be_taken() {
    let both = |n: u8| {
        let tensor = |n| view("0", "FloatStorage", &[1], &[1], n, b"");
        dict(&[("module.q.w", tensor(n)), ("module.k.w", tensor(n + 1))])
    };
    let object = dict(&[("state_dict", both(0)), ("state_dict_ema", both(2))]);
    let (value, note) = taken(&object, "module.k").unwrap();
    assert!(value == 3.0 && note.contains("others under `state_dict`"), "{note}");
    assert_eq!(taken(&object, "state_dict.module.k").unwrap(), (1.0, String::new()));
    let object = dict(&[("student", both(0)), ("teacher", both(2))]);
    let line = taken(&object, "module.k").unwrap_err();
    assert!(line.contains("under `student.module.k`, `teacher.module.k`: "), "{line}");
    let object = dict(&[("student", both(0)), ("teacher", layer("", 2))]);
    assert_eq!(taken(&object, "module.q").unwrap().0, 0.0);
}

#[test]
fn a_key_may_go_on_in_the_names() {
    let tensor = |n| view("0", "FloatStorage", &[1], &[1], n, b"");
    let object =
        dict(&[("state_dict", dict(&[("model.w", tensor(1)), ("model_ema.w", tensor(2))]))]);
    assert_eq!(taken(&object, "state_dict.model").unwrap().0, 1.0);
    assert_eq!(taken(&object, "state_dict.model_ema").unwrap().0, 2.0);
    let line = taken(&object, "state_dict.head").unwrap_err();
    assert!(line.ends_with("there are some under `state_dict`"), "{line}");
}

#[test]
fn a_dictionary_that_is_filled_after_it_was_noted_is_full_everywhere() {
    // As a training script leaves it that keeps one state dict under two names.
    let filled = [text("w"), view("0", "FloatStorage", &[1], &[1], 5, b""), b"s".to_vec()].concat();
    let object = [
        [b"}".to_vec(), text("model"), b"}q\x05".to_vec(), filled, b"s".to_vec()].concat(),
        [text("best"), b"h\x05s".to_vec()].concat(),
    ]
    .concat();
    assert_eq!(taken(&object, "").unwrap().0, 5.0);
}

#[test]
fn values_of_a_state_dict_that_are_no_tensors_are_left_out_and_told_of() {
    let array = b"cnumpy.core.multiarray\n_reconstruct\n)R".to_vec();
    let w = view("0", "FloatStorage", &[1], &[1], 1, b"");
    let object = dict(&[("w", w), ("epoch", b"K\x03".to_vec()), ("mean", array)]);
    assert_eq!(taken(&object, "").unwrap(), (1.0, "no tensors, and left out: `epoch`".to_string()));
    let file = read_bytes(&legacy(&pickle(&object), &[("0", 6, &six())]), "").unwrap();
    assert!(file.names().eq(["mean", "w"]));
}
