//! Waiting for the state of an object, by watching it.

use std::fmt::Debug;
use std::time::Duration;

use futures::TryStreamExt;
use k8s_openapi::api::core::v1::Event;
use kube::api::{Api, DynamicObject, WatchEvent, WatchParams};
use kube::runtime::wait::await_condition;
use kube::{Client, Resource};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::error::{Context, Error, Result};

/// One entry of `status.conditions`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Condition {
    /// `True`, `False` or `Unknown`.
    pub status: String,
    /// The reason, empty if there is none.
    pub reason: String,
    /// The message, empty if there is none.
    pub message: String,
}

impl Condition {
    /// Shown as `STATUS REASON: MESSAGE`, which is how tests compare it.
    pub fn text(&self) -> String {
        format!("{} {}: {}", self.status, self.reason, self.message)
    }
}

/// The condition of this type.
pub fn condition(object: &DynamicObject, type_: &str) -> Option<Condition> {
    let all = object.data["status"]["conditions"].as_array()?;
    let found = all.iter().find(|it| it["type"] == type_)?;
    let text = |key: &str| found[key].as_str().unwrap_or_default().to_owned();
    Some(Condition { status: text("status"), reason: text("reason"), message: text("message") })
}

/// Waits until the object satisfies `wished`, which sees `None` while it doesn't exist.
///
/// # Errors
/// After `within`, with the object as it is then.
pub async fn until<K>(
    api: &Api<K>,
    name: &str,
    within: Duration,
    what: &str,
    wished: impl Fn(Option<&K>) -> bool,
) -> Result<Option<K>>
where
    K: Resource + Clone + Debug + Send + Serialize + DeserializeOwned + 'static,
{
    let watching = await_condition(api.clone(), name, |it: Option<&K>| wished(it));
    match tokio::time::timeout(within, watching).await {
        Ok(found) => found.context(format!("watching {name}")),
        Err(_) => {
            let now = api.get_opt(name).await?;
            let now = serde_json::to_string_pretty(&now)?;
            Err(Error::new(format!("waited {within:?} for {name} {what}; it is now:\n{now}")))
        }
    }
}

/// As [`until`], for an object that must exist in the end.
///
/// # Errors
/// As [`until`].
pub async fn exists<K>(api: &Api<K>, name: &str, within: Duration, what: &str, wished: impl Fn(&K) -> bool) -> Result<K>
where
    K: Resource + Clone + Debug + Send + Serialize + DeserializeOwned + 'static,
{
    until(api, name, within, what, |it| it.is_some_and(&wished)).await?.context(format!("{name} is gone"))
}

/// Waits for the condition `Ready` to read so, written as [`Condition::text`] does.
///
/// # Errors
/// As [`until`].
pub async fn ready_says(api: &Api<DynamicObject>, name: &str, within: Duration, wished: &str) -> Result<DynamicObject> {
    exists(api, name, within, &format!("to be Ready={wished:?}"), |it| {
        condition(it, "Ready").is_some_and(|it| it.text() == wished)
    })
    .await
}

/// Waits for an event about the object `name` whose type, reason and message, written `TYPE REASON: MESSAGE`, satisfy
/// `wished`; returns that text.
///
/// # Errors
/// After `within`, with all events about the object.
pub async fn event(
    client: &Client,
    namespace: &str,
    name: &str,
    within: Duration,
    wished: impl Fn(&str) -> bool,
) -> Result<String> {
    let api: Api<Event> = Api::namespaced(client.clone(), namespace);
    let search = async {
        loop {
            let params = WatchParams::default().fields(&format!("involvedObject.name={name}"));
            let mut stream = std::pin::pin!(api.watch(&params, "0").await?);
            while let Some(next) = stream.try_next().await? {
                if let WatchEvent::Added(event) | WatchEvent::Modified(event) = next {
                    let text = event_text(&event);
                    if wished(&text) {
                        return Ok::<_, Error>(text);
                    }
                }
            }
        }
    };
    match tokio::time::timeout(within, search).await {
        Ok(found) => found,
        Err(_) => {
            let all = api.list(&Default::default()).await?;
            let all: Vec<String> =
                all.iter().filter(|it| it.involved_object.name.as_deref() == Some(name)).map(event_text).collect();
            Err(Error::new(format!("waited {within:?} for an event about {name}; there are:\n{}", all.join("\n"))))
        }
    }
}

/// An event as `TYPE REASON: MESSAGE`.
pub fn event_text(event: &Event) -> String {
    let text = |value: &Option<String>| value.clone().unwrap_or_default();
    format!("{} {}: {}", text(&event.type_), text(&event.reason), text(&event.message))
}

/// The plain text of a Secret's key, if it is there and is text.
pub fn secret_text(secret: &k8s_openapi::api::core::v1::Secret, key: &str) -> Option<String> {
    let bytes = &secret.data.as_ref()?.get(key)?.0;
    String::from_utf8(bytes.clone()).ok()
}

/// The object's `spec` or `status` field at a JSON pointer, `null` if there is none.
pub fn field<'a>(object: &'a DynamicObject, pointer: &str) -> &'a Value {
    object.data.pointer(pointer).unwrap_or(&Value::Null)
}
