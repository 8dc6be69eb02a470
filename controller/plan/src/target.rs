//! The target Secret as it should be: who owns it, what it holds, and whether it must be written at all.

use std::collections::{BTreeMap, BTreeSet};

use api::{CreationPolicy, DeletionPolicy, ExternalSecretSpec, Target};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ManagedFieldsEntry, ObjectMeta, OwnerReference};
use secret::{SecretBytes, SecretMap};

use crate::event::{EventReason, Note};
use crate::hash;
use crate::names::{DATA_HASH_ANNOTATION, GROUP, MANAGED_LABEL, OWNER_LABEL, field_manager};
use crate::secret_object::SecretObject;
use crate::status::{Again, Reason, Verdict};
use crate::template::{Failure, Rendered};

/// What to do with the target Secret, and what to report once it is done.
#[derive(Debug, PartialEq)]
pub struct Decision {
    /// The write.
    pub write: Write,
    /// The condition afterwards.
    pub verdict: Verdict,
    /// The target is as wished once the write is done. Not so where the policies leave it alone.
    pub fulfilled: bool,
}

/// Most bytes that the values of a Secret may have together; the API server refuses more.
const MAX_BYTES: usize = 1024 * 1024;

/// The one write to the target Secret.
#[derive(Debug, PartialEq)]
pub enum Write {
    /// It is as it should be, or the policies leave it alone.
    Nothing,
    /// It doesn't exist yet.
    Create(Box<SecretObject>),
    /// It differs. The object carries the resourceVersion that was read.
    Update(Box<SecretObject>),
    /// The provider has nothing any more and the deletion policy says Delete.
    Delete {
        /// Only this very object may be deleted.
        uid: Option<String>,
        /// And only in the version that was read.
        resource_version: Option<String>,
    },
}

/// The name of the target Secret.
pub fn name<'a>(external_secret: &'a str, spec: &'a ExternalSecretSpec) -> &'a str {
    spec.target.name.as_deref().filter(|name| !name.is_empty()).unwrap_or(external_secret)
}

/// Whether an existing target is as it was written: its data hashes to the annotation. Anything else is drift and is
/// repaired at once whatever the refresh policy says. A lost label is put back without a refresh.
pub fn is_intact(policy: CreationPolicy, existing: Option<&SecretObject>) -> bool {
    if policy == CreationPolicy::Orphan {
        return true;
    }
    existing.is_some_and(|secret| {
        let noted = secret.metadata.annotations.as_ref().and_then(|notes| notes.get(DATA_HASH_ANNOTATION));
        noted.is_some_and(|noted| *noted == hash::data(&secret.data))
    })
}

/// Whether a template has any effect: a caller may spare itself the rendering where it hasn't. `exists` is whether the
/// target does, as far as that is known.
pub fn needs_rendering(spec: &ExternalSecretSpec, data: &SecretMap, exists: Option<bool>) -> bool {
    let Target { creation_policy, deletion_policy, template, immutable, name: _, manifest: _ } = &spec.target;
    let kept = match deletion_policy {
        DeletionPolicy::Delete | DeletionPolicy::Retain => data.is_empty(),
        DeletionPolicy::Merge => false,
    };
    let written = match creation_policy {
        CreationPolicy::None => false,
        CreationPolicy::Merge => exists != Some(false),
        CreationPolicy::Owner | CreationPolicy::Orphan | CreationPolicy::CreateOrMerge => true,
    };
    template.is_some() && !kept && written && !(*immutable && exists == Some(true))
}

