//! Taking a pushed property out of a remote secret that is JSON. Pure.
//!
//! Deliberately not here: setting one (`gojson::set`), whose errors each provider tells in its own words.

use secret::SecretBytes;

/// What is left when a property is taken out.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Rest {
    /// It wasn't there.
    Same,
    /// Nothing: the secret goes.
    Nothing,
    /// The other properties.
    Value(SecretBytes),
}

pub(crate) fn without(held: &SecretBytes, property: &str) -> Rest {
    // What isn't JSON, or no one place, was never pushed as this property.
    match gojson::remove(held.expose(), property) {
        Ok(Some(rest)) if gojson::equal(&rest, b"{}") || gojson::equal(&rest, b"[]") => Rest::Nothing,
        Ok(Some(rest)) => Rest::Value(SecretBytes::new(rest)),
        Ok(None) | Err(_) => Rest::Same,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_property_takes_the_secret_along() {
        let value = |text: &str| Rest::Value(text.into());
        let cases = [
            (r#"{"a":"1","b":"2"}"#, "a", value(r#"{"b":"2"}"#)),
            (r#"{"p":"v","a":1}"#, "p", value(r#"{"a":1}"#)),
            (r#"{"a":"1"}"#, "a", Rest::Nothing),
            (r#"{"p":"v"}"#, "p", Rest::Nothing),
            (r#"{"a":{"b":"1"}}"#, "a.b", Rest::Nothing),
            (r#"["1"]"#, "0", Rest::Nothing),
            (r#"{"a":"1"}"#, "b", Rest::Same),
            (r#"{"a":1}"#, "p", Rest::Same),
            ("canary", "b", Rest::Same),
            ("text", "p", Rest::Same),
        ];
        for (held, property, want) in cases {
            assert_eq!(without(&held.into(), property), want, "{held} {property}");
        }
    }
}
