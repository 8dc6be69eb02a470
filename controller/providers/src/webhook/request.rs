//! From templates and what a request is about to the request itself. Pure.

use std::collections::BTreeMap;

use http::{HeaderMap, HeaderValue, Method};
use provider::{Error, Place};
use reqwest::Url;
use secret::{SecretBytes, SecretMap};
use template::{Entries, Env, Map, Type, Value};

use super::CALL;
use super::config::Templates;
use super::text::{REFERENCE, Text};

/// `map[string]string`.
const MEMBERS: Type = Type::Map(&Type::Str);

/// What a request is about: the members of `.remoteRef`, and what is sent.
#[derive(Debug)]
pub(super) struct About {
    members: Vec<(String, SecretBytes)>,
    pub(super) method: Verb,
    body: Body,
}

/// The method, unless the store names one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verb {
    /// The store's, else this.
    Default(&'static Method),
    /// Always this.
    Fixed(&'static Method),
}

#[derive(Debug)]
enum Body {
    /// None at all.
    Empty,
    /// That of the template, if there is one.
    Template,
    /// That of the template, else the value itself.
    TemplateOr(SecretBytes),
}

/// A request but for its method.
#[derive(Debug)]
pub(super) struct Parts {
    pub(super) url: Url,
    pub(super) headers: HeaderMap,
    pub(super) body: Option<SecretBytes>,
}

fn member(name: &str, value: &str) -> (String, SecretBytes) {
    (name.to_owned(), SecretBytes::from(value))
}

impl About {
    /// A read.
    pub(super) fn read(key: &str, version: &str, property: &str, namespace: &str) -> Self {
        let members = vec![
            member("key", key),
            member("version", version),
            member("property", property),
            member("namespace", namespace),
        ];
        Self { members, method: Verb::Default(&Method::GET), body: Body::Template }
    }

    /// A write. The value's member bears the name of the remote key.
    pub(super) fn push(place: &Place, secret_key: Option<&str>, value: SecretBytes) -> Self {
        let mut members = Self::place(place);
        members.extend(secret_key.map(|key| member("secretKey", key)));
        members.push((place.key.clone(), value.clone()));
        Self { members, method: Verb::Default(&Method::POST), body: Body::TemplateOr(value) }
    }

    /// A deletion.
    pub(super) fn delete(place: &Place) -> Self {
        Self { members: Self::place(place), method: Verb::Fixed(&Method::DELETE), body: Body::Empty }
    }

    /// A look whether there is anything. It is a read of the key; a URL that is made for writes alone gets what writes get.
    pub(super) fn exists(place: &Place, namespace: &str, url: &Text) -> Self {
        let read = Self::read(&place.key, "", place.property.as_deref().unwrap_or_default(), namespace);
        let mut members = read.members;
        if !url.reads("key") {
            members.push(member("remoteKey", &place.key));
        }
        Self { members, method: Verb::Fixed(&Method::GET), body: Body::Empty }
    }

    fn place(place: &Place) -> Vec<(String, SecretBytes)> {
        let Place { key, property } = place;
        let property = property.as_deref().map(|property| member("property", property));
        std::iter::once(member("remoteKey", key)).chain(property).collect()
    }

    /// What templates see.
    pub(super) fn data(&self, secrets: &BTreeMap<String, SecretMap>, escaped: bool) -> Value {
        let reference = self.members.iter().map(|(name, value)| {
            let value = if escaped { query_escaped(value.expose()) } else { value.expose().to_vec() };
            (name.clone(), value)
        });
        let reference = Value::string_map(reference);
        let secrets = secrets.iter().map(|(name, keys)| {
            let keys = Value::string_map(keys.iter().map(|(key, value)| (key, value.expose())));
            (name.as_bytes().into(), keys)
        });
        let entries: Entries = secrets.chain([(REFERENCE.as_bytes().into(), reference)]).collect();
        Value::Map(Map::new(&MEMBERS, entries))
    }

    /// The request.
    ///
    /// # Errors
    /// `Invalid`, naming the setting, for a template that can't be rendered or gives no URL or header.
    pub(super) fn request(
        &self,
        templates: &Templates,
        secrets: &BTreeMap<String, SecretMap>,
        env: &Env,
    ) -> Result<Parts, Error> {
        let Templates { url, headers, body, json_path: _, property_in_request: _ } = templates;
        let (escaped, raw) = (self.data(secrets, true), self.data(secrets, false));
        let mut sent = HeaderMap::new();
        for (name, text) in headers {
            // A write has other members than a read; a header that names those of the other is sent as Go does.
            let value = match text.reads_reference() {
                true => text.render(&raw, env, CALL)?,
                false => text.render_whole(&raw, env, CALL)?,
            };
            let mut value = HeaderValue::try_from(value).map_err(|_| {
                text.failed(
                    "it gives a character that a header can't have (a line break at the end of a Secret's value?)",
                    CALL,
                )
            })?;
            value.set_sensitive(true);
            sent.append(name, value);
        }
        let body = match (&self.body, body) {
            (Body::Empty, _) | (Body::Template, None) => None,
            (Body::Template | Body::TemplateOr(_), Some(text)) => Some(SecretBytes::new(text.render(&raw, env, CALL)?)),
            (Body::TemplateOr(value), None) => Some(value.clone()),
        };
        let body = body.filter(|body| !body.is_empty());
        Ok(Parts { url: address(url, &url.render_whole(&escaped, env, CALL)?)?, headers: sent, body })
    }
}

/// The URL that a template gave.
fn address(text: &Text, rendered: &[u8]) -> Result<Url, Error> {
    let failed = |why: &str| text.failed(why, CALL);
    let rendered = std::str::from_utf8(rendered).map_err(|_| failed("it gives no UTF-8"))?;
    // The parser leaves these out, and so would ask for something else.
    if rendered.chars().any(|c| c.is_ascii_control()) {
        return Err(failed("it gives a line break or another control character"));
    }
    let url = Url::parse(rendered).map_err(|_| failed("it gives no URL"))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(failed("only https:// and http:// are possible"));
    }
    // A key such as .. must not lead out of the path that the store's owner wrote.
    let path = rendered.split(['?', '#']).next().unwrap_or_default();
    let dots = |segment: &str| matches!(segment.to_ascii_lowercase().replace("%2e", ".").as_str(), "." | "..");
    if path.split(['/', '\\']).any(dots) {
        return Err(failed("a segment of its path is . or .., which would lead elsewhere"));
    }
    Ok(url)
}

