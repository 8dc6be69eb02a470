//! Templates of targets: which objects they are read from, and what they make of the fetched values.
//!
//! Lives here: order and precedence, scopes, targets and paths, the reference's texts, and hints of our own. Pure: what a
//! template is read from is gathered before ([`sources`] says what), clock and chance come in as [`Env`].
//! Deliberately not here: the template language (crate `template`), YAML (crate `goyaml`), and the Secret that the result
//! goes into (see [`target`](crate::target)).

mod cache;
mod engine;
mod failure;
mod generic;
mod mask;
mod object;
mod path;
mod scope;
mod secret;
mod source;

// What an engine is made of, so that callers need not list the language's crate.
pub use ::template::{Delims, Env, Functions, Limits};

pub use engine::{Engine, Transform};
pub use failure::{Failure, TemplateError};
pub use generic::{content_hash, is_intact, wished};
pub(crate) use mask::masked;
pub use object::Manifest;
pub use scope::{Job, Output};
pub use secret::{Rendered, render, render_pushed};
pub use source::{SourceKind, SourceRef, Sources, sources};
