//! Pushes on the wire: faults, conflicts, and what only one backend does. What real backends keep is in `e2e`.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use provider::{Beside, BesideKind, Error, ErrorKind, Place, Provider, Push, Pushed, Removed, Retry, Source};
use secret::SecretBytes;
use serde_json::{Value, json};

use crate::support::backends::Backend;
use crate::support::gcp::refused;
use crate::support::{Lookup, Made, Opening, Reply, Seen, Stub, reference, value};
use crate::{CANARY, faults};

pub(super) fn place(key: &str, property: Option<&str>) -> Place {
    Place { key: key.to_owned(), property: property.map(str::to_owned) }
}

/// One value, pushed as a property or (without one) as it is.
pub(super) fn one(text: &str, key: &str, property: Option<&str>) -> Push {
    let data = [("k".to_owned(), SecretBytes::from(text))].into();
    let source = Arc::new(Source { data, ..Source::default() });
    Push { source, secret_key: Some("k".to_owned()), place: place(key, property), metadata: None }
}

fn metadata(mut push: Push, spec: Value) -> Push {
    let version = "kubernetes.external-secrets.io/v1alpha1";
    push.metadata = Some(json!({"apiVersion": version, "kind": "PushSecretMetadata", "spec": spec}));
    push
}

async fn push(store: &dyn Provider, push: Push) -> Result<Pushed, Error> {
    store.writer().unwrap().push(&push, &Made::default()).await
}

/// With what lies beside its source.
async fn push_with(store: &dyn Provider, push: Push, beside: &str) -> Result<Pushed, Error> {
    store.writer().unwrap().push_with(&push, Some(&SecretBytes::from(beside)), &Made::default()).await
}

async fn delete(store: &dyn Provider, key: &str, property: Option<&str>) -> Result<Removed, Error> {
    store.writer().unwrap().delete(&place(key, property), &Made::default()).await
}

pub(super) fn target(seen: &Seen) -> &str {
    seen.header("x-amz-target").and_then(|target| target.split('.').nth(1)).unwrap_or_default()
}

/// Whether it only looks.
fn reads(seen: &Seen) -> bool {
    seen.method == "GET" || ["Describe", "Get", "List"].iter().any(|verb| target(seen).starts_with(verb))
}

/// What a backend says to a read of what isn't there.
pub(super) fn nothing(seen: &Seen) -> Reply {
    match target(seen) {
        "" if seen.path.starts_with("/api/") => Reply::json(
            404,
            json!({"kind": "Status", "reason": "NotFound", "details": {"kind": "secrets"}, "code": 404}),
        ),
        "" if seen.path.starts_with("/secrets/") => {
            Reply::json(404, json!({"error": {"code": "SecretNotFound", "message": "no"}}))
        }
        "" if seen.path.starts_with("/v1/projects/") => {
            refused(404, "NOT_FOUND", "Secret [projects/1/secrets/app] not found.")
        }
        "" if seen.path.starts_with("/v1/vaults?") => Reply::json(200, json!([{"id": "v", "name": "main"}])),
        "" if seen.path.starts_with("/v1/vaults/") => Reply::json(200, json!([])),
        "" => Reply::json(404, json!({"errors": []})),
        "GetParameter" => Reply::json(400, json!({"__type": "ParameterNotFound"})),
        _ => Reply::json(400, json!({"__type": "ResourceNotFoundException"})),
    }
}

/// The faults but for large bodies: what is read of them is up to the HTTP layer, which reads have shown.
fn small_faults() -> impl Iterator<Item = (&'static str, Reply, ErrorKind)> {
    faults().into_iter().filter(|(name, ..)| !matches!(*name, "too large" | "announced too large" | "gzip bomb"))
}

fn pushed_value(backend: Backend) -> Push {
    let text = format!("{{\"v\":\"{CANARY}\"}}");
    one(&text, "app", (backend == Backend::Kubernetes).then_some("p"))
}

