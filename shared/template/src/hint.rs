//! What to do about a template that fails, from the names of the keys and functions at hand. Values are never looked at.
//!
//! Deliberately not here: what went wrong (see `error`).

use crate::error::Fault;
use crate::names::KNOWN;
use crate::text::quoted;

/// How many keys a hint lists at most.
const LISTED: usize = 5;

/// A short advice, if there is any, such as `did you mean .password?`. `keys` are those of the root value.
pub fn hint<'k>(error: &impl Fault, keys: impl IntoIterator<Item = &'k str>) -> Option<String> {
    let keys: Vec<&str> = keys.into_iter().collect();
    if let Some(missing) = error.missing_key() {
        return of_missing(missing, error.of_root(), &keys);
    }
    let text = error.text();
    if text.contains("expected map[string]interface {}; got map[string]string") {
        // `get`, `hasKey` and their like take another kind of map than the one that dot is.
        return Some("the values are read by {{ index . \"key\" }}".to_owned());
    }
    if text.contains("bad character U+002D '-'") {
        let key = keys.iter().find(|key| key.contains('-')).unwrap_or(&"the-key");
        return Some(format!("a key with a dash is read by {}", written("", key)));
    }
    if text.ends_with("unexpected EOF") {
        return Some("an {{ end }} is missing".to_owned());
    }
    let function = error.function().filter(|name| KNOWN.binary_search(name).is_err())?;
    let meant = closest(function, KNOWN.iter().copied()).map(|name| format!("did you mean the function {name}?"));
    meant.or_else(|| closest(function, keys).map(|key| format!("did you mean {}?", written("", key))))
}

fn of_missing(missing: &str, of_root: bool, keys: &[&str]) -> Option<String> {
    if keys.contains(&missing) {
        // Dot is something else here, and the key is there at the root.
        return Some(format!("inside of range and with it is {}", written("$", missing)));
    }
    if !of_root {
        return None;
    }
    // `.tls.crt` asks for `tls`, where the key is `tls.crt`.
    let longer =
        || keys.iter().copied().find(|key| key.strip_prefix(missing).is_some_and(|rest| rest.starts_with('.')));
    if let Some(near) = closest(missing, keys.iter().copied()).or_else(longer) {
        return Some(format!("did you mean {}?", written("", near)));
    }
    let mut listed: Vec<&str> = keys.iter().copied().take(LISTED).collect();
    if keys.len() > LISTED {
        listed.push("…");
    }
    (!listed.is_empty()).then(|| format!("there are {}", listed.join(", ")))
}

/// How a template reads a key: `.key`, or by `index` where the language doesn't take it for a name.
fn written(root: &str, key: &str) -> String {
    let plain = key.chars().all(|c| c == '_' || c.is_alphanumeric()) && !key.is_empty();
    let dot = if root.is_empty() { "." } else { root };
    if plain { format!("{root}.{key}") } else { format!("{{{{ index {dot} {} }}}}", quoted(key.as_bytes())) }
}

/// The nearest name, if it is near: letters in another case or punctuation count for nothing, and up to a third of the
/// letters may be wrong. The first of equals in order.
fn closest<'n>(wanted: &str, names: impl IntoIterator<Item = &'n str>) -> Option<&'n str> {
    let bare =
        |name: &str| -> String { name.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect() };
    let wanted_bare = bare(wanted);
    let allowed = match wanted_bare.chars().count() {
        0 | 1 => 0,
        2..=5 => 1,
        n => n / 3,
    };
    let near = names.into_iter().filter(|name| name.len() <= 256 && wanted.len() <= 256).filter_map(|name| {
        let distance = strsim::osa_distance(&wanted_bare, &bare(name));
        (distance <= allowed).then(|| (distance, strsim::osa_distance(wanted, name), name))
    });
    near.min().map(|(_, _, name)| name)
}
