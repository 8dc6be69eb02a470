//! Our own programs as processes, each under its own service account with the very roles of the manifests.

mod controller;
mod usage;
mod webhook;

pub use controller::Controller;
pub use usage::Usage;
pub use webhook::Webhook;

/// The namespace that the manifests install into.
pub const NAMESPACE: &str = "external-secrets";
