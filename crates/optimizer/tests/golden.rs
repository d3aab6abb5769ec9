//! The rules, schedules and clipping against PyTorch and Keras; see `tests/golden/optimizers.py`.

use std::collections::BTreeMap;

use candle_core::{DType, Device, Tensor, Var, backprop::GradStore};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use taper_optimizer::{
    BoxedRule, ConstantRate, CosineDecay, ExponentialDecay, LinearDecay, OneCycle, Optimizer,
    ParamGroup, Rule, Schedule, ScheduleKind, StepDecay, StepRates, TakeRule, clip, presets,
};

type Named = BTreeMap<String, Vec<f64>>;

#[derive(Deserialize)]
struct Fixture {
    start: BTreeMap<String, Start>,
    noise: Vec<Named>,
    optimizers: Vec<Trajectory>,
    schedules: Vec<ScheduleCase>,
    clipping: Vec<ClipCase>,
}

#[derive(Deserialize)]
struct Start {
    shape: Vec<usize>,
    values: Vec<f64>,
}

#[derive(Deserialize)]
struct Trajectory {
    name: String,
    rule: serde_json::Value,
    preset: Option<String>,
    rates: Vec<f64>,
    momenta: Option<Vec<f64>>,
    trajectory: Vec<Named>,
}

#[derive(Deserialize)]
struct ScheduleCase {
    schedule: serde_json::Value,
    base: f64,
    total: u64,
    rates: Vec<f64>,
    momenta: Option<Vec<f64>>,
}

#[derive(Deserialize)]
struct ClipCase {
    how: String,
    limit: f64,
    norm: Option<f64>,
    grads: Named,
}

/// What has a `name`, and its settings without that.
fn named(mut value: serde_json::Value) -> (String, serde_json::Value) {
    let name = value.as_object_mut().unwrap().remove("name").unwrap();
    (name.as_str().unwrap().to_string(), value)
}

/// The preset of a name, with other settings where there are any.
struct Wanted {
    name: String,
    settings: Option<serde_json::Value>,
    found: Option<BoxedRule>,
}

impl TakeRule for Wanted {
    fn take<R: Rule + Serialize + DeserializeOwned + 'static>(&mut self, name: &str, rule: R) {
        if name == self.name {
            let other = self.settings.take().map(|s| serde_json::from_value::<R>(s).unwrap());
            self.found = Some(other.unwrap_or(rule).into());
        }
    }
}

fn rule(name: String, settings: Option<serde_json::Value>) -> BoxedRule {
    let mut wanted = Wanted { name, settings, found: None };
    presets(&mut wanted);
    wanted.found.unwrap()
}

fn rule_of(value: serde_json::Value) -> BoxedRule {
    let (name, settings) = named(value);
    rule(name, Some(settings))
}

fn schedule_of(mut value: serde_json::Value) -> Schedule {
    fn read<K: ScheduleKind + DeserializeOwned + 'static>(settings: serde_json::Value) -> Schedule {
        Schedule::of(serde_json::from_value::<K>(settings).unwrap())
    }
    let table = value.as_object_mut().unwrap();
    let (name, settings) =
        table.remove("kind").map_or_else(|| ("constant".into(), serde_json::json!({})), named);
    let mut schedule = match name.as_str() {
        "constant" => read::<ConstantRate>(settings),
        "linear" => read::<LinearDecay>(settings),
        "step" => read::<StepDecay>(settings),
        "exponential" => read::<ExponentialDecay>(settings),
        "cosine" => read::<CosineDecay>(settings),
        "one-cycle" => read::<OneCycle>(settings),
        other => panic!("{other}"),
    };
    for (key, value) in table.iter() {
        match key.as_str() {
            "warmup_steps" => schedule.warmup_steps = value.as_u64().unwrap(),
            "warmup_start" => schedule.warmup_start = value.as_f64().unwrap(),
            other => panic!("{other}"),
        }
    }
    schedule
}

