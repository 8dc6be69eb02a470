//! Takes the reference's finalizer away from live objects that don't need it, so that neither they nor their namespace
//! hang when they are deleted while no controller runs. I/O: one patch an object, each in a turn of its own.
//!
//! Deliberately not here: what is done for an object that is being deleted (`deletion`), and which targets need one
//! ([`plan::generic_target::needs_finalizer`]).

use std::sync::Arc;
use std::time::{Duration, Instant};

use api::ExternalSecret;
use kube::Api;
use kube::api::{Patch, PatchParams};
use plan::generic_target::needs_finalizer;

use super::pause;
use crate::clock;
use crate::context::Context;
use crate::queue::Next;
use crate::turns::Turn;
use crate::world::{Key, Memory};

/// The reference's finalizer.
pub(super) const FINALIZER: &str = "externalsecrets.external-secrets.io/externalsecret-cleanup";

/// After a patch that was made on an old version of the object.
const SOON: Duration = Duration::from_secs(1);
/// After a refused patch. It isn't urgent, and where a role forbids it thousands of objects would ask again and again.
const LATE: Duration = Duration::from_secs(3600);

/// Whether the object carries the finalizer.
pub(super) fn is_on(object: &ExternalSecret) -> bool {
    object.metadata.finalizers.iter().flatten().any(|finalizer| finalizer == FINALIZER)
}

/// Books a turn for an object that is ours to keep in sync and carries the finalizer in vain. Sends nothing.
pub(super) fn book(cx: &Context, key: &Key, object: &ExternalSecret, memory: &Memory) {
    if !is_on(object) || needs_finalizer(&object.spec) {
        return;
    }
    match memory.turn {
        Turn::None => put_off(cx, key, cx.world.turns.book(clock::instant())),
        Turn::At(_) => {}
        // Taken away once is enough: two controllers that don't agree mustn't quarrel over it for ever.
        Turn::Had => tracing::debug!(
            namespace = key.namespace,
            name = key.name,
            "the finalizer was put back: another controller, such as External Secrets Operator, still runs"
        ),
    }
}

/// Takes the finalizer away if it is the object's turn; else answers to look again then, if `next` is later. To be called
/// at the end of a reconcile: by then the version that is known is the one that its status write made.
pub(super) async fn take_away(cx: &Arc<Context>, key: &Key, next: Next) -> Next {
    let Turn::At(turn) = cx.world.memory(key).turn else { return next };
    let Some(object) = cx.world.external_secret(key) else { return next };
    if object.metadata.deletion_timestamp.is_some() || !is_on(&object) || needs_finalizer(&object.spec) {
        cx.world.remember(key, |memory| memory.turn = Turn::None);
        return next;
    }
    if pause::asked(cx, &object).is_some() || cx.world.is_unreadable(key) {
        return next;
    }
    let wait = turn.saturating_duration_since(clock::instant());
    if !wait.is_zero() {
        return sooner(next, wait);
    }
    match remove(cx, &object).await {
        Ok(version) => {
            // Known before the watch tells: our own patch must not wake the object again.
            let mut object = (*object).clone();
            object.metadata.finalizers = rest(&object);
            object.metadata.resource_version = version;
            cx.world.put_written(object);
            cx.world.remember(key, |memory| memory.turn = Turn::Had);
            next
        }
        Err(kube::Error::Api(status)) if status.is_conflict() || status.is_not_found() => {
            put_off(cx, key, clock::instant() + SOON);
            sooner(next, SOON)
        }
        Err(error) => {
            tracing::warn!(namespace = key.namespace, name = key.name, error = %error, "could not take an unneeded finalizer away");
            put_off(cx, key, clock::instant() + LATE);
            sooner(next, LATE)
        }
    }
}

/// Removes the finalizer from the very version of the object that is handed in; answers the new version.
pub(super) async fn remove(cx: &Context, object: &ExternalSecret) -> Result<Option<String>, kube::Error> {
    let meta = &object.metadata;
    let patch = serde_json::json!({"metadata": {
        "finalizers": rest(object).unwrap_or_default(), "resourceVersion": meta.resource_version, "uid": meta.uid,
    }});
    let api: Api<ExternalSecret> = Api::namespaced(cx.client.clone(), meta.namespace.as_deref().unwrap_or_default());
    let name = meta.name.as_deref().unwrap_or_default();
    let patched = api.patch_metadata(name, &PatchParams::default(), &Patch::Merge(&patch)).await?;
    Ok(patched.metadata.resource_version)
}

/// The object's other finalizers.
fn rest(object: &ExternalSecret) -> Option<Vec<String>> {
    let others = object.metadata.finalizers.iter().flatten().filter(|finalizer| *finalizer != FINALIZER);
    let others: Vec<String> = others.cloned().collect();
    (!others.is_empty()).then_some(others)
}

fn put_off(cx: &Context, key: &Key, until: Instant) {
    cx.world.remember(key, |memory| memory.turn = Turn::At(until));
}

/// `next`, but after `wait` at the latest. What failed comes back by itself, not before its backoff is over.
fn sooner(next: Next, wait: Duration) -> Next {
    match next {
        Next::OnChange => Next::After(wait),
        Next::After(later) => Next::After(later.min(wait)),
        Next::At(instant) if instant <= clock::instant() + wait => next,
        Next::At(_) => Next::After(wait),
        Next::Backoff | Next::FailedFor(_) => next,
    }
}

#[cfg(test)]
mod tests {
    use certgen::fake::FakeApi;
    use serde_json::{Value, json};

