//! A data source: rings, discs and crosses, as many as are asked for.

use std::sync::Arc;

use taper_cli::taper_runner::taper_dataset::{Dataset, InMemory};
use taper_cli::taper_runner::{RunnerError, setting};

/// Pixels a side.
const SIDE: usize = 12;

/// `rings:COUNT`, 60 without a count.
///
/// # Errors
/// A count that is none.
pub fn open(count: &str) -> Result<Dataset, RunnerError> {
    let count: usize = match count {
        "" => 60,
        count => count.parse().map_err(|_| setting("data.source", count, "rings:COUNT"))?,
    };
    let labels: Vec<u32> = (0..count as u32).map(|i| i % 3).collect();
    let pixels = labels.iter().enumerate().flat_map(|(i, &label)| image(i, label)).collect();
    let names = ["ring", "disc", "cross"].map(String::from).to_vec();
    let train = InMemory::new("rings", [SIDE, SIDE, 1], pixels, labels, names)?;
    Ok(Dataset::whole("rings", Arc::new(train)))
}

/// A figure that moves and grows with its number.
fn image(number: usize, label: u32) -> Vec<u8> {
    let (centre_y, centre_x) = (5 + number / 3 % 3, 5 + number / 9 % 3);
    let radius = 3.0 + (number % 2) as f64;
    let pixel = |at: usize| {
        let (y, x) = ((at / SIDE).abs_diff(centre_y), (at % SIDE).abs_diff(centre_x));
        let distance = ((y * y + x * x) as f64).sqrt();
        let inked = match label {
            0 => (distance - radius).abs() < 0.8,
            1 => distance < radius,
            _ => distance < radius && (y == 0 || x == 0),
        };
        if inked { 255 } else { (number * 7 + at * 13) as u8 % 40 }
    };
    (0..SIDE * SIDE).map(pixel).collect()
}
