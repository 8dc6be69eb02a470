//! Keeps Secret, published bundle and served leaf in order: watches, decides, carries out, and starts over.
//!
//! What to do is `decide`; this file orders the steps and does the I/O. A step that fails is tried again with a growing
//! pause, and doesn't keep the others from being done.

use std::collections::BTreeMap;
use std::time::Duration;

use certgen::inject::{CONFIGURATIONS, Configuration, Family, Publisher, Which};
use certgen::secret::{self, Store, Written};
use certgen::{Bundle, Clock, Held, Leaf, Step, fresh_key};
use futures::stream::BoxStream;
use futures::{FutureExt, StreamExt};
use jiff::Timestamp;
use k8s_openapi::api::admissionregistration::v1::{MutatingWebhookConfiguration, ValidatingWebhookConfiguration};
use k8s_openapi::api::core::v1::Secret;
use kube::{Api, Client};
use rustls_pki_types::CertificateDer;

use crate::decide::{self, Decision, LeafReason, Policy, Published, Seen};
use crate::metrics::{Certificate, Metrics};
use crate::ready::{self, Health};
use crate::tls::Tls;
use crate::watch;

/// The longest sleep. Timers stand still while a machine is suspended; the wall clock doesn't.
const TICK: Duration = Duration::from_secs(10);

/// The longest pass: beyond it the API server counts as silent.
const PASS: Duration = Duration::from_secs(30);

/// Pause after the first failure; it doubles up to [`LONGEST_PAUSE`].
const FIRST_PAUSE: Duration = Duration::from_millis(250);

/// Short, since nobody can create an object until this is mended, be it by a role that is applied a moment later.
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// A pass decides again after each round of writes; in peace two rounds are enough.
const MAX_ROUNDS: usize = 8;

/// What a watch brought.
#[derive(Debug)]
pub enum Change {
    /// The Secret is so now.
    Secret(Held),
    /// A configuration is so now, or isn't installed.
    Configuration(Which, Option<Configuration>),
}

/// The watches of everything that matters here. They never end.
pub fn changes(client: &Client, store: &Store, secret_name: String) -> BoxStream<'static, Change> {
    let secret = watch::object::<Secret>(store.api(), &secret_name, format!("Secret {store}"))
        .map(|secret| Change::Secret(secret::held(secret.as_ref())));
    let configurations = configurations(client).map(|(which, found)| Change::Configuration(which, found));
    futures::stream::select(secret, configurations).boxed()
}

/// The watches of the configurations alone; `None` for one that isn't installed. They never end.
pub fn configurations(client: &Client) -> BoxStream<'static, (Which, Option<Configuration>)> {
    let each = CONFIGURATIONS.map(|which| match which.family {
        Family::Validating => {
            let api: Api<ValidatingWebhookConfiguration> = Api::all(client.clone());
            watch::object(api, which.name, which.to_string())
                .map(move |c| (which, c.map(|c| Configuration::validating(which, &c))))
                .boxed()
        }
        Family::Mutating => {
            let api: Api<MutatingWebhookConfiguration> = Api::all(client.clone());
            watch::object(api, which.name, which.to_string())
                .map(move |c| (which, c.map(|c| Configuration::mutating(which, &c))))
                .boxed()
        }
    });
    futures::stream::select_all(each).boxed()
}

/// What is known, and the leaf that is served.
#[derive(Default)]
struct State {
    held: Option<Held>,
    /// Absent until first read; `None` if not installed.
    configurations: BTreeMap<Which, Option<Configuration>>,
    leaf: Option<Leaf>,
    remembered: Bundle,
    published: Option<Published>,
}

impl State {
    fn take(&mut self, change: Change) {
        match change {
            Change::Secret(held) => self.held = Some(held),
            Change::Configuration(which, configuration) => {
                self.configurations.insert(which, configuration);
            }
        }
    }

    fn installed(&self) -> Vec<Configuration> {
        self.configurations.values().flatten().cloned().collect()
    }

    fn unread(&self) -> Option<Which> {
        CONFIGURATIONS.into_iter().find(|which| !self.configurations.contains_key(which))
    }
}

