//! A target that is no Secret: whether it is allowed, what is written, and what is reported.
//!
//! Lives here: decisions about the object as a whole. Deliberately not here: what is in it (see
//! [`template::wished`](crate::template::wished)), and which kinds the API server knows.

use api::{CreationPolicy, DeletionPolicy, ExternalSecretSpec, ManifestRef};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use secret::SecretMap;
use serde_json::{Map, Value};

use crate::event::{EventReason, Note};
use crate::names::MANAGED_LABEL;
use crate::status::{Reason, Verdict};
use crate::template::{Failure, Manifest, is_intact, masked};
use crate::{hash, target};

/// The condition's message about a `spec.target.manifest` that can't be obeyed whatever happens.
const INVALID: &str = "invalid generic target";
const NOT_DELETED: &str = "could not delete resource";
const NOT_RENDERED: &str = "could not apply template to manifest";

/// How the API server begins what quotes a value.
const QUOTING: [&str; 3] = ["Invalid value", "Unsupported value", "Duplicate value"];

/// What to do with the target, and what to report once it is done.
#[derive(Debug, PartialEq)]
pub struct Decision {
    /// The write.
    pub write: Write,
    /// The condition afterwards.
    pub verdict: Verdict,
}

/// The one write to the target.
#[derive(Debug, PartialEq)]
pub enum Write {
    /// It is as it should be, or the policies leave it alone.
    Nothing,
    /// It doesn't exist yet.
    Create(Manifest),
    /// It differs. The object carries the UID and the resourceVersion that were read.
    Update(Manifest),
    /// The provider has nothing any more and the deletion policy says Delete.
    Delete {
        /// Only this very object may be deleted.
        uid: Option<String>,
        /// And only in the version that was read.
        resource_version: Option<String>,
    },
}

/// What was written, and what the API server made of it: it may fill in defaults, so that the object never is as it was
/// asked for. Digests, since both are made of secrets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written {
    wish: String,
    live: String,
}

impl Written {
    /// Of a write and its answer.
    pub fn of(wish: &Value, answer: &Value) -> Self {
        Self { wish: digest(wish), live: digest(answer) }
    }

    /// Whether the object is still as the API server answered the write, but for its status and what it keeps itself.
    pub fn still_is(&self, live: &Value) -> bool {
        self.live == digest(live)
    }
}

/// Why `spec.target.manifest` is refused, if so; `allowed` is whether the flag `--unsafe-allow-generic-targets` is given.
pub fn refusal(manifest: &ManifestRef, allowed: bool) -> Option<Verdict> {
    let ManifestRef { api_version, kind } = manifest;
    let text = if !allowed {
        "generic targets are disabled. Enable with --unsafe-allow-generic-targets flag"
    } else if api_version.is_empty() {
        "target.manifest.apiVersion is required"
    } else if kind.is_empty() {
        "target.manifest.kind is required"
    } else {
        return None;
    };
    Some(Verdict::stuck(INVALID, text))
}

/// The refusal of a kind whose objects live in no namespace: an ExternalSecret must not reach beyond its own.
pub fn cluster_scoped(manifest: &ManifestRef) -> Verdict {
    let ManifestRef { api_version, kind } = manifest;
    let text = format!(
        "target.manifest.kind {kind} of {api_version} is cluster-scoped; a target must be of a kind that lives in a \
         namespace"
    );
    Verdict::stuck(INVALID, text)
}

/// The failure to read the target, or to find out about its kind. `why` are the API server's words.
pub fn unread(why: &str) -> Verdict {
    Verdict::failed("could not get target resource", format!("failed to get target resource: {why}")).of_resource()
}

/// The failure of a kind that the API server doesn't have. It is tried again: its definition may come later.
pub fn unknown_kind(manifest: &ManifestRef) -> Verdict {
    let ManifestRef { api_version, kind } = manifest;
    let why = format!("no matches for kind {} in version {}", gojson::quote(kind), gojson::quote(api_version));
    let hint = "look the two up with `kubectl api-resources`: they are case-sensitive, and a custom resource needs its \
                CustomResourceDefinition";
    unread(&why).with_detail(format!("spec.target.manifest: {why}; {hint}"))
}

/// What to do about a refusal of the API server's that only more rights can change. `resource` is the plural and, unless it
/// is a core one, the group, such as `things.example.io`.
pub fn rights(resource: &str) -> String {
    format!(
        "the controller's role must allow get, list, watch, create, update and delete on {resource}; no kind but Secret is \
         allowed by default"
    )
}

/// The API server's refusal of an object that breaks its schema, without the value that it quotes. `message` is that of the
/// whole answer, `causes` are pairs of field and message.
pub fn without_values<'a>(message: &str, causes: impl IntoIterator<Item = (&'a str, &'a str)>) -> String {
    let subject = message.split_once(" is invalid").map_or("the object", |(subject, _)| subject);
    let causes: Vec<String> =
        causes.into_iter().map(|(field, cause)| format!("{field}: {}", without_value(cause))).collect();
    match causes.as_slice() {
        [] => format!("{subject} is invalid"),
        [one] => format!("{subject} is invalid: {one}"),
        many => format!("{subject} is invalid: [{}]", many.join(", ")),
    }
}

