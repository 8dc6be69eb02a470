//! Who is reconciled next: one entry for each key, in lanes by reason, with backoff by key.
//!
//! [`Queue`] is plain data that is handed the time; [`Workqueue`] is the thin shell that workers wait on.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::hash::Hash;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use telemetry::Lane;
use tokio::sync::Notify;

use crate::clock;

/// First retry of a failing key; it doubles with each failure (the reference's figures).
const BACKOFF_BASE: Duration = Duration::from_secs(1);
/// Longest wait of a failing key.
const BACKOFF_CAP: Duration = Duration::from_secs(7 * 60);
/// Every so many turns the least urgent lane that has waited goes first, so that none starves.
const AGEING_TURNS: u32 = 16;

/// When a key is looked at again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// When something changes.
    OnChange,
    /// After this time at the latest.
    After(Duration),
    /// After the key's own backoff; its failures are counted on.
    Backoff,
    /// Not before this time, because the backend said so; the failure is counted.
    FailedFor(Duration),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Idle,
    Ready(Lane),
    Running(Option<Lane>),
}

#[derive(Debug)]
struct Entry {
    state: State,
    failures: u32,
    due: Option<(Instant, u64)>,
}

/// The queue as plain data.
#[derive(Debug)]
pub(crate) struct Queue<K> {
    entries: HashMap<K, Entry>,
    lanes: [VecDeque<K>; Lane::ALL.len()],
    waiting: [usize; Lane::ALL.len()],
    timers: BTreeMap<(Instant, u64), K>,
    tickets: u64,
    turns: u32,
}

impl<K: Clone + Eq + Hash> Default for Queue<K> {
    fn default() -> Self {
        Self {
            entries: HashMap::new(),
            lanes: Default::default(),
            waiting: [0; Lane::ALL.len()],
            timers: BTreeMap::new(),
            tickets: 0,
            turns: 0,
        }
    }
}

impl<K: Clone + Eq + Hash> Queue<K> {
    /// Puts `key` into `lane`. A key that waits already only ever becomes more urgent; one that is being worked on is
    /// looked at again afterwards.
    pub(crate) fn wake(&mut self, key: K, lane: Lane) {
        let entry = self.entries.entry(key.clone()).or_insert(Entry { state: State::Idle, failures: 0, due: None });
        match entry.state {
            State::Ready(present) if present <= lane => return,
            State::Ready(present) => self.waiting[present as usize] -= 1,
            State::Running(again) => {
                entry.state = State::Running(Some(again.map_or(lane, |present| present.min(lane))));
                return;
            }
            State::Idle => {}
        }
        if let Some(timer) = entry.due.take() {
            self.timers.remove(&timer);
        }
        entry.state = State::Ready(lane);
        self.waiting[lane as usize] += 1;
        self.lanes[lane as usize].push_back(key);
    }

    /// The next key to work on, if one is ready.
    pub(crate) fn pop(&mut self, now: Instant) -> Option<K> {
        while let Some((&(due, ticket), _)) = self.timers.first_key_value() {
            if due > now {
                break;
            }
            if let Some(key) = self.timers.remove(&(due, ticket)) {
                if let Some(entry) = self.entries.get_mut(&key) {
                    entry.due = None;
                }
                self.wake(key, Lane::Periodic);
            }
        }
        self.turns = self.turns.wrapping_add(1);
        let mut order = Lane::ALL;
        if self.turns.is_multiple_of(AGEING_TURNS) {
            order.reverse();
        }
        order.into_iter().find_map(|lane| self.pop_lane(lane))
    }

    fn pop_lane(&mut self, lane: Lane) -> Option<K> {
        while let Some(key) = self.lanes[lane as usize].pop_front() {
            // A key that moved to another lane left its old place behind.
            if let Some(entry) = self.entries.get_mut(&key).filter(|entry| entry.state == State::Ready(lane)) {
                entry.state = State::Running(None);
                self.waiting[lane as usize] -= 1;
                return Some(key);
            }
        }
        None
    }

