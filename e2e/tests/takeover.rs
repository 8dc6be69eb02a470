//! A cluster that the reference keeps in sync is taken over without a needless read or write, and can be given back.
//!
//! What the reference leaves behind was recorded from it: `testdata/takeover.yaml`. What happens is read from the API
//! server's audit log. The backend is the API server too, so that the log tells the reads of remote Secrets as well.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use e2e::controlplane::Entry;
use e2e::operator::{Controller, NAMESPACE as OPERATOR};
use e2e::{Cluster, Context, Error, Result, wait};
use futures::{StreamExt, TryStreamExt, stream};
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::{Namespace, Secret};
use kube::api::{Api, ApiResource, DeleteParams, DynamicObject, ListParams, Patch, PatchParams, PostParams};
use plan::hash;
use serde::Deserialize;
use serde_json::{Value, json};

const OBJECTS: usize = 500;
/// Hashes are made of it, so it is the one of the recording.
const NAMESPACE: &str = "takeover";
const REMOTE: &str = "remote";
/// The finalizers alone take 25 s, since they are spread; the machine may do much else.
const TAKEN_OVER: Duration = Duration::from_secs(120);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Shape {
    shape: String,
    #[serde(default)]
    single: bool,
    #[serde(default)]
    foreign: bool,
    /// Which remote Secret is read: `refreshed` stands for `fresh` or `due`; `kept` mustn't be read; what is `untargeted`
    /// has no valid target, so that it is read whenever it is looked at.
    key: String,
    #[serde(default)]
    labels: Value,
    #[serde(default)]
    annotations: Value,
    spec: Value,
    owner: Option<String>,
    left: Left,
    after: State,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Left {
    finalizers: Vec<String>,
    managed_fields: Vec<Value>,
    status: Value,
    secret: Value,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct State {
    status: Value,
    secret: Value,
}

/// One ExternalSecret of a shape.
struct Object<'a> {
    shape: &'a Shape,
    name: String,
    /// Whether its interval was over before we came.
    overdue: bool,
}

impl Object<'_> {
    fn key(&self) -> &str {
        match (self.shape.key.as_str(), self.overdue) {
            ("refreshed", true) => "due",
            ("refreshed", false) => "fresh",
            (key, _) => key,
        }
    }

    /// Whether the first look is to sync it.
    fn is_due(&self) -> bool {
        ["due", "untargeted"].contains(&self.key())
    }

    fn target(&self) -> String {
        let name = self.shape.spec.pointer("/target/name").and_then(Value::as_str);
        name.map_or_else(|| self.name.clone(), |name| name.replace("$NAME", &self.name))
    }

    /// A part of the fixture with its placeholders filled in.
    fn filled(&self, part: &Value, uid: &str) -> Result<Value> {
        let ago = if self.overdue { SignedDuration::from_hours(2) } else { SignedDuration::from_mins(10) };
        #[expect(clippy::disallowed_methods, reason = "the recording's times are made to fit the test's")]
        let time = Timestamp::from_second((Timestamp::now() - ago).as_second())?;
        let text = serde_json::to_string(part)?
            .replace("$NAME", &self.name)
            .replace("$KEY", self.key())
            .replace("$UID", uid)
            .replace("$OWNER", &hash::owner(NAMESPACE, &self.name))
            .replace("$TIME", &time.to_string());
        Ok(serde_json::from_str(&text)?)
    }
}

fn shapes() -> Result<Vec<Shape>> {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/testdata/takeover.yaml");
    Ok(serde_saphyr::from_str(&std::fs::read_to_string(file)?)?)
}

fn objects(shapes: &[Shape]) -> Vec<Object<'_>> {
    let all = (0..OBJECTS).flat_map(|number| {
        let shapes = shapes.iter().filter(move |shape| number == 0 || !shape.single);
        shapes.map(move |shape| Object { shape, name: format!("{}-{number}", shape.shape), overdue: number % 2 == 1 })
    });
    all.take(OBJECTS).collect()
}

fn managed_by(manager: &str) -> PostParams {
    PostParams { field_manager: Some(manager.to_owned()), ..PostParams::default() }
}

fn raw_secrets(cluster: &Cluster) -> Api<DynamicObject> {
    Api::namespaced_with(cluster.client(), NAMESPACE, &ApiResource::erase::<Secret>(&()))
}

/// The backend: remote Secrets with this password.
async fn write_remote(cluster: &Cluster, password: &str) -> Result {
    let encoded = BASE64_STANDARD.encode([&[0, 255, 16], password.as_bytes()].concat());
    for key in ["fresh", "due", "kept", "untargeted"] {
        cluster.write_secret(REMOTE, key, &[("user", "ada"), ("password", password), ("b64", &encoded)]).await?;
    }
    Ok(())
}

