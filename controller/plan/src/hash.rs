//! SIGNATURES that the controller relies on (bodies still to be written by this file's owner; keep the signatures).
use std::collections::BTreeMap;
use secret::SecretMap;
/// x
pub fn of_text(_text: &str) -> String { String::new() }
/// x
pub fn data(_data: &SecretMap) -> String { String::new() }
/// x
pub fn owner(_namespace: &str, _name: &str) -> String { String::new() }
/// x
pub fn sync_version(_generation: i64, _labels: &BTreeMap<String, String>, _annotations: &BTreeMap<String, String>) -> String { String::new() }
