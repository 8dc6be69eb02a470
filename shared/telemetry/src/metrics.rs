//! The controller's metrics, under the reference's names and labels (`PARITY.md` lists them).

use prometheus::{CounterVec, HistogramOpts, HistogramVec, IntCounterVec, IntGauge, IntGaugeVec, Opts, TextEncoder};

use crate::catalogue::Catalogue;
use crate::objects::Objects;
use crate::runtime::{RECONCILE_BUCKETS, Runtime};

/// The kinds that have status and duration series.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// ExternalSecret.
    ExternalSecret,
    /// SecretStore.
    SecretStore,
    /// ClusterSecretStore.
    ClusterSecretStore,
    /// ClusterExternalSecret.
    ClusterExternalSecret,
    /// ClusterPushSecret.
    ClusterPushSecret,
    /// PushSecret.
    PushSecret,
}

impl Kind {
    /// All kinds.
    pub const ALL: [Self; 6] = [
        Self::ExternalSecret,
        Self::SecretStore,
        Self::ClusterSecretStore,
        Self::ClusterExternalSecret,
        Self::ClusterPushSecret,
        Self::PushSecret,
    ];

    /// What the names of its series begin with.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ExternalSecret => "externalsecret",
            Self::SecretStore => "secretstore",
            Self::ClusterSecretStore => "clustersecretstore",
            Self::ClusterExternalSecret => "clusterexternalsecret",
            Self::ClusterPushSecret => "clusterpushsecret",
            Self::PushSecret => "pushsecret",
        }
    }
}

/// Whether a provider call worked, as the label `status` says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CallStatus {
    /// It worked.
    Success,
    /// It failed.
    Error,
}

impl CallStatus {
    fn as_str(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Error => "error",
        }
    }
}

/// The status of the condition `Ready`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReadyStatus {
    /// `True`.
    True,
    /// `False`.
    False,
}

/// Why a key waits in the queue; the label `lane`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Lane {
    /// Never synced so far.
    New,
    /// Somebody asked: the object, its store or its credentials changed.
    Asked,
    /// The target Secret isn't what was written.
    Drift,
    /// Time for the next refresh, or for the next try.
    Periodic,
}

impl Lane {
    /// All lanes, most urgent first.
    pub const ALL: [Self; 4] = [Self::New, Self::Asked, Self::Drift, Self::Periodic];

    /// The label's text.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Asked => "asked",
            Self::Drift => "drift",
            Self::Periodic => "periodic",
        }
    }
}

/// All series of the controller and the registry that serves them.
pub struct Metrics {
    registry: Catalogue,
    runtime: Runtime,
    objects: Objects,
    provider_calls: CounterVec,
    reconcile_seconds: [HistogramVec; Kind::ALL.len()],
    queue_depth: IntGaugeVec,
    queue_wait: HistogramVec,
    watch_silence: IntGaugeVec,
    watch_interruptions: IntCounterVec,
    oldest_overdue: IntGauge,
    shared_reads: CounterVec,
    batched_reads: CounterVec,
    throttles: CounterVec,
    breakers_open: IntGaugeVec,
    deletions_held: IntGaugeVec,
    leader: IntGaugeVec,
    buckets_held: IntGauge,
}

const STORE: [&str; 3] = ["kind", "namespace", "name"];
/// A worker should be there within milliseconds; after a restart of a large cluster's controller it may take minutes.
const WAIT_BUCKETS: [f64; 12] = [0.001, 0.005, 0.025, 0.1, 0.5, 1.0, 5.0, 15.0, 30.0, 60.0, 300.0, 900.0];

