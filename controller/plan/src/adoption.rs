//! Whether a Secret that was there before may be taken over. The reference always does; a flag forbids it.

use api::{CreationPolicy, DeletionPolicy, ExternalSecretSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use crate::names::{GROUP, MANAGED_LABEL};
use crate::pause::says_true;
use crate::secret_object::SecretObject;
use crate::status::Verdict;

/// On an ExternalSecret: with the value `true`, it may take over a Secret although the flag forbids it.
pub const ADOPT_ANNOTATION: &str = "external-secrets.io/adopt";

/// Whether the live Secret is filled and nobody's, and its ExternalSecret isn't allowed to take it over. Merge adds to a
/// foreign Secret by its meaning, and None writes nothing.
pub fn is_forbidden(owner: &ObjectMeta, spec: &ExternalSecretSpec, live: &SecretObject) -> bool {
    let replaces = match spec.target.creation_policy {
        // Another controller's is refused in the reference's words, flag or not.
        CreationPolicy::Owner => !owners(live).any(|(_, _, controls)| controls),
        CreationPolicy::Orphan | CreationPolicy::CreateOrMerge => true,
        CreationPolicy::Merge | CreationPolicy::None => false,
    };
    let managed = live.metadata.labels.as_ref().and_then(|labels| labels.get(MANAGED_LABEL));
    let ours = managed.is_some_and(|value| value == "true")
        || owners(live).any(|(kind, group, _)| kind == "ExternalSecret" && group == GROUP);
    replaces && !ours && !live.data.is_empty() && !says_true(owner.annotations.as_ref(), ADOPT_ANNOTATION)
}

/// Kind and group of the Secret's owners, and whether it is the controller.
fn owners(live: &SecretObject) -> impl Iterator<Item = (&str, &str, bool)> {
    live.metadata.owner_references.iter().flatten().map(|reference| {
        let group = reference.api_version.split('/').next().unwrap_or_default();
        (reference.kind.as_str(), group, reference.controller == Some(true))
    })
}

/// What is told instead of a write that [`is_forbidden`]; nothing where none was due: the provider has no data, and the
/// deletion policy keeps the Secret.
pub fn refused(owner: &ObjectMeta, spec: &ExternalSecretSpec, live: &SecretObject, empty: bool) -> Option<Verdict> {
    let kept = match spec.target.deletion_policy {
        DeletionPolicy::Retain => empty,
        DeletionPolicy::Delete | DeletionPolicy::Merge => false,
    };
    if kept || !is_forbidden(owner, spec, live) {
        return None;
    }
    let secret = live.metadata.name.as_deref().unwrap_or_default();
    let text = format!(
        "secret {secret} exists, holds data and belongs to no ExternalSecret; --adopt-existing-secrets=false keeps it as it \
         is. To have it overwritten, annotate this ExternalSecret with {ADOPT_ANNOTATION}: \"true\"; otherwise give \
         spec.target.name another name or delete the secret"
    );
    Some(Verdict::failed("target secret belongs to nobody and is not adopted", text))
}
