//! What happens when a store can be reached again: those that failed meanwhile are tried at once, not after their backoff.
//!
//! Deliberately not here: finding out (`engine`), and stores whose own check fails (`secret_store.rs`, which is tried again
//! every few seconds and wakes its users by itself).

use std::sync::Arc;

use api::StoreKind;
use engine::StoreIdentity;
use telemetry::Lane;
use tokio::sync::mpsc::UnboundedReceiver;

use crate::context::Context;
use crate::ingest::stores::dependants;
use crate::push_secret;
use crate::world::{Key, Ready, StoreKey};

/// Listens for as long as the process lives.
pub(crate) async fn run(cx: Arc<Context>, mut recovered: UnboundedReceiver<StoreIdentity>) -> Result<(), String> {
    while let Some(identity) = recovered.recv().await {
        wake(&cx, &identity);
    }
    Err("nobody tells of recovered stores any more".to_owned())
}

/// Wakes the store's users that aren't in sync, and the store itself if its last check failed.
fn wake(cx: &Arc<Context>, identity: &StoreIdentity) {
    let StoreIdentity { kind, namespace, name, uid: _, generation: _, consumer } = identity;
    let kinds = [StoreKind::SecretStore, StoreKind::ClusterSecretStore];
    let Some(kind) = kinds.into_iter().find(|known| known.as_str() == *kind) else { return };
    let store = StoreKey { kind, namespace: namespace.clone(), name: name.clone() };
    if cx.world.check(&store).is_some_and(|check| !check.ready) {
        cx.stores.wake(store.clone(), Lane::Asked);
    }
    let failing = |key: &Key| {
        // A session of one namespace's credentials says nothing of the others'.
        let concerned = consumer.is_empty() || key.namespace == *consumer;
        concerned && cx.world.about(key, |brief| brief.ready != Ready::True) == Some(true)
    };
    let users: Vec<(Key, Lane)> =
        dependants(cx, &store).into_iter().filter(failing).map(|key| (key, Lane::Asked)).collect();
    cx.external_secrets.wake_all(users);
    push_secret::store_recovered(cx, &store, consumer);
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::time::Duration;

    use async_trait::async_trait;
    use engine::Asker;
    use provider::{Capabilities, Error, ErrorKind, Payload, Provider, ReadKey, RemoteRef, Validation};
    use secret::{SecretBytes, SecretMap};
    use serde_json::json;

    use super::*;
    use crate::clock;
    use crate::fixtures;
    use crate::world::StoreCheck;

    fn identity(consumer: &str) -> StoreIdentity {
        StoreIdentity {
            kind: "ClusterSecretStore",
            namespace: String::new(),
            name: "shared".to_owned(),
            uid: "u".to_owned(),
            generation: 1,
            consumer: consumer.to_owned(),
        }
    }

    /// Users of two stores in two namespaces, with each state of Ready.
    fn crowd(cx: &Context) {
        for namespace in ["shop", "mail"] {
            for (store, ready) in [("shared", "True"), ("shared", "False"), ("shared", "none"), ("other", "False")] {
                let name = format!("{store}-{}", ready.to_lowercase());
                let mut object = json!({
                    "apiVersion": "external-secrets.io/v1", "kind": "ExternalSecret",
                    "metadata": {"name": name, "namespace": namespace, "uid": name, "generation": 1},
                    "spec": {"secretStoreRef": {"name": store, "kind": "ClusterSecretStore"},
                        "data": [{"secretKey": "k", "remoteRef": {"key": "k"}}]},
                });
                if ready != "none" {
                    object["status"] = json!({"conditions": [{"type": "Ready", "status": ready}]});
                }
                cx.world.put_external_secret(serde_json::from_value(object).unwrap());
            }
        }
    }

    fn woken(cx: &Context) -> usize {
        cx.external_secrets.gauge().0[Lane::Asked as usize]
    }

    #[tokio::test]
    async fn only_users_that_are_not_in_sync_are_woken() {
        for (consumer, want) in [("", 4), ("shop", 2), ("nowhere", 0)] {
            let cx = fixtures::context(&[]);
            crowd(&cx);
            wake(&cx, &identity(consumer));
            assert_eq!(woken(&cx), want, "{consumer:?}");
            assert_eq!(cx.stores.gauge().0[Lane::Asked as usize], 0);
        }
    }

    #[tokio::test]
    async fn a_store_whose_check_failed_is_checked_again() {
        let cx = fixtures::context(&[]);
        let key = StoreKey { kind: StoreKind::ClusterSecretStore, namespace: String::new(), name: "shared".to_owned() };
        cx.world.put_check(&key, StoreCheck { generation: 1, ready: false });
        wake(&cx, &identity(""));
        assert_eq!(cx.stores.gauge().0[Lane::Asked as usize], 1);
    }

    struct Switched(Arc<AtomicBool>);

    #[async_trait]
    impl Provider for Switched {
        fn metric_name(&self) -> &'static str {
            "Switched"
        }

        fn call_name(&self, _: &ReadKey) -> &'static str {
            "Get"
        }

        async fn read(&self, _: &ReadKey) -> Result<Payload, Error> {
            match self.0.load(Ordering::SeqCst) {
                true => Ok(Payload(SecretBytes::from("v"))),
                false => Err(Error::new(ErrorKind::Unavailable, "Get", "down")),
            }
        }

        fn value(&self, payload: &Payload, _: &RemoteRef) -> Result<SecretBytes, Error> {
            Ok(payload.0.clone())
        }

        fn map(&self, _: &Payload, _: &RemoteRef) -> Result<SecretMap, Error> {
            Ok(SecretMap::new())
        }

        fn capabilities(&self) -> Capabilities {
            Capabilities::ReadOnly
        }

        async fn validate(&self) -> Validation {
            Validation::Ready
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_store_that_comes_back_wakes_its_users_within_seconds() {
        let cx = fixtures::context(&[]);
        crowd(&cx);
        tokio::spawn(run(cx.clone(), cx.engine.recovered()));
        let up = Arc::new(AtomicBool::new(false));
        let provider = Switched(up.clone());
        let open = || async { Ok(Box::new(provider) as Box<dyn Provider>) };
        let handle = cx.engine.handle(&identity(""), open).await.unwrap();
        let read = ReadKey { key: "k".to_owned(), version: None, metadata: false };
        let reference = RemoteRef { read, property: None };
        for _ in 0..10 {
            handle.value(&reference, Asker::usual(clock::instant())).await.unwrap_err();
        }
        tokio::time::sleep(Duration::from_secs(60)).await;
        assert_eq!(woken(&cx), 0);
        up.store(true, Ordering::SeqCst);
        tokio::time::sleep(Duration::from_secs(7)).await;
        assert_eq!(woken(&cx), 4);
    }
}