impl Metrics {
    /// Registers every series.
    ///
    /// # Errors
    /// Only if two series had one name, which a test rules out.
    pub fn new() -> Result<Self, prometheus::Error> {
        let registry = Catalogue::default();
        let counter =
            |name: &str, help: &str, labels: &[&str]| registry.kept(CounterVec::new(Opts::new(name, help), labels));
        let seconds = |prefix: &str| {
            let name = format!("{prefix}_reconcile_duration_seconds");
            let options = HistogramOpts::new(name, "How long reconciles took").buckets(RECONCILE_BUCKETS.to_vec());
            registry.kept(HistogramVec::new(options, &[]))
        };
        let queue_depth = registry.kept(IntGaugeVec::new(
            Opts::new("external_secrets_queue_depth", "Keys that wait for a worker, by lane"),
            &["controller", "lane"],
        ))?;
        let queue_wait = registry.kept(HistogramVec::new(
            HistogramOpts::new("external_secrets_queue_wait_seconds", "How long keys waited for a worker, by lane")
                .buckets(WAIT_BUCKETS.to_vec()),
            &["controller", "lane"],
        ))?;
        let watch_silence = registry.kept(IntGaugeVec::new(
            Opts::new("external_secrets_watch_silence_seconds", "How long ago a watch last had an answer"),
            &["watch"],
        ))?;
        let watch_interruptions = registry.kept(IntCounterVec::new(
            Opts::new("external_secrets_watch_interruptions_total", "Errors that a watch was resumed after"),
            &["watch"],
        ))?;
        let oldest_overdue = registry.kept(IntGauge::new(
            "external_secrets_oldest_overdue_seconds",
            "How long the most overdue key has waited past its time",
        ))?;
        let deletions_held = registry.kept(IntGaugeVec::new(
            Opts::new("external_secrets_deletions_held", "ExternalSecrets whose Secret the deletion brake keeps"),
            &["kind", "name", "namespace"],
        ))?;
        let breakers_open = registry.kept(IntGaugeVec::new(
            Opts::new(
                "external_secrets_store_breaker_open",
                "Sessions of the store whose reads are refused because it cannot be reached: 0 or, unless it has one for each \
                 namespace, 1",
            ),
            &STORE,
        ))?;
        let leader = registry.kept(IntGaugeVec::new(
            Opts::new(
                "leader_election_master_status",
                "Gauge of if the reporting system is master of the relevant lease, 0 indicates backup, 1 indicates master.",
            ),
            &["name"],
        ))?;
        let buckets_held = registry.kept(IntGauge::new(
            "external_secrets_buckets_held",
            "Buckets that this replica works on, with --shards",
        ))?;
        Ok(Self {
            buckets_held,
            deletions_held,
            breakers_open,
            leader,
            objects: Objects::default(),
            provider_calls: counter(
                "externalsecret_provider_api_calls_count",
                "Number of API calls towards the secret provider",
                &["provider", "call", "status"],
            )?,
            shared_reads: counter(
                "external_secrets_shared_reads_total",
                "Reads that were answered by an identical read in flight, or by one that began after what they were asked for",
                &["provider"],
            )?,
            batched_reads: counter(
                "external_secrets_batched_reads_total",
                "Reads that shared one provider call with reads of other keys",
                &["provider"],
            )?,
            throttles: counter(
                "external_secrets_store_throttled_total",
                "Calls that the store answered by asking for fewer",
                &STORE,
            )?,
            reconcile_seconds: [
                seconds("externalsecret")?,
                seconds("secretstore")?,
                seconds("clustersecretstore")?,
                seconds("clusterexternalsecret")?,
                seconds("clusterpushsecret")?,
                seconds("pushsecret")?,
            ],
            queue_depth,
            queue_wait,
            watch_silence,
            watch_interruptions,
            oldest_overdue,
            runtime: Runtime::new(&registry)?,
            registry,
        })
    }

    /// The text that `/metrics` serves.
    ///
    /// # Errors
    /// When a series can't be written as text.
    pub fn encode(&self) -> Result<String, prometheus::Error> {
        (0..self.parts()).map(|part| self.part(part)).collect()
    }

    /// In how many parts the text can be had.
    pub fn parts(&self) -> usize {
        1 + Objects::parts()
    }

    /// A part of the text: with thousands of objects it is long, and one part at a time takes a tenth of the memory.
    ///
    /// # Errors
    /// As [`Metrics::encode`].
    pub fn part(&self, number: usize) -> Result<String, prometheus::Error> {
        match number.checked_sub(1) {
            None => TextEncoder::new().encode_to_string(&self.registry.gather()),
            Some(family) => Ok(self.objects.part(family)),
        }
    }

    /// An ExternalSecret was reconciled.
    pub fn sync_call(&self, name: &str, namespace: &str) {
        self.objects.sync_call(name, namespace);
    }

    /// An ExternalSecret's reconcile failed.
    pub fn sync_error(&self, name: &str, namespace: &str) {
        self.objects.sync_error(name, namespace);
    }

