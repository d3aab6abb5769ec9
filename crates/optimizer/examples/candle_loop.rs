//! AdamW of this crate in an existing training loop of candle's: the one line that changes is where the optimizer is
//! made. `cargo run --release -p taper-optimizer --example candle_loop`.

use candle_core::{DType, Device, Module, Result, Tensor};
use candle_nn::{Optimizer, VarBuilder, VarMap, linear, loss};
use taper_optimizer::{AdamW, CandleOptimizer};

fn main() -> Result<()> {
    let device = Device::Cpu;
    let vars = VarMap::new();
    let vb = VarBuilder::from_varmap(&vars, DType::F32, &device);
    let (hidden, head) = (linear(2, 16, vb.pp("hidden"))?, linear(16, 2, vb.pp("head"))?);

    // Is the point within the unit circle?
    let points: Vec<[f32; 2]> =
        (0..400).map(|i| [(i % 20) as f32 / 5.0 - 1.9, (i / 20) as f32 / 5.0 - 1.9]).collect();
    let inside: Vec<u32> = points.iter().map(|[x, y]| u32::from(x * x + y * y < 1.0)).collect();
    let points = Tensor::from_vec(points.concat(), (400, 2), &device)?;
    let inside = Tensor::new(inside, &device)?;

    let rule = AdamW { learning_rate: 0.02, ..AdamW::pytorch() };
    let mut optimizer = CandleOptimizer::with_rule(vars.all_vars(), rule)?;
    for step in 0..=200 {
        let logits = head.forward(&hidden.forward(&points)?.relu()?)?;
        let loss = loss::cross_entropy(&logits, &inside)?;
        optimizer.backward_step(&loss)?;
        if step % 50 == 0 {
            println!("step {step}: loss {:.4}", loss.to_scalar::<f32>()?);
        }
    }
    Ok(())
}
