//! A rule's formula over tensors: the rule runs once over symbols, and what it did to them is done
//! to tensors.

use std::sync::atomic::AtomicUsize;

use candle_core::{Result, Tensor, bail};

use crate::error::OptimizerError;
use crate::rule::{AnyRule, Chunk, StepContext};
use crate::symbol::{Binary, Operand, Operation, Tape};

/// The new parameter, followed by the new state, by the rule's formula.
pub(crate) fn evaluate(
    rule: &dyn AnyRule,
    step: &StepContext,
    parameter: Tensor,
    gradient: Tensor,
    state: Vec<Tensor>,
) -> Result<Vec<Tensor>> {
    let given: Vec<Tensor> = [parameter, gradient].into_iter().chain(state).collect();
    Formula::of(rule, step)?.evaluate(&given)
}

/// Runs the formula once, so that one that does not fit its slots is found before the first step.
pub(crate) fn check(rule: &dyn AnyRule) -> std::result::Result<(), OptimizerError> {
    let step = StepContext { learning_rate: 0.0, weight_decay: 0.0, momentum: None, step: 1 };
    Formula::of(rule, &step).map(|_| ())
}

/// How the new parameter and state come from the old ones and the gradient.
struct Formula {
    operations: Vec<Operation>,
    /// The new parameter, then the new state.
    results: Vec<Operand>,
}

impl Formula {
    fn of(rule: &dyn AnyRule, step: &StepContext) -> std::result::Result<Self, OptimizerError> {
        let tape = Tape::default();
        let (mut parameter, gradient) = ([tape.given(0)], [tape.given(1)]);
        let slots = rule.slots().len();
        let taken = AtomicUsize::new(slots);
        let mut state: Vec<_> = (2..2 + slots).map(|place| [tape.given(place)]).collect();
        let chunk = Chunk {
            parameter: &mut parameter,
            gradient: &gradient,
            state: state.iter_mut().map(|slot| slot.as_mut_slice()).collect(),
            taken: Some(&taken),
        };
        rule.update_symbols(step, chunk);
        let taken = taken.into_inner();
        if taken != slots {
            return Err(OptimizerError::Slots { rule: rule.name(), slots, taken });
        }
        let results = parameter.iter().chain(state.iter().flatten());
        let results = results.map(|symbol| symbol.operand()).collect();
        Ok(Self { operations: tape.into_operations(), results })
    }

    /// The last operation that needs each one's value; its own place where none does.
    fn last_uses(&self) -> Vec<usize> {
        let mut last: Vec<usize> = (0..self.operations.len()).collect();
        let mut note = |operand: Operand, place: usize| {
            if let Operand::Value(at) = operand {
                last[at] = place;
            }
        };
        for (place, operation) in self.operations.iter().enumerate() {
            match *operation {
                Operation::Given(_) => {}
                Operation::Unary(_, at) => note(Operand::Value(at), place),
                Operation::Binary(_, a, b) => {
                    [a, b].into_iter().for_each(|operand| note(operand, place))
                }
            }
        }
        self.results.iter().for_each(|&result| note(result, usize::MAX));
        last
    }

    fn evaluate(&self, given: &[Tensor]) -> Result<Vec<Tensor>> {
        let last = self.last_uses();
        let mut tensors: Vec<Option<Tensor>> = Vec::with_capacity(self.operations.len());
        for (place, operation) in self.operations.iter().enumerate() {
            let value = |operand| Value::of(operand, &tensors);
            let found = match *operation {
                Operation::Given(which) => given[which].clone(),
                Operation::Unary(function, at) => function(&tensor(&tensors, at)?)?,
                Operation::Binary(binary, a, b) => value(a)?.binary(binary, value(b)?)?,
            };
            tensors.push(Some(found));
            // Large tensors are freed as soon as no later operation needs them.
            for (tensor, _) in tensors.iter_mut().zip(&last).filter(|(_, last)| **last == place) {
                *tensor = None;
            }
        }
        let result = |&operand: &Operand| Value::of(operand, &tensors)?.like(&given[0]);
        self.results.iter().map(result).collect()
    }
}

fn tensor(tensors: &[Option<Tensor>], at: usize) -> Result<Tensor> {
    match &tensors[at] {
        Some(tensor) => Ok(tensor.clone()),
        None => bail!("a value of the rule's formula is gone"),
    }
}

/// A number stays one until it meets a tensor.
enum Value {
    Number(f64),
    Tensor(Tensor),
}

impl Value {
    fn of(operand: Operand, tensors: &[Option<Tensor>]) -> Result<Self> {
        match operand {
            Operand::Number(number) => Ok(Self::Number(number)),
            Operand::Value(at) => Ok(Self::Tensor(tensor(tensors, at)?)),
        }
    }

    /// The tensor; a number in the shape of `other`.
    fn like(self, other: &Tensor) -> Result<Tensor> {
        match self {
            Self::Number(number) => other.zeros_like()?.affine(1.0, number),
            Self::Tensor(tensor) => Ok(tensor),
        }
    }

    fn binary(self, operation: Binary, other: Self) -> Result<Tensor> {
        use Binary::{Add, Div, Max, Min, Mul, Sub};
        use Value::{Number, Tensor};
        match (operation, self, other) {
            (_, Number(_), Number(_)) => bail!("an operation on numbers was recorded"),
            (Mul, Number(factor), Tensor(x)) | (Mul, Tensor(x), Number(factor)) => {
                affine(x, factor, 0.0)
            }
            (Add, Number(term), Tensor(x)) | (Add, Tensor(x), Number(term)) => affine(x, 1.0, term),
            (Sub, Tensor(x), Number(term)) => affine(x, 1.0, -term),
            (Sub, Number(term), Tensor(x)) => affine(x, -1.0, term),
            (Div, Tensor(x), Number(divisor)) => affine(x, 1.0 / divisor, 0.0),
            (Div, Number(dividend), Tensor(x)) => affine(x.recip()?, dividend, 0.0),
            (Add, Tensor(a), Tensor(b)) => a + b,
            (Sub, Tensor(a), Tensor(b)) => a - b,
            (Mul, Tensor(a), Tensor(b)) => a * b,
            (Div, Tensor(a), Tensor(b)) => a / b,
            // As with numbers: the second where either is NaN.
            (Max | Min, a, b) => {
                let ((Tensor(like), _) | (_, Tensor(like))) = (&a, &b) else {
                    bail!("an operation on numbers was recorded")
                };
                let like = like.clone();
                let (a, b) = (a.like(&like)?, b.like(&like)?);
                if let Max = operation { a.gt(&b) } else { a.lt(&b) }?.where_cond(&a, &b)
            }
        }
    }
}

fn affine(x: Tensor, factor: f64, term: f64) -> Result<Tensor> {
    if factor == 1.0 && term == 0.0 { Ok(x) } else { x.affine(factor, term) }
}
