use candle_core::backprop::GradStore;
use candle_core::{DType, Device, Tensor, Var};

use crate::entry::Buffers;
use crate::rules::tests::presets;
use crate::{
    Adadelta, Adam, AdamW, BoxedRule, CandleOptimizer, Chunk, Optimizer, OptimizerError,
    ParamGroup, Real, RmsProp, Rule, Sgd, Slot, StepContext, StepRates,
};

mod whole;

const CPU: Device = Device::Cpu;

fn named(name: &str, var: &Var) -> (String, Var) {
    (name.to_string(), var.clone())
}

fn values(var: &Var) -> Vec<f32> {
    var.flatten_all().unwrap().to_vec1().unwrap()
}

/// A store that gives `var` the gradient.
fn store(var: &Var, gradient: Tensor) -> GradStore {
    let mut grads = var.sum_all().unwrap().backward().unwrap();
    grads.insert(var, gradient);
    grads
}

/// `n` values in -0.5..0.5 that look random.
fn scattered(n: usize, seed: u32) -> Vec<f32> {
    let hash = |i: u32| (i ^ seed).wrapping_mul(2_654_435_761).rotate_left(13).wrapping_mul(97);
    (0..n as u32).map(|i| hash(i) as f32 / u32::MAX as f32 - 0.5).collect()
}

fn all_rules() -> Vec<BoxedRule> {
    let presets = presets().into_iter().map(|(_, rule)| rule);
    let centered = RmsProp { centered: true, momentum: 0.9, ..RmsProp::pytorch() };
    let momentum = Sgd { momentum: 0.9, nesterov: true, ..Sgd::pytorch() };
    let amsgrad = Adam { amsgrad: true, ..Adam::pytorch() };
    presets
        .chain([
            centered.into(),
            RmsProp { centered: false, ..centered }.into(),
            momentum.into(),
            amsgrad.into(),
        ])
        .collect()
}

/// The same optimizer with its state in tensors, as on a GPU.
fn by_tensors(mut optimizer: Optimizer) -> Optimizer {
    for entry in &mut optimizer.entries {
        entry.buffers = Buffers::on_device(&optimizer.rule.slots(), &entry.var).unwrap();
    }
    optimizer
}

/// Three variables in two groups; in every third step one has no gradient.
fn three(rule: BoxedRule) -> (Vec<(String, Var)>, Optimizer) {
    let var = |n: usize| Var::from_vec(scattered(n, n as u32), n, &CPU).unwrap();
    let vars = ["a", "b", "c"].into_iter().zip([35, 7, 1]);
    let vars: Vec<_> = vars.map(|(name, n)| (name.to_string(), var(n))).collect();
    let slow = ParamGroup {
        parameters: vec!["b".into()],
        learning_rate_scale: 0.5,
        ..ParamGroup::new("slow")
    };
    let optimizer = Optimizer::new(vars.clone(), rule, &[slow]).unwrap();
    (vars, optimizer)
}

fn step_three(vars: &[(String, Var)], optimizer: &mut Optimizer, steps: std::ops::Range<u32>) {
    for step in steps {
        let mut grads = vars[0].1.sum_all().unwrap().backward().unwrap();
        for (name, var) in vars.iter().filter(|(name, _)| step % 3 != 2 || name != "c") {
            let seed = 10 * step + name.len() as u32;
            let gradient = Tensor::from_vec(scattered(var.elem_count(), seed), var.shape(), &CPU);
            grads.insert(var, gradient.unwrap());
        }
        optimizer.step(&grads, 0.01).unwrap();
    }
}

#[test]
fn tensors_are_updated_by_the_formula_that_numbers_are_updated_by() {
    for rule in all_rules() {
        let (here, mut numbers) = three(rule.clone());
        let (there, tensors) = three(rule.clone());
        let mut tensors = by_tensors(tensors);
        step_three(&here, &mut numbers, 0..5);
        step_three(&there, &mut tensors, 0..5);
        // The state goes over to the other, both ways.
        let (to_numbers, to_tensors) = (tensors.state().unwrap(), numbers.state().unwrap());
        numbers.load_state(&to_numbers).unwrap();
        tensors.load_state(&to_tensors).unwrap();
        step_three(&here, &mut numbers, 5..8);
        step_three(&there, &mut tensors, 5..8);
        for ((name, here), (_, there)) in here.iter().zip(&there) {
            for (a, b) in values(here).into_iter().zip(values(there)) {
                // Eight steps in f32, whose constants are rounded elsewhere.
                assert!((a - b).abs() < 1e-5, "{rule:?} {name}: {a} {b}");
            }
        }
        let (a, b) = (numbers.state().unwrap(), tensors.state().unwrap());
        assert!(a.keys().eq(b.keys()), "{rule:?}");
        let step = |state: &std::collections::BTreeMap<String, Tensor>| {
            state["c/step"].to_scalar::<i64>().unwrap()
        };
        assert_eq!(step(&a), step(&b));
    }
}

