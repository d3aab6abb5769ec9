//! The command line from outside: what it prints, what it leaves, how it ends.

mod bad_input;
mod commands;
mod extension;
mod hub;
mod hub_server;
mod program;
mod same_bits;
