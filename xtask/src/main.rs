//! Workspace commands: `cargo xtask …`.

fn main() {}
