//! One watch that never gives up: it lists, follows, and goes on with backoff after any error.
//!
//! A healthy watch is ended by the API server every [`WATCH_SECONDS`] and goes on from the last version that it saw, without
//! a new listing. That is how a dead connection is told from a quiet one; who gives it up is `api_client`.

use std::fmt::Debug;
use std::time::Duration;

use futures::StreamExt as _;
use kube::runtime::utils::Backoff;
use kube::runtime::watcher::{Config, Event};
use kube::runtime::{WatchStreamExt as _, watcher};
use kube::{Api, Resource};
use serde::de::DeserializeOwned;
use tokio::sync::watch::Sender;
use tokio::time::Instant;

use crate::spread::share;
use crate::supervision::Supervision;

/// How long the API server lets one request of a watch last.
pub(crate) const WATCH_SECONDS: u32 = 30;
/// The first wait of a watch after an error; it doubles with each further one.
const FIRST_WAIT: Duration = Duration::from_millis(500);
/// The longest. There are few watches: they may be back soon after the API server is.
const LONGEST_WAIT: Duration = Duration::from_secs(3);
/// After so long without an error the next one counts as the first.
const CALM: Duration = Duration::from_secs(60);
/// An error that lasts is told again after so long.
const REMINDER: Duration = Duration::from_secs(300);

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
pub(crate) async fn follow<K>(supervision: &Supervision, api: Api<K>, listed: Sender<bool>, handle: impl FnMut(Told<K>))
where
    K: Resource + Clone + DeserializeOwned + Debug + Send + 'static,
{
    follow_with(supervision, api, None, listed, handle).await;
}

/// As [`follow`], of those objects alone whose labels match `selector`.
pub(crate) async fn follow_labelled<K>(
    supervision: &Supervision,
    api: Api<K>,
    selector: &str,
    listed: Sender<bool>,
    handle: impl FnMut(Told<K>),
) where
    K: Resource + Clone + DeserializeOwned + Debug + Send + 'static,
{
    follow_with(supervision, api, Some(selector), listed, handle).await;
}

#[expect(clippy::disallowed_methods, reason = "the one home of the watcher: the stream below backs off")]
async fn follow_with<K>(
    supervision: &Supervision,
    api: Api<K>,
    selector: Option<&str>,
    listed: Sender<bool>,
    mut handle: impl FnMut(Told<K>),
) where
    K: Resource + Clone + DeserializeOwned + Debug + Send + 'static,
{
    let watched = supervision.watch(api.resource_url(), selector.is_some());
    let mut config = Config::default().timeout(WATCH_SECONDS);
    config.label_selector = selector.map(str::to_owned);
    let mut trouble = Trouble::default();
    let backoff = Waits::new(watched.name());
    let mut events = Box::pin(watcher(api, config).backoff(backoff));
    while let Some(event) = events.next().await {
        match event {
            Ok(Event::Init) => handle(Told::Restarted),
            Ok(Event::InitApply(object)) => handle(Told::Present { object, listing: true }),
            Ok(Event::InitDone) => {
                handle(Told::Listed);
                listed.send_replace(true);
            }
            Ok(Event::Apply(object)) => handle(Told::Present { object, listing: false }),
            Ok(Event::Delete(object)) => handle(Told::Gone(object)),
            Err(error) => {
                watched.interrupted();
                let text = with_causes(&error);
                if trouble.is_news(&text) {
                    tracing::warn!(
                        watch = watched.name(),
                        error = text,
                        "watch interrupted; it is resumed with backoff"
                    );
                }
            }
        }
    }
}

/// The waits of one watch. Only time without errors resets them: kube resets a backoff with each event, and a listing that
/// fails is announced by one.
struct Waits {
    errors: u32,
    last: Option<Instant>,
    /// Up to 255 of 1024 more, by the watch's name, so that watches that were cut off together don't come back together.
    share: u32,
}

impl Waits {
    fn new(name: &str) -> Self {
        Self { errors: 0, last: None, share: share(&name, 256) }
    }
}

impl Iterator for Waits {
    type Item = Duration;

    fn next(&mut self) -> Option<Duration> {
        if self.last.is_none_or(|last| last.elapsed() > CALM) {
            self.errors = 0;
        }
        let wait = (FIRST_WAIT * 2_u32.pow(self.errors.min(8))).min(LONGEST_WAIT);
        self.errors = self.errors.saturating_add(1);
        self.last = Some(Instant::now());
        Some(wait + wait * self.share / 1024)
    }
}

impl Backoff for Waits {
    fn reset(&mut self) {}
}

/// What was last told, so that a watch that is refused for days doesn't fill the log.
#[derive(Default)]
struct Trouble {
    told: Option<(String, Instant)>,
}

impl Trouble {
    fn is_news(&mut self, text: &str) -> bool {
        let known = self.told.as_ref().is_some_and(|(told, when)| told == text && when.elapsed() < REMINDER);
        if !known {
            self.told = Some((text.to_owned(), Instant::now()));
        }
        !known
    }
}

/// kube's texts leave out what lies below, which is all that tells a silent connection from a refused one.
fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut below = error.source();
    while let Some(cause) = below {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        below = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_watch_waits_longer_with_each_error_and_starts_over_after_a_calm_minute() {
        let mut waits = Waits::new("/api/v1/secrets");
        let mut wait = || {
            waits.reset();
            waits.next().unwrap().as_secs_f64() / (1.0 + f64::from(waits.share) / 1024.0)
        };
        let got: Vec<f64> = std::iter::repeat_with(&mut wait).take(6).map(|it| (it * 10.0).round() / 10.0).collect();
        assert_eq!(got, [0.5, 1.0, 2.0, 3.0, 3.0, 3.0]);
        tokio::time::advance(CALM + Duration::from_secs(1)).await;
        assert!(wait() < 0.6);
    }

    #[tokio::test(start_paused = true)]
    async fn an_error_that_lasts_is_told_now_and_then() {
        let mut trouble = Trouble::default();
        let mut told = 0;
        for _ in 0..1000 {
            told += u64::from(trouble.is_news("forbidden"));
            tokio::time::advance(Duration::from_secs(3)).await;
        }
        assert_eq!(told, 3000 / REMINDER.as_secs());
        assert!(trouble.is_news("something else"));
    }
}
