//! The webhook's watches: one named object each, and namespaces. All of them back off, and none ends by itself.

use std::fmt::Debug;

use futures::{Stream, StreamExt};
use kube::runtime::WatchStreamExt;
use kube::runtime::watcher::{Config, Error, Event, watch_object, watcher};
use kube::{Api, Resource};
use serde::de::DeserializeOwned;

/// Follows one object by name: `None` when it doesn't exist. A field selector on the name keeps it within a role that
/// names the object.
pub(crate) fn object<K>(api: Api<K>, name: &str, what: String) -> impl Stream<Item = Option<K>> + Send + use<K>
where
    K: Resource + Clone + DeserializeOwned + Debug + Send + 'static,
{
    follow(watch_object(api, name).default_backoff(), what)
}

/// Follows all objects of a kind.
pub(crate) fn all<K>(api: Api<K>, what: String) -> impl Stream<Item = Event<K>> + Send + use<K>
where
    K: Resource + Clone + DeserializeOwned + Debug + Send + 'static,
{
    #[expect(clippy::disallowed_methods, reason = "this is the webhook's one bare watcher, and it backs off")]
    let events = watcher(api, Config::default());
    follow(events.default_backoff(), what)
}

/// Logs failures and passes on the rest; the backoff below it decides when to try again.
fn follow<T: Send>(stream: impl Stream<Item = Result<T, Error>> + Send, what: String) -> impl Stream<Item = T> + Send {
    stream.filter_map(move |item| {
        let passed = match item {
            Ok(item) => Some(item),
            Err(error) => {
                tracing::warn!(watch = what, error = %error, "watch failed, trying again");
                None
            }
        };
        async move { passed }
    })
}