/// One cause, such as `Invalid value: "x": must be a number`.
fn without_value(cause: &str) -> String {
    let Some((what, rest)) = cause.split_once(": ") else { return cause.to_owned() };
    if !QUOTING.contains(&what) {
        return cause.to_owned();
    }
    match end_of_quoted(rest).and_then(|end| rest.get(end..)) {
        Some(after) => format!("{what}: ***{after}"),
        // A number, a list, an object: where it ends can't be told.
        None => what.to_owned(),
    }
}

/// Where a Go string literal at the beginning of `text` ends.
fn end_of_quoted(text: &str) -> Option<usize> {
    let inner = text.strip_prefix('"')?;
    let mut escaped = false;
    for (at, letter) in inner.char_indices() {
        match letter {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return Some(at + 2),
            _ => {}
        }
    }
    None
}

/// The failure of `write`. `why` are the API server's words; values of `data` in them are masked.
pub fn unwritten(write: &Write, why: &str, data: &SecretMap) -> Verdict {
    let (message, verb) = match write {
        Write::Nothing => return Verdict::failed("could not update secret", why).of_resource(),
        Write::Create(_) => ("could not update secret", "create"),
        Write::Update(_) => ("could not update secret", "update"),
        Write::Delete { uid: _, resource_version: _ } => (NOT_DELETED, "delete"),
    };
    let text = masked(format!("failed to {verb} target resource: {why}"), data);
    Verdict::failed(message, text).of_resource()
}

/// Whether the live object has to be looked at: with creationPolicy None it never is.
pub fn is_read(policy: CreationPolicy) -> bool {
    match policy {
        CreationPolicy::None => false,
        CreationPolicy::Owner | CreationPolicy::Orphan | CreationPolicy::Merge | CreationPolicy::CreateOrMerge => true,
    }
}

/// Whether the live object is as it was written. The reference gives up on one without `spec` and `data`; here it has
/// been emptied, which is drift like any other.
pub fn is_as_written(policy: CreationPolicy, live: Option<&Value>, written: Option<&Written>) -> bool {
    let unchanged = live.zip(written).is_some_and(|(live, written)| written.still_is(live));
    unchanged || is_intact(policy, live).unwrap_or(false)
}

/// Whether the target must be deleted by us when the ExternalSecret is: deletionPolicy Delete, and no owner reference that
/// lets Kubernetes do it. Only then a finalizer is worth its risks.
pub fn needs_finalizer(spec: &ExternalSecretSpec) -> bool {
    let deletes = match spec.target.deletion_policy {
        DeletionPolicy::Delete => true,
        DeletionPolicy::Retain | DeletionPolicy::Merge => false,
    };
    let owns = match spec.target.creation_policy {
        CreationPolicy::Owner => true,
        CreationPolicy::Orphan | CreationPolicy::Merge | CreationPolicy::CreateOrMerge | CreationPolicy::None => false,
    };
    spec.target.manifest.is_some() && deletes && !owns
}

/// The deletion of a live object, unless it isn't ours: an object that doesn't carry the managed label was never written
/// by an ExternalSecret.
pub fn removal(live: Option<&Value>) -> Write {
    let text = |live: &Value, pointer: &str| live.pointer(pointer).and_then(Value::as_str).map(str::to_owned);
    match live {
        Some(live) if is_managed(live) => Write::Delete {
            uid: text(live, "/metadata/uid"),
            resource_version: text(live, "/metadata/resourceVersion"),
        },
        Some(_) | None => Write::Nothing,
    }
}

fn is_managed(live: &Value) -> bool {
    let labels = live.get("metadata").and_then(|metadata| metadata.get("labels"));
    labels.and_then(|labels| labels.get(MANAGED_LABEL)).and_then(Value::as_str) == Some("true")
}

/// What follows if the provider has nothing; none if that doesn't matter under the deletion policy.
pub fn emptied(spec: &ExternalSecretSpec, live: Option<&Value>) -> Option<Decision> {
    let policy = spec.target.creation_policy;
    let decision = match spec.target.deletion_policy {
        DeletionPolicy::Merge => return None,
        DeletionPolicy::Retain => done(Reason::ResourceSynced, "secret retained due to DeletionPolicy=Retain"),
        DeletionPolicy::Delete if policy == CreationPolicy::Owner => Decision {
            write: removal(live),
            ..done(Reason::ResourceDeleted, "secret deleted due to DeletionPolicy=Delete")
        },
        DeletionPolicy::Delete => {
            let text = format!("unable to delete resource: creationPolicy={} is not Owner", policy.as_str());
            Decision { write: Write::Nothing, verdict: Verdict::stuck(NOT_DELETED, text).of_resource() }
        }
    };
    Some(decision)
}

