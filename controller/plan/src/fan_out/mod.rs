//! One declaration for many namespaces: ClusterExternalSecret and ClusterPushSecret, one machine with two kinds of child.
//!
//! Lives here: what a declaration says ([`Declaration`]), which namespaces it selects ([`selection`]), what becomes of each
//! child ([`child`]), and the status ([`outcome`]). Deliberately not here: reading and writing any of them.

pub mod child;
mod declaration;
pub mod outcome;
pub mod selection;

pub use declaration::{Declaration, Succession};
