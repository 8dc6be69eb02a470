//! Fetches what an ExternalSecret needs from its stores. I/O; a failure is a value.

use std::collections::BTreeMap;
use std::sync::Arc;

use api::{ProviderSpec, StoreKind};
use engine::{Found, Handle, StoreIdentity};
use futures::future::join_all;
use k8s_openapi::api::core::v1::Namespace;
use kube::Api;
use plan::data::{self, Fetched, Need, StoreName, What};
use plan::store;
use provider::{Error, ErrorKind, Provider};
use providers::{OpenContext, StoreIdentity as StoreUse};

use super::Attempt;
use super::gather::{Live, store_key};
use super::generate::{self, Generators};
use crate::context::Context;
use crate::lookup::{StoreCredentials, api_text};
use crate::world::StoreRecord;

const RESOLVE: &str = plan::failures::RESOLVE;

/// The answers to all needs of the object, in their order. References to one store run together, so that those to one
/// remote key become one read.
pub(super) async fn fetch(
    cx: &Arc<Context>,
    seen: &Live,
    generators: &Generators,
    attempt: &Attempt,
) -> Vec<Result<Fetched, Error>> {
    let needs = data::needs(&seen.object.spec);
    let answers = join_all(needs.iter().map(|need| one(cx, &seen.key.namespace, generators, need, attempt)));
    attempt.slot.given_up(answers).await
}

async fn one(
    cx: &Arc<Context>,
    namespace: &str,
    generators: &Generators,
    need: &Need,
    attempt: &Attempt,
) -> Result<Fetched, Error> {
    let (store, what) = match need {
        Need::Read { store, what } => (store, what),
        Need::Generate(generator) => {
            return generate::generate(cx, namespace, generators, generator, attempt.now).await.map(Fetched::Generated);
        }
    };
    let handle = usable(cx, namespace, store).await?;
    match what {
        What::Value(reference) => handle.value(reference, attempt.asker).await.map(Fetched::Value),
        What::Map(reference) => handle.map(reference, attempt.asker).await.map(Fetched::Map),
        What::Find(find) => {
            let found =
                handle.find(find, attempt.asker).await.map_err(|error| error.context("error getting all secrets"))?;
            let Found { values, convert_first } = found;
            Ok(Fetched::Found { values, convert_first })
        }
    }
}

/// The open store behind a name, if the object may use it. The checks and their texts are the reference's, in its order.
async fn usable(cx: &Arc<Context>, namespace: &str, name: &StoreName) -> Result<Arc<Handle>, Error> {
    let record = permitted(cx, namespace, name).await?;
    let ready =
        cx.world.check(&record.key).map_or_else(|| store::is_ready(record.status.as_ref()), |check| check.ready);
    if cx.settings.flood_gate && !ready {
        return Err(refuse(format!("{} {:?} is not ready", name.kind.as_str(), name.name)));
    }
    open(cx, &record, Some(namespace)).await
}

fn refuse(text: String) -> Error {
    Error::new(ErrorKind::Invalid, RESOLVE, text)
}

/// The store behind a name.
///
/// # Errors
/// The reference's text if it can't be had.
pub(crate) fn known(cx: &Context, namespace: &str, name: &StoreName) -> Result<Arc<StoreRecord>, Error> {
    let kind = name.kind.as_str();
    let key = store_key(name, namespace);
    cx.world.store(&key).ok_or_else(|| {
        // With the kind, and not the resource: the reference looks it up in its cache.
        let missing = || format!("{kind}.external-secrets.io {:?} not found", name.name);
        let cause = cx.world.obstacle(&key).unwrap_or_else(missing);
        refuse(format!("could not get {kind} {:?}, {cause}", name.name))
    })
}

/// As [`known`], if an object of the namespace may use it, whether it is ready or not.
///
/// # Errors
/// The reference's texts.
pub(crate) async fn permitted(cx: &Context, namespace: &str, name: &StoreName) -> Result<Arc<StoreRecord>, Error> {
    let record = known(cx, namespace, name)?;
    if !cx.settings.handles(&record.spec) {
        return Err(refuse("can not reference unmanaged store".into()));
    }
    if name.kind == StoreKind::ClusterSecretStore && !record.spec.conditions.is_empty() {
        let labels = namespace_labels(cx, namespace).await.map_err(refuse)?;
        if !store::allows(&record.spec.conditions, namespace, &labels).map_err(refuse)? {
            return Err(refuse(format!(
                "using cluster store {:?} is not allowed from namespace {namespace:?}: denied by spec.condition",
                name.name
            )));
        }
    }
    Ok(record)
}

/// A namespace's labels, or the reference's text. An object may be told of before its new namespace is: then the API server is asked.
async fn namespace_labels(cx: &Context, name: &str) -> Result<Arc<BTreeMap<String, String>>, String> {
    if let Some(labels) = cx.world.namespace_labels(name) {
        return Ok(labels);
    }
    let api: Api<Namespace> = Api::all(cx.client.clone());
    let cause = match api.get_metadata_opt(name).await {
        Ok(Some(namespace)) => return Ok(Arc::new(namespace.metadata.labels.unwrap_or_default())),
        Ok(None) => format!("Namespace {name:?} not found"),
        Err(error) => api_text(&error),
    };
    Err(format!("failed to get a namespace {name:?}: {cause}"))
}

