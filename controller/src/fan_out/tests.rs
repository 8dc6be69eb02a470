//! What declarations lead to, over an API server in memory. What a watch would have told is taken in before each look.

mod finalizers;
mod once_a_refresh;
mod scenario;
mod trouble;

use std::collections::BTreeMap;
use std::sync::Arc;

use api::{ClusterExternalSecret, ClusterPushSecret};
use certgen::fake::FakeApi;
use serde_json::{Value, json};

use super::{DeclarationKey, DeclarationKind, reconcile, watches};
use crate::clock;
use crate::context::Context;
use crate::events::Writer;
use crate::external_secret::scenario::lay;
use crate::fixtures;
use crate::ingest;
use crate::queue::Next;
use crate::world::{Key, NamespaceSeen};

const GROUP: &str = "/apis/external-secrets.io";

/// A cluster, and what this process was told of it.
pub(super) struct Stage {
    pub(super) api: FakeApi,
    pub(super) cx: Arc<Context>,
    pub(super) writer: Writer,
    told: BTreeMap<String, Value>,
    /// Calls that were looked at.
    seen: usize,
    /// How each declaration is gone on with.
    pub(super) next: BTreeMap<String, Next>,
}

pub(super) fn declaration(name: &str) -> String {
    format!("{GROUP}/v1/clusterexternalsecrets/{name}")
}

pub(super) fn pushing(name: &str) -> String {
    format!("{GROUP}/v1alpha1/clusterpushsecrets/{name}")
}

pub(super) fn child(namespace: &str, name: &str) -> String {
    format!("{GROUP}/v1/namespaces/{namespace}/externalsecrets/{name}")
}

pub(super) fn push_secret(namespace: &str, name: &str) -> String {
    format!("{GROUP}/v1alpha1/namespaces/{namespace}/pushsecrets/{name}")
}

fn namespace(name: &str) -> String {
    format!("/api/v1/namespaces/{name}")
}

impl Stage {
    /// A cluster with these namespaces and the label `team` of each.
    pub(super) fn new(namespaces: &[(&str, &str)]) -> Self {
        let api = FakeApi::default();
        let (cx, writer) = fixtures::over(&api, fixtures::settings());
        cx.fan_out.namespaces_are_listed();
        cx.fan_out.push_secrets.are_listed();
        let stage = Self { api, cx, writer, told: BTreeMap::new(), seen: 0, next: BTreeMap::new() };
        namespaces.iter().for_each(|(name, team)| stage.namespace(name, &json!({"labels": {"team": team}})));
        stage
    }

    /// Lays `over` over a namespace's metadata.
    pub(super) fn namespace(&self, name: &str, over: &Value) {
        let metadata = json!({"metadata": {"name": name, "uid": format!("u-{name}")}});
        self.change(&namespace(name), &metadata, &json!({"metadata": over}));
    }

    /// Lays `over` over a ClusterExternalSecret that wants one key in the namespaces of team blue.
    pub(super) fn declare(&self, name: &str, over: &Value) {
        let base = json!({
            "apiVersion": "external-secrets.io/v1", "kind": "ClusterExternalSecret",
            "metadata": {"name": name, "uid": format!("u-{name}"), "generation": 1},
            "spec": {
                "namespaceSelectors": [{"matchLabels": {"team": "blue"}}],
                "externalSecretSpec": {
                    "refreshInterval": "1h", "secretStoreRef": {"name": "vault", "kind": "ClusterSecretStore"},
                    "data": [{"secretKey": "k", "remoteRef": {"key": "r"}}],
                },
            },
        });
        self.change(&declaration(name), &base, over);
    }

    /// As [`Stage::declare`], of a ClusterPushSecret.
    pub(super) fn declare_push(&self, name: &str, over: &Value) {
        let base = json!({
            "apiVersion": "external-secrets.io/v1alpha1", "kind": "ClusterPushSecret",
            "metadata": {"name": name, "uid": format!("u-{name}"), "generation": 1},
            "spec": {
                "namespaceSelectors": [{"matchLabels": {"team": "blue"}}],
                "pushSecretSpec": {
                    "secretStoreRefs": [{"name": "vault", "kind": "ClusterSecretStore"}],
                    "selector": {"secret": {"name": "source"}},
                },
            },
        });
        self.change(&pushing(name), &base, over);
    }

    /// Lays `over` over the object at `path`, or over `base` where there is none; a change of the spec is a new generation.
    pub(super) fn change(&self, path: &str, base: &Value, over: &Value) {
        let before = self.api.get(path);
        let mut object = before.clone().unwrap_or_else(|| base.clone());
        lay(&mut object, over);
        if before.is_some_and(|before| before["spec"] != object["spec"]) {
            let generation = object["metadata"]["generation"].as_i64().unwrap_or(1);
            object["metadata"]["generation"] = json!(generation + 1);
        }
        self.api.put(path, object);
    }

    /// The watches tell what is there now, or isn't any more.
    pub(super) fn tell(&mut self) {
        let objects = self.api.objects();
        let gone: Vec<(String, Value)> = self.told.extract_if(.., |path, _| !objects.contains_key(path)).collect();
        for (path, object) in gone {
            self.tell_of(&path, &object, true);
        }
        for (path, object) in objects {
            if self.told.get(&path) != Some(&object) {
                self.tell_of(&path, &object, false);
                self.told.insert(path, object);
            }
        }
    }

