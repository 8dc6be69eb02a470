//! Buckets shared among replicas that all work. I/O.
//!
//! Each replica keeps a member Lease, which it renews. Each bucket has a Lease too, which names its holder and is written only
//! when it changes hands: whether the holder lives is told by its member Lease. A member that isn't renewed is buried: its
//! Lease is deleted in the very version that was seen for too long, so that it can't be renewed any more. From then on
//! its buckets are free. Deliberately not here: who should hold what (`plan::shards`).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use futures::stream::FuturesUnordered;
use futures::{FutureExt as _, StreamExt as _, stream};
use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::api::{DeleteParams, PostParams, Preconditions};
use kube::{Api, Client};
use plan::lease::{self, Sight, Term, Timing};
use plan::shards::{self, Step};
use tokio::sync::Notify;
use tokio::time::{sleep, timeout};

use super::lock::{Attempt, Lock};
use super::{GRACE, Permit, renew, wake};
use crate::clock;
use crate::context::Context;
use crate::deletions;
use crate::ingest::{Told, follow_labelled};
use crate::push_secret;
use crate::supervision::Supervision;

/// On every Lease of a group of replicas; the value is the group's name.
const GROUP: &str = "external-secrets.io/shards-of";
/// On a member's Lease: how many buckets it counts.
const COUNT: &str = "external-secrets.io/shards";
/// Leases that are written at a time.
const AT_ONCE: usize = 16;
/// How long giving back all buckets may take when the process ends.
const GIVING_BACK: Duration = Duration::from_millis(1500);

/// How buckets are shared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Sharding {
    /// What the Leases' names begin with.
    pub(crate) group: String,
    pub(crate) buckets: u16,
    pub(crate) timing: Timing,
}

impl Sharding {
    fn member(&self, identity: &str) -> String {
        let hash = plan::hash::of_text(identity);
        format!("{}-member-{}", self.group, hash.get(..12).unwrap_or_default())
    }

    fn bucket(&self, bucket: u16) -> String {
        format!("{}-bucket-{bucket}", self.group)
    }

    fn labels(&self) -> BTreeMap<String, String> {
        BTreeMap::from([(GROUP.to_owned(), self.group.clone())])
    }

    fn member_labels(&self) -> BTreeMap<String, String> {
        let mut labels = self.labels();
        labels.insert(COUNT.to_owned(), self.buckets.to_string());
        labels
    }
}

/// The group's Leases as the watch tells them and as this process writes them.
#[derive(Default)]
struct Board {
    leases: Mutex<BTreeMap<String, (ObjectMeta, Sight)>>,
    changed: Notify,
}

/// A replica as its Lease shows it.
#[derive(Clone, Debug)]
struct Member {
    lease: String,
    identity: String,
    count: String,
    over: Instant,
    preconditions: Preconditions,
}

impl Board {
    fn put(&self, lease: Lease) {
        let Lease { metadata, spec } = lease;
        let Some(name) = metadata.name.clone() else { return };
        let version = metadata.resource_version.clone().unwrap_or_default();
        let mut leases = self.lock();
        let before = leases.get(&name);
        // What this process wrote is known before the watch tells, which then tells what was before.
        if before.is_some_and(|(meta, _)| crate::world::is_older(&metadata, meta)) {
            return;
        }
        let sight = Sight::now(before.map(|(_, sight)| sight), spec.unwrap_or_default(), version, clock::instant());
        leases.insert(name, (ObjectMeta { managed_fields: None, ..metadata }, sight));
        drop(leases);
        self.changed.notify_one();
    }

    fn remove(&self, name: &str) {
        self.lock().remove(name);
        self.changed.notify_one();
    }

    fn get(&self, name: &str) -> Option<(ObjectMeta, Sight)> {
        self.lock().get(name).cloned()
    }

