use proptest::prelude::*;

use std::sync::Arc;

use super::{
    Anneal, ConstantRate, CosineDecay, ExponentialDecay, LinearDecay, MomentumCycle, OneCycle,
    Schedule, ScheduleKind, StepDecay,
};

/// A kind behind a pointer.
fn any_kind(kind: impl ScheduleKind + 'static) -> Arc<dyn ScheduleKind> {
    Arc::new(kind)
}

fn kind() -> impl Strategy<Value = Arc<dyn ScheduleKind>> {
    let anneal = prop_oneof![Just(Anneal::Cosine), Just(Anneal::Linear)];
    let one_cycle = (0.0..=0.5, anneal, any::<bool>()).prop_map(|(rise, anneal, three_phases)| {
        let momentum = Some(MomentumCycle::default());
        OneCycle { rise, anneal, three_phases, momentum, ..OneCycle::pytorch() }
    });
    prop_oneof![
        Just(any_kind(ConstantRate {})),
        (0.0..1.0).prop_map(|final_scale| any_kind(LinearDecay { final_scale })),
        (0.0..1.0).prop_map(|final_scale| any_kind(CosineDecay { final_scale })),
        (1..50u64, 0.1..1.0).prop_map(|(every, factor)| any_kind(StepDecay { every, factor })),
        (1..50u64, 0.1..1.0)
            .prop_map(|(every, factor)| any_kind(ExponentialDecay { every, factor })),
        one_cycle.prop_map(any_kind),
    ]
}

proptest! {
    /// Whatever the step, also past the end, and however short the run.
    #[test]
    fn the_rate_stays_between_zero_and_the_base(
        kind in kind(), warmup_steps in 0..30u64, step in 0..200u64, total in 0..100u64,
    ) {
        let schedule = Schedule { kind, warmup_steps, ..Schedule::default() };
        schedule.validate().unwrap();
        let rates = schedule.rates(0.5, step, total);
        let rate = rates.learning_rate;
        prop_assert!((0.0..=0.5 * (1.0 + 1e-12)).contains(&rate), "{rate}");
        if let Some(momentum) = rates.momentum {
            prop_assert!((0.85 - 1e-12..=0.95 + 1e-12).contains(&momentum), "{momentum}");
        }
    }

    #[test]
    fn the_rate_stays_where_the_run_ends(kind in kind(), total in 2..100u64, more in 1..50u64) {
        let schedule = Schedule { kind, ..Schedule::default() };
        let at = |step| schedule.learning_rate(1.0, step, total);
        prop_assert_eq!(at(total), at(total + more));
    }
}

#[test]
fn a_warm_up_rises_in_a_line_to_where_the_schedule_starts() {
    let constant = Schedule { warmup_steps: 4, warmup_start: 0.0, ..Schedule::constant() };
    let rates: Vec<_> = (0..6).map(|step| constant.learning_rate(1.0, step, 10)).collect();
    assert_eq!(rates, [0.0, 0.25, 0.5, 0.75, 1.0, 1.0]);
    let one_cycle = Schedule { warmup_steps: 4, warmup_start: 0.0, ..Schedule::one_cycle() };
    assert_eq!(one_cycle.learning_rate(1.0, 2, 10), 0.5 / 25.0);
}

#[test]
fn a_one_cycle_that_rises_in_one_step_starts_at_the_base_rate() {
    // PyTorch divides by zero here.
    let schedule = Schedule::of(OneCycle { rise: 0.1, ..OneCycle::pytorch() });
    assert_eq!(schedule.learning_rate(2.0, 0, 10), 2.0);
}

#[test]
fn a_field_out_of_range_is_one_clear_error() {
    let bad_momentum = Some(MomentumCycle { low: 0.5, high: 1.0 });
    for (schedule, message) in [
        (
            Schedule { warmup_start: 2.0, ..Schedule::default() },
            "schedule: warmup_start is 2, expected a number from 0 to 1",
        ),
        (Schedule::step(0, 0.5), "step schedule: every is 0, expected 1 or more"),
        (
            Schedule::exponential(0.0),
            "exponential schedule: factor is 0, expected a finite number above 0",
        ),
        (
            Schedule::cosine(-0.5),
            "cosine schedule: final_scale is -0.5, expected a finite number of 0 or more",
        ),
        (
            Schedule::linear(f64::INFINITY),
            "linear schedule: final_scale is inf, expected a finite number of 0 or more",
        ),
        (
            Schedule::of(OneCycle { rise: 0.6, three_phases: true, ..OneCycle::pytorch() }),
            "one-cycle schedule: rise is 0.6, expected a number from 0 to 0.5 with three_phases",
        ),
        (
            Schedule::of(OneCycle { momentum: bad_momentum, ..OneCycle::pytorch() }),
            "one-cycle schedule: momentum.high is 1, expected a number from 0 to below 1",
        ),
    ] {
        assert_eq!(schedule.validate().unwrap_err().to_string(), message);
    }
}

#[test]
fn a_warm_up_may_be_a_part_of_the_run() {
    let part = Schedule { warmup_ratio: 0.1, ..Schedule::cosine(0.0) };
    let steps = Schedule { warmup_steps: 7, ..Schedule::cosine(0.0) };
    for step in 0..80 {
        assert_eq!(part.learning_rate(1.0, step, 75), steps.learning_rate(1.0, step, 75));
    }
    assert_eq!(part.learning_rate(1.0, 0, 9), 1.0);
    let error = Schedule { warmup_ratio: 1.5, ..part }.validate().unwrap_err().to_string();
    assert!(error.contains("warmup_ratio"), "{error}");
}
