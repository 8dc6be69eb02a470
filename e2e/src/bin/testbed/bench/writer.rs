//! The bare writer: a program of its own that makes the two writes of a first sync for each object, and nothing else.
//! What a controller needs beyond it is its own.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use e2e::guarded::Launch;
use e2e::operator::{Controller, Usage};
use e2e::{Context, Error, Result};
use futures::{StreamExt, TryStreamExt, stream};
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use kube::Client;
use kube::api::{Api, DynamicObject, ObjectMeta, PartialObjectMeta, PostParams};
use kube::core::{ApiResource, GroupVersionKind};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::watching::Watching;
use super::world::{IN_FLIGHT, Kind, REFERENCES, bare_cluster, create_all};
use super::{Options, seconds};
use crate::say;

/// What it needed, in seconds.
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
pub(super) struct Bare {
    /// For a Secret and a status for each object.
    pub(super) both: f64,
    /// CPU of that.
    pub(super) both_cpu: f64,
    /// For another status for each object.
    pub(super) status: f64,
}

/// Two times of refresh: a status that says nothing new isn't written.
const FIRST: &str = "2026-01-01T00:00:00Z";
const SECOND: &str = "2026-01-01T01:00:00Z";

/// Which cluster it writes to.
#[derive(clap::Args, Debug)]
pub(crate) struct WriterOptions {
    /// Whose objects are written for.
    #[arg(long)]
    kubeconfig: PathBuf,
}

/// Runs it on a fresh cluster, under the controller's account and beside the same watch.
pub(super) async fn measure(options: &Options, objects: usize) -> Result<Bare> {
    let bed = bare_cluster().await?;
    let mut watching = Watching::start(bed.cluster.client());
    create_all(&bed.cluster, Kind::Distinct, objects).await?;
    watching.counts.wait_for(|it| it.objects == objects).await?;
    say::step("running the bare writer");
    let kubeconfig = bed.cluster.service_account_kubeconfig(e2e::operator::NAMESPACE, Controller::ACCOUNT).await?;
    let program = std::env::current_exe()?;
    let mut writer = Launch::new("bare-writer", program, bed.cluster.folder())
        .args(["bare-writer".to_owned(), format!("--kubeconfig={}", kubeconfig.display())])
        .spawn()?;
    let started = Instant::now();
    while writer.exited().is_none() {
        if started.elapsed() > Duration::from_secs(options.limit) {
            return Err(Error::new(format!("the bare writer isn't done after {} s", options.limit)));
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let log = writer.log();
    let answer = log.lines().last().unwrap_or_default();
    serde_json::from_str(answer).context(format!("the bare writer said {log:?}"))
}

/// Is it.
pub(crate) async fn write(options: &WriterOptions) -> Result {
    let client = e2e::cluster::client_of(&options.kubeconfig).await?;
    let resource = ApiResource::from_gvk_with_plural(
        &GroupVersionKind::gvk("external-secrets.io", "v1", "ExternalSecret"),
        "externalsecrets",
    );
    let all: Api<DynamicObject> = Api::all_with(client.clone(), &resource);
    let objects: Vec<ObjectMeta> =
        all.list_metadata(&Default::default()).await?.items.into_iter().map(|it| it.metadata).collect();

    let me = std::process::id();
    let (before, started) = (Usage::of(me)?.cpu, Instant::now());
    let written = each(objects, |object| {
        let client = client.clone();
        async move {
            post_secret(&client, &object).await?;
            put_status(&client, object, FIRST).await
        }
    })
    .await?;
    let (both, both_cpu) = (started.elapsed(), Usage::of(me)?.cpu - before);
    let started = Instant::now();
    each(written, |object| {
        let client = client.clone();
        async move { put_status(&client, object, SECOND).await }
    })
    .await?;
    let bare = Bare { both: seconds(both), both_cpu: seconds(both_cpu), status: seconds(started.elapsed()) };
    say::line(&serde_json::to_string(&bare)?);
    Ok(())
}

/// Works on all objects, many at a time and on all cores.
async fn each<F>(objects: Vec<ObjectMeta>, work: impl Fn(ObjectMeta) -> F) -> Result<Vec<ObjectMeta>>
where
    F: Future<Output = Result<ObjectMeta>> + Send + 'static,
{
    stream::iter(objects)
        .map(|object| tokio::spawn(work(object)))
        .buffer_unordered(IN_FLIGHT)
        .map(|done| done?)
        .try_collect()
        .await
}

/// A Secret as the controller writes it.
async fn post_secret(client: &Client, object: &ObjectMeta) -> Result {
    let text = |it: &Option<String>| it.clone().unwrap_or_default();
    let owner = OwnerReference {
        api_version: "external-secrets.io/v1".to_owned(),
        kind: "ExternalSecret".to_owned(),
        name: text(&object.name),
        uid: text(&object.uid),
        controller: Some(true),
        block_owner_deletion: Some(true),
    };
    let labels = [(plan::names::MANAGED_LABEL, "true"), (plan::names::OWNER_LABEL, &"0".repeat(56))];
    let notes = [(plan::names::DATA_HASH_ANNOTATION, "0".repeat(56))];
    let value = |reference: usize| ByteString(format!("of bench/{}-{reference}", text(&object.name)).into_bytes());
    let secret = Secret {
        metadata: ObjectMeta {
            name: object.name.clone(),
            labels: Some(labels.map(|(key, value)| (key.to_owned(), value.to_owned())).into()),
            annotations: Some(notes.map(|(key, value)| (key.to_owned(), value)).into()),
            owner_references: Some(vec![owner]),
            ..ObjectMeta::default()
        },
        data: Some((0..REFERENCES).map(|reference| (format!("key-{reference}"), value(reference))).collect()),
        type_: Some("Opaque".to_owned()),
        ..Secret::default()
    };
    let api: Api<Secret> = Api::namespaced(client.clone(), &text(&object.namespace));
    let params =
        PostParams { field_manager: Some(plan::names::field_manager(&text(&object.name))), ..PostParams::default() };
    api.create(&params, &secret).await?;
    Ok(())
}

/// A status as the controller writes it. Answers the object in its new version.
async fn put_status(client: &Client, object: ObjectMeta, now: &str) -> Result<ObjectMeta> {
    let (name, namespace) = (object.name.unwrap_or_default(), object.namespace.unwrap_or_default());
    let body = json!({
        "apiVersion": "external-secrets.io/v1", "kind": "ExternalSecret",
        "metadata": {
            "name": name, "namespace": namespace, "uid": object.uid, "resourceVersion": object.resource_version,
        },
        "status": {
            "binding": {"name": name}, "refreshTime": now, "syncedResourceVersion": format!("1-{}", "0".repeat(56)),
            "conditions": [{
                "type": "Ready", "status": "True", "reason": "SecretSynced", "message": "secret synced",
                "lastTransitionTime": now,
            }],
        },
    });
    let url = format!("/apis/external-secrets.io/v1/namespaces/{namespace}/externalsecrets");
    let request = kube::core::Request::new(url).replace_subresource(
        "status",
        &name,
        &PostParams::default(),
        serde_json::to_vec(&body)?,
    )?;
    let written: PartialObjectMeta<DynamicObject> = client.request(request).await?;
    Ok(written.metadata)
}
