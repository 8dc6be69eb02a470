//! Whether a target that was there before may be taken over. The reference always does; a flag forbids it.

use api::{CreationPolicy, DeletionPolicy, ExternalSecretSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde_json::Value;

use crate::generic_target;
use crate::names::{GROUP, MANAGED_LABEL};
use crate::pause::says_true;
use crate::secret_object::SecretObject;
use crate::status::Verdict;

/// On an ExternalSecret: with the value `true`, it may take over a target although the flag forbids it.
pub const ADOPT_ANNOTATION: &str = "external-secrets.io/adopt";

/// Whether the live Secret is filled and nobody's, and its ExternalSecret isn't allowed to take it over. Merge adds to a
/// foreign Secret by its meaning, and None writes nothing.
pub fn is_forbidden(owner: &ObjectMeta, spec: &ExternalSecretSpec, live: &SecretObject) -> bool {
    forbids(owner, spec, &live.metadata, !live.data.is_empty())
}

fn forbids(owner: &ObjectMeta, spec: &ExternalSecretSpec, live: &ObjectMeta, filled: bool) -> bool {
    let replaces = match spec.target.creation_policy {
        // Another controller's is refused in the reference's words, flag or not.
        CreationPolicy::Owner => !owners(live).any(|(_, _, controls)| controls),
        CreationPolicy::Orphan | CreationPolicy::CreateOrMerge => true,
        CreationPolicy::Merge | CreationPolicy::None => false,
    };
    let managed = live.labels.as_ref().and_then(|labels| labels.get(MANAGED_LABEL));
    let ours = managed.is_some_and(|value| value == "true")
        || owners(live).any(|(kind, group, _)| kind == "ExternalSecret" && group == GROUP);
    replaces && !ours && filled && !says_true(owner.annotations.as_ref(), ADOPT_ANNOTATION)
}

/// Kind and group of the target's owners, and whether it is the controller.
fn owners(live: &ObjectMeta) -> impl Iterator<Item = (&str, &str, bool)> {
    live.owner_references.iter().flatten().map(|reference| {
        let group = reference.api_version.split('/').next().unwrap_or_default();
        (reference.kind.as_str(), group, reference.controller == Some(true))
    })
}

/// What is told instead of a write that [`is_forbidden`]; nothing where none was due: the provider has no data, and the
/// deletion policy keeps the Secret.
pub fn refused(owner: &ObjectMeta, spec: &ExternalSecretSpec, live: &SecretObject, empty: bool) -> Option<Verdict> {
    let kept = is_kept(spec, empty) || !is_forbidden(owner, spec, live);
    (!kept).then(|| told("secret", "secret", live.metadata.name.as_deref().unwrap_or_default()))
}

/// As [`refused`], of a target that is no Secret. It holds data if it has any field beside its metadata and status.
pub fn refused_target(owner: &ObjectMeta, spec: &ExternalSecretSpec, live: &Value, empty: bool) -> Option<Verdict> {
    // Metadata that can't be read names no owner.
    let metadata: ObjectMeta = serde_json::from_value(live["metadata"].clone()).unwrap_or_default();
    let filled = !generic_target::content(live).is_empty();
    let kept = is_kept(spec, empty) || !forbids(owner, spec, &metadata, filled);
    let text = |value: &Value, default: &str| value.as_str().unwrap_or(default).to_owned();
    let (kind, name) = (text(&live["kind"], "object"), text(&live["metadata"]["name"], ""));
    (!kept).then(|| told("resource", &kind, &name).of_resource())
}

/// Whether nothing would be written in any case.
fn is_kept(spec: &ExternalSecretSpec, empty: bool) -> bool {
    match spec.target.deletion_policy {
        DeletionPolicy::Retain => empty,
        DeletionPolicy::Delete | DeletionPolicy::Merge => false,
    }
}

fn told(what: &str, kind: &str, name: &str) -> Verdict {
    let text = format!(
        "{kind} {name} exists, holds data and belongs to no ExternalSecret; --adopt-existing-secrets=false keeps it as it \
         is. To have it overwritten, annotate this ExternalSecret with {ADOPT_ANNOTATION}: \"true\"; otherwise give \
         spec.target.name another name or delete the {what}"
    );
    Verdict::failed(format!("target {what} belongs to nobody and is not adopted"), text)
}
