//! The webhook's watches: one named object each, and namespaces. All of them back off, and none ends by itself.

use std::fmt::Debug;
use std::time::Duration;

use futures::{Stream, StreamExt};
use kube::runtime::WatchStreamExt;
use kube::runtime::utils::Backoff;
use kube::runtime::watcher::{Config, Error, Event, watcher};
use kube::{Api, Resource};
use serde::de::DeserializeOwned;

/// The API server ends each watch after this many seconds and it is begun anew: with the silence that the client allows
/// (`run`), a connection that died without a word is noticed soon after.
pub(crate) const WATCH_SECONDS: u32 = 30;

/// The pause after a watch's first error; it doubles.
const FIRST_WAIT: Duration = Duration::from_millis(250);

/// The longest pause. Short, since an install comes in any order and nobody can create an object until the webhook serves:
/// four watches a replica are no load.
const LONGEST_WAIT: Duration = Duration::from_secs(2);

/// Follows one object by name: `None` when it doesn't exist. A field selector on the name keeps it within a role that
/// names the object.
pub(crate) fn object<K>(api: Api<K>, name: &str, what: String) -> impl Stream<Item = Option<K>> + Send + use<K>
where
    K: Resource + Clone + DeserializeOwned + Debug + Send + 'static,
{
    let mut listed = false;
    follow(api, Config::default().fields(&format!("metadata.name={name}")), what).filter_map(move |event| {
        let told = match event {
            Event::Init => {
                listed = false;
                None
            }
            Event::InitApply(object) => {
                listed = true;
                Some(Some(object))
            }
            Event::InitDone => (!listed).then_some(None),
            Event::Apply(object) => Some(Some(object)),
            Event::Delete(_) => Some(None),
        };
        async move { told }
    })
}

/// Follows all objects of a kind.
pub(crate) fn all<K>(api: Api<K>, what: String) -> impl Stream<Item = Event<K>> + Send + use<K>
where
    K: Resource + Clone + DeserializeOwned + Debug + Send + 'static,
{
    follow(api, Config::default(), what)
}

/// Logs failures, each text once in a row, and passes on the rest.
fn follow<K>(api: Api<K>, config: Config, what: String) -> impl Stream<Item = Event<K>> + Send + use<K>
where
    K: Resource + Clone + DeserializeOwned + Debug + Send + 'static,
{
    #[expect(clippy::disallowed_methods, reason = "this is the webhook's one bare watcher, and it backs off")]
    let events = watcher(api, config.timeout(WATCH_SECONDS));
    let mut told = String::new();
    events.backoff(Waits::default()).filter_map(move |item: Result<Event<K>, Error>| {
        let passed = match item {
            Ok(event) => {
                // Each try to list begins with an event of its own, so that one says nothing.
                if !matches!(event, Event::Init) {
                    told.clear();
                }
                Some(event)
            }
            Err(error) => {
                let text = error.to_string();
                if text != told {
                    tracing::warn!(watch = what, error = text, "watch failed, trying again");
                    told = text;
                }
                None
            }
        };
        async move { passed }
    })
}

/// The waits of one watch. kube resets a backoff with each event, and a listing that fails is announced by one: so the
/// waits start over only after a time without errors.
#[derive(Default)]
struct Waits {
    errors: u32,
    last: Option<tokio::time::Instant>,
}

impl Iterator for Waits {
    type Item = Duration;

    fn next(&mut self) -> Option<Duration> {
        if self.last.is_none_or(|last| last.elapsed() > LONGEST_WAIT * 2) {
            self.errors = 0;
        }
        let wait = (FIRST_WAIT * 2_u32.pow(self.errors.min(8))).min(LONGEST_WAIT);
        self.errors = self.errors.saturating_add(1);
        self.last = Some(tokio::time::Instant::now());
        Some(wait)
    }
}

impl Backoff for Waits {
    fn reset(&mut self) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_watch_waits_at_most_two_seconds_and_starts_over_after_a_calm_time() {
        let mut waits = Waits::default();
        let mut wait = async || {
            waits.reset();
            let wait = waits.next().unwrap();
            tokio::time::advance(wait).await;
            wait.as_millis()
        };
        let mut got = Vec::new();
        for _ in 0..6 {
            got.push(wait().await);
        }
        assert_eq!(got, [250, 500, 1000, 2000, 2000, 2000]);
        tokio::time::advance(LONGEST_WAIT * 2).await;
        assert_eq!(wait().await, 250);
    }
}