/// A rule of a caller's, with arithmetic that none of ours has.
#[derive(Debug)]
struct Signum;

impl Rule for Signum {
    fn name(&self) -> &'static str {
        "signum"
    }

    fn learning_rate(&self) -> f64 {
        1e-3
    }

    fn slots(&self) -> Vec<Slot> {
        vec![Slot { name: "largest", initial: 0.25 }, Slot::zero("constant")]
    }

    fn update<T: Real>(&self, context: &StepContext, chunk: Chunk<'_, T>) {
        let rate = T::of(context.learning_rate);
        chunk.each(|p, g, [largest, constant]| {
            *largest = largest.max(g.abs()).max(T::of(0.3)).min(T::of(0.45));
            *constant = T::of(2.0) * T::of(3.0);
            *p = *p - rate * (g.sign() * *largest + *constant / (T::of(1.0) - -g * g));
        });
    }
}

#[test]
fn a_callers_rule_is_one_formula_for_numbers_and_tensors() {
    let var = || Var::from_vec(scattered(35, 1), (5, 7), &CPU).unwrap();
    let (here, there) = (var(), var());
    let new = |var: &Var| Optimizer::new(vec![named("w", var)], Signum, &[]).unwrap();
    let (mut numbers, mut tensors) = (new(&here), by_tensors(new(&there)));
    for seed in 0..3 {
        let gradient = Tensor::from_vec(scattered(35, seed), (5, 7), &CPU).unwrap();
        numbers.step(&store(&here, gradient.clone()), 0.1).unwrap();
        tensors.step(&store(&there, gradient), 0.1).unwrap();
    }
    for (a, b) in values(&here).into_iter().zip(values(&there)) {
        // Three steps in f32, whose constants are rounded elsewhere.
        assert!((a - b).abs() < 1e-5, "{a} {b}");
    }
    let (a, b) = (numbers.state().unwrap(), tensors.state().unwrap());
    for (name, a) in a {
        let (a, b) = (a.flatten_all().unwrap(), b[&name].flatten_all().unwrap());
        assert_eq!(a.dtype(), b.dtype());
        let difference =
            (a.to_dtype(DType::F64).unwrap() - b.to_dtype(DType::F64).unwrap()).unwrap();
        let largest = difference.abs().unwrap().max_all().unwrap().to_scalar::<f64>().unwrap();
        assert!(largest < 1e-6, "{name}: {largest}");
    }
}

#[test]
fn a_formula_of_other_slots_than_its_rule_names_is_found_before_the_first_step() {
    #[derive(Debug)]
    struct Forgotten;
    impl Rule for Forgotten {
        fn name(&self) -> &'static str {
            "forgotten"
        }
        fn learning_rate(&self) -> f64 {
            1.0
        }
        fn update<T: Real>(&self, _: &StepContext, chunk: Chunk<'_, T>) {
            chunk.each(|p, g, [m]| *p = g + *m);
        }
    }
    let error = Optimizer::new(vec![], Forgotten, &[]).unwrap_err().to_string();
    let expected = "forgotten: the formula takes 1 slots of state and the rule names 0; ";
    assert!(error.starts_with(expected), "{error}");
}

#[test]
fn the_number_of_threads_changes_no_bit() {
    // Large enough to be cut, and no multiple of the chunk or of a vector register.
    let n = 100_003;
    let steps = |rule: BoxedRule, threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| {
            let var = Var::from_vec(scattered(n, 1), (n, 1), &CPU).unwrap();
            let mut optimizer = Optimizer::new(vec![named("w", &var)], rule, &[]).unwrap();
            for seed in 0..3 {
                let gradient = Tensor::from_vec(scattered(n, seed + 7), (n, 1), &CPU).unwrap();
                optimizer.step(&store(&var, gradient), 0.01).unwrap();
            }
            values(&var).iter().map(|value| value.to_bits()).collect::<Vec<_>>()
        })
    };
    for rule in all_rules() {
        let one = steps(rule.clone(), 1);
        assert!(one == steps(rule.clone(), 2), "{rule:?} on 2 threads");
        assert!(one == steps(rule.clone(), 4), "{rule:?} on 4 threads");
    }
}

