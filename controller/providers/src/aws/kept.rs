//! Temporary credentials that are kept: got once for everybody, replaced before they expire.
//!
//! Deliberately not here: how they are got (`auth.rs`, `web_identity.rs`). The SDK's own cache is off: its clients don't
//! share one, and it gives nothing while a renewal fails. Times are tokio's, so that tests run on a paused clock.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials as Keys;
use aws_credential_types::provider::{self, ProvideCredentials, SharedCredentialsProvider, future};
use tokio::sync::Mutex;
use tokio::time::Instant;

/// They are replaced so long before they expire, or when a third of their life is left, if that is later.
const AHEAD: Duration = Duration::from_secs(300);
/// How long an exchange may take while the old ones still live: everybody waits for it.
const PATIENCE: Duration = Duration::from_secs(3);
/// After an exchange that failed while the old ones still live.
const PAUSE: Duration = Duration::from_secs(30);
/// Of those that don't say when they expire, such as a profile file's.
const UNSAID: Duration = Duration::from_secs(15 * 60);
const LONGEST: Duration = Duration::from_secs(24 * 3600);

/// Ones that are refused so soon after their exchange aren't to blame: others would be refused too.
const SETTLED: Duration = Duration::from_secs(30);
/// The same where the refusal may well have another reason.
const DOUBTED: Duration = Duration::from_secs(300);

/// How a call was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// The credentials are bad.
    Bad,
    /// A policy forbids the call, as that does by which a role's sessions are revoked.
    Forbidden,
    /// For whatever reason, mostly that no policy allows the call.
    Unclear,
}

/// How often the credentials of one store were refused, for whoever keeps some of them: a role's sessions may be revoked.
#[derive(Clone, Debug, Default)]
pub(super) struct Refusals(Arc<[AtomicU64; 3]>);

/// How often so far.
#[derive(Clone, Copy)]
struct Refused {
    bad: u64,
    forbidden: u64,
    unclear: u64,
}

impl Refusals {
    pub(super) fn count(&self, how: Refusal) {
        let [bad, forbidden, unclear] = &*self.0;
        let counter = match how {
            Refusal::Bad => bad,
            Refusal::Forbidden => forbidden,
            Refusal::Unclear => unclear,
        };
        counter.fetch_add(1, Ordering::SeqCst);
    }

    fn so_far(&self) -> Refused {
        let [bad, forbidden, unclear] = &*self.0;
        let read = |counter: &AtomicU64| counter.load(Ordering::SeqCst);
        Refused { bad: read(bad), forbidden: read(forbidden), unclear: read(unclear) }
    }
}

/// See the module.
pub(super) struct Kept {
    inner: SharedCredentialsProvider,
    refusals: Refusals,
    /// Held during the exchange, so that there is one at a time and everybody waits for it.
    held: Mutex<Option<Held>>,
}

struct Held {
    keys: Keys,
    since: Instant,
    refresh_at: Instant,
    /// Until then there is no other try.
    pause_until: Instant,
    expires_at: Instant,
    /// The refusals before it.
    refused: Refused,
}

impl Held {
    fn new(keys: Keys, asked_at: Instant, refused: Refused) -> Self {
        let now = SystemTime::from(crate::clock::now());
        let left = keys.expiry().map_or(UNSAID, |at| at.duration_since(now).unwrap_or_default().min(LONGEST));
        let refresh_at = asked_at + left.saturating_sub(AHEAD.min(left / 3));
        Self { keys, since: asked_at, refresh_at, pause_until: asked_at, expires_at: asked_at + left, refused }
    }

    /// Whether they are bad, and others may be better.
    fn is_bad(&self, refused: Refused, now: Instant) -> bool {
        refused.bad > self.refused.bad && now >= self.since + SETTLED
    }

    /// Whether others are to be got.
    fn is_due(&self, refused: Refused, now: Instant) -> bool {
        let wanted = now >= self.refresh_at || self.is_doubted(refused, now);
        now >= self.expires_at || (wanted && now >= self.pause_until)
    }

    /// Whether others may be better, though these may be good.
    fn is_doubted(&self, refused: Refused, now: Instant) -> bool {
        let Refused { bad: _, forbidden, unclear } = self.refused;
        (refused.forbidden > forbidden && now >= self.since + SETTLED)
            || (refused.unclear > unclear && now >= self.since + DOUBTED)
    }
}

