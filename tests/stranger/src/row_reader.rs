//! A net with its key map, in any width.

use taper_cli::taper_runner::taper_model::layers::{Linear, LinearConfig, Sequential};
use taper_cli::taper_runner::taper_model::nets::{Net, NetInfo};
use taper_cli::taper_runner::taper_model::weights::KeyMap;

use crate::lstm::RowLstm;
use crate::mish::Mish;
use crate::noise::LearnedNoise;
use crate::softsign::Softsign;

/// An LSTM over the rows, this package's other layers, and a dense layer; for images of 12x12.
pub fn net(name: &'static str, size: usize) -> NetInfo {
    let stage = |pattern: &str| vec![pattern.to_string()];
    NetInfo {
        description: "reads an image row by row",
        default_input: (1, 12, 12),
        num_classes: 3,
        stem: "lstm.input",
        head: "head",
        stages: vec![stage("lstm.*"), stage("noise.*"), stage("head.*")],
        key_maps: vec![(
            "reader",
            KeyMap::new([("encoder.*", "lstm.*"), ("classifier.*", "head.*")]),
        )],
        ..NetInfo::new(name, move |config, vb, key| {
            let body = Sequential::new()
                .add(RowLstm::new(config.channels * config.width, size, vb.pp("lstm"))?)
                .add(LearnedNoise::new(size, vb.pp("noise"), key)?)
                .add(Mish)
                .add(Softsign);
            let linear = LinearConfig::default();
            let head = Linear::new(size, config.num_classes, linear, vb.pp("head"))?;
            Ok(Net { body, head: Sequential::new().add(head) })
        })
    }
}
