//! Reads what a decision about one ExternalSecret needs. I/O; writes nothing.

use std::sync::Arc;
use std::time::{Duration, Instant};

use api::{
    ClusterExternalSecret, ClusterSecretStore, CreationPolicy, ExternalSecret, ExternalSecretSpec,
    ExternalSecretStatus, SecretStore, StoreKind,
};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use kube::Api;
use kube::core::DeserializeGuard;
use plan::data::{self, StoreName};
use plan::fan_out::child;
use plan::refresh::{self, Follows, RefreshInput};
use plan::secret_object::SecretObject;
use plan::{hash, status, store, target};

use super::{finalizer, pause};
use crate::clock;
use crate::context::Context;
use crate::fan_out::Appointments;
use crate::ingest;
use crate::queue::Next;
use crate::secret_store;
use crate::tenure::Permit;
use crate::world::{self, Key, Memory, StoreKey, StoreRecord, Verified};

/// What an ExternalSecret turned out to be.
pub(crate) enum Seen {
    /// It doesn't exist any more.
    Gone,
    /// It is being deleted.
    Deleted(Arc<ExternalSecret>),
    /// One of its stores belongs to another controller class, or its own is a cluster store and those are off.
    Foreign,
    /// One of its stores has not been checked yet; the check wakes this object.
    StorePending,
    /// Somebody paused it: on this store, or on the object itself.
    Paused(Arc<ExternalSecret>, Option<StoreName>),
    /// Its last version can't be read, and what was known before counts no more.
    Unreadable,
    /// It is to be kept in sync.
    Live(Box<Live>),
}

/// A live ExternalSecret and the state of its target.
pub(crate) struct Live {
    pub(crate) key: Key,
    pub(crate) object: Arc<ExternalSecret>,
    pub(crate) status: ExternalSecretStatus,
    pub(crate) target: Key,
    pub(crate) existing: Existing,
    pub(crate) intact: bool,
    pub(crate) memory: Memory,
    pub(crate) sync_version: String,
    /// As the settings have it.
    pub(crate) zone: TimeZone,
    /// The ClusterExternalSecret that keeps it, and when those that it keeps come.
    pub(crate) kept_by: Option<String>,
    pub(crate) appointments: Arc<Appointments>,
    /// Now, by the clock that timers go by.
    pub(crate) instant: Instant,
}

/// What is known of the target Secret.
pub(crate) enum Existing {
    /// The whole Secret was read.
    Read(Box<SecretObject>),
    /// It is in the version that was last found as wished; its data was not read again.
    Verified(Verified),
    /// No managed Secret is known, and none was asked for: a creation will tell.
    NoneKnown,
    /// It was asked for and doesn't exist.
    Missing,
}

