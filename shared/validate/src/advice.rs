//! What surely hurts or won't work but is accepted, and of which ESO says nothing: advice for a linter.
//!
//! Not here: rules that the webhook applies. It calls none of these functions, since an admission warning that ESO doesn't
//! give would be seen in every `kubectl apply`, and since each costs time. What takes reading templates is in `templates`,
//! what takes knowing the store's namespace in `namespaces`.

mod namespaces;
mod templates;

use crate::finding::{Code, Finding};
use crate::{Store, provider, refresh_interval};
use api::generator::WebhookSpec;
use api::{
    ExternalSecretSpec, Find, GoDuration, ProviderSpec, PushSecretDataTo, PushSecretRewrite, PushSecretSpec,
    RefreshPolicy, Rewrite, SecretStoreSpec, StoreProvider,
};

/// Below this a refresh is more load than news.
const SHORTEST: GoDuration = GoDuration::from_secs(10);

/// Advice on an ExternalSecret. `path` is that of the spec, since a ClusterExternalSecret holds one further down.
pub fn external_secret(spec: &ExternalSecretSpec, path: &str) -> Vec<Finding> {
    let ExternalSecretSpec {
        data_from,
        refresh_interval,
        refresh_policy,
        secret_store_ref: _,
        target: _,
        sync_windows: _,
        data: _,
    } = spec;
    let mut findings = Vec::new();
    match refresh_policy {
        Some(RefreshPolicy::Periodic) | None => findings.extend(too_often(*refresh_interval, path)),
        Some(RefreshPolicy::CreatedOnce | RefreshPolicy::OnChange) => {}
    }
    for (index, entry) in data_from.iter().enumerate() {
        let path = format!("{path}.dataFrom[{index}]");
        if let Some(find) = entry.find.as_deref() {
            findings.extend(unbounded(find, &path));
            if let Some(pattern) = find.name.as_ref().and_then(|name| name.regexp.as_deref()) {
                findings.extend(pattern_of(pattern, format!("{path}.find.name.regexp")));
            }
        }
        for (step, rewrite) in entry.rewrite.iter().enumerate() {
            let Rewrite { regexp, transform, merge: _ } = rewrite;
            let path = format!("{path}.rewrite[{step}]");
            if let Some(regexp) = regexp {
                findings.extend(pattern_of(&regexp.source, format!("{path}.regexp.source")));
            }
            findings.extend(transform.iter().flat_map(|transform| templates::of_rewrite(transform, &path)));
        }
    }
    findings.extend(templates::of_target(spec, path));
    findings
}

/// Advice on a PushSecret. `path` is that of the spec, since a ClusterPushSecret holds one further down.
pub fn push_secret(spec: &PushSecretSpec, path: &str) -> Vec<Finding> {
    let PushSecretSpec {
        refresh_interval,
        data_to,
        secret_store_refs: _,
        update_policy: _,
        deletion_policy: _,
        selector: _,
        template,
        data: _,
    } = spec;
    let mut findings: Vec<Finding> = too_often(*refresh_interval, path).into_iter().collect();
    for (index, entry) in data_to.iter().enumerate() {
        let PushSecretDataTo { matching, rewrite, store_ref: _, remote_key: _, metadata: _, conversion_strategy: _ } =
            entry;
        let path = format!("{path}.dataTo[{index}]");
        if let Some(pattern) = matching.as_ref().and_then(|matching| matching.regexp.as_deref()) {
            findings.extend(pattern_of(pattern, format!("{path}.match.regexp")));
        }
        for (step, rewrite) in rewrite.iter().enumerate() {
            let PushSecretRewrite { regexp, transform } = rewrite;
            let path = format!("{path}.rewrite[{step}]");
            if let Some(regexp) = regexp {
                findings.extend(pattern_of(&regexp.source, format!("{path}.regexp.source")));
            }
            findings.extend(transform.iter().flat_map(|transform| templates::of_rewrite(transform, &path)));
        }
    }
    findings.extend(template.iter().flat_map(|template| templates::of_push(template, &format!("{path}.template"))));
    findings
}

/// Advice on a SecretStore or ClusterSecretStore.
pub fn store(spec: &SecretStoreSpec, store: &Store<'_>) -> Vec<Finding> {
    // An interval that is no duration is an error of the rules.
    let interval = spec.refresh_interval.as_ref().and_then(|interval| refresh_interval(interval).ok());
    let mut findings = Vec::from_iter(too_often(interval, "spec"));
    if let Some(provider) = &spec.provider {
        findings.extend(provider::plain_text_advice(provider));
        findings.extend(namespaces::foreign(provider, store));
        findings.extend(webhook(provider));
    }
    findings
}

/// Advice on a generator `Webhook`. `path` is that of the spec, since a ClusterGenerator holds one further down.
pub fn webhook_generator(spec: &WebhookSpec, path: &str) -> Vec<Finding> {
    templates::of_generator(spec, path)
}

fn webhook(provider: &StoreProvider) -> Vec<Finding> {
    match provider.parse() {
        Ok(ProviderSpec::Webhook(settings)) => templates::of_webhook(&settings, "spec.provider.webhook"),
        Ok(_) | Err(_) => Vec::new(),
    }
}

fn too_often(interval: Option<GoDuration>, path: &str) -> Option<Finding> {
    let interval = interval.filter(|interval| interval.is_positive() && *interval < SHORTEST)?;
    let text = format!("every {interval} the provider is asked again; {SHORTEST} or more spares it and its bill");
    Some(Finding::advice(format!("{path}.refreshInterval"), Code::RefreshTooOften, text))
}

/// A search that takes all that there is.
fn unbounded(find: &Find, path: &str) -> Option<Finding> {
    let Find { path: folder, name, tags, conversion_strategy: _, decoding_strategy: _, null_byte_policy: _ } = find;
    let pattern = name.as_ref().and_then(|name| name.regexp.as_deref()).unwrap_or_default();
    let takes_all = matches!(pattern.trim_start_matches('^').trim_end_matches('$'), "" | ".*" | ".+" | "(.*)" | "(.+)");
    let bounded = folder.as_ref().is_some_and(|folder| !folder.is_empty()) || !tags.is_empty() || !takes_all;
    let text = "takes every secret that the store can read; name a path, tags or a narrower name.regexp";
    (!bounded).then(|| Finding::advice(format!("{path}.find"), Code::UnboundedFind, text))
}

fn pattern_of(pattern: &str, path: String) -> Option<Finding> {
    let error = goregexp::check(pattern.as_bytes()).err()?;
    Some(Finding::advice(path, Code::BadRegexp, format!("{error}; every refresh would fail")))
}
