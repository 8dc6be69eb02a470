//! Writes core/v1 Events in the background: a reconcile never waits for one.
//!
//! Core events and not `events.k8s.io`, since that is what the reference's roles allow.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use k8s_openapi::api::core::v1::{Event, EventSource, ObjectReference};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, Time};
use kube::api::PostParams;
use kube::{Api, Client};
use plan::event::Note;
use tokio::sync::mpsc;

use crate::clock;

/// Events that may wait to be written; beyond that the newest are dropped, because a cluster in trouble needs its
/// API server for better things.
const BACKLOG: usize = 20_000;
/// While there is urgent work, an event waits for its end, but no longer than this: Secrets come first.
const PATIENCE: Duration = Duration::from_secs(30);
/// How often a waiting event looks whether there still is.
const LOOK: Duration = Duration::from_millis(200);
/// An Event's message is cut here, as the API server would refuse a longer one.
const MESSAGE_LIMIT: usize = 1024;

/// What an event is about, and who says it. Thousands may wait: it holds no more than it needs.
#[derive(Clone, Debug)]
pub(crate) struct Subject {
    kind: &'static str,
    component: &'static str,
    name: Box<str>,
    /// Empty for one of the whole cluster.
    namespace: Box<str>,
    uid: Option<Box<str>>,
    resource_version: Option<Box<str>>,
}

impl Subject {
    pub(crate) fn new(kind: &'static str, meta: &ObjectMeta, component: &'static str) -> Self {
        let text = |text: &Option<String>| text.as_deref().map(Box::from);
        Self {
            kind,
            component,
            name: text(&meta.name).unwrap_or_default(),
            namespace: text(&meta.namespace).unwrap_or_default(),
            uid: text(&meta.uid),
            resource_version: text(&meta.resource_version),
        }
    }
}

/// What was told, about whom, and when: as objects are dated, and by the clock that waits are measured with.
struct Told {
    subject: Subject,
    note: Note,
    now: jiff::Timestamp,
    at: Instant,
}

/// The way in for whoever has something to tell.
#[derive(Clone)]
pub(crate) struct Events {
    sender: mpsc::Sender<Told>,
    dropped: Arc<AtomicU64>,
}

impl Events {
    /// The way in and the writer, which must be run.
    pub(crate) fn new(client: Client) -> (Self, Writer) {
        let (sender, receiver) = mpsc::channel(BACKLOG);
        (Self { sender, dropped: Arc::default() }, Writer { client, receiver })
    }

    pub(crate) fn tell(&self, subject: Subject, note: Note, now: jiff::Timestamp) {
        let told = Told { subject, note, now, at: clock::instant() };
        if self.sender.try_send(told).is_err() && self.dropped.fetch_add(1, Ordering::Relaxed) == 0 {
            tracing::warn!("more events than can be written; some are dropped");
        }
    }
}

/// Writes what was told, a few at a time.
pub(crate) struct Writer {
    client: Client,
    receiver: mpsc::Receiver<Told>,
}

impl Writer {
    /// What was told and not written.
    #[cfg(test)]
    pub(crate) fn told(&mut self) -> Vec<Note> {
        std::iter::from_fn(|| self.receiver.try_recv().ok()).map(|told| told.note).collect()
    }

    /// Runs until every [`Events`] is gone. `is_busy` tells whether there is work that mustn't wait for events.
    pub(crate) async fn run(mut self, is_busy: impl Fn() -> bool) {
        let mut number: u64 = 0;
        while let Some(Told { subject, note, now, at }) = self.receiver.recv().await {
            while is_busy() && clock::instant() < at + PATIENCE {
                tokio::time::sleep(LOOK).await;
            }
            number = number.wrapping_add(1);
            let event = event(&subject, note, now, number);
            let namespace = event.metadata.namespace.clone().unwrap_or_default();
            let api: Api<Event> = Api::namespaced(self.client.clone(), &namespace);
            if let Err(error) = api.create(&PostParams::default(), &event).await {
                // Also what happens when the namespace is being deleted; nothing depends on an event.
                tracing::debug!(error = %error, "event not written");
            }
        }
    }
}