/// See the module.
pub(crate) async fn gather(cx: &Arc<Context>, key: &Key) -> Result<Seen, kube::Error> {
    let instant = clock::instant();
    if cx.world.is_unreadable(key) {
        return Ok(Seen::Unreadable);
    }
    let Some(object) = cx.world.external_secret(key) else {
        cx.metrics.forget(telemetry::Kind::ExternalSecret, &key.name, &key.namespace);
        return Ok(Seen::Gone);
    };
    if object.metadata.deletion_timestamp.is_some() {
        return Ok(Seen::Deleted(object));
    }
    if cx.settings.ignores(&object.spec) {
        return Ok(Seen::Foreign);
    }
    for name in data::stores(&object.spec) {
        let store_key = store_key(&name, &key.namespace);
        let Some(record) = store_record(cx, &store_key).await? else { continue };
        if !cx.settings.handles(&record.spec) {
            return Ok(Seen::Foreign);
        }
        let checked = if cx.tenure.holds(cx.tenure.bucket_of_store(&store_key)) {
            let check = cx.world.check(&store_key);
            check.is_some_and(|check| check.generation == record.meta.generation.unwrap_or_default())
        } else {
            // Another process checks it, and says so in its status.
            store::is_checked(record.status.as_ref())
        };
        if cx.settings.flood_gate
            && cx.settings.checks(name.kind)
            && !checked
            // No check comes of one that can't be read.
            && cx.world.obstacle(&store_key).is_none()
            && !store::is_ready(record.status.as_ref())
        {
            return Ok(Seen::StorePending);
        }
    }
    if let Some(by) = pause::asked(cx, &object) {
        return Ok(Seen::Paused(object, by));
    }
    let memory = cx.world.memory(key);
    finalizer::book(cx, key, &object, &memory);
    let target = world::target_key(&object);
    let existing = match &object.spec.target.manifest {
        None => existing(cx, &object, &target, &memory).await?,
        // No Secret: `generic` looks at what it is.
        Some(_) => Existing::Missing,
    };
    let policy = object.spec.target.creation_policy;
    let intact = match &existing {
        Existing::Verified(_) => true,
        Existing::Read(secret) => target::is_intact(policy, Some(secret)),
        Existing::NoneKnown | Existing::Missing => target::is_intact(policy, None),
    };
    if let (Existing::Read(secret), true) = (&existing, intact) {
        remember_intact(cx, key, secret);
    }
    let empty = Default::default();
    let meta = &object.metadata;
    let sync_version = hash::sync_version(
        meta.generation.unwrap_or_default(),
        meta.labels.as_ref().unwrap_or(&empty),
        meta.annotations.as_ref().unwrap_or(&empty),
    );
    let status = object.status.clone().unwrap_or_default();
    let (key, zone) = (key.clone(), cx.settings.zone.clone());
    let kept_by = child::owner(&object.metadata, ClusterExternalSecret::KIND).map(str::to_owned);
    let appointments = cx.fan_out.appointments.clone();
    Ok(Seen::Live(Box::new(Live {
        key,
        status,
        target,
        existing,
        intact,
        memory,
        sync_version,
        zone,
        kept_by,
        appointments,
        instant,
        object,
    })))
}

/// A store's record. The watches of objects and stores don't run in step: before a store counts as missing, the API
/// server is asked. One that can't be got although it may exist is noted: its user is told why, and not held up.
pub(crate) async fn store_record(cx: &Arc<Context>, key: &StoreKey) -> Result<Option<Arc<StoreRecord>>, kube::Error> {
    let known = cx.world.store(key);
    // Without the watch, what is known may be out of date.
    let watched = key.kind == StoreKind::SecretStore || cx.settings.cluster_stores;
    if (known.is_some() && watched) || key.name.is_empty() {
        return Ok(known);
    }
    let client = cx.client.clone();
    let found = match key.kind {
        StoreKind::SecretStore => {
            let api: Api<DeserializeGuard<SecretStore>> = Api::namespaced(client, &key.namespace);
            let found = api.get_opt(&key.name).await;
            found.map(|found| found.map(|DeserializeGuard(it)| it.ok().map(StoreRecord::of_secret_store)))
        }
        StoreKind::ClusterSecretStore => {
            let api: Api<DeserializeGuard<ClusterSecretStore>> = Api::all(client);
            let found = api.get_opt(&key.name).await;
            found.map(|found| found.map(|DeserializeGuard(it)| it.ok().map(StoreRecord::of_cluster_secret_store)))
        }
    };
    match found {
        Ok(Some(Some(record))) => ingest::stores::take_in(cx, record),
        Ok(Some(None)) => {
            cx.world.put_obstacle(key, secret_store::OBSTACLE);
        }
        Err(kube::Error::Api(status)) if status.is_forbidden() => {
            cx.world.put_obstacle(key, &status.message);
        }
        Ok(None) if known.is_some() => ingest::stores::gone(cx, key),
        Ok(None) => cx.world.remove_store(key),
        Err(error) => return Err(error),
    }
    Ok(cx.world.store(key))
}

