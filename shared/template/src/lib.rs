//! Go's `text/template` with sprig's functions, for values that are bytes.
//!
//! Lives here: a parser, an evaluator, Go's `fmt`, and the functions. Outputs, and the texts of errors, are Go 1.26's.
//! Clock and chance are handed in, every rendering is bounded, and nothing is read from disk or net.
//! Deliberately not here: where templates and values come from, and what becomes of the result.
//!
//! ```
//! use template::{Delims, Env, Functions, Options, Value, parse};
//!
//! let functions = Functions::eso();
//! let parsed = parse("greeting", "Hello {{ .name | upper | quote }}", &Delims::default(), &functions)?;
//! assert!(parsed.uses().fields.contains("name"));
//!
//! let env = Env::new(jiff::Timestamp::UNIX_EPOCH, |buffer| buffer.fill(7));
//! let data = Value::string_map([("name", b"Ada")]);
//! let out = parsed.render(&data, &functions, &env, &Options::default())?;
//! assert_eq!(out, b"Hello \"ADA\"");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod builtin;
mod env;
mod error;
mod eso;
mod exec;
mod fields;
mod float;
mod function;
mod gofmt;
mod gotime;
mod hint;
mod lex;
mod names;
mod node;
mod object;
mod parse;
mod pki;
mod semver;
mod sprig;
mod text;
mod value;

pub use env::{Env, Fill};
pub use error::{ExecError, Fault, ParseError};
pub use eso::pkcs12::{KeyStore, open_pkcs8, open_pkcs12};
pub use exec::{MissingKey, Options};
pub use fields::Uses;
pub use function::{Answer, Call, Failure, Function, Functions, Limits};
pub use hint::hint;
pub use lex::Delims;
pub use names::{KNOWN, Names};
pub use object::{Certificate, Object};
pub use parse::{Template, parse};
pub use semver::{Version, meets};
pub use value::{Entries, Float, Int, List, Map, Type, Uint, Value};