fn event(subject: &Subject, note: Note, now: jiff::Timestamp, number: u64) -> Event {
    let Note { severity, reason, mut message } = note;
    if message.len() > MESSAGE_LIMIT {
        message.truncate(message.floor_char_boundary(MESSAGE_LIMIT - 3));
        message.push_str("...");
    }
    let Subject { kind, component, name, namespace, uid, resource_version } = subject;
    let text = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    let involved_object = ObjectReference {
        api_version: Some(format!("{}/{}", api::GROUP, version(kind))),
        kind: Some((*kind).to_owned()),
        name: text(name),
        namespace: text(namespace),
        uid: uid.as_deref().map(str::to_owned),
        resource_version: resource_version.as_deref().map(str::to_owned),
        ..ObjectReference::default()
    };
    // Events about cluster-scoped objects live in `default`, as client-go has it.
    let namespace = text(namespace).unwrap_or_else(|| "default".into());
    let stamp = now.as_nanosecond().wrapping_add(i128::from(number));
    Event {
        metadata: ObjectMeta {
            name: Some(format!("{name}.{stamp:x}")),
            namespace: Some(namespace),
            ..ObjectMeta::default()
        },
        involved_object,
        type_: Some(severity.as_str().into()),
        reason: Some(reason.as_str().into()),
        message: Some(message),
        source: Some(EventSource { component: Some((*component).into()), host: None }),
        reporting_component: Some((*component).into()),
        first_timestamp: Some(Time(now)),
        last_timestamp: Some(Time(now)),
        count: Some(1),
        ..Event::default()
    }
}

/// The API version of a kind.
fn version(kind: &str) -> &'static str {
    match kind {
        "PushSecret" | "ClusterPushSecret" => "v1alpha1",
        _ => api::VERSION,
    }
}

#[cfg(test)]
mod tests {
    use certgen::fake::FakeApi;
    use plan::event::EventReason;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn events_wait_for_urgent_work_but_not_for_ever() {
        const EVENTS: &str = "POST /api/v1/namespaces/shop/events";
        let api = FakeApi::default();
        let (events, writer) = Events::new(api.client());
        let busy = Arc::new(std::sync::atomic::AtomicBool::new(false));
        let looked = busy.clone();
        tokio::spawn(writer.run(move || looked.load(Ordering::SeqCst)));
        let meta = ObjectMeta { name: Some("db".into()), namespace: Some("shop".into()), ..ObjectMeta::default() };
        let tell = |text: &str| {
            let note = Note::normal(EventReason::Created, text);
            events.tell(Subject::new("ExternalSecret", &meta, "external-secrets"), note, jiff::Timestamp::UNIX_EPOCH);
        };
        tell("a");
        tell("b");
        tokio::time::sleep(LOOK).await;
        assert_eq!(api.count(EVENTS), 2);
        // However long nothing was told.
        tokio::time::sleep(PATIENCE * 3).await;
        busy.store(true, Ordering::SeqCst);
        tell("c");
        tell("d");
        tokio::time::sleep(PATIENCE / 2).await;
        assert_eq!(api.count(EVENTS), 2, "urgent work goes first");
        tokio::time::sleep(PATIENCE).await;
        assert_eq!(api.count(EVENTS), 4, "they are told at last");
    }

    #[test]
    fn an_event_stands_in_the_namespace_of_its_object_and_is_bounded() {
        let meta = ObjectMeta { name: Some("db".into()), namespace: Some("shop".into()), ..ObjectMeta::default() };
        let note = Note::warning(EventReason::UpdateFailed, "ä".repeat(2000));
        let got =
            event(&Subject::new("ExternalSecret", &meta, "external-secrets"), note, jiff::Timestamp::UNIX_EPOCH, 1);
        assert_eq!(got.metadata.namespace.as_deref(), Some("shop"));
        assert_eq!((got.type_.as_deref(), got.reason.as_deref()), (Some("Warning"), Some("UpdateFailed")));
        assert!(got.message.is_some_and(|text| text.len() <= MESSAGE_LIMIT && text.ends_with("...")));
        let cluster = ObjectMeta { name: Some("vault".into()), ..ObjectMeta::default() };
        let got = event(
            &Subject::new("ClusterSecretStore", &cluster, "cluster-secret-store"),
            Note::normal(EventReason::Valid, "x"),
            jiff::Timestamp::UNIX_EPOCH,
            1,
        );
        assert_eq!(got.metadata.namespace.as_deref(), Some("default"));
    }
}
