//! A rule's formula over tensors: the rule runs once over symbols, and what it did to them is done to tensors.
//!
//! That is how one formula serves a CPU, where it is a loop over numbers, and every other device, where it is a
//! handful of tensor operations.

use crate::Real;
use crate::rule::{Piece, Rule, Update};
use candle_core::{Result, Tensor};
use std::cell::RefCell;
use std::ops::{Add, Div, Mul, Sub};

/// An element of a parameter that has no value yet: arithmetic with it is noted down.
///
/// A rule gets it in [`Rule::formula`], as it gets numbers in [`Rule::update_f32`].
#[derive(Clone, Copy, Debug)]
pub struct Symbol(usize);

/// How a symbol came about.
#[derive(Clone, Copy)]
enum Term {
    /// The parameter, the gradient or a slot of the state, by its place.
    Given(usize),
    Number(f64),
    Binary(Operation, usize, usize),
    Root(usize),
}

#[derive(Clone, Copy)]
enum Operation {
    Add,
    Sub,
    Mul,
    Div,
    Larger,
}

thread_local! {
    static TERMS: RefCell<Vec<Term>> = const { RefCell::new(Vec::new()) };
}

impl Symbol {
    fn of(term: Term) -> Self {
        TERMS.with_borrow_mut(|terms| {
            terms.push(term);
            Self(terms.len() - 1)
        })
    }

    fn with(self, operation: Operation, other: Self) -> Self {
        Self::of(Term::Binary(operation, self.0, other.0))
    }
}

impl Add for Symbol {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        self.with(Operation::Add, other)
    }
}

impl Sub for Symbol {
    type Output = Self;
    fn sub(self, other: Self) -> Self {
        self.with(Operation::Sub, other)
    }
}

impl Mul for Symbol {
    type Output = Self;
    fn mul(self, other: Self) -> Self {
        self.with(Operation::Mul, other)
    }
}

impl Div for Symbol {
    type Output = Self;
    fn div(self, other: Self) -> Self {
        self.with(Operation::Div, other)
    }
}

impl Real for Symbol {
    fn of(value: f64) -> Self {
        Self::of(Term::Number(value))
    }

    fn sqrt(self) -> Self {
        Self::of(Term::Root(self.0))
    }

    fn larger(self, other: Self) -> Self {
        self.with(Operation::Larger, other)
    }
}

/// A formula: how the new parameter and state come from the old ones and the gradient.
struct Formula {
    terms: Vec<Term>,
    /// The new parameter, then the new state.
    results: Vec<usize>,
}

impl Formula {
    /// What the rule notes down, if it does.
    fn of(rule: &dyn Rule, update: &Update) -> Option<Self> {
        TERMS.take();
        let [mut parameter, gradient] = [0, 1].map(|place| [Symbol::of(Term::Given(place))]);
        let slots = rule.slots().len();
        let mut state: Vec<_> =
            (2..2 + slots).map(|place| [Symbol::of(Term::Given(place))]).collect();
        let piece = Piece {
            parameter: &mut parameter,
            gradient: &gradient,
            state: state.iter_mut().map(|slot| slot.as_mut_slice()).collect(),
        };
        let known = rule.formula(update, piece);
        let terms = TERMS.take();
        let results =
            parameter.iter().chain(state.iter().flatten()).map(|symbol| symbol.0).collect();
        known.then_some(Self { terms, results })
    }

    /// The last term that needs each one; its own place where none does.
    fn last_uses(&self) -> Vec<usize> {
        let mut last: Vec<usize> = (0..self.terms.len()).collect();
        for (place, term) in self.terms.iter().enumerate() {
            match *term {
                Term::Binary(_, a, b) => (last[a], last[b]) = (place, place),
                Term::Root(a) => last[a] = place,
                Term::Given(_) | Term::Number(_) => {}
            }
        }
        self.results.iter().for_each(|&result| last[result] = usize::MAX);
        last
    }

