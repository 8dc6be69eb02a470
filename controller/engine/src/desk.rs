//! Where the reads of one store wait for their turn: permits, batches, the breaker, the pace, and the probes.
//!
//! Everything here is a store's own: another store's trouble takes none of its turns. Turns to write are in `writing`, the
//! order of reads in `line`. Deliberately not here: who shares an answer (`flights.rs`), and the rules of breaker and pace
//! (`breaker.rs`, `pace.rs`).

pub(crate) mod line;
mod writing;

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use provider::{Calls, Error, ErrorKind, Find, Payload, Place, Provider, ReadKey};
use secret::SecretMap;
use telemetry::{CallStatus, Metrics};
use tokio::sync::{Notify, mpsc, oneshot};

use crate::breaker::{Breaker, Change, Sign};
use crate::clock;
use crate::desk::line::{LINGER, Line, Waiting};
use crate::flights::{Began, panicked};
use crate::handle::{Asker, FIND};
use crate::identity::StoreIdentity;
use crate::pace::Pace;
use crate::writes::EXISTS as LOOK;

/// Calls at a time that may hold several reads. While as many are up, what comes waits, and goes together when one ends.
const TOGETHER: usize = 4;
/// Questions that are remembered for probes: with one alone, a single key in trouble would keep the breaker open.
const SUSPECTS: usize = 8;
/// Probes at a time: a store that swallows calls gets no heap of them, and still a new one every five seconds of a probe's
/// deadline.
const PROBES: usize = 8;

/// Who listens for stores that can be reached again.
pub(crate) type Recovered = Arc<Mutex<Option<mpsc::UnboundedSender<StoreIdentity>>>>;

/// What a probe asks again.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Question {
    Read(ReadKey),
    Find(Find),
    /// A refused write is asked for as a look: it writes nothing.
    Exists(Place),
}

struct State {
    /// Reads that could go with others, and reads that can't.
    together: Line,
    alone: Line,
    in_flight: usize,
    in_flight_together: usize,
    writes: usize,
    breaker: Breaker,
    pace: Pace,
    suspects: VecDeque<Question>,
    probes: usize,
    prober: bool,
    retired: bool,
}

impl State {
    fn refusal(&mut self, question: impl FnOnce() -> Question, now: Instant) -> Option<Error> {
        if let Some(error) = self.breaker.refusal().cloned() {
            self.suspect(question());
            return Some(error);
        }
        self.pace.refusal(now)
    }

    fn suspect(&mut self, question: Question) {
        if self.suspects.contains(&question) {
            return;
        }
        if self.suspects.len() >= SUSPECTS {
            self.suspects.pop_front();
        }
        self.suspects.push_back(question);
    }

    /// The reads of the next call, if there is a permit for one.
    fn next_call(&mut self, batch: impl Fn(&ReadKey) -> usize, now: Instant) -> Option<Call> {
        if self.in_flight >= self.pace.limit() {
            return None;
        }
        let most = self.together.first().map_or(0, |first| batch(&first.key).max(1));
        // The backend may have refused batches since these came: then they go like all others.
        let together = most > 1;
        let mut reads = Vec::new();
        let waits = together && (self.in_flight_together >= TOGETHER || self.together.lingers(most, now));
        if most > 0 && !waits {
            reads = self.together.take(most);
        }
        if reads.is_empty() {
            reads = self.alone.take(1);
        }
        let first = reads.first()?;
        let together = together && batch(&first.key) > 1;
        self.in_flight += 1;
        self.in_flight_together += usize::from(together);
        Some(Call { reads, together })
    }
}

struct Call {
    reads: Vec<Waiting>,
    /// Whether it counts among [`TOGETHER`].
    together: bool,
}

/// See the module.
pub(crate) struct Desk {
    provider: Arc<dyn Provider>,
    identity: StoreIdentity,
    metrics: Arc<Metrics>,
    deadline: Duration,
    find_deadline: Duration,
    recovered: Recovered,
    state: Mutex<State>,
    /// A write has ended.
    write_ended: Notify,
}