async fn prepare(cluster: &Cluster) -> Result {
    cluster.install().await?;
    let namespaces: Api<Namespace> = Api::all(cluster.client());
    for name in [NAMESPACE, REMOTE] {
        cluster.apply_json(json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})).await?;
        wait::until(&namespaces, name, Duration::from_secs(10), "to exist", |it| it.is_some()).await?;
    }
    write_remote(cluster, "s3cret-1").await?;
    cluster
        .apply_yaml(
            "
apiVersion: v1
kind: ServiceAccount
metadata: {name: reader, namespace: remote}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: reader, namespace: remote}
rules: [{apiGroups: [''], resources: [secrets], verbs: [get, list]}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: reader, namespace: remote}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: reader}
subjects: [{kind: ServiceAccount, name: reader, namespace: remote}]
---
apiVersion: v1
kind: ConfigMap
metadata: {name: parts, namespace: takeover}
data: {banner: 'hello {{ .user }}'}
",
        )
        .await?;
    let token = cluster.service_account_token(REMOTE, "reader").await?;
    cluster.write_secret(NAMESPACE, "token", &[("token", &token)]).await?;
    let reference = json!({"name": "token", "key": "token"});
    let anywhere = json!({"name": "token", "key": "token", "namespace": NAMESPACE});
    let kinds = [
        ("SecretStore", json!({"name": "backend", "namespace": NAMESPACE}), reference),
        ("ClusterSecretStore", json!({"name": "backend-everywhere"}), anywhere),
    ];
    for (kind, metadata, token) in kinds {
        let server = json!({"url": cluster.server(), "caBundle": BASE64_STANDARD.encode(cluster.ca())});
        let provider = json!({"kubernetes": {
            "remoteNamespace": REMOTE, "server": server, "auth": {"token": {"bearerToken": token}},
        }});
        let store = json!({
            "apiVersion": "external-secrets.io/v1", "kind": kind, "metadata": metadata, "spec": {"provider": provider},
        });
        cluster.apply_json(store).await?;
    }
    Ok(())
}

/// Leaves behind what the reference left.
async fn leave(cluster: &Cluster, object: &Object<'_>) -> Result {
    let Shape { shape: _, single: _, foreign, key: _, labels, annotations, spec, owner: _, left, after: _ } =
        object.shape;
    let Left { finalizers, managed_fields: _, status, secret } = left;
    let name = object.name.as_str();
    let secrets = raw_secrets(cluster);
    if *foreign {
        let foreign = json!({
            "apiVersion": "v1", "kind": "Secret",
            "metadata": {"name": name, "labels": {"from": "helm"}, "annotations": {"about": "somebody else's"}},
            "data": {"other": BASE64_STANDARD.encode("kept")},
        });
        secrets.create(&managed_by("helm"), &serde_json::from_value(foreign)?).await?;
    }
    let made = json!({
        "apiVersion": "external-secrets.io/v1", "kind": "ExternalSecret",
        "metadata": {"name": name, "labels": labels, "annotations": annotations},
        "spec": object.filled(spec, "")?,
    });
    let all = cluster.objects("ExternalSecret", Some(NAMESPACE))?;
    let made = all.create(&managed_by("helm"), &serde_json::from_value(made)?).await.context(name)?;
    let uid = made.metadata.uid.context("an object without a uid")?;
    let reference = PatchParams { field_manager: Some("external-secrets".into()), ..PatchParams::default() };
    let finalizers = json!({"metadata": {"finalizers": finalizers}});
    let mut stored = all.patch(name, &reference, &Patch::Merge(&finalizers)).await?;
    // Not as a patch: a field that is null is there.
    stored.data["status"] = object.filled(status, &uid)?;
    let stored = all.replace_status(name, &managed_by("external-secrets"), &stored).await?;
    let managers = without_times(serde_json::to_value(&stored.metadata.managed_fields)?);
    let theirs: Vec<&Value> = managers.as_array().into_iter().flatten().filter(|it| it["manager"] != "helm").collect();
    assert_eq!(json!(theirs), json!(left.managed_fields), "{name}: managed fields of the ExternalSecret");

    if secret.is_null() {
        return Ok(());
    }
    let mut wished = object.filled(secret, &uid)?;
    let managers = wished["managedFields"].take();
    wished["metadata"]["name"] = json!(object.target());
    let mut wished: DynamicObject = serde_json::from_value(with_kind(wished))?;
    if *foreign {
        wished.metadata.resource_version = secrets.get(name).await?.metadata.resource_version;
    } else {
        wished.metadata.resource_version =
            secrets.create(&managed_by("any"), &wished).await.context(name)?.metadata.resource_version;
    }
    wished.metadata.managed_fields = serde_json::from_value(managers)?;
    secrets.replace(&object.target(), &managed_by("any"), &wished).await.context(name)?;
    // A value that changes in this write is noted as its writer's; a second write has nothing to change but the notes.
    wished.metadata.resource_version = None;
    secrets.replace(&object.target(), &managed_by("any"), &wished).await.context(name)?;
    Ok(())
}

