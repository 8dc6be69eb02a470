//! Advice that takes reading templates: one that doesn't parse, a key that none uses, a key that nothing gives.
//!
//! What a template means when it runs isn't looked at, nor is text that lies elsewhere, in a ConfigMap or Secret. Where a
//! template may reach any key, nothing is said of keys.

use crate::finding::{Code, Finding};
use ::template::{Delims, Failure, Function, Functions, parse};
use api::generator::WebhookSpec;
use api::provider::webhook::{WebhookProvider, WebhookResult};
use api::{
    ExternalSecretSpec, RewriteTransform, Target, Template, TemplateFrom, TemplateMergePolicy, TemplateMetadata,
};
use std::collections::{BTreeMap, BTreeSet};

/// ESO's functions that crate `template` can't call yet; see its README. A template that calls one is right nevertheless.
const YET_TO_COME: &[&str] = &[
    "bcrypt",
    "buildCustomCert",
    "certSANs",
    "decryptAES",
    "derivePassword",
    "encryptAES",
    "filterCertChain",
    "fromYaml",
    "fullPemToPkcs12",
    "fullPemToPkcs12Pass",
    "genCA",
    "genCAWithKey",
    "genPrivateKey",
    "genSelfSignedCert",
    "genSelfSignedCertWithKey",
    "genSignedCert",
    "genSignedCertWithKey",
    "htpasswd",
    "jwkPrivateKeyPem",
    "jwkPublicKeyPem",
    "pemToPkcs12",
    "pemToPkcs12Pass",
    "pemTruststoreToPKCS12",
    "pemTruststoreToPKCS12Pass",
    "pkcs12cert",
    "pkcs12certPass",
    "pkcs12key",
    "pkcs12keyPass",
    "rsaDecrypt",
    "toYaml",
    "urlJoin",
    "urlParse",
];

/// Advice on the templates of an ExternalSecret's target.
pub(super) fn of_target(spec: &ExternalSecretSpec, path: &str) -> Vec<Finding> {
    let Target { template, manifest, name: _, creation_policy: _, deletion_policy: _, immutable: _ } = &spec.target;
    let Some(template) = template.as_deref() else { return Vec::new() };
    let texts = Texts::of(template, &format!("{path}.target.template"));
    let reader = Reader::new();
    let mut findings = Vec::new();
    let mut used = BTreeSet::new();
    // Whether every key that is used is known, which takes knowing every text.
    let mut known = !texts.elsewhere;
    let given: BTreeSet<&str> = spec.data.iter().map(|entry| entry.secret_key.as_str()).collect();
    for text in texts.all {
        match reader.read(&text) {
            Ok(Uses { fields, whole }) => {
                let missing = fields.iter().filter(|field| !given.contains(field.as_str()));
                // What `dataFrom` gives isn't known before the provider is asked.
                findings.extend(missing.filter(|_| spec.data_from.is_empty()).map(|field| {
                    let reason = format!("uses {field:?}, but spec.data has no secretKey of that name");
                    Finding::advice(text.path.as_str(), Code::UnknownKey, reason)
                }));
                known &= !whole;
                used.extend(fields);
            }
            Err(finding) => {
                findings.push(finding);
                known = false;
            }
        }
    }
    // Without templates of data, or with this policy, every key is written besides what templates make of it.
    let replaced = !template.data.is_empty() || !template.template_from.is_empty();
    if known && replaced && template.merge_policy == TemplateMergePolicy::Replace && manifest.is_none() {
        let unused = spec.data.iter().enumerate().filter(|(_, entry)| !used.contains(&entry.secret_key));
        findings.extend(unused.map(|(index, entry)| {
            let text = format!(
                "no template uses {:?}, so the Secret won't have it: use it, or set target.template.mergePolicy to Merge",
                entry.secret_key
            );
            Finding::advice(format!("{path}.data[{index}].secretKey"), Code::UnusedKey, text)
        }));
    }
    findings
}

/// Advice on the templates of a PushSecret: which keys they are given lies in its Secret.
pub(super) fn of_push(template: &Template, path: &str) -> Vec<Finding> {
    unparsable(Texts::of(template, path).all)
}

/// Advice on a rewrite of keys.
pub(super) fn of_rewrite(transform: &RewriteTransform, path: &str) -> Vec<Finding> {
    let RewriteTransform { template } = transform;
    unparsable(vec![Text { path: format!("{path}.transform.template"), name: "transform", text: template }])
}

