//! Where templates meet the cluster: what they are read from is gathered here, and they are rendered off the runtime.
//!
//! Deliberately not here: what a template makes of the data (`plan::template`), and its language (crate `template`).

use std::sync::Arc;

use api::{EntryFailure, ExternalSecretSpec, Template};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::Api;
use plan::data::{self, Assembled, Fetched};
use plan::failures;
use plan::secret_object::SecretObject;
use plan::target;
use plan::template::{self, Env, Failure, Rendered, SourceKind, SourceRef, Sources};
use provider::Error;
use secret::{SecretBytes, SecretMap};

use super::gather::{Existing, Live};
use crate::context::Context;
use crate::dependencies::{Dependant, Input};
use crate::lookup::api_text;
use crate::world::Key;

/// Why there is no data, as a whole and entry by entry.
pub(super) struct NoData {
    pub(super) failure: data::Failure,
    pub(super) entries: Vec<EntryFailure>,
}

impl NoData {
    fn of(spec: &ExternalSecretSpec, unfetched: Vec<EntryFailure>, failure: data::Failure) -> Self {
        Self { entries: failures::of_data(spec, unfetched, &failure), failure }
    }
}

/// Puts together what was fetched; templates of a `rewrite` are rendered for it.
pub(super) async fn assemble(
    cx: &Arc<Context>,
    seen: &Live,
    answers: Vec<Result<Fetched, Error>>,
    now: Timestamp,
) -> Result<Assembled, NoData> {
    let spec = &seen.object.spec;
    let unfetched = failures::of_answers(spec, &answers);
    if spec.data_from.iter().all(|entry| entry.rewrite.is_empty()) {
        return data::assemble(spec, answers, &cx.templates, &env(now))
            .map_err(|failure| NoData::of(spec, unfetched, failure));
    }
    let (cx, object) = (cx.clone(), seen.object.clone());
    let assembled = aside(move || data::assemble(&object.spec, answers, &cx.templates, &env(now))).await;
    assembled.map_err(|failure| NoData::of(spec, unfetched, failure))
}

/// What the target's template makes of `data`; nothing without a template, or where it would change nothing.
pub(super) async fn render(
    cx: &Arc<Context>,
    seen: &Live,
    data: &SecretMap,
    now: Timestamp,
) -> Option<Result<Rendered, Failure>> {
    let exists = match &seen.existing {
        Existing::Read(_) | Existing::Verified(_) => Some(true),
        Existing::Missing => Some(false),
        Existing::NoneKnown => None,
    };
    if !target::needs_rendering(&seen.object.spec, data, exists) {
        return None;
    }
    let sources = gather(cx, &seen.key, &seen.object.spec).await;
    let (cx, object, data) = (cx.clone(), seen.object.clone(), data.clone());
    aside(move || template::render(&object.spec, &data, &sources, &cx.templates, &env(now))).await.transpose()
}

/// Reads the ConfigMaps and Secrets that the template is in. They are noted, so that the object is tried again as soon as
/// one of them appears or changes; but not its own target, or each write would lead to the next one, and not where values
/// are generated, or another text would cost a password.
pub(super) async fn gather(cx: &Context, reader: &Key, spec: &ExternalSecretSpec) -> Sources {
    let template = spec.target.template.as_deref();
    let generates = !data::generators(spec).is_empty();
    let followed = |source: &SourceRef| !generates && !is_target(spec, &reader.name, source);
    gather_for(cx, Dependant::ExternalSecret(reader.clone()), &reader.namespace, template, followed).await
}

/// Reads the ConfigMaps and Secrets of `namespace` that a template is in, and notes those that are to be followed.
pub(crate) async fn gather_for(
    cx: &Context,
    dependant: Dependant,
    namespace: &str,
    template: Option<&Template>,
    followed: impl Fn(&SourceRef) -> bool,
) -> Sources {
    cx.world.depends_on_nothing(&dependant);
    let mut sources = Sources::default();
    for source in template.map(template::sources).unwrap_or_default() {
        let key = Key { namespace: namespace.to_owned(), name: source.name.clone() };
        let input = Input { kind: source.kind, key };
        let followed = followed(&source);
        if followed {
            // Before it is read: a change in the meantime must find its reader.
            cx.world.will_depend_on(dependant.clone(), input.clone());
        }
        let (version, read) = read(cx, namespace, &source).await;
        if followed {
            cx.world.depends_on(dependant.clone(), input, version);
        }
        sources.insert(source.kind, source.name, read);
    }
    sources
}

fn is_target(spec: &ExternalSecretSpec, owner: &str, source: &SourceRef) -> bool {
    let name = target::name(owner, spec);
    spec.target.manifest.is_none() && source.kind == SourceKind::Secret && source.name == name
}

/// An object's version, and those of its keys that are wanted or why it can't be read.
async fn read(cx: &Context, namespace: &str, source: &SourceRef) -> (Option<String>, Result<SecretMap, String>) {
    let client = cx.client.clone();
    let found = match source.kind {
        SourceKind::ConfigMap => {
            let map: Result<ConfigMap, _> = Api::namespaced(client, namespace).get(&source.name).await;
            map.map(|map| {
                let data = map.data.unwrap_or_default();
                let secret = |(key, text): (String, String)| (key, SecretBytes::from(text));
                (map.metadata.resource_version, data.into_iter().map(secret).collect::<SecretMap>())
            })
        }
        SourceKind::Secret => {
            let secret: Result<SecretObject, _> = Api::namespaced(client, namespace).get(&source.name).await;
            secret.map(|secret| (secret.metadata.resource_version, secret.data))
        }
    };
    match found {
        Ok((version, mut data)) => {
            data.retain(|key, _| source.keys.contains(key));
            (version, Ok(data))
        }
        Err(error) => (None, Err(api_text(&error))),
    }
}

/// Templates may compute for long: that must not hold up what else runs.
pub(crate) async fn aside<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        // Caught where any other panic of this reconcile is. Nothing cancels the task.
        Err(ended) => std::panic::resume_unwind(ended.into_panic()),
    }
}

/// An environment in which it is `now`.
pub(crate) fn env(now: Timestamp) -> Env {
    Env::new(now, providers::random_bytes)
}
