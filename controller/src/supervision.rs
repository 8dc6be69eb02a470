//! Who is alive: signs of life of watches and workers, the metrics made of them, and the text of `/healthz`.
//!
//! Deliberately not here: what counts as stuck (`verdict`), and tasks that end, which end the process (`run`).

mod verdict;

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use telemetry::{Metrics, Outcome};

use crate::clock;
use crate::queue::Next;
use verdict::{Answers, CrewSeen, Seen, Standstill};

pub(crate) use verdict::LOOK;

/// See the module.
pub(crate) struct Supervision {
    /// The workers of ExternalSecrets.
    pub(crate) external_secrets: Crew,
    /// The workers of stores of both kinds.
    pub(crate) stores: Crew,
    /// The workers of what declares one object for many namespaces.
    pub(crate) declarations: Crew,
    /// The workers of PushSecrets.
    pub(crate) push_secrets: Crew,
    metrics: Arc<Metrics>,
    inner: Mutex<Inner>,
}

/// Whether keys wait in each queue.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Waiting {
    pub(crate) external_secrets: bool,
    pub(crate) stores: bool,
    pub(crate) declarations: bool,
    pub(crate) push_secrets: bool,
}

struct Inner {
    answers: Option<Answers>,
    watches: HashMap<String, Instant>,
    looked: Instant,
}

impl Supervision {
    pub(crate) fn new(metrics: Arc<Metrics>) -> Self {
        let crew = |queue, controllers| Crew { queue, controllers, metrics: metrics.clone(), state: Mutex::default() };
        Self {
            external_secrets: crew("externalsecret", &["externalsecret"]),
            stores: crew("secretstore", &["secretstore", "clustersecretstore"]),
            declarations: crew("clusterexternalsecret", &["clusterexternalsecret", "clusterpushsecret"]),
            push_secrets: crew("pushsecret", &["pushsecret"]),
            inner: Mutex::new(Inner { answers: None, watches: HashMap::new(), looked: clock::instant() }),
            metrics,
        }
    }

    /// A watch begins; `path` is that of its collection. It is supervised until the result is dropped.
    pub(crate) fn watch(&self, path: &str, labelled: bool) -> Watched<'_> {
        let name = watch_name(path, labelled);
        self.lock().watches.insert(name.clone(), clock::instant());
        self.metrics.watch_interrupted(&name, 0);
        Watched { supervision: self, name }
    }

    /// The API server answered, whatever it said; `collection` is the path if it was a listing or a watch.
    pub(crate) fn answered(&self, collection: Option<(&str, bool)>) {
        let now = clock::instant();
        let mut inner = self.lock();
        inner.answers = Some(Answers::after(inner.answers, now));
        if let Some((path, labelled)) = collection
            && let Some(heard) = inner.watches.get_mut(&watch_name(path, labelled))
        {
            *heard = now;
        }
    }

    /// Looks at the queues, every [`LOOK`]: whose objects wait? Brings the metrics up to date.
    pub(crate) fn look(&self, waiting: Waiting) {
        let Waiting { external_secrets, stores, declarations, push_secrets } = waiting;
        let now = clock::instant();
        self.external_secrets.look(external_secrets, now);
        self.stores.look(stores, now);
        self.declarations.look(declarations, now);
        self.push_secrets.look(push_secrets, now);
        let mut inner = self.lock();
        inner.looked = now;
        for (watch, heard) in &inner.watches {
            self.metrics.watch_silence(watch, now.saturating_duration_since(*heard));
        }
    }

    /// What stands still; nothing if all is well.
    pub(crate) fn stuck(&self) -> Vec<String> {
        let crews = [&self.external_secrets, &self.stores, &self.declarations, &self.push_secrets];
        let crews = crews.map(Crew::seen).into();
        let inner = self.lock();
        let watches = inner.watches.iter().map(|(name, heard)| (name.clone(), *heard)).collect();
        let seen = Seen { answers: inner.answers, watches, crews, looked: inner.looked };
        verdict::stuck(&seen, clock::instant())
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A watch of all objects and one of some of them are two.
fn watch_name(path: &str, labelled: bool) -> String {
    if labelled { format!("{path} (labelled)") } else { path.to_owned() }
}

/// A watch under supervision.
pub(crate) struct Watched<'a> {
    supervision: &'a Supervision,
    name: String,
}

impl Watched<'_> {
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// It was interrupted by an error and will be resumed.
    pub(crate) fn interrupted(&self) {
        self.supervision.metrics.watch_interrupted(&self.name, 1);
    }
}

impl Drop for Watched<'_> {
    fn drop(&mut self) {
        let mut inner = self.supervision.lock();
        inner.watches.remove(&self.name);
        self.supervision.metrics.forget_watch(&self.name);
    }
}

/// The workers of one queue.
pub(crate) struct Crew {
    queue: &'static str,
    controllers: &'static [&'static str],
    metrics: Arc<Metrics>,
    state: Mutex<CrewState>,
}

#[derive(Default)]
struct CrewState {
    workers: usize,
    taken: u64,
    running: BTreeMap<u64, Instant>,
    standstill: Standstill,
}