    /// A provider was called.
    pub fn provider_call(&self, provider: &str, call: &str, status: CallStatus) {
        self.provider_calls.with_label_values(&[provider, call, status.as_str()]).inc();
    }

    /// A read was answered by another one that may answer it too.
    pub fn shared_read(&self, provider: &str) {
        self.shared_reads.with_label_values(&[provider]).inc();
    }

    /// So many reads of different keys went in one call.
    pub fn batched_reads(&self, provider: &str, reads: usize) {
        self.batched_reads.with_label_values(&[provider]).inc_by(reads as f64);
    }

    /// A store asked for fewer calls.
    pub fn throttled(&self, kind: &str, namespace: &str, name: &str) {
        self.throttles.with_label_values(&[kind, namespace, name]).inc();
    }

    /// The breaker of one of a store's sessions opened (1) or closed (-1), or is there now (0).
    pub fn breaker_open(&self, kind: &str, namespace: &str, name: &str, change: i64) {
        self.breakers_open.with_label_values(&[kind, namespace, name]).add(change);
    }

    /// The last session of a store is over: its series go too.
    pub fn forget_session(&self, kind: &str, namespace: &str, name: &str) {
        // A series that was never set has nothing to remove.
        self.breakers_open.remove_label_values(&[kind, namespace, name]).ok();
        self.throttles.remove_label_values(&[kind, namespace, name]).ok();
    }

    /// The condition `Ready` of an object: sets the two series to 1 and 0.
    pub fn ready(&self, kind: Kind, name: &str, namespace: &str, status: ReadyStatus) {
        self.objects.ready(kind, name, namespace, status);
    }

    /// How long the last reconcile of an object took, in nanoseconds as in the reference, and as a histogram in seconds.
    pub fn reconciled(&self, kind: Kind, name: &str, namespace: &str, took: std::time::Duration) {
        let nanoseconds = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        self.objects.reconciled(kind, name, namespace, nanoseconds);
        let none: [&str; 0] = [];
        self.reconcile_seconds[kind as usize].with_label_values(&none).observe(took.as_secs_f64());
    }

    /// An object is gone: its series go too. Of an ExternalSecret the reference leaves
    /// `condition="Deleted",status="False"` at 1.
    pub fn forget(&self, kind: Kind, name: &str, namespace: &str) {
        self.objects.forget(kind, name, namespace);
    }

    /// How many ExternalSecrets of a store have a Secret that the deletion brake keeps. `kind` is the store's.
    pub fn deletions_held(&self, kind: &str, name: &str, namespace: &str, count: usize) {
        let count = i64::try_from(count).unwrap_or(i64::MAX);
        self.deletions_held.with_label_values(&[kind, name, namespace]).set(count);
    }

    /// A store whose deletions this process counts no more.
    pub fn forget_deletions_held(&self, kind: &str, name: &str, namespace: &str) {
        // A series that was never set has nothing to remove.
        self.deletions_held.remove_label_values(&[kind, name, namespace]).ok();
    }

    /// Whether this process leads under the Lease `name`.
    pub fn leader(&self, name: &str, leads: bool) {
        self.leader.with_label_values(&[name]).set(i64::from(leads));
    }

    /// How many buckets this process works on.
    pub fn buckets_held(&self, count: usize) {
        self.buckets_held.set(i64::try_from(count).unwrap_or(i64::MAX));
    }

    /// An object is another process's from now on: its series go, and that one has them.
    pub fn disown(&self, kind: Kind, name: &str, namespace: &str) {
        self.objects.disown(kind, name, namespace);
    }

    /// Keys that wait for a worker.
    pub fn queue_depth(&self, controller: &str, lane: Lane, depth: usize) {
        self.queue_depth.with_label_values(&[controller, lane.as_str()]).set(i64::try_from(depth).unwrap_or(i64::MAX));
    }

    /// A key of this lane has waited so long for its worker, counted from when it was woken or due.
    pub fn queue_wait(&self, controller: &str, lane: Lane, wait: std::time::Duration) {
        self.queue_wait.with_label_values(&[controller, lane.as_str()]).observe(wait.as_secs_f64());
        self.runtime.waited(controller, wait);
    }

    /// How long ago a watch last had an answer.
    pub fn watch_silence(&self, watch: &str, silence: std::time::Duration) {
        let seconds = i64::try_from(silence.as_secs()).unwrap_or(i64::MAX);
        self.watch_silence.with_label_values(&[watch]).set(seconds);
    }