    fn tell_of(&self, path: &str, object: &Value, gone: bool) {
        let cx = &self.cx;
        let name = object["metadata"]["name"].as_str().unwrap_or_default().to_owned();
        let namespace = object["metadata"]["namespace"].as_str().unwrap_or_default().to_owned();
        let key = Key { namespace, name: name.clone() };
        let parts: Vec<&str> = path.rsplit('/').collect();
        match (parts[1], gone) {
            ("namespaces", gone) => {
                let meta = serde_json::from_value(object["metadata"].clone()).unwrap();
                ingest::namespace_seen(cx, &name, (!gone).then(|| NamespaceSeen::of(meta)));
            }
            ("clusterexternalsecrets", false) => {
                watches::seen::<ClusterExternalSecret>(cx, name, serde_json::from_value(object.clone()).unwrap());
            }
            ("clusterexternalsecrets", true) => watches::gone::<ClusterExternalSecret>(cx, name),
            ("clusterpushsecrets", false) => {
                watches::seen::<ClusterPushSecret>(cx, name, serde_json::from_value(object.clone()).unwrap());
            }
            ("clusterpushsecrets", true) => watches::gone::<ClusterPushSecret>(cx, name),
            ("externalsecrets", false) => {
                ingest::external_secret_seen(cx, serde_json::from_value(object.clone()).unwrap());
            }
            ("externalsecrets", true) => {
                ingest::external_secret_gone(cx, &serde_json::from_value(object["metadata"].clone()).unwrap());
            }
            ("pushsecrets", false) => watches::push_secret_seen(cx, serde_json::from_value(object.clone()).unwrap()),
            ("pushsecrets", true) => watches::push_secret_gone(cx, &key),
            (other, _) => panic!("nobody watches {other}"),
        }
    }

    /// Works on whatever is woken until nothing is, and answers the writes as `METHOD namespace/name` or `METHOD name`.
    pub(super) async fn settle(&mut self) -> Vec<String> {
        for _ in 0..20 {
            self.tell();
            let mut idle = true;
            while let Some(job) = self.cx.fan_out.queue.pop(|_| None) {
                idle = false;
                let next = reconcile(&self.cx, &job.key, job.asked).await;
                self.next.insert(job.key.name.clone(), next);
                // Whatever is due later is asked for by the test.
                self.cx.fan_out.queue.done(job.key, Next::OnChange);
            }
            if idle {
                return self.writes();
            }
        }
        panic!("it never comes to rest: {:?}", self.writes());
    }

    /// Looks at a ClusterExternalSecret although nothing woke it.
    pub(super) async fn look(&mut self, name: &str) -> (Next, Vec<String>) {
        let key = DeclarationKey { kind: DeclarationKind::ExternalSecret, name: name.to_owned() };
        let next = reconcile(&self.cx, &key, clock::instant()).await;
        (next, self.writes())
    }

    fn writes(&mut self) -> Vec<String> {
        let calls = self.api.calls();
        let new = calls.iter().skip(self.seen).filter(|call| call.method != "GET");
        let shown = new.map(|call| {
            let mut path = call.path.replace(GROUP, "");
            for cut in ["/v1alpha1", "/v1", "/api", "/namespaces"] {
                path = path.replacen(cut, "", 1);
            }
            let name = call.body["metadata"]["name"].as_str().filter(|_| call.method == "POST");
            let short = ["/externalsecrets", "/pushsecrets", "/clusterexternalsecrets", "/clusterpushsecrets"];
            short.iter().for_each(|part| path = path.replace(part, ""));
            let orphans = call.body["propagationPolicy"].as_str().map(|it| format!(" {it}")).unwrap_or_default();
            let name = name.map(|name| format!("/{name}")).unwrap_or_default();
            format!("{} {}{name}{orphans}", call.method, path.trim_start_matches('/'))
        });
        let shown = shown.collect();
        self.seen = calls.len();
        shown
    }

    pub(super) fn status(&self, path: &str) -> Value {
        self.api.get(path).unwrap()["status"].clone()
    }

    /// `provisioned; failed=reason`, as the ClusterExternalSecret's status tells it.
    pub(super) fn told_of(&self, path: &str) -> String {
        let status = self.status(path);
        let names = |list: &Value| -> Vec<String> {
            list.as_array().into_iter().flatten().map(|it| it.as_str().unwrap_or_default().to_owned()).collect()
        };
        let provisioned = names(&status["provisionedNamespaces"]).join(" ");
        let failed = status["failedNamespaces"].as_array().into_iter().flatten().map(|it| {
            format!("{}={}", it["namespace"].as_str().unwrap_or_default(), it["reason"].as_str().unwrap_or_default())
        });
        let failed: Vec<String> = failed.collect();
        let ready = status["conditions"][0]["status"].as_str().unwrap_or_default();
        format!("{ready} {provisioned}; {}", failed.join(", "))
    }
}