    use super::*;
    use crate::fixtures;
    use crate::turns::PAUSE;

    const LONG: Next = Next::After(Duration::from_secs(600));

    fn path(name: &str) -> String {
        format!("/apis/external-secrets.io/v1/namespaces/shop/externalsecrets/{name}")
    }

    fn object(name: &str, target: &Value) -> Value {
        json!({
            "apiVersion": "external-secrets.io/v1", "kind": "ExternalSecret",
            "metadata": {"name": name, "namespace": "shop", "uid": format!("u-{name}"), "generation": 1,
                "finalizers": ["example.com/other", FINALIZER]},
            "spec": {"secretStoreRef": {"name": "vault"}, "target": target, "data": []},
        })
    }

    fn key(name: &str) -> Key {
        Key { namespace: "shop".into(), name: name.into() }
    }

    /// Takes in the objects as they are now, as the watch would.
    fn known(api: &FakeApi, cx: &Context, names: &[&str]) {
        for name in names {
            cx.world.put_external_secret(serde_json::from_value(api.get(&path(name)).unwrap()).unwrap());
        }
    }

    /// What the end of a reconcile does about the object.
    async fn look(cx: &Arc<Context>, name: &str, next: Next) -> Next {
        let key = key(name);
        book(cx, &key, &cx.world.external_secret(&key).unwrap(), &cx.world.memory(&key));
        take_away(cx, &key, next).await
    }

    fn patches(api: &FakeApi) -> usize {
        api.calls().iter().filter(|call| call.method == "PATCH").count()
    }

    fn world(target: &Value, names: &[&str]) -> (FakeApi, Arc<Context>) {
        let api = FakeApi::default();
        names.iter().for_each(|name| api.put(&path(name), object(name, target)));
        let (cx, _) = fixtures::over(&api, fixtures::settings());
        known(&api, &cx, names);
        (api, cx)
    }

    #[tokio::test(start_paused = true)]
    async fn only_an_unneeded_finalizer_is_taken_away() {
        let manifest = json!({"apiVersion": "v1", "kind": "ConfigMap"});
        for (target, taken) in [
            (json!({}), true),
            (json!({"deletionPolicy": "Delete"}), true),
            (json!({"creationPolicy": "Orphan", "deletionPolicy": "Delete"}), true),
            (json!({"manifest": manifest}), true),
            (json!({"manifest": manifest, "deletionPolicy": "Delete"}), true),
            (json!({"manifest": manifest, "deletionPolicy": "Delete", "creationPolicy": "Orphan"}), false),
        ] {
            let (api, cx) = world(&target, &["db"]);
            assert_eq!(look(&cx, "db", LONG).await, LONG, "{target}");
            let left = &api.get(&path("db")).unwrap()["metadata"]["finalizers"];
            let all = if taken { json!(["example.com/other"]) } else { json!(["example.com/other", FINALIZER]) };
            assert_eq!(*left, all, "{target}");
            assert_eq!(patches(&api), usize::from(taken), "{target}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn each_object_waits_for_its_turn_and_has_one_patch() {
        let names = ["a", "b", "c"];
        let (api, cx) = world(&json!({}), &names);
        assert_eq!(look(&cx, "a", Next::OnChange).await, Next::OnChange);
        assert_eq!(look(&cx, "b", Next::OnChange).await, Next::After(PAUSE));
        assert_eq!(look(&cx, "c", LONG).await, Next::After(PAUSE * 2));
        assert_eq!(look(&cx, "c", Next::Backoff).await, Next::Backoff, "what failed isn't tried sooner");
        assert_eq!(patches(&api), 1);
        tokio::time::advance(PAUSE * 2).await;
        for name in names {
            assert_eq!(look(&cx, name, LONG).await, LONG);
        }
        known(&api, &cx, &names);
        for name in names {
            assert_eq!(look(&cx, name, LONG).await, LONG);
        }
        assert_eq!(patches(&api), 3);
    }

    #[tokio::test(start_paused = true)]
    async fn a_paused_object_is_left_alone() {
        let (api, cx) = world(&json!({}), &["db"]);
        let key = key("db");
        book(&cx, &key, &cx.world.external_secret(&key).unwrap(), &cx.world.memory(&key));
        let mut paused = object("db", &json!({}));
        paused["metadata"]["annotations"] = json!({"external-secrets.io/paused": "true"});
        api.put(&path("db"), paused);
        known(&api, &cx, &["db"]);
        assert_eq!(take_away(&cx, &key, LONG).await, LONG);
        assert_eq!(patches(&api), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn a_finalizer_that_is_put_back_is_left_to_the_other_controller() {
        let (api, cx) = world(&json!({}), &["db"]);
        look(&cx, "db", LONG).await;
        api.put(&path("db"), object("db", &json!({})));
        known(&api, &cx, &["db"]);
        assert_eq!(look(&cx, "db", LONG).await, LONG);
        assert_eq!(patches(&api), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn a_refused_patch_is_tried_again_without_haste() {
        for (code, reason, wait) in [(409, "Conflict", SOON), (403, "Forbidden", LATE)] {
            let (api, cx) = world(&json!({}), &["db"]);
            api.refuse_once_with("PATCH", &path("db"), code, reason, "refused");
            assert_eq!(look(&cx, "db", Next::OnChange).await, Next::After(wait), "{code}");
            tokio::time::advance(wait).await;
            assert_eq!(look(&cx, "db", Next::OnChange).await, Next::OnChange, "{code}");
            assert_eq!(patches(&api), 2, "{code}");
        }
    }
}
