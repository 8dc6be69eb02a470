//! Decides whether something stands still that a restart would help. Pure: what was seen and the time come in.

use std::time::{Duration, Instant};

/// A watch has an answer every half minute ([`crate::ingest::WATCH_SECONDS`]); six in a row don't get lost by chance.
const WATCH_SILENCE: Duration = Duration::from_secs(180);
/// Without any answer for so long the API server is away, and nobody is to blame for silence.
const SERVER_SILENCE: Duration = Duration::from_secs(60);
/// No worker may be free and no key be taken for this many looks, one every [`LOOK`], while keys wait.
const LOOKS: u32 = 24;
/// How often the queues are looked at.
pub(crate) const LOOK: Duration = Duration::from_secs(5);
/// Opening a store and reading from it, twice over if an answer was too old, ends before this whatever the store's
/// retrySettings are; if all workers pass it, nothing moves.
const ALL_BUSY: Duration = Duration::from_secs(15 * 60);
/// Even a long list of calls that all run into their deadlines is through by then.
const ONE_BUSY: Duration = Duration::from_secs(30 * 60);
/// The looks themselves are missing.
const NO_LOOK: Duration = Duration::from_secs(120);

/// When the API server answered, whatever it said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Answers {
    /// Since when it has answered without a long pause.
    since: Instant,
    last: Instant,
}

impl Answers {
    /// An answer came in at `now`.
    pub(crate) fn after(before: Option<Self>, now: Instant) -> Self {
        match before {
            Some(Self { since, last }) if now.saturating_duration_since(last) <= SERVER_SILENCE => {
                Self { since, last: now }
            }
            Some(_) | None => Self { since: now, last: now },
        }
    }
}

/// How many looks in a row a queue stood still. Counted in looks and not in seconds, so that a process that was itself
/// stopped for a while isn't blamed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Standstill {
    looks: u32,
    taken: u64,
}

impl Standstill {
    /// One more look: do keys wait, is a worker free, and how many keys were taken so far?
    pub(crate) fn look(self, waiting: bool, free: bool, taken: u64) -> Self {
        let still = waiting && free && taken == self.taken;
        Self { looks: if still { self.looks.saturating_add(1) } else { 0 }, taken }
    }
}

/// One queue with its workers.
#[derive(Clone, Debug)]
pub(crate) struct CrewSeen {
    pub(crate) queue: &'static str,
    /// None before they are started.
    pub(crate) workers: usize,
    /// When the work that is under way began.
    pub(crate) running: Vec<Instant>,
    pub(crate) standstill: Standstill,
}

/// All that is judged.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) answers: Option<Answers>,
    /// Each watch, and when it last had an answer.
    pub(crate) watches: Vec<(String, Instant)>,
    pub(crate) crews: Vec<CrewSeen>,
    /// When the queues were last looked at.
    pub(crate) looked: Instant,
}

