use candle_core::DType;

use super::*;

fn weight(values: &[f32]) -> (Var, Vec<(String, Var)>) {
    let var = Var::new(values, &Device::Cpu).unwrap();
    (var.clone(), vec![("w".to_string(), var)])
}

fn set(var: &Var, values: &[f32]) {
    var.set(&Tensor::new(values, &Device::Cpu).unwrap()).unwrap();
}

fn get(var: &Var) -> Vec<f32> {
    var.to_vec1().unwrap()
}

#[test]
fn a_moving_average_follows_its_formula() {
    let (var, params) = weight(&[0.0]);
    let config = AverageConfig::Ema { decay: 0.9, warmup: false };
    let mut average = Average::new(params, config).unwrap();
    let mut expected = 0.0;
    for (step, value) in [1.0f32, 2.0, 5.0, -3.0].into_iter().enumerate() {
        set(&var, &[value]);
        average.update(step as u64, 4).unwrap();
        expected = if step == 0 { value } else { 0.9 * expected + 0.1 * value };
    }
    average.swap().unwrap();
    // f32 arithmetic in another order of operations.
    assert!((get(&var)[0] - expected).abs() < 1e-6, "{} {expected}", get(&var)[0]);
}

#[test]
fn an_average_in_tensors_is_that_in_numbers() {
    let run = |in_tensors: bool| {
        let (var, params) = weight(&[0.0, 3.0]);
        let ema = AverageConfig::Ema { decay: 0.9, warmup: true };
        let mut average = Average::new(params, ema).unwrap();
        if in_tensors {
            average.entries[0].mean = Buffers::on_device(&[Slot::zero("average")], &var).unwrap();
        }
        for step in 0..4u8 {
            set(&var, &[f32::from(step), -0.5]);
            average.update(u64::from(step), 10).unwrap();
        }
        let state = average.state().unwrap();
        average.load_state(&state).unwrap();
        average.swap().unwrap();
        let averaged = get(&var);
        average.swap().unwrap();
        (averaged, get(&var), state["w/average"].to_vec1::<f32>().unwrap())
    };
    let (numbers, tensors) = (run(false), run(true));
    assert_eq!(tensors.1, [3.0, -0.5]);
    assert_eq!(tensors.0, tensors.2);
    for (a, b) in numbers.0.iter().zip(&tensors.0) {
        assert!((a - b).abs() < 1e-6, "{a} {b}");
    }
}

#[test]
fn with_a_warm_up_the_first_weights_are_soon_forgotten() {
    let run = |warmup| {
        let (var, params) = weight(&[100.0]);
        let config = AverageConfig::Ema { decay: 0.999, warmup };
        let mut average = Average::new(params, config).unwrap();
        average.update(0, 50).unwrap();
        set(&var, &[0.0]);
        for step in 1..50 {
            average.update(step, 50).unwrap();
        }
        average.swap().unwrap();
        get(&var)[0]
    };
    assert!(run(true) < 1e-3, "{}", run(true));
    assert!(run(false) > 90.0, "{}", run(false));
}

#[test]
fn before_its_start_stochastic_weight_averaging_leaves_the_weights_alone() {
    let (var, params) = weight(&[1.0]);
    let config = AverageConfig::Swa { start: 0.5, every: 2 };
    let mut average = Average::new(params, config).unwrap();
    for step in 0..10u64 {
        set(&var, &[step as f32]);
        average.update(step, 10).unwrap();
        average.swap().unwrap();
        // From step 5 on every second: 5, then (5 + 7) / 2, then (5 + 7 + 9) / 3.
        let expected = [0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 5.0, 6.0, 6.0, 7.0][step as usize];
        assert_eq!(get(&var), [expected], "step {step}");
        average.swap().unwrap();
        assert_eq!(get(&var), [step as f32]);
    }
}

#[test]
fn a_restored_average_goes_on_with_the_same_bits() {
    let values: Vec<f32> = (0..100_000).map(|i| (i as f32).sin()).collect();
    for config in [
        AverageConfig::Ema { decay: 0.99, warmup: true },
        AverageConfig::Swa { start: 0.1, every: 3 },
    ] {
        let run = |restored_at: Option<u64>| {
            let (var, params) = weight(&values);
            let mut average = Average::new(params.clone(), config).unwrap();
            for step in 0..20u64 {
                if restored_at == Some(step) {
                    let state = average.state().unwrap();
                    average = Average::new(params.clone(), config).unwrap();
                    average.load_state(&state).unwrap();
                }
                let next: Vec<f32> = get(&var).iter().map(|v| v * 1.01 - 0.003).collect();
                set(&var, &next);
                average.update(step, 20).unwrap();
            }
            average.swap().unwrap();
            get(&var)
        };
        assert!(run(None) == run(Some(11)), "{config:?}");
    }
}

#[test]
fn a_state_that_does_not_fit_is_refused_with_every_fault() {
    let (_, params) = weight(&[0.0, 0.0]);
    let config = AverageConfig::Ema { decay: 0.9, warmup: true };
    let mut average = Average::new(params, config).unwrap();
    let mut state = average.state().unwrap();
    let other = Tensor::zeros(3, DType::F32, &Device::Cpu).unwrap();
    state.insert("w/average".to_string(), other.clone());
    state.insert("v/average".to_string(), other);
    state.remove("step");
    let message = average.load_state(&state).unwrap_err().to_string();
    assert_eq!(
        message,
        "optimizer state does not fit (3 faults): `w/average` has shape [3], expected [2]; `step` is \
         missing; `v/average` is not part of this optimizer's state"
    );
}

#[test]
fn settings_outside_their_range_are_an_error() {
    let message = |config: AverageConfig| config.validate().unwrap_err().to_string();
    assert_eq!(
        message(AverageConfig::Ema { decay: 1.0, warmup: true }),
        "moving average: decay is 1, expected a number from 0 to below 1"
    );
    assert_eq!(
        message(AverageConfig::Swa { start: 0.5, every: 0 }),
        "stochastic weight averaging: every is 0, expected 1 or more"
    );
}