impl Kept {
    /// Keeps what `inner` gets, until it expires or is refused.
    pub(super) fn of(inner: SharedCredentialsProvider, refusals: &Refusals) -> SharedCredentialsProvider {
        SharedCredentialsProvider::new(Self { inner, refusals: refusals.clone(), held: Mutex::new(None) })
    }

    async fn get(&self) -> provider::Result {
        let mut held = self.held.lock().await;
        let (now, refused) = (Instant::now(), self.refusals.so_far());
        if held.as_ref().is_some_and(|held| held.is_bad(refused, now)) {
            *held = None;
        }
        if let Some(held) = held.as_ref().filter(|held| !held.is_due(refused, now)) {
            return Ok(held.keys.clone());
        }
        let exchange = self.inner.provide_credentials();
        let keys = match held.as_mut().filter(|held| now + PATIENCE < held.expires_at) {
            None => exchange.await?,
            Some(old) => {
                // Before it as well: whoever gives up waiting must not leave the wait to the next one.
                old.pause_until = now + PAUSE;
                match tokio::time::timeout(PATIENCE, exchange).await {
                    Ok(Ok(keys)) => keys,
                    Ok(Err(_)) | Err(_) => {
                        tracing::debug!("AWS credentials can't be replaced yet; the old ones are still good");
                        old.pause_until = Instant::now() + PAUSE;
                        return Ok(old.keys.clone());
                    }
                }
            }
        };
        *held = Some(Held::new(keys.clone(), now, refused));
        Ok(keys)
    }
}

impl fmt::Debug for Kept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Kept")
    }
}