    /// A watch was interrupted by an error; its series begins with 0, so that the first one shows as an increase.
    pub fn watch_interrupted(&self, watch: &str, errors: u64) {
        self.watch_interruptions.with_label_values(&[watch]).inc_by(errors);
    }

    /// A watch isn't needed any more: its series go.
    pub fn forget_watch(&self, watch: &str) {
        // A series that was never set has nothing to remove.
        self.watch_silence.remove_label_values(&[watch]).ok();
        self.watch_interruptions.remove_label_values(&[watch]).ok();
    }

    /// The series of controller-runtime and client-go.
    pub fn runtime(&self) -> &Runtime {
        &self.runtime
    }

    /// How long the most overdue key has waited, in seconds.
    pub fn oldest_overdue(&self, seconds: u64) {
        self.oldest_overdue.set(i64::try_from(seconds).unwrap_or(i64::MAX));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_labels_are_those_of_the_reference() {
        let metrics = Metrics::new().unwrap();
        metrics.sync_call("db", "shop");
        metrics.sync_error("db", "shop");
        metrics.provider_call("HashiCorp/Vault", "ReadSecretData", CallStatus::Success);
        metrics.ready(Kind::ExternalSecret, "db", "shop", ReadyStatus::True);
        let text = metrics.encode().unwrap();
        for line in [
            r#"externalsecret_sync_calls_total{name="db",namespace="shop"} 1"#,
            r#"externalsecret_sync_calls_error{name="db",namespace="shop"} 1"#,
            r#"externalsecret_provider_api_calls_count{call="ReadSecretData",provider="HashiCorp/Vault",status="success"} 1"#,
            r#"externalsecret_status_condition{condition="Ready",name="db",namespace="shop",status="True"} 1"#,
            r#"externalsecret_status_condition{condition="Ready",name="db",namespace="shop",status="False"} 0"#,
        ] {
            assert!(text.contains(line), "{line} is missing in\n{text}");
        }
    }

    #[test]
    fn durations_come_in_nanoseconds_by_object_and_as_a_histogram_in_seconds() {
        let metrics = Metrics::new().unwrap();
        metrics.reconciled(Kind::SecretStore, "vault", "shop", std::time::Duration::from_millis(20));
        let text = metrics.encode().unwrap();
        for line in [
            r#"secretstore_reconcile_duration{name="vault",namespace="shop"} 20000000"#,
            r#"secretstore_reconcile_duration_seconds_bucket{le="0.01"} 0"#,
            r#"secretstore_reconcile_duration_seconds_bucket{le="0.025"} 1"#,
        ] {
            assert!(text.contains(line), "{line} is missing in\n{text}");
        }
    }

    /// What `docs/metrics.md` says of a family: its name and its labels, in the order of the alphabet.
    fn documented() -> Vec<(String, Vec<String>)> {
        let quoted = |cell: &str| -> Vec<String> { cell.split('`').skip(1).step_by(2).map(str::to_owned).collect() };
        let rows = include_str!("../../../docs/metrics.md").lines().filter(|line| line.starts_with("| `"));
        rows.flat_map(|row| {
            let cells: Vec<&str> = row.split('|').collect();
            let mut labels = quoted(cells[3]);
            labels.sort();
            quoted(cells[1]).into_iter().map(move |name| (name, labels.clone()))
        })
        .collect()
    }

    #[test]
    fn the_documentation_names_every_series_and_its_labels() {
        let mut wanted = Metrics::new().unwrap().registry.families();
        wanted.extend(Objects::families());
        wanted.iter_mut().for_each(|(_, labels)| labels.sort());
        wanted.sort();
        let mut found = documented();
        found.sort();
        assert_eq!(found, wanted, "docs/metrics.md (left) and the registry (right)");
    }

    #[test]
    fn a_deleted_external_secret_leaves_the_deleted_series() {
        let metrics = Metrics::new().unwrap();
        metrics.ready(Kind::ExternalSecret, "db", "shop", ReadyStatus::True);
        metrics.forget(Kind::ExternalSecret, "db", "shop");
        let text = metrics.encode().unwrap();
        assert!(!text.contains(r#"condition="Ready""#), "{text}");
        assert!(text.contains(r#"condition="Deleted",name="db",namespace="shop",status="False"} 1"#), "{text}");
    }
}
