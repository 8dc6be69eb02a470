//! Keys of remote secrets as keys of a Kubernetes Secret.
//!
//! Lives here: conversion, its reverse for pushing, and validation. Deliberately not here: rewrite operations, and what
//! the API server accepts (it refuses the letters beyond ASCII that pass here).

use std::sync::LazyLock;

use api::ConversionStrategy;
use regex::{Captures, Regex};
use secret::SecretMap;

/// Longest key, in bytes.
const MAX_LENGTH: usize = 253;

/// A character that is no Unicode letter or number and none of `-._`.
static FORBIDDEN: LazyLock<Result<Regex, String>> = LazyLock::new(|| pattern(r"[^\p{L}\p{N}\-._]"));

/// What the Unicode strategy writes for a forbidden character.
static ESCAPED: LazyLock<Result<Regex, String>> = LazyLock::new(|| pattern(r"_U([0-9a-fA-F]{4,5})_"));

fn pattern(text: &str) -> Result<Regex, String> {
    Regex::new(text).map_err(|error| error.to_string())
}

/// Replaces what a key must not contain: by `_` (Default, and `None`), or by `_U<hex code point>_` (Unicode).
///
/// # Errors
/// `secret name collision during conversion: <key>` if two keys become the same one.
pub fn convert(strategy: Option<ConversionStrategy>, map: SecretMap) -> Result<SecretMap, String> {
    let forbidden = FORBIDDEN.as_ref()?;
    collect(map, |key| match strategy {
        None | Some(ConversionStrategy::Default) => forbidden.replace_all(key, "_").into_owned(),
        Some(ConversionStrategy::Unicode) => forbidden
            .replace_all(key, |found: &Captures<'_>| {
                found[0].chars().map(|c| format!("_U{:04x}_", u32::from(c))).collect::<String>()
            })
            .into_owned(),
    })
}

/// Turns `_U<4 or 5 hex digits>_` back into the character, for keys that are pushed with `ReverseUnicode`.
///
/// # Errors
/// As [`convert`].
pub fn reverse_unicode(map: SecretMap) -> Result<SecretMap, String> {
    let escaped = ESCAPED.as_ref()?;
    collect(map, |key| unescaped(escaped, key))
}

/// As [`reverse_unicode`], of one key.
///
/// # Errors
/// None that a user could meet.
pub fn reverse_unicode_key(key: &str) -> Result<String, String> {
    Ok(unescaped(ESCAPED.as_ref()?, key))
}

fn unescaped(escaped: &Regex, key: &str) -> String {
    let character = |found: &Captures<'_>| {
        let point = u32::from_str_radix(&found[1], 16).ok().and_then(char::from_u32);
        point.unwrap_or(char::REPLACEMENT_CHARACTER).to_string()
    };
    escaped.replace_all(key, character).into_owned()
}

fn collect(map: SecretMap, rename: impl Fn(&str) -> String) -> Result<SecretMap, String> {
    let mut out = SecretMap::new();
    for (key, value) in map {
        let renamed = rename(&key);
        if out.contains_key(&renamed) {
            return Err(format!("secret name collision during conversion: {renamed}"));
        }
        out.insert(renamed, value);
    }
    Ok(out)
}

/// Checks keys before they go into a Secret; empty keys are dropped.
///
/// # Errors
/// The reference's texts for a key that is longer than 253 bytes or has a character that is no letter, number or `-._`.
pub fn validate(map: SecretMap) -> Result<SecretMap, String> {
    let forbidden = FORBIDDEN.as_ref()?;
    let mut out = SecretMap::new();
    for (key, value) in map {
        if key.is_empty() {
            continue;
        }
        if key.len() > MAX_LENGTH {
            let cut = key.floor_char_boundary(MAX_LENGTH);
            // The reference cuts bytes, not characters: what is left of one shows as replacement characters.
            let torn = "\u{fffd}".repeat(MAX_LENGTH - cut);
            return Err(format!(
                "key has length {} but max is {MAX_LENGTH}: (following is truncated): {}{torn}",
                key.len(),
                &key[..cut]
            ));
        }
        if let Some(found) = forbidden.find(&key) {
            return Err(format!(
                "key has invalid character {}, only alphanumeric, '-', '.' and '_' are allowed: {key}",
                found.as_str()
            ));
        }
        out.insert(key, value);
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use secret::SecretBytes;

    fn map(keys: &[&str]) -> SecretMap {
        keys.iter().map(|key| ((*key).to_owned(), SecretBytes::from(*key))).collect()
    }

    fn names(result: Result<SecretMap, String>) -> Result<Vec<String>, String> {
        result.map(|map| map.into_keys().collect())
    }

    #[test]
    fn combining_marks_and_circled_letters_are_no_letters() {
        let got = names(convert(None, map(&["\u{345}", "\u{24b6}\u{24b6}", "ª", "Ⅳ½"])));
        assert_eq!(got, Ok(["_", "__", "ª", "Ⅳ½"].map(str::to_owned).to_vec()));
    }

    #[test]
    fn conversions_that_collide_are_refused() {
        let collision = |key: &str| Err(format!("secret name collision during conversion: {key}"));
        assert_eq!(names(convert(None, map(&["a/b", "a_b"]))), collision("a_b"));
        assert_eq!(names(reverse_unicode(map(&["a b", "a_U0020_b"]))), collision("a b"));
        assert_eq!(names(convert(Some(ConversionStrategy::Unicode), map(&["a/b", "a_b"]))).map(|n| n.len()), Ok(2));
    }

    #[test]
    fn a_long_key_is_shown_up_to_byte_253() {
        let key = "日".repeat(100);
        let want = format!("key has length 300 but max is 253: (following is truncated): {}\u{fffd}", "日".repeat(84));
        assert_eq!(names(validate(map(&[&key]))), Err(want));
    }
}