/// Advice on the templates of the provider `webhook`.
pub(super) fn of_webhook(settings: &WebhookProvider, path: &str) -> Vec<Finding> {
    let WebhookProvider {
        url,
        body,
        headers,
        result,
        auth: _,
        ca_bundle: _,
        ca_provider: _,
        method: _,
        secrets: _,
        timeout: _,
    } = settings;
    let json_path = result.as_ref().and_then(|WebhookResult { json_path }| json_path.as_deref());
    let mut texts = request(url, body.as_deref(), headers, path);
    texts.extend(json_path.map(|text| Text { path: format!("{path}.result.jsonPath"), name: OF_WEBHOOK, text }));
    unparsable(texts)
}

/// Advice on the templates of the generator `Webhook`. `path` is that of its spec.
pub(super) fn of_generator(spec: &WebhookSpec, path: &str) -> Vec<Finding> {
    let WebhookSpec {
        url,
        body,
        headers,
        method: _,
        auth: _,
        timeout: _,
        result: _,
        secrets: _,
        ca_bundle: _,
        ca_provider: _,
    } = spec;
    unparsable(request(url, body.as_deref(), headers, path))
}

/// A template, its field, and its name in Go's texts.
struct Text<'a> {
    path: String,
    name: &'a str,
    text: &'a str,
}

/// The name that ESO gives all templates of a webhook.
const OF_WEBHOOK: &str = "webhooktemplate";

fn request<'a>(
    url: &'a str,
    body: Option<&'a str>,
    headers: &'a BTreeMap<String, String>,
    path: &str,
) -> Vec<Text<'a>> {
    let text = |field: &str, text| Text { path: format!("{path}.{field}"), name: OF_WEBHOOK, text };
    let mut texts = vec![text("url", url)];
    texts.extend(body.map(|body| text("body", body)));
    texts.extend(headers.iter().map(|(name, value)| text(&format!("headers.{name}"), value)));
    texts
}

fn unparsable(texts: Vec<Text<'_>>) -> Vec<Finding> {
    let reader = Reader::new();
    texts.iter().filter_map(|text| reader.read(text).err()).collect()
}

/// The templates of a `template`, each with its field.
struct Texts<'a> {
    all: Vec<Text<'a>>,
    /// Whether there are more, in a ConfigMap or Secret.
    elsewhere: bool,
}

impl<'a> Texts<'a> {
    fn of(template: &'a Template, path: &str) -> Self {
        let Template { metadata, data, template_from, type_: _, engine_version: _, merge_policy: _ } = template;
        let mut all = Vec::new();
        let keyed = |field: &str, texts: &'a BTreeMap<String, String>| {
            let text = |(key, text): (&'a String, &'a String)| -> Text<'a> {
                Text { path: format!("{path}.{field}.{key}"), name: key, text }
            };
            texts.iter().map(text).collect::<Vec<_>>()
        };
        all.extend(keyed("data", data));
        let mut elsewhere = false;
        for (index, from) in template_from.iter().enumerate() {
            let TemplateFrom { config_map, secret, literal, target: _, values_decoding_strategy: _ } = from;
            elsewhere |= config_map.is_some() || secret.is_some();
            // ESO names it by its whole text.
            all.extend(literal.as_ref().map(|text| Text {
                path: format!("{path}.templateFrom[{index}].literal"),
                name: "literal",
                text,
            }));
        }
        if let Some(TemplateMetadata { annotations, labels, finalizers: _ }) = metadata {
            all.extend(keyed("metadata.labels", labels));
            all.extend(keyed("metadata.annotations", annotations));
        }
        Self { all, elsewhere }
    }
}

/// What a template asks of the values that it is given.
struct Uses {
    /// Keys by name.
    fields: BTreeSet<String>,
    /// Whether it takes all of them at once, to range over or to hand on: then it may use any.
    whole: bool,
}

/// Reads templates as ESO does, but for delimiters that were changed by a flag.
struct Reader {
    functions: Functions,
}

impl Reader {
    fn new() -> Self {
        let mut functions = Functions::sprig();
        functions.extend(&YET_TO_COME.iter().map(|name| stand_in(name)).collect::<Vec<_>>());
        Self { functions }
    }