/// How to go on if the object isn't what this process knew of it. To be asked before a refresh.
///
/// Another process may have refreshed it moments before its bucket became ours, and the watch may not have told yet: then
/// a generator would be asked twice for one change. So the API server itself is asked, once under each mandate.
pub(super) async fn outdated(cx: &Arc<Context>, seen: &Live) -> Option<Next> {
    let number = cx.tenure.number(cx.tenure.bucket_of(&seen.object));
    // Who is alone from its first listing on knows what it wrote.
    if seen.memory.current_under == number || cx.tenure.permit() == Permit::Ever {
        return None;
    }
    let api: Api<ExternalSecret> = Api::namespaced(cx.client.clone(), &seen.key.namespace);
    match api.get_opt(&seen.key.name).await {
        Ok(Some(mut object)) => {
            let same = object.metadata.resource_version == seen.object.metadata.resource_version;
            if !same {
                object.metadata.managed_fields = None;
                // Not brought back if the watch has told of its end meanwhile.
                cx.world.put_written(object);
            }
            cx.world.remember(&seen.key, |memory| memory.current_under = number);
            (!same).then_some(Next::After(Duration::ZERO))
        }
        // The watch will tell.
        Ok(None) => Some(Next::OnChange),
        Err(error) => {
            tracing::debug!(namespace = seen.key.namespace, name = seen.key.name, error = %error, "not looked at again");
            Some(Next::Backoff)
        }
    }
}

/// All stores that `spec` names, for an object in `namespace`.
pub(crate) fn store_keys(spec: &ExternalSecretSpec, namespace: &str) -> Vec<StoreKey> {
    data::stores(spec).iter().map(|name| store_key(name, namespace)).collect()
}

/// The store that `name` means for an object in `namespace`.
pub(crate) fn store_key(name: &StoreName, namespace: &str) -> StoreKey {
    let namespace = match name.kind {
        StoreKind::SecretStore => namespace.to_owned(),
        StoreKind::ClusterSecretStore => String::new(),
    };
    StoreKey { kind: name.kind, namespace, name: name.name.clone() }
}

async fn existing(
    cx: &Context,
    object: &ExternalSecret,
    target: &Key,
    memory: &Memory,
) -> Result<Existing, kube::Error> {
    let version = object.status.as_ref().and_then(|status| status.synced_resource_version.as_ref());
    let synced = version.is_some_and(|version| !version.is_empty());
    match cx.world.secret(target) {
        Some(seen) => {
            let verified = memory.verified.clone();
            if let Some(verified) =
                verified.filter(|v| v.uid == seen.uid && v.resource_version == seen.resource_version)
            {
                return Ok(Existing::Verified(verified));
            }
        }
        // One that was synced may only have lost its label, and must not be fetched anew for that.
        None if synced => {}
        None => match object.spec.target.creation_policy {
            // A creation tells whether it exists, which saves a read for each new object.
            CreationPolicy::Owner | CreationPolicy::CreateOrMerge => return Ok(Existing::NoneKnown),
            CreationPolicy::Orphan | CreationPolicy::Merge | CreationPolicy::None => {}
        },
    }
    let api: Api<SecretObject> = Api::namespaced(cx.client.clone(), &target.namespace);
    Ok(match api.get_opt(&target.name).await? {
        Some(secret) => Existing::Read(Box::new(secret)),
        None => Existing::Missing,
    })
}

fn remember_intact(cx: &Context, key: &Key, secret: &SecretObject) {
    if let Some(verified) = Verified::of(&secret.metadata, None) {
        cx.world.remember(key, |memory| memory.verified = Some(verified));
    }
}

impl Live {
    /// Whether a dependency changed and the refresh policy lets it count now.
    pub(crate) fn forced(&self, now: Timestamp) -> bool {
        self.follows(now) == Follows::Now
    }

    fn follows(&self, now: Timestamp) -> Follows {
        let spec = &self.object.spec;
        let in_sync = status::ready_is("True", &self.status.conditions);
        // Nobody wants another password because a store's credential was rotated.
        if self.memory.changes == 0 || (in_sync && !data::generators(spec).is_empty()) {
            return Follows::Never;
        }
        let (policy, interval, windows) = (spec.refresh_policy, spec.refresh_interval, spec.sync_windows.as_deref());
        refresh::follows_dependencies(policy, interval, windows, &self.zone, now)
    }