#[test]
fn a_large_parameter_in_chunks_equals_its_parts_one_by_one() {
    let n = 70_001;
    let rule = || Adadelta::keras_reference();
    let start = scattered(n, 3);
    let gradient = scattered(n, 4);
    let whole = Var::from_vec(start.clone(), n, &CPU).unwrap();
    let mut optimizer = Optimizer::new(vec![named("w", &whole)], rule(), &[]).unwrap();
    let grads = store(&whole, Tensor::from_vec(gradient.clone(), n, &CPU).unwrap());
    optimizer.step(&grads, 1.0).unwrap();
    let mut parts = vec![];
    for (start, gradient) in start.chunks(1000).zip(gradient.chunks(1000)) {
        let var = Var::from_slice(start, start.len(), &CPU).unwrap();
        let mut optimizer = Optimizer::new(vec![named("w", &var)], rule(), &[]).unwrap();
        let gradient = Tensor::from_slice(gradient, gradient.len(), &CPU).unwrap();
        optimizer.step(&store(&var, gradient), 1.0).unwrap();
        parts.extend(values(&var));
    }
    assert!(values(&whole) == parts);
}

#[test]
fn gradients_of_any_layout_and_dtype_are_taken() {
    let step = |gradient: &dyn Fn(&Var) -> Tensor| {
        let var = Var::from_vec(vec![1f32, 2., 3., 4., 5., 6.], (2, 3), &CPU).unwrap();
        let rule = Sgd::pytorch();
        let mut optimizer = Optimizer::new(vec![named("w", &var)], rule, &[]).unwrap();
        optimizer.step(&store(&var, gradient(&var)), 1.0).unwrap();
        values(&var)
    };
    let columns = Tensor::new(&[[1f32, 4.], [2., 5.], [3., 6.]], &CPU).unwrap();
    assert_eq!(step(&|_| columns.t().unwrap()), [0.0; 6]);
    let one = Tensor::ones((1, 1), DType::F32, &CPU).unwrap();
    assert_eq!(step(&|_| one.broadcast_as((2, 3)).unwrap()), [0., 1., 2., 3., 4., 5.]);
    let longer = Tensor::arange(0f32, 12., &CPU).unwrap().reshape((4, 3)).unwrap();
    assert_eq!(step(&|_| longer.narrow(0, 2, 2).unwrap()), [-5.0; 6]);
    let wide = columns.to_dtype(DType::F64).unwrap();
    assert_eq!(step(&|_| wide.t().unwrap()), [0.0; 6]);
    // The parameter itself as its gradient: reading and writing one allocation.
    assert_eq!(step(&|var| var.as_tensor().clone()), [0.0; 6]);
    assert_eq!(step(&|var| var.as_detached_tensor()), [0.0; 6]);
}

#[test]
fn half_precision_parameters_are_updated_by_way_of_f32() {
    for dtype in [DType::F16, DType::BF16] {
        let start = Tensor::new(&[[1f32, -2.0]], &CPU).unwrap().to_dtype(dtype).unwrap();
        let var = Var::from_tensor(&start).unwrap();
        let rule = Sgd { momentum: 0.5, ..Sgd::pytorch() };
        let mut optimizer = Optimizer::new(vec![named("w", &var)], rule, &[]).unwrap();
        let gradient = Tensor::ones((1, 2), dtype, &CPU).unwrap();
        optimizer.step(&store(&var, gradient), 0.5).unwrap();
        assert_eq!(var.dtype(), dtype);
        let found = var.to_dtype(DType::F32).unwrap().to_vec2::<f32>().unwrap();
        assert_eq!(found, [[0.5, -2.5]]);
        assert_eq!(optimizer.state().unwrap()["w/momentum_buffer"].dtype(), DType::F32);
    }
}