/// What stands still, for whoever reads the probe's answer; nothing if all is well.
pub(crate) fn stuck(seen: &Seen, now: Instant) -> Vec<String> {
    let Seen { answers, watches, crews, looked } = seen;
    let age = |then: Instant| now.saturating_duration_since(then);
    let mut found = Vec::new();
    if let Some(Answers { since, last }) = *answers
        && age(last) <= SERVER_SILENCE
    {
        for (watch, heard) in watches {
            let silence = age((*heard).max(since));
            if silence > WATCH_SILENCE {
                let seconds = silence.as_secs();
                found
                    .push(format!("the watch of {watch} had no answer for {seconds} s, though the API server answers"));
            }
        }
    }
    for CrewSeen { queue, workers, running, standstill } in crews {
        if standstill.looks >= LOOKS {
            let seconds = LOOK.as_secs() * u64::from(standstill.looks);
            found.push(format!("no key of the queue {queue} was taken for {seconds} s, though a worker is free"));
        }
        let oldest = running.iter().map(|began| age(*began)).max().unwrap_or_default();
        let newest = running.iter().map(|began| age(*began)).min().unwrap_or_default();
        if *workers > 0 && running.len() >= *workers && newest > ALL_BUSY {
            found.push(format!("all workers of the queue {queue} are at one key for more than {} s", newest.as_secs()));
        } else if oldest > ONE_BUSY {
            found.push(format!("a worker of the queue {queue} is at one key for {} s", oldest.as_secs()));
        }
    }
    if age(*looked) > NO_LOOK {
        found.push(format!("the queues were not looked at for {} s", age(*looked).as_secs()));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Seconds after the start.
    fn at(start: Instant, seconds: u64) -> Instant {
        start + Duration::from_secs(seconds)
    }

    fn answers(start: Instant, times: impl IntoIterator<Item = u64>) -> Option<Answers> {
        times.into_iter().fold(None, |before, seconds| Some(Answers::after(before, at(start, seconds))))
    }

    fn quiet(now: Instant) -> Seen {
        Seen { answers: None, watches: Vec::new(), crews: Vec::new(), looked: now }
    }

    #[test]
    fn a_silent_watch_counts_only_while_the_api_server_answers() {
        let start = Instant::now();
        let every_30 = |from: u64, to: u64| (from..=to).step_by(30);
        // When the API server answered, when the watch was last heard, now, is it stuck?
        let rows: [(&str, Vec<u64>, u64, u64, bool); 7] = [
            ("heard a moment ago", every_30(0, 600).collect(), 590, 600, false),
            ("silent for less than three minutes", every_30(0, 600).collect(), 420, 600, false),
            ("silent for longer", every_30(0, 600).collect(), 419, 600, true),
            ("nobody hears anything", every_30(0, 300).collect(), 300, 900, false),
            ("the server is back just now", every_30(0, 300).chain([900]).collect(), 300, 900, false),
            ("the server is back for long", every_30(0, 300).chain(every_30(900, 1110)).collect(), 300, 1110, true),
            ("never an answer at all", vec![], 0, 600, false),
        ];
        for (what, answered, heard, now, want) in rows {
            let now = at(start, now);
            let seen = Seen {
                answers: answers(start, answered),
                watches: vec![("/api/v1/secrets".into(), at(start, heard)), ("/other".into(), now)],
                ..quiet(now)
            };
            let found = stuck(&seen, now);
            assert_eq!(!found.is_empty(), want, "{what}: {found:?}");
            assert!(found.iter().all(|text| text.contains("/api/v1/secrets")), "{what}: {found:?}");
        }
    }

    #[test]
    fn workers_are_stuck_when_all_are_or_one_for_very_long() {
        let now = Instant::now() + Duration::from_secs(10_000);
        let rows: [(&str, usize, &[u64], &str); 7] = [
            ("not started", 0, &[], ""),
            ("idle", 2, &[], ""),
            ("busy", 2, &[1, 899], ""),
            ("one is slow", 2, &[1, 1799], ""),
            ("all are slow", 2, &[901, 1000], "all workers of the queue q are at one key for more than 901 s"),
            ("the only one is slow", 1, &[901], "all workers of the queue q are at one key for more than 901 s"),
            ("one never ends", 2, &[1801], "a worker of the queue q is at one key for 1801 s"),
        ];
        for (what, workers, ages, want) in rows {
            let running = ages.iter().map(|age| now - Duration::from_secs(*age)).collect();
            let crew = CrewSeen { queue: "q", workers, running, standstill: Standstill::default() };
            let found = stuck(&Seen { crews: vec![crew], ..quiet(now) }, now);
            assert_eq!(found.join("; "), want, "{what}");
        }
    }

    #[test]
    fn a_queue_stands_still_when_keys_wait_for_a_free_worker() {
        let now = Instant::now();
        let is_stuck = |looks: &[(bool, bool, u64)]| {
            let standstill =
                looks.iter().fold(Standstill::default(), |it, (waiting, free, taken)| it.look(*waiting, *free, *taken));
            let crew = CrewSeen { queue: "q", workers: 1, running: Vec::new(), standstill };
            !stuck(&Seen { crews: vec![crew], ..quiet(now) }, now).is_empty()
        };
        type Looks = Vec<(bool, bool, u64)>;
        let rows: [(&str, Looks, bool); 6] = [
            ("two minutes", vec![(true, true, 0); 24], true),
            ("a little less", vec![(true, true, 0); 23], false),
            ("nothing waits", vec![(false, true, 0); 100], false),
            ("all are busy", vec![(true, false, 0); 100], false),
            ("keys are taken", (0..100).map(|taken| (true, true, taken)).collect(), false),
            ("it went on", [vec![(true, true, 5); 100], vec![(true, true, 6)]].concat(), false),
        ];
        for (what, looks, want) in rows {
            assert_eq!(is_stuck(&looks), want, "{what}");
        }
    }

    #[test]
    fn looks_that_stop_are_told_too() {
        let start = Instant::now();
        let seen = quiet(start);
        assert_eq!(stuck(&seen, at(start, 120)), Vec::<String>::new());
        assert_eq!(stuck(&seen, at(start, 121)), ["the queues were not looked at for 121 s"]);
    }
}