#[tokio::test]
async fn a_fault_while_looking_writes_nothing() {
    for backend in Backend::pushed() {
        for (name, reply, kind) in small_faults() {
            let stub = Stub::start(move |_| reply.clone()).await;
            let store = backend.opening(&stub.url()).open().await.unwrap();
            let deleted = delete(store.as_ref(), "app", None).await.map(|_| ());
            let there = store.writer().unwrap().exists(&place("app", None), &Made::default()).await.map(|_| ());
            for outcome in [push(store.as_ref(), pushed_value(backend)).await.map(|_| ()), deleted, there] {
                let error = outcome.expect_err(&format!("{backend:?}, {name}"));
                assert_eq!(error.kind(), kind, "{backend:?}, {name}: {error}");
                assert!(!error.to_string().contains(CANARY) && !error.to_string().contains("html"), "{error}");
            }
            assert!(stub.seen().iter().all(reads), "{backend:?}, {name}: {:?}", stub.lines());
        }
    }
}

#[tokio::test]
async fn a_fault_while_writing_is_an_error_that_shows_nothing() {
    for backend in Backend::pushed() {
        for (name, reply, kind) in small_faults() {
            if backend == Backend::VaultV1 && matches!(reply, Reply::Answer { status: 200, .. }) {
                continue; // Its answer to a write is empty; it need not be looked at.
            }
            let stub = Stub::start(move |seen| if reads(seen) { nothing(seen) } else { reply.clone() }).await;
            let store = backend.opening(&stub.url()).open().await.unwrap();
            let error = push(store.as_ref(), pushed_value(backend)).await.expect_err(&format!("{backend:?}, {name}"));
            assert!(!stub.seen().iter().all(reads), "{backend:?}, {name}: {:?}", stub.lines());
            assert_eq!(error.kind(), kind, "{backend:?}, {name}: {error:?}");
            for text in [error.to_string(), format!("{error:?}")] {
                assert!(!text.contains(CANARY) && !text.contains("html"), "{backend:?}, {name}: {text}");
            }
            let again = push(store.as_ref(), pushed_value(backend)).await.unwrap_err();
            assert_eq!(again.to_string(), error.to_string(), "{backend:?}, {name}");
        }
    }
}

#[tokio::test]
async fn a_store_that_nobody_uses_yet_takes_no_push() {
    for backend in Backend::NETWORKED {
        let mut opening = backend.opening("http://127.0.0.1:1");
        opening.lookup = Arc::new(Lookup { cluster: true, no_consumer: true, ..Lookup::default() });
        assert!(opening.open().await.unwrap().writer().is_none(), "{backend:?}");
    }
}

const CONFLICT: &str = "check-and-set parameter did not match the current version";

#[tokio::test]
async fn a_vault_secret_that_another_made_meanwhile_loses_our_mark_again() {
    let held = Reply::json(200, json!({"data": {"data": {"a": "x"}, "metadata": {"version": 4}}}));
    let custom = |custom: Value| Reply::json(200, json!({"data": {"custom_metadata": custom, "current_version": 4}}));
    let ours = json!({"managed-by": "external-secrets"});
    let (data, metadata) = ("PUT /v1/kv/data/app", "PUT /v1/kv/metadata/app");
    let missing = Reply::json(404, json!({"errors": []}));
    let deleted = Reply::json(404, json!({"data": {"data": null, "metadata": {"version": 3}}}));
    let both = json!({"managed-by": "external-secrets", "owner": "me"});
    let cases = [
        (missing.clone(), missing, 0, vec![(metadata, ours.clone()), (data, json!(null)), (metadata, json!({}))]),
        (
            deleted,
            custom(json!({"owner": "me"})),
            3,
            vec![(metadata, both), (data, json!(null)), (metadata, json!({"owner": "me"}))],
        ),
        (held, custom(ours), 4, vec![(data, json!(null))]),
    ];
    for (of_data, of_metadata, version, want) in cases {
        let stub = Stub::start(move |seen| match seen.line().as_str() {
            "GET /v1/kv/data/app" => of_data.clone(),
            "GET /v1/kv/metadata/app" => of_metadata.clone(),
            "PUT /v1/kv/metadata/app" => Reply::text(204, ""),
            _ => Reply::json(400, json!({"errors": [CONFLICT]})),
        })
        .await;
        let store = Backend::VaultV2.opening(&stub.url()).open().await.unwrap();
        let error = push(store.as_ref(), one(CANARY, "app", Some("p"))).await.unwrap_err();
        assert_eq!((error.kind(), error.retry_when()), (ErrorKind::Invalid, Retry::Backoff));
        assert!(error.to_string().contains("somebody else has written the secret meanwhile"), "{error}");
        let writes: Vec<Seen> = stub.seen().into_iter().filter(|seen| !reads(seen)).collect();
        let shown: Vec<_> = writes.iter().map(|seen| (seen.line(), seen.json()["custom_metadata"].clone())).collect();
        let want: Vec<_> = want.into_iter().map(|(line, custom)| (line.to_owned(), custom)).collect();
        assert_eq!(shown, want);
        let cas = writes.iter().map(|seen| seen.json()["options"]["cas"].clone()).find(|cas| !cas.is_null());
        assert_eq!(cas, Some(json!(version)));
    }
}

