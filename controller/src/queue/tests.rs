//! The queue as a player sees it: what is handed out, when, and to whom.

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
    assert!(bad.iter().all(|key| (17..=20).contains(&tries[*key])), "{:?}", bad.iter().map(|key| tries[*key]).max());
    assert!(good.iter().all(|key| (6..=7).contains(&tries[*key])));

    // One that is new, or asked for, goes before all that fail.
    let later = now + BACKOFF_CAP * 2;
    queue.wake(2 * EACH, Lane::New, later);
    assert_eq!(pop(&mut queue, later), Some(2 * EACH));
}

#[test]
fn more_is_to_come_while_a_key_is_ready_is_due_soon_or_waits_for_its_own_group() {
    let now = Instant::now();
    let soon = now + Duration::from_secs(1);
    let mut queue: Queue<&str, char> = Queue::new(1);
    let group = |key: &&str| key.chars().next();
    let more = |queue: &Queue<&str, char>, own| queue.has_more(Some(&own), soon);
    for key in ["a1", "b1", "b2"] {
        queue.wake(key, Lane::New, now);
    }
    assert_eq!(queue.pop(now, group).map(|job| job.key), Some("a1"));
    assert!(more(&queue, 'a'), "b1 is ready");
    assert_eq!(queue.pop(now, group).map(|job| job.key), Some("b1"));
    assert_eq!(queue.pop(now, group), None);
    // b2 waits for b1, which may hang; nobody of another store should wait with it.
    assert!(more(&queue, 'b') && !more(&queue, 'a'));
    queue.done("a1", Next::At(soon), now);
    assert!(more(&queue, 'a'), "a1 falls due");
    queue.wake("a1", Lane::Asked, now);
    queue.pop(now, group);
    queue.done("a1", Next::At(soon + Duration::from_secs(9)), now);
    assert!(!more(&queue, 'a'));
}