/// Decides about the target Secret: `owner` is the ExternalSecret's metadata, `data` what was fetched, `rendered` what
/// [`template::render`](crate::template::render) made of it (nothing without a template), `existing` the whole live Secret.
pub fn decide(
    owner: &ObjectMeta,
    spec: &ExternalSecretSpec,
    data: SecretMap,
    rendered: Option<Result<Rendered, Failure>>,
    existing: Option<&SecretObject>,
) -> Decision {
    let policy = spec.target.creation_policy;
    if data.is_empty() {
        match spec.target.deletion_policy {
            DeletionPolicy::Delete => return emptied(owner, spec, existing),
            DeletionPolicy::Retain => {
                return untouched(Verdict::done(Reason::SecretSynced, "secret retained due to DeletionPolicy=Retain"));
            }
            DeletionPolicy::Merge => {}
        }
    }
    let content = Content { data, rendered };
    match (policy, existing) {
        (CreationPolicy::None, _) => untouched(Verdict::done(Reason::SecretSynced, "secret synced")),
        (CreationPolicy::Merge, None) => {
            untouched(Verdict::done(Reason::SecretMissing, "secret will not be created due to CreationPolicy=Merge"))
        }
        (CreationPolicy::Owner | CreationPolicy::Orphan | CreationPolicy::CreateOrMerge, None) => {
            let fresh = SecretObject::new(owner.namespace.clone(), name(text(owner.name.as_ref()), spec));
            let wished = shaped(owner, spec, content, fresh, false).and_then(|wished| fits(&wished).map(|()| wished));
            match wished {
                Ok(wished) => synced(Write::Create(Box::new(wished))),
                Err(refusal) => untouched(refusal.verdict()),
            }
        }
        (_, Some(live)) => {
            let secret = text(live.metadata.name.as_ref());
            match shaped(owner, spec, content, live.clone(), true) {
                Err(refusal) => untouched(refusal.within(&format!("unable to mutate secret {secret}")).verdict()),
                Ok(wished) => update(live, wished),
            }
        }
    }
}

fn update(live: &SecretObject, wished: SecretObject) -> Decision {
    let secret = text(live.metadata.name.as_ref());
    if wished == *live {
        return synced(Write::Nothing);
    }
    if live.immutable == Some(true) && (wished.data != live.data || wished.type_ != live.type_) {
        // Its metadata can still change: the reference tracks Secrets by it.
        let mut told = live.clone();
        told.metadata = wished.metadata;
        let write = if told == *live { Write::Nothing } else { Write::Update(Box::new(told)) };
        let verdict = Verdict::stuck(
            "could not update secret, target is immutable",
            format!("unable to update secret {secret}: secret is immutable"),
        );
        return Decision { write, verdict, fulfilled: false };
    }
    match fits(&wished) {
        Ok(()) => synced(Write::Update(Box::new(wished))),
        Err(refusal) => untouched(refusal.within(&format!("unable to update secret {secret}")).verdict()),
    }
}

/// Whether the API server would take that much. It isn't asked: a refusal would cost megabytes at each try.
fn fits(wished: &SecretObject) -> Result<(), Refusal> {
    let bytes: usize = wished.data.values().map(|value| value.expose().len()).sum();
    if bytes <= MAX_BYTES {
        return Ok(());
    }
    let secret = text(wished.metadata.name.as_ref());
    let text = format!("Secret {secret:?} is invalid: data: Too long: may not be more than {MAX_BYTES} bytes");
    let detail = format!(
        "the values of secret {secret} have {bytes} bytes together, and a Secret holds at most {MAX_BYTES} (1 MiB): \
         fetch less, or split the data over several ExternalSecrets"
    );
    Err(Refusal { detail, ..Refusal::again(text) })
}

/// Other Secrets of the namespace that this ExternalSecret made under an earlier target name.
pub fn orphans<'a>(current: &str, owned: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    owned.filter(|name| *name != current).collect()
}

fn synced(write: Write) -> Decision {
    Decision { write, verdict: Verdict::done(Reason::SecretSynced, "secret synced"), fulfilled: true }
}

fn untouched(verdict: Verdict) -> Decision {
    Decision { write: Write::Nothing, verdict, fulfilled: false }
}

fn emptied(owner: &ObjectMeta, spec: &ExternalSecretSpec, existing: Option<&SecretObject>) -> Decision {
    let policy = spec.target.creation_policy;
    if policy != CreationPolicy::Owner {
        let target = name(text(owner.name.as_ref()), spec);
        return untouched(Verdict::stuck(
            "could not delete secret",
            format!("unable to delete secret {target}: creationPolicy={} is not Owner", policy.as_str()),
        ));
    }
    let write = match existing {
        None => Write::Nothing,
        Some(live) => {
            Write::Delete { uid: live.metadata.uid.clone(), resource_version: live.metadata.resource_version.clone() }
        }
    };
    let verdict = Verdict::done(Reason::SecretDeleted, "secret deleted due to DeletionPolicy=Delete");
    Decision { write, verdict, fulfilled: false }
}

/// The event of a write that was done.
pub fn note(write: &Write) -> Option<Note> {
    match write {
        Write::Nothing => None,
        Write::Create(_) => Some(Note::normal(EventReason::Created, "secret created")),
        Write::Update(_) => Some(Note::normal(EventReason::Updated, "secret updated")),
        Write::Delete { uid: _, resource_version: _ } => {
            Some(Note::normal(EventReason::Deleted, "secret deleted due to DeletionPolicy=Delete"))
        }
    }
}

