//! Symbols: arithmetic with them is recorded, to be done to tensors later.

use std::cell::RefCell;
use std::ops::{Add, Div, Mul, Neg, Sub};

use candle_core::{Result, Tensor};

use crate::real::Real;

/// What was done to symbols, in order.
#[derive(Debug, Default)]
pub(crate) struct Tape(RefCell<Vec<Operation>>);

/// How a value comes about.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Operation {
    /// The parameter, the gradient or a slot of the state, by its place.
    Given(usize),
    /// A function of the value at a place.
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
    Min,
}

/// What an operation is done to.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Operand {
    Number(f64),
    /// The value at a place of the tape.
    Value(usize),
}

/// An element of a parameter that has no value yet, or a number, which is computed with at once.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Symbol<'t> {
    Number(f64),
    /// A value of the tape, by its place.
    Value(&'t Tape, usize),
}

impl Tape {
    /// A symbol for the parameter, the gradient or a slot of the state, by its place.
    pub fn given(&self, place: usize) -> Symbol<'_> {
        self.record(Operation::Given(place))
    }

    pub fn into_operations(self) -> Vec<Operation> {
        self.0.into_inner()
    }

    fn record(&self, operation: Operation) -> Symbol<'_> {
        let mut operations = self.0.borrow_mut();
        operations.push(operation);
        Symbol::Value(self, operations.len() - 1)
    }
}

impl Symbol<'_> {
    pub fn operand(self) -> Operand {
        match self {
            Self::Number(number) => Operand::Number(number),
            Self::Value(_, place) => Operand::Value(place),
        }
    }

    fn unary(self, of_number: fn(f64) -> f64, of_tensor: fn(&Tensor) -> Result<Tensor>) -> Self {
        match self {
            Self::Number(number) => Self::Number(of_number(number)),
            Self::Value(tape, place) => tape.record(Operation::Unary(of_tensor, place)),
        }
    }

    fn binary(self, operation: Binary, other: Self) -> Self {
        match (self, other) {
            (Self::Number(a), Self::Number(b)) => Self::Number(operation.of(a, b)),
            // So that an absent decay costs no pass over the tensors.
            (Self::Number(0.0), _) | (_, Self::Number(0.0)) if matches!(operation, Binary::Mul) => {
                Self::Number(0.0)
            }
            (Self::Value(tape, _), _) | (_, Self::Value(tape, _)) => {
                tape.record(Operation::Binary(operation, self.operand(), other.operand()))
            }
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
            Self::Min => Real::min(a, b),
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

impl Neg for Symbol<'_> {
    type Output = Self;
    fn neg(self) -> Self {
        self.unary(f64::neg, Tensor::neg)
    }
}

impl Real for Symbol<'_> {
    fn of(value: f64) -> Self {
        Self::Number(value)
    }

    fn sqrt(self) -> Self {
        self.unary(f64::sqrt, Tensor::sqrt)
    }

    fn sign(self) -> Self {
        self.unary(Real::sign, Tensor::sign)
    }

    fn abs(self) -> Self {
        self.unary(f64::abs, Tensor::abs)
    }

    fn max(self, other: Self) -> Self {
        self.binary(Binary::Max, other)
    }

    fn min(self, other: Self) -> Self {
        self.binary(Binary::Min, other)
    }
}
