use super::{
    apply_op1, apply_op2, backward, collect_gradient, table, with_gradient, without_gradients,
};
use crate::check::normal;
use crate::{add, gelu, linear, relu};
use candle_core::{
    CpuStorage, CustomOp1, CustomOp2, DType, Layout, Result, Shape, Tensor, Var,
    backprop::GradStore, bail,
};
use rayon::prelude::*;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};

fn var(seed: u64, shape: &[usize]) -> Var {
    Var::from_tensor(&normal(seed, shape)).unwrap()
}

fn numbers(store: &GradStore, var: &Var) -> Vec<f64> {
    store.get(var).unwrap().flatten_all().unwrap().to_vec1().unwrap()
}

/// The same tensor, as an operation of candle: its gradient goes by the tape.
fn by_tape(x: &Tensor) -> Result<Tensor> {
    x.affine(1., 0.)
}

#[test]
fn gradients_are_those_of_the_tape_whoever_stands_between() {
    let (x, w, v) = (var(1, &[5, 4]), var(2, &[4, 4]), var(3, &[4, 4]));
    // Results that are used twice, once, by candle's operations, by both, and as a view.
    let net = |between: &dyn Fn(&Tensor) -> Result<Tensor>| -> Result<Tensor> {
        let a = between(&linear(&x, &w, None)?)?;
        let b = between(&gelu(&a)?)?;
        let c = between(&add(&linear(&b, &v, None)?, &a)?)?;
        let d = (between(&relu(&c)?)? * &c)?;
        let e = between(&add(&linear(&d, &w, None)?, &d)?)?;
        between(&gelu(&e.t()?)?)?.narrow(0, 1, 2)?.sqr()?.sum_all()
    };
    let handed_on = net(&|x| Ok(x.clone())).unwrap();
    let expected = net(&by_tape).unwrap().backward().unwrap();
    // Once more on the same tape: nothing is left over from the first time.
    for _ in 0..2 {
        let found = handed_on.backward().unwrap();
        let collected = backward(&handed_on).unwrap();
        for var in [&x, &w, &v] {
            assert_eq!(numbers(&found, var), numbers(&collected, var));
            let (found, expected) = (numbers(&found, var), numbers(&expected, var));
            for (a, b) in found.iter().zip(&expected) {
                assert!((a - b).abs() <= 1e-12 * b.abs().max(1.), "{a} for {b}");
            }
        }
    }
}

#[test]
fn a_result_whose_gradient_nobody_gives_has_none() {
    let (x, w) = (var(1, &[3, 4]), var(2, &[4, 4]));
    let ignored = relu(&linear(&x, &w, None).unwrap()).unwrap();
    let y = apply_op2(&relu(&x).unwrap(), &ignored, First).unwrap();
    let store = y.backward().unwrap();
    assert!(numbers(&store, &x).contains(&1.));
    assert!(numbers(&store, &w).iter().all(|g| *g == 0.));
}

#[test]
fn entries_go_with_their_results() {
    let (x, w) = (var(1, &[3, 4]), var(2, &[4, 4]));
    let a = linear(&x, &w, None).unwrap();
    let b = relu(&a).unwrap();
    let ids = [a.id(), b.id()];
    drop(a);
    // What came after holds it for its own gradient.
    assert!(ids.iter().all(|id| table::find(*id).is_some()));
    drop(b);
    assert!(ids.iter().all(|id| table::find(*id).is_none()));

    // Without variables there is nothing to pass on.
    let y = relu(&linear(&x.detach(), &w.as_detached_tensor(), None).unwrap()).unwrap();
    assert!(table::find(y.id()).is_none() && !y.track_op());
}

#[test]
fn long_chains_come_and_go() {
    let x = var(1, &[2, 2]);
    let mut y = x.as_tensor().clone();
    for _ in 0..1000 {
        y = relu(&y).unwrap();
    }
    let store = y.backward().unwrap();
    drop(y);
    let positive = x.gt(0f64).unwrap().to_dtype(DType::F64).unwrap();
    assert_eq!(numbers(&store, &x), positive.flatten_all().unwrap().to_vec1::<f64>().unwrap());
}

