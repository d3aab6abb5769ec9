//! The command line from outside: what it prints, what it leaves, how it ends.

mod adapters;
mod bad_input;
mod checkpoints;
mod commands;
mod damage;
mod data;
mod describing;
mod evaluate;
mod extension;
mod finding;
mod first_contact;
#[cfg(unix)]
mod guide;
mod hostile;
mod hub;
mod hub_runs;
mod hub_server;
mod inspect;
mod limits;
mod long_runs;
mod methods;
mod predict;
mod processes;
mod program;
mod reading;
mod report;
mod resume;
mod same_bits;
mod settings;
mod sharing;
mod small;