    /// What a template uses.
    ///
    /// # Errors
    /// A finding with Go's text, the line and the column if it doesn't parse.
    fn read(&self, text: &Text<'_>) -> Result<Uses, Finding> {
        let Text { path, name, text } = text;
        match parse(name, text, &Delims::default(), &self.functions) {
            Ok(parsed) => Ok(Uses { fields: parsed.fields_used(), whole: takes_whole(text) }),
            Err(error) => {
                let (line, column) = (error.line, error.column);
                let text = format!("{error} (line {line}, column {column} of the template); it can't be rendered");
                Err(Finding::advice(path.as_str(), Code::BadTemplate, text))
            }
        }
    }
}

fn stand_in(name: &'static str) -> Function {
    Function { name, params: &[], variadic: true, call: |_, _| Err(Failure("only its name is known here".to_owned())) }
}

/// Whether an action of a template that parses names the dot or `$` alone, without a field. Inside of `range` and `with` the
/// dot is another; that it counts there too only means that less is said.
fn takes_whole(text: &str) -> bool {
    let mut rest = text;
    while let Some((_, after)) = rest.split_once("{{") {
        let (whole, end) = action(after);
        if whole {
            return true;
        }
        rest = end;
    }
    false
}

/// One action, from behind its opening: whether it takes the whole, and what follows it.
fn action(text: &str) -> (bool, &str) {
    let opened = text.strip_prefix("- ").unwrap_or(text).trim_start();
    if let Some((_, after)) = opened.strip_prefix("/*").and_then(|comment| comment.split_once("*/")) {
        return (false, after);
    }
    let in_name = |c: char| c == '_' || c.is_alphanumeric();
    let mut before = ' ';
    let mut chars = text.char_indices().peekable();
    while let Some((at, c)) = chars.next() {
        let next = chars.peek().map_or(' ', |(_, next)| *next);
        match c {
            '"' | '\'' | '`' => {
                while let Some((_, inner)) = chars.next() {
                    if inner == c {
                        break;
                    }
                    if inner == '\\' && c != '`' {
                        chars.next();
                    }
                }
            }
            '}' if next == '}' => return (false, text.get(at + 2..).unwrap_or_default()),
            '.' if in_name(next) || in_name(before) || before == ')' => {}
            '$' if in_name(next) || next == '.' => {}
            '.' | '$' if is_indexed_by_name(text, at) => {}
            '.' | '$' => return (true, ""),
            _ => {}
        }
        before = c;
    }
    (false, "")
}

/// `index . "name"`, which takes one field.
fn is_indexed_by_name(text: &str, at: usize) -> bool {
    let (before, after) = (text.get(..at).unwrap_or_default(), text.get(at + 1..).unwrap_or_default());
    let function = before.trim_end().rsplit(|c: char| !c.is_alphanumeric() && c != '_').next();
    function == Some("index") && after.trim_start().starts_with(['"', '`'])
}

#[cfg(test)]
mod tests {
    use super::{Reader, Text, takes_whole};

    #[test]
    fn taking_all_values_at_once_is_told_from_taking_a_field() {
        for text in [
            "{{ range $k, $v := . }}{{ $k }}{{ end }}",
            "{{ . | toJson }}",
            "{{ toJson . }}",
            "{{.}}",
            "{{- . -}}",
            "{{ toJson $ }}",
            "{{ (.) }}",
            "{{ index . .name }}",
            "{{ index . ( .name ) }}",
            "{{ get . \"a\" }}",
            "{{ template \"a\" . }}",
            "a }} {{ .a }} {{ \"}}\" | print . }}",
        ] {
            assert!(takes_whole(text), "{text}");
        }
        for text in [
            "",
            ".",
            "a . b $ {{ .a }} . $",
            "{{ .a.b }}",
            "{{ $.a }}",
            "{{ index . \"tls-crt\" }}{{index $ `a`}}",
            "{{ $x := .a }}{{ $x }}{{ $x.b }}",
            "{{ print \" . \" '.' ` $ ` \"\\\" . \" .a }}",
            "{{/* . $ }} */}}{{ .a }}",
            "{{- /* . */ -}}",
            "{{ (get .a \"x\").b }}",
            "{{ 1.5 }}{{ 1. }}",
        ] {
            assert!(!takes_whole(text), "{text}");
        }
    }

    #[test]
    fn functions_that_are_yet_to_come_are_no_mistake() {
        let reads = |text| Reader::new().read(&Text { path: "spec.x".to_owned(), name: "x", text }).is_ok();
        assert!(reads("{{ .a | toYaml | pkcs12key }}"));
        assert!(!reads("{{ .a | toYml }}"));
    }
}
