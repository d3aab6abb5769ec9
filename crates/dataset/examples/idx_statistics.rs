//! Shape, mean and deviation of an IDX file, as MNIST has them, compressed or not:
//! `cargo run --release -p taper-dataset --example idx_statistics -- train-images-idx3-ubyte`. Without a file, of one made
//! here.

use std::error::Error;

use taper_dataset::idx::{Elements, Idx};

fn main() -> Result<(), Box<dyn Error>> {
    let bytes = match std::env::args().nth(1) {
        Some(path) => std::fs::read(path)?,
        None => {
            let pixels = (0..=255).collect();
            Idx { shape: vec![4, 8, 8], elements: Elements::U8(pixels) }.to_gzip()?
        }
    };
    let idx = Idx::parse(&bytes)?;
    println!("shape {:?}, {:?}", idx.shape, idx.elements.element_type());
    let Elements::U8(values) = &idx.elements else {
        println!("its elements are no bytes");
        return Ok(());
    };
    let count = values.len().max(1) as f64;
    let mean = values.iter().map(|&value| f64::from(value)).sum::<f64>() / count;
    let square = values.iter().map(|&value| (f64::from(value) - mean).powi(2)).sum::<f64>();
    let (mean, deviation) = (mean / 255.0, (square / count).sqrt() / 255.0);
    println!("of value / 255: mean {mean:.4}, deviation {deviation:.4}");
    Ok(())
}