/// Go's `url.QueryEscape`.
fn query_escaped(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    for byte in text {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => out.push(*byte),
            b' ' => out.push(b'+'),
            _ => out.extend(format!("%{byte:02X}").bytes()),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use serde_json::{Value as Json, json};

    use super::super::config::Settings;
    use super::*;

    fn secrets() -> BTreeMap<String, SecretMap> {
        let keys = [("user", "ada"), ("password", "p&s"), ("broken", "a\nb")];
        let keys = keys.map(|(key, value)| (key.to_owned(), SecretBytes::from(value)));
        [("auth".to_owned(), keys.into())].into()
    }

    fn templates(mut spec: Json) -> Templates {
        spec["secrets"] = json!([{"name": "auth", "secretRef": {"name": "login"}}]);
        Settings::of(&serde_json::from_value(spec).unwrap()).unwrap().templates
    }

    fn place(key: &str) -> Place {
        Place { key: key.to_owned(), property: None }
    }

    fn request(about: &About, templates: &Templates) -> Result<Parts, Error> {
        let env = Env::new(Timestamp::UNIX_EPOCH, |buffer| buffer.fill(7));
        about.request(templates, &secrets(), &env)
    }

    #[test]
    fn a_url_holds_the_reference_escaped_and_secrets_as_they_are() {
        let read = || About::read("a b/c?d=é~", "v 1", "p", "shop");
        let push = || About::push(&place("k/1"), Some("s k"), SecretBytes::from("va lue"));
        let cases = [
            (
                read(),
                "http://h/x?id={{ .remoteRef.key }}&v={{ .remoteRef.version }}",
                Ok("http://h/x?id=a+b%2Fc%3Fd%3D%C3%A9~&v=v+1"),
            ),
            (read(), "https://h/{{ .remoteRef.namespace }}/{{ .remoteRef.property | upper }}", Ok("https://h/shop/P")),
            (read(), "http://h/?p={{ .auth.password }}", Ok("http://h/?p=p&s")),
            (
                read(),
                "http://h/{{ .remoteRef.remoteKey }}",
                Err("failed to parse url: it uses a value that isn't there"),
            ),
            (read(), "http://h/{{ .auth.none }}", Err("failed to parse url: it uses a value that isn't there")),
            (read(), "http://h/{{ .auth.broken }}", Err("failed to parse url: it gives a line break")),
            (read(), "{{ .auth.user }}", Err("failed to parse url: it gives no URL")),
            (read(), "{{ .auth.user }}://h", Err("failed to parse url: only https:// and http:// are possible")),
            (
                read(),
                "http://h/{{ fail .auth.password }}",
                Err(
                    "failed to parse url: template: webhooktemplate:1:12: fail failed; check spec.provider.webhook.url",
                ),
            ),
            (About::read("..", "", "", ""), "http://h/a/{{ .remoteRef.key }}/b", Err("failed to parse url: a segment")),
            (About::read("%2E.", "", "", ""), "http://h/a/{{ .remoteRef.key }}", Ok("http://h/a/%252E.")),
            (About::read("a..b", "", "", ""), "http://h/{{ .remoteRef.key }}?x=..", Ok("http://h/a..b?x=..")),
            (push(), "http://h/{{ .remoteRef.remoteKey }}?s={{ .remoteRef.secretKey }}", Ok("http://h/k%2F1?s=s+k")),
            (
                About::push(&place("k"), None, SecretBytes::from("va lue")),
                "http://h/?v={{ .remoteRef.k }}",
                Ok("http://h/?v=va+lue"),
            ),
            (push(), "http://h/{{ .remoteRef.key }}", Err("failed to parse url: it uses a value that isn't there")),
            (About::delete(&place("k/1")), "http://h/{{ .remoteRef.remoteKey }}", Ok("http://h/k%2F1")),
        ];
        for (about, url, want) in cases {
            let got = request(&about, &templates(json!({"url": url})));
            match (got, want) {
                (Ok(parts), Ok(want)) => assert_eq!(parts.url.as_str(), want, "{url}"),
                (Err(error), Err(want)) => {
                    assert!(error.to_string().starts_with(want), "{url}: {error}");
                    assert!(!error.to_string().contains("p&s"), "{error}");
                }
                (got, want) => panic!("{url}: {got:?}, not {want:?}"),
            }
        }
    }

    #[test]
    fn a_store_that_is_read_and_written_can_be_looked_into() {
        let cases = [
            ("http://h/{{ .remoteRef.remoteKey }}", "http://h/k"),
            ("http://h/{{ .remoteRef.key }}", "http://h/k"),
            ("http://h/{{ if .remoteRef.remoteKey }}w{{ else }}r/{{ .remoteRef.key }}{{ end }}", "http://h/r/k"),
        ];
        for (url, want) in cases {
            let templates = templates(json!({"url": url, "body": "sent"}));
            let parts = request(&About::exists(&place("k"), "shop", &templates.url), &templates).unwrap();
            assert_eq!((parts.url.as_str(), parts.body), (want, None), "{url}");
        }
    }

    #[test]
    fn headers_hold_all_values_as_they_are() {
        let cases = [
            ("{{ print .auth.user \":\" .auth.password | b64enc }}", Ok("YWRhOnAmcw==")),
            ("{{ .remoteRef.key }}", Ok("a/b")),
            // As Go sends it: the same store may be written to.
            ("{{ .remoteRef.remoteKey }}", Ok("<no value>")),
            (
                "{{ .auth.none }}",
                Err(
                    "failed to parse header X: it uses a value that isn't there; check spec.provider.webhook.headers[X]",
                ),
            ),
            ("{{ .auth.broken }}", Err("failed to parse header X: it gives a character that a header can't have")),
        ];
        for (text, want) in cases {
            let templates =
                templates(json!({"url": "http://h", "headers": {"X": text, "Host": "evil", "Content-Length": "9"}}));
            let got = request(&About::read("a/b", "", "", ""), &templates);
            match (got, want) {
                (Ok(parts), Ok(want)) => {
                    let sent: Vec<_> =
                        parts.headers.iter().map(|(name, v)| (name.as_str(), v.to_str().unwrap())).collect();
                    assert_eq!(sent, [("x", want)]);
                    assert!(parts.headers["x"].is_sensitive());
                }
                (Err(error), Err(want)) => assert!(error.to_string().starts_with(want), "{error}"),
                (got, want) => panic!("{text}: {got:?}, not {want:?}"),
            }
        }
    }

    #[test]
    fn a_body_is_that_of_the_template_or_the_value_that_is_pushed() {
        let read = || About::read("/a", "", "", "");
        let push = || About::push(&place("k"), None, SecretBytes::from(r#"{"a":"b"}"#));
        let cases = [
            (read(), None, None),
            (read(), Some(r#"{"folder":"{{ .remoteRef.key }}"}"#), Some(r#"{"folder":"/a"}"#)),
            (push(), None, Some(r#"{"a":"b"}"#)),
            (push(), Some("{{ \"\" }}"), None),
            (
                push(),
                Some("pre {{ .remoteRef.remoteKey }} {{ index (.remoteRef.k | fromJson) \"a\" }}"),
                Some("pre k b"),
            ),
            (push(), Some("{{ index .remoteRef .remoteRef.remoteKey }}"), Some(r#"{"a":"b"}"#)),
            (push(), Some("[{{ .remoteRef.key }}]"), Some("[<no value>]")),
            (About::delete(&place("k")), Some("sent"), None),
        ];
        for (about, text, want) in cases {
            let got = request(&about, &templates(json!({"url": "http://h", "body": text}))).unwrap().body;
            assert_eq!(got.as_ref().map(|body| body.expose_str().unwrap()), want, "{text:?}");
        }
    }
}
