//! The rules of ExternalSecret, in ESO's order: policies, data, template, `dataFrom`, duplicates.

use crate::finding::{Code, Finding};
use api::{
    CreationPolicy, DataFrom, DeletionPolicy, ExternalSecret, ExternalSecretData, ExternalSecretSpec, Target, Template,
};
use std::collections::BTreeSet;

const SERVICE_ACCOUNT_TOKEN: &str = "kubernetes.io/service-account-token";
const SERVICE_ACCOUNT_NAME: &str = "kubernetes.io/service-account.name";
const BOOTSTRAP_TOKEN: &str = "bootstrap.kubernetes.io/token";

/// What the webhook says about an ExternalSecret. Deletions aren't its concern: they are always allowed.
pub fn external_secret(object: &ExternalSecret) -> Vec<Finding> {
    let ExternalSecretSpec {
        target,
        data,
        data_from,
        secret_store_ref: _,
        refresh_policy: _,
        refresh_interval: _,
        sync_windows: _,
    } = &object.spec;
    let mut findings = Vec::new();
    findings.extend(policies(target));
    if data.is_empty() && data_from.is_empty() {
        findings.push(Finding::error("spec", Code::NoData, "either data or dataFrom should be specified"));
    }
    findings.extend(templates(target));
    for (index, entry) in data_from.iter().enumerate() {
        findings.extend(sources(index, entry));
    }
    if target.deletion_policy == DeletionPolicy::Retain {
        findings.extend(duplicates(data));
    }
    findings
}

/// What the reconciler itself refuses, even if no webhook stood before it: templates that would give rights away. As in ESO
/// this is asked of Secrets only, and only before one is written.
pub fn runtime_external_secret(spec: &ExternalSecretSpec) -> Vec<Finding> {
    if targets_secret(&spec.target) { templates(&spec.target) } else { Vec::new() }
}

fn templates(target: &Target) -> Vec<Finding> {
    let Some(template) = target.template.as_deref() else { return Vec::new() };
    let mut findings = Vec::from_iter(privileged(template));
    if targets_secret(target) {
        findings.extend(template_targets(template));
    }
    findings
}

fn policies(target: &Target) -> Option<Finding> {
    let path = "spec.target.deletionPolicy";
    match (target.deletion_policy, target.creation_policy) {
        (DeletionPolicy::Delete, CreationPolicy::Merge | CreationPolicy::None | CreationPolicy::CreateOrMerge) => {
            Some(Finding::error(
                path,
                Code::DeleteWithoutOwnership,
                "deletionPolicy=Delete must not be used when the controller doesn't own the secret. Please set creationPolicy=Owner",
            ))
        }
        (DeletionPolicy::Merge, CreationPolicy::None) => Some(Finding::error(
            path,
            Code::MergeWithoutSecret,
            "deletionPolicy=Merge must not be used with creationPolicy=None. There is no Secret to merge with",
        )),
        // Orphan with Delete passes as in ESO; it is refused when the provider has no data any more.
        (DeletionPolicy::Delete, CreationPolicy::Owner | CreationPolicy::Orphan)
        | (
            DeletionPolicy::Merge,
            CreationPolicy::Owner | CreationPolicy::Orphan | CreationPolicy::Merge | CreationPolicy::CreateOrMerge,
        )
        | (DeletionPolicy::Retain, _) => None,
    }
}

/// A Secret of these types is a credential of the cluster: who may write an ExternalSecret must not get one made. As in ESO
/// only the first reason is told.
fn privileged(template: &Template) -> Option<Finding> {
    let path = "spec.target.template";
    let refuse = |path: String, text: String| Some(Finding::error(path, Code::PrivilegedTemplate, text));
    match template.type_.as_deref() {
        Some(SERVICE_ACCOUNT_TOKEN) => {
            let annotations = template.metadata.as_ref().map(|metadata| &metadata.annotations);
            if annotations.is_some_and(|annotations| annotations.contains_key(SERVICE_ACCOUNT_NAME)) {
                let text = format!(
                    "template.type=\"{SERVICE_ACCOUNT_TOKEN}\" with annotation \"{SERVICE_ACCOUNT_NAME}\" is not allowed"
                );
                return refuse(format!("{path}.metadata.annotations"), text);
            }
            let makes_annotations = |from: &api::TemplateFrom| from.target.eq_ignore_ascii_case("Annotations");
            let index = template.template_from.iter().position(makes_annotations)?;
            let text = format!(
                "template.type=\"{SERVICE_ACCOUNT_TOKEN}\" with templateFrom target=\"Annotations\" is not allowed"
            );
            refuse(format!("{path}.templateFrom[{index}].target"), text)
        }
        Some(BOOTSTRAP_TOKEN) => {
            refuse(format!("{path}.type"), format!("template.type=\"{BOOTSTRAP_TOKEN}\" is not allowed"))
        }
        Some(_) | None => None,
    }
}

fn targets_secret(target: &Target) -> bool {
    target.manifest.as_deref().is_none_or(|manifest| manifest.api_version == "v1" && manifest.kind == "Secret")
}

fn template_targets(template: &Template) -> Vec<Finding> {
    let known = |target: &str| ["Data", "Annotations", "Labels"].iter().any(|known| target.eq_ignore_ascii_case(known));
    let entries = template.template_from.iter().enumerate();
    entries
        .filter(|(_, from)| !from.target.is_empty() && !known(&from.target))
        .map(|(index, from)| {
            Finding::error(
                format!("spec.target.template.templateFrom[{index}].target"),
                Code::TemplateTarget,
                format!(
                    "templateFrom target={} is not allowed when targeting a Secret, must be one of \"Data\", \"Annotations\" or \"Labels\"",
                    gourl::quoted(&from.target)
                ),
            )
        })
        .collect()
}

fn sources(index: usize, entry: &DataFrom) -> Option<Finding> {
    let DataFrom { extract, find, source_ref, rewrite: _ } = entry;
    let generator = source_ref.as_deref().is_some_and(|source| source.generator_ref.is_some());
    let path = format!("spec.dataFrom[{index}]");
    let set = usize::from(extract.is_some()) + usize::from(find.is_some()) + usize::from(generator);
    if set > 1 {
        let text = "extract, find, or generatorRef cannot be set at the same time";
        return Some(Finding::error(path, Code::DataFromAmbiguous, text));
    }
    let Some(source) = source_ref.as_deref() else {
        let text = "either extract, find, or sourceRef must be set to dataFrom";
        return (set == 0).then(|| Finding::error(path, Code::DataFromEmpty, text));
    };
    let empty = source.store_ref.is_none() && source.generator_ref.is_none();
    let text = "generatorRef or storeRef must be set when using sourceRef in dataFrom";
    empty.then(|| Finding::error(format!("{path}.sourceRef"), Code::SourceRefEmpty, text))
}

fn duplicates(data: &[ExternalSecretData]) -> Vec<Finding> {
    let mut seen = BTreeSet::new();
    let entries = data.iter().enumerate();
    entries
        .filter(|(_, entry)| !seen.insert(entry.secret_key.as_str()))
        .map(|(index, entry)| {
            Finding::error(
                format!("spec.data[{index}].secretKey"),
                Code::DuplicateSecretKey,
                format!("duplicate secretKey found: {}", entry.secret_key),
            )
        })
        .collect()
}
