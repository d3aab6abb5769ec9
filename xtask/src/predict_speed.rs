//! `predict-speed`: how far `predict` hides decoding behind the net.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Result, ensure};
use candle_core::{Device, Tensor};
use clap::Args;
use taper_dataset::source::ImageFolder;
use taper_dataset::{Batch, ImageLimits, Images, Loader, LoaderConfig};
use taper_runner::{Registry, open_run};

const ROUNDS: usize = 3;

/// What to measure on.
#[derive(Debug, Args)]
pub struct Flags {
    /// The run whose model answers
    #[arg(value_name = "RUN")]
    run: PathBuf,

    /// A folder with a folder of images per class
    #[arg(value_name = "FOLDER")]
    folder: PathBuf,
}

/// Measures, in turn, decoding alone, the net alone, and `predict`, on a folder with a folder of images
/// per class; prints medians in images a second.
pub fn run(Flags { run, folder }: &Flags, registry: &Registry) -> Result<()> {
    // As the command line does.
    taper_kernels::let_candle_threads_sleep();
    let model = open_run(run, &Device::Cpu, registry)?.0;
    let source = Arc::new(ImageFolder::read(folder, ImageLimits::default())?);
    let count = source.len();
    let preprocessing = model.config.preprocessing.clone();
    // What `predict` takes of a small net.
    let config = LoaderConfig { batch_size: 256, ..Default::default() };
    let load =
        || Loader::new(source.clone(), (0..count).collect(), preprocessing.clone(), config.clone());
    let batches: Vec<Batch> = load()?.collect::<Result<_, _>>()?;

    let mut seconds = [const { Vec::new() }; 3];
    for _ in 0..ROUNDS {
        let start = Instant::now();
        for batch in load()? {
            std::hint::black_box(batch?);
        }
        seconds[0].push(start.elapsed().as_secs_f64());

        let start = Instant::now();
        for batch in &batches {
            let images = Tensor::from_slice(&batch.images, &batch.shape, &Device::Cpu)?;
            std::hint::black_box(model.net.evaluate(&images)?.to_vec2::<f32>()?);
        }
        seconds[1].push(start.elapsed().as_secs_f64());

        let start = Instant::now();
        let mut answered = 0;
        for answers in model.predictions(std::slice::from_ref(folder), 1)? {
            answered += answers?.len();
        }
        seconds[2].push(start.elapsed().as_secs_f64());
        ensure!(answered == count, "{answered} of {count} images were answered");
    }
    let [decode, net, predict] = seconds.map(|mut rounds| {
        rounds.sort_by(f64::total_cmp);
        count as f64 / rounds[ROUNDS / 2]
    });
    let serial = 1.0 / (1.0 / decode + 1.0 / net);
    println!("{count} images, medians of {ROUNDS} rounds, images/s");
    println!("decoding alone   {decode:>8.0}");
    println!("the net alone    {net:>8.0}");
    println!("one after other  {serial:>8.0}");
    println!("predict          {predict:>8.0}, {:.0} % of that", 100.0 * predict / serial);
    Ok(())
}
