//! Which functions there are.

/// A function of one number.
#[derive(Clone, Copy, Debug)]
pub(super) enum Function {
    Relu,
    Gelu,
    GeluTanh,
    Relu6,
    Sigmoid,
    Silu,
    HardSigmoid,
    HardSwish,
}