/// Decides about the target: `wished` is what [`template::wished`](crate::template::wished) made, `live` the object as it
/// is, `written` what this process wrote last.
pub fn decide(
    owner: &ObjectMeta,
    policy: CreationPolicy,
    wished: Result<Manifest, Failure>,
    live: Option<&Value>,
    written: Option<&Written>,
) -> Decision {
    let wished = match wished {
        Ok(wished) => wished,
        Err(failure) => return unrendered(&failure),
    };
    match (policy, live) {
        (CreationPolicy::None, _) => synced(Write::Nothing),
        (CreationPolicy::Merge, None) => {
            done(Reason::ResourceMissing, "resource will not be created due to CreationPolicy=Merge")
        }
        (CreationPolicy::Owner | CreationPolicy::Orphan | CreationPolicy::CreateOrMerge, None) => {
            synced(Write::Create(wished))
        }
        (
            CreationPolicy::Owner | CreationPolicy::Orphan | CreationPolicy::Merge | CreationPolicy::CreateOrMerge,
            Some(live),
        ) => match replaced(owner, policy, wished, live) {
            Err(failure) => unrendered(&failure),
            Ok(wished) => {
                let asked = wished.expose();
                let known = written.is_some_and(|known| known.still_is(live) && known.wish == digest(asked));
                if known || essence(asked) == essence(live) {
                    synced(Write::Nothing)
                } else {
                    synced(Write::Update(wished))
                }
            }
        },
    }
}

/// The event of a write that was done to the object `name` of this kind.
pub fn note(write: &Write, kind: &str, name: &str) -> Option<Note> {
    let (reason, verb) = match write {
        Write::Nothing => return None,
        Write::Create(_) => (EventReason::Created, "Created"),
        Write::Update(_) => (EventReason::Updated, "Updated"),
        Write::Delete { uid: _, resource_version: _ } => (EventReason::Deleted, "Deleted"),
    };
    Some(Note::normal(reason, format!("{verb} {kind} {name}")))
}

fn synced(write: Write) -> Decision {
    Decision { write, ..done(Reason::ResourceSynced, "secret synced") }
}

fn done(reason: Reason, message: &'static str) -> Decision {
    Decision { write: Write::Nothing, verdict: Verdict::done(reason, message) }
}

fn unrendered(failure: &Failure) -> Decision {
    let verdict = Verdict::failed(NOT_RENDERED, failure.text.clone()).of_resource().with_detail(failure.summary());
    Decision { write: Write::Nothing, verdict }
}

/// The wished object as a replacement of the live one.
///
/// # Errors
/// If the live object is somebody else's. The reference sees that only where it builds on the live object; on an empty one
/// two ExternalSecrets of one target would take it from each other for ever.
fn replaced(owner: &ObjectMeta, policy: CreationPolicy, wished: Manifest, live: &Value) -> Result<Manifest, Failure> {
    let unreadable = || Failure::from("the target's metadata can't be read".to_owned());
    let live_metadata = live.get("metadata").and_then(Value::as_object).ok_or_else(unreadable)?;
    let mut typed: ObjectMeta =
        serde_json::from_value(Value::Object(live_metadata.clone())).map_err(|_| unreadable())?;
    target::own(owner, policy, &mut typed).map_err(|refusal| Failure::from(refusal.text))?;
    let mut object = wished.into_inner();
    let metadata = object.get_mut("metadata").and_then(Value::as_object_mut).ok_or_else(unreadable)?;
    for field in ["uid", "resourceVersion"] {
        if let Some(value) = live_metadata.get(field) {
            metadata.insert(field.to_owned(), value.clone());
        }
    }
    // Whoever put a finalizer or a status there relies on it, so they stay, which the reference's replacement doesn't see
    // to.
    if let Some(finalizers) = live_metadata.get("finalizers") {
        metadata.entry("finalizers").or_insert_with(|| finalizers.clone());
    }
    if let (Some(fields), Some(status)) = (object.as_object_mut(), live.get("status")) {
        fields.entry("status").or_insert_with(|| status.clone());
    }
    Ok(Manifest::new(object))
}

/// What an object says beside its kind, metadata and status; nothing that is empty.
pub(crate) fn content(object: &Value) -> Map<String, Value> {
    let fields = object.as_object().into_iter().flatten();
    let content = fields.filter(|(field, value)| {
        !matches!(field.as_str(), "apiVersion" | "kind" | "status" | "metadata") && filled(value)
    });
    content.map(|(field, value)| (field.clone(), value.clone())).collect()
}

fn filled(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Object(members) => !members.is_empty(),
        Value::Array(items) => !items.is_empty(),
        Value::Bool(_) | Value::Number(_) | Value::String(_) => true,
    }
}

/// All of an object that a write sets: neither its status nor what the API server keeps, and nothing that is empty.
fn essence(object: &Value) -> Map<String, Value> {
    let mut kept = content(object);
    for field in ["apiVersion", "kind"] {
        if let Some(value) = object.get(field).filter(|value| filled(value)) {
            kept.insert(field.to_owned(), value.clone());
        }
    }
    for field in ["labels", "annotations", "finalizers", "ownerReferences"] {
        let value = object.get("metadata").and_then(|metadata| metadata.get(field));
        if let Some(value) = value.filter(|value| filled(value)) {
            kept.insert(format!("metadata.{field}"), value.clone());
        }
    }
    kept
}

fn digest(object: &Value) -> String {
    hash::json(&Value::Object(essence(object)))
}