#[test]
fn a_parameter_without_a_gradient_stays_and_counts_its_own_steps() {
    let (a, b) = (Var::new(&[1f32], &CPU).unwrap(), Var::new(&[1f32], &CPU).unwrap());
    let params = vec![named("a", &a), named("b", &b)];
    let mut optimizer = Optimizer::new(params, Adam::pytorch(), &[]).unwrap();
    optimizer.step(&a.sum_all().unwrap().backward().unwrap(), 0.1).unwrap();
    assert_eq!(values(&b), [1.0]);
    let both = (a.sum_all().unwrap() + b.sum_all().unwrap()).unwrap();
    optimizer.step(&both.backward().unwrap(), 0.1).unwrap();
    // Adam's first step is the rate, when the step count is the parameter's own.
    assert!((values(&b)[0] - 0.9).abs() < 1e-6);
    let state = optimizer.state().unwrap();
    let count = |name: &str| state[name].to_scalar::<i64>().unwrap();
    assert_eq!((count("step"), count("a/step"), count("b/step")), (2, 2, 1));
}

#[test]
fn groups_have_their_own_rate_and_decay_and_biases_none() {
    let shapes: [(&str, &[usize]); 5] = [
        ("body.weight", &[1, 1]),
        ("body.bias", &[1]),
        ("head.weight", &[1, 1]),
        ("head.bias", &[1]),
        ("norm.weight", &[1]),
    ];
    let params = shapes
        .iter()
        .map(|(name, shape)| named(name, &Var::zeros(*shape, DType::F32, &CPU).unwrap()))
        .collect();
    let groups = [
        ParamGroup {
            parameters: vec!["head.weight".into(), "head.bias".into()],
            learning_rate_scale: 10.0,
            weight_decay: Some(0.5),
            ..ParamGroup::new("head")
        },
        ParamGroup {
            parameters: vec!["norm.weight".into(), "head.bias".into()],
            decay_biases: true,
            ..ParamGroup::new("norm")
        },
    ];
    let rule = AdamW { weight_decay: 0.1, ..AdamW::pytorch() };
    let optimizer = Optimizer::new(params, rule, &groups).unwrap();
    let found: Vec<_> = optimizer
        .assignments()
        .map(|a| (a.group.as_deref(), a.learning_rate_scale, a.weight_decay))
        .collect();
    let expected = [
        (None, 1.0, 0.1),
        (None, 1.0, 0.0),
        (Some("head"), 10.0, 0.5),
        (Some("head"), 10.0, 0.0),
        (Some("norm"), 1.0, 0.1),
    ];
    assert_eq!(found, expected);
}

#[test]
fn the_rate_of_a_group_scales_the_step() {
    let (a, b) = (Var::new(&[1f32], &CPU).unwrap(), Var::new(&[1f32], &CPU).unwrap());
    let group = ParamGroup {
        parameters: vec!["b".into()],
        learning_rate_scale: 4.0,
        ..ParamGroup::new("fast")
    };
    let params = vec![named("a", &a), named("b", &b)];
    let mut optimizer = Optimizer::new(params, Sgd::pytorch(), &[group]).unwrap();
    let loss = (a.sum_all().unwrap() + b.sum_all().unwrap()).unwrap();
    optimizer.step(&loss.backward().unwrap(), 0.125).unwrap();
    assert_eq!((values(&a), values(&b)), (vec![0.875], vec![0.5]));
}

#[test]
fn candles_trait_agrees_with_candles_own_adamw() {
    use candle_nn::Optimizer as _;
    let (ours, theirs) = (scattered(6, 1), scattered(6, 1));
    let ours = Var::from_vec(ours, (2, 3), &CPU).unwrap();
    let theirs = Var::from_vec(theirs, (2, 3), &CPU).unwrap();
    let ints = Var::zeros(2, DType::U32, &CPU).unwrap();
    let rule = AdamW::pytorch().into();
    let mut our_optimizer = CandleOptimizer::new(vec![ints, ours.clone()], rule).unwrap();
    assert_eq!(our_optimizer.learning_rate(), 1e-3);
    our_optimizer.set_learning_rate(0.05);
    let config = candle_nn::ParamsAdamW { lr: 0.05, ..Default::default() };
    let mut their_optimizer = candle_nn::AdamW::new(vec![theirs.clone()], config).unwrap();
    for _ in 0..5 {
        our_optimizer.backward_step(&ours.sqr().unwrap().sum_all().unwrap()).unwrap();
        their_optimizer.backward_step(&theirs.sqr().unwrap().sum_all().unwrap()).unwrap();
    }
    for (a, b) in values(&ours).iter().zip(values(&theirs)) {
        // The same formula in another order, five times.
        assert!((a - b).abs() < 1e-6, "{a} {b}");
    }
    // The integers are left out, and the float keeps its index.
    assert!(our_optimizer.inner.state().unwrap().contains_key("1/exp_avg"));
}

