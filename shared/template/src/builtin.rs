//! Go's built-in functions.

use crate::function::{Answer, Call, Failure, Function};
use crate::gofmt::{Printer, show, show_with, sprint};
use crate::text::runes;
use crate::value::{Type, Value};

const RAW: Type = Type::Raw;

/// All of them.
pub(crate) const TABLE: &[Function] = &[
    AND,
    OR,
    CALL,
    Function::new("not", &[RAW], |_, a| Ok(Value::Bool(!a[0].truth()))),
    Function::new("len", &[RAW], |_, a| length(&a[0])),
    Function::variadic("index", &[RAW, RAW], |_, a| index(&a[0], &a[1..])),
    Function::variadic("slice", &[RAW, RAW], |_, a| slice(&a[0], &a[1..])),
    Function::variadic("print", &[Type::Any], |call, a| printed(call, |p| p.print(a))),
    Function::variadic("println", &[Type::Any], |call, a| printed(call, |p| p.println(a))),
    Function::variadic("printf", &[Type::Str, Type::Any], |call, a| printed(call, |p| p.printf(bytes(&a[0]), &a[1..]))),
    Function::variadic("html", &[Type::Any], |_, a| Ok(Value::str(html(&joined(a))))),
    Function::variadic("js", &[Type::Any], |_, a| Ok(Value::str(js(&joined(a))))),
    Function::variadic("urlquery", &[Type::Any], |_, a| Ok(Value::str(query_escape(&joined(a))))),
    Function::variadic("eq", &[RAW, RAW], |_, a| eq(&a[0], &a[1..]).map(Value::Bool)),
    Function::new("ne", &[RAW, RAW], |_, a| eq(&a[0], &a[1..]).map(|b| Value::Bool(!b))),
    Function::new("lt", &[RAW, RAW], |_, a| lt(&a[0], &a[1]).map(Value::Bool)),
    Function::new("le", &[RAW, RAW], |_, a| le(&a[0], &a[1]).map(Value::Bool)),
    Function::new("gt", &[RAW, RAW], |_, a| le(&a[0], &a[1]).map(|b| Value::Bool(!b))),
    Function::new("ge", &[RAW, RAW], |_, a| lt(&a[0], &a[1]).map(|b| Value::Bool(!b))),
];

const AND: Function = Function::variadic("and", &[RAW, RAW], |_, _| Ok(Value::Nil));
const OR: Function = Function::variadic("or", &[RAW, RAW], |_, _| Ok(Value::Nil));
const CALL: Function = Function::variadic("call", &[RAW, RAW], call);

/// `and` and `or`, which the evaluator does itself so that it can stop early.
pub(crate) fn is_short_circuit(function: &Function) -> bool {
    matches!(function.name, "and" | "or")
}

/// `call`, which is handed the text of its first argument before its arguments.
pub(crate) fn is_call(function: &Function) -> bool {
    function.name == "call"
}

/// The bytes of a string argument.
pub(crate) fn bytes(value: &Value) -> &[u8] {
    match value {
        Value::Str(s) => s,
        _ => &[],
    }
}

/// Prints within the room that is left.
pub(crate) fn printed(call: &mut Call<'_>, print: impl FnOnce(&mut Printer)) -> Answer {
    let mut printer = Printer::new(call.room());
    print(&mut printer);
    if printer.overflow {
        call.charge(usize::MAX)?;
    }
    Ok(Value::str(printer.out))
}

fn call(call: &mut Call<'_>, args: &[Value]) -> Answer {
    match &args[1] {
        Value::Nil => Err("call of nil".into()),
        Value::Func(function) => (function.call)(call, &args[2..]),
        other => Err(format!("non-function {} of type {}", show(&args[0]), other.type_text()).into()),
    }
}

fn length(value: &Value) -> Answer {
    let n = match value {
        Value::Str(s) => s.len(),
        Value::List(l) => l.items().len(),
        Value::Map(m) => m.len(),
        Value::Nil => return Err("reflect: call of reflect.Value.Type on zero Value".into()),
        other => return Err(format!("len of type {}", pointed(other)).into()),
    };
    Ok(Value::int(i64::try_from(n).unwrap_or(i64::MAX)))
}

/// The type, without the star of a pointer: Go follows it first.
fn pointed(value: &Value) -> String {
    value.type_text().trim_start_matches('*').to_owned()
}

