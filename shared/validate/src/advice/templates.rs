//! Advice that takes reading templates: one that doesn't parse, a key that none uses, a key that nothing gives.
//!
//! What a template means when it runs isn't looked at, nor is text that lies elsewhere, in a ConfigMap or Secret. Where a
//! template may reach any key, nothing is said of keys.

use crate::finding::{Code, Finding};
use ::template::{Delims, KNOWN, Uses, parse};
use api::generator::WebhookSpec;
use api::provider::webhook::{WebhookProvider, WebhookResult};
use api::{
    ExternalSecretSpec, RewriteTransform, Target, Template, TemplateFrom, TemplateMergePolicy, TemplateMetadata,
};
use std::collections::{BTreeMap, BTreeSet};

/// Advice on the templates of an ExternalSecret's target.
pub(super) fn of_target(spec: &ExternalSecretSpec, path: &str) -> Vec<Finding> {
    let Target { template, manifest, name: _, creation_policy: _, deletion_policy: _, immutable: _ } = &spec.target;
    let Some(template) = template.as_deref() else { return Vec::new() };
    let texts = Texts::of(template, &format!("{path}.target.template"));
    let mut findings = Vec::new();
    let mut used = BTreeSet::new();
    // Whether every key that is used is known, which takes knowing every text.
    let mut known = !texts.elsewhere;
    let given: BTreeSet<&str> = spec.data.iter().map(|entry| entry.secret_key.as_str()).collect();
    for text in texts.all {
        match read(&text) {
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
    texts.iter().filter_map(|text| read(text).err()).collect()
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

/// What a template uses, read as ESO does but for delimiters that were changed by a flag.
///
/// # Errors
/// A finding with Go's text, the line and the column if it doesn't parse.
fn read(text: &Text<'_>) -> Result<Uses, Finding> {
    let Text { path, name, text } = text;
    parse(name, text, &Delims::default(), &KNOWN).map(|parsed| parsed.uses()).map_err(|error| {
        let (line, column) = (error.line, error.column);
        let text = format!("{error} (line {line}, column {column} of the template); it can't be rendered");
        Finding::advice(path.as_str(), Code::BadTemplate, text)
    })
}