#[test]
fn an_operation_that_fails_says_why() {
    let error = apply_op2(&var(1, &[2]), &var(1, &[3]), First).unwrap_err().to_string();
    assert!(error.contains("not today"), "{error}");
}

#[test]
fn a_pass_that_fails_leaves_nothing_to_the_next() {
    let x = var(1, &[8]);
    for case in 0..8 {
        let [panics, failing_first, of_candle] = [1, 2, 4].map(|bit| case & bit > 0);
        // Two losses that share a part.
        let losses = |fails: bool| -> Result<[Tensor; 2]> {
            let op = FailsOnce { fails: AtomicBool::new(fails), panics };
            let (a, b) = (relu(&x)?, relu(&x)?);
            let b = if of_candle { b.apply_op1(op) } else { apply_op1(&b, op) }?;
            let c = if failing_first { add(&b, &a) } else { add(&a, &b) }?;
            Ok([relu(&c)?.sum_all()?, relu(&add(&a, &a)?)?.sum_all()?])
        };
        for (pass, which) in [backward, Tensor::backward].into_iter().flat_map(|p| [(p, 0), (p, 1)])
        {
            let expected = pass(&losses(false).unwrap()[which]).unwrap();
            assert!(numbers(&expected, &x).iter().any(|g| *g > 0.));
            let losses = losses(true).unwrap();
            let failed = catch_unwind(AssertUnwindSafe(|| pass(&losses[0])));
            assert!(failed.map_or(true, |result| result.is_err()));
            let found = pass(&losses[which]).unwrap();
            assert_eq!(numbers(&found, &x), numbers(&expected, &x), "case {case}, loss {which}");
        }
    }
}

/// Its argument; the first backward pass fails.
struct FailsOnce {
    fails: AtomicBool,
    panics: bool,
}

impl CustomOp1 for FailsOnce {
    fn name(&self) -> &'static str {
        "fails once"
    }

    fn cpu_fwd(&self, x: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        Ok((x.clone(), layout.shape().clone()))
    }

    fn bwd(&self, _: &Tensor, _: &Tensor, gradient: &Tensor) -> Result<Option<Tensor>> {
        if self.fails.swap(false, Ordering::Relaxed) {
            assert!(!self.panics, "not today");
            bail!("not today")
        }
        Ok(Some(gradient.clone()))
    }
}

/// Its first argument. It gives the second no gradient.
struct First;

impl CustomOp2 for First {
    fn name(&self) -> &'static str {
        "first"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        x_layout: &Layout,
        _: &CpuStorage,
        y_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        if x_layout.shape() != y_layout.shape() {
            bail!("not today")
        }
        Ok((x.clone(), x_layout.shape().clone()))
    }

    fn bwd(
        &self,
        _: &Tensor,
        _: &Tensor,
        _: &Tensor,
        gradient: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>)> {
        Ok((Some(gradient.clone()), None))
    }
}

/// `x` times a variable that the tape does not know of.
struct Scaled(Var);

impl CustomOp1 for Scaled {
    fn name(&self) -> &'static str {
        "scaled"
    }

    fn cpu_fwd(&self, x: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let CpuStorage::F64(x) = x else { bail!("not today") };
        let scale = self.0.to_scalar::<f64>()?;
        Ok((CpuStorage::F64(x.iter().map(|x| x * scale).collect()), layout.shape().clone()))
    }

    fn bwd(&self, x: &Tensor, _: &Tensor, gradient: &Tensor) -> Result<Option<Tensor>> {
        let of_scale = (x.detach() * gradient)?.sum_all()?;
        // Another pass within this one keeps to itself.
        let inner = backward(&relu(&self.0)?)?;
        assert!(inner.get(&self.0).is_some());
        if !collect_gradient(self.0.id(), of_scale)? {
            bail!("no backward pass collects")
        }
        gradient.broadcast_mul(&self.0.as_detached_tensor()).map(Some)
    }
}

