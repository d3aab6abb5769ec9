//! Symbols: arithmetic with them is recorded, to be done to tensors later.

use std::cell::RefCell;
use std::ops::{Add, Div, Mul, Sub};

use candle_core::{Result, Tensor};

use crate::real::Real;

/// What was done to symbols, in order.
#[derive(Debug, Default)]
pub(crate) struct Tape(RefCell<Vec<Term>>);

/// How a value comes about.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Term {
    /// The parameter, the gradient or a slot of the state, by its place.
    Given(usize),
    /// A function of the term at the place.
    Unary(fn(&Tensor) -> Result<Tensor>, usize),
    Binary(Binary, Operand, Operand),
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Binary {
    Add,
    Sub,
    Mul,
    Div,
    Max,
}

/// What an operation is done to.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Operand {
    Number(f64),
    /// A term of the tape, by its place.
    Term(usize),
}

/// An element of a parameter that has no value yet, or a number.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Symbol<'t> {
    pub operand: Operand,
    /// Where operations are recorded; none for a number, which is computed with at once.
    tape: Option<&'t Tape>,
}

impl Tape {
    /// A symbol for the parameter, the gradient or a slot of the state, by its place.
    pub fn given(&self, place: usize) -> Symbol<'_> {
        self.record(Term::Given(place))
    }

    pub fn into_terms(self) -> Vec<Term> {
        self.0.into_inner()
    }

    fn record(&self, term: Term) -> Symbol<'_> {
        let mut terms = self.0.borrow_mut();
        terms.push(term);
        Symbol { operand: Operand::Term(terms.len() - 1), tape: Some(self) }
    }
}

impl Symbol<'_> {
    fn number(value: f64) -> Self {
        Self { operand: Operand::Number(value), tape: None }
    }

    fn unary(self, of_number: fn(f64) -> f64, of_tensor: fn(&Tensor) -> Result<Tensor>) -> Self {
        match (self.operand, self.tape) {
            (Operand::Number(number), _) => Self::number(of_number(number)),
            (Operand::Term(at), Some(tape)) => tape.record(Term::Unary(of_tensor, at)),
            (Operand::Term(_), None) => self,
        }
    }

    fn binary(self, operation: Binary, other: Self) -> Self {
        use Operand::Number;
        match (self.operand, other.operand, self.tape.or(other.tape)) {
            (Number(a), Number(b), _) => Self::number(operation.of(a, b)),
            // So that an absent decay costs no pass over the tensors.
            (Number(0.0), _, _) | (_, Number(0.0), _) if matches!(operation, Binary::Mul) => {
                Self::number(0.0)
            }
            (a, b, Some(tape)) => tape.record(Term::Binary(operation, a, b)),
            (_, _, None) => self,
        }
    }
}

impl Binary {
    fn of(self, a: f64, b: f64) -> f64 {
        match self {
            Self::Add => a + b,
            Self::Sub => a - b,
            Self::Mul => a * b,
            Self::Div => a / b,
            Self::Max => Real::max(a, b),
        }
    }
}

impl Add for Symbol<'_> {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        self.binary(Binary::Add, other)
    }
}

impl Sub for Symbol<'_> {
    type Output = Self;
    fn sub(self, other: Self) -> Self {
        self.binary(Binary::Sub, other)
    }
}

impl Mul for Symbol<'_> {
    type Output = Self;
    fn mul(self, other: Self) -> Self {
        self.binary(Binary::Mul, other)
    }
}

impl Div for Symbol<'_> {
    type Output = Self;
    fn div(self, other: Self) -> Self {
        self.binary(Binary::Div, other)
    }
}

impl Real for Symbol<'_> {
    fn of(value: f64) -> Self {
        Self::number(value)
    }

    fn sqrt(self) -> Self {
        self.unary(f64::sqrt, Tensor::sqrt)
    }

    fn sign(self) -> Self {
        self.unary(Real::sign, Tensor::sign)
    }

    fn max(self, other: Self) -> Self {
        self.binary(Binary::Max, other)
    }
}
