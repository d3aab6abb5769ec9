//! Which functions there are.

/// A function of one number, to be applied by [`apply`](Self::apply) or behind another operation, within its pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Activation {
    /// [`relu`](crate::relu).
    Relu,
    /// [`gelu`](crate::gelu).
    Gelu,
    /// [`gelu_tanh`](crate::gelu_tanh).
    GeluTanh,
    /// [`relu6`](crate::relu6).
    Relu6,
    /// [`sigmoid`](crate::sigmoid).
    Sigmoid,
    /// [`silu`](crate::silu).
    Silu,
    /// [`hard_sigmoid`](crate::hard_sigmoid).
    HardSigmoid,
    /// [`hard_swish`](crate::hard_swish).
    HardSwish,
}
