//! Backbones against timm, torchvision and transformers: `tests/golden/backbones.py` says how.

mod batches;
mod fixture;
mod golden;
mod key_maps;
mod lora;
mod positions;
