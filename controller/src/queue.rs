//! Who is reconciled next, as plain data that is handed the time: one entry for each key, in lanes by reason, with
//! backoff by key, and so many keys of one store at a time.
//!
//! Deliberately not here: waiting for a key (`workqueue`), and what is done with it (`dispatch`).

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::hash::Hash;
use std::time::{Duration, Instant};

use telemetry::Lane;

use crate::spread::share;

/// First retry of a failing key; it doubles with each failure (the reference's figures).
const BACKOFF_BASE: Duration = Duration::from_secs(1);
/// Longest wait of a failing key.
const BACKOFF_CAP: Duration = Duration::from_secs(7 * 60);
/// What is put on top of a wait at most, so that what was done together comes back spread.
const SPREAD_CAP: Duration = Duration::from_secs(10);
/// So many places of a group that no key stands at any more may lie about.
const STALE: usize = 64;
/// Every so many turns the least urgent lane that has waited goes first, so that none starves.
const AGEING_TURNS: u32 = 16;

/// When a key is looked at again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// When something changes.
    OnChange,
    /// After this time, and a little more that is the key's own: see [`Queue::done`].
    After(Duration),
    /// At this instant, together with others.
    At(Instant),
    /// After the key's own backoff; its failures are counted on.
    Backoff,
    /// Not before this time, because the backend said so; the failure is counted.
    FailedFor(Duration),
}

/// A key whose turn it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Job<K> {
    pub(crate) key: K,
    pub(crate) lane: Lane,
    /// When it was last asked for, or fell due: what was read before may be older than what the asker knows of.
    pub(crate) asked: Instant,
    /// How long it was ready and had to wait.
    pub(crate) waited: Duration,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Idle,
    Ready(Lane),
    /// Ready, but too many of its group run.
    Parked(Lane),
    Running(Option<Lane>),
}

#[derive(Debug)]
struct Entry<G> {
    state: State,
    failures: u32,
    due: Option<(Instant, u64)>,
    /// The last trigger.
    asked: Instant,
    /// The first trigger since it last ran.
    since: Instant,
    /// While it runs: which group it counts in; while it is parked: where, and which of its places there counts.
    group: Option<G>,
    place: u64,
    /// The trigger that it runs for.
    running: Instant,
}

type Lanes<K> = [VecDeque<K>; Lane::ALL.len()];

/// Keys that share a store.
#[derive(Debug)]
struct Group<K> {
    running: usize,
    parked: [VecDeque<(K, u64)>; Lane::ALL.len()],
    /// Places of keys that have gone elsewhere.
    stale: usize,
    turns: u32,
}

/// The queue as plain data. `K` is what is worked on; `G` is what many of them share (their store), of which only
/// so many are worked on at a time.
#[derive(Debug)]
pub(crate) struct Queue<K, G> {
    entries: HashMap<K, Entry<G>>,
    lanes: Lanes<K>,
    waiting: [usize; Lane::ALL.len()],
    timers: BTreeMap<(Instant, u64), K>,
    tickets: u64,
    turns: u32,
    groups: HashMap<G, Group<K>>,
    group_limit: usize,
}

impl<K: Clone + Eq + Hash, G: Clone + Eq + Hash> Queue<K, G> {
    /// An empty queue that hands out at most `group_limit` keys of one group at a time.
    pub(crate) fn new(group_limit: usize) -> Self {
        Self {
            entries: HashMap::new(),
            lanes: Default::default(),
            waiting: [0; Lane::ALL.len()],
            timers: BTreeMap::new(),
            tickets: 0,
            turns: 0,
            groups: HashMap::new(),
            group_limit,
        }
    }

    /// Puts `key` into `lane`. A key that waits already only ever becomes more urgent; one that is being worked on is
    /// looked at again afterwards.
    pub(crate) fn wake(&mut self, key: K, lane: Lane, now: Instant) {
        self.wake_for(key, lane, now, now);
    }

