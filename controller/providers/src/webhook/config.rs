//! Settings of `webhook`: from the spec to parsed templates and checked names. Pure.

use std::collections::BTreeMap;
use std::time::Duration;

use api::{GoDuration, WebhookAuth, WebhookNtlmAuth, WebhookProvider, WebhookResult, WebhookSecret};
use http::{HeaderName, Method};
use provider::{Error, ErrorKind};
use reqwest::Url;
use template::Limits;

use super::URL;
use super::text::{REFERENCE, Text};
use crate::http::TOTAL_TIMEOUT;

const OPEN: &str = "Open";
/// Go writes these itself, whatever a header of that name says; here one would break the request's framing.
const NOT_SENT: [&str; 4] = ["host", "content-length", "transfer-encoding", "trailer"];
/// A URL or header that is longer than this is refused by most servers.
const LINE: usize = 64 << 10;
/// A body may hold a whole Secret of 1 MiB, escaped.
const BODY: usize = 4 << 20;

/// The templates of a store.
#[derive(Debug)]
pub(super) struct Templates {
    pub(super) url: Text,
    pub(super) headers: Vec<(HeaderName, Text)>,
    pub(super) body: Option<Text>,
    pub(super) json_path: Option<Text>,
    /// Whether a property makes another request: then references to one key can't share a read.
    pub(super) property_in_request: bool,
}

/// A store's settings.
#[derive(Debug)]
pub(super) struct Settings {
    pub(super) templates: Templates,
    /// Scheme, user, host and port, if no template decides on them.
    pub(super) server: Option<Url>,
    pub(super) method: Option<Method>,
    pub(super) timeout: Duration,
    pub(super) secrets: Vec<WebhookSecret>,
    pub(super) ntlm: Option<WebhookNtlmAuth>,
}

fn invalid(text: String) -> Error {
    Error::new(ErrorKind::Invalid, OPEN, text)
}

impl Settings {
    /// Checks a store's settings.
    ///
    /// # Errors
    /// `Invalid`, naming the field.
    pub(super) fn of(spec: &WebhookProvider) -> Result<Self, Error> {
        let WebhookProvider {
            url,
            auth,
            body,
            ca_bundle: _,
            ca_provider: _,
            headers,
            method,
            result,
            secrets,
            timeout,
        } = spec;
        if let Some(WebhookSecret { name, .. }) = secrets.iter().find(|secret| secret.name == REFERENCE) {
            return Err(invalid(format!(
                "spec.provider.webhook.secrets[{name}].name: {REFERENCE} is what templates call the reference; choose another name"
            )));
        }
        let server = server(url)?;
        let json_path = result.as_ref().and_then(|WebhookResult { json_path }| json_path.as_deref());
        let templates = Templates::of(url, headers, body.as_deref(), json_path)?;
        templates.check_names(secrets)?;
        let method = method.as_deref().filter(|text| !text.is_empty()).map(|text| {
            let bad = || invalid(format!("spec.provider.webhook.method: {} is no HTTP method", gojson::quote(text)));
            Method::from_bytes(text.as_bytes()).map_err(|_| bad())
        });
        let timeout = match timeout {
            None | Some(GoDuration::ZERO) => TOTAL_TIMEOUT,
            Some(given) => given
                .to_std()
                .ok_or_else(|| invalid(format!("spec.provider.webhook.timeout: {given} must not be negative")))?,
        };
        let (method, secrets) = (method.transpose()?, secrets.clone());
        let ntlm = auth.as_ref().and_then(|WebhookAuth { ntlm }| ntlm.clone());
        Ok(Self { templates, server, method, timeout, secrets, ntlm })
    }
}

impl Templates {
    fn of(
        url: &str,
        headers: &BTreeMap<String, String>,
        body: Option<&str>,
        json_path: Option<&str>,
    ) -> Result<Self, Error> {
        let line = Limits { output: LINE, ..Limits::default() };
        let header = |(name, text): (&String, &String)| {
            let field = format!("spec.provider.webhook.headers[{name}]");
            let parsed = HeaderName::try_from(name.as_str())
                .map_err(|_| invalid(format!("{field}: this is no name of a header")))?;
            let text = Text::parse(&format!("header {name}"), &field, text, line.clone())?;
            Ok((!NOT_SENT.contains(&parsed.as_str())).then_some((parsed, text)))
        };
        let body = body.filter(|text| !text.is_empty()).map(|text| {
            let limits = Limits { output: BODY, ..Limits::default() };
            Text::parse("body", "spec.provider.webhook.body", text, limits)
        });
        let json_path = json_path.filter(|text| !text.is_empty()).map(|text| {
            // It is rendered for each value, where nothing may take long.
            let limits = Limits { steps: 20_000, output: 1 << 10, produced: 1 << 20, ..Limits::default() };
            Text::parse("result.jsonPath", "spec.provider.webhook.result.jsonPath", text, limits)
        });
        let mut templates = Self {
            url: Text::parse("url", URL, url, line.clone())?,
            headers: headers.iter().map(header).filter_map(Result::transpose).collect::<Result<_, Error>>()?,
            body: body.transpose()?,
            json_path: json_path.transpose()?,
            property_in_request: false,
        };
        templates.property_in_request = templates.request_reads("property");
        Ok(templates)
    }

    fn all(&self) -> impl Iterator<Item = &Text> {
        self.request().chain(&self.json_path)
    }

    /// The templates that a request is made of.
    fn request(&self) -> impl Iterator<Item = &Text> {
        let Self { url, headers, body, json_path: _, property_in_request: _ } = self;
        std::iter::once(url).chain(headers.iter().map(|(_, text)| text)).chain(body)
    }

