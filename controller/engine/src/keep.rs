//! Answers that stay for a while after their read has ended: bounded by bytes and by age, the oldest go first.
//!
//! Deliberately not here: who may be given one (`flights.rs` asks with the asker's trigger). Values are wiped when they
//! are dropped, as all `SecretBytes` are.

use std::collections::{BTreeMap, HashMap};
use std::hash::Hash;
use std::ops::Deref;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use provider::{Error, ErrorKind, Find, Payload, ReadKey};
use secret::SecretMap;

use crate::clock;

/// How old a kept answer may become. It only bounds for how long values lie about that nobody may be given any more:
/// whether one may be given is a question of triggers.
const AGE: Duration = Duration::from_secs(60);
/// What an entry takes beside its key and value, so that many small ones count too.
const ENTRY: usize = 384;

/// What takes memory.
pub(crate) trait Weigh {
    /// Bytes, about.
    fn bytes(&self) -> usize;
}

impl Weigh for ReadKey {
    fn bytes(&self) -> usize {
        let Self { key, version, metadata: _ } = self;
        key.len() + version.as_ref().map_or(0, String::len)
    }
}

impl Weigh for Find {
    fn bytes(&self) -> usize {
        let Self { path, name, tags } = self;
        let text = |text: &Option<String>| text.as_ref().map_or(0, String::len);
        text(path) + text(name) + tags.iter().map(|(key, value)| key.len() + value.len()).sum::<usize>()
    }
}

impl Weigh for Payload {
    fn bytes(&self) -> usize {
        self.0.len()
    }
}

impl Weigh for SecretMap {
    fn bytes(&self) -> usize {
        self.iter().map(|(name, value)| ENTRY + name.len() + value.len()).sum()
    }
}

/// A value that counts for as long as anybody holds it.
#[derive(Debug)]
pub(crate) struct Counted<V> {
    value: V,
    bytes: usize,
    alive: Arc<AtomicUsize>,
}

impl<V: Default> Counted<V> {
    /// The value itself.
    pub(crate) fn take(mut self) -> V {
        std::mem::take(&mut self.value)
    }
}

impl<V> Deref for Counted<V> {
    type Target = V;

    fn deref(&self) -> &V {
        &self.value
    }
}

