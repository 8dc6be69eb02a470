//! Semantic versions.

use std::sync::Arc;

use super::STR;
use crate::builtin::bytes;
use crate::function::{Failure, Function};
use crate::object::Object;
use crate::semver::{Version, meets};
use crate::value::Value;

pub(super) const TABLE: &[Function] = &[
    Function::new("semver", &[STR], |_, a| Ok(Value::Object(Object::Version(Arc::new(version(&a[0])?))))),
    Function::new("semverCompare", &[STR, STR], |c, a| {
        // A bound may be two characters, and takes some two hundred bytes.
        c.charge(bytes(&a[0]).len().saturating_mul(64))?;
        let constraint = String::from_utf8_lossy(bytes(&a[0])).into_owned();
        // The library reads the constraint first, so its error wins.
        let probe = Version { original: String::new(), numbers: [0; 3], pre: String::new(), meta: String::new() };
        meets(&constraint, &probe).map_err(Failure)?;
        meets(&constraint, &version(&a[1])?).map(Value::Bool).map_err(Failure)
    }),
];

fn version(value: &Value) -> Result<Version, Failure> {
    Version::parse(&String::from_utf8_lossy(bytes(value))).map_err(Failure)
}
