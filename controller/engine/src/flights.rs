//! Who may share whose answer: the freshness rule.
//!
//! An answer may be given to an asker only if its read began at or after the asker's trigger: what made it ask, such as
//! a changed object or a due refresh. So nobody sees a value that is older than its question, and still thousands of
//! askers with triggers before one read cost that one read. A read that still waits for its turn hasn't begun:
//! everyone may join it.

use std::collections::HashMap;
use std::future::Future;
use std::hash::Hash;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Instant;

use futures::FutureExt;
use futures::future::{BoxFuture, Shared};
use provider::{Error, ErrorKind};

/// Reads of one key at a time: one that is too old for some, and one for these. Who is too late for both waits for one
/// to end, so that a storm of triggers never piles up reads.
const AT_A_TIME: usize = 2;

/// When a read began, once it has.
#[derive(Clone, Debug, Default)]
pub(crate) struct Began(Arc<OnceLock<Instant>>);

impl Began {
    /// The read begins.
    pub(crate) fn set(&self, now: Instant) {
        // A second call of the same read, such as one after a refused batch, only makes the answer fresher.
        self.0.get_or_init(|| now);
    }

    pub(crate) fn get(&self) -> Option<Instant> {
        self.0.get().copied()
    }
}

/// A read's outcome, for any number of askers.
pub(crate) type Landing<V> = Shared<BoxFuture<'static, Result<V, Error>>>;

struct Flight<V> {
    number: u64,
    began: Began,
    landing: Landing<V>,
}

struct Table<K, V> {
    flights: HashMap<K, Vec<Flight<V>>>,
    numbers: u64,
}

/// How a question is answered.
pub(crate) enum Way<V> {
    /// It was answered before.
    Kept(Result<V, Error>),
    /// Somebody's read under way answers it.
    Joined(Landing<V>),
    /// A read of its own.
    Started(Landing<V>),
    /// Ask again once this has landed.
    After(Landing<V>),
}

/// The reads of one store that are under way.
pub(crate) struct Flights<K, V> {
    table: Arc<Mutex<Table<K, V>>>,
}

impl<K, V> Default for Flights<K, V> {
    fn default() -> Self {
        Self { table: Arc::new(Mutex::new(Table { flights: HashMap::new(), numbers: 0 })) }
    }
}

impl<K, V> Flights<K, V>
where
    K: Clone + Eq + Hash + Send + 'static,
    V: Clone + Send + Sync + 'static,
{
    /// Looks for an answer that an asker with the trigger `asked` may share; one without takes any that is to come.
    /// `kept` is looked at if no read under way will do, and `read` starts one if that won't either.
    pub(crate) fn ask<F>(
        &self,
        key: &K,
        asked: Option<Instant>,
        kept: impl FnOnce() -> Option<Result<V, Error>>,
        read: impl FnOnce(Began) -> F,
    ) -> Way<V>
    where
        F: Future<Output = Result<V, Error>> + Send + 'static,
    {
        let mut table = self.table.lock().unwrap_or_else(PoisonError::into_inner);
        let fresh = |flight: &&Flight<V>| match (asked, flight.began.get()) {
            (None, _) | (_, None) => true,
            (Some(asked), Some(began)) => began >= asked,
        };
        let under_way = table.flights.get(key).map(Vec::as_slice).unwrap_or_default();
        if let Some(flight) = under_way.iter().find(fresh) {
            return Way::Joined(flight.landing.clone());
        }
        // Under the lock: a read keeps its answer before it leaves the table.
        if let Some(answer) = kept() {
            return Way::Kept(answer);
        }
        if let (AT_A_TIME.., Some(oldest)) = (under_way.len(), under_way.first()) {
            return Way::After(oldest.landing.clone());
        }
        table.numbers += 1;
        let (number, began) = (table.numbers, Began::default());
        let landed = Landed { table: self.table.clone(), key: key.clone(), number };
        let work = read(began.clone());
        // A task of its own: it goes on when the asker that began it goes away, so that a joiner never inherits a
        // read that stood still.
        let task = tokio::spawn(async move {
            let _landed = landed;
            work.await
        });
        let landing = async move { task.await.unwrap_or_else(|_| Err(panicked())) }.boxed().shared();
        table.flights.entry(key.clone()).or_default().push(Flight { number, began, landing: landing.clone() });
        Way::Started(landing)
    }
}