    fn evaluate(&self, given: &[Tensor]) -> Result<Vec<Tensor>> {
        let last = self.last_uses();
        let mut values: Vec<Option<Value>> = Vec::with_capacity(self.terms.len());
        for (place, term) in self.terms.iter().enumerate() {
            let value = |at: usize| values[at].clone().unwrap_or(Value::Number(f64::NAN));
            let found = match *term {
                Term::Given(which) => Value::Tensor(given[which].clone()),
                Term::Number(number) => Value::Number(number),
                Term::Binary(operation, a, b) => value(a).with(operation, value(b))?,
                Term::Root(a) => value(a).sqrt()?,
            };
            values.push(Some(found));
            // Large tensors go as soon as nobody needs them.
            for (value, _) in values.iter_mut().zip(&last).filter(|(_, last)| **last == place) {
                *value = None;
            }
        }
        let result = |&at: &usize| match &values[at] {
            Some(Value::Tensor(tensor)) => Ok(tensor.clone()),
            Some(Value::Number(number)) => given[0].zeros_like()?.affine(1.0, *number),
            None => candle_core::bail!("a result of the rule's formula is gone"),
        };
        self.results.iter().map(result).collect()
    }
}

/// Whether the rule has a formula.
pub(crate) fn is_known(rule: &dyn Rule) -> bool {
    let update = Update { learning_rate: 0.0, weight_decay: 0.0, momentum: None, step: 1 };
    Formula::of(rule, &update).is_some()
}

/// The new parameter, followed by the new state, by the rule's formula.
pub(crate) fn evaluate(
    rule: &dyn Rule,
    update: &Update,
    parameter: Tensor,
    gradient: Tensor,
    state: Vec<Tensor>,
) -> Result<Vec<Tensor>> {
    let Some(formula) = Formula::of(rule, update) else {
        candle_core::bail!("the rule {} has no formula for tensors", rule.name())
    };
    let given: Vec<Tensor> = [parameter, gradient].into_iter().chain(state).collect();
    formula.evaluate(&given)
}

/// A number stays one until it meets a tensor.
#[derive(Clone)]
enum Value {
    Number(f64),
    Tensor(Tensor),
}

impl Value {
    fn with(self, operation: Operation, other: Self) -> Result<Self> {
        use Operation::{Add, Div, Larger, Mul, Sub};
        use Value::Number;
        let tensor = match (operation, self, other) {
            (operation, Number(a), Number(b)) => {
                return Ok(Number(match operation {
                    Add => a + b,
                    Sub => a - b,
                    Mul => a * b,
                    Div => a / b,
                    Larger => a.larger(b),
                }));
            }
            (Mul, Number(factor), _) | (Mul, _, Number(factor)) if factor == 0.0 => {
                return Ok(Number(0.0));
            }
            (Mul, Number(factor), Value::Tensor(x)) | (Mul, Value::Tensor(x), Number(factor)) => {
                scaled(x, factor, 0.0)?
            }
            (Add, Number(term), Value::Tensor(x)) | (Add, Value::Tensor(x), Number(term)) => {
                scaled(x, 1.0, term)?
            }
            (Sub, Value::Tensor(x), Number(term)) => scaled(x, 1.0, -term)?,
            (Sub, Number(term), Value::Tensor(x)) => scaled(x, -1.0, term)?,
            (Div, Value::Tensor(x), Number(divisor)) => scaled(x, 1.0 / divisor, 0.0)?,
            (Div, Number(dividend), Value::Tensor(x)) => scaled(x.recip()?, dividend, 0.0)?,
            (Larger, Number(number), Value::Tensor(x)) => {
                larger(&x.zeros_like()?.affine(1.0, number)?, &x)?
            }
            (Larger, Value::Tensor(x), Number(number)) => {
                larger(&x, &x.zeros_like()?.affine(1.0, number)?)?
            }
            (Add, Value::Tensor(a), Value::Tensor(b)) => (a + b)?,
            (Sub, Value::Tensor(a), Value::Tensor(b)) => (a - b)?,
            (Mul, Value::Tensor(a), Value::Tensor(b)) => (a * b)?,
            (Div, Value::Tensor(a), Value::Tensor(b)) => (a / b)?,
            (Larger, Value::Tensor(a), Value::Tensor(b)) => larger(&a, &b)?,
        };
        Ok(Value::Tensor(tensor))
    }

    fn sqrt(self) -> Result<Self> {
        Ok(match self {
            Value::Number(number) => Value::Number(number.sqrt()),
            Value::Tensor(x) => Value::Tensor(x.sqrt()?),
        })
    }
}

fn scaled(x: Tensor, factor: f64, term: f64) -> Result<Tensor> {
    if factor == 1.0 && term == 0.0 { Ok(x) } else { x.affine(factor, term) }
}

fn larger(a: &Tensor, b: &Tensor) -> Result<Tensor> {
    a.gt(b)?.where_cond(a, b)
}
