//! Pure rules on specs: object in, findings out. The webhook, the controller and a linter ask the same functions, so that
//! they give the same verdict on the same object.
//!
//! Here: rules that the schema of the CRD can't say, with the texts of ESO v2.9. Not here: the schema's own rules, I/O,
//! and anything that depends on another object.

pub mod advice;
mod domain;
mod external_secret;
mod finding;
mod provider;
mod store;
mod uuid;

pub use external_secret::{external_secret, runtime_external_secret};
pub use finding::{Code, Finding, Severity, denial, warnings};
pub use store::{Store, Unreadable, cluster_secret_store, refresh_interval, secret_store, store, token_file};