    fn members(&self) -> Vec<Member> {
        let leases = self.lock();
        let member = |(name, (meta, sight)): (&String, &(ObjectMeta, Sight))| {
            Some(Member {
                lease: name.clone(),
                identity: sight.holder()?.to_owned(),
                count: meta.labels.as_ref()?.get(COUNT)?.clone(),
                over: sight.over(),
                preconditions: Preconditions { uid: meta.uid.clone(), resource_version: meta.resource_version.clone() },
            })
        };
        leases.iter().filter_map(member).collect()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, (ObjectMeta, Sight)>> {
        self.leases.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn follow(&self, supervision: &Supervision, api: Api<Lease>, selector: String) {
        let (listed, _) = tokio::sync::watch::channel(false);
        let mut present = BTreeSet::new();
        follow_labelled(supervision, api, &selector, listed, |told| match told {
            Told::Restarted => present.clear(),
            Told::Present { object, listing } => {
                if listing {
                    present.extend(object.metadata.name.clone());
                }
                self.put(object);
            }
            Told::Gone(object) => self.remove(object.metadata.name.as_deref().unwrap_or_default()),
            Told::Listed => {
                self.lock().retain(|name, _| present.contains(name));
                present.clear();
                self.changed.notify_one();
            }
        })
        .await;
    }
}

/// Joins the group, works on its share, and hands it over when the process is told to end.
///
/// # Errors
/// When this process isn't a member any more, or can't become one.
pub(super) async fn share(cx: &Arc<Context>, leases: Client, sharding: Sharding, me: String) -> Result<(), String> {
    let api: Api<Lease> = Api::default_namespaced(leases);
    let (name, labels) = (sharding.member(&me), sharding.member_labels());
    tracing::info!(lease = name, identity = me, buckets = sharding.buckets, "joining the replicas");
    let mut lock = Lock::new(api.clone(), name, labels, me.clone(), sharding.timing);
    let selector = format!("{GROUP}={}", sharding.group);
    let replica = Replica { cx, api: api.clone(), sharding, me, board: Board::default() };
    let ended = tokio::select! {
        ended = replica.live(&mut lock) => ended,
        () = replica.board.follow(&cx.supervision, api, selector) => Err("the watch of the leases ended".to_owned()),
    };
    cx.tenure.forfeit();
    lock.remove().await;
    ended
}

struct Replica<'c> {
    cx: &'c Arc<Context>,
    api: Api<Lease>,
    sharding: Sharding,
    me: String,
    board: Board,
}

impl Replica<'_> {
    async fn live(&self, lock: &mut Lock) -> Result<(), String> {
        let timing = self.sharding.timing;
        let term = tokio::select! {
            term = self.join(lock) => term,
            () = self.cx.tenure.told_to_end() => return Ok(()),
        };
        self.cx.tenure.prolong(term);
        tokio::select! {
            lost = renew(self.cx, lock, &timing, term) => Err(format!("membership lost: {lost}")),
            ended = self.settle() => ended,
        }
    }

    async fn join(&self, lock: &mut Lock) -> Term {
        loop {
            match timeout(self.sharding.timing.renew_deadline, lock.attempt()).await {
                Ok(Attempt::Held(term)) => return term,
                Ok(Attempt::Failed(error)) => tracing::warn!(error = %error, "the member's lease can't be written"),
                Ok(Attempt::Elsewhere(_) | Attempt::Lost(_)) => {}
                Err(_) => tracing::warn!("the member's lease can't be written: no answer"),
            }
            sleep(self.sharding.timing.retry).await;
        }
    }

