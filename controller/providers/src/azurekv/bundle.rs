//! What a vault answers about one object: value, tags and dates. Pure.
//!
//! Deliberately not here: what a reference picks out of it (`read.rs`).

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use gojson::{Document, Html, Item, NodeId, Numbers};
use secret::SecretBytes;

use super::object::Kind;

/// Members of a JWK in the order in which the reference's older client writes them. The newer one sorts them.
const JWK_ORDER: [&str; 16] =
    ["kid", "kty", "key_ops", "n", "e", "d", "dp", "dq", "qi", "p", "q", "k", "key_hsm", "crv", "x", "y"];
/// Dates of an object, by the names under which the reference's older client adds them to the tags.
const DATES: [(&str, &str); 4] = [
    ("exp", "attribute.expires"),
    ("created", "attribute.created"),
    ("updated", "attribute.updated"),
    ("nbf", "attribute.notBefore"),
];

/// An object as it is held by the vault.
#[derive(Debug)]
pub(super) struct Bundle {
    /// A secret's text, a key's public JWK in JSON, a certificate in DER.
    pub(super) value: SecretBytes,
    pub(super) tags: BTreeMap<String, String>,
    pub(super) content_type: Option<String>,
    /// Seconds since the epoch.
    pub(super) expires: Option<i64>,
    dates: Vec<(&'static str, i64)>,
}

/// The tags of an object or of an item of a list.
pub(super) fn tags(document: &Document<'_>, of: NodeId) -> BTreeMap<String, String> {
    let Some(Item::Object(members)) = document.member(of, "tags").map(|id| document.item(id)) else {
        return BTreeMap::new();
    };
    let text = |id: &NodeId| match document.item(*id) {
        Item::Text(text) => Some(text.to_owned()),
        Item::Null | Item::Bool(_) | Item::Number(_) | Item::Array(_) | Item::Object(_) => None,
    };
    members.iter().filter_map(|(name, id)| Some((name.clone(), text(id)?))).collect()
}

impl Bundle {
    /// Reads an answer; `None` if it isn't one about an object of this kind.
    pub(super) fn of(kind: Kind, body: &[u8], modern: bool) -> Option<Self> {
        let document = Document::parse(body).ok()?;
        let root = document.root();
        let value = match kind {
            Kind::Secret => SecretBytes::from(document.text(root, "value")?),
            Kind::Key => jwk(&document, document.member(root, "key")?, modern)?,
            Kind::Certificate => SecretBytes::new(certificate(document.text(root, "cer")?)?),
        };
        let attributes = document.member(root, "attributes");
        let date = |name: &str| match document.item(document.member(attributes?, name)?) {
            Item::Number(text) => text.parse().ok(),
            Item::Null | Item::Bool(_) | Item::Text(_) | Item::Array(_) | Item::Object(_) => None,
        };
        Some(Self {
            value,
            tags: tags(&document, root),
            content_type: document.text(root, "contentType").map(str::to_owned),
            expires: date("exp"),
            dates: DATES.iter().filter_map(|(name, shown)| Some((*shown, date(name)?))).collect(),
        })
    }

    /// Tags, and with the older client the dates, as a JSON object of texts.
    pub(super) fn metadata(&self, modern: bool) -> SecretBytes {
        let mut all = self.tags.clone();
        if !modern {
            let shown = |(name, seconds): &(&'static str, i64)| {
                Some(((*name).to_owned(), jiff::Timestamp::from_second(*seconds).ok()?.to_string()))
            };
            all.extend(self.dates.iter().filter_map(shown));
        }
        SecretBytes::new(gojson::string_map(all.iter().map(|(k, v)| (k.as_str(), v.as_bytes())), Html::Escape))
    }
}

/// Base64; some emulators write the alphabet of URLs.
fn certificate(text: &str) -> Option<Vec<u8>> {
    STANDARD.decode(text).or_else(|_| URL_SAFE_NO_PAD.decode(text.trim_end_matches('='))).ok()
}

fn jwk(document: &Document<'_>, key: NodeId, modern: bool) -> Option<SecretBytes> {
    let Item::Object(members) = document.item(key) else { return None };
    document.text(key, "kty")?;
    let mut names: Vec<&str> = JWK_ORDER.into_iter().filter(|name| members.contains_key(*name)).collect();
    if modern {
        names.sort_unstable();
    }
    let mut out = vec![b'{'];
    for name in names {
        let id = *members.get(name)?;
        if matches!(document.item(id), Item::Null) {
            continue;
        }
        if out.len() > 1 {
            out.push(b',');
        }
        gojson::write_string(&mut out, name.as_bytes(), Html::Escape);
        out.push(b':');
        out.extend(document.compact(id, Numbers::Literal, Html::Escape).ok()?);
    }
    out.push(b'}');
    Some(SecretBytes::new(out))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_has_a_value_of_its_own() {
        let key = r#"{"key":{"y":"Y","x":"X","kid":"https://v/keys/k/1","kty":"EC","crv":"P-256","key_ops":["sign"],"other":1}}"#;
        let cases = [
            (Kind::Secret, false, r#"{"value":"v<"}"#, Some("v<")),
            (Kind::Secret, false, r#"{"value":null}"#, None),
            (Kind::Secret, false, r#""canary""#, None),
            (Kind::Secret, false, "{}", None),
            (
                Kind::Key,
                false,
                key,
                Some(r#"{"kid":"https://v/keys/k/1","kty":"EC","key_ops":["sign"],"crv":"P-256","x":"X","y":"Y"}"#),
            ),
            (
                Kind::Key,
                true,
                key,
                Some(r#"{"crv":"P-256","key_ops":["sign"],"kid":"https://v/keys/k/1","kty":"EC","x":"X","y":"Y"}"#),
            ),
            (Kind::Key, false, r#"{"key":{}}"#, None),
            (Kind::Certificate, false, r#"{"cer":"aGk/"}"#, Some("hi?")),
            (Kind::Certificate, false, r#"{"cer":"aGk_"}"#, Some("hi?")),
            (Kind::Certificate, false, r#"{"cer":"!"}"#, None),
        ];
        for (kind, modern, body, want) in cases {
            let bundle = Bundle::of(kind, body.as_bytes(), modern);
            assert_eq!(bundle.as_ref().and_then(|bundle| bundle.value.expose_str()), want, "{body}");
        }
    }

    #[test]
    fn metadata_is_tags_and_with_the_older_client_dates() {
        let body = br#"{"value":"v","tags":{"owner":"me","none":null},"attributes":{"enabled":true,"exp":1735675200,"created":0}}"#;
        let bundle = Bundle::of(Kind::Secret, body, false).unwrap();
        let want =
            r#"{"attribute.created":"1970-01-01T00:00:00Z","attribute.expires":"2024-12-31T20:00:00Z","owner":"me"}"#;
        assert_eq!(bundle.metadata(false).expose_str(), Some(want));
        assert_eq!(bundle.metadata(true).expose_str(), Some(r#"{"owner":"me"}"#));
    }
}
