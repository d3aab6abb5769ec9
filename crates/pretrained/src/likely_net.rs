//! Which net a file's tensors are likely of, by their names.

use taper_model::weights::TensorFile;

/// The net whose tensors have the names that a file has; `None` where it is like none that is known.
pub fn likely_net(file: &TensorFile) -> Option<&'static str> {
    // What training tools put before all names.
    let first = ["layer1.0.conv1.weight", "blocks.0.attn.qkv.weight"];
    let prefix =
        file.names().find_map(|name| first.iter().find_map(|end| name.strip_suffix(end)))?;
    let has = |name: &str| file.names().any(|found| found.strip_prefix(prefix) == Some(name));
    let width = |name: &str| {
        let found = file.get(&format!("{prefix}{name}"));
        found.and_then(|tensor| tensor.dims().first().copied())
    };
    let blocks = |stage: usize| {
        (0..).take_while(|block| has(&format!("layer{stage}.{block}.conv1.weight"))).count()
    };
    match [1, 2, 3, 4].map(blocks) {
        [2, 2, 2, 2] => Some("resnet18"),
        [3, 4, 6, 3] if has("layer1.0.conv3.weight") => Some("resnet50"),
        [3, 4, 6, 3] => Some("resnet34"),
        [3, 4, 23, 3] => Some("resnet101"),
        [3, 3, 3, 0] => Some("cifar_resnet20"),
        [5, 5, 5, 0] => Some("cifar_resnet32"),
        [7, 7, 7, 0] => Some("cifar_resnet44"),
        [9, 9, 9, 0] => Some("cifar_resnet56"),
        _ => match width("blocks.0.attn.qkv.weight") {
            Some(576) => Some("vit_tiny_patch16_224"),
            Some(1152) if has("blocks.0.ls1.gamma") => Some("vit_small_patch14_dinov2"),
            Some(1152) => Some("vit_small_patch16_224"),
            Some(2304) => Some("vit_base_patch16_224"),
            _ => None,
        },
    }
}