fn with_kind(mut secret: Value) -> Value {
    secret["apiVersion"] = json!("v1");
    secret["kind"] = json!("Secret");
    if let Some(fields) = secret.as_object_mut() {
        fields.remove("managedFields");
    }
    secret
}

fn without_times(mut managers: Value) -> Value {
    let entries = managers.as_array_mut();
    entries.into_iter().flatten().filter_map(Value::as_object_mut).for_each(|entry| {
        entry.remove("time");
    });
    managers
}

/// A Secret as the fixture writes it.
fn shown(secret: &DynamicObject) -> Result<Value> {
    let meta = &secret.metadata;
    let mut shown = secret.data.clone();
    let mut kept = json!({});
    if let Some(labels) = &meta.labels {
        kept["labels"] = json!(labels);
    }
    if let Some(annotations) = &meta.annotations {
        kept["annotations"] = json!(annotations);
    }
    if let Some(owners) = &meta.owner_references {
        kept["ownerReferences"] = serde_json::to_value(owners)?;
    }
    shown["metadata"] = kept;
    shown["managedFields"] = sorted(without_times(serde_json::to_value(&meta.managed_fields)?));
    Ok(shown)
}

/// The API server sorts by time; which of two came last is no part of the shape.
fn sorted(mut managers: Value) -> Value {
    if let Some(entries) = managers.as_array_mut() {
        entries.sort_by_key(|entry| entry["manager"].to_string());
    }
    managers
}

/// Compares every object and Secret with what the fixture has at that point.
async fn compare(cluster: &Cluster, objects: &[Object<'_>], when: &str) -> Result {
    let all = by_name(&cluster.objects("ExternalSecret", Some(NAMESPACE))?).await?;
    let secrets = by_name(&raw_secrets(cluster)).await?;
    for object in objects {
        let (status, secret) = match when {
            "left" => (&object.shape.left.status, &object.shape.left.secret),
            _ => (&object.shape.after.status, &object.shape.after.secret),
        };
        let found = all.get(&object.name).context(format!("{} is gone", object.name))?;
        let uid = found.metadata.uid.clone().unwrap_or_default();
        let status = object.filled(status, &uid)?;
        for field in ["/syncedResourceVersion", "/binding"] {
            let found = wait::field(found, &format!("/status{field}"));
            assert_eq!(Some(found), status.pointer(field).or(Some(&Value::Null)), "{when} {}: {field}", object.name);
        }
        for field in ["type", "status", "reason", "message"] {
            let found = wait::field(found, &format!("/status/conditions/0/{field}"));
            assert_eq!(found, &status["conditions"][0][field], "{when} {}: condition's {field}", object.name);
        }
        let found = secrets.get(&object.target()).map(shown).transpose()?.unwrap_or(Value::Null);
        let mut wished = object.filled(secret, &uid)?;
        if !wished.is_null() {
            wished["managedFields"] = sorted(wished["managedFields"].take());
        }
        assert_eq!(found, wished, "{when} {}: Secret", object.name);
    }
    Ok(())
}

async fn by_name(api: &Api<DynamicObject>) -> Result<BTreeMap<String, DynamicObject>> {
    let all = api.list(&ListParams::default()).await?;
    Ok(all.into_iter().filter_map(|it| Some((it.metadata.name.clone()?, it))).collect())
}

/// Runs it for all objects, several at a time.
async fn for_all<'a>(objects: &'a [Object<'a>], work: impl AsyncFn(&'a Object<'a>) -> Result) -> Result {
    stream::iter(objects).map(|object| work(object)).buffer_unordered(16).try_collect::<Vec<()>>().await?;
    Ok(())
}

/// What a service account asked for, of all that is in the log from an entry on.
fn of<'a>(log: &'a [Entry], namespace: &str, account: &str) -> Vec<&'a Entry> {
    let user = format!("system:serviceaccount:{namespace}:{account}");
    log.iter().filter(|entry| entry.user == user).collect()
}

fn names<'a>(entries: impl Iterator<Item = &'a &'a Entry>) -> BTreeSet<&'a str> {
    entries.map(|entry| entry.name.as_str()).collect()
}

