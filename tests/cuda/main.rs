//! A CUDA device against the CPU: operations, updates and whole runs.
//!
//! Built with the feature `cuda` alone, and for a machine that has such a device:
//! `cargo test --release --features cuda --test cuda`.

mod operations;
mod runs;
mod updates;

use candle_core::{DType, Device, Tensor};
use taper_kernels::counter::Counter;
use taper_runner::DeviceChoice;

/// The first GPU. Its absence is a failure: the feature says that there is one.
fn gpu() -> Device {
    DeviceChoice::Cuda(0).open().unwrap()
}

/// Normal random numbers in f64, on the CPU, the same for the same seed.
fn normal(seed: u64, shape: &[usize]) -> Tensor {
    let counter = Counter::new(seed);
    let values: Vec<f64> =
        (0..shape.iter().product::<usize>() as u64).map(|i| counter.normal(i)).collect();
    Tensor::from_vec(values, shape, &Device::Cpu).unwrap()
}

fn numbers(tensor: &Tensor) -> Vec<f64> {
    let tensor = tensor.to_device(&Device::Cpu).unwrap().to_dtype(DType::F64).unwrap();
    tensor.flatten_all().unwrap().to_vec1().unwrap()
}

/// Every difference is at most `tolerance` times the largest expected number (at least 1).
fn assert_close(what: &str, found: &Tensor, expected: &Tensor, tolerance: f64) {
    assert_eq!(found.dims(), expected.dims(), "{what}: shape");
    let (found, expected) = (numbers(found), numbers(expected));
    let scale = expected.iter().fold(1f64, |m, v| m.max(v.abs()));
    for (i, (a, b)) in found.iter().zip(&expected).enumerate() {
        assert!((a - b).abs() <= tolerance * scale, "{what}: element {i}: {a} for {b} of {scale}");
    }
}