    /// The work on `key` has ended.
    pub(crate) fn done(&mut self, key: K, next: Next, now: Instant) {
        let Some(entry) = self.entries.get_mut(&key) else { return };
        let State::Running(again) = entry.state else { return };
        entry.state = State::Idle;
        let wait = match next {
            Next::OnChange => {
                entry.failures = 0;
                None
            }
            Next::After(wait) => {
                entry.failures = 0;
                Some(wait)
            }
            Next::Backoff => {
                entry.failures = entry.failures.saturating_add(1);
                Some(backoff(entry.failures))
            }
            Next::FailedFor(wait) => {
                entry.failures = entry.failures.saturating_add(1);
                Some(wait.max(backoff(entry.failures)))
            }
        };
        if let Some(lane) = again {
            self.wake(key, lane);
        } else if let Some(wait) = wait {
            self.tickets += 1;
            let timer = (now + wait, self.tickets);
            entry.due = Some(timer);
            self.timers.insert(timer, key);
        }
    }

    /// Drops a key that no longer exists.
    pub(crate) fn forget(&mut self, key: &K) {
        if self.entries.get(key).is_some_and(|entry| entry.state == State::Idle)
            && let Some(entry) = self.entries.remove(key)
            && let Some(timer) = entry.due
        {
            self.timers.remove(&timer);
        }
    }

    /// When the next timer fires.
    pub(crate) fn next_timer(&self) -> Option<Instant> {
        self.timers.first_key_value().map(|((due, _), _)| *due)
    }

    /// How many keys wait in `lane`.
    pub(crate) fn depth(&self, lane: Lane) -> usize {
        self.waiting[lane as usize]
    }

    /// How long the most overdue timer has waited.
    pub(crate) fn overdue(&self, now: Instant) -> Duration {
        self.next_timer().map_or(Duration::ZERO, |due| now.saturating_duration_since(due))
    }
}

/// `failures` is at least 1.
fn backoff(failures: u32) -> Duration {
    let doublings = failures.saturating_sub(1).min(16);
    (BACKOFF_BASE * 2_u32.pow(doublings)).min(BACKOFF_CAP)
}

/// The queue that workers wait on.
pub(crate) struct Workqueue<K> {
    queue: Mutex<Queue<K>>,
    changed: Notify,
}

impl<K: Clone + Eq + Hash> Default for Workqueue<K> {
    fn default() -> Self {
        Self { queue: Mutex::default(), changed: Notify::new() }
    }
}

impl<K: Clone + Eq + Hash> Workqueue<K> {
    /// See [`Queue::wake`].
    pub(crate) fn wake(&self, key: K, lane: Lane) {
        self.lock().wake(key, lane);
        self.changed.notify_one();
    }

