//! What has become of the objects, as a watch of our own tells: the same for the controller and the bare writer.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use e2e::Result;
use futures::StreamExt;
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::api::{Api, ApiResource, Object};
use kube::core::{GroupVersionKind, PartialObjectMeta};
use kube::runtime::{WatchStreamExt, watcher};
use serde::{Deserialize, Serialize};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// How many objects are in which state now.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Counts {
    /// ExternalSecrets.
    pub(super) objects: usize,
    /// Managed Secrets.
    pub(super) secrets: usize,
    /// ExternalSecrets whose condition Ready is True.
    pub(super) ready: usize,
    /// ExternalSecrets with another refreshTime than at the last mark.
    pub(super) refreshed: usize,
    /// How often a refreshTime changed so far.
    pub(super) refreshes: usize,
}

/// A watch; dropping this ends it.
pub(super) struct Watching {
    pub(super) counts: watch::Receiver<Counts>,
    book: Arc<Mutex<Book>>,
    task: JoinHandle<Result>,
}

#[derive(Default)]
struct Book {
    objects: HashMap<Name, State>,
    secrets: HashMap<Name, Instant>,
    ready: usize,
    refreshed: HashSet<Name>,
    refreshes: usize,
}

type Name = (String, String);

#[derive(Default)]
struct State {
    ready: bool,
    refreshed: String,
}

impl Watching {
    pub(super) fn start(client: kube::Client) -> Self {
        let book = Arc::new(Mutex::default());
        let (sender, counts) = watch::channel(Counts::default());
        let task = tokio::spawn(follow(client, book.clone(), sender));
        Self { counts, book, task }
    }

    pub(super) fn now(&self) -> Counts {
        self.book().counts()
    }

    /// From here on objects count as refreshed when they are refreshed once more.
    pub(super) fn mark(&self) {
        self.book().refreshed.clear();
    }

    /// When the Secret was first seen.
    pub(super) fn secret_seen(&self, namespace: &str, name: &str) -> Option<Instant> {
        self.book().secrets.get(&(namespace.to_owned(), name.to_owned())).copied()
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        lock(&self.book)
    }
}

impl Drop for Watching {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn lock(book: &Mutex<Book>) -> MutexGuard<'_, Book> {
    book.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Book {
    fn counts(&self) -> Counts {
        Counts {
            objects: self.objects.len(),
            secrets: self.secrets.len(),
            ready: self.ready,
            refreshed: self.refreshed.len(),
            refreshes: self.refreshes,
        }
    }

    fn object(&mut self, object: Object<Ignored, Status>) {
        let name = name(object.metadata);
        let status = object.status.unwrap_or_default();
        let ready = status.conditions.iter().any(|it| it.type_ == "Ready" && it.status == "True");
        let state = self.objects.entry(name.clone()).or_default();
        self.ready = self.ready - usize::from(state.ready) + usize::from(ready);
        state.ready = ready;
        if state.refreshed != status.refresh_time {
            state.refreshed = status.refresh_time;
            self.refreshed.insert(name);
            self.refreshes += 1;
        }
    }
}

fn name(metadata: ObjectMeta) -> Name {
    (metadata.namespace.unwrap_or_default(), metadata.name.unwrap_or_default())
}

/// Of an ExternalSecret only what is counted, so that counting costs little beside what is measured.
#[derive(Clone, Debug, Deserialize, Serialize)]
struct Ignored {}

#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
struct Status {
    #[serde(default)]
    conditions: Vec<Condition>,
    #[serde(default)]
    refresh_time: String,
}

#[derive(Clone, Debug, Deserialize, Serialize)]
struct Condition {
    #[serde(rename = "type")]
    type_: String,
    status: String,
}

async fn follow(client: kube::Client, book: Arc<Mutex<Book>>, counts: watch::Sender<Counts>) -> Result {
    let secrets: Api<PartialObjectMeta<Secret>> = Api::all(client.clone());
    let managed = watcher::Config::default().labels(&format!("{}=true", plan::names::MANAGED_LABEL));
    let gvk = GroupVersionKind::gvk("external-secrets.io", "v1", "ExternalSecret");
    let resource = ApiResource::from_gvk_with_plural(&gvk, "externalsecrets");
    let objects: Api<Object<Ignored, Status>> = Api::all_with(client, &resource);

    #[expect(clippy::disallowed_methods, reason = "counting backs off as the line below says")]
    let secrets = watcher(secrets, managed).default_backoff().touched_objects();
    #[expect(clippy::disallowed_methods, reason = "counting backs off as the line below says")]
    let objects = watcher(objects, watcher::Config::default()).default_backoff().touched_objects();
    let (mut secrets, mut objects) = (std::pin::pin!(secrets), std::pin::pin!(objects));
    loop {
        let now = tokio::select! {
            Some(secret) = secrets.next() => {
                let Ok(secret) = secret else { continue };
                let mut book = lock(&book);
                book.secrets.entry(name(secret.metadata)).or_insert_with(Instant::now);
                book.counts()
            }
            Some(object) = objects.next() => {
                let Ok(object) = object else { continue };
                let mut book = lock(&book);
                book.object(object);
                book.counts()
            }
            else => return Ok(()),
        };
        counts.send_replace(now);
    }
}
