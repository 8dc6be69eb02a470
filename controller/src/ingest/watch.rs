//! One watch that never gives up: it lists, follows, and starts over with backoff after any error.

use std::fmt::Debug;

use futures::StreamExt as _;
use kube::runtime::watcher::{Config, Event};
use kube::runtime::{WatchStreamExt as _, watcher};
use kube::{Api, Resource};
use serde::de::DeserializeOwned;
use tokio::sync::watch::Sender;

/// What the API server tells.
pub(crate) enum Told<K> {
    /// A full listing begins.
    Restarted,
    /// An object exists in this version; `listing` while a full listing is under way.
    Present { object: K, listing: bool },
    /// An object was deleted.
    Gone(K),
    /// The full listing is complete: what wasn't in it is gone.
    Listed,
}

/// Follows all objects of `api` for ever, and sets `listed` once the first listing is in.
pub(crate) async fn follow<K>(api: Api<K>, listed: Sender<bool>, handle: impl FnMut(Told<K>))
where
    K: Resource + Clone + DeserializeOwned + Debug + Send + 'static,
{
    follow_with(api, Config::default(), listed, handle).await;
}

/// As [`follow`], of those objects alone whose labels match `selector`.
pub(crate) async fn follow_labelled<K>(api: Api<K>, selector: &str, listed: Sender<bool>, handle: impl FnMut(Told<K>))
where
    K: Resource + Clone + DeserializeOwned + Debug + Send + 'static,
{
    follow_with(api, Config::default().labels(selector), listed, handle).await;
}

#[expect(clippy::disallowed_methods, reason = "the one home of the watcher: the stream below backs off")]
async fn follow_with<K>(api: Api<K>, config: Config, listed: Sender<bool>, mut handle: impl FnMut(Told<K>))
where
    K: Resource + Clone + DeserializeOwned + Debug + Send + 'static,
{
    let url = api.resource_url().to_owned();
    let mut events = Box::pin(watcher(api, config).default_backoff());
    let mut trouble = Trouble::default();
    while let Some(event) = events.next().await {
        match event {
            Ok(Event::Init) => handle(Told::Restarted),
            Ok(Event::InitApply(object)) => handle(Told::Present { object, listing: true }),
            Ok(Event::InitDone) => {
                trouble.is_over();
                handle(Told::Listed);
                listed.send_replace(true);
            }
            Ok(Event::Apply(object)) => handle(Told::Present { object, listing: false }),
            Ok(Event::Delete(object)) => handle(Told::Gone(object)),
            Err(error) if trouble.is_news(&error.to_string()) => {
                tracing::warn!(watch = url, error = %error, "watch interrupted; it is resumed with backoff");
            }
            Err(error) => tracing::debug!(watch = url, error = %error, "watch still interrupted"),
        }
    }
}

/// What a watch last failed with: it may do so for ever, and the log hears of it once.
#[derive(Default)]
struct Trouble(Option<String>);

impl Trouble {
    /// Whether this was not what the watch failed with last time.
    fn is_news(&mut self, text: &str) -> bool {
        self.0.replace(text.to_owned()).is_none_or(|last| last != text)
    }

    fn is_over(&mut self) {
        self.0 = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trouble_is_news_when_it_changes_or_comes_back() {
        let mut trouble = Trouble::default();
        let told = ["forbidden", "forbidden", "away", "away", "forbidden"].map(|text| trouble.is_news(text));
        assert_eq!(told, [true, false, true, false, true]);
        trouble.is_over();
        assert!(trouble.is_news("forbidden"));
    }
}
