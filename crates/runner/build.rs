//! Tells the crate how much it is optimized: code can ask for debug assertions alone.

fn main() {
    let level = std::env::var("OPT_LEVEL").unwrap_or_default();
    println!("cargo::rustc-env=TAPER_OPT_LEVEL={level}");
    println!("cargo::rerun-if-changed=build.rs");
}