/// A secret of ours that holds `v`.
fn ours(seen: &Seen) -> Reply {
    match target(seen) {
        "DescribeSecret" => Reply::json(
            200,
            json!({"ARN": "arn:app", "Name": "app", "Tags": [{"Key": "managed-by", "Value": "external-secrets"}],
                "VersionIdsToStages": {"1": ["AWSCURRENT"]}}),
        ),
        "GetSecretValue" => Reply::json(200, json!({"Name": "app", "SecretString": "v"})),
        _ => Reply::json(200, json!({})),
    }
}

fn targets(stub: &Stub) -> Vec<String> {
    stub.seen().iter().map(|seen| target(seen).to_owned()).collect()
}

#[tokio::test]
async fn without_the_right_to_look_at_a_policy_it_is_deleted_as_the_reference_does() {
    let policy = json!({"resourcePolicy": {"policySourceRef": {"kind": "Secret", "name": "policy", "key": "k"}}});
    let (get, delete) = ("GetResourcePolicy", "DeleteResourcePolicy");
    let cases = [
        (json!({}), "", Ok(Pushed::Unchanged), vec![get, delete]),
        (json!({}), delete, Ok(Pushed::Unchanged), vec![get, delete]),
        (policy, "", Err("failed to get current resource policy: "), vec![get]),
    ];
    for (spec, denied, want, last) in cases {
        let stub = Stub::start(move |seen| match target(seen) {
            call if call == get || call == denied => {
                Reply::json(400, json!({"__type": "AccessDeniedException", "message": "canary"}))
            }
            _ => ours(seen),
        })
        .await;
        let store = Backend::Aws.opening(&stub.url()).open().await.unwrap();
        let entry = metadata(one("v", "app", None), spec);
        match (push_with(store.as_ref(), entry, "{\"Version\":\"2012-10-17\"}").await, want) {
            (Ok(got), Ok(want)) => assert_eq!(got, want),
            (Err(error), Err(text)) => assert!(error.to_string().starts_with(text), "{error}"),
            (got, want) => panic!("{got:?}, not {want:?}"),
        }
        assert_eq!(targets(&stub)[2..], last);
    }
}

