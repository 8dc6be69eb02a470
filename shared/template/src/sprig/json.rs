//! JSON both ways.

use std::collections::BTreeMap;
use std::sync::Arc;

use gojson::{Document, Html, Item, NodeId};

use super::{ANY, STR};
use crate::builtin::bytes;
use crate::float::format_float;
use crate::function::{Answer, Call, Failure, Function};
use crate::object::Object;
use crate::value::{Float, Value};

pub(super) const TABLE: &[Function] = &[
    Function::new("fromJson", &[STR], |call, a| Ok(decode(call, bytes(&a[0])).unwrap_or(Value::Nil))),
    Function::new("mustFromJson", &[STR], |call, a| decode(call, bytes(&a[0]))),
    Function::new("toJson", &[ANY], |call, a| Ok(soft(encode(call, &a[0], Html::Escape, false)))),
    Function::new("mustToJson", &[ANY], |call, a| encode(call, &a[0], Html::Escape, false)),
    Function::new("toPrettyJson", &[ANY], |call, a| Ok(soft(encode(call, &a[0], Html::Escape, true)))),
    Function::new("mustToPrettyJson", &[ANY], |call, a| encode(call, &a[0], Html::Escape, true)),
    Function::new("toRawJson", &[ANY], |call, a| encode(call, &a[0], Html::Keep, false)),
    Function::new("mustToRawJson", &[ANY], |call, a| encode(call, &a[0], Html::Keep, false)),
];

fn soft(answer: Answer) -> Value {
    answer.unwrap_or_else(|_| Value::str(""))
}

fn decode(call: &mut Call<'_>, text: &[u8]) -> Answer {
    call.charge(text.len() * 4)?;
    let document = Document::parse(text).map_err(|e| Failure(e.to_string()))?;
    let mut failure = None;
    let value = read(call, &document, document.root(), 0, &mut failure)?;
    match failure {
        Some(failure) => Err(failure),
        None => Ok(value),
    }
}

/// The value of a node. A number out of range is noted as the failure; Go reads on too.
fn read(call: &mut Call<'_>, document: &Document<'_>, id: NodeId, depth: u32, failure: &mut Option<Failure>) -> Answer {
    if depth >= call.limits.depth {
        return Err(call.too_deep());
    }
    Ok(match document.item(id) {
        Item::Null => Value::Nil,
        Item::Bool(b) => Value::Bool(b),
        Item::Number(_) => {
            let raw = String::from_utf8_lossy(document.raw(id)).into_owned();
            match raw.parse::<f64>() {
                Ok(f) if f.is_finite() => Value::float(f),
                _ => {
                    failure.get_or_insert_with(|| {
                        Failure(format!("json: cannot unmarshal number {raw} into Go value of type float64"))
                    });
                    Value::Nil
                }
            }
        }
        Item::Text(s) => Value::str(s),
        Item::Array(ids) => {
            let mut items = Vec::new();
            for id in ids.iter().copied() {
                items.push(read(call, document, id, depth + 1, failure)?);
            }
            Value::list(items)
        }
        Item::Object(members) => {
            let mut entries = BTreeMap::new();
            for (key, id) in members.iter() {
                entries.insert(Arc::from(key.as_bytes()), read(call, document, *id, depth + 1, failure)?);
            }
            Value::dict(entries)
        }
    })
}

fn encode(call: &mut Call<'_>, value: &Value, html: Html, pretty: bool) -> Answer {
    let mut out = Vec::new();
    let room = call.room();
    write(&mut out, value, html, pretty.then_some(0), 0, room).map_err(|text| match text {
        Some(text) => Failure(text),
        None => call.too_deep(),
    })?;
    if out.len() >= room {
        call.charge(usize::MAX)?;
    }
    Ok(Value::str(out))
}

/// A float as `encoding/json` writes it.
pub(super) fn float_text(value: f64, bits: u8) -> String {
    let size = value.abs();
    if size != 0.0 && !(1e-6..1e21).contains(&size) {
        let text = format_float(value, b'e', None, bits);
        return text.replace("e-0", "e-");
    }
    format_float(value, b'f', None, bits)
}

fn write(
    out: &mut Vec<u8>,
    value: &Value,
    html: Html,
    indent: Option<usize>,
    depth: u32,
    room: usize,
) -> Result<(), Option<String>> {
    if depth > 400 {
        return Err(None);
    }
    if out.len() >= room {
        return Ok(());
    }
    let line = |out: &mut Vec<u8>, level: usize| {
        if indent.is_some() {
            out.push(b'\n');
            out.resize(out.len() + level * 2, b' ');
        }
    };
    let level = indent.unwrap_or(0);
    let inner = indent.map(|n| n + 1);
    match value {
        Value::Nil => out.extend_from_slice(b"null"),
        Value::Bool(b) => out.extend_from_slice(b.to_string().as_bytes()),
        Value::Int(_, n) => out.extend_from_slice(n.to_string().as_bytes()),
        Value::Uint(_, n) => out.extend_from_slice(n.to_string().as_bytes()),
        Value::Float(kind, f) => {
            if !f.is_finite() {
                return Err(Some(format!("json: unsupported value: {}", format_float(*f, b'g', None, 64))));
            }
            out.extend_from_slice(float_text(*f, if *kind == Float::F32 { 32 } else { 64 }).as_bytes());
        }
        Value::Complex(..) | Value::Func(_) => {
            return Err(Some(format!("json: unsupported type: {}", value.type_text())));
        }
        Value::Str(s) => gojson::write_string(out, s, html),
        Value::Object(Object::Certificate(certificate)) => {
            let fields = certificate.fields().into_iter().map(|(name, value)| (name.as_bytes().into(), value));
            write(out, &Value::dict(fields.collect()), html, indent, depth, room)?;
        }
        Value::Object(object) => out.extend_from_slice(object.json().as_bytes()),
        Value::List(list) if list.is_nil() => out.extend_from_slice(b"null"),
        Value::Map(map) if map.is_nil() => out.extend_from_slice(b"null"),
        Value::List(list) => {
            out.push(b'[');
            for (i, item) in list.items().iter().enumerate() {
                if i > 0 {
                    out.push(b',');
                }
                line(out, level + 1);
                write(out, item, html, inner, depth + 1, room)?;
            }
            if !list.items().is_empty() {
                line(out, level);
            }
            out.push(b']');
        }
        Value::Map(map) => {
            let entries = map.entries();
            out.push(b'{');
            for (i, (key, item)) in entries.iter().enumerate() {
                if i > 0 {
                    out.push(b',');
                }
                line(out, level + 1);
                gojson::write_string(out, key, html);
                out.extend_from_slice(if indent.is_some() { b": " } else { b":" });
                write(out, item, html, inner, depth + 1, room)?;
            }
            if !entries.is_empty() {
                line(out, level);
            }
            out.push(b'}');
        }
    }
    Ok(())
}
