//! The net `template-net`.

use taper_model::layers::{Flatten, Linear, LinearConfig, Relu, Sequential};
use taper_model::nets::{Net, NetInfo};
use taper_model::weights::KeyMap;

/// What it is, and the paper it is from: here two dense layers with `hidden` features between them.
///
/// `registry.add_net(template_net("template-net", 64))` makes it known by its name.
pub fn template_net(name: &'static str, hidden: usize) -> NetInfo {
    let stage = |pattern: &str| vec![pattern.to_string()];
    NetInfo {
        description: "two dense layers",
        // Channels, height, width.
        default_input: (1, 28, 28),
        num_classes: 10,
        // The layers that change with the images' channels, and with the number of classes.
        stem: "fc1",
        head: "fc2",
        // From the image to the logits: what fine-tuning unfreezes from the end.
        stages: vec![stage("fc1.*"), stage("fc2.*")],
        // The names that its parameters have in checkpoints of other programs.
        key_maps: vec![(
            "theirs",
            KeyMap::new([("features.0.*", "fc1.*"), ("classifier.*", "fc2.*")]),
        )],
        ..NetInfo::new(name, move |config, vb, _key| {
            let inputs = config.channels * config.height * config.width;
            let linear = LinearConfig::default;
            let fc1 = Linear::new(inputs, hidden, linear(), vb.pp("fc1"))?;
            let fc2 = Linear::new(hidden, config.num_classes, linear(), vb.pp("fc2"))?;
            let body = Sequential::new().add(Flatten).add(fc1).add(Relu);
            Ok(Net { body, head: Sequential::new().add(fc2) })
        })
    }
}

#[cfg(test)]
mod tests {
    use taper_model::gradcheck::check_net;

    use super::*;

    #[test]
    fn template_net_is_what_its_data_says() {
        let check = check_net(&template_net("template-net", 16)).unwrap();
        assert_eq!(check.parameters, ["fc1.bias", "fc1.weight", "fc2.bias", "fc2.weight"]);
    }
}