impl Crew {
    /// That many workers start now. Nobody expects work of a crew that has not started.
    pub(crate) fn start(&self, workers: usize) {
        self.metrics.runtime().workers(self.controllers, workers);
        self.lock().workers = workers;
    }

    /// A worker took a key of this controller; the work is over when the result is dropped.
    pub(crate) fn begin(&self, controller: &'static str) -> Turn<'_> {
        let began = clock::instant();
        let mut state = self.lock();
        state.taken = state.taken.wrapping_add(1);
        let ticket = state.taken;
        state.running.insert(ticket, began);
        self.metrics.runtime().began(controller);
        Turn { crew: self, controller, ticket, began, ended: false }
    }

    fn look(&self, waiting: bool, now: Instant) {
        let mut state = self.lock();
        let free = state.running.len() < state.workers;
        state.standstill = state.standstill.look(waiting, free, state.taken);
        let ages: Vec<Duration> = state.running.values().map(|began| now.saturating_duration_since(*began)).collect();
        self.metrics.runtime().under_way(self.queue, &ages);
    }

    fn seen(&self) -> CrewSeen {
        let state = self.lock();
        CrewSeen {
            queue: self.queue,
            workers: state.workers,
            running: state.running.values().copied().collect(),
            standstill: state.standstill,
        }
    }

    fn lock(&self) -> MutexGuard<'_, CrewState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The work on one key.
pub(crate) struct Turn<'a> {
    crew: &'a Crew,
    controller: &'static str,
    ticket: u64,
    began: Instant,
    ended: bool,
}

impl Turn<'_> {
    /// It came to this end.
    pub(crate) fn end(mut self, next: Next) {
        self.ended = true;
        self.count(match next {
            Next::Backoff | Next::FailedFor(_) => Outcome::Error,
            Next::OnChange => Outcome::Success,
            Next::After(_) | Next::At(_) => Outcome::RequeueAfter,
        });
    }

    fn count(&self, outcome: Outcome) {
        let took = clock::instant().saturating_duration_since(self.began);
        self.crew.metrics.runtime().reconciled(self.controller, self.crew.queue, outcome, took);
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        if !self.ended && std::thread::panicking() {
            self.count(Outcome::Panic);
        }
        self.crew.lock().running.remove(&self.ticket);
        self.crew.metrics.runtime().ended(self.controller);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRETS: &str = "/api/v1/secrets";

    fn supervision() -> Supervision {
        Supervision::new(Arc::new(Metrics::new().unwrap()))
    }

    async fn minutes(supervision: &Supervision, minutes: u32, waiting: bool, heard: Option<&str>) {
        for _ in 0..minutes * 12 {
            tokio::time::advance(LOOK).await;
            supervision.look(Waiting { external_secrets: waiting, ..Waiting::default() });
            supervision.answered(heard.map(|path| (path, false)));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_watch_is_supervised_while_it_is_needed() {
        let supervision = supervision();
        let watched = supervision.watch(SECRETS, false);
        let labelled = supervision.watch(SECRETS, true);
        minutes(&supervision, 10, false, Some(SECRETS)).await;
        let silent = ["the watch of /api/v1/secrets (labelled) had no answer for 595 s, though the API server answers"];
        assert_eq!(supervision.stuck(), silent);
        drop(labelled);
        assert_eq!(supervision.stuck(), Vec::<String>::new());
        watched.interrupted();
        let text = supervision.metrics.encode().unwrap();
        assert!(text.contains(r#"external_secrets_watch_interruptions_total{watch="/api/v1/secrets"} 1"#), "{text}");
        assert!(!text.contains("labelled"), "{text}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_worker_that_does_not_come_back_is_noticed() {
        let supervision = supervision();
        supervision.external_secrets.start(1);
        let turn = supervision.external_secrets.begin("externalsecret");
        minutes(&supervision, 16, true, None).await;
        assert_eq!(supervision.stuck().len(), 1, "{:?}", supervision.stuck());
        let text = supervision.metrics.encode().unwrap();
        let longest =
            "workqueue_longest_running_processor_seconds{controller=\"externalsecret\",name=\"externalsecret\"} 960";
        assert!(text.contains(longest), "{text}");
        turn.end(Next::OnChange);
        assert_eq!(supervision.stuck(), Vec::<String>::new());
        minutes(&supervision, 2, true, None).await;
        assert_eq!(supervision.stuck().len(), 1, "and so is one that takes no key");
        let worker = std::panic::AssertUnwindSafe(|| {
            let _turn = supervision.external_secrets.begin("externalsecret");
            panic!("a bug");
        });
        assert!(std::panic::catch_unwind(worker).is_err());
        minutes(&supervision, 1, true, None).await;
        assert_eq!(supervision.stuck(), Vec::<String>::new());
        let text = supervision.metrics.encode().unwrap();
        assert!(text.contains("controller_runtime_reconcile_panics_total{controller=\"externalsecret\"} 1"), "{text}");
        assert!(text.contains("controller_runtime_active_workers{controller=\"externalsecret\"} 0"), "{text}");
    }
}