/// Keeps certificates in order; see [`Keeper::run`].
pub struct Keeper {
    store: Store,
    publisher: Publisher,
    policy: Policy,
    check_interval: Duration,
    clock: Clock,
    tls: Tls,
    health: Health,
    metrics: Metrics,
    state: State,
}

/// What a [`Keeper`] works with.
#[derive(Clone)]
pub struct Parts {
    /// The CA's Secret.
    pub store: Store,
    /// Writes configurations.
    pub publisher: Publisher,
    /// Names, lives, settling time.
    pub policy: Policy,
    /// How often everything is read again without a change being reported.
    pub check_interval: Duration,
    /// The time.
    pub clock: Clock,
    /// Serves the leaf.
    pub tls: Tls,
    /// Is told what the configurations publish.
    pub health: Health,
    /// Counts renewals.
    pub metrics: Metrics,
}

impl Keeper {
    /// A keeper that knows nothing yet.
    pub fn new(parts: Parts) -> Self {
        let Parts { store, publisher, policy, check_interval, clock, tls, health, metrics } = parts;
        Self { store, publisher, policy, check_interval, clock, tls, health, metrics, state: State::default() }
    }

    /// Works until `changes` ends, which the watches of [`changes`] never do.
    pub async fn run(mut self, mut changes: BoxStream<'static, Change>) {
        let mut failures = 0_u32;
        let mut last_error = String::new();
        let mut read_at = self.clock.now();
        loop {
            let outcome = match tokio::time::timeout(PASS, self.pass()).await {
                Ok(outcome) => outcome,
                Err(_) => Err("the API server doesn't answer".to_owned()),
            };
            self.health.beat();
            let pause = match outcome {
                Ok(wake_at) => {
                    failures = 0;
                    last_error.clear();
                    wake_at.map_or(TICK, |at| until(self.clock.now(), at)).min(TICK)
                }
                Err(error) => {
                    if error != last_error {
                        tracing::error!(error, "certificates are not in order, trying again");
                    }
                    last_error = error;
                    failures = failures.saturating_add(1);
                    FIRST_PAUSE.saturating_mul(1 << failures.min(10).saturating_sub(1)).min(LONGEST_PAUSE)
                }
            };
            tokio::select! {
                change = changes.next() => {
                    let Some(change) = change else { return };
                    self.state.take(change);
                    while let Some(Some(change)) = changes.next().now_or_never() {
                        self.state.take(change);
                    }
                }
                () = tokio::time::sleep(pause) => {
                    let now = self.clock.now();
                    if until(read_at, now) >= self.check_interval {
                        read_at = now;
                        self.read_everything().await;
                    }
                }
            }
        }
    }

    /// Decides and carries out until nothing is left to do. Returns when something is due next.
    async fn pass(&mut self) -> Result<Option<Timestamp>, String> {
        for _ in 0..MAX_ROUNDS {
            let now = self.clock.now();
            let installed = self.state.installed();
            let decision = self.decide(&installed, now); // pure
            let Decision { secret, authority, patches, leaf, wake_at } = decision;
            let mut news = false;
            if let Some(authority) = &authority {
                self.state.remembered = authority.bundle.clone();
                news = self.note_published(&installed, authority.ca.certificate(), now);
                self.metrics.expires(Certificate::Ca, authority.ca.validity().not_after);
            }
            self.health.expect(match self.state.unread() {
                Some(which) => Err(ready::not_read(which)),
                None => Ok(ready::expectations(&installed)),
            });
            if secret.is_none() && patches.is_empty() && leaf.is_none() {
                if news {
                    continue;
                }
                return Ok(wake_at);
            }
            let mut failed = None;
            if let (Some(reason), Some(authority)) = (leaf, &authority) {
                failed = failed.or(self.serve_leaf(reason, &authority.ca, now).err());
            }
            if let Some(step) = secret {
                failed = failed.or(self.write_secret(&step).await.err()); // I/O
            }
            for (which, patch) in patches {
                failed = failed.or(self.publish(which, patch).await.err()); // I/O
            }
            if let Some(error) = failed {
                return Err(error);
            }
        }
        Err("certificates don't come to rest: another writer changes the Secret or the configurations all the time"
            .to_owned())
    }

