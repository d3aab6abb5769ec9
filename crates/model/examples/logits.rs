//! Runs one of our nets on given images and writes its logits: what the scripts in `tests/interop`
//! compare with PyTorch and Keras.
//!
//! ```text
//! cargo run -p taper-model --example logits -- NET CLASSES INPUT OUTPUT [--weights FILE]
//!     [--layout pytorch|keras] [--seed N] [--save FILE] [--half]
//! ```
//!
//! INPUT is a safetensors file with `images` (n, c, h, w), OUTPUT gets `logits` and `probabilities`
//! (n, classes). Without `--weights` the net is initialized from the seed. `--save` writes the
//! weights as they were used, `--half` in half precision.

use std::collections::{BTreeMap, HashMap};
use std::error::Error;

use candle_core::{DType, Device, ModuleT};
use taper_model::nets::{self, NetConfig};
use taper_model::rng::RngKey;
use taper_model::weights::{Layout, TensorFile, Weights, WeightsConfig, save_as};

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let mut positional = Vec::new();
    let mut options = HashMap::new();
    let mut half = false;
    while let Some(argument) = arguments.next() {
        match argument.strip_prefix("--") {
            None => positional.push(argument),
            Some("half") => half = true,
            Some(name) => {
                let value = arguments.next().ok_or(format!("--{name} needs a value"))?;
                options.insert(name.to_string(), value);
            }
        }
    }
    let [name, classes, input, output] = positional.as_slice() else {
        return Err("expected NET CLASSES INPUT OUTPUT".into());
    };
    let layout = match options.get("layout").map(String::as_str) {
        None | Some("pytorch") => Layout::PyTorch,
        Some("keras") => Layout::Keras,
        Some(other) => return Err(format!("no layout `{other}`").into()),
    };

    let input = TensorFile::read(input)?;
    let images = input.get("images").ok_or("the input has no `images`")?.to_dtype(DType::F32)?;
    let (_, channels, height, width) = images.dims4()?;
    let info = nets::find(name).ok_or(format!("no net `{name}`"))?;
    let config = NetConfig { num_classes: classes.parse()?, channels, height, width };
    let weights = Weights::new(WeightsConfig {
        source: options.get("weights").map(TensorFile::read).transpose()?,
        seed: options.get("seed").map_or(Ok(0), |seed| seed.parse())?,
        ..info.weights_config(&config, layout)
    })?;
    let vb = weights.var_builder(DType::F32, &Device::Cpu);
    let net = (info.build)(&config, vb, &RngKey::new(0))?;
    let (params, report) = weights.finish()?;
    eprint!("{report}");

    let logits = net.forward_t(&images, false)?;
    let probabilities = candle_nn::ops::softmax(&logits, 1)?;
    let outputs = HashMap::from([("logits", logits), ("probabilities", probabilities)]);
    candle_core::safetensors::save(&outputs, output)?;
    if let Some(path) = options.get("save") {
        save_as(path, &params, &BTreeMap::new(), if half { DType::F16 } else { DType::F32 })?;
    }
    Ok(())
}
