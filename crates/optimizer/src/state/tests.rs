use candle_core::{DType, Device, Tensor, Var};

use crate::rules::tests::presets;
use crate::{Adadelta, Adam, BoxedRule, Optimizer, Sgd, StateFault};

const CPU: Device = Device::Cpu;

struct Run {
    weight: Var,
    bias: Var,
    optimizer: Optimizer,
}

impl Run {
    fn new(rule: BoxedRule, weight: &Tensor, bias: &Tensor) -> Self {
        let weight = Var::from_tensor(&weight.copy().unwrap()).unwrap();
        let bias = Var::from_tensor(&bias.copy().unwrap()).unwrap();
        let params = vec![("l.weight".into(), weight.clone()), ("l.bias".into(), bias.clone())];
        let optimizer = Optimizer::new(params, rule, &[]).unwrap();
        Run { weight, bias, optimizer }
    }

    fn start(rule: BoxedRule) -> Self {
        let weight = Tensor::new(&[[0.5f32, -1.25, 2.0], [0.1, 0.7, -0.3]], &CPU).unwrap();
        Self::new(rule, &weight, &Tensor::new(&[0.4f32, -0.6], &CPU).unwrap())
    }

    fn step(&mut self, n: usize) {
        let x = Tensor::new(&[[1f32, 2.0, -1.0], [0.5, 0.1 * n as f32, 3.0]], &CPU).unwrap();
        let y = x.matmul(&self.weight.t().unwrap()).unwrap().broadcast_add(&self.bias).unwrap();
        let grads = y.sqr().unwrap().mean_all().unwrap().backward().unwrap();
        self.optimizer.step(&grads, 0.02 / (1.0 + n as f64)).unwrap();
    }

    fn bits(&self) -> Vec<u32> {
        let bits = |var: &Var| var.flatten_all().unwrap().to_vec1::<f32>().unwrap();
        bits(&self.weight).into_iter().chain(bits(&self.bias)).map(f32::to_bits).collect()
    }
}

fn rules() -> Vec<BoxedRule> {
    presets().into_iter().map(|(_, rule)| rule).chain([momentum()]).collect()
}

fn momentum() -> BoxedRule {
    Sgd { momentum: 0.9, dampening: 0.2, weight_decay: 0.01, ..Sgd::pytorch() }.into()
}

#[test]
fn a_restored_run_has_the_bits_of_an_uninterrupted_one() {
    for rule in rules() {
        let mut whole = Run::start(rule.clone());
        (0..10).for_each(|n| whole.step(n));

        let mut first = Run::start(rule.clone());
        (0..4).for_each(|n| first.step(n));
        let state = first.optimizer.state().unwrap();
        let mut second = Run::new(rule.clone(), &first.weight, &first.bias);
        second.optimizer.load_state(&state).unwrap();
        // The saved state is a copy.
        first.step(99);
        (4..10).for_each(|n| second.step(n));
        assert_eq!(whole.bits(), second.bits(), "{rule:?}");
        assert_eq!(second.optimizer.steps(), 10);
    }
}

#[test]
fn without_its_state_a_run_goes_another_way() {
    let rule: BoxedRule = Adadelta::keras_reference().into();
    let mut whole = Run::start(rule.clone());
    (0..4).for_each(|n| whole.step(n));
    let mut fresh = Run::new(rule.clone(), &whole.weight, &whole.bias);
    whole.step(4);
    fresh.step(4);
    assert_ne!(whole.bits(), fresh.bits());
}

#[test]
fn state_is_named_by_parameter_and_slot() {
    let run = Run::start(Adadelta::pytorch().into());
    let state = run.optimizer.state().unwrap();
    let names: Vec<_> = state.keys().map(String::as_str).collect();
    let expected = [
        "l.bias/acc_delta",
        "l.bias/square_avg",
        "l.bias/step",
        "l.weight/acc_delta",
        "l.weight/square_avg",
        "l.weight/step",
        "step",
    ];
    assert_eq!(names, expected);
    assert_eq!(state["l.weight/square_avg"].dims(), [2, 3]);
}

#[test]
fn every_fault_of_a_state_is_reported_and_nothing_is_changed() {
    let rule: BoxedRule = Adam::pytorch().into();
    let mut run = Run::start(rule.clone());
    (0..3).for_each(|n| run.step(n));
    let good = run.optimizer.state().unwrap();
    let mut bad = good.clone();
    bad.remove("l.bias/exp_avg");
    bad.insert("l.weight/exp_avg".into(), Tensor::zeros(6, DType::F32, &CPU).unwrap());
    bad.insert("l.weight/exp_avg_sq".into(), Tensor::zeros((2, 3), DType::F64, &CPU).unwrap());
    bad.insert("l.weight/step".into(), Tensor::new(-1i64, &CPU).unwrap());
    bad.insert("other/exp_avg".into(), Tensor::new(0f32, &CPU).unwrap());

    let mut fresh = Run::start(rule.clone());
    let error = fresh.optimizer.load_state(&bad).unwrap_err();
    assert_eq!(
        error.to_string(),
        "optimizer state does not fit (5 faults): \
         `l.weight/step` is -1, expected a step count of 0 or more; \
         `l.weight/exp_avg` has shape [6], expected [2, 3]; \
         `l.weight/exp_avg_sq` has dtype F64, expected F32; \
         `l.bias/exp_avg` is missing; \
         `other/exp_avg` is not part of this optimizer's state"
    );
    let crate::OptimizerError::State { faults } = error else { panic!("another error") };
    assert_eq!(faults[3], StateFault::Missing { name: "l.bias/exp_avg".into() });
    assert_eq!(fresh.optimizer.steps(), 0);
    let (mut untouched, state) = (Run::start(rule.clone()), fresh.optimizer.state().unwrap());
    untouched.step(0);
    fresh.step(0);
    assert_eq!(untouched.bits(), fresh.bits());
    assert_eq!(state["l.weight/exp_avg"].sum_all().unwrap().to_scalar::<f32>().unwrap(), 0.0);
}

#[test]
fn the_state_of_another_rule_is_refused() {
    let adam = Run::start(Adam::pytorch().into()).optimizer.state().unwrap();
    let mut run = Run::start(Adadelta::pytorch().into());
    let message = run.optimizer.load_state(&adam).unwrap_err().to_string();
    assert!(message.contains("`l.weight/square_avg` is missing"), "{message}");
    assert!(message.contains("`l.bias/exp_avg` is not part"), "{message}");
}