    /// Takes and leaves buckets as members come and go.
    async fn settle(&self) -> Result<(), String> {
        let Timing { lease, renew_deadline, retry } = self.sharding.timing;
        let own = self.sharding.member(&self.me);
        let patience = clock::instant() + lease + retry * 2;
        let (mut joined, mut agreed) = (false, false);
        let mut leaving = FuturesUnordered::new();
        let mut moving = BTreeSet::new();
        loop {
            // The watch tells of whoever joined before us before it tells of us.
            let is_member = self.board.get(&own).is_some();
            if joined && !is_member {
                return Err("membership lost: somebody took the lease away".to_owned());
            }
            joined = is_member;
            if joined {
                self.bury().await;
                let members = self.board.members();
                let other = members.iter().find(|member| member.count != self.sharding.buckets.to_string());
                match other {
                    // Whoever was here first goes on; the newcomer will see.
                    _ if agreed => {}
                    None => agreed = true,
                    Some(other) if clock::instant() > patience => return Err(self.disagreement(other)),
                    Some(other) => {
                        tracing::warn!(other = other.identity, shards = other.count, "waiting for a replica to end");
                    }
                }
                if agreed {
                    for bucket in self.take_and_pick(&members, &moving).await {
                        moving.insert(bucket);
                        leaving.push(self.leave(bucket, renew_deadline));
                    }
                }
            }
            tokio::select! {
                () = self.cx.tenure.told_to_end() => break,
                () = self.board.changed.notified() => {}
                () = sleep(retry) => {}
                Some(bucket) = leaving.next(), if !leaving.is_empty() => {
                    let mut left = vec![bucket];
                    while let Some(Some(bucket)) = leaving.next().now_or_never() {
                        left.push(bucket);
                    }
                    moving.retain(|bucket| !left.contains(bucket));
                    self.lost(&left);
                }
            }
        }
        drop(leaving);
        self.leave_all().await;
        Ok(())
    }

    fn disagreement(&self, other: &Member) -> String {
        format!(
            "--shards={} but {} runs with --shards={}: give all replicas the same number; to change it, stop all first",
            self.sharding.buckets, other.identity, other.count
        )
    }

    /// Takes what should be ours and is free; answers what is ours and should be another's.
    async fn take_and_pick(&self, members: &[Member], moving: &BTreeSet<u16>) -> Vec<u16> {
        let count = self.sharding.buckets.to_string();
        let now = clock::instant();
        let live: Vec<&str> = members
            .iter()
            .filter(|member| member.count == count && (now < member.over || member.identity == self.me))
            .map(|member| member.identity.as_str())
            .collect();
        let wished = shards::assign(self.sharding.buckets, &live);
        let (mut free, mut foreign) = (Vec::new(), Vec::new());
        for bucket in (0..self.sharding.buckets).filter(|bucket| !moving.contains(bucket)) {
            let seen = self.board.get(&self.sharding.bucket(bucket));
            // One that isn't buried yet may still write.
            let holder = seen.as_ref().and_then(|(_, sight)| sight.holder());
            let holder = holder.filter(|holder| members.iter().any(|member| member.identity == *holder));
            match shards::step(&self.me, wished.get(usize::from(bucket)).copied(), holder) {
                Step::Take => free.push(bucket),
                // Our own write whose answer never came, if nobody has taken it since: writing it again tells.
                Step::Keep if self.cx.tenure.number(bucket) == 0 => free.push(bucket),
                Step::Keep | Step::Wait => {}
                Step::Leave => foreign.push(bucket),
            }
        }
        let taking = stream::iter(free).map(|bucket| self.take(bucket)).buffer_unordered(AT_ONCE);
        let ours: Vec<u16> = taking.filter_map(std::future::ready).collect().await;
        if !ours.is_empty() {
            for bucket in &ours {
                self.cx.tenure.gain(*bucket);
            }
            tracing::info!(buckets = ?ours, replicas = live.len(), "took buckets");
            wake(self.cx, &ours);
            self.tell();
        }
        foreign
    }

    async fn take(&self, bucket: u16) -> Option<u16> {
        let taken = self.write(bucket, |before, wall| lease::held(before, &self.me, &self.sharding.timing, wall)).await;
        match taken {
            Ok(()) => Some(bucket),
            Err(text) => {
                tracing::debug!(bucket, error = text, "bucket not taken");
                None
            }
        }
    }

    /// Lets what runs end and gives the bucket back.
    async fn leave(&self, bucket: u16, at_most: Duration) -> u16 {
        self.cx.tenure.drain(bucket, at_most).await;
        if !self.give_back(bucket).await {
            // It is tried again, as long as the Lease names us.
            sleep(self.sharding.timing.retry).await;
        }
        bucket
    }

