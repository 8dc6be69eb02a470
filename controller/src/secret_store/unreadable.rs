//! Tells that a store can't even be read, and which of its fields is wrong. I/O: one read, and one status write if that is
//! news.
//!
//! Deliberately not here: what becomes of its users. Those of a store that was readable before go on with what it said.

use std::sync::Arc;

use api::{ClusterSecretStore, SecretStore, StoreKind};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::Api;
use kube::api::{ApiResource, DynamicObject};
use kube::core::error_boundary::InvalidObject;
use plan::event::{EventReason, Note};
use plan::store;
use serde::de::DeserializeOwned;
use serde_json::Value;
use telemetry::ReadyStatus;

use super::{component, kind_of};
use crate::clock;
use crate::context::Context;
use crate::events::Subject;
use crate::status_write;
use crate::world::{Key, StoreKey};

/// What users of such a store are told, unless it could be read before.
pub(crate) const OBSTACLE: &str = "the object cannot be read; its condition Ready says which field is wrong";

/// Notes that a store can't be read, at once; what is returned tells it.
pub(crate) fn refuse_unreadable(
    cx: &Arc<Context>,
    kind: StoreKind,
    unreadable: InvalidObject,
) -> impl Future<Output = ()> + Send + 'static {
    let InvalidObject { error, metadata } = unreadable;
    let Key { namespace, name } = Key::of(&metadata);
    let key = StoreKey { kind, namespace, name };
    let news = cx.world.put_obstacle(&key, OBSTACLE);
    let cx = cx.clone();
    async move {
        if !cx.settings.checks(kind) {
            return;
        }
        cx.tenure.held(cx.tenure.bucket_of_store(&key)).await;
        // It may have been mended, or deleted, while another process had it.
        if cx.world.obstacle(&key).is_none() {
            return;
        }
        let told = match kind {
            StoreKind::SecretStore => {
                let api = Api::namespaced_with(cx.client.clone(), &key.namespace, &resource::<SecretStore>());
                tell::<SecretStore>(&cx, &key, &api, &metadata, news).await
            }
            StoreKind::ClusterSecretStore => {
                let api = Api::all_with(cx.client.clone(), &resource::<ClusterSecretStore>());
                tell::<ClusterSecretStore>(&cx, &key, &api, &metadata, news).await
            }
        };
        if let Err(cause) = told {
            let StoreKey { kind, namespace, name } = &key;
            let kind = kind.as_str();
            tracing::warn!(kind, namespace, name, error, cause = %cause, "could not tell that a store cannot be read");
        }
    }
}

fn resource<K: kube::Resource<DynamicType = ()>>() -> ApiResource {
    ApiResource::erase::<K>(&())
}

async fn tell<K>(
    cx: &Context,
    key: &StoreKey,
    api: &Api<DynamicObject>,
    seen: &ObjectMeta,
    news: bool,
) -> Result<(), kube::Error>
where
    K: kube::Resource<DynamicType = ()> + DeserializeOwned,
{
    let Some(mut object) = api.get_opt(&key.name).await? else { return Ok(()) };
    let whole = serde_json::to_value(&object).map_err(kube::Error::SerdeError)?;
    // Another object by now, or repaired: the watch tells.
    let Err(error) = serde_path_to_error::deserialize::<_, K>(&whole) else { return Ok(()) };
    let class = whole["spec"]["controller"].as_str().unwrap_or_default();
    if object.metadata.uid != seen.uid || !(class.is_empty() || class == cx.settings.controller_class) {
        return Ok(());
    }
    cx.metrics.ready(kind_of(key), &key.name, &key.namespace, ReadyStatus::False);
    let detail = format!("the object cannot be read: {error}");
    let now = clock::now();
    let mut status = match object.data["status"].take() {
        Value::Null => Value::Object(Default::default()),
        status => status,
    };
    let Some(conditions) = store::unreadable(&status["conditions"], &detail, now) else { return Ok(()) };
    if news {
        let (kind, namespace, name) = (key.kind.as_str(), &key.namespace, &key.name);
        tracing::error!(kind, namespace, name, error = detail, "unreadable store");
        let subject = Subject::new(kind, &object.metadata, component(key.kind));
        cx.events.tell(subject, Note::warning(EventReason::InvalidStoreConfiguration, detail), now);
    }
    status["conditions"] = conditions;
    status_write::put::<K>(&cx.client, &object.metadata, &status).await.map(|_| ())
}

#[cfg(test)]
mod tests {
    use certgen::fake::FakeApi;
    use kube::core::DeserializeGuard;
    use serde_json::json;

    use super::*;
    use crate::fixtures;
    use crate::tenure::Tenure;

    #[tokio::test]
    async fn whoever_gets_the_store_tells_it_unless_it_is_gone_by_then() {
        const PATH: &str = "/apis/external-secrets.io/v1/namespaces/shop/secretstores/vault";
        for gone in [false, true] {
            let api = FakeApi::default();
            let store = json!({
                "apiVersion": "external-secrets.io/v1", "kind": "SecretStore",
                "metadata": {"name": "vault", "namespace": "shop", "uid": "u", "generation": 1},
                "spec": {"provider": "vault"},
            });
            api.put(PATH, store);
            let (cx, _writer) = fixtures::under(&api, fixtures::settings(), Tenure::vacant(1));
            let seen: DeserializeGuard<SecretStore> = serde_json::from_value(api.get(PATH).unwrap()).unwrap();
            let told = refuse_unreadable(&cx, StoreKind::SecretStore, seen.0.unwrap_err());
            let told = tokio::spawn(told);
            tokio::task::yield_now().await;
            assert_eq!(api.requests(), Vec::<String>::new(), "it isn't ours");
            if gone {
                let key = StoreKey { kind: StoreKind::SecretStore, namespace: "shop".into(), name: "vault".into() };
                cx.world.remove_store(&key);
            }
            cx.tenure.gain(0);
            told.await.unwrap();
            assert_eq!(api.count("PUT "), usize::from(!gone), "{:?}", api.requests());
        }
    }
}
