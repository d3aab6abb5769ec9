//! A net, a data source, a loss and a listener of one's own, trained: `cargo run --example own_parts`.
use serde::{Deserialize, Serialize};
use taper_runner::candle::{D, Module, Tensor};
use taper_runner::observe::{Listener, Scored, Verdict};
use taper_runner::taper_dataset::{Dataset, InMemory};
use taper_runner::taper_model::layers::{Flatten, Linear, Sequential, Softmax};
use taper_runner::taper_model::loss::{Loss, LossError, Targets};
use taper_runner::taper_model::nets::{Net, NetInfo};
use taper_runner::{Recipe, Run, RunnerError};
#[derive(Debug, Serialize, Deserialize)]
struct Brier {} // the mean squared distance of the probabilities from the targets
impl Loss for Brier {
    fn loss(&self, logits: &Tensor, targets: &Targets) -> Result<Tensor, LossError> {
        let off = (Softmax.forward(logits)? - targets.shares(logits)?)?;
        Ok(off.sqr()?.sum(D::Minus1)?.mean_all()?)
    }
}
struct Watch;
impl Listener for Watch {
    fn scored(&mut self, scored: &Scored<'_>) -> Result<Verdict, RunnerError> {
        println!("{:?}: {:.2} % right", scored.when, 100.0 * scored.scores.accuracy);
        Ok(Verdict::Continue)
    }
}
fn main() -> Result<(), RunnerError> {
    let net = NetInfo::new("logistic", |config, vb, _key| {
        let inputs = config.channels * config.height * config.width;
        let head = Linear::new(inputs, config.num_classes, Default::default(), vb.pp("linear"))?;
        Ok(Net::new(Sequential::new().add(Flatten).add(head)))
    });
    let net = NetInfo { default_input: (1, 2, 2), ..net };
    let pixels = (0..80).flat_map(|i| [255 * (i % 2) as u8, i as u8, 0, 9]).collect();
    let (labels, names) = ((0..80).map(|i| i % 2).collect(), vec!["dark".into(), "light".into()]);
    let images = InMemory::new("corners", [2, 2, 1], pixels, labels, names)?;
    let data = Dataset::whole("corners", std::sync::Arc::new(images));
    let run = Run::new(Recipe::default()).net(net).source(data).loss("brier", Brier {});
    let outcome = run.listener(Watch).to("runs/own-parts")?;
    assert_eq!(outcome.results.after.accuracy, 1.0);
    Ok(())
}