    pub(crate) fn refresh_input(&self) -> RefreshInput<'_> {
        let spec = &self.object.spec;
        RefreshInput {
            policy: spec.refresh_policy,
            interval: spec.refresh_interval,
            sync_windows: spec.sync_windows.as_deref(),
            zone: &self.zone,
            sync_version: &self.sync_version,
            synced_resource_version: self.status.synced_resource_version.as_deref().unwrap_or_default(),
            refresh_time: self.status.refresh_time.as_ref().map(|time| time.0),
            secret_valid: self.intact,
            kept_by: self.kept_by.as_deref(),
        }
    }

    /// When to look again at an object that isn't due.
    pub(crate) fn next_wakeup(&self, now: Timestamp) -> Next {
        let next = refresh::next(&self.refresh_input(), now);
        let next = match (next, self.follows(now)) {
            (refresh::Next::After(next), Follows::After(opening)) => refresh::Next::After(next.min(opening)),
            (refresh::Next::At(time), Follows::After(opening)) if now + opening < time => refresh::Next::After(opening),
            (next, Follows::Now | Follows::After(_) | Follows::Never) => next,
        };
        self.to_queue(next, now)
    }

    /// When to look again at an object that was synced at `now`.
    pub(crate) fn next_after_sync(&self, now: Timestamp) -> Next {
        self.to_queue(refresh::next(&RefreshInput { refresh_time: Some(now), ..self.refresh_input() }, now), now)
    }

    fn to_queue(&self, next: refresh::Next, now: Timestamp) -> Next {
        match next {
            refresh::Next::Never => Next::OnChange,
            refresh::Next::After(wait) => Next::After(wait),
            refresh::Next::At(time) => {
                let declaration = self.kept_by.as_deref().unwrap_or_default();
                Next::At(self.appointments.at(declaration, time, (now, self.instant)))
            }
            refresh::Next::Backoff => Next::Backoff,
        }
    }
}

#[cfg(test)]
mod tests {
    use certgen::fake::FakeApi;
    use serde_json::json;

    use super::*;
    use crate::dispatch::Slot;
    use crate::fixtures;
    use crate::tenure::Tenure;

    async fn reconcile(cx: &Arc<Context>) -> Next {
        let key = Key { namespace: "shop".into(), name: "db".into() };
        super::super::reconcile(cx, &key, engine::Asker::usual(clock::instant()), Slot::unlimited()).await
    }

    const STORE: &str = "/apis/external-secrets.io/v1/namespaces/shop/secretstores/vault";