    /// Whether a request may read `.remoteRef.<member>`.
    pub(super) fn request_reads(&self, member: &str) -> bool {
        self.request().any(|text| text.reads(member))
    }

    /// Whether it matters in whose namespace a store is used.
    pub(super) fn read_consumer(&self) -> bool {
        self.all().any(|text| text.reads("namespace"))
    }

    /// A name that no Secret has would be sent as `<no value>`.
    fn check_names(&self, secrets: &[WebhookSecret]) -> Result<(), Error> {
        for text in self.all() {
            for name in text.secrets() {
                if !secrets.iter().any(|secret| secret.name == *name) {
                    let why = format!("it uses .{name}, which is none of spec.provider.webhook.secrets");
                    return Err(text.failed(&why, OPEN));
                }
            }
        }
        Ok(())
    }
}

/// What the URL says before its path, where that isn't a template.
fn server(url: &str) -> Result<Option<Url>, Error> {
    let (scheme, rest) = match url.split_once("://") {
        Some((scheme, rest)) => (scheme, rest),
        None if url.contains("{{") => return Ok(None),
        None => return Err(invalid(format!("{URL}: begin it with https:// or http://"))),
    };
    if scheme.contains("{{") {
        return Ok(None);
    }
    if !["http", "https"].contains(&scheme.to_ascii_lowercase().as_str()) {
        return Err(invalid(format!("{URL}: only https:// and http:// are possible")));
    }
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    if authority.contains("{{") {
        return Ok(None);
    }
    let parsed = Url::parse(&format!("{scheme}://{authority}/"));
    parsed.map(Some).map_err(|_| invalid(format!("{URL}: it has no host that can be understood")))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn settings(spec: &Value) -> Result<Settings, Error> {
        Settings::of(&serde_json::from_value(spec.clone()).unwrap())
    }

    #[test]
    fn settings_that_cannot_work_are_named() {
        let url = "http://h";
        let cases = [
            (json!({"url": "h/x"}), "spec.provider.webhook.url: begin it with https:// or http://"),
            (json!({"url": ""}), "spec.provider.webhook.url: begin it with https:// or http://"),
            (json!({"url": "file:///etc/passwd"}), "spec.provider.webhook.url: only https:// and http:// are possible"),
            (json!({"url": "http:///x"}), "spec.provider.webhook.url: it has no host"),
            (json!({"url": "http://h:port/x"}), "spec.provider.webhook.url: it has no host"),
            (
                json!({"url": "http://h/{{ .unclosed.template"}),
                "failed to parse url: template: webhooktemplate:1: unclosed action; check spec.provider.webhook.url",
            ),
            (json!({"url": url, "body": "{{ nope }}"}), "failed to parse body: template: webhooktemplate:1: function"),
            (
                json!({"url": url, "headers": {"A": "{{"}}),
                "failed to parse header A: template: webhooktemplate:1: unclosed action; check spec.provider.webhook.headers[A]",
            ),
            (
                json!({"url": url, "headers": {"a b": ""}}),
                "spec.provider.webhook.headers[a b]: this is no name of a header",
            ),
            (json!({"url": url, "result": {"jsonPath": "$.{{ . }"}}), "failed to parse result.jsonPath: template:"),
            (
                json!({"url": url, "headers": {"A": "{{ .auth.x }}"}}),
                "failed to parse header A: it uses .auth, which is none of spec.provider.webhook.secrets",
            ),
            (json!({"url": url, "method": "A B"}), "spec.provider.webhook.method: \"A B\" is no HTTP method"),
            (json!({"url": url, "timeout": "-1s"}), "spec.provider.webhook.timeout: -1s must not be negative"),
            (
                json!({"url": url, "secrets": [{"name": "remoteRef", "secretRef": {"name": "s"}}]}),
                "spec.provider.webhook.secrets[remoteRef].name: remoteRef is what templates call the reference",
            ),
        ];
        for (spec, want) in cases {
            let error = settings(&spec).unwrap_err();
            assert!(error.to_string().starts_with(want), "{spec}: {error}");
            assert_eq!(error.kind(), ErrorKind::Invalid, "{spec}");
        }
    }

    #[test]
    fn the_server_is_known_where_no_template_decides_on_it() {
        let cases = [
            ("https://api.example.org/x", Some("https://api.example.org/")),
            ("HTTP://H:8080?k={{ .remoteRef.key }}", Some("http://h:8080/")),
            ("http://[::1]:80/x", Some("http://[::1]/")),
            ("http://{{ .remoteRef.key }}.example.org/x", None),
            ("http://h{{ .remoteRef.key }}", None),
            ("{{ .remoteRef.key }}", None),
            ("{{ \"http\" }}://h", None),
        ];
        for (url, want) in cases {
            let got = settings(&json!({"url": url})).unwrap().server;
            assert_eq!(got.as_ref().map(Url::as_str), want, "{url}");
        }
    }

    #[test]
    fn method_and_timeout_have_defaults() {
        let cases = [
            (json!({"url": "http://h"}), None, TOTAL_TIMEOUT),
            (json!({"url": "http://h", "method": "", "timeout": "0s"}), None, TOTAL_TIMEOUT),
            (json!({"url": "http://h", "method": "PUT", "timeout": "1m"}), Some(Method::PUT), Duration::from_secs(60)),
        ];
        for (spec, method, timeout) in cases {
            let got = settings(&spec).unwrap();
            assert_eq!((got.method, got.timeout), (method, timeout), "{spec}");
        }
    }
}
