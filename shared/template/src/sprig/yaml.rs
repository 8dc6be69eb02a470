//! YAML both ways, as External Secrets Operator has it: neither function fails on what it is given.
//!
//! Deliberately not here: YAML itself (see crate `goyaml`).

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value as Json;

use super::{ANY, STR, json};
use crate::builtin::bytes;
use crate::function::{Answer, Call, Failure, Function};
use crate::value::{Entries, Value};

pub(super) const TABLE: &[Function] = &[
    Function::new("fromYaml", &[STR], |call, a| from_yaml(call, bytes(&a[0]))),
    Function::new("toYaml", &[ANY], to_yaml),
];

/// How many bytes of YAML or JSON are read. Dense lists take some sixty times as much memory while they are.
const MAX_BYTES: usize = 512 << 10;

fn charge(call: &mut Call<'_>, text: &[u8]) -> Result<(), Failure> {
    if text.len() > MAX_BYTES {
        return Err(Failure(format!("the YAML has more than {MAX_BYTES} bytes; make it smaller")));
    }
    call.charge(text.len() * 4)
}

/// The map that the text holds; for any other text a map with the reason below `Error`.
fn from_yaml(call: &mut Call<'_>, text: &[u8]) -> Answer {
    charge(call, text)?;
    let mut entries = BTreeMap::new();
    match goyaml::parse_map(text) {
        Ok(map) => insert(call, &mut entries, map, 1)?,
        Err(error) => {
            entries.insert(Arc::from(&b"Error"[..]), Value::str(error.to_string()));
        }
    }
    Ok(Value::dict(entries))
}

fn insert(
    call: &mut Call<'_>,
    entries: &mut Entries,
    map: serde_json::Map<String, Json>,
    depth: u32,
) -> Result<(), Failure> {
    for (key, value) in map {
        let value = value_of(call, value, depth)?;
        entries.insert(Arc::from(key.into_bytes()), value);
    }
    Ok(())
}

fn value_of(call: &mut Call<'_>, json: Json, depth: u32) -> Answer {
    if depth >= call.limits.depth {
        return Err(call.too_deep());
    }
    // Aliases make a value larger than its text.
    call.charge(16)?;
    Ok(match json {
        Json::Null => Value::Nil,
        Json::Bool(b) => Value::Bool(b),
        Json::Number(number) => Value::float(number.as_f64().unwrap_or_default()),
        Json::String(text) => {
            call.charge(text.len())?;
            Value::str(text)
        }
        Json::Array(items) => {
            let mut values = Vec::with_capacity(items.len());
            for item in items {
                values.push(value_of(call, item, depth + 1)?);
            }
            Value::list(values)
        }
        Json::Object(map) => {
            let mut entries = BTreeMap::new();
            insert(call, &mut entries, map, depth + 1)?;
            Value::dict(entries)
        }
    })
}

/// The value as YAML without the newline at the end; nothing for what JSON or YAML can't hold.
fn to_yaml(call: &mut Call<'_>, arguments: &[Value]) -> Answer {
    // Go's way leads over JSON too.
    let Some(to_json) = json::TABLE.iter().find(|function| function.name == "mustToJson") else {
        return Ok(Value::str(""));
    };
    let Ok(text) = (to_json.call)(call, arguments) else { return Ok(Value::str("")) };
    charge(call, bytes(&text))?;
    let room = call.room();
    let yaml = goyaml::json_to_yaml(bytes(&text), room).unwrap_or_default();
    call.charge(yaml.len())?;
    Ok(Value::str(yaml.strip_suffix('\n').unwrap_or(&yaml)))
}
