//! The provider `crd`: the connection, which is that of the provider `kubernetes`, the resource and the whitelist.

use super::at::At;
use super::kubernetes;
use crate::finding::{Code, Finding, Severity};
use api::StoreKind;
use api::provider::crd::{CrdProvider, CrdResource, CrdWhitelist, CrdWhitelistRule};

pub(super) fn rules(provider: &CrdProvider, at: At<'_>) -> Vec<Finding> {
    let CrdProvider { resource, auth, auth_ref, server, whitelist } = provider;
    if server.url.as_deref().is_some_and(|url| !url.is_empty()) && auth.is_none() && auth_ref.is_none() {
        let text = "server.url requires auth or authRef when set";
        return vec![at.error("auth", Code::AuthIncomplete, text)];
    }
    let mut findings = kubernetes::connection(server, auth.as_ref(), auth_ref.as_ref(), at);
    if findings.iter().any(|finding| finding.severity == Severity::Error) {
        return findings;
    }
    if let Err(finding) = kind(resource, at) {
        // As in ESO the warnings are lost here.
        return vec![finding];
    }
    findings.extend(entries(whitelist.as_ref(), at).err());
    findings
}

fn kind(resource: &CrdResource, at: At<'_>) -> Result<(), Finding> {
    let CrdResource { group, kind, version } = resource;
    at.filled("resource.version", version, "resource.version is required")?;
    at.filled("resource.kind", kind, "resource.kind is required")?;
    if kind.eq_ignore_ascii_case("Secret") && version == "v1" && matches!(group.as_str(), "" | "core") {
        return Err(at.error(
            "resource.kind",
            Code::CoreSecret,
            "kind \"Secret\" is not allowed: use the Kubernetes provider to read Kubernetes Secrets",
        ));
    }
    Ok(())
}

fn entries(whitelist: Option<&CrdWhitelist>, at: At<'_>) -> Result<(), Finding> {
    let Some(CrdWhitelist { rules }) = whitelist else { return Ok(()) };
    for (index, rule) in rules.iter().enumerate() {
        let CrdWhitelistRule { name, namespace, properties } = rule;
        let field = format!("whitelist.rules[{index}]");
        let (name, namespace) = (name.as_deref().unwrap_or_default(), namespace.as_deref().unwrap_or_default());
        if name.is_empty() && namespace.is_empty() && properties.is_empty() {
            let text = format!("crd: {field}: whitelist rule must define name, namespace, or properties");
            return Err(at.error(&field, Code::WhitelistRule, text));
        }
        compiles(&format!("{field}.name"), name, at)?;
        compiles(&format!("{field}.namespace"), namespace, at)?;
        for (index, property) in properties.iter().enumerate() {
            compiles(&format!("{field}.properties[{index}]"), property, at)?;
        }
    }
    // Only after all expressions, as in ESO.
    for (index, rule) in rules.iter().enumerate() {
        let field = format!("whitelist.rules[{index}].namespace");
        if at.kind() == StoreKind::SecretStore && rule.namespace.as_deref().is_some_and(|it| !it.is_empty()) {
            let text = format!(
                "crd: {field} is not supported for a SecretStore (it only reads its own namespace); remove it or use a ClusterSecretStore"
            );
            return Err(at.error(&field, Code::WhitelistRule, text));
        }
    }
    Ok(())
}

fn compiles(field: &str, pattern: &str, at: At<'_>) -> Result<(), Finding> {
    goregexp::check(pattern.as_bytes()).map_err(|error| {
        let text = format!("crd: invalid {field} regex {}: {error}", gourl::quoted(pattern));
        at.error(field, Code::BadRegexp, text)
    })
}