#[tokio::test]
async fn a_policy_is_asked_for_and_put_as_it_is() {
    let entry = |kind: &str| {
        let source = json!({"kind": kind, "name": "policy", "key": "k"});
        let spec = json!({"resourcePolicy": {"blockPublicPolicy": true, "policySourceRef": source}});
        metadata(one("v", "app", None), spec)
    };
    let stub = Stub::start(ours).await;
    let store = Backend::Aws.opening(&stub.url()).open().await.unwrap();
    assert_eq!(store.writer().unwrap().beside(&one("v", "app", None)).unwrap(), None);
    for (text, kind) in [("ConfigMap", BesideKind::ConfigMap), ("Secret", BesideKind::Secret)] {
        let purpose = "failed to resolve resource policy";
        let want = Beside { kind, name: "policy".to_owned(), key: "k".to_owned(), purpose };
        assert_eq!(store.writer().unwrap().beside(&entry(text)).unwrap(), Some(want));
    }
    assert!(stub.lines().is_empty());
    assert_eq!(push_with(store.as_ref(), entry("Secret"), "{\"a\": 1}").await.unwrap(), Pushed::Written);
    let written = stub.seen().into_iter().find(|seen| target(seen) == "PutResourcePolicy").unwrap().json();
    let want = json!({"SecretId": "arn:app", "ResourcePolicy": "{\"a\": 1}", "BlockPublicPolicy": true});
    assert_eq!(written, want);

    let stub = Stub::start(ours).await;
    let store = Backend::Aws.opening(&stub.url()).open().await.unwrap();
    let not_json = push_with(store.as_ref(), entry("Secret"), "canary").await.unwrap_err();
    let not_read = push(store.as_ref(), entry("Secret")).await.unwrap_err();
    for (error, text) in [(not_json, "it is not JSON"), (not_read, "key k of Secret policy was not read")] {
        assert_eq!(error.kind(), ErrorKind::Invalid, "{error}");
        assert!(error.to_string().contains(text) && !error.to_string().contains("canary"), "{error}");
    }
    assert!(stub.lines().is_empty(), "nothing is looked at before the policy is known");
}

#[tokio::test]
async fn writes_that_aws_refuses_are_explained_by_their_code() {
    let cases = [
        ("ResourceExistsException", ErrorKind::Invalid, "somebody else has made or written it meanwhile"),
        ("MalformedPolicyDocumentException", ErrorKind::Invalid, "policySourceRef"),
        ("EncryptionFailure", ErrorKind::AccessDenied, "isn't allowed"),
        ("LimitExceededException", ErrorKind::Throttled, "fewer calls"),
    ];
    for (code, kind, text) in cases {
        let stub = Stub::start(move |seen| match reads(seen) {
            true => nothing(seen),
            false => Reply::json(400, json!({"__type": code, "message": "canary"})),
        })
        .await;
        let store = Backend::Aws.opening(&stub.url()).open().await.unwrap();
        let error = push(store.as_ref(), one("canary", "app", None)).await.unwrap_err();
        assert_eq!(error.kind(), kind, "{error}");
        assert!(error.to_string().contains(text) && error.to_string().contains(code), "{error}");
        assert!(!error.to_string().contains("canary"), "{error}");
    }
}

/// An API server with Secrets by path, which counts versions.
#[derive(Clone, Default)]
struct Cluster(Arc<Mutex<BTreeMap<String, Value>>>);

impl Cluster {
    async fn stub(&self) -> Stub {
        let this = self.clone();
        Stub::start(move |seen| this.answer(seen)).await
    }

    fn put(&self, path: &str, mut secret: Value, version: u64) -> Reply {
        secret["metadata"]["uid"] = json!("u");
        secret["metadata"]["resourceVersion"] = json!(version.to_string());
        self.0.lock().unwrap().insert(path.to_owned(), secret.clone());
        Reply::json(200, secret)
    }

    fn get(&self, path: &str) -> Option<Value> {
        self.0.lock().unwrap().get(path).cloned()
    }

    fn answer(&self, seen: &Seen) -> Reply {
        let status = |code: u16, reason: &str| {
            let details = json!({"kind": "secrets"});
            Reply::json(code, json!({"kind": "Status", "reason": reason, "details": details, "message": "canary"}))
        };
        let (held, body) = (self.get(&seen.path), seen.json());
        let version = |secret: &Value| secret["metadata"]["resourceVersion"].clone();
        match (seen.method.as_str(), held) {
            ("POST", _) => {
                let path = format!("{}/{}", seen.path, body["metadata"]["name"].as_str().unwrap());
                self.put(&path, body, 1)
            }
            (_, None) => status(404, "NotFound"),
            ("GET", Some(held)) => Reply::json(200, held),
            ("PUT", Some(held)) if version(&body) == version(&held) => self.put(&seen.path, body, 2),
            ("DELETE", Some(held)) if body["preconditions"]["resourceVersion"] == version(&held) => {
                self.0.lock().unwrap().remove(&seen.path);
                Reply::json(200, json!({"kind": "Status", "status": "Success"}))
            }
            _ => status(409, "Conflict"),
        }
    }
}

