//! Identical reads in flight become one, and so do identical finds.

use std::collections::HashMap;
use std::future::Future;
use std::hash::Hash;
use std::sync::{Arc, Mutex, PoisonError};

use futures::FutureExt;
use futures::future::{BoxFuture, Shared};
use provider::{Error, ErrorKind};

/// What every asker of one read gets.
pub(crate) type Answer<V> = Result<Arc<V>, Error>;

type Flight<V> = Shared<BoxFuture<'static, Answer<V>>>;
type Flights<K, V> = Arc<Mutex<HashMap<K, Flight<V>>>>;

/// The reads of one store that are under way.
///
/// A read may only answer those who asked before it ended; nothing is kept once it has. That is the strictest
/// freshness rule, and it already merges the references of one object and the objects that start together.
pub(crate) struct Coalesce<K, V> {
    flights: Flights<K, V>,
}

impl<K, V> Default for Coalesce<K, V> {
    fn default() -> Self {
        Self { flights: Arc::default() }
    }
}

impl<K, V> Coalesce<K, V>
where
    K: Clone + Eq + Hash + Send + 'static,
    V: Send + Sync + 'static,
{
    /// Joins the read of `key` that is under way, or starts one with `read`. The flag is true for a joiner.
    pub(crate) fn join<F>(&self, key: &K, read: impl FnOnce() -> F) -> (Flight<V>, bool)
    where
        F: Future<Output = Answer<V>> + Send + 'static,
    {
        let mut flights = self.flights.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(flight) = flights.get(key) {
            return (flight.clone(), true);
        }
        let (table, own_key, work) = (self.flights.clone(), key.clone(), read());
        // A task of its own: it goes on when the asker that began it goes away, so that a joiner never inherits a
        // read that stood still.
        let task = tokio::spawn(async move {
            let _landing = Landing { table, key: own_key };
            work.await
        });
        let flight = async move {
            task.await.unwrap_or_else(|_| {
                Err(Error::new(
                    ErrorKind::Malformed,
                    "Read",
                    "the provider's answer could not be handled; this is a bug, please report it",
                ))
            })
        }
        .boxed()
        .shared();
        flights.insert(key.clone(), flight.clone());
        (flight, false)
    }
}

/// Takes the flight off the table when its read ends, even by a panic, so that no key is stuck for ever.
struct Landing<K: Eq + Hash, V> {
    table: Flights<K, V>,
    key: K,
}

impl<K: Eq + Hash, V> Drop for Landing<K, V> {
    fn drop(&mut self) {
        // Taken out under the lock, dropped after it.
        let flight = self.table.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.key);
        drop(flight);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use provider::{Payload, ReadKey};
    use secret::SecretBytes;
    use tokio::sync::Notify;

    use super::*;

    fn key(name: &str) -> ReadKey {
        ReadKey { key: name.into(), version: None, metadata: false }
    }

    /// Starts one read for each key, all before any may end; answers how many reads were made.
    async fn reads_made(keys: &[&str]) -> usize {
        let (reads, gate) = (Arc::new(AtomicUsize::new(0)), Arc::new(Notify::new()));
        let coalesce: Coalesce<ReadKey, Payload> = Coalesce::default();
        let flights: Vec<_> = keys
            .iter()
            .map(|name| {
                let (reads, gate) = (reads.clone(), gate.clone());
                coalesce
                    .join(&key(name), || async move {
                        reads.fetch_add(1, Ordering::SeqCst);
                        gate.notified().await;
                        Ok(Arc::new(Payload(SecretBytes::from("value"))))
                    })
                    .0
            })
            .collect();
        tokio::task::yield_now().await;
        for _ in keys {
            gate.notify_one();
            tokio::task::yield_now().await;
        }
        gate.notify_waiters();
        for answer in futures::future::join_all(flights).await {
            assert_eq!(answer.unwrap().0.expose(), b"value");
        }
        reads.load(Ordering::SeqCst)
    }

    #[tokio::test]
    async fn identical_reads_in_flight_are_one() {
        assert_eq!(reads_made(&["db", "db", "db"]).await, 1);
    }

    #[tokio::test]
    async fn different_keys_are_read_apart() {
        assert_eq!(reads_made(&["db", "mail", "db"]).await, 2);
    }

    #[tokio::test]
    async fn an_answer_is_not_kept_once_the_read_has_ended() {
        let coalesce: Coalesce<ReadKey, Payload> = Coalesce::default();
        let mut joined = Vec::new();
        for _ in 0..2 {
            let (flight, second) = coalesce.join(&key("db"), || async { Err(Error::not_found("Get")) });
            joined.push(second);
            assert!(flight.await.is_err());
        }
        assert_eq!(joined, [false, false]);
    }

    #[tokio::test]
    async fn a_read_that_panics_frees_its_key() {
        let coalesce: Coalesce<ReadKey, Payload> = Coalesce::default();
        let (flight, _) = coalesce.join(&key("db"), || async { panic!("provider bug") });
        assert!(flight.await.is_err());
        assert!(!coalesce.join(&key("db"), || async { Err(Error::not_found("Get")) }).1);
    }
}
