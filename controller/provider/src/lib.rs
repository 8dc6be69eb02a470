//! What the controller knows of a backend: the traits a provider implements and the errors it may answer with.
//!
//! Lives here: [`Provider`], [`Credentials`], [`Error`] and the plain data between them. Pure: no runtime, no client.
//! Deliberately not here: sharing, limits and deadlines (`engine`), and the backends themselves (`providers`).

mod credentials;
mod error;
mod find;
mod read;
mod write;

pub use credentials::{Credentials, ServiceAccountToken};
pub use error::{Error, ErrorKind, Retry};
pub use find::{Calls, Find, Gathered};
pub use read::{Capabilities, Payload, Provider, ReadKey, RemoteRef, Validation};
pub use write::{Beside, BesideKind, Place, Push, Pushed, Removed, Source, Write};