fn kubernetes(url: &str, cluster: bool) -> Opening {
    let mut opening = Backend::Kubernetes.opening(url);
    if !cluster {
        opening = opening.namespaced();
    }
    opening
}

const APP: &str = "/api/v1/namespaces/remote/secrets/app";

#[tokio::test]
async fn a_kubernetes_secret_is_made_changed_left_alone_and_deleted() {
    let cluster = Cluster::default();
    let stub = cluster.stub().await;
    let store = kubernetes(&stub.url(), false).open().await.unwrap();
    let store = store.as_ref();
    assert_eq!(push(store, one("1", "app", Some("a"))).await.unwrap(), Pushed::Written);
    let mut held = cluster.get(APP).unwrap();
    assert_eq!((&held["data"], &held["type"]), (&json!({"a": "MQ=="}), &json!("Opaque")));

    held["immutable"] = json!(false);
    held["metadata"]["ownerReferences"] = json!([{"name": "o"}]);
    cluster.put(APP, held, 7);
    assert_eq!(push(store, one("1", "app", Some("a"))).await.unwrap(), Pushed::Unchanged);
    assert_eq!(push(store, one("2", "app", Some("b"))).await.unwrap(), Pushed::Written);
    let held = cluster.get(APP).unwrap();
    assert_eq!((&held["data"], &held["immutable"]), (&json!({"a": "MQ==", "b": "Mg=="}), &json!(false)));
    assert_eq!(held["metadata"]["ownerReferences"], json!([{"name": "o"}]));

    let exists = async |property| store.writer().unwrap().exists(&place("app", property), &Made::default()).await;
    assert!(exists(None).await.unwrap() && exists(Some("a")).await.unwrap() && !exists(Some("z")).await.unwrap());
    assert_eq!(delete(store, "app", Some("z")).await.unwrap(), Removed::Absent);
    assert_eq!(delete(store, "app", Some("a")).await.unwrap(), Removed::Deleted);
    assert_eq!(cluster.get(APP).unwrap()["data"], json!({"b": "Mg=="}));
    assert_eq!(delete(store, "app", Some("b")).await.unwrap(), Removed::Deleted);
    assert_eq!(cluster.get(APP), None);
    assert_eq!(delete(store, "app", None).await.unwrap(), Removed::Absent);

    let error = push(store, one("1", "app", None)).await.unwrap_err();
    let text = "requires property in RemoteRef to push secret value if secret key is defined";
    assert_eq!(error.to_string(), text);
    for key in ["", "..", "a/b", "A"] {
        let error = push(store, one("1", key, Some("a"))).await.unwrap_err();
        assert!(error.to_string().starts_with("remoteRef.remoteKey: "), "{error}");
    }
}

#[tokio::test]
async fn a_kubernetes_secret_that_changed_meanwhile_is_not_overwritten() {
    let cluster = Cluster::default();
    cluster.put(
        APP,
        json!({"kind": "Secret", "type": "Opaque", "metadata": {"name": "app"}, "data": {"a": "MQ=="}}),
        3,
    );
    let world = cluster.clone();
    let stub = Stub::start(move |seen| {
        let answer = world.answer(seen);
        if seen.method == "GET" {
            let held = world.get(APP).unwrap();
            world.put(APP, held, 9);
        }
        answer
    })
    .await;
    let store = kubernetes(&stub.url(), false).open().await.unwrap();
    cluster.put(APP, cluster.get(APP).unwrap(), 3);
    let pushed = push(store.as_ref(), one(CANARY, "app", Some("a"))).await.map(|_| ());
    cluster.put(APP, cluster.get(APP).unwrap(), 3);
    let deleted = delete(store.as_ref(), "app", None).await.map(|_| ());
    for outcome in [pushed, deleted] {
        let error = outcome.unwrap_err();
        assert_eq!((error.kind(), error.retry_when()), (ErrorKind::Invalid, Retry::Backoff));
        assert!(error.to_string().contains("somebody else has changed the Secret meanwhile"), "{error}");
        assert!(!error.to_string().contains("canary"), "{error}");
    }
    assert_eq!(cluster.get(APP).unwrap()["data"], json!({"a": "MQ=="}));
}

