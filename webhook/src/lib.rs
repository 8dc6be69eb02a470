//! The admission webhook: its own deployment, which validates and defaults objects of `external-secrets.io` and looks
//! after its own certificates.
//!
//! Read [`run`] first for how the parts are wired. One review goes through [`server`] (HTTP), [`review`] (the wire form),
//! and then [`admit`] (validating, pure) or [`mutate`] (defaulting, pure) with [`namespaces`] (I/O).
//! Certificates: [`decide`] (pure) says what is to be done, [`trust`] does it, [`tls`] serves the result, and [`ready`]
//! proves it with a handshake; [`mounted`] serves somebody else's instead. [`connections`] bounds who may ask. Rules on specs are in the crate `validate`; no provider is linked here, and none is called.

pub mod address;
pub mod admit;
pub mod args;
pub mod connections;
pub mod decide;
pub mod metrics;
pub mod mounted;
pub mod mutate;
pub mod namespaces;
pub mod ready;
pub mod review;
pub mod run;
pub mod server;
pub mod tls;
mod token_file;
pub mod trust;
mod watch;