fn fixture() -> Fixture {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/golden/optimizers.json");
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

fn assert_close(found: &[f64], expected: &[f64], rtol: f64, atol: f64, what: &str) {
    assert_eq!(found.len(), expected.len(), "{what}");
    for (i, (f, e)) in found.iter().zip(expected).enumerate() {
        assert!((f - e).abs() <= atol + rtol * e.abs(), "{what}[{i}]: {f}, expected {e}");
    }
}

fn flat(tensor: &Tensor) -> Vec<f64> {
    tensor.to_dtype(DType::F64).unwrap().flatten_all().unwrap().to_vec1().unwrap()
}

/// Bias and weight, in the order of their names.
fn params(fixture: &Fixture, dtype: DType) -> Vec<(String, Var)> {
    let var = |start: &Start| {
        let values = Tensor::new(&*start.values, &Device::Cpu).unwrap();
        let values = values.to_dtype(dtype).unwrap().reshape(&*start.shape).unwrap();
        Var::from_tensor(&values).unwrap()
    };
    fixture.start.iter().map(|(name, start)| (name.clone(), var(start))).collect()
}

/// A store of given gradients: that of the sum of each variable times its gradient.
fn store(params: &[(String, Var)], gradient: impl Fn(&str, &Var) -> Tensor) -> GradStore {
    let terms = params.iter().map(|(name, var)| (var.as_tensor() * gradient(name, var)).unwrap());
    let sums: Vec<_> = terms.map(|term| term.sum_all().unwrap()).collect();
    Tensor::stack(&sums, 0).unwrap().sum_all().unwrap().backward().unwrap()
}

fn noise(values: &[f64], var: &Var) -> Tensor {
    let values = Tensor::new(values, &Device::Cpu).unwrap();
    values.to_dtype(var.dtype()).unwrap().reshape(var.shape()).unwrap()
}

fn run(fixture: &Fixture, case: &Trajectory, dtype: DType, rtol: f64, atol: f64) {
    let params = params(fixture, dtype);
    let groups = [ParamGroup {
        parameters: params.iter().map(|(name, _)| name.clone()).collect(),
        decay_biases: true,
        ..ParamGroup::new("all")
    }];
    let mut optimizer =
        Optimizer::new(params.clone(), rule_of(case.rule.clone()), &groups).unwrap();
    for (step, expected) in case.trajectory.iter().enumerate() {
        let grads = store(&params, |name, var| {
            let pull = (var.as_detached_tensor() * 0.3).unwrap();
            (pull + noise(&fixture.noise[step][name], var)).unwrap()
        });
        let momentum = case.momenta.as_ref().map(|momenta| momenta[step]);
        let rates = StepRates { learning_rate: case.rates[step], momentum };
        optimizer.step_at(&grads, rates).unwrap();
        for (name, var) in &params {
            let what = format!("{} step {} {name}", case.name, step + 1);
            assert_close(&flat(var), &expected[name], rtol, atol, &what);
        }
    }
    assert_eq!(optimizer.steps(), 10);
}

#[test]
fn ten_steps_in_f64_agree_with_pytorch_and_keras() {
    let fixture = fixture();
    assert!(fixture.optimizers.len() >= 40);
    for case in &fixture.optimizers {
        // The fixture has twelve digits; the order of operations moves the last of sixteen.
        run(&fixture, case, DType::F64, 1e-10, 1e-11);
    }
}

#[test]
fn ten_steps_in_f32_agree_with_pytorch_and_keras() {
    let fixture = fixture();
    for case in &fixture.optimizers {
        // Ten steps of a few roundings each, of 6e-8 of values around 1; some of these values
        // then come close to zero, where that is all the precision left.
        run(&fixture, case, DType::F32, 1e-5, 1e-6);
    }
}

#[test]
fn presets_are_the_libraries_defaults() {
    let mut seen = 0;
    let same = |name: &str, case: serde_json::Value| {
        let preset = rule(name.to_string(), None);
        assert_eq!(format!("{preset:?}"), format!("{:?}", rule_of(case)), "{name}");
    };
    for case in fixture().optimizers {
        if let Some(preset) = case.preset {
            same(&preset, case.rule);
            seen += 1;
        } else if let Some(name) = case.name.strip_prefix("torch ")
            && let Some(name) = name.strip_suffix("()")
        {
            same(name, case.rule);
            seen += 1;
        }
    }
    // Six of Keras, and five of PyTorch: no case runs its SGD with nothing set.
    assert_eq!(seen, 11);
}

#[test]
fn schedules_agree_with_pytorch() {
    for case in fixture().schedules {
        let schedule = schedule_of(case.schedule);
        schedule.validate().unwrap();
        let what = format!("{schedule:?}");
        let rates: Vec<f64> = (0..case.total)
            .map(|step| schedule.learning_rate(case.base, step, case.total))
            .collect();
        // PyTorch multiplies its way from step to step.
        assert_close(&rates, &case.rates, 1e-9, 1e-12, &what);
        let momenta: Option<Vec<f64>> =
            (0..case.total).map(|step| schedule.momentum(step, case.total)).collect();
        assert_eq!(momenta.is_some(), case.momenta.is_some());
        if let (Some(found), Some(expected)) = (momenta, case.momenta) {
            assert_close(&found, &expected, 1e-9, 1e-12, &what);
        }
    }
}

#[test]
fn clipping_agrees_with_pytorch() {
    let fixture = fixture();
    let params = params(&fixture, DType::F64);
    let vars = || params.iter().map(|(_, var)| var);
    for case in &fixture.clipping {
        let mut grads = store(&params, |name, var| noise(&fixture.noise[0][name], var));
        match case.norm {
            Some(expected) => {
                let norm = clip::clip_by_norm(&mut grads, vars(), case.limit).unwrap();
                assert_close(&[norm], &[expected], 1e-10, 0.0, "norm");
            }
            None => clip::clip_by_value(&mut grads, vars(), case.limit).unwrap(),
        }
        for (name, var) in &params {
            let what = format!("{} {} {name}", case.how, case.limit);
            assert_close(&flat(grads.get(var).unwrap()), &case.grads[name], 1e-10, 1e-12, &what);
        }
    }
}
