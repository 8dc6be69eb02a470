//! PEM blocks by type.
//!
//! Deliberately not here: how blocks are read and written (see `pki::pem`).

use super::STR;
use crate::builtin::bytes;
use crate::function::{Answer, Call, Function};
use crate::pki::pem;
use crate::value::Value;

pub(super) const TABLE: &[Function] = &[Function::new("filterPEM", &[STR, STR], filter)];

fn filter(call: &mut Call<'_>, a: &[Value]) -> Answer {
    let (wanted, text) = (bytes(&a[0]), bytes(&a[1]));
    call.charge(text.len())?;
    let mut rest = pem::trimmed(text);
    let mut out = Vec::new();
    while let Some((block, after)) = pem::decode(rest) {
        if block.kind.eq_ignore_ascii_case(wanted) {
            pem::append(&mut out, &block);
        }
        rest = after;
    }
    if out.is_empty() && !rest.is_empty() {
        return Err("error filtering pem: found junk".into());
    }
    Ok(Value::str(out))
}
