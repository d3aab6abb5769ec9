//! Adadelta, which Burn does not have, written as Burn's own optimizers are.

use burn::optim::Optimizer;
use burn::tensor::{Device, Tensor};

use crate::RecordState;

#[derive(Clone)]
pub struct Adadelta {
    pub rho: f64,
    pub epsilon: f64,
}

#[derive(RecordState, Clone)]
pub struct State<const D: usize> {
    square: Tensor<D>,
    update: Tensor<D>,
}

impl Optimizer for Adadelta {
    type State<const D: usize> = State<D>;

    fn step<const D: usize>(
        &self,
        rate: f64,
        tensor: Tensor<D>,
        gradient: Tensor<D>,
        state: Option<State<D>>,
    ) -> (Tensor<D>, Option<State<D>>) {
        let Self { rho, epsilon } = *self;
        let State { square, update } = state.unwrap_or_else(|| State {
            square: gradient.zeros_like(),
            update: gradient.zeros_like(),
        });
        let square = square * rho + gradient.clone().square() * (1. - rho);
        let scale = (update.clone() + epsilon).sqrt() / (square.clone() + epsilon).sqrt();
        let delta = scale * gradient;
        let update = update * rho + delta.clone().square() * (1. - rho);
        (tensor - delta * rate, Some(State { square, update }))
    }

    fn to_device<const D: usize>(state: State<D>, device: &Device) -> State<D> {
        State { square: state.square.to_device(device), update: state.update.to_device(device) }
    }
}