/// The handle of a store for a consumer's namespace; none when the store is checked by itself.
pub(crate) async fn open(
    cx: &Arc<Context>,
    record: &StoreRecord,
    consumer: Option<&str>,
) -> Result<Arc<Handle>, Error> {
    let spec = providers::parse(record.spec.provider.as_ref(), &record.key.name)?;
    let apart = record.key.kind == StoreKind::ClusterSecretStore && providers::uses_consumer(&spec, &cx.environment);
    let consumer = match record.key.kind {
        StoreKind::SecretStore => Some(record.key.namespace.as_str()),
        StoreKind::ClusterSecretStore => consumer,
    };
    let identity = StoreIdentity {
        kind: record.key.kind.as_str(),
        namespace: record.key.namespace.clone(),
        name: record.key.name.clone(),
        uid: record.meta.uid.clone().unwrap_or_default(),
        generation: record.meta.generation.unwrap_or_default(),
        consumer: if apart { consumer.unwrap_or_default().to_owned() } else { String::new() },
    };
    let (context, store, consumer) = (cx.clone(), record.key.clone(), consumer.map(str::to_owned));
    let credentials = StoreCredentials { context, store, consumer, apart };
    cx.engine.handle(&identity, || open_provider(credentials, spec, record.clone())).await
}

async fn open_provider(
    credentials: StoreCredentials,
    spec: ProviderSpec,
    record: StoreRecord,
) -> Result<Box<dyn Provider>, Error> {
    let StoreCredentials { context: cx, store, consumer, apart: _ } = &credentials;
    let place = StoreUse { kind: store.kind, name: store.name.clone(), namespace: consumer.clone() };
    let cx = cx.clone();
    let credentials = Arc::new(credentials);
    let retry = record.spec.retry_settings.as_ref();
    let open = OpenContext { store: place, credentials, retry, environment: &cx.environment, http: &cx.http };
    providers::open(&spec, open).await
}

#[cfg(test)]
mod tests {
    use certgen::fake::FakeApi;
    use engine::Asker;
    use provider::{ReadKey, RemoteRef};
    use serde_json::json;

    use super::*;
    use crate::clock;
    use crate::fixtures;

    #[tokio::test]
    async fn a_namespace_that_no_watch_has_told_of_is_asked_for() {
        let shop = json!({
            "apiVersion": "meta.k8s.io/v1", "kind": "PartialObjectMetadata",
            "metadata": {"name": "shop", "labels": {"team": "a"}},
        });
        let cx = fixtures::context(&[("/api/v1/namespaces/shop", shop)]);
        assert_eq!(namespace_labels(&cx, "shop").await.unwrap().get("team").map(String::as_str), Some("a"));
        assert_eq!(
            namespace_labels(&cx, "gone").await,
            Err("failed to get a namespace \"gone\": Namespace \"gone\" not found".to_owned())
        );
    }
    #[tokio::test]
    async fn a_cluster_store_is_opened_apart_for_each_namespace_that_it_looks_credentials_up_in() {
        let api = FakeApi::default();
        for namespace in ["shop", "lab"] {
            let token =
                json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "token"}, "data": {"token": "eA=="}});
            api.put(&format!("/api/v1/namespaces/{namespace}/secrets/token"), token);
        }
        let (cx, _) = fixtures::over(&api, fixtures::settings());
        let record = |token: serde_json::Value| {
            let store = json!({
                "metadata": {"name": "vault", "uid": "u", "generation": 1},
                "spec": {"provider": {"vault": {
                    "server": "http://127.0.0.1:1", "path": "kv", "version": "v2", "auth": {"tokenSecretRef": token},
                }}},
            });
            StoreRecord::of_cluster_secret_store(serde_json::from_value(store).unwrap())
        };
        let read =
            |api: &FakeApi, namespace: &str| api.count(&format!("GET /api/v1/namespaces/{namespace}/secrets/token"));
        let read_key = ReadKey { key: "db".into(), version: None, metadata: false };
        let reference = RemoteRef { read: read_key, property: None };
        let referent = record(json!({"name": "token", "key": "token"}));
        let mut handles = Vec::new();
        for namespace in ["shop", "lab"] {
            let handle = open(&cx, &referent, Some(namespace)).await.unwrap();
            handle.value(&reference, Asker::usual(clock::instant())).await.unwrap_err();
            assert!(read(&api, namespace) > 0, "{namespace}: {:?}", api.requests());
            handles.push(handle);
        }
        let again = open(&cx, &referent, Some("shop")).await.unwrap();
        assert!(Arc::ptr_eq(&again, &handles[0]) && !Arc::ptr_eq(&again, &handles[1]));
        // One that names its namespace is shared by all.
        cx.retire(&referent.key);
        let fixed = record(json!({"name": "token", "key": "token", "namespace": "lab"}));
        let before = read(&api, "shop");
        let both = (open(&cx, &fixed, Some("shop")).await.unwrap(), open(&cx, &fixed, Some("lab")).await.unwrap());
        both.0.value(&reference, Asker::usual(clock::instant())).await.unwrap_err();
        assert!(Arc::ptr_eq(&both.0, &both.1));
        assert_eq!(read(&api, "shop"), before);
    }
}