#[tokio::test]
async fn only_a_cluster_store_pushes_to_another_namespace_and_deletes_there() {
    let cluster = Cluster::default();
    let stub = cluster.stub().await;
    let elsewhere = json!({"remoteNamespace": "elsewhere"});
    let push_there = metadata(one("1", "app", Some("a")), elsewhere);
    let store = kubernetes(&stub.url(), false).open().await.unwrap();
    let error = push(store.as_ref(), push_there.clone()).await.unwrap_err();
    assert_eq!(error.to_string(), "remoteNamespace override is only supported with ClusterSecretStore");
    assert!(stub.lines().is_empty());

    let store = kubernetes(&stub.url(), true).open().await.unwrap();
    cluster.put(
        APP,
        json!({"kind": "Secret", "type": "Opaque", "metadata": {"name": "app"}, "data": {"a": "MQ=="}}),
        1,
    );
    assert_eq!(push(store.as_ref(), push_there.clone()).await.unwrap(), Pushed::Written);
    let there = "/api/v1/namespaces/elsewhere/secrets/app";
    assert!(cluster.get(there).is_some());
    let (writer, given) = (store.writer().unwrap(), push_there.metadata.as_ref());
    assert!(writer.exists_entry(&push_there.place, given, &Made::default()).await.unwrap());
    let removed = writer.delete_entry(&push_there.place, given, &Made::default()).await.unwrap();
    assert_eq!((removed, cluster.get(there)), (Removed::Deleted, None));
    assert!(cluster.get(APP).is_some(), "the Secret of the same name in the store's namespace stays");
}

#[tokio::test]
async fn a_fake_store_reads_what_was_pushed_to_it_whenever_it_was_opened() {
    let mut opening = Backend::Fake.opening("");
    let store = opening.open().await.unwrap();
    assert_eq!(push(store.as_ref(), one("1", "new", None)).await.unwrap(), Pushed::Written);
    assert_eq!(push(store.as_ref(), one("1", "new", None)).await.unwrap(), Pushed::Unchanged);
    assert_eq!(push(store.as_ref(), one("2", "json", Some("a.b"))).await.unwrap(), Pushed::Written);
    let error = push(store.as_ref(), one(CANARY, "app", None)).await.unwrap_err();
    assert_eq!((error.kind(), error.to_string().starts_with("key already exists")), (ErrorKind::Invalid, true));
    assert_eq!(delete(store.as_ref(), "app", None).await.unwrap(), Removed::Foreign);

    opening.spec = json!({"fake": {"data": [{"key": "other", "value": "o"}]}});
    let later = opening.open().await.unwrap();
    let read = async |key: &str, property| value(later.as_ref(), &reference(key, None, property)).await;
    assert_eq!((read("new", None).await.unwrap(), read("json", Some("a.b")).await.unwrap()), ("1".into(), "2".into()));
    assert_eq!(later.read(&reference("new", Some("v1"), None).read).await.unwrap_err().kind(), ErrorKind::NotFound);
    let exists = async |key, property| later.writer().unwrap().exists(&place(key, property), &Made::default()).await;
    for (key, property, want) in [
        ("new", None, true),
        ("json", Some("a.b"), true),
        ("json", Some("z"), false),
        ("other", None, true),
        ("z", None, false),
    ] {
        assert_eq!(exists(key, property).await.unwrap(), want, "{key} {property:?}");
    }
    assert_eq!(delete(later.as_ref(), "json", Some("a.b")).await.unwrap(), Removed::Deleted);
    assert_eq!(delete(later.as_ref(), "json", None).await.unwrap(), Removed::Absent);
    assert_eq!(read("json", None).await.unwrap_err().kind(), ErrorKind::NotFound);

    let elsewhere = Backend::Fake.opening("").open().await.unwrap();
    let error = elsewhere.read(&reference("new", None, None).read).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound, "another process");
}