    /// Gathers for an ExternalSecret of store `vault` that no watch has told of; says what it turned out to be.
    async fn seen(store: Option<serde_json::Value>) -> &'static str {
        let objects: Vec<_> = store.into_iter().map(|store| (STORE, store)).collect();
        let cx = fixtures::context(&objects);
        let object = json!({
            "metadata": {"name": "db", "namespace": "shop", "uid": "u", "generation": 1},
            "spec": {"secretStoreRef": {"name": "vault"}, "data": [{"secretKey": "k", "remoteRef": {"key": "r"}}]},
        });
        cx.world.put_external_secret(serde_json::from_value(object).unwrap());
        let key = Key { namespace: "shop".into(), name: "db".into() };
        match gather(&cx, &key).await.unwrap() {
            Seen::Gone => "gone",
            Seen::Deleted(_) => "deleted",
            Seen::Foreign => "foreign",
            Seen::StorePending => "pending",
            Seen::Paused(..) => "paused",
            Seen::Unreadable => "unreadable",
            Seen::Live(_) => "live",
        }
    }

    /// Another process may have refreshed it while this one only watched.
    #[tokio::test]
    async fn an_object_that_has_just_become_ours_is_looked_at_before_it_is_refreshed() {
        let api = FakeApi::default();
        let path = "/apis/external-secrets.io/v1/namespaces/shop/externalsecrets/db";
        let object = json!({
            "apiVersion": "external-secrets.io/v1", "kind": "ExternalSecret",
            "metadata": {"name": "db", "namespace": "shop", "uid": "u", "generation": 1},
            "spec": {"dataFrom": [{"sourceRef": {"generatorRef": {"kind": "Password", "name": "p"}}}]},
        });
        api.put(path, object.clone());
        let (cx, _) = fixtures::under(&api, fixtures::settings(), Tenure::vacant(1));
        let key = Key { namespace: "shop".into(), name: "db".into() };
        cx.world.put_external_secret(serde_json::from_value(api.get(path).unwrap()).unwrap());
        assert_eq!(reconcile(&cx).await, Next::OnChange, "not ours");
        assert_eq!(api.requests(), Vec::<String>::new());

        // The other process's last word, of which the watch hasn't told.
        let mut synced = object;
        synced["status"] = json!({"syncedResourceVersion": "1-x", "refreshTime": "2026-01-01T00:00:00Z"});
        api.put(path, synced);
        cx.tenure.gain(0);
        let next = reconcile(&cx).await;
        assert_eq!((next, api.requests()), (Next::After(Duration::ZERO), vec![format!("GET {path}")]));
        let status = cx.world.external_secret(&key).unwrap().status.clone().unwrap();
        assert_eq!(status.synced_resource_version.as_deref(), Some("1-x"));
        // Once is enough.
        reconcile(&cx).await;
        assert_eq!(api.count(&format!("GET {path}")), 1);
    }

    /// A store of another replica is judged by its status, and its users here are woken by it.
    #[tokio::test]
    async fn a_store_that_another_replica_checks_is_waited_for() {
        let api = FakeApi::default();
        let (cx, _) = fixtures::under(&api, fixtures::settings(), Tenure::vacant(1));
        let record = |version: &str, status: serde_json::Value| {
            let store = json!({
                "apiVersion": "external-secrets.io/v1", "kind": "SecretStore",
                "metadata": {"name": "vault", "namespace": "shop", "uid": "s", "generation": 1, "resourceVersion": version},
                "spec": {"provider": {"fake": {"data": []}}}, "status": status,
            });
            StoreRecord::of_secret_store(serde_json::from_value(store).unwrap())
        };
        let object = json!({
            "metadata": {"name": "db", "namespace": "shop", "uid": "u", "generation": 1},
            "spec": {"secretStoreRef": {"name": "vault"}, "data": [{"secretKey": "k", "remoteRef": {"key": "r"}}]},
        });
        cx.world.put_external_secret(serde_json::from_value(object).unwrap());
        let key = Key { namespace: "shop".into(), name: "db".into() };
        let woken = || cx.external_secrets.gauge().0.iter().sum::<usize>();
        ingest::stores::take_in(&cx, record("5", json!({})));
        assert!(matches!(gather(&cx, &key).await.unwrap(), Seen::StorePending));
        assert_eq!(woken(), 0);
        ingest::stores::take_in(&cx, record("6", json!({"conditions": [{"type": "Ready", "status": "True"}]})));
        assert!(matches!(gather(&cx, &key).await.unwrap(), Seen::Live(_)));
        assert_eq!(woken(), 1);
    }

    #[tokio::test]
    async fn a_store_that_no_watch_has_told_of_is_asked_for_before_it_counts_as_missing() {
        let store = |controller: &str| {
            json!({
                "apiVersion": "external-secrets.io/v1", "kind": "SecretStore",
                "metadata": {"name": "vault", "namespace": "shop", "uid": "s", "generation": 1, "resourceVersion": "5"},
                "spec": {"controller": controller, "provider": {"fake": {"data": []}}},
            })
        };
        // It is there and not checked yet; it is another controller's; it isn't there.
        assert_eq!(seen(Some(store(""))).await, "pending");
        assert_eq!(seen(Some(store("other"))).await, "foreign");
        assert_eq!(seen(None).await, "live");
    }
}
