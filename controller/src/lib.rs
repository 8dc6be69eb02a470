//! The controller: watches ExternalSecrets and stores, reads providers and writes Kubernetes Secrets.
//!
//! Read in this order: `run.rs` (wiring), `external_secret.rs` (the main pipeline), `plan` (its decisions),
//! `secret_store.rs`, `push_secret.rs`, `ingest.rs` (watches), `world.rs` (what is known), `queue.rs`, `dispatch.rs`.

mod api_client;
mod args;
mod clock;
mod context;
mod deletions;
mod dependencies;
mod dispatch;
mod events;
mod external_secret;
mod fan_out;
#[cfg(test)]
mod fixtures;
mod health;
mod ingest;
mod lookup;
mod push_secret;
mod queue;
mod recovery;
mod run;
mod secret_store;
mod spread;
mod status_write;
mod supervision;
mod tenure;
mod turns;
mod workers;
mod workqueue;
mod world;

pub use args::Args;
pub use run::run;