pub(crate) fn panicked() -> Error {
    let text = "the provider's answer could not be handled; this is a bug, please report it";
    Error::new(ErrorKind::Malformed, "Read", text)
}

/// Takes the flight off the table when its read ends, even by a panic, so that no key is stuck for ever.
struct Landed<K: Eq + Hash, V> {
    table: Arc<Mutex<Table<K, V>>>,
    key: K,
    number: u64,
}

impl<K: Eq + Hash, V> Drop for Landed<K, V> {
    fn drop(&mut self) {
        let mut table = self.table.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(flights) = table.flights.get_mut(&self.key) else { return };
        let at = flights.iter().position(|flight| flight.number == self.number);
        // Taken out under the lock, dropped after it.
        let landed = at.map(|at| flights.remove(at));
        if flights.is_empty() {
            table.flights.remove(&self.key);
        }
        drop(table);
        drop(landed);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::sync::Semaphore;

    use super::*;
    use crate::clock;

    /// Reads that begin at once and end when there is a permit. Askers come with triggers in seconds after the start and
    /// each a second after the other.
    async fn ways(triggers: &[u64]) -> String {
        let (flights, gate, start) = (Flights::<&str, ()>::default(), Arc::new(Semaphore::new(0)), clock::now());
        let mut shown = String::new();
        for trigger in triggers {
            let asked = start + Duration::from_secs(*trigger);
            let way = flights.ask(
                &"db",
                Some(asked),
                || None,
                |began| {
                    let gate = gate.clone();
                    async move {
                        began.set(clock::now());
                        gate.acquire().await.map(|_| ()).map_err(|_| Error::not_found("Get"))
                    }
                },
            );
            shown.push(match way {
                Way::Kept(_) => 'k',
                Way::Joined(_) => 'j',
                Way::Started(_) => 's',
                Way::After(_) => 'a',
            });
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        shown
    }

    #[tokio::test(start_paused = true)]
    async fn a_read_answers_only_triggers_that_came_before_it_began() {
        let cases: &[(&[u64], &str)] = &[
            (&[0, 0, 0], "sjj"),
            // Woken after the read began: another read.
            (&[0, 1], "ss"),
            // The second read serves all triggers before it, the first only its own.
            (&[0, 1, 1, 0, 0], "ssjjj"),
            // At most one newer read at a time: the third waits.
            (&[0, 1, 2, 3, 1], "ssaaj"),
        ];
        for (triggers, want) in cases {
            assert_eq!(ways(triggers).await, *want, "{triggers:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_read_that_waits_for_its_turn_is_joined_by_all() {
        let flights = Flights::<&str, ()>::default();
        let start = clock::now();
        let ask = |seconds| {
            let asked = start + Duration::from_secs(seconds);
            flights.ask(&"db", Some(asked), || None, |_| std::future::pending())
        };
        assert!(matches!(ask(0), Way::Started(_)));
        tokio::time::sleep(Duration::from_secs(10)).await;
        assert!(matches!(ask(9), Way::Joined(_)));
    }

    #[tokio::test]
    async fn a_read_that_panics_frees_its_key() {
        let flights = Flights::<&str, ()>::default();
        for _ in 0..2 {
            let way = flights.ask(&"db", None, || None, |_| async { panic!("provider bug") });
            let Way::Started(landing) = way else { panic!("the key is stuck") };
            assert!(landing.await.unwrap_err().to_string().contains("this is a bug"));
        }
    }

    #[tokio::test]
    async fn a_read_goes_on_when_its_asker_goes_away() {
        let (flights, gate) = (Flights::<&str, u8>::default(), Arc::new(Semaphore::new(0)));
        let read = |_| {
            let gate = gate.clone();
            async move {
                gate.acquire().await.map_err(|_| Error::not_found("Get"))?.forget();
                Ok(7)
            }
        };
        drop(flights.ask(&"db", None, || None, read));
        let Way::Joined(joined) = flights.ask(&"db", None, || None, |_| async { Ok(0) }) else { panic!("left alone") };
        gate.add_permits(1);
        assert_eq!(joined.await, Ok(7));
    }
}
