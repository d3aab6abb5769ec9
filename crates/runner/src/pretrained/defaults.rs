//! What is usual for a net where neither checkpoint nor recipe say: the rates, and which net it may be.

use taper_model::nets::{Family, NetInfo};
use taper_model::weights::Layout;
use taper_pretrained::Pretrained;
use toml::{Table, Value};

use crate::error::RunnerError;
use crate::recipe::{Method, Recipe};
use crate::registry::Registry;

/// How a net is trained by a method: AdamW with a warm-up over a tenth of the run, then a cosine.
///
/// The rates: for all of a vision transformer 5e-5 with gradients clipped at 1, as transformers' `Trainer`
/// has them; 3e-4 for a ResNet; 1e-3, AdamW's own, where little is trained (a head, adapters) or the net is
/// small. With `gradual` and `last-n` they are those of the whole net. From random weights 5e-4 for all of a
/// vision transformer, which is DeiT's, and 1e-3 for others.
pub(super) fn training(info: &NetInfo, method: &Method, random: bool) -> Table {
    let all = matches!(method, Method::Full(_) | Method::LastN(_) | Method::Gradual(_));
    let rate = match (info.family, all, random) {
        (Family::Transformer, true, false) => 5e-5,
        (Family::Transformer, true, true) => 5e-4,
        (Family::Convolutional, true, false) => 3e-4,
        _ => 1e-3,
    };
    let clip = if info.family == Family::Transformer { 1.0 } else { 0.0 };
    table([
        ("model", table([("net", info.name.into())]).into()),
        (
            "train",
            table([
                ("epochs", 10.into()),
                ("batch_size", 32.into()),
                ("clip_norm", Value::Float(clip)),
            ])
            .into(),
        ),
        ("optimizer", table([("name", "adamw".into()), ("learning_rate", rate.into())]).into()),
        (
            "schedule",
            table([
                ("kind", table([("name", "cosine".into())]).into()),
                ("warmup_ratio", 0.1.into()),
            ])
            .into(),
        ),
    ])
}

fn table<const N: usize>(entries: [(&str, Value); N]) -> Table {
    entries.into_iter().map(|(key, value)| (key.to_string(), value)).collect()
}

/// Whether the default net may be that of a checkpoint that does not say, by the names in it.
///
/// # Errors
/// It is another; a guess at which stands in the message.
pub(super) fn guess(
    pretrained: &Pretrained,
    recipe: &Recipe,
    registry: &Registry,
) -> Result<(), RunnerError> {
    let net = registry.models.net(&recipe.model.net)?;
    let file = pretrained.read(&recipe.model.state_key)?;
    let keras = recipe.model.layout == Layout::Keras || !recipe.model.renames.is_empty();
    // Below whatever prefix a training tool has put before the names.
    let head = format!(".{}.", net.head);
    let has_head = || file.names().any(|name| format!(".{name}").contains(&head));
    if keras || has_head() && file.names().all(|name| !name.contains("layer1")) {
        return Ok(());
    }
    Err(pretrained.no_net(&registry.models).into())
}
