//! The most memory that one training step takes, with and without activation checkpointing:
//! `cargo run --example recompute_memory -- NET SIZE BATCH plain|recompute`.

use candle_core::{DType, Device, ModuleT, Tensor};
use taper_model::nets::{self, NetConfig};
use taper_model::rng::RngKey;
use taper_model::weights::{Weights, WeightsConfig};

fn peak() -> u64 {
    let text = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kilobytes = line.and_then(|line| line.trim().strip_suffix(" kB")?.trim().parse().ok());
    kilobytes.unwrap_or(0u64) >> 10
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let args: Vec<String> = std::env::args().collect();
    let [_, name, size, batch, how] = args.as_slice() else {
        return Err("expected NET SIZE BATCH plain|recompute".into());
    };
    let (size, batch): (usize, usize) = (size.parse()?, batch.parse()?);
    let info = nets::find(name).ok_or("unknown net")?;
    let config = NetConfig { num_classes: 10, channels: 3, height: size, width: size };
    let weights = Weights::new(WeightsConfig::default())?;
    let vb = weights.var_builder(DType::F32, &Device::Cpu);
    let net = (info.build)(&config, vb, &RngKey::new(0))?;
    let (params, _) = weights.finish()?;
    let images = Tensor::ones((batch, 3, size, size), DType::F32, &Device::Cpu)?;
    let before = peak();
    let logits = match how.as_str() {
        "recompute" => net.forward_recomputed(&images)?,
        _ => net.forward_t(&images, true)?,
    };
    let after_forward = peak();
    let gradients = taper_model::backward(&logits.sqr()?.sum_all()?)?;
    assert!(params.trainable().iter().all(|(_, var)| gradients.get(var).is_some()));
    println!(
        "{name} {size} batch {batch} {how}: MiB before {before}, after forward {after_forward}, \
         after backward {}",
        peak()
    );
    Ok(())
}
