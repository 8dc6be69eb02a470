//! Types and emptiness.

use super::{ANY, STR, kind};
use crate::builtin::bytes;
use crate::function::Function;
use crate::value::{Type, Value};

pub(super) const TABLE: &[Function] = &[
    Function::new("typeOf", &[ANY], |_, a| Ok(Value::str(a[0].type_text()))),
    Function::new("typeIs", &[STR, ANY], |_, a| Ok(Value::Bool(a[1].type_text().as_bytes() == bytes(&a[0])))),
    Function::new("typeIsLike", &[STR, ANY], |_, a| {
        let text = a[1].type_text();
        let wanted = bytes(&a[0]);
        Ok(Value::Bool(text.as_bytes() == wanted || text.strip_prefix('*').is_some_and(|t| t.as_bytes() == wanted)))
    }),
    Function::new("kindOf", &[ANY], |_, a| Ok(Value::str(kind(&a[0])))),
    Function::new("kindIs", &[STR, ANY], |_, a| Ok(Value::Bool(kind(&a[1]).as_bytes() == bytes(&a[0])))),
    Function::new("deepEqual", &[ANY, ANY], |call, a| {
        super::collections::deep_equal(call, &a[0], &a[1], 0).map(Value::Bool)
    }),
    Function::variadic("default", &[ANY, ANY], |_, a| {
        Ok(match &a[1..] {
            [given, ..] if !empty(given) => given.clone(),
            _ => a[0].clone(),
        })
    }),
    Function::new("empty", &[ANY], |_, a| Ok(Value::Bool(empty(&a[0])))),
    Function::variadic("coalesce", &[ANY], |_, a| Ok(a.iter().find(|v| !empty(v)).cloned().unwrap_or(Value::Nil))),
    Function::variadic("all", &[ANY], |_, a| Ok(Value::Bool(!a.iter().any(empty)))),
    Function::variadic("any", &[ANY], |_, a| Ok(Value::Bool(!a.iter().all(empty)))),
    Function::new("ternary", &[ANY, ANY, Type::Bool], |_, a| Ok(a[if a[2].truth() { 0 } else { 1 }].clone())),
];

/// As truth, except that values with methods are never empty.
fn empty(value: &Value) -> bool {
    !value.truth()
}
