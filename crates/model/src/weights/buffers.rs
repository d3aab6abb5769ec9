//! Which names are buffers: the one table.

/// What the last part of a tensor's name says about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Role {
    /// A weight that may be trained.
    Weight,
    /// A buffer: a layer changes it in training mode, an optimizer never does.
    Buffer,
    /// A counter or a generator's state that no layer here needs: passed over in a file.
    Skipped,
}

/// The last parts of names that are no weights, with what they are.
///
/// | last part | role | written by |
/// | --- | --- | --- |
/// | `running_mean`, `running_var` | buffer | PyTorch's and our batch-norm |
/// | `num_batches_tracked` | skipped | PyTorch's batch-norm; an integer |
/// | `n_averaged` | skipped | PyTorch's `AveragedModel`; an integer |
/// | `seed_generator_state` | skipped | Keras's dropout and augmentation |
///
/// Keras's `moving_mean` and `moving_variance` get PyTorch's names with the layout
/// [`Keras`](super::Layout::Keras), before they are looked up here.
pub const NAMES_OF_NO_WEIGHTS: &[(&str, Role)] = &[
    ("running_mean", Role::Buffer),
    ("running_var", Role::Buffer),
    ("num_batches_tracked", Role::Skipped),
    ("n_averaged", Role::Skipped),
    ("seed_generator_state", Role::Skipped),
];

/// The role of the tensor `name`, by its last part in [`NAMES_OF_NO_WEIGHTS`].
///
/// ```
/// use taper_model::weights::{Role, role};
///
/// assert_eq!(role("layer1.0.bn1.running_mean"), Role::Buffer);
/// assert_eq!(role("layer1.0.bn1.weight"), Role::Weight);
/// ```
pub fn role(name: &str) -> Role {
    let last = name.rsplit('.').next().unwrap_or(name);
    let row = NAMES_OF_NO_WEIGHTS.iter().find(|(part, _)| *part == last);
    row.map_or(Role::Weight, |(_, role)| *role)
}
