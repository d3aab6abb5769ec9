//! Rules that look at a parameter as a whole.

use candle_core::{DType, Tensor, Var};

use super::{CPU, named, store};
use crate::{Chunk, Optimizer, Real, Rule, Slot, StepContext, WholeUpdate};

/// Moves a matrix against its gradient's mean, kept in a slot; anything else by its formula, against the gradient.
#[derive(Debug)]
struct AgainstTheMean;

impl Rule for AgainstTheMean {
    fn name(&self) -> &'static str {
        "against-the-mean"
    }

    fn learning_rate(&self) -> f64 {
        1.0
    }

    fn slots(&self) -> Vec<Slot> {
        vec![Slot::zero("mean")]
    }

    fn update<T: Real>(&self, step: &StepContext, chunk: Chunk<'_, T>) {
        chunk.each(|p, g, [_]| *p = *p - T::of(step.learning_rate) * g);
    }

    fn as_whole(&self, dims: &[usize]) -> Option<&dyn WholeUpdate> {
        (dims.len() == 2).then_some(self)
    }
}

impl WholeUpdate for AgainstTheMean {
    fn update(
        &self,
        step: &StepContext,
        parameter: &Tensor,
        gradient: &Tensor,
        state: &[Tensor],
    ) -> candle_core::Result<(Tensor, Vec<Tensor>)> {
        let mean = (&state[0] + gradient.mean_all()?.broadcast_as(parameter.shape())?)?;
        Ok(((parameter - (&mean * step.learning_rate)?)?, vec![mean]))
    }
}

#[test]
fn a_rule_may_look_at_a_parameter_as_a_whole_and_at_others_element_by_element() {
    for dtype in [DType::F32, DType::F64, DType::BF16] {
        let tensor = |values: &[f64], shape: &[usize]| {
            Tensor::new(values, &CPU).unwrap().reshape(shape).unwrap().to_dtype(dtype).unwrap()
        };
        let matrix = Var::from_tensor(&tensor(&[0.0, 0.0, 0.0, 0.0], &[2, 2])).unwrap();
        let bias = Var::from_tensor(&tensor(&[0.0, 0.0], &[2])).unwrap();
        let params = || vec![named("m", &matrix), named("b", &bias)];
        let mut optimizer = Optimizer::new(params(), AgainstTheMean, &[]).unwrap();
        for step in 0..2 {
            if step == 1 {
                let state = optimizer.state().unwrap();
                optimizer = Optimizer::new(params(), AgainstTheMean, &[]).unwrap();
                optimizer.load_state(&state).unwrap();
            }
            let mut grads = store(&matrix, tensor(&[1.0, 2.0, 3.0, 6.0], &[2, 2]));
            grads.insert(&bias, tensor(&[1.0, 2.0], &[2]));
            optimizer.step(&grads, 1.0).unwrap();
        }
        let values = |var: &Var| {
            let flat = var.flatten_all().unwrap().to_dtype(DType::F64).unwrap();
            flat.to_vec1::<f64>().unwrap()
        };
        // The mean is 3; the slot holds 3, then 6.
        assert_eq!(
            (values(&matrix), values(&bias)),
            (vec![-9.0; 4], vec![-2.0, -4.0]),
            "{dtype:?}"
        );
    }
}
