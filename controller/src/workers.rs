//! What the workers do with the keys of the two queues.
//!
//! Deliberately not here: how many work at a time (`dispatch`).

use std::sync::Arc;
use std::time::Instant;

use api::StoreKind;
use engine::Asker;
use telemetry::{Kind, Lane};

use crate::clock;
use crate::context::Context;
use crate::dispatch::{Slot, Work};
use crate::fan_out::{self, DeclarationKey};
use crate::queue::{Job, Next};
use crate::world::{Key, StoreKey};
use crate::{external_secret, push_secret, secret_store};

/// Reconciles ExternalSecrets.
pub(crate) struct ExternalSecrets(pub(crate) Arc<Context>);

impl Work<Key, StoreKey> for ExternalSecrets {
    fn group_of(&self, key: &Key) -> Option<StoreKey> {
        external_secret::group_of(&self.0, key)
    }

    async fn work(&self, job: &Job<Key>, slot: Slot) -> Next {
        let (Self(cx), Job { key, lane, asked, waited }) = (self, job);
        cx.metrics.queue_wait("externalsecret", *lane, *waited);
        let turn = cx.supervision.external_secrets.begin("externalsecret");
        let started = clock::instant();
        // Nobody has a value of it yet.
        let asker = Asker {
            since: *asked,
            urgent: *lane == Lane::New,
            followed: cx.external_secrets.has_more(self.group_of(key).as_ref(), engine::LINGER),
        };
        let next = external_secret::reconcile(cx, key, asker, slot).await;
        let bucket = cx.world.about(key, |brief| cx.tenure.bucket_of_kept(key, brief));
        measure(cx, Kind::ExternalSecret, &key.name, &key.namespace, bucket, started);
        turn.end(next);
        next
    }

    fn panicked(&self, key: &Key) {
        tracing::error!(
            namespace = key.namespace,
            name = key.name,
            "reconciling this ExternalSecret panicked; please report it"
        );
    }

    fn exists(&self, key: &Key) -> bool {
        self.0.world.exists(key)
    }
}

/// Checks stores.
pub(crate) struct Stores(pub(crate) Arc<Context>);

impl Work<StoreKey, ()> for Stores {
    fn group_of(&self, _: &StoreKey) -> Option<()> {
        None
    }

    async fn work(&self, job: &Job<StoreKey>, slot: Slot) -> Next {
        let (Self(cx), Job { key, lane, asked: _, waited }) = (self, job);
        cx.metrics.queue_wait("secretstore", *lane, *waited);
        let turn = cx.supervision.stores.begin(match key.kind {
            StoreKind::SecretStore => "secretstore",
            StoreKind::ClusterSecretStore => "clustersecretstore",
        });
        let started = clock::instant();
        let next = secret_store::reconcile(cx, key, &slot).await;
        if self.exists(key) && cx.tenure.holds(cx.tenure.bucket_of_store(key)) {
            let took = clock::instant().saturating_duration_since(started);
            cx.metrics.reconciled(secret_store::kind_of(key), &key.name, &key.namespace, took);
        }
        turn.end(next);
        next
    }

    fn panicked(&self, key: &StoreKey) {
        tracing::error!(namespace = key.namespace, name = key.name, "checking this store panicked; please report it");
    }

    fn exists(&self, key: &StoreKey) -> bool {
        self.0.world.store(key).is_some()
    }
}

/// Reconciles ClusterExternalSecrets and ClusterPushSecrets.
pub(crate) struct Declarations(pub(crate) Arc<Context>);

impl Work<DeclarationKey, ()> for Declarations {
    fn group_of(&self, _: &DeclarationKey) -> Option<()> {
        None
    }

    async fn work(&self, job: &Job<DeclarationKey>, _: Slot) -> Next {
        let (Self(cx), Job { key, lane, asked, waited }) = (self, job);
        cx.metrics.queue_wait("clusterexternalsecret", *lane, *waited);
        let kind = key.kind.metric();
        let turn = cx.supervision.declarations.begin(kind.as_str());
        let started = clock::instant();
        let next = fan_out::reconcile(cx, key, *asked).await;
        let bucket = self.exists(key).then(|| cx.tenure.bucket_of_declaration(key));
        measure(cx, kind, &key.name, "", bucket, started);
        turn.end(next);
        next
    }

    fn panicked(&self, key: &DeclarationKey) {
        let kind = key.kind.metric().as_str();
        tracing::error!(kind, name = key.name, "reconciling this object panicked; please report it");
    }

    fn exists(&self, key: &DeclarationKey) -> bool {
        self.0.fan_out.exists(key)
    }
}

/// Pushes PushSecrets.
pub(crate) struct PushSecrets(pub(crate) Arc<Context>);

impl Work<Key, StoreKey> for PushSecrets {
    fn group_of(&self, key: &Key) -> Option<StoreKey> {
        push_secret::group_of(&self.0, key)
    }

    async fn work(&self, job: &Job<Key>, slot: Slot) -> Next {
        let (Self(cx), Job { key, lane, asked: _, waited }) = (self, job);
        cx.metrics.queue_wait("pushsecret", *lane, *waited);
        let turn = cx.supervision.push_secrets.begin("pushsecret");
        let started = clock::instant();
        let next = push_secret::reconcile(cx, key, &slot).await;
        let bucket = self.exists(key).then(|| cx.tenure.bucket_of_push(key));
        measure(cx, Kind::PushSecret, &key.name, &key.namespace, bucket, started);
        turn.end(next);
        next
    }

    fn panicked(&self, key: &Key) {
        tracing::error!(
            namespace = key.namespace,
            name = key.name,
            "pushing this PushSecret panicked; please report it"
        );
    }

    fn exists(&self, key: &Key) -> bool {
        self.0.pushes.get(key).is_some()
    }
}

/// Counts what was worked on, unless it is gone: then it has no `bucket`.
fn measure(cx: &Context, kind: Kind, name: &str, namespace: &str, bucket: Option<u16>, started: Instant) {
    match bucket {
        Some(bucket) if cx.tenure.holds(bucket) => {
            let took = clock::instant().saturating_duration_since(started);
            cx.metrics.reconciled(kind, name, namespace, took);
        }
        // Another replica's object has its series there.
        Some(_) => cx.metrics.disown(kind, name, namespace),
        None => {}
    }
}