impl Desk {
    pub(crate) fn new(
        provider: Arc<dyn Provider>,
        identity: StoreIdentity,
        metrics: Arc<Metrics>,
        limits: &crate::Limits,
        recovered: Recovered,
    ) -> Self {
        let patience = provider.patience().unwrap_or_default().min(limits.longest_deadline);
        let state = State {
            together: Line::default(),
            alone: Line::default(),
            in_flight: 0,
            in_flight_together: 0,
            writes: 0,
            breaker: Breaker::new(&identity),
            pace: Pace::new(limits.in_flight),
            suspects: VecDeque::new(),
            probes: 0,
            prober: false,
            retired: false,
        };
        let desk = Self {
            provider,
            identity,
            metrics,
            deadline: limits.deadline.max(patience),
            find_deadline: limits.find_deadline,
            recovered,
            state: Mutex::new(state),
            write_ended: Notify::new(),
        };
        desk.tell_breaker(0);
        desk
    }

    /// Reads one key when it is its turn: before all that isn't urgent, if it is.
    pub(crate) async fn read(self: &Arc<Self>, key: &ReadKey, began: Began, asker: Asker) -> Result<Payload, Error> {
        let Asker { since: _, urgent, followed } = asker;
        let now = clock::now();
        let deadline = now + self.deadline;
        let together = self.provider.batch(key) > 1;
        let (answer, mut answered) = oneshot::channel();
        {
            let mut state = self.lock();
            if let Some(refused) = state.refusal(|| Question::Read(key.clone()), now) {
                return Err(refused);
            }
            let waiting = Waiting { key: key.clone(), began: began.clone(), came: now, deadline, answer };
            let line = if together { &mut state.together } else { &mut state.alone };
            line.push(waiting, urgent, followed);
        }
        // What the same object asks for beside it comes along.
        tokio::task::yield_now().await;
        self.pump();
        if together {
            tokio::select! {
                biased;
                answer = &mut answered => return answer.unwrap_or_else(|_| Err(panicked())),
                () = tokio::time::sleep_until((now + LINGER).into()) => self.pump(),
            }
        }
        let answer = tokio::select! {
            biased;
            answer = &mut answered => answer,
            () = tokio::time::sleep_until(deadline.into()) => {
                if began.get().is_none() {
                    return Err(no_turn(self.provider.call_name(key), self.deadline));
                }
                // The call has a deadline of its own, that of its last read.
                answered.await
            }
        };
        answer.unwrap_or_else(|_| Err(panicked()))
    }

    /// Whether a find may be made now.
    ///
    /// # Errors
    /// What is told to all while it may not.
    pub(crate) fn admits(&self, find: &Find) -> Result<(), Error> {
        match self.lock().refusal(|| Question::Find(find.clone()), clock::now()) {
            Some(refused) => Err(refused),
            None => Ok(()),
        }
    }

    /// Makes a find, whose permit and deadline are the caller's. One that is given up in between is no sign of the store:
    /// more often it looks for too much.
    pub(crate) async fn find(self: &Arc<Self>, find: &Find, began: &Began) -> Result<SecretMap, Error> {
        self.admits(find)?;
        let now = clock::now();
        began.set(now);
        let answer = self.provider.find(find, &self.calls()).await;
        self.ended(&[Question::Find(find.clone())], &[answer.as_ref().err()], now);
        answer
    }

    pub(crate) fn deadline(&self) -> Duration {
        self.deadline
    }

    pub(crate) fn identity(&self) -> &StoreIdentity {
        &self.identity
    }

    /// No turns are given for its sake any more: no probes, no news. Who waits still gets an answer.
    pub(crate) fn retire(&self) {
        let mut state = self.lock();
        if !state.retired && state.breaker.refusal().is_some() {
            self.tell_breaker(-1);
        }
        state.retired = true;
    }

    pub(crate) fn is_retired(&self) -> bool {
        self.lock().retired
    }

    /// Makes whatever calls there are permits for, or refuses all that wait.
    fn pump(self: &Arc<Self>) {
        let now = clock::now();
        loop {
            let mut state = self.lock();
            if let Some(refused) = state.breaker.refusal().cloned().or_else(|| state.pace.refusal(now)) {
                let open = state.breaker.refusal().is_some();
                let mut waiting = state.together.take(usize::MAX);
                waiting.append(&mut state.alone.take(usize::MAX));
                if open {
                    waiting.iter().for_each(|waiting| state.suspect(Question::Read(waiting.key.clone())));
                }
                drop(state);
                for waiting in waiting {
                    // Nobody may listen any more.
                    waiting.answer.send(Err(refused.clone())).ok();
                }
                return;
            }
            let Some(call) = state.next_call(|key| self.provider.batch(key), now) else { return };
            drop(state);
            tokio::spawn(self.clone().call(call));
        }
    }

