//! The hashes that end up in annotations, labels and status, bit for bit those of External Secrets Operator.
//!
//! Lives here: SHA3-224 over Go's `%+v` text of maps. Deliberately not here: who compares them with what.
//!
//! Taking over a running cluster must not rewrite its Secrets, and going back must not either: hence these very texts.

use std::collections::BTreeMap;

use secret::SecretMap;
use serde_json::{Number, Value};
use sha3::{Digest, Sha3_224};

/// SHA3-224 of `text` in lower-case hex: 56 characters.
pub fn of_text(text: &str) -> String {
    hex(Sha3_224::digest(text).as_slice())
}

/// The data hash: of `map[a:[49 50] b:[]]`, keys sorted, values as decimal bytes.
pub fn data(data: &SecretMap) -> String {
    let mut hasher = Sha3_224::new();
    hasher.update(b"map[");
    for (place, (key, value)) in data.iter().enumerate() {
        if place > 0 {
            hasher.update(b" ");
        }
        hasher.update(key);
        hasher.update(b":[");
        for (place, byte) in value.expose().iter().enumerate() {
            let (digits, used) = decimal(*byte);
            hasher.update(if place > 0 { b" ".as_slice() } else { b"" });
            hasher.update(digits.get(3 - used..).unwrap_or_default());
        }
        hasher.update(b"]");
    }
    hasher.update(b"]");
    hex(hasher.finalize().as_slice())
}

/// The owner label: of `<namespace>/<name>` of the ExternalSecret.
pub fn owner(namespace: &str, name: &str) -> String {
    of_text(&format!("{namespace}/{name}"))
}

/// `status.syncedResourceVersion`: `<generation>-<hash>` over all labels and annotations.
pub fn sync_version(
    generation: i64,
    labels: &BTreeMap<String, String>,
    annotations: &BTreeMap<String, String>,
) -> String {
    let text = format!("{{annotations:{} labels:{}}}", map_text(annotations), map_text(labels));
    format!("{generation}-{}", of_text(&text))
}

/// The hash of a JSON value: of Go's `%+v` text, as `map[a:[1 x <nil>]]`.
pub fn json(value: &Value) -> String {
    let mut hasher = Sha3_224::new();
    json_text(value, &mut |text| hasher.update(text));
    hex(hasher.finalize().as_slice())
}

/// Writes it in parts, since it is made of secrets.
fn json_text(value: &Value, write: &mut dyn FnMut(&[u8])) {
    match value {
        Value::Null => write(b"<nil>"),
        Value::Bool(true) => write(b"true"),
        Value::Bool(false) => write(b"false"),
        Value::Number(number) => write(number_text(number).as_bytes()),
        Value::String(text) => write(text.as_bytes()),
        Value::Array(items) => {
            write(b"[");
            for (place, item) in items.iter().enumerate() {
                write(if place > 0 { b" " } else { b"" });
                json_text(item, write);
            }
            write(b"]");
        }
        Value::Object(members) => {
            write(b"map[");
            // Sorted here, whatever order the type keeps.
            let sorted: BTreeMap<&String, &Value> = members.iter().collect();
            for (place, (key, item)) in sorted.into_iter().enumerate() {
                write(if place > 0 { b" " } else { b"" });
                write(key.as_bytes());
                write(b":");
                json_text(item, write);
            }
            write(b"]");
        }
    }
}

/// A number as Go holds and prints it: `int64` if it is one, else `float64` with the fewest digits, and with an exponent
/// below 1e-4 and from 1e6 on.
fn number_text(number: &Number) -> String {
    if let Some(whole) = number.as_i64() {
        return whole.to_string();
    }
    let value = number.as_f64().unwrap_or_default();
    let shown = format!("{value:e}");
    let (digits, power) = shown.split_once('e').unwrap_or((&shown, "0"));
    let power: i32 = power.parse().unwrap_or_default();
    if value != 0.0 && !(-4..6).contains(&power) {
        let sign = if power < 0 { '-' } else { '+' };
        return format!("{digits}e{sign}{:02}", power.abs());
    }
    value.to_string()
}

fn map_text(map: &BTreeMap<String, String>) -> String {
    let pairs: Vec<String> = map.iter().map(|(key, value)| format!("{key}:{value}")).collect();
    format!("map[{}]", pairs.join(" "))
}

/// The digits of a byte at the end of three places, and how many there are. On the stack, since it is a secret's byte.
fn decimal(byte: u8) -> ([u8; 3], usize) {
    let digits = [b'0' + byte / 100, b'0' + byte / 10 % 10, b'0' + byte % 10];
    let used = match byte {
        0..=9 => 1,
        10..=99 => 2,
        100..=255 => 3,
    };
    (digits, used)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use secret::SecretBytes;

    #[test]
    fn known_vectors_hold() {
        assert_eq!(data(&SecretMap::new()), "74a974446e359fb3e6baff9bd0058950e6edd0f040888d9989b0a11b");
        let map = SecretMap::from([
            ("foo".to_owned(), SecretBytes::from("value1")),
            ("bar".to_owned(), SecretBytes::from("value2")),
        ]);
        assert_eq!(data(&map), "1bed8bcbcb4547ffe19a19cd47d9078e84aa6598266d86b99f992d64");
        let none = BTreeMap::new();
        assert_eq!(sync_version(7, &none, &none), "7-f47fe3c0b255b6dd8047cdffa772587bb829efe7a1cb70febeda2eb2");
    }

    #[test]
    fn json_is_hashed_by_its_go_text() {
        let value = serde_json::json!({
            "b": {"z": {"q": "1"}, "c": null},
            "a": [1, "x y", null, true, 1.5, 1e21, 1e-5, 0.0001, 9_223_372_036_854_775_808_u64, 1e3, 123_456_789.0, 1e5, 1e6],
            "d": [], "e": {},
        });
        let text = "map[a:[1 x y <nil> true 1.5 1e+21 1e-05 0.0001 9.223372036854776e+18 1000 1.23456789e+08 100000 1e+06] \
                    b:map[c:<nil> z:map[q:1]] d:[] e:map[]]";
        let mut written = Vec::new();
        json_text(&value, &mut |part| written.extend_from_slice(part));
        assert_eq!(String::from_utf8(written).unwrap(), text);
        assert_eq!(json(&value), of_text(text));
    }

    #[test]
    fn every_byte_is_written_in_decimal() {
        for byte in 0..=255_u8 {
            let map = SecretMap::from([("k".to_owned(), SecretBytes::new(vec![byte, byte]))]);
            assert_eq!(data(&map), of_text(&format!("map[k:[{byte} {byte}]]")));
        }
    }
}