/// An index of up to `end`, which may be the length itself.
fn position(index: &Value, end: usize) -> Result<usize, Failure> {
    let n = match index {
        Value::Int(_, n) => *n,
        Value::Uint(_, n) => i64::from_ne_bytes(n.to_ne_bytes()),
        Value::Object(object) if object.number().is_some() => object.number().unwrap_or(0),
        Value::Nil => return Err("cannot index slice/array with nil".into()),
        other => return Err(format!("cannot index slice/array with type {}", other.type_text()).into()),
    };
    usize::try_from(n).ok().filter(|&n| n <= end).ok_or_else(|| format!("index out of range: {n}").into())
}

fn index(item: &Value, indexes: &[Value]) -> Answer {
    if matches!(item, Value::Nil) {
        return Err("index of untyped nil".into());
    }
    let mut item = item.clone();
    for index in indexes {
        item = match &item {
            Value::Nil => return Err("index of nil pointer".into()),
            Value::List(list) => {
                let at = position(index, list.items().len())?;
                list.items().get(at).cloned().ok_or("reflect: slice index out of range")?
            }
            Value::Str(s) => {
                let at = position(index, s.len())?;
                let byte = *s.get(at).ok_or("reflect: string index out of range")?;
                Value::Uint(crate::value::Uint::U8, u64::from(byte))
            }
            Value::Map(map) => match index {
                Value::Str(key) => map.get(key).unwrap_or_else(|| map.elem().zero()),
                Value::Nil => return Err("value is nil; should be of type string".into()),
                other => return Err(format!("value has type {}; should be string", other.type_text()).into()),
            },
            other => return Err(format!("can't index item of type {}", pointed(other)).into()),
        };
    }
    Ok(item)
}

fn slice(item: &Value, indexes: &[Value]) -> Answer {
    if indexes.len() > 3 {
        return Err(format!("too many slice indexes: {}", indexes.len()).into());
    }
    let end = match item {
        Value::Str(_) if indexes.len() == 3 => return Err("cannot 3-index slice a string".into()),
        Value::Str(s) => s.len(),
        Value::List(l) => l.items().len(),
        Value::Nil => return Err("slice of untyped nil".into()),
        other => return Err(format!("can't slice item of type {}", pointed(other)).into()),
    };
    let mut bounds = [0, end, end];
    for (bound, index) in bounds.iter_mut().zip(indexes) {
        *bound = position(index, end)?;
    }
    let [from, to, cap] = bounds;
    if from > to {
        return Err(format!("invalid slice index: {from} > {to}").into());
    }
    if indexes.len() == 3 && to > cap {
        return Err(format!("invalid slice index: {to} > {cap}").into());
    }
    Ok(match item {
        Value::List(l) => Value::List(crate::value::List::new(l.elem(), l.items()[from..to].to_vec())),
        other => Value::str(&bytes(other)[from..to]),
    })
}

#[derive(PartialEq, Clone, Copy)]
enum Basic {
    Bool,
    Int,
    Uint,
    Float,
    Complex,
    Str,
    Other,
}

fn basic(value: &Value) -> Basic {
    match value {
        Value::Bool(_) => Basic::Bool,
        Value::Int(..) => Basic::Int,
        Value::Uint(..) => Basic::Uint,
        Value::Float(..) => Basic::Float,
        Value::Complex(..) => Basic::Complex,
        Value::Str(_) => Basic::Str,
        Value::Object(object) if object.number().is_some() => Basic::Int,
        Value::Nil | Value::List(_) | Value::Map(_) | Value::Func(_) | Value::Object(_) => Basic::Other,
    }
}

fn int_of(value: &Value) -> i128 {
    match value {
        Value::Int(_, n) => i128::from(*n),
        Value::Uint(_, n) => i128::from(*n),
        Value::Object(object) => i128::from(object.number().unwrap_or(0)),
        _ => 0,
    }
}

fn is_nil(value: &Value) -> bool {
    match value {
        Value::Nil => true,
        Value::List(l) => l.is_nil(),
        Value::Map(m) => m.is_nil(),
        _ => false,
    }
}

fn mismatch(a: &Value, b: &Value) -> Failure {
    format!("incompatible types for comparison: {} and {}", a.type_text(), b.type_text()).into()
}

