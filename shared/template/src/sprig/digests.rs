//! Digests and what is made of them.

use aws_lc_rs::digest::{Algorithm, SHA1_FOR_LEGACY_USE_ONLY, SHA256, SHA512, digest};

use super::STR;
use crate::builtin::bytes;
use crate::function::Function;
use crate::value::Value;

pub(super) const TABLE: &[Function] = &[
    Function::new("sha1sum", &[STR], |_, a| Ok(hex(&SHA1_FOR_LEGACY_USE_ONLY, &a[0]))),
    Function::new("sha256sum", &[STR], |_, a| Ok(hex(&SHA256, &a[0]))),
    Function::new("sha512sum", &[STR], |_, a| Ok(hex(&SHA512, &a[0]))),
];

fn hex(algorithm: &'static Algorithm, value: &Value) -> Value {
    let sum = digest(algorithm, bytes(value));
    Value::str(sum.as_ref().iter().map(|b| format!("{b:02x}")).collect::<String>())
}
