//! Whole nets on our side: the runner's own loop over images in memory.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

use anyhow::Result;
use candle_core::{Device, Tensor};
use taper_dataset::{Dataset, InMemory, Labelled};
use taper_kernels::counter::Counter;
use taper_runner::observe::{Event, Listener, Step, Verdict};
use taper_runner::{
    DeviceChoice, Plan, Registry, RunnerError, Training, load, resolve, train as carry_out,
};

use super::serve::{Measure, median, repeat};

/// Training with the recipe `keras-mnist`: loader, dropout, Adadelta, all of it. Without `steps`,
/// for as long as asked; the time of a step is from one update to the next.
pub fn train(plan: &Plan, steps: Option<usize>) -> Result<Measure> {
    let plan = plan.clone();
    let loaded = load(&plan)?;
    Ok(Box::new(move |seconds| {
        let times = Rc::new(RefCell::new(Vec::new()));
        let (device, times_of_steps) = (plan.device.clone(), times.clone());
        let clock = Clock { device, seconds, steps, last: None, spent: 0.0, times: times_of_steps };
        let training = Training::new(&plan, &loaded)?;
        carry_out(training, &mut [Box::new(clock)])?;
        let times = times.take();
        let runs = times.len();
        // A single step has no time from one update to the next.
        let values = if runs == 0 { Vec::new() } else { vec![("step", median(times))] };
        Ok((values, runs))
    }))
}

/// Evaluation of images that are tensors already: logits.
pub fn evaluate(plan: &Plan) -> Result<Measure> {
    let loaded = load(plan)?;
    let device = plan.device.clone();
    let image = &plan.recipe.image;
    let shape = (plan.recipe.train.batch_size, image.channels, image.height, image.width);
    let images = Tensor::rand(0f32, 1., shape, &Device::Cpu)?.to_device(&device)?;
    Ok(Box::new(move |seconds| {
        repeat(["step"], seconds, || {
            let started = Instant::now();
            loaded.net.evaluate(&images)?;
            device.synchronize()?;
            Ok([started.elapsed().as_secs_f64()])
        })
    }))
}

/// The recipe's plan over random images in memory.
pub fn plan(
    net: &str,
    side: usize,
    batch: usize,
    images: usize,
    device: DeviceChoice,
) -> Result<Plan> {
    let mut registry = Registry::new();
    let channels = registry.models.net(net)?.default_input.0;
    registry.add_dataset("random-bytes", move |_| {
        // The test part is there so that nothing is split off the training part.
        let train = random_images(images, [side, side, channels])?;
        let test = random_images(10, [side, side, channels])?;
        Ok(Dataset { name: "random-bytes".to_string(), train, validation: None, test: Some(test) })
    });
    let settings = [
        ("device", format!("{:?}", device.to_string())),
        ("model.net", net.to_string()),
        ("data.source", "random-bytes".to_string()),
        ("image.height", side.to_string()),
        ("image.width", side.to_string()),
        ("train.batch_size", batch.to_string()),
        ("train.epochs", 1_000_000.to_string()),
    ];
    let overrides: Vec<_> = settings.into_iter().map(|(k, v)| (k.to_string(), v)).collect();
    Ok(Plan::new(resolve(Some("keras-mnist"), &overrides, &registry)?, &registry)?)
}

fn random_images(count: usize, size: [usize; 3]) -> Result<Arc<dyn Labelled>, RunnerError> {
    let random = Counter::new(0);
    let bytes = count * size.iter().product::<usize>();
    let words = (0..bytes.div_ceil(16) as u64).flat_map(|i| random.block(i));
    let mut pixels: Vec<u8> = words.flat_map(u32::to_le_bytes).collect();
    pixels.truncate(bytes);
    let labels = (0..count).map(|i| (i % 10) as u32).collect();
    let names = (0..10).map(|digit| digit.to_string()).collect();
    Ok(Arc::new(InMemory::new("random bytes", size, pixels, labels, names)?))
}

/// Times the steps of a run and ends it when there are enough.
struct Clock {
    device: Device,
    seconds: f64,
    steps: Option<usize>,
    last: Option<Instant>,
    spent: f64,
    times: Rc<RefCell<Vec<f64>>>,
}

impl Listener for Clock {
    fn observe(&mut self, event: &Event) -> Result<Verdict, RunnerError> {
        let Event::Step(Step { step, .. }) = event else { return Ok(Verdict::Continue) };
        self.device.synchronize()?;
        let now = Instant::now();
        // The time of the first step holds the loader's start: it warms up.
        if let Some(last) = self.last.replace(now) {
            let time = (now - last).as_secs_f64();
            self.spent += time;
            self.times.borrow_mut().push(time);
        }
        let enough = match self.steps {
            Some(steps) => *step as usize >= steps,
            None => self.spent >= self.seconds && self.times.borrow().len() >= 3,
        };
        Ok(if enough { Verdict::Stop("measured".to_string()) } else { Verdict::Continue })
    }
}