fn eq(first: &Value, others: &[Value]) -> Result<bool, Failure> {
    if others.is_empty() {
        return Err("missing argument for comparison".into());
    }
    let kind = basic(first);
    for other in others {
        let same = match (kind, basic(other)) {
            (Basic::Int, Basic::Uint) | (Basic::Uint, Basic::Int) => int_of(first) == int_of(other),
            (a, b) if a != b => {
                if !matches!(first, Value::Nil) && !matches!(other, Value::Nil) {
                    return Err(mismatch(first, other));
                }
                false
            }
            (Basic::Int | Basic::Uint, _) => int_of(first) == int_of(other),
            (Basic::Other, _) => same_other(first, other)?,
            _ => match (first, other) {
                (Value::Bool(a), Value::Bool(b)) => a == b,
                (Value::Float(_, a), Value::Float(_, b)) => a == b,
                (Value::Complex(a, b), Value::Complex(c, d)) => a == c && b == d,
                (Value::Str(a), Value::Str(b)) => a == b,
                _ => false,
            },
        };
        if same {
            return Ok(true);
        }
    }
    Ok(false)
}

fn same_other(a: &Value, b: &Value) -> Result<bool, Failure> {
    if is_nil(a) || is_nil(b) {
        return Ok(is_nil(a) == is_nil(b));
    }
    let kinds = (a.type_of().map(|t| t.kind()), b.type_of().map(|t| t.kind()));
    if kinds.0 != kinds.1 {
        return Err(format!(
            "non-comparable types {}: {}, {}: {}",
            show_with(b"%s", a),
            a.type_text(),
            b.type_text(),
            show(b)
        )
        .into());
    }
    match (a, b) {
        (Value::Object(a), Value::Object(b)) => Ok(a.same(b)),
        _ => Err(format!("non-comparable type {}: {}", show_with(b"%s", b), b.type_text()).into()),
    }
}

fn lt(a: &Value, b: &Value) -> Result<bool, Failure> {
    let (x, y) = (basic(a), basic(b));
    if x == Basic::Other || y == Basic::Other {
        return Err("invalid type for comparison".into());
    }
    match (a, b) {
        _ if matches!((x, y), (Basic::Int | Basic::Uint, Basic::Int | Basic::Uint)) => Ok(int_of(a) < int_of(b)),
        _ if x != y => Err(mismatch(a, b)),
        (Value::Float(_, a), Value::Float(_, b)) => Ok(a < b),
        (Value::Str(a), Value::Str(b)) => Ok(a < b),
        _ => Err("invalid type for comparison".into()),
    }
}

fn le(a: &Value, b: &Value) -> Result<bool, Failure> {
    Ok(lt(a, b)? || eq(a, std::slice::from_ref(b))?)
}

/// The arguments as one text: a single string as it is, else as `print` writes them.
fn joined(args: &[Value]) -> Vec<u8> {
    match args {
        [Value::Str(s)] => s.to_vec(),
        [one] => match one {
            Value::Nil => b"<no value>".to_vec(),
            _ => sprint(one),
        },
        _ => {
            let args: Vec<Value> = args
                .iter()
                .map(|a| if matches!(a, Value::Nil) { Value::str("<no value>") } else { a.clone() })
                .collect();
            let mut printer = Printer::new(1 << 24);
            printer.print(&args);
            printer.out
        }
    }
}

fn html(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    for &b in text {
        let escape: &[u8] = match b {
            0 => "\u{fffd}".as_bytes(),
            b'"' => b"&#34;",
            b'\'' => b"&#39;",
            b'&' => b"&amp;",
            b'<' => b"&lt;",
            b'>' => b"&gt;",
            _ => &[],
        };
        if escape.is_empty() { out.push(b) } else { out.extend_from_slice(escape) }
    }
    out
}

fn js(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    for (c, raw) in runes(text) {
        match c {
            '\\' => out.extend_from_slice(b"\\\\"),
            '\'' => out.extend_from_slice(b"\\'"),
            '"' => out.extend_from_slice(b"\\\""),
            '<' | '>' | '&' | '=' | '\0'..='\u{1f}' => {
                out.extend_from_slice(format!("\\u{:04X}", u32::from(c)).as_bytes());
            }
            c if c.is_ascii() || crate::text::is_print(c) => out.extend_from_slice(raw),
            c => out.extend_from_slice(format!("\\u{:04X}", u32::from(c)).as_bytes()),
        }
    }
    out
}

/// `url.QueryEscape`.
pub(crate) fn query_escape(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    for &b in text {
        match b {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => out.push(b),
            b' ' => out.push(b'+'),
            _ => out.extend_from_slice(format!("%{b:02X}").as_bytes()),
        }
    }
    out
}