impl<V> Drop for Counted<V> {
    fn drop(&mut self) {
        self.alive.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

/// What every asker of one read gets.
pub(crate) type Answer<V> = Result<Arc<Counted<V>>, Error>;

struct Kept<V> {
    began: Instant,
    ticket: u64,
    bytes: usize,
    answer: Answer<V>,
}

/// Which handle asked, and what.
type Place<K> = (u64, K);

struct Table<K, V> {
    answers: HashMap<Place<K>, Kept<V>>,
    by_age: BTreeMap<(Instant, u64), Place<K>>,
    tickets: u64,
    /// Bytes of keys and entries; those of values are in [`Keep::alive`].
    bytes: usize,
    sweeping: bool,
}

impl<K: Clone + Eq + Hash, V> Table<K, V> {
    fn remove(&mut self, place: &Place<K>) {
        if let Some(kept) = self.answers.remove(place) {
            self.by_age.remove(&(kept.began, kept.ticket));
            self.bytes -= kept.bytes;
        }
    }

    /// Removes all that began before `instant`; answers when the oldest of the others began.
    fn forget_before(&mut self, instant: Instant) -> Option<Instant> {
        loop {
            let (&(began, _), place) = self.by_age.first_key_value()?;
            if began >= instant {
                return Some(began);
            }
            let place = place.clone();
            self.remove(&place);
        }
    }
}

/// The kept answers of all handles of an engine.
pub(crate) struct Keep<K, V> {
    table: Mutex<Table<K, V>>,
    /// Bytes of all values that are held by anybody: kept here, or given to an asker a moment ago.
    alive: Arc<AtomicUsize>,
    most: usize,
}

impl<K, V> Keep<K, V>
where
    K: Clone + Eq + Hash + Weigh + Send + 'static,
    V: Weigh + Send + Sync + 'static,
{
    /// Keeps at most `most` bytes, those counted that askers still hold.
    pub(crate) fn new(most: usize) -> Arc<Self> {
        let table = Table { answers: HashMap::new(), by_age: BTreeMap::new(), tickets: 0, bytes: 0, sweeping: false };
        Arc::new(Self { table: Mutex::new(table), alive: Arc::default(), most })
    }

    /// Begins to count a value.
    pub(crate) fn count(&self, value: V) -> Arc<Counted<V>> {
        let bytes = value.bytes();
        self.alive.fetch_add(bytes, Ordering::Relaxed);
        Arc::new(Counted { value, bytes, alive: self.alive.clone() })
    }

    /// The kept answer of a read that began at or after `asked`.
    pub(crate) fn fresh(&self, handle: u64, key: &K, asked: Instant) -> Option<Answer<V>> {
        let table = self.lock();
        let kept = table.answers.get(&(handle, key.clone())).filter(|kept| kept.began >= asked)?;
        Some(kept.answer.clone())
    }

    /// Keeps a value, or that there is none. Other failures aren't answers. `wanted` is asked last, under the lock: a
    /// handle that is retired keeps nothing.
    pub(crate) fn put(
        self: &Arc<Self>,
        (handle, key): Place<K>,
        began: Instant,
        answer: &Answer<V>,
        wanted: impl FnOnce() -> bool,
    ) {
        let error = match answer {
            Ok(_) => 0,
            Err(error) if error.kind() == ErrorKind::NotFound => error.to_string().len(),
            Err(_) => return,
        };
        // Twice, since the key is kept twice.
        let bytes = ENTRY + 2 * key.bytes() + error;
        let place = (handle, key);
        let mut table = self.lock();
        if !wanted() || table.answers.get(&place).is_some_and(|newer| newer.began > began) {
            return;
        }
        table.remove(&place);
        table.tickets += 1;
        let ticket = table.tickets;
        table.by_age.insert((began, ticket), place.clone());
        table.answers.insert(place, Kept { began, ticket, bytes, answer: answer.clone() });
        table.bytes += bytes;
        while table.bytes + self.alive.load(Ordering::Relaxed) > self.most {
            let Some(oldest) = table.by_age.first_key_value().map(|(_, place)| place.clone()) else { break };
            table.remove(&oldest);
        }
        if !table.sweeping && !table.answers.is_empty() {
            table.sweeping = true;
            tokio::spawn(sweep(self.clone()));
        }
    }

    /// Drops all answers of a handle.
    pub(crate) fn forget(&self, handle: u64) {
        self.forget_where(handle, |_| true);
    }

    /// Drops those answers of a handle whose key matches.
    pub(crate) fn forget_where(&self, handle: u64, matches: impl Fn(&K) -> bool) {
        let mut table = self.lock();
        let gone = |(of, key): &&Place<K>| *of == handle && matches(key);
        let places: Vec<Place<K>> = table.answers.keys().filter(gone).cloned().collect();
        places.iter().for_each(|place| table.remove(place));
    }

    /// Drops all answers of reads that began before `instant`.
    pub(crate) fn forget_before(&self, instant: Instant) {
        self.lock().forget_before(instant);
    }

    fn lock(&self) -> MutexGuard<'_, Table<K, V>> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Drops what is too old, until nothing is left: no value lies about because nobody asks.
async fn sweep<K, V>(keep: Arc<Keep<K, V>>)
where
    K: Clone + Eq + Hash + Weigh + Send + 'static,
    V: Weigh + Send + Sync + 'static,
{
    loop {
        let now = clock::now();
        let next = {
            let mut table = keep.lock();
            let oldest = match now.checked_sub(AGE) {
                Some(too_old) => table.forget_before(too_old),
                None => table.by_age.first_key_value().map(|((began, _), _)| *began),
            };
            let Some(oldest) = oldest else {
                table.sweeping = false;
                return;
            };
            oldest
        };
        tokio::time::sleep_until((next + AGE + Duration::from_millis(1)).into()).await;
    }
}

#[cfg(test)]
mod tests {
    use secret::SecretBytes;

    use super::*;

    const MOST: usize = 10_500;

    fn key(name: &str) -> ReadKey {
        ReadKey { key: name.to_owned(), version: None, metadata: false }
    }

    fn value(keep: &Keep<ReadKey, Payload>, bytes: usize) -> Answer<Payload> {
        Ok(keep.count(Payload(SecretBytes::new(vec![b'x'; bytes]))))
    }

    /// The names that are kept of handle 1, of `a` to `h`.
    fn kept(keep: &Keep<ReadKey, Payload>, asked: Instant) -> String {
        "abcdefgh".chars().filter(|name| keep.fresh(1, &key(&name.to_string()), asked).is_some()).collect()
    }

    #[tokio::test(start_paused = true)]
    async fn the_oldest_go_first_when_there_are_too_many_bytes() {
        let (keep, start) = (Keep::new(MOST), clock::now());
        for (second, name) in (0..).zip(["a", "b", "c", "d"]) {
            let began = start + Duration::from_secs(second);
            keep.put((1, key(name)), began, &value(&keep, 3000), || true);
        }
        assert_eq!(kept(&keep, start), "bcd");
        keep.put((1, key("e")), start, &value(&keep, MOST), || true);
        assert_eq!(kept(&keep, start), "", "larger than all that may be kept");
        assert_eq!(keep.alive.load(Ordering::Relaxed), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn what_askers_still_hold_counts() {
        let (keep, start) = (Keep::new(MOST), clock::now());
        let held = value(&keep, 8000);
        keep.put((1, key("a")), start, &value(&keep, 3000), || true);
        assert_eq!(kept(&keep, start), "");
        drop(held);
        keep.put((1, key("a")), start, &value(&keep, 3000), || true);
        assert_eq!(kept(&keep, start), "a");
    }

    #[tokio::test(start_paused = true)]
    async fn only_values_and_missing_keys_are_kept_and_the_newer_read_wins() {
        let (keep, start) = (Keep::new(MOST), clock::now());
        let later = start + Duration::from_secs(1);
        let cases = [
            ("a", start, value(&keep, 1), true),
            ("b", start, Err(Error::not_found("Get")), true),
            ("c", start, Err(Error::new(ErrorKind::Unavailable, "Get", "down")), true),
            ("d", start, Err(Error::new(ErrorKind::AccessDenied, "Get", "no")), true),
            ("e", start, value(&keep, 1), false),
            ("f", later, Err(Error::not_found("Get")), true),
            ("f", start, value(&keep, 1), true),
        ];
        for (name, began, answer, wanted) in cases {
            keep.put((1, key(name)), began, &answer, || wanted);
        }
        assert_eq!((kept(&keep, start), kept(&keep, later)), ("abf".to_owned(), "f".to_owned()));
        assert!(keep.fresh(1, &key("f"), start).unwrap().is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn answers_go_with_their_handle_their_triggers_and_their_age() {
        let (keep, start) = (Keep::new(MOST), clock::now());
        let later = start + Duration::from_secs(30);
        for (name, began) in [("a", start), ("b", later)] {
            keep.put((1, key(name)), began, &value(&keep, 1), || true);
            keep.put((2, key(name)), began, &value(&keep, 1), || true);
        }
        keep.forget(2);
        assert!(keep.fresh(2, &key("a"), start).is_none());
        assert_eq!(kept(&keep, start), "ab");
        keep.forget_before(later);
        assert_eq!(kept(&keep, start), "b");
        tokio::time::sleep(Duration::from_secs(91)).await;
        assert_eq!(kept(&keep, start), "");
        assert_eq!((keep.alive.load(Ordering::Relaxed), keep.lock().bytes), (0, 0));
    }
}