    /// Waits for the next key. Cancelling the wait loses nothing.
    pub(crate) async fn next(&self) -> K {
        loop {
            let timer = {
                let mut queue = self.lock();
                if let Some(key) = queue.pop(clock::instant()) {
                    drop(queue);
                    // Another worker may be asleep while more keys are ready.
                    self.changed.notify_one();
                    return key;
                }
                queue.next_timer()
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

    fn lock(&self) -> MutexGuard<'_, Queue<K>> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn queue(keys: &[(&'static str, Lane)]) -> Queue<&'static str> {
        let mut queue = Queue::default();
        for (key, lane) in keys {
            queue.wake(*key, *lane);
        }
        queue
    }

    fn drain(queue: &mut Queue<&'static str>, now: Instant) -> Vec<&'static str> {
        std::iter::from_fn(|| queue.pop(now)).collect()
    }

    #[test]
    fn lanes_go_by_urgency() {
        let mut queue = queue(&[("p", Lane::Periodic), ("d", Lane::Drift), ("a", Lane::Asked), ("n", Lane::New)]);
        assert_eq!(drain(&mut queue, Instant::now()), ["n", "a", "d", "p"]);
    }

    #[test]
    fn a_waiting_key_only_becomes_more_urgent_and_runs_once() {
        let mut queue = queue(&[("x", Lane::Periodic), ("y", Lane::Drift), ("x", Lane::New), ("x", Lane::Periodic)]);
        assert_eq!((queue.depth(Lane::New), queue.depth(Lane::Periodic)), (1, 0));
        assert_eq!(drain(&mut queue, Instant::now()), ["x", "y"]);
    }

    #[test]
    fn a_key_woken_while_it_runs_runs_again_and_never_twice_at_a_time() {
        let now = Instant::now();
        let mut queue = queue(&[("x", Lane::New)]);
        assert_eq!(queue.pop(now), Some("x"));
        queue.wake("x", Lane::Asked);
        assert_eq!(queue.pop(now), None);
        queue.done("x", Next::After(Duration::from_secs(60)), now);
        assert_eq!(queue.pop(now), Some("x"));
    }

    #[test]
    fn failures_double_up_to_seven_minutes_and_a_success_resets_them() {
        let waits: Vec<u64> = (1..=11).map(|failures| backoff(failures).as_secs()).collect();
        assert_eq!(waits, [1, 2, 4, 8, 16, 32, 64, 128, 256, 420, 420]);
        let now = Instant::now();
        let mut queue = queue(&[("x", Lane::New)]);
        for (next, wait) in
            [(Next::Backoff, 1), (Next::Backoff, 2), (Next::After(Duration::from_secs(9)), 9), (Next::Backoff, 1)]
        {
            assert_eq!(queue.pop(now), Some("x"));
            queue.done("x", next, now);
            assert_eq!(queue.next_timer(), Some(now + Duration::from_secs(wait)));
            queue.wake("x", Lane::Asked);
        }
    }

    #[test]
    fn no_lane_starves() {
        let mut queue = Queue::default();
        queue.wake(usize::MAX, Lane::Periodic);
        let now = Instant::now();
        let served = (0..100).find(|turn| {
            queue.wake(*turn, Lane::New);
            queue.pop(now) == Some(usize::MAX)
        });
        assert!(served.is_some_and(|turn| turn <= AGEING_TURNS as usize), "{served:?}");
    }

    /// An hour of a thousand objects that always fail and a thousand that never do.
    #[test]
    fn objects_that_fail_take_no_turn_from_those_that_don_t() {
        const EACH: usize = 1000;
        let interval = Duration::from_secs(600);
        let start = Instant::now();
        let mut queue = Queue::default();
        (0..2 * EACH).for_each(|key| queue.wake(key, Lane::New));
        let is_bad = |key: usize| key.is_multiple_of(2);
        let (mut now, mut tries, mut due) = (start, vec![0; 2 * EACH], vec![start; 2 * EACH]);
        while now <= start + Duration::from_secs(3600) {
            let mut round: Vec<usize> = Vec::new();
            while let Some(key) = queue.pop(now) {
                tries[key] += 1;
                round.push(key);
                if is_bad(key) {
                    queue.done(key, Next::Backoff, now);
                } else {
                    assert_eq!(due[key], now, "{key} was not served when it was due");
                    due[key] = now + interval;
                    queue.done(key, Next::After(interval), now);
                }
            }
            // However often the bad ones come back, none comes twice in a round: a good one waits for each once at most.
            let turns = round.len();
            round.sort_unstable();
            round.dedup();
            assert_eq!(round.len(), turns);
            now = queue.next_timer().unwrap();
        }
        // 1 + 2 + … + 256 s and then every 7 minutes.
        let (bad, good): (Vec<usize>, Vec<usize>) = (0..2 * EACH).partition(|key| is_bad(*key));
        assert!(bad.iter().all(|key| tries[*key] == 17), "{:?}", bad.iter().map(|key| tries[*key]).max());
        assert!(good.iter().all(|key| tries[*key] == 7));

        // One that is new, or asked for, goes before all that fail.
        let later = now + BACKOFF_CAP;
        queue.wake(2 * EACH, Lane::New);
        assert_eq!(queue.pop(later), Some(2 * EACH));
    }

    #[tokio::test(start_paused = true)]
    async fn a_timer_wakes_a_sleeping_worker() {
        let queue = Workqueue::default();
        queue.wake("x", Lane::New);
        assert_eq!(queue.next().await, "x");
        let before = tokio::time::Instant::now();
        queue.done("x", Next::After(Duration::from_secs(3600)));
        assert_eq!(queue.next().await, "x");
        assert!(before.elapsed() >= Duration::from_secs(3600));
    }
}