    fn decide(&self, installed: &[Configuration], now: Timestamp) -> Decision {
        let State { held, configurations: _, leaf, remembered, published } = &self.state;
        let seen = Seen {
            held: held.as_ref(),
            configurations: installed,
            leaf: leaf.as_ref(),
            remembered,
            published: published.as_ref(),
        };
        decide::decide(&seen, &self.policy, now)
    }

    /// Notes which CA is published. True if that is news, on which to decide again.
    fn note_published(&mut self, installed: &[Configuration], ca: &CertificateDer<'static>, now: Timestamp) -> bool {
        let noted = self.state.published.as_ref().is_some_and(|published| published.ca == *ca);
        let is_published = self.state.unread().is_none() && decide::is_published(installed, ca);
        if noted == is_published {
            return false;
        }
        self.state.published = is_published.then(|| Published { ca: ca.clone(), since: now });
        true
    }

    fn serve_leaf(&mut self, reason: LeafReason, ca: &certgen::Ca, now: Timestamp) -> Result<(), String> {
        let key = fresh_key().map_err(|e| e.to_string())?;
        let leaf = ca.leaf(&key, &self.policy.names, now, self.policy.lifetimes.leaf).map_err(|e| e.to_string())?;
        self.tls.serve(&leaf).map_err(|e| format!("could not serve a new certificate: {e}"))?;
        let ends = leaf.validity().not_after;
        self.metrics.expires(Certificate::Leaf, ends);
        self.metrics.renewals.with_label_values(&[Certificate::Leaf.as_str(), reason.as_str()]).inc();
        tracing::info!(reason = reason.as_str(), until = %ends, "serving a new certificate");
        self.state.leaf = Some(leaf);
        Ok(())
    }

    async fn write_secret(&mut self, step: &Step) -> Result<(), String> {
        let Some(held) = self.state.held.clone() else { return Ok(()) };
        let Policy { names, service: _, lifetimes, settle: _ } = &self.policy;
        let written = self.store.carry_out(step, &held, names, &self.clock, lifetimes).await;
        match written {
            Ok(Written::Done(held)) => {
                match step {
                    Step::Replace { reason, previous } => {
                        self.metrics.renewals.with_label_values(&[Certificate::Ca.as_str(), reason.as_str()]).inc();
                        tracing::info!(secret = %self.store, reason = reason.as_str(), overlapping = previous.len(), "issued a new CA");
                    }
                    Step::Mend { authority: _, serving } => {
                        tracing::info!(secret = %self.store, serving, "mended the CA's Secret");
                    }
                    Step::Keep(_) => {}
                }
                self.state.held = Some(held);
            }
            Ok(Written::Lost) => {
                tracing::info!(secret = %self.store, "another replica was faster, taking its CA");
                self.state.held = Some(self.store.read().await.map_err(|e| e.to_string())?);
            }
            Err(error) => return Err(error.to_string()),
        }
        Ok(())
    }

    async fn publish(&mut self, which: Which, patch: json_patch::Patch) -> Result<(), String> {
        match self.publisher.write(which, patch).await {
            Ok(now) => {
                tracing::info!(configuration = %which, "published the CA");
                self.state.configurations.insert(which, Some(now));
                Ok(())
            }
            Err(error) => {
                // Deleted or changed under us: the next pass decides on what is there now.
                if let Ok(found) = self.publisher.read(which).await {
                    self.state.configurations.insert(which, found);
                }
                Err(error.to_string())
            }
        }
    }

    /// The backstop: a watch that died silently must not leave a wrong picture for long.
    async fn read_everything(&mut self) {
        match self.store.read().await {
            Ok(held) => self.state.held = Some(held),
            Err(error) => tracing::warn!(%error, "periodic check"),
        }
        for which in CONFIGURATIONS {
            match self.publisher.read(which).await {
                Ok(found) => self.state.take(Change::Configuration(which, found)),
                Err(error) => tracing::warn!(%error, "periodic check"),
            }
        }
    }
}

fn until(now: Timestamp, then: Timestamp) -> Duration {
    Duration::try_from(then.duration_since(now)).unwrap_or(Duration::ZERO)
}
