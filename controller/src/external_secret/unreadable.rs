//! An ExternalSecret that can't be read stands still: nothing is done on what was known of it, so its last good Secret stays.
//! Here it is told which field is wrong. I/O: one read, and one status write if the condition isn't there yet.
//!
//! Deliberately not here: who notes that it can't be read (the watch, in `World`).

use std::sync::Arc;

use api::{Condition, ExternalSecret, ExternalSecretSpec, ExternalSecretStatus};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::Resource as _;
use kube::api::GetParams;
use kube::core::Request;
use kube::core::error_boundary::InvalidObject;
use plan::event::{EventReason, Note};
use plan::status::{self, Reason};
use serde_json::{Value, json};
use telemetry::{Kind, ReadyStatus};

use super::finalizer;
use crate::clock;
use crate::context::Context;
use crate::events::Subject;
use crate::status_write::{self, Stored};
use crate::world::Key;

/// See the module. What can't be told now is told with the object's next event.
pub(crate) async fn refuse_unreadable(cx: Arc<Context>, unreadable: InvalidObject) {
    let InvalidObject { error, metadata } = unreadable;
    let key = Key::of(&metadata);
    cx.tenure.held(cx.tenure.bucket_of_unreadable(&metadata)).await;
    // It may have been mended, or deleted, while another process had it.
    if !cx.world.is_unreadable(&key) {
        return;
    }
    if metadata.deletion_timestamp.is_some() {
        match release(&cx, &key, &metadata).await {
            Ok(true) => return,
            Ok(false) => {}
            Err(error) => {
                cx.world.unreadable_untold(&key);
                tracing::warn!(namespace = key.namespace, name = key.name, error = %error, "could not finish the deletion");
                return;
            }
        }
    }
    let detail = format!("the object cannot be read: {error}");
    tracing::error!(namespace = key.namespace, name = key.name, error = detail, "unreadable ExternalSecret");
    cx.metrics.ready(Kind::ExternalSecret, &key.name, &key.namespace, ReadyStatus::False);
    match condition(&cx, &key, &detail).await {
        Ok(false) => {}
        Ok(true) => {
            let subject = Subject::new("ExternalSecret", &metadata, "external-secrets");
            cx.events.tell(subject, Note::warning(EventReason::UpdateFailed, detail), clock::now());
        }
        Err(error) => {
            cx.world.unreadable_untold(&key);
            tracing::warn!(namespace = key.namespace, name = key.name, error = %error, "could not tell that the object cannot be read");
        }
    }
}

/// Lets go of one that is being deleted: its Secret goes with the owner reference, so that its finalizer holds nothing.
/// False if it may have a target of another kind, of which nobody knows whether it is to be kept.
async fn release(cx: &Context, key: &Key, metadata: &ObjectMeta) -> Result<bool, kube::Error> {
    let object = ExternalSecret { metadata: metadata.clone(), spec: ExternalSecretSpec::default(), status: None };
    if !finalizer::is_on(&object) {
        return Ok(true);
    }
    if !live(cx, key).await?["spec"]["target"]["manifest"].is_null() {
        return Ok(false);
    }
    finalizer::remove(cx, &object).await.map(|_| true)
}

/// The object as the API server has it.
async fn live(cx: &Context, key: &Key) -> Result<Value, kube::Error> {
    let url = ExternalSecret::url_path(&(), Some(&key.namespace));
    let request = Request::new(url).get(&key.name, &GetParams::default()).map_err(kube::Error::BuildRequest)?;
    cx.client.request(request).await
}

/// Puts the condition on the object beside its others; answers whether that was needed.
async fn condition(cx: &Context, key: &Key, detail: &str) -> Result<bool, kube::Error> {
    let mut live = live(cx, key).await?;
    if serde_json::from_value::<ExternalSecret>(live.clone()).is_ok() {
        // Mended in the meantime.
        return Ok(false);
    }
    let metadata = serde_json::from_value(live["metadata"].take()).map_err(kube::Error::SerdeError)?;
    let mut wanted = live["status"].take();
    let present = wanted["conditions"].as_array().cloned().unwrap_or_default();
    let present: Vec<Condition> = present.into_iter().filter_map(|one| serde_json::from_value(one).ok()).collect();
    let before = ExternalSecretStatus { conditions: present, ..ExternalSecretStatus::default() };
    let mut after = before.clone();
    let reason = Reason::SecretSyncedError.as_str();
    let ready = status::ready("False", reason, "the object cannot be read", Some(detail.to_owned()));
    status::set(&mut after.conditions, ready, clock::now());
    if !cx.world.pruned().differ(&before, &after) {
        return Ok(false);
    }
    // The rest of the status stays as it is, but for the failures of an earlier try.
    if !wanted.is_object() {
        wanted = json!({});
    }
    wanted["failures"] = json!([]);
    wanted["conditions"] = json!(after.conditions);
    let Stored { metadata: _, status: stored } =
        status_write::put_and_read::<ExternalSecret>(&cx.client, &metadata, &wanted).await?;
    if let Ok(stored) = serde_json::from_value(json!({"conditions": stored["conditions"]})) {
        cx.world.learn_pruned(&after, &stored);
    }
    Ok(true)
}

#[cfg(test)]
mod tests {
    use certgen::fake::FakeApi;
    use kube::core::DeserializeGuard;

    use super::*;
    use crate::fixtures;
    use crate::ingest::external_secret_seen;

    #[tokio::test]
    async fn one_that_is_deleted_does_not_hold_up_its_namespace() {
        const PATH: &str = "/apis/external-secrets.io/v1/namespaces/shop/externalsecrets/db";
        for (target, left) in [(json!({}), 0), (json!({"manifest": {"apiVersion": "v1", "kind": "ConfigMap"}}), 1)] {
            let api = FakeApi::default();
            let object = json!({
                "apiVersion": "external-secrets.io/v1", "kind": "ExternalSecret",
                "metadata": {"name": "db", "namespace": "shop", "uid": "u", "finalizers": [finalizer::FINALIZER]},
                "spec": {"data": "none", "target": target},
            });
            api.put(PATH, object.clone());
            let (cx, _writer) = fixtures::over(&api, fixtures::settings());
            let see = async || {
                let seen: DeserializeGuard<ExternalSecret> = serde_json::from_value(api.get(PATH).unwrap()).unwrap();
                external_secret_seen(&cx, seen).unwrap().await.unwrap();
                api.get(PATH).map_or(0, |it| it["metadata"]["finalizers"].as_array().map_or(0, Vec::len))
            };
            assert_eq!(see().await, 1, "it lives");
            let mut ends = api.get(PATH).unwrap();
            ends["metadata"]["deletionTimestamp"] = json!("2026-01-05T12:00:00Z");
            api.put(PATH, ends);
            assert_eq!(see().await, left);
        }
    }
}
