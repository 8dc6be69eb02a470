//! What draws on chance: texts, bytes, identifiers.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::{STR, int};
use crate::builtin::bytes;
use crate::function::{Answer, Call, Function};
use crate::text::runes;
use crate::value::{INT, Value};

pub(super) const TABLE: &[Function] = &[
    Function::new("randAlphaNum", &[INT], |c, a| {
        drawn(c, a, b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789")
    }),
    Function::new("randAlpha", &[INT], |c, a| drawn(c, a, b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz")),
    Function::new("randNumeric", &[INT], |c, a| drawn(c, a, b"0123456789")),
    Function::new("randAscii", &[INT], |c, a| {
        let set: Vec<u8> = (b' '..=b'~').collect();
        drawn(c, a, &set)
    }),
    Function::new("randBytes", &[INT], |c, a| {
        let Ok(count) = usize::try_from(int(&a[0])) else {
            return Err("runtime error: makeslice: len out of range".into());
        };
        c.charge(count.saturating_mul(2))?;
        Ok(Value::str(STANDARD.encode(c.env.random(count))))
    }),
    Function::new("shuffle", &[STR], |c, a| {
        let mut parts: Vec<&[u8]> = runes(bytes(&a[0])).map(|(_, raw)| raw).collect();
        for i in (1..parts.len()).rev() {
            let bound = u64::try_from(i + 1).unwrap_or(1);
            parts.swap(i, usize::try_from(c.env.below(bound)).unwrap_or(0));
        }
        Ok(Value::str(parts.concat()))
    }),
    Function::new("uuidv4", &[], |c, _| {
        let mut raw = c.env.random(16);
        raw[6] = raw[6] & 0x0f | 0x40;
        raw[8] = raw[8] & 0x3f | 0x80;
        let hex: String = raw.iter().map(|b| format!("{b:02x}")).collect();
        Ok(Value::str(format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])))
    }),
];

/// Texts of the set's characters, all equally likely. A negative count gives nothing, as in the library.
fn drawn(call: &mut Call<'_>, a: &[Value], set: &[u8]) -> Answer {
    let count = usize::try_from(int(&a[0])).unwrap_or(0);
    call.charge(count)?;
    let bound = u64::try_from(set.len()).unwrap_or(1);
    let out: Vec<u8> = (0..count).map(|_| set[usize::try_from(call.env.below(bound)).unwrap_or(0)]).collect();
    Ok(Value::str(out))
}
