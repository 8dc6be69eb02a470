//! Takes keys off a queue and has them worked on, so many at a time.
//!
//! A [`Slot`] is the right to compute and to ask the API server. Who waits for a backend gives it up meanwhile, so that a
//! store that doesn't answer keeps no other store's objects waiting.

use std::any::Any;
use std::fmt;
use std::future::Future;
use std::hash::Hash;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, PoisonError};

use futures::FutureExt as _;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;

use crate::queue::{Job, Next};
use crate::workqueue::Workqueue;

/// Keys of one queue that are worked on, or wait for a backend, at a time: each costs some 20 KiB.
const IN_FLIGHT: usize = 512;

/// See the module.
pub(crate) struct Slot {
    slots: Option<Arc<Semaphore>>,
    held: Mutex<Option<OwnedSemaphorePermit>>,
}

impl Slot {
    /// One that is never waited for.
    #[cfg(test)]
    pub(crate) fn unlimited() -> Self {
        Self { slots: None, held: Mutex::default() }
    }

    async fn wait(slots: &Arc<Semaphore>) -> Self {
        let held = slots.clone().acquire_owned().await.ok();
        Self { slots: Some(slots.clone()), held: Mutex::new(held) }
    }

    /// Waits for `backend` without keeping others from their work.
    pub(crate) async fn given_up<T>(&self, backend: impl Future<Output = T>) -> T {
        let Some(slots) = &self.slots else { return backend.await };
        // Most often there is nothing to wait for.
        let mut backend = std::pin::pin!(backend);
        if let Some(answer) = backend.as_mut().now_or_never() {
            return answer;
        }
        drop(self.hold(None));
        let answer = backend.await;
        let again = slots.clone().acquire_owned().await.ok();
        self.hold(again);
        answer
    }

    fn hold(&self, permit: Option<OwnedSemaphorePermit>) -> Option<OwnedSemaphorePermit> {
        std::mem::replace(&mut *self.held.lock().unwrap_or_else(PoisonError::into_inner), permit)
    }
}

impl fmt::Debug for Slot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Slot")
    }
}

/// What is done with a queue's keys.
pub(crate) trait Work<K, G>: Send + Sync + 'static {
    /// What many keys share and what only so many may use at a time.
    fn group_of(&self, key: &K) -> Option<G>;

    /// Works on one key.
    fn work(&self, job: &Job<K>, slot: Slot) -> impl Future<Output = Next> + Send;

    /// Working on it panicked.
    fn panicked(&self, key: &K);

    /// Whether the key still stands for something.
    fn exists(&self, key: &K) -> bool;
}

/// Works on the queue's keys for ever, `slots` of them at a time.
///
/// # Errors
/// When a task ended that should not have; the text says which.
pub(crate) async fn run<K, G, W>(queue: Arc<Workqueue<K, G>>, work: Arc<W>, slots: usize) -> Result<(), String>
where
    K: Clone + Eq + Hash + Send + Sync + 'static,
    G: Clone + Eq + Hash + Send + Sync + 'static,
    W: Work<K, G>,
{
    let (slots, in_flight) = (Arc::new(Semaphore::new(slots)), Arc::new(Semaphore::new(IN_FLIGHT)));
    let mut tasks: JoinSet<()> = JoinSet::new();
    loop {
        queue.ready().await;
        let place = in_flight.clone().acquire_owned().await.map_err(|error| error.to_string())?;
        let slot = Slot::wait(&slots).await;
        while let Some(ended) = tasks.try_join_next() {
            ended.map_err(|error| format!("a worker ended: {error}"))?;
        }
        let Some(job) = queue.pop(|key| work.group_of(key)) else { continue };
        let (queue, work) = (queue.clone(), work.clone());
        tasks.spawn(async move {
            // One object that makes us panic must not take the others down with it.
            let outcome: Result<Next, Box<dyn Any + Send>> =
                AssertUnwindSafe(work.work(&job, slot)).catch_unwind().await;
            let next = outcome.unwrap_or_else(|_| {
                work.panicked(&job.key);
                Next::Backoff
            });
            queue.done(job.key.clone(), next);
            if !work.exists(&job.key) {
                queue.forget(&job.key);
            }
            drop(place);
        });
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Duration;

    use telemetry::Lane;

    use super::*;

    /// Keys of `slow` wait for ever for their backend, those of `bad` panic, all others end at once.
    #[derive(Default)]
    struct Backends {
        done: Mutex<Vec<&'static str>>,
        at_a_time: AtomicUsize,
    }

    fn store(key: &'static str) -> &'static str {
        key.split('-').next().unwrap_or_default()
    }

    impl Work<&'static str, &'static str> for Backends {
        fn group_of(&self, key: &&'static str) -> Option<&'static str> {
            Some(store(key))
        }

        async fn work(&self, job: &Job<&'static str>, slot: Slot) -> Next {
            let now = self.at_a_time.fetch_add(1, Ordering::SeqCst) + 1;
            assert!(now <= 2, "{now} at a time");
            tokio::task::yield_now().await;
            self.at_a_time.fetch_sub(1, Ordering::SeqCst);
            match store(job.key) {
                "slow" => slot.given_up(std::future::pending()).await,
                "bad" => panic!("provider bug"),
                _ => slot.given_up(tokio::time::sleep(Duration::from_millis(1))).await,
            }
            self.done.lock().unwrap().push(job.key);
            Next::OnChange
        }

        fn panicked(&self, _: &&'static str) {}

        fn exists(&self, _: &&'static str) -> bool {
            true
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_store_that_hangs_or_panics_keeps_no_other_one_waiting() {
        let queue = Arc::new(Workqueue::new(3));
        let work = Arc::new(Backends::default());
        for key in ["slow-1", "slow-2", "slow-3", "slow-4", "bad-1", "good-1", "good-2", "good-3", "good-4", "good-5"] {
            queue.wake(key, Lane::New);
        }
        let run = tokio::spawn(run(queue.clone(), work.clone(), 2));
        tokio::time::sleep(Duration::from_millis(100)).await;
        assert!(!run.is_finished());
        let mut done = work.done.lock().unwrap().clone();
        done.sort_unstable();
        assert_eq!(done, ["good-1", "good-2", "good-3", "good-4", "good-5"]);
        assert_eq!(queue.gauge().0[Lane::New as usize], 1, "the fourth of the slow ones waits for its store");
    }
}