    async fn call(self: Arc<Self>, call: Call) {
        let Call { reads, together } = call;
        // Even by a panic the permit comes back.
        let _leaving = Leaving { desk: self.clone(), together };
        let began = clock::now();
        reads.iter().for_each(|read| read.began.set(began));
        let deadline = reads.iter().map(|read| read.deadline).max().unwrap_or(began);
        let keys: Vec<ReadKey> = reads.iter().map(|read| read.key.clone()).collect();
        let name = |key| self.provider.call_name(key);
        let work = tokio::time::timeout_at(deadline.into(), async {
            match keys.as_slice() {
                [key] => {
                    let answer = self.provider.read(key).await;
                    self.metrics.provider_call(self.provider.metric_name(), name(key), status(answer.is_ok()));
                    vec![answer]
                }
                keys => {
                    self.metrics.batched_reads(self.provider.metric_name(), keys.len());
                    self.provider.read_many(keys, &self.calls()).await
                }
            }
        });
        let answers = work.await.unwrap_or_else(|_| {
            let late = |key| {
                self.metrics.provider_call(self.provider.metric_name(), name(key), CallStatus::Error);
                Err(late(name(key), self.deadline))
            };
            keys.iter().map(late).collect()
        });
        let questions: Vec<Question> = keys.into_iter().map(Question::Read).collect();
        let errors: Vec<Option<&Error>> = answers.iter().map(|answer| answer.as_ref().err()).collect();
        self.ended(&questions, &errors, began);
        for (read, answer) in reads.into_iter().zip(answers) {
            // Nobody may listen any more.
            read.answer.send(answer).ok();
        }
    }

    /// Counts the calls that a provider makes within one.
    pub(crate) fn calls(&self) -> Counter {
        Counter { provider: self.provider.metric_name(), metrics: self.metrics.clone() }
    }

    /// Draws the conclusions from a call that began at `began`.
    fn ended(self: &Arc<Self>, questions: &[Question], errors: &[Option<&Error>], began: Instant) {
        let now = clock::now();
        let signs = errors.iter().map(|error| Sign::of(*error));
        // One key that was answered shows that the store answers.
        let sign = signs.reduce(|all, one| if all == Sign::Alive { all } else { one }).unwrap_or(Sign::Alive);
        let throttle = errors.iter().flatten().find(|error| error.kind() == ErrorKind::Throttled);
        // That there is no such key is an answer like any other; other failures say nothing of the pace.
        let other = errors.iter().flatten().find(|error| error.kind() != ErrorKind::NotFound);
        let mut state = self.lock();
        let in_flight = (state.in_flight + state.writes).max(1);
        if state.pace.ended(throttle.or(other).copied(), began, in_flight, now) && !state.retired {
            let StoreIdentity { kind, namespace, name, uid: _, generation: _, consumer: _ } = &self.identity;
            self.metrics.throttled(kind, namespace, name);
        }
        if sign != Sign::Alive {
            questions.iter().for_each(|question| state.suspect(question.clone()));
        }
        let change = state.breaker.ended(sign, now);
        if change == Change::Closed {
            state.suspects.clear();
        }
        if state.retired {
            return;
        }
        let StoreIdentity { kind, namespace, name, uid: _, generation: _, consumer } = &self.identity;
        match change {
            Change::Nothing => {}
            Change::Opened => {
                let error = state.breaker.refusal().map(ToString::to_string);
                let starts = !std::mem::replace(&mut state.prober, true);
                drop(state);
                let text = "the store cannot be reached; its reads are refused until it answers a probe";
                tracing::warn!(kind, namespace, name, consumer, error, "{text}");
                self.tell_breaker(1);
                if starts {
                    tokio::spawn(self.clone().probe());
                }
            }
            Change::Closed => {
                drop(state);
                tracing::info!(kind, namespace, name, consumer, "the store can be reached again");
                self.tell_breaker(-1);
                let listener = self.recovered.lock().unwrap_or_else(PoisonError::into_inner).clone();
                if let Some(listener) = listener {
                    // Whoever listened may have ended.
                    listener.send(self.identity.clone()).ok();
                }
            }
        }
    }

