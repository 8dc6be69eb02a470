//! The hashes that end up in annotations, labels and status, bit for bit those of External Secrets Operator.
//!
//! Lives here: SHA3-224 over Go's `%+v` text of maps. Deliberately not here: who compares them with what.
//!
//! Taking over a running cluster must not rewrite its Secrets, and going back must not either: hence these very texts.

use std::collections::BTreeMap;

use secret::SecretMap;
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
    fn every_byte_is_written_in_decimal() {
        for byte in 0..=255_u8 {
            let map = SecretMap::from([("k".to_owned(), SecretBytes::new(vec![byte, byte]))]);
            assert_eq!(data(&map), of_text(&format!("map[k:[{byte} {byte}]]")));
        }
    }
}