/// What goes into the Secret: what was fetched, and what a template made of it.
struct Content {
    data: SecretMap,
    rendered: Option<Result<Rendered, Failure>>,
}

impl Content {
    /// What the Secret gets. Without a template that is what was fetched, and all labels and annotations of the
    /// ExternalSecret; a template that says nothing about them copies none.
    fn rendered(self, owner: &ObjectMeta, spec: &ExternalSecretSpec) -> Result<Rendered, Refusal> {
        let Self { data, rendered } = self;
        let bytes = |map: &Option<BTreeMap<String, String>>| {
            let map = map.iter().flatten();
            map.map(|(key, value)| (key.clone(), SecretBytes::from(value.as_str()))).collect()
        };
        match (&spec.target.template, rendered) {
            (None, _) => Ok(Rendered {
                data,
                labels: bytes(&owner.labels),
                annotations: bytes(&owner.annotations),
                finalizers: Vec::new(),
                type_: None,
            }),
            (Some(_), Some(Ok(rendered))) => Ok(rendered),
            (Some(_), Some(Err(failure))) => Err(Refusal { detail: failure.summary(), ..Refusal::again(failure.text) }),
            // Never the plain data in place of what the template was to make of it.
            (Some(_), None) => Err(Refusal::again("spec.target.template was not rendered".to_owned())),
        }
    }
}

/// Why the target isn't written.
#[derive(Debug)]
pub(crate) struct Refusal {
    message: &'static str,
    pub(crate) text: String,
    /// For the condition, where that isn't the text: what holds no value whatever a template made of one.
    detail: String,
    again: Again,
}

impl Refusal {
    fn again(text: String) -> Self {
        Self { message: "could not update secret", text, detail: String::new(), again: Again::Backoff }
    }

    fn for_good(message: &'static str, text: String) -> Self {
        Self { message, text, detail: String::new(), again: Again::OnChange }
    }

    /// The same inside of a longer text.
    fn within(self, prefix: &str) -> Self {
        Self { text: format!("{prefix}: {}", self.text), ..self }
    }

    fn verdict(self) -> Verdict {
        let Self { message, text, detail, again } = self;
        let detail = if detail.is_empty() { text.clone() } else { detail };
        Verdict::Failed { reason: Reason::SecretSyncedError, message: message.into(), text, detail, again }
    }
}

fn shaped(
    owner: &ObjectMeta,
    spec: &ExternalSecretSpec,
    content: Content,
    mut secret: SecretObject,
    exists: bool,
) -> Result<SecretObject, Refusal> {
    let policy = spec.target.creation_policy;
    if spec.target.immutable {
        secret.immutable = Some(true);
    }
    // A target that the manifest declares immutable keeps the data it was created with.
    if !(spec.target.immutable && exists) {
        let Rendered { data, labels, annotations, finalizers, type_ } = content.rendered(owner, spec)?;
        let ours = Ours::of(secret.metadata.managed_fields.as_deref().unwrap_or_default(), text(owner.name.as_ref()));
        secret.data.retain(|key, _| !ours.data.contains(key));
        let present = secret.metadata.labels.get_or_insert_default();
        present.retain(|key, _| !ours.labels.contains(key));
        present.extend(texts(labels));
        let present = secret.metadata.annotations.get_or_insert_default();
        present.retain(|key, _| !ours.annotations.contains(key));
        present.extend(texts(annotations));
        if secret.metadata.deletion_timestamp.is_none() && !finalizers.is_empty() {
            let present = secret.metadata.finalizers.get_or_insert_default();
            for finalizer in finalizers {
                if !present.contains(&finalizer) {
                    present.push(finalizer);
                }
            }
        }
        if type_.is_some() {
            secret.type_ = type_;
        }
        match policy {
            CreationPolicy::Owner | CreationPolicy::Orphan | CreationPolicy::None => secret.data = data,
            CreationPolicy::Merge | CreationPolicy::CreateOrMerge => secret.data.extend(data),
        }
    }
    own(owner, policy, &mut secret.metadata)?;
    secret.metadata.labels.get_or_insert_default().insert(MANAGED_LABEL.into(), "true".into());
    let noted = hash::data(&secret.data);
    secret.metadata.annotations.get_or_insert_default().insert(DATA_HASH_ANNOTATION.into(), noted);
    Ok(secret)
}