    /// As [`Queue::wake`], for what was asked before: an answer of that time will do.
    pub(crate) fn wake_for(&mut self, key: K, lane: Lane, asked: Instant, now: Instant) {
        let entry = self.entries.entry(key.clone()).or_insert(Entry {
            state: State::Idle,
            failures: 0,
            due: None,
            asked,
            since: now,
            group: None,
            place: 0,
            running: asked,
        });
        entry.asked = entry.asked.max(asked);
        let mut lane = lane;
        match entry.state {
            State::Ready(present) if present <= lane => return,
            State::Ready(present) => self.waiting[present as usize] -= 1,
            // It may use another store by now, or none: that is looked at when its turn comes again.
            State::Parked(present) => {
                self.waiting[present as usize] -= 1;
                lane = lane.min(present);
                let left = entry.group.take();
                entry.state = State::Idle;
                if let Some(name) = left {
                    self.gone_elsewhere(&name);
                }
            }
            State::Running(again) => {
                if again.is_none() {
                    entry.since = now;
                }
                entry.state = State::Running(Some(again.map_or(lane, |present| present.min(lane))));
                return;
            }
            State::Idle => {
                entry.asked = asked;
                entry.since = now;
            }
        }
        let Some(entry) = self.entries.get_mut(&key) else { return };
        if let Some(timer) = entry.due.take() {
            self.timers.remove(&timer);
        }
        entry.state = State::Ready(lane);
        self.waiting[lane as usize] += 1;
        self.lanes[lane as usize].push_back(key);
    }

    /// The next key to work on, if one is ready whose group, as `group_of` tells, isn't full.
    pub(crate) fn pop(&mut self, now: Instant, group_of: impl Fn(&K) -> Option<G>) -> Option<Job<K>> {
        while let Some((&(due, ticket), _)) = self.timers.first_key_value() {
            if due > now {
                break;
            }
            if let Some(key) = self.timers.remove(&(due, ticket)) {
                if let Some(entry) = self.entries.get_mut(&key) {
                    entry.due = None;
                }
                self.wake(key, Lane::Periodic, due);
            }
        }
        self.turns = self.turns.wrapping_add(1);
        let mut order = Lane::ALL;
        if self.turns.is_multiple_of(AGEING_TURNS) {
            order.reverse();
        }
        order.into_iter().find_map(|lane| self.pop_lane(lane, now, &group_of))
    }

    fn pop_lane(&mut self, lane: Lane, now: Instant, group_of: &impl Fn(&K) -> Option<G>) -> Option<Job<K>> {
        while let Some(key) = self.lanes[lane as usize].pop_front() {
            // A key that moved to another lane left its old place behind.
            let Some(entry) = self.entries.get_mut(&key).filter(|entry| entry.state == State::Ready(lane)) else {
                continue;
            };
            let group = group_of(&key);
            if let Some(name) = &group {
                let group = self.groups.entry(name.clone()).or_default();
                if group.running >= self.group_limit {
                    self.tickets += 1;
                    (entry.state, entry.group, entry.place) = (State::Parked(lane), Some(name.clone()), self.tickets);
                    group.parked[lane as usize].push_back((key, self.tickets));
                    continue;
                }
                group.running += 1;
            }
            entry.group = group;
            entry.state = State::Running(None);
            entry.running = entry.asked;
            self.waiting[lane as usize] -= 1;
            let waited = now.saturating_duration_since(entry.since);
            return Some(Job { key, lane, asked: entry.asked, waited });
        }
        None
    }

    /// The work on `key` has ended.
    ///
    /// Keys that were done together and wait equally long would come back together, for ever. So each waits up to a
    /// fiftieth longer, but not more than ten seconds, and always by the same share: in time they lie apart, also across
    /// restarts, since the time of the last refresh is written down.
    pub(crate) fn done(&mut self, key: K, next: Next, now: Instant) {
        let Some(entry) = self.entries.get_mut(&key) else { return };
        let State::Running(again) = entry.state else { return };
        entry.state = State::Idle;
        let (group, asked, since) = (entry.group.take(), entry.asked, entry.since);
        let wait = match next {
            Next::OnChange => {
                entry.failures = 0;
                None
            }
            Next::After(wait) => {
                entry.failures = 0;
                Some(wait + (wait / 50).min(SPREAD_CAP) * share(&key, 1000) / 1000)
            }
            Next::At(instant) => {
                entry.failures = 0;
                Some(instant.saturating_duration_since(now))
            }
            Next::Backoff => {
                entry.failures = entry.failures.saturating_add(1);
                Some(backoff(entry.failures, &key))
            }
            Next::FailedFor(wait) => {
                entry.failures = entry.failures.saturating_add(1);
                Some(wait.max(backoff(entry.failures, &key)))
            }
        };
        if let Some(lane) = again {
            self.wake(key.clone(), lane, asked);
            if let Some(entry) = self.entries.get_mut(&key) {
                entry.since = since;
            }
        } else if let Some(wait) = wait {
            self.tickets += 1;
            let timer = (now + wait, self.tickets);
            entry.due = Some(timer);
            self.timers.insert(timer, key);
        }
        if let Some(group) = group {
            self.leave(&group);
        }
    }

