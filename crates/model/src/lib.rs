//! Layers, nets, losses and pretrained weights for candle.

pub mod init;
pub mod params;
pub mod rng;
pub mod weights;