    /// Asks again what was refused, until the breaker closes: nobody else comes while the objects back off.
    async fn probe(self: Arc<Self>) {
        loop {
            let at = {
                let mut state = self.lock();
                let at = state.breaker.probe_at().filter(|_| !state.retired);
                let Some(at) = at else {
                    state.prober = false;
                    return;
                };
                at
            };
            tokio::time::sleep_until(at.into()).await;
            let question = {
                let mut state = self.lock();
                let now = clock::now();
                if state.retired || state.breaker.probe_at().is_none_or(|at| at > now) {
                    continue;
                }
                state.breaker.probing(now);
                if state.probes >= PROBES || state.suspects.is_empty() {
                    continue;
                }
                state.probes += 1;
                state.suspects.rotate_left(1);
                state.suspects.back().cloned()
            };
            if let Some(question) = question {
                tokio::spawn(self.clone().ask_again(question));
            }
        }
    }

    async fn ask_again(self: Arc<Self>, question: Question) {
        let _probing = Probing(self.clone());
        let began = clock::now();
        let error = match &question {
            Question::Read(key) => {
                let name = self.provider.call_name(key);
                let answer = tokio::time::timeout(self.deadline, self.provider.read(key)).await;
                let error = answer.unwrap_or_else(|_| Err(late(name, self.deadline))).err();
                self.metrics.provider_call(self.provider.metric_name(), name, status(error.is_none()));
                error
            }
            Question::Find(find) => {
                let calls = self.calls();
                let answer = tokio::time::timeout(self.find_deadline, self.provider.find(find, &calls)).await;
                answer.unwrap_or_else(|_| Err(late(FIND, self.find_deadline))).err()
            }
            Question::Exists(place) => match self.provider.writer() {
                Some(writer) => {
                    let calls = self.calls();
                    let answer = tokio::time::timeout(self.deadline, writer.exists(place, &calls)).await;
                    answer.unwrap_or_else(|_| Err(late(LOOK, self.deadline))).err()
                }
                None => None,
            },
        };
        self.ended(&[question], &[error.as_ref()], began);
    }

    fn tell_breaker(&self, change: i64) {
        let StoreIdentity { kind, namespace, name, uid: _, generation: _, consumer: _ } = &self.identity;
        self.metrics.breaker_open(kind, namespace, name, change);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Gives a call's permit back.
struct Leaving {
    desk: Arc<Desk>,
    together: bool,
}

impl Drop for Leaving {
    fn drop(&mut self) {
        {
            let mut state = self.desk.lock();
            state.in_flight -= 1;
            state.in_flight_together -= usize::from(self.together);
        }
        // Not when the runtime goes away with all that waits.
        if tokio::runtime::Handle::try_current().is_ok() {
            self.desk.pump();
        }
    }
}

struct Probing(Arc<Desk>);

impl Drop for Probing {
    fn drop(&mut self) {
        self.0.lock().probes -= 1;
    }
}

/// Counts calls in the metric.
pub(crate) struct Counter {
    provider: &'static str,
    metrics: Arc<Metrics>,
}

impl Calls for Counter {
    fn made(&self, call: &'static str, succeeded: bool) {
        self.metrics.provider_call(self.provider, call, status(succeeded));
    }
}

fn status(succeeded: bool) -> CallStatus {
    if succeeded { CallStatus::Success } else { CallStatus::Error }
}

pub(crate) fn late(operation: &'static str, deadline: Duration) -> Error {
    let text = format!(
        "the provider did not answer within {} s; check that its address can be reached from the controller",
        deadline.as_secs()
    );
    Error::new(ErrorKind::Timeout, operation, text)
}

/// No call was made, so this is no sign of the store.
fn no_turn(operation: &'static str, deadline: Duration) -> Error {
    let text = format!(
        "the read had no turn within {} s: other reads of this store take all its calls; check whether the provider is \
         slow or throttles",
        deadline.as_secs()
    );
    Error::new(ErrorKind::Timeout, operation, text)
}
