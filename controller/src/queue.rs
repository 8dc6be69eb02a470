//! Who is reconciled next, as plain data that is handed the time: one entry for each key, in lanes by reason, with
//! backoff by key, and so many keys of one store at a time.
//!
//! Deliberately not here: waiting for a key (`workqueue`), and what is done with it (`dispatch`).

use std::collections::hash_map::DefaultHasher;
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::hash::{Hash, Hasher as _};
use std::time::{Duration, Instant};

use telemetry::Lane;

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
        let entry = self.entries.entry(key.clone()).or_insert(Entry {
            state: State::Idle,
            failures: 0,
            due: None,
            asked: now,
            since: now,
            group: None,
            place: 0,
            running: now,
        });
        entry.asked = entry.asked.max(now);
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
                entry.asked = now;
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
                Some(wait + (wait / 50).min(SPREAD_CAP) * share(&key) / 1000)
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

    /// As [`Queue::has_ready`], in one lane.
    pub(crate) fn has_ready_in(&self, lane: Lane) -> bool {
        !self.lanes[lane as usize].is_empty()
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
    longest - longest / 5 * share(key) / 1000
}

/// A stable number below a thousand.
fn share(key: &impl Hash) -> u32 {
    let mut hasher = DefaultHasher::new();
    key.hash(&mut hasher);
    u32::try_from(hasher.finish() % 1000).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// No key shares anything with another.
    fn alone<K>(_: &K) -> Option<()> {
        None
    }

    fn queue(keys: &[(&'static str, Lane)]) -> Queue<&'static str, ()> {
        let mut queue = Queue::new(1);
        for (key, lane) in keys {
            queue.wake(*key, *lane, Instant::now());
        }
        queue
    }

    fn pop<K: Clone + Eq + Hash>(queue: &mut Queue<K, ()>, now: Instant) -> Option<K> {
        queue.pop(now, alone).map(|job| job.key)
    }

    fn drain(queue: &mut Queue<&'static str, ()>, now: Instant) -> Vec<&'static str> {
        std::iter::from_fn(|| pop(queue, now)).collect()
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
        assert_eq!(pop(&mut queue, now), Some("x"));
        queue.wake("x", Lane::Asked, now);
        assert_eq!(pop(&mut queue, now), None);
        queue.done("x", Next::After(Duration::from_secs(60)), now);
        assert_eq!(pop(&mut queue, now), Some("x"));
    }

    /// Its store hangs; then its manifest names another one.
    #[test]
    fn a_key_that_leaves_a_full_store_waits_for_it_no_more() {
        let now = Instant::now();
        let mut queue: Queue<usize, char> = Queue::new(1);
        (0..1000).for_each(|key| queue.wake(key, Lane::Asked, now));
        let hung = |_: &usize| Some('a');
        assert_eq!(queue.pop(now, hung).map(|job| job.key), Some(0));
        assert_eq!(queue.pop(now, hung), None);
        let group = |key: &usize| Some(if *key == 500 { 'b' } else { 'a' });
        // However often the others are woken, their old places don't pile up.
        for key in (0..20).flat_map(|_| 1..1000) {
            queue.wake(key, Lane::Asked, now);
            if let Some(job) = queue.pop(now, group) {
                assert_eq!((job.key, queue.depth(Lane::Asked)), (500, 998));
                queue.done(job.key, Next::OnChange, now);
            }
        }
        let places: usize = queue.groups[&'a'].parked.iter().map(VecDeque::len).sum();
        assert!(places < 2 * 998 + STALE + 2, "{places}");
        queue.done(0, Next::OnChange, now);
        let rest = std::iter::from_fn(|| {
            let job = queue.pop(now, hung)?;
            queue.done(job.key, Next::OnChange, now);
            Some(job.key)
        });
        assert_eq!(rest.count(), 998, "all but the one that left");
    }

    #[test]
    fn failures_double_up_to_seven_minutes_and_a_success_resets_them() {
        let waits: Vec<u64> = (1..=11).map(|failures| backoff(failures, &"x").as_millis() as u64).collect();
        let longest = [1, 2, 4, 8, 16, 32, 64, 128, 256, 420, 420].map(|seconds| seconds * 1000);
        let in_range = |(wait, longest): (&u64, u64)| (longest * 4 / 5..=longest).contains(wait);
        assert!(waits.iter().zip(longest).all(in_range), "{waits:?}");
        let now = Instant::now();
        let mut queue = queue(&[("x", Lane::New)]);
        for (next, wait) in [
            (Next::Backoff, backoff(1, &"x")),
            (Next::Backoff, backoff(2, &"x")),
            (Next::After(Duration::from_secs(9)), Duration::from_secs(9)),
            (Next::Backoff, backoff(1, &"x")),
        ] {
            assert_eq!(pop(&mut queue, now), Some("x"));
            queue.done("x", next, now);
            let timer = queue.next_timer().unwrap() - now;
            assert!(timer >= wait && timer <= wait + wait / 50, "{timer:?}");
            queue.wake("x", Lane::Asked, now);
        }
    }

    #[test]
    fn what_failed_together_comes_back_spread_and_each_always_after_the_same_time() {
        let waits: Vec<Duration> = (0..1000).map(|key| backoff(10, &key)).collect();
        let spread = waits.iter().max().zip(waits.iter().min()).map(|(last, first)| *last - *first);
        assert!(spread.is_some_and(|spread| spread > Duration::from_secs(80)), "{spread:?}");
        assert_eq!(waits, (0..1000).map(|key| backoff(10, &key)).collect::<Vec<_>>());
    }

    #[test]
    fn what_was_done_together_comes_back_a_little_apart() {
        let now = Instant::now();
        let mut queue: Queue<usize, ()> = Queue::new(1);
        for key in 0..1000 {
            queue.wake(key, Lane::New, now);
        }
        while let Some(key) = pop(&mut queue, now) {
            queue.done(key, Next::After(Duration::from_secs(3600)), now);
        }
        let times: Vec<Duration> = queue.timers.keys().map(|(due, _)| *due - now).collect();
        let (first, last) = (times[0].as_secs_f64(), times[999].as_secs_f64());
        assert!((3600.0..3601.0).contains(&first) && (3609.0..=3610.0).contains(&last), "{first} {last}");
    }

    #[test]
    fn a_job_tells_its_last_trigger_and_how_long_it_waited() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut queue: Queue<&str, ()> = Queue::new(1);
        queue.wake("x", Lane::New, at(0));
        queue.wake("x", Lane::Asked, at(2));
        assert_eq!(queue.oldest_trigger(at(5)), at(2));
        let job = queue.pop(at(5), alone);
        let want = Job { key: "x", lane: Lane::New, asked: at(2), waited: Duration::from_secs(5) };
        assert_eq!(job, Some(want));
        // Asked for while it runs: what runs still answers to its own trigger.
        queue.wake("x", Lane::Asked, at(6));
        assert_eq!(queue.oldest_trigger(at(7)), at(2));
        queue.done("x", Next::OnChange, at(7));
        let job = queue.pop(at(8), alone).map(|job| (job.asked, job.waited));
        assert_eq!(job, Some((at(6), Duration::from_secs(2))));
        queue.done("x", Next::After(Duration::from_secs(10)), at(8));
        let due = queue.next_timer().unwrap();
        let job = queue.pop(at(20), alone).map(|job| (job.asked, job.waited));
        assert_eq!(job, Some((due, at(20) - due)));
        queue.done("x", Next::OnChange, at(21));
        assert_eq!(queue.oldest_trigger(at(22)), at(22));
    }

    /// Ten keys of one store, of which two may run, beside one of another store.
    #[test]
    fn a_full_store_keeps_nobody_else_waiting() {
        let now = Instant::now();
        let mut queue: Queue<&str, char> = Queue::new(2);
        let slow = ["a0", "a1", "a2", "a3"];
        slow.iter().for_each(|key| queue.wake(key, Lane::Asked, now));
        queue.wake("b0", Lane::Periodic, now);
        let group = |key: &&str| key.chars().next();
        let take = |queue: &mut Queue<&'static str, char>| queue.pop(now, group).map(|job| job.key);
        assert_eq!([take(&mut queue), take(&mut queue)], [Some("a0"), Some("a1")]);
        assert_eq!([take(&mut queue), take(&mut queue)], [Some("b0"), None]);
        assert_eq!(queue.depth(Lane::Asked), 2, "what waits for its store still waits");
        // The more urgent one goes first, also if it came last.
        queue.wake("a4", Lane::New, now);
        assert_eq!(take(&mut queue), None);
        queue.wake("a3", Lane::New, now);
        assert_eq!(take(&mut queue), None);
        let mut order = Vec::new();
        let mut running = vec!["a0", "a1"];
        while let Some(ended) = running.pop() {
            queue.done(ended, Next::OnChange, now);
            while let Some(key) = take(&mut queue) {
                order.push(key);
                running.push(key);
            }
        }
        assert_eq!(order, ["a4", "a3", "a2"]);
        assert!(queue.groups.values().all(|group| group.running == 1), "only b0 still runs: {:?}", queue.groups);
    }

    #[test]
    fn no_lane_starves() {
        let mut queue = Queue::new(1);
        let now = Instant::now();
        queue.wake(usize::MAX, Lane::Periodic, now);
        let served = (0..100).find(|turn| {
            queue.wake(*turn, Lane::New, now);
            pop(&mut queue, now) == Some(usize::MAX)
        });
        assert!(served.is_some_and(|turn| turn <= AGEING_TURNS as usize), "{served:?}");
    }

    /// An hour of a thousand objects that always fail and a thousand that never do.
    #[test]
    fn objects_that_fail_take_no_turn_from_those_that_don_t() {
        const EACH: usize = 1000;
        let interval = Duration::from_secs(600);
        let start = Instant::now();
        let mut queue = Queue::new(1);
        (0..2 * EACH).for_each(|key| queue.wake(key, Lane::New, start));
        let is_bad = |key: usize| key.is_multiple_of(2);
        let (mut now, mut tries, mut due) = (start, vec![0; 2 * EACH], vec![start; 2 * EACH]);
        while now <= start + Duration::from_secs(3600) {
            let mut round: Vec<usize> = Vec::new();
            while let Some(key) = pop(&mut queue, now) {
                tries[key] += 1;
                round.push(key);
                if is_bad(key) {
                    queue.done(key, Next::Backoff, now);
                } else {
                    assert_eq!(due[key], now, "{key} was not served when it was due");
                    queue.done(key, Next::After(interval), now);
                    due[key] = queue.entries[&key].due.map(|(due, _)| due).unwrap();
                }
            }
            // However often the bad ones come back, none comes twice in a round: a good one waits for each once at most.
            let turns = round.len();
            round.sort_unstable();
            round.dedup();
            assert_eq!(round.len(), turns);
            now = queue.next_timer().unwrap();
        }
        // 1 + 2 + … + 256 s and then every 7 minutes, or up to a fifth less.
        let (bad, good): (Vec<usize>, Vec<usize>) = (0..2 * EACH).partition(|key| is_bad(*key));
        assert!(
            bad.iter().all(|key| (17..=20).contains(&tries[*key])),
            "{:?}",
            bad.iter().map(|key| tries[*key]).max()
        );
        assert!(good.iter().all(|key| (6..=7).contains(&tries[*key])));

        // One that is new, or asked for, goes before all that fail.
        let later = now + BACKOFF_CAP * 2;
        queue.wake(2 * EACH, Lane::New, later);
        assert_eq!(pop(&mut queue, later), Some(2 * EACH));
    }
}
