//! What surely hurts or won't work but is accepted, and of which ESO says nothing: advice for a linter.
//!
//! Not here: rules that the webhook applies. It calls none of these functions, since an admission warning that ESO doesn't
//! give would be seen in every `kubectl apply`, and since each costs time. What needs the template language isn't here
//! either.

use crate::finding::{Code, Finding};
use crate::{go_regexp, provider, refresh_interval};
use api::{
    ExternalSecretSpec, Find, GoDuration, PushSecretDataTo, PushSecretRewrite, PushSecretSpec, RefreshPolicy, Rewrite,
    SecretStoreSpec,
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
            let Rewrite { regexp, merge: _, transform: _ } = rewrite;
            if let Some(regexp) = regexp {
                findings.extend(pattern_of(&regexp.source, format!("{path}.rewrite[{step}].regexp.source")));
            }
        }
    }
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
        data: _,
        template: _,
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
            let PushSecretRewrite { regexp, transform: _ } = rewrite;
            if let Some(regexp) = regexp {
                findings.extend(pattern_of(&regexp.source, format!("{path}.rewrite[{step}].regexp.source")));
            }
        }
    }
    findings
}

/// Advice on a SecretStore or ClusterSecretStore.
pub fn store(spec: &SecretStoreSpec) -> Vec<Finding> {
    // An interval that is no duration is an error of the rules.
    let interval = spec.refresh_interval.as_ref().and_then(|interval| refresh_interval(interval).ok());
    let mut findings = Vec::from_iter(too_often(interval, "spec"));
    findings.extend(spec.provider.iter().flat_map(provider::plain_text_advice));
    findings
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
    let error = go_regexp::check(pattern).err()?;
    Some(Finding::advice(path, Code::BadRegexp, format!("{error}; every refresh would fail")))
}