    async fn leave_all(&self) {
        let all = 0..self.sharding.buckets;
        futures::future::join_all(all.clone().map(|bucket| self.cx.tenure.drain(bucket, GRACE))).await;
        let ours = all.filter(|bucket| {
            let seen = self.board.get(&self.sharding.bucket(*bucket));
            seen.is_some_and(|(_, sight)| sight.holder() == Some(&self.me))
        });
        let given =
            stream::iter(ours).map(|bucket| self.give_back(bucket)).buffer_unordered(AT_ONCE).collect::<Vec<_>>();
        if timeout(GIVING_BACK, given).await.is_err() {
            tracing::warn!("not all buckets were given back in time");
        }
    }

    /// Answers whether it was.
    async fn give_back(&self, bucket: u16) -> bool {
        let given =
            self.write(bucket, |before, wall| lease::released(&before.cloned().unwrap_or_default(), wall)).await;
        if let Err(text) = &given {
            tracing::debug!(bucket, error = text, "bucket not given back");
        }
        given.is_ok()
    }

    /// Writes a bucket's Lease on what is known of it.
    async fn write(
        &self,
        bucket: u16,
        spec: impl Fn(Option<&LeaseSpec>, jiff::Timestamp) -> LeaseSpec,
    ) -> Result<(), String> {
        if self.cx.tenure.permit() == Permit::No {
            return Err("the term is over".to_owned());
        }
        let name = self.sharding.bucket(bucket);
        let params = PostParams::default();
        let seen = self.board.get(&name);
        let spec = spec(seen.as_ref().map(|(_, sight)| &sight.spec), clock::now());
        let exists = seen.is_some();
        let metadata = match seen {
            Some((meta, _)) => meta,
            None => {
                ObjectMeta { name: Some(name.clone()), labels: Some(self.sharding.labels()), ..ObjectMeta::default() }
            }
        };
        let lease = Lease { metadata, spec: Some(spec) };
        let writing = async {
            if exists { self.api.replace(&name, &params, &lease).await } else { self.api.create(&params, &lease).await }
        };
        match timeout(self.sharding.timing.renew_deadline, writing).await {
            Ok(Ok(written)) => {
                self.board.put(written);
                Ok(())
            }
            Ok(Err(error)) => Err(error.to_string()),
            Err(_) => Err("no answer".to_owned()),
        }
    }

    /// Deletes the Leases of members that weren't renewed, each in the version that was seen: one that was renewed after all
    /// stays, and one that is gone can't be renewed.
    async fn bury(&self) {
        let now = clock::instant();
        for member in self.board.members() {
            if now < member.over || member.identity == self.me {
                continue;
            }
            let params = DeleteParams { preconditions: Some(member.preconditions), ..DeleteParams::default() };
            match timeout(self.sharding.timing.retry, self.api.delete(&member.lease, &params)).await {
                Ok(Ok(_)) => {
                    tracing::info!(replica = member.identity, "a replica is gone");
                    self.board.remove(&member.lease);
                }
                Ok(Err(error)) => tracing::debug!(replica = member.identity, error = %error, "not gone for sure"),
                Err(_) => {}
            }
        }
    }

    /// What this process knew of the stores in these buckets counts no more: another one checks them now.
    fn lost(&self, buckets: &[u16]) {
        let cx = self.cx;
        for key in cx.world.stores(|store| buckets.contains(&cx.tenure.bucket_of_store(&store.key))) {
            cx.world.forget_check(&key);
            deletions::forget(cx, &key);
            cx.retire(&key);
            cx.metrics.disown(crate::secret_store::kind_of(&key), &key.name, &key.namespace);
        }
        for key in cx.world.external_secrets(|key, brief| buckets.contains(&cx.tenure.bucket_of_kept(key, brief))) {
            cx.metrics.disown(telemetry::Kind::ExternalSecret, &key.name, &key.namespace);
        }
        push_secret::lost(cx, buckets);
        tracing::info!(buckets = ?buckets, "gave buckets back");
        self.tell();
    }

    fn tell(&self) {
        let held = (0..self.sharding.buckets).filter(|bucket| self.cx.tenure.number(*bucket) != 0).count();
        self.cx.metrics.buckets_held(held);
    }
}

#[cfg(test)]
mod tests;