#[test]
fn an_operation_hands_gradients_of_variables_that_are_not_its_inputs_to_the_pass_that_called_it() {
    let (x, scale) = (var(1, &[8]), Var::new(2f64, &candle_core::Device::Cpu).unwrap());
    let twice = || apply_op1(&apply_op1(&relu(&x)?, Scaled(scale.clone()))?, Scaled(scale.clone()));
    let loss = twice().unwrap().sum_all().unwrap();
    let store = backward(&loss).unwrap();
    let positive: f64 = numbers_of(&x).into_iter().filter(|x| *x > 0.).sum();
    assert!(positive > 0.);
    // Of x s^2: 2 x s.
    assert!((store.get(&scale).unwrap().to_scalar::<f64>().unwrap() - 4. * positive).abs() < 1e-12);
    assert!(numbers(&store, &x).iter().all(|g| [0., 4.].contains(g)));
    let error = loss.backward().unwrap_err().to_string();
    assert!(error.contains("no backward pass collects"), "{error}");
}

fn numbers_of(x: &Tensor) -> Vec<f64> {
    x.flatten_all().unwrap().to_vec1().unwrap()
}

#[test]
fn without_gradients_nothing_is_kept_and_the_gradients_come_back_after_a_panic() {
    let (x, w) = (var(1, &[5, 4]), var(2, &[4, 4]));
    let net = || gelu(&linear(&x, &w, None).unwrap()).unwrap();
    let expected = net();
    let found = without_gradients(|| {
        let first = apply_op2(&without_gradients(net), &expected, First).unwrap();
        assert!(!first.track_op() && !by_tape(&first).unwrap().track_op());
        with_gradient([&x], net(), |_, _| bail!("asked for a gradient")).unwrap()
    });
    assert!(!found.track_op() && table::find(found.id()).is_none() && expected.track_op());
    assert_eq!(found.to_vec2::<f64>().unwrap(), expected.to_vec2::<f64>().unwrap());
    let caught = catch_unwind(AssertUnwindSafe(|| without_gradients(|| panic!("inner"))));
    assert!(caught.is_err() && net().track_op());
}

#[test]
fn gradients_of_one_graph_may_be_asked_for_on_several_threads_at_once() {
    let (x, w) = (var(1, &[32, 64]), var(2, &[64, 64]));
    // Results that are used more than once, by ours and by candle's operations.
    let hidden = gelu(&linear(&x, &w, None).unwrap()).unwrap();
    let mixed = add(&relu(&hidden).unwrap(), &hidden.matmul(&w).unwrap()).unwrap();
    let losses =
        [mixed.sqr().unwrap().sum_all().unwrap(), gelu(&mixed).unwrap().sum_all().unwrap()];
    let found = |store: &GradStore| (numbers(store, &x), numbers(store, &w));
    let expected = losses.each_ref().map(|loss| found(&loss.backward().unwrap()));
    std::thread::scope(|scope| {
        for thread in 0..8 {
            let (losses, expected, found) = (&losses, &expected, &found);
            scope.spawn(move || {
                for turn in 0..40 {
                    let which = (thread + turn) % 2;
                    let store = match thread < 4 {
                        true => losses[which].backward(),
                        false => backward(&losses[which]),
                    };
                    let (a, b) = found(&store.unwrap());
                    let (c, d) = &expected[which];
                    for (found, expected) in a.iter().zip(c).chain(b.iter().zip(d)) {
                        // The two ways add in another order.
                        let close = (found - expected).abs() <= 1e-9 * (1. + expected.abs());
                        assert!(close, "thread {thread}: {found} {expected}");
                    }
                }
            });
        }
    });
    // In a pool, a thread that waits for others within a pass may begin another.
    let pool = rayon::ThreadPoolBuilder::new().num_threads(3).build().unwrap();
    let stores: Vec<_> = pool.install(|| {
        (0..48).into_par_iter().map(|turn| backward(&losses[turn % 2]).unwrap()).collect()
    });
    for (turn, store) in stores.iter().enumerate() {
        let (a, _) = found(store);
        for (found, expected) in a.iter().zip(&expected[turn % 2].0) {
            assert!((found - expected).abs() <= 1e-9 * (1. + expected.abs()), "{found} {expected}");
        }
    }
}
