//! The source of a PushSecret: Secrets of its own namespace, or what a generator makes. I/O; writes nothing.

use std::collections::BTreeMap;
use std::sync::Arc;

use api::{GeneratorRef, PushSecret, PushSecretSource};
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use kube::Api;
use kube::api::ListParams;
use kube::core::Selector;
use plan::secret_object::SecretObject;
use plan::{hash, label_selector};
use provider::Source;

use crate::context::Context;
use crate::lookup::api_text;
use crate::world::Key;

/// What a PushSecret pushes.
pub(super) enum Seen {
    /// These Secrets, in the order of their names.
    Secrets(Vec<SecretObject>),
    /// The Secret that it names isn't there.
    Missing(String),
    /// What this generator makes; it isn't asked before a push is due.
    Generator(GeneratorRef),
    /// Nothing that can be had, and why.
    Unusable(String),
}

/// Looks at the source as it is now.
pub(super) async fn look(cx: &Arc<Context>, push: &PushSecret) -> Seen {
    let namespace = Key::of(&push.metadata).namespace;
    let api: Api<SecretObject> = Api::namespaced(cx.client.clone(), &namespace);
    let selector = &push.spec.selector;
    let none = PushSecretSource::default();
    let PushSecretSource { name, selector: labels } = selector.secret.as_ref().unwrap_or(&none);
    if let Some(name) = name.as_ref().filter(|name| !name.is_empty()) {
        return match api.get_opt(name).await {
            Ok(Some(secret)) => Seen::Secrets(vec![secret]),
            Ok(None) => Seen::Missing(format!("Secret {name:?} not found")),
            Err(error) => Seen::Unusable(api_text(&error)),
        };
    }
    if let Some(generator) = &selector.generator_ref {
        return Seen::Generator(generator.clone());
    }
    match labels {
        Some(labels) => selected(&api, labels).await.map_or_else(Seen::Unusable, Seen::Secrets),
        None => Seen::Unusable("no secret selector provided".to_owned()),
    }
}

async fn selected(api: &Api<SecretObject>, labels: &LabelSelector) -> Result<Vec<SecretObject>, String> {
    let is_selected = |secret: &SecretObject| {
        let own = secret.metadata.labels.clone().unwrap_or_default();
        label_selector::selects(labels, &own)
    };
    label_selector::selects(labels, &BTreeMap::new())?;
    let selector = Selector::try_from(labels.clone()).map_err(|error| error.to_string())?;
    let params = ListParams::default().labels_from(&selector);
    let mut found = api.list(&params).await.map_err(|error| api_text(&error))?.items;
    found.retain(|secret| is_selected(secret) == Ok(true));
    found.sort_by(|one, other| one.metadata.name.cmp(&other.metadata.name));
    Ok(found)
}

/// A Secret's name.
pub(super) fn name(secret: &SecretObject) -> String {
    secret.metadata.name.clone().unwrap_or_default()
}

/// What of a Secret may be pushed.
pub(super) fn of(secret: &SecretObject) -> Source {
    let map = |map: &Option<BTreeMap<String, String>>| map.clone().unwrap_or_default();
    Source {
        data: secret.data.clone(),
        type_: secret.type_.clone().unwrap_or_default(),
        labels: map(&secret.metadata.labels),
        annotations: map(&secret.metadata.annotations),
    }
}

/// A digest of all that may be pushed of each Secret: equal means that a push would change nothing.
pub(super) fn digests(secrets: &[SecretObject]) -> BTreeMap<String, String> {
    let digest = |secret: &SecretObject| {
        let Source { data, type_, labels, annotations } = of(secret);
        hash::of_text(&format!("{} {type_:?} {labels:?} {annotations:?}", hash::data(&data)))
    };
    secrets.iter().map(|secret| (name(secret), digest(secret))).collect()
}

/// Whether a Secret was written at or after a time, as far as it tells: what it was before is not known.
pub(super) fn is_newer(secret: &SecretObject, than: Timestamp) -> bool {
    let meta = &secret.metadata;
    let written = meta.managed_fields.iter().flatten().filter_map(|entry| entry.time.as_ref());
    written.chain(meta.creation_timestamp.as_ref()).any(|time| time.0.as_second() >= than.as_second())
}