/// What the controller and its reads of the backend must look like in the log.
fn judge(objects: &[Object<'_>], log: &[Entry]) -> Result {
    let ours = of(log, OPERATOR, Controller::ACCOUNT);
    let writes: Vec<_> = ours.iter().filter(|entry| entry.writes() && entry.resource == "secrets").collect();
    assert!(writes.is_empty(), "no Secret is written, but: {writes:#?}");

    let read = of(log, REMOTE, "reader");
    let read = names(read.iter().filter(|entry| entry.resource == "secrets" && entry.verb == "get"));
    assert_eq!(read, BTreeSet::from(["due", "nothing-there", "untargeted"]), "only what is due is read");

    let reported = names(ours.iter().filter(|entry| entry.resource == "externalsecrets/status"));
    let due: BTreeSet<&str> = objects.iter().filter(|it| it.is_due()).map(|it| it.name.as_str()).collect();
    assert_eq!(reported, due, "only what is due gets a new status");

    let patches: Vec<_> = ours.iter().filter(|entry| entry.writes() && entry.resource == "externalsecrets").collect();
    let patched = names(patches.iter().copied());
    assert_eq!((patched.len(), patches.len()), (OBJECTS, OBJECTS), "one patch an object, for its finalizer");
    let mut times: Vec<Timestamp> = Vec::new();
    for patch in patches {
        assert_eq!((patch.verb.as_str(), patch.code), ("patch", 200), "{patch:?}");
        times.push(patch.at.parse()?);
    }
    let (first, last) = times.iter().min().zip(times.iter().max()).context("no patch")?;
    let spread = last.duration_since(*first);
    assert!(spread > SignedDuration::from_secs(20), "they are spread, but all were within {spread}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_of_the_reference_is_taken_over_and_can_be_given_back() -> Result {
    let cluster = Cluster::audited().await?;
    prepare(&cluster).await?;
    let shapes = shapes()?;
    let objects = objects(&shapes);
    assert_eq!(objects.len(), OBJECTS);
    for shape in &shapes {
        if let Some(owner) = &shape.owner {
            assert_eq!(&hash::owner(NAMESPACE, &format!("{}-0", shape.shape)), owner, "the recorded owner label");
        }
    }
    for_all(&objects, async |object| leave(&cluster, object).await).await?;
    compare(&cluster, &objects, "left").await?;
    let seen = cluster.audit()?.len();

    // Taking over.
    let controller = Controller::spawn(&cluster, &["--concurrent=8", "--loglevel=debug"], &[]).await?;
    let all = cluster.objects("ExternalSecret", Some(NAMESPACE))?;
    let arrived = for_all(&objects, async |object| {
        let finished = |it: &DynamicObject| it.metadata.finalizers.as_deref().unwrap_or_default().is_empty();
        wait::exists(&all, &object.name, TAKEN_OVER, "to lose its finalizer", finished).await.map(|_| ())
    });
    arrived.await.map_err(|error| with_log(&error, &controller))?;
    judge(&objects, &cluster.audit()?[seen..])?;
    compare(&cluster, &objects, "left").await?;

    // What we write from now on is what the reference would have written.
    write_remote(&cluster, "s3cret-2").await?;
    let ask = json!({"metadata": {"annotations": {"asked": "again"}}});
    let refreshed = for_all(&objects, async |object| {
        all.patch(&object.name, &PatchParams::default(), &Patch::Merge(&ask)).await?;
        let wished = object.filled(&object.shape.after.status, "")?;
        wait::exists(&all, &object.name, TAKEN_OVER, "to be synced again", |it| {
            wait::field(it, "/status/syncedResourceVersion") == &wished["syncedResourceVersion"]
        })
        .await
        .map(|_| ())
    });
    refreshed.await.map_err(|error| with_log(&error, &controller))?;
    compare(&cluster, &objects, "after").await?;
    let read =
        of(&cluster.audit()?[seen..], REMOTE, "reader").iter().map(|it| it.name.clone()).collect::<BTreeSet<_>>();
    assert!(read.contains("fresh") && read.contains("due"), "{read:?}");

    // Nothing hangs when no controller is there any more.
    controller.stop(Duration::from_secs(10)).await?;
    let namespaces: Api<Namespace> = Api::all(cluster.client());
    namespaces.delete(NAMESPACE, &DeleteParams::default()).await?;
    wait::until(&namespaces, NAMESPACE, Duration::from_secs(120), "to be gone", |it| it.is_none()).await?;
    Ok(())
}

fn with_log(error: &Error, controller: &Controller) -> Error {
    Error::new(format!("{error}\n{}", controller.log_tail(20)))
}