impl ProvideCredentials for Kept {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::new(self.get())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, AtomicUsize};

    use aws_credential_types::provider::error::CredentialsError;

    use super::*;

    /// Counts exchanges, names the keys after them, and fails when it is told to.
    #[derive(Clone, Debug, Default)]
    struct Source {
        exchanges: Arc<AtomicUsize>,
        fails: Arc<AtomicBool>,
        hangs: Arc<AtomicBool>,
        life: Option<Duration>,
    }

    impl ProvideCredentials for Source {
        fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
        where
            Self: 'a,
        {
            future::ProvideCredentials::new(async {
                tokio::time::sleep(Duration::from_millis(1)).await;
                if self.hangs.load(Ordering::SeqCst) {
                    return std::future::pending().await;
                }
                if self.fails.load(Ordering::SeqCst) {
                    return Err(CredentialsError::not_loaded("no"));
                }
                let number = self.exchanges.fetch_add(1, Ordering::SeqCst) + 1;
                let expiry = self.life.map(|life| SystemTime::from(crate::clock::now()) + life);
                Ok(Keys::new(format!("KEY-{number}"), "s", None, expiry, "t"))
            })
        }
    }

    async fn key(kept: &SharedCredentialsProvider) -> Option<String> {
        kept.provide_credentials().await.ok().map(|keys| keys.access_key_id().to_owned())
    }

    #[tokio::test(start_paused = true)]
    async fn one_exchange_serves_all_until_shortly_before_the_end() {
        // Life, a time at which they are still kept, and one at which they no longer are.
        let cases = [
            (Some(3600), 3290, 3310),
            (Some(300), 190, 210),
            (None, 590, 610),
            (Some(u64::MAX / 4_000_000_000), 86_000, 86_200),
        ];
        for (life, kept_at, replaced_at) in cases {
            let source = Source { life: life.map(Duration::from_secs), ..Source::default() };
            let kept = Kept::of(SharedCredentialsProvider::new(source.clone()), &Refusals::default());
            let asked = futures::future::join_all((0..10).map(|_| key(&kept))).await;
            assert_eq!(asked, vec![Some("KEY-1".to_owned()); 10]);
            tokio::time::advance(Duration::from_secs(kept_at)).await;
            assert_eq!(key(&kept).await.as_deref(), Some("KEY-1"), "{life:?}");
            tokio::time::advance(Duration::from_secs(replaced_at - kept_at)).await;
            assert_eq!(key(&kept).await.as_deref(), Some("KEY-2"), "{life:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_still_lives_is_used_while_it_cannot_be_replaced() {
        let source = Source { life: Some(Duration::from_secs(3600)), ..Source::default() };
        let kept = Kept::of(SharedCredentialsProvider::new(source.clone()), &Refusals::default());
        assert_eq!(key(&kept).await.as_deref(), Some("KEY-1"));
        source.fails.store(true, Ordering::SeqCst);
        tokio::time::advance(Duration::from_secs(3400)).await;
        assert_eq!(key(&kept).await.as_deref(), Some("KEY-1"));
        tokio::time::advance(Duration::from_secs(201)).await;
        assert_eq!(key(&kept).await, None);
        source.fails.store(false, Ordering::SeqCst);
        assert_eq!(key(&kept).await.as_deref(), Some("KEY-2"));
    }

    #[tokio::test(start_paused = true)]
    async fn what_still_lives_is_used_while_nobody_answers() {
        let source = Source { life: Some(Duration::from_secs(3600)), ..Source::default() };
        let kept = Kept::of(SharedCredentialsProvider::new(source.clone()), &Refusals::default());
        assert_eq!(key(&kept).await.as_deref(), Some("KEY-1"));
        source.hangs.store(true, Ordering::SeqCst);
        tokio::time::advance(Duration::from_secs(3400)).await;
        let begun = Instant::now();
        let asked = futures::future::join_all((0..10).map(|_| key(&kept))).await;
        assert_eq!(asked, vec![Some("KEY-1".to_owned()); 10]);
        assert!(begun.elapsed() < Duration::from_secs(4), "{:?}", begun.elapsed());
        // Whoever gives up leaves no try behind for the next one.
        for wait in [29, 2, 0, 25] {
            tokio::time::advance(Duration::from_secs(wait)).await;
            let limit = Duration::from_millis(100);
            let got = tokio::time::timeout(limit, key(&kept)).await.ok().flatten();
            assert_eq!(got.as_deref(), (wait != 2).then_some("KEY-1"), "{wait}");
        }
        source.hangs.store(false, Ordering::SeqCst);
        tokio::time::advance(Duration::from_secs(10)).await;
        assert_eq!(key(&kept).await.as_deref(), Some("KEY-2"));
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_refused_is_replaced_but_not_at_each_refusal() {
        let source = Source { life: Some(Duration::from_secs(3600)), ..Source::default() };
        let refusals = Refusals::default();
        let kept = Kept::of(SharedCredentialsProvider::new(source.clone()), &refusals);
        for (seconds, refused, want) in
            [(0, false, "KEY-1"), (1, true, "KEY-1"), (40, false, "KEY-2"), (40, false, "KEY-2"), (1, true, "KEY-3")]
        {
            tokio::time::advance(Duration::from_secs(seconds)).await;
            if refused {
                refusals.count(Refusal::Bad);
            }
            assert_eq!(key(&kept).await.as_deref(), Some(want), "after {seconds} s");
        }
        // What was refused isn't used in the place of nothing.
        tokio::time::advance(Duration::from_secs(60)).await;
        refusals.count(Refusal::Bad);
        source.fails.store(true, Ordering::SeqCst);
        assert_eq!(key(&kept).await, None);
    }

    #[tokio::test(start_paused = true)]
    async fn what_may_be_to_blame_is_used_on_until_there_is_another() {
        for (how, age) in [(Refusal::Forbidden, 31), (Refusal::Unclear, 301)] {
            let source = Source { life: Some(Duration::from_secs(3600)), ..Source::default() };
            let refusals = Refusals::default();
            let kept = Kept::of(SharedCredentialsProvider::new(source.clone()), &refusals);
            assert_eq!(key(&kept).await.as_deref(), Some("KEY-1"));
            refusals.count(how);
            tokio::time::advance(Duration::from_secs(age - 2)).await;
            assert_eq!(key(&kept).await.as_deref(), Some("KEY-1"), "{how:?}");
            source.fails.store(true, Ordering::SeqCst);
            tokio::time::advance(Duration::from_secs(2)).await;
            assert_eq!(key(&kept).await.as_deref(), Some("KEY-1"), "{how:?}");
            source.fails.store(false, Ordering::SeqCst);
            assert_eq!(key(&kept).await.as_deref(), Some("KEY-1"), "{how:?}");
            tokio::time::advance(Duration::from_secs(31)).await;
            for _ in 0..2 {
                assert_eq!(key(&kept).await.as_deref(), Some("KEY-2"), "{how:?}");
            }
        }
    }
}