#[test]
fn what_cannot_be_optimized_is_one_clear_error() {
    let var = Var::new(&[[1f32]], &CPU).unwrap();
    let new = |params: Vec<(String, Var)>, groups: &[ParamGroup]| {
        Optimizer::new(params, Sgd::pytorch(), groups).unwrap_err().to_string()
    };
    let other = Var::new(&[[1f32]], &CPU).unwrap();
    assert_eq!(
        new(vec![named("w", &var), named("w", &other)], &[]),
        "parameter `w` is given twice; names must be unique"
    );
    assert_eq!(
        new(vec![named("a", &var), named("b", &var)], &[]),
        "parameters `a` and `b` are one variable, which would be updated twice; give it once"
    );
    assert_eq!(
        new(vec![named("n", &Var::zeros(1, DType::U32, &CPU).unwrap())], &[]),
        "parameter `n` has dtype U32, expected a floating-point dtype"
    );
    let one = || vec![named("w", &var)];
    let group = ParamGroup::new("g");
    assert_eq!(
        new(one(), &[group.clone(), group.clone()]),
        "parameter group `g` is given twice; names must be unique"
    );
    assert_eq!(
        new(one(), &[ParamGroup { parameters: vec!["x.w".into()], ..group.clone() }]),
        "parameter group `g`: `x.w` matches none of the parameters"
    );
    assert_eq!(
        new(one(), &[ParamGroup { learning_rate_scale: -1.0, ..group }]),
        "parameter group `g`: learning_rate_scale is -1, expected a finite number of 0 or more"
    );
}

#[test]
fn a_step_that_cannot_be_taken_is_one_clear_error_and_changes_nothing() {
    let (a, b) = (Var::new(&[[1f32]], &CPU).unwrap(), Var::new(&[[1f32]], &CPU).unwrap());
    let params = vec![named("a", &a), named("b", &b)];
    let mut optimizer = Optimizer::new(params, Sgd::pytorch(), &[]).unwrap();
    let good = (&*a + &*b).unwrap().sum_all().unwrap().backward().unwrap();
    let mut bad = (&*a + &*b).unwrap().sum_all().unwrap().backward().unwrap();
    bad.insert(&b, Tensor::zeros((2, 1), DType::F32, &CPU).unwrap());
    let stranger = Var::new(1f32, &CPU).unwrap().sqr().unwrap().backward().unwrap();
    let with_momentum = StepRates { learning_rate: 0.1, momentum: Some(0.9) };
    let error = |result: Result<(), OptimizerError>| result.unwrap_err().to_string();
    assert_eq!(
        error(optimizer.step(&bad, 0.1)),
        "gradient of `b` has shape [2, 1], expected [1, 1]"
    );
    assert_eq!(
        error(optimizer.step(&good, f64::NAN)),
        "sgd: learning_rate is NaN, expected a finite number of 0 or more"
    );
    assert_eq!(
        error(optimizer.step_at(&good, with_momentum)),
        "sgd: momentum 0.9 was given for this step, but the rule is set up without momentum; give \
         it one above 0, or switch momentum cycling off in the schedule"
    );
    assert_eq!(
        error(optimizer.step(&stranger, 0.1)),
        "none of the 2 parameters has a gradient; is the loss computed from them, and was backward \
         called on it?"
    );
    assert_eq!((values(&a), values(&b), optimizer.steps()), (vec![1.0], vec![1.0], 0));
    assert_eq!(optimizer.rule.name(), "sgd");
    // In a function of candle's, the message stays.
    let candle: candle_core::Error = optimizer.step(&bad, 0.1).unwrap_err().into();
    assert!(candle.to_string().contains("gradient of `b`"));
}

#[test]
fn all_gradients_zero_leave_a_fresh_optimizer_in_place() {
    for rule in all_rules() {
        let var = Var::new(&[[1f32, -2.0]], &CPU).unwrap();
        let group = ParamGroup {
            parameters: vec!["w".into()],
            weight_decay: Some(0.0),
            ..ParamGroup::new("all")
        };
        let mut optimizer = Optimizer::new(vec![named("w", &var)], rule.clone(), &[group]).unwrap();
        let zeros = var.zeros_like().unwrap();
        optimizer.step(&store(&var, zeros), rule.learning_rate()).unwrap();
        assert_eq!(values(&var), [1.0, -2.0], "{rule:?}");
    }
}
