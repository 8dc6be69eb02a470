//! An ExternalSecret that can't be read stands still: nothing is done on what was known of it, so its last good Secret stays.
//! Here it is told which field is wrong. I/O: one read, and one status write if the condition isn't there yet.
//!
//! Deliberately not here: who notes that it can't be read (the watch, in `World`).

use std::sync::Arc;

use api::{Condition, ExternalSecret, ExternalSecretStatus};
use kube::Resource as _;
use kube::api::GetParams;
use kube::core::error_boundary::InvalidObject;
use plan::event::{EventReason, Note};
use plan::status::{self, Reason};
use serde_json::{Value, json};
use telemetry::{Kind, ReadyStatus};

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

/// Puts the condition on the object beside its others; answers whether that was needed.
async fn condition(cx: &Context, key: &Key, detail: &str) -> Result<bool, kube::Error> {
    let url = ExternalSecret::url_path(&(), Some(&key.namespace));
    let request =
        kube::core::Request::new(url).get(&key.name, &GetParams::default()).map_err(kube::Error::BuildRequest)?;
    let mut live: Value = cx.client.request(request).await?;
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
