//! Layers, nets, losses and pretrained weights for candle.

pub mod gradcheck;
pub mod init;
pub mod layers;
pub mod loss;
pub mod nets;
pub mod params;
pub mod rng;
pub mod summary;
pub mod weights;
