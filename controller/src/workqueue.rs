//! The queue that workers wait on: the thin shell around [`Queue`].

use std::hash::Hash;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use telemetry::Lane;
use tokio::sync::Notify;

use crate::clock;
use crate::queue::{Job, Next, Queue};

/// See the module.
pub(crate) struct Workqueue<K, G> {
    queue: Mutex<Queue<K, G>>,
    /// Something was woken or done. Only the one that hands out keys waits for it.
    changed: Notify,
}

impl<K: Clone + Eq + Hash, G: Clone + Eq + Hash> Workqueue<K, G> {
    /// See [`Queue::new`].
    pub(crate) fn new(group_limit: usize) -> Self {
        Self { queue: Mutex::new(Queue::new(group_limit)), changed: Notify::new() }
    }

    /// See [`Queue::wake`].
    pub(crate) fn wake(&self, key: K, lane: Lane) {
        self.lock().wake(key, lane, clock::instant());
        self.changed.notify_one();
    }

    /// See [`Queue::wake_for`].
    pub(crate) fn wake_for(&self, key: K, lane: Lane, asked: Instant) {
        self.lock().wake_for(key, lane, asked, clock::instant());
        self.changed.notify_one();
    }

    /// Wakes keys for one and the same reason: what is read for one of them serves the others.
    pub(crate) fn wake_all(&self, keys: impl IntoIterator<Item = (K, Lane)>) {
        self.wake_all_for(keys, clock::instant());
    }

    /// As [`Workqueue::wake_all`], for a reason of that time.
    pub(crate) fn wake_all_for(&self, keys: impl IntoIterator<Item = (K, Lane)>, asked: Instant) {
        let mut queue = self.lock();
        let now = clock::instant();
        keys.into_iter().for_each(|(key, lane)| queue.wake_for(key, lane, asked, now));
        drop(queue);
        self.changed.notify_one();
    }

    /// Waits until a key may be ready. Takes none, so that the most urgent one is taken once there is somebody to work on
    /// it.
    pub(crate) async fn ready(&self) {
        loop {
            let timer = {
                let queue = self.lock();
                let timer = queue.next_timer();
                if queue.has_ready() || timer.is_some_and(|due| due <= clock::instant()) {
                    return;
                }
                timer
            };
            match timer {
                Some(due) => {
                    tokio::select! {
                        () = self.changed.notified() => {}
                        () = tokio::time::sleep_until(due.into()) => {}
                    }
                }
                None => self.changed.notified().await,
            }
        }
    }

    /// See [`Queue::pop`].
    pub(crate) fn pop(&self, group_of: impl Fn(&K) -> Option<G>) -> Option<Job<K>> {
        self.lock().pop(clock::instant(), group_of)
    }

    /// The next key, whatever it shares with others.
    #[cfg(test)]
    pub(crate) fn take(&self) -> Option<K> {
        self.pop(|_| None).map(|job| job.key)
    }

    /// See [`Queue::done`].
    pub(crate) fn done(&self, key: K, next: Next) {
        self.lock().done(key, next, clock::instant());
        self.changed.notify_one();
    }

    /// See [`Queue::forget`].
    pub(crate) fn forget(&self, key: &K) {
        self.lock().forget(key);
    }

    /// Keys that wait, by lane, and how long the most overdue timer has waited.
    pub(crate) fn gauge(&self) -> ([usize; Lane::ALL.len()], Duration) {
        let queue = self.lock();
        (Lane::ALL.map(|lane| queue.depth(lane)), queue.overdue(clock::instant()))
    }

    /// Whether anything waits that is more than a periodic refresh.
    pub(crate) fn has_urgent(&self) -> bool {
        let queue = self.lock();
        [Lane::New, Lane::Asked, Lane::Drift].into_iter().any(|lane| queue.depth(lane) > 0)
    }

    /// Whether another key is about to be worked on: see [`Queue::has_more`].
    pub(crate) fn has_more(&self, group: Option<&G>, soon: Duration) -> bool {
        self.lock().has_more(group, clock::instant() + soon)
    }

    /// See [`Queue::oldest_trigger`].
    pub(crate) fn oldest_trigger(&self) -> Instant {
        self.lock().oldest_trigger(clock::instant())
    }

    fn lock(&self) -> MutexGuard<'_, Queue<K, G>> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_timer_wakes_a_sleeping_worker() {
        let queue: Workqueue<&str, ()> = Workqueue::new(1);
        queue.wake("x", Lane::New);
        queue.ready().await;
        assert_eq!(queue.pop(|_| None).map(|job| job.key), Some("x"));
        let before = tokio::time::Instant::now();
        queue.done("x", Next::After(Duration::from_secs(3600)));
        queue.ready().await;
        let job = queue.pop(|_| None);
        assert!(before.elapsed() >= Duration::from_secs(3600));
        // What fell due counts from then on.
        let asked = job.map(|job| job.asked.saturating_duration_since(before.into_std()));
        assert!(asked.is_some_and(|asked| asked >= Duration::from_secs(3600)), "{asked:?}");
    }
}
