//! Selecting `remoteRef.property` in what a provider returned.
//!
//! Lives here: the order in which literal keys and gjson paths are tried, one function a family of providers.
//! Deliberately not here: error texts; each provider has its own for a property that isn't there.

use std::borrow::Cow;

use crate::document::{Document, Numbers};
use crate::error::Error;
use crate::path::get;
use crate::write::Html;
use crate::{Found, escape_dots};

fn found(found: Found) -> Option<Vec<u8>> {
    found.exists().then(|| found.into_text())
}

/// AWS, Google and others: a top-level key that is spelt exactly so (if it has dots), else a gjson path.
pub fn dotted_first(payload: &[u8], property: &str) -> Option<Vec<u8>> {
    let literal = if property.contains('.') { found(get(payload, &escape_dots(property))) } else { None };
    literal.or_else(|| found(get(payload, property)))
}

/// Azure Key Vault: a gjson path, else the key that is spelt exactly so (if it has dots).
pub fn path_first(payload: &[u8], property: &str) -> Option<Vec<u8>> {
    let path = found(get(payload, property));
    if path.is_none() && property.contains('.') { found(get(payload, &escape_dots(property))) } else { path }
}

/// Vault: all data as compact JSON with sorted keys if the property is empty, else the key that is spelt exactly so,
/// else a gjson path on that JSON. Numbers keep the spelling that Vault sent.
///
/// `data` is the KV data as [`Document::parse_first`] read it. `None`: the property isn't there.
///
/// # Errors
/// Go's text if `data` is no object. The caller has dealt with null data, which means that there is no secret.
pub fn vault(data: &Document<'_>, property: &str) -> Result<Option<Vec<u8>>, Error> {
    let members = data.members("map[string]interface {}")?;
    if let Some(id) = members.and_then(|members| members.get(property)).filter(|_| !property.is_empty()) {
        return data.bytes(*id, Numbers::Literal).map(Some);
    }
    let json = data.compact(data.root(), Numbers::Literal, Html::Escape)?;
    if property.is_empty() { Ok(Some(json)) } else { Ok(found(get(&json, property))) }
}

/// Kubernetes: the data key that is spelt exactly so, else a gjson path inside the data key before the first dot.
pub fn data_key<'d>(data: impl Fn(&str) -> Option<&'d [u8]>, property: &str) -> Option<Cow<'d, [u8]>> {
    if let Some(value) = data(property) {
        return Some(Cow::Borrowed(value));
    }
    let (key, path) = property.split_once('.')?;
    found(get(data(key)?, path)).map(Cow::Owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAYLOAD: &[u8] = br#"{"a.b":"literal","a":{"b":"path","c":1.50},"n":null,"x":"<"}"#;

    #[test]
    fn the_order_of_literal_and_path_is_the_providers_own() {
        let cases: [(&str, Option<&str>, Option<&str>); 6] = [
            ("a.b", Some("literal"), Some("path")),
            ("a\\.b", Some("literal"), Some("literal")),
            ("a.c", Some("1.5"), Some("1.5")),
            ("n", Some(""), Some("")),
            ("z", None, None),
            ("a.z", None, None),
        ];
        for (property, dotted, path) in cases {
            assert_eq!(dotted_first(PAYLOAD, property).as_deref(), dotted.map(str::as_bytes), "{property}");
            assert_eq!(path_first(PAYLOAD, property).as_deref(), path.map(str::as_bytes), "{property}");
        }
        assert_eq!(path_first(br#"{"a.b":1}"#, "a.b").as_deref(), Some(b"1".as_slice()));
    }

    #[test]
    fn vault_prefers_the_exact_key_and_keeps_numbers_as_sent() {
        let cases: [(&str, Result<Option<&str>, &str>); 6] = [
            ("a.b", Ok(Some("literal"))),
            ("a", Ok(Some(r#"{"b":"path","c":1.50}"#))),
            ("a.c", Ok(Some("1.5"))),
            ("x", Ok(Some("<"))),
            ("", Ok(Some(r#"{"a":{"b":"path","c":1.50},"a.b":"literal","n":null,"x":"\u003c"}"#))),
            ("zz", Ok(None)),
        ];
        let data = Document::parse_first(PAYLOAD).unwrap();
        for (property, want) in cases {
            let got = vault(&data, property).map_err(|e| e.to_string());
            assert_eq!(got, want.map(|w| w.map(|w| w.as_bytes().to_vec())).map_err(str::to_owned), "{property}");
        }
        let list = Document::parse_first(b"[1]").unwrap();
        let error = vault(&list, "a").unwrap_err().to_string();
        assert_eq!(error, "json: cannot unmarshal array into Go value of type map[string]interface {}");
    }

    #[test]
    fn kubernetes_splits_at_the_first_dot() {
        let data = |key: &str| match key {
            "app" => Some(br#"{"k":{"v":"deep"}}"#.as_slice()),
            ".hidden" => Some(b"h".as_slice()),
            _ => None,
        };
        for (property, want) in
            [("app.k.v", Some("deep")), (".hidden", Some("h")), ("app.", None), (".app", None), ("no", None)]
        {
            assert_eq!(data_key(data, property).as_deref(), want.map(str::as_bytes), "{property}");
        }
    }
}