fn texts(map: SecretMap) -> impl Iterator<Item = (String, String)> {
    map.into_iter().map(|(key, value)| (key, String::from_utf8_lossy(value.expose()).into_owned()))
}

/// Makes the ExternalSecret the target's owner, or no longer, as the policy says.
pub(crate) fn own(owner: &ObjectMeta, policy: CreationPolicy, metadata: &mut ObjectMeta) -> Result<(), Refusal> {
    let (owner_name, namespace) = (text(owner.name.as_ref()), text(owner.namespace.as_ref()));
    let is_external_secret = |reference: &OwnerReference| {
        reference.kind == "ExternalSecret" && reference.api_version.split('/').next() == Some(GROUP)
    };
    let controller = metadata.owner_references.iter().flatten().find(|reference| reference.controller == Some(true));
    if let Some(other) = controller.filter(|reference| is_external_secret(reference) && reference.name != owner_name) {
        return Err(Refusal::for_good(
            "target is owned by another ExternalSecret",
            format!("secret is owned by another ExternalSecret: {}", other.name),
        ));
    }
    let is_ours = |reference: &OwnerReference| is_external_secret(reference) && reference.name == owner_name;
    match policy {
        CreationPolicy::Owner => {
            if let Some(other) = controller.filter(|reference| !is_ours(reference)) {
                let target = text(metadata.name.as_ref());
                return Err(Refusal::for_good(
                    "failed to take ownership of target secret",
                    format!(
                        "could not set controller reference on secret: Object {namespace}/{target} is already owned by another {} controller {}",
                        other.kind, other.name
                    ),
                ));
            }
            let reference = OwnerReference {
                api_version: format!("{GROUP}/v1"),
                kind: "ExternalSecret".into(),
                name: owner_name.into(),
                uid: owner.uid.clone().unwrap_or_default(),
                controller: Some(true),
                block_owner_deletion: Some(true),
            };
            let references = metadata.owner_references.get_or_insert_default();
            match references.iter_mut().find(|reference| is_ours(reference)) {
                Some(present) => *present = reference,
                None => references.push(reference),
            }
            let labels = metadata.labels.get_or_insert_default();
            labels.insert(OWNER_LABEL.into(), hash::owner(namespace, owner_name));
        }
        CreationPolicy::Orphan | CreationPolicy::Merge | CreationPolicy::CreateOrMerge | CreationPolicy::None => {
            if let Some(references) = &mut metadata.owner_references {
                references.retain(|reference| !is_ours(reference));
                if references.is_empty() {
                    metadata.owner_references = None;
                }
            }
            if let Some(labels) = &mut metadata.labels {
                labels.remove(OWNER_LABEL);
            }
        }
    }
    Ok(())
}

/// The keys that `managedFields` says we wrote before: what isn't wished any more goes, what others wrote stays.
#[derive(Debug, Default, PartialEq)]
struct Ours {
    data: BTreeSet<String>,
    labels: BTreeSet<String>,
    annotations: BTreeSet<String>,
}

impl Ours {
    fn of(entries: &[ManagedFieldsEntry], owner: &str) -> Self {
        let (of_data, of_metadata) = (field_manager(owner), metadata_manager(owner));
        let mut ours = Self::default();
        for entry in entries {
            let Some(fields) = &entry.fields_v1 else { continue };
            let manager = entry.manager.as_deref();
            if manager == Some(of_data.as_str()) {
                ours.data.extend(keys_at(&fields.0, "/f:data"));
            }
            if manager == Some(of_metadata.as_str()) {
                ours.labels.extend(keys_at(&fields.0, "/f:metadata/f:labels"));
                ours.annotations.extend(keys_at(&fields.0, "/f:metadata/f:annotations"));
            }
        }
        ours
    }
}

/// The manager whose labels and annotations are cleaned up. The reference measures the ExternalSecret's name alone here,
/// so that under a name of 28 to 63 bytes, which [`field_manager`] hashes, they stay for ever; manifests may rely on it.
fn metadata_manager(owner: &str) -> String {
    if owner.len() > 63 { field_manager(owner) } else { format!("externalsecrets.external-secrets.io/{owner}") }
}

fn keys_at<'a>(fields: &'a serde_json::Value, pointer: &str) -> impl Iterator<Item = String> + 'a {
    let object = fields.pointer(pointer).and_then(serde_json::Value::as_object);
    object.into_iter().flat_map(|map| map.keys()).filter_map(|key| key.strip_prefix("f:").map(str::to_owned))
}

fn text(field: Option<&String>) -> &str {
    field.map_or("", String::as_str)
}