    /// One of a group has ended: the next one that waits for that gets its turn.
    fn leave(&mut self, name: &G) {
        let Some(group) = self.groups.get_mut(name) else { return };
        group.running = group.running.saturating_sub(1);
        group.turns = group.turns.wrapping_add(1);
        let mut order = Lane::ALL;
        if group.turns.is_multiple_of(AGEING_TURNS) {
            order.reverse();
        }
        for lane in order {
            while let Some((key, place)) = group.parked[lane as usize].pop_front() {
                if let Some(entry) = self.entries.get_mut(&key).filter(|entry| entry.is_parked_at(place)) {
                    (entry.state, entry.group) = (State::Ready(lane), None);
                    self.lanes[lane as usize].push_front(key);
                    return;
                }
                group.stale = group.stale.saturating_sub(1);
            }
        }
        if group.running == 0 {
            self.groups.remove(name);
        }
    }

    /// A key of this group is parked no more. Its place is skipped, or cleared away with many others.
    fn gone_elsewhere(&mut self, name: &G) {
        let Some(group) = self.groups.get_mut(name) else { return };
        group.stale += 1;
        if group.stale > STALE && group.stale * 2 > group.parked.iter().map(VecDeque::len).sum() {
            group.stale = 0;
            for lane in &mut group.parked {
                lane.retain(|(key, place)| self.entries.get(key).is_some_and(|entry| entry.is_parked_at(*place)));
            }
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

    /// Whether a key is ready whose group isn't full, as far as is known.
    pub(crate) fn has_ready(&self) -> bool {
        self.lanes.iter().any(|lane| !lane.is_empty())
    }

    /// Whether another key is ready, falls due until then, or waits only for others of this group to end.
    pub(crate) fn has_more(&self, group: Option<&G>, until: Instant) -> bool {
        let parked = |group: &Group<K>| group.parked.iter().map(VecDeque::len).sum::<usize>() > group.stale;
        self.has_ready()
            || self.next_timer().is_some_and(|due| due <= until)
            || group.and_then(|name| self.groups.get(name)).is_some_and(parked)
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

    /// The oldest trigger that something waits or runs for: nobody needs an answer to an older one. `now` if there is
    /// none.
    pub(crate) fn oldest_trigger(&self, now: Instant) -> Instant {
        let triggers = self.entries.values().filter_map(|entry| match entry.state {
            State::Idle => None,
            State::Ready(_) | State::Parked(_) => Some(entry.asked),
            State::Running(_) => Some(entry.running),
        });
        triggers.chain(self.next_timer()).min().map_or(now, |oldest| oldest.min(now))
    }
}

impl<G> Entry<G> {
    fn is_parked_at(&self, place: u64) -> bool {
        matches!(self.state, State::Parked(_)) && self.place == place
    }
}

impl<K> Default for Group<K> {
    fn default() -> Self {
        Self { running: 0, parked: Default::default(), stale: 0, turns: 0 }
    }
}

/// `failures` is at least 1. What failed together doesn't come back together: each key waits up to a fifth less, always
/// by the same share.
fn backoff(failures: u32, key: &impl Hash) -> Duration {
    let doublings = failures.saturating_sub(1).min(16);
    let longest = (BACKOFF_BASE * 2_u32.pow(doublings)).min(BACKOFF_CAP);
    longest - longest / 5 * share(key, 1000) / 1000
}

#[cfg(test)]
mod tests;
