//! What `cargo xtask new-layer` and `new-net` begin with, compiled and tested as they are.

mod templates {
    mod layer;
    mod net;
}
