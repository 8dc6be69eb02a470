//! Every flag, under the reference's name and with its meaning; `PARITY.md` says where a default differs and why.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::time::Duration;

use api::GoDuration;
use clap::{Arg, ArgAction, CommandFactory as _, FromArgMatches as _, Parser};
use plan::brake::{Brake, Share};
use plan::lease::Timing;
use plan::shards;
use plan::template::Delims;

use crate::tenure::{Mode, Sharding};

/// Synchronises secrets of external systems into Kubernetes Secrets.
#[derive(Clone, Debug, Parser)]
#[command(name = "controller", version, about, args_override_self = true)]
pub struct Args {
    /// Address that serves /metrics, such as ":8080"; "0" switches it off.
    #[arg(long, default_value = ":8080")]
    pub metrics_addr: String,
    /// Address that serves /healthz and /readyz.
    #[arg(long, default_value = ":8082")]
    pub live_addr: String,
    /// Only stores with this spec.controller, or with none, are handled.
    #[arg(long, default_value = "default")]
    pub controller_class: String,
    /// How many objects of a kind are reconciled at a time, not counting those that wait for a provider. More only make the
    /// API server's answers, and its watches, late.
    #[arg(long, default_value_t = 16, value_parser = clap::value_parser!(u16).range(1..))]
    pub concurrent: u16,
    /// Only this namespace is watched; empty means all.
    #[arg(long, default_value = "")]
    pub namespace: String,
    /// Least severe level that is logged: debug, info, warn or error.
    #[arg(long, default_value = "info")]
    pub loglevel: String,
    /// How often a store is validated.
    #[arg(long, default_value = "5m", value_parser = duration)]
    pub store_requeue_interval: Duration,
    /// Reconcile ClusterSecretStores.
    #[arg(long, default_value_t = true, num_args = 0..=1, default_missing_value = "true", require_equals = true, action = ArgAction::Set)]
    pub enable_cluster_store_reconciler: bool,
    /// Reconcile SecretStores.
    #[arg(long, default_value_t = true, num_args = 0..=1, default_missing_value = "true", require_equals = true, action = ArgAction::Set)]
    pub enable_secret_store_reconciler: bool,
    /// Reconcile ClusterExternalSecrets; not with --namespace.
    #[arg(long, default_value_t = true, num_args = 0..=1, default_missing_value = "true", require_equals = true, action = ArgAction::Set)]
    pub enable_cluster_external_secret_reconciler: bool,
    /// Reconcile ClusterPushSecrets; not with --namespace.
    #[arg(long, default_value_t = true, num_args = 0..=1, default_missing_value = "true", require_equals = true, action = ArgAction::Set)]
    pub enable_cluster_push_secret_reconciler: bool,
    /// Reconcile PushSecrets.
    #[arg(long, default_value_t = true, num_args = 0..=1, default_missing_value = "true", require_equals = true, action = ArgAction::Set)]
    pub enable_push_secret_reconciler: bool,
    /// Leave an ExternalSecret alone while its store isn't ready.
    #[arg(long, default_value_t = true, num_args = 0..=1, default_missing_value = "true", require_equals = true, action = ArgAction::Set)]
    pub enable_flood_gate: bool,

    /// Allow spec.target.manifest: targets of other kinds than Secret, such as ConfigMaps, which the roles must allow too.
    #[arg(long, default_value_t = false, num_args = 0..=1, default_missing_value = "true", require_equals = true, action = ArgAction::Set)]
    pub unsafe_allow_generic_targets: bool,

    /// Take over a Secret or other target that holds data and belongs to no ExternalSecret; false leaves it alone unless its
    /// ExternalSecret has the annotation external-secrets.io/adopt: "true".
    #[arg(long, default_value_t = true, num_args = 0..=1, default_missing_value = "true", require_equals = true, action = ArgAction::Set)]
    pub adopt_existing_secrets: bool,
    /// Share of a store's Secrets, such as 20%, that may be deleted within ten minutes because the provider has nothing for
    /// them; further ones are kept. "off" keeps none.
    #[arg(long, default_value = "off", value_parser = deletion_brake)]
    pub deletion_brake: DeletionBrake,
    /// As many deletions are let through although --deletion-brake's share of a small store is less.
    #[arg(long, default_value_t = 1)]
    pub deletion_brake_least: usize,

    /// Let one of several replicas work at a time: the one that holds a Lease.
    #[arg(long, default_value_t = false, num_args = 0..=1, default_missing_value = "true", require_equals = true, action = ArgAction::Set)]
    pub enable_leader_election: bool,
    /// Name of the leader's Lease, in the pod's own namespace.
    #[arg(long, default_value = "external-secrets-controller")]
    pub leader_election_id: String,
    /// How long others wait for a leader that doesn't renew its Lease.
    #[arg(long, default_value = "15s", value_parser = duration)]
    pub leader_election_lease_duration: Duration,
    /// How long a leader works on without a renewal; then it ends.
    #[arg(long, default_value = "10s", value_parser = duration)]
    pub leader_election_renew_deadline: Duration,
    /// How often the Lease is renewed, or looked at.
    #[arg(long, default_value = "2s", value_parser = duration)]
    pub leader_election_retry_period: Duration,

    /// Let all replicas work, each on a share of the stores and their ExternalSecrets: how many parts there are to share, such as
    /// 64, the same in all replicas; 0 for one replica, or one leader.
    #[arg(long, default_value_t = 0, value_parser = clap::value_parser!(u16).range(..=i64::from(shards::MOST)))]
    pub shards: u16,

    /// What opens an action in the templates of targets; a rewrite's templates always have "{{".
    #[arg(long, default_value = "{{", value_parser = clap::builder::NonEmptyStringValueParser::new())]
    pub template_left_delimiter: String,
    /// What closes an action in the templates of targets.
    #[arg(long, default_value = "}}", value_parser = clap::builder::NonEmptyStringValueParser::new())]
    pub template_right_delimiter: String,

    /// Flags that were given and have no meaning here.
    #[arg(skip)]
    pub(crate) ignored: Vec<&'static str>,
}

/// Whether mass deletions are held back, and from which share of a store's Secrets on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeletionBrake {
    /// They aren't.
    Off,
    /// From this share on.
    At(Share),
}

/// Flags of the reference that have no meaning here (yet): accepted, so that its manifests start, and named in the log.
/// The second part says whether the flag is a switch, which may stand without a value.
const IGNORED: &[(&str, bool)] = &[
    ("client-qps", false),
    ("client-burst", false),
    ("metrics-auth", true),
    ("metrics-secure", true),
    ("metrics-cert-dir", false),
    ("metrics-cert-name", false),
    ("metrics-key-name", false),
    ("zap-time-encoding", false),
    ("enable-http2", true),
    ("enable-secrets-caching", true),
    ("enable-configmaps-caching", true),
    ("enable-managed-secrets-caching", true),
    ("enable-secret-api-read-on-cache-mismatch", true),
    ("enable-generator-state", true),
    ("enable-extended-metric-labels", true),
    ("generator-gc-grace-period", false),
    ("enable-vault-token-cache", true),
    ("vault-token-cache-size", false),
    ("experimental-enable-vault-token-cache", true),
    ("experimental-vault-token-cache-size", false),
    ("experimental-enable-aws-session-cache", true),
    ("experimental-enable-doppler-oidc-cache", true),
    ("experimental-doppler-oidc-cache-size", false),
    ("doppler-etag-cache-size", false),
    ("mysterybox-tokens-cache-size", false),
    ("mysterybox-connections-cache-size", false),
];

impl Args {
    /// Reads the command line; ends the process on `--help` and on a flag that doesn't exist.
    pub fn from_command_line() -> Self {
        Self::read(std::env::args_os()).unwrap_or_else(|error| error.exit())
    }

    pub(crate) fn delims(&self) -> Delims {
        Delims { left: self.template_left_delimiter.clone(), right: self.template_right_delimiter.clone() }
    }

    /// Whether ClusterExternalSecrets are reconciled. Who may only see one namespace can't keep anything in others.
    pub(crate) fn cluster_external_secrets(&self) -> bool {
        self.enable_cluster_external_secret_reconciler && self.namespace.is_empty()
    }

    /// As [`Args::cluster_external_secrets`], of ClusterPushSecrets.
    pub(crate) fn cluster_push_secrets(&self) -> bool {
        self.enable_cluster_push_secret_reconciler && self.namespace.is_empty()
    }

    pub(crate) fn brake(&self) -> Option<Brake> {
        match self.deletion_brake {
            DeletionBrake::Off => None,
            DeletionBrake::At(share) => Some(Brake { share, least: self.deletion_brake_least }),
        }
    }

    /// How it is settled which process works.
    ///
    /// # Errors
    /// When the times of an election don't fit together; the text names the flags.
    pub(crate) fn mode(&self) -> Result<Mode, String> {
        let timing = Timing {
            lease: self.leader_election_lease_duration,
            renew_deadline: self.leader_election_renew_deadline,
            retry: self.leader_election_retry_period,
        };
        let group = self.leader_election_id.clone();
        match (self.enable_leader_election, self.shards) {
            (false, 0) => Ok(Mode::Alone),
            (true, 0) => timing.check().map(|()| Mode::Election { lease: group, timing }),
            (false, buckets) => timing.check().map(|()| Mode::Shards(Sharding { group, buckets, timing })),
            (true, _) => {
                Err("--shards lets all replicas work and --enable-leader-election only one: use one of them".into())
            }
        }
    }

    fn read(line: impl IntoIterator<Item: Into<OsString> + Clone>) -> Result<Self, clap::Error> {
        let ignored = IGNORED.iter().map(|(name, switch)| {
            let flag = Arg::new(*name).long(*name).hide(true);
            if *switch {
                flag.num_args(0..=1).require_equals(true).default_missing_value("true")
            } else {
                flag.num_args(1)
            }
        });
        let matches = Self::command().args(ignored).try_get_matches_from(line)?;
        let given = IGNORED.iter().map(|(name, _)| *name).filter(|name| matches.contains_id(name)).collect();
        Ok(Self { ignored: given, ..Self::from_arg_matches(&matches)? })
    }
}

fn deletion_brake(text: &str) -> Result<DeletionBrake, String> {
    if text == "off" { Ok(DeletionBrake::Off) } else { text.parse().map(DeletionBrake::At) }
}

fn duration(text: &str) -> Result<Duration, String> {
    let GoDuration(nanoseconds) = text.parse::<GoDuration>().map_err(|error| error.to_string())?;
    u64::try_from(nanoseconds).map(Duration::from_nanos).map_err(|_| "must not be negative".to_owned())
}

/// A listen address as Go writes it: `:8080` means every interface; `0` and empty text mean none.
///
/// # Errors
/// Text that says what an address looks like.
pub(crate) fn listen_address(flag: &str, text: &str) -> Result<Option<SocketAddr>, String> {
    if text.is_empty() || text == "0" {
        return Ok(None);
    }
    let full = if text.starts_with(':') { format!("0.0.0.0{text}") } else { text.replace("localhost:", "127.0.0.1:") };
    full.parse()
        .map(Some)
        .map_err(|_| format!("{flag}={text} is not an address; write HOST:PORT, such as :8080 or 127.0.0.1:8080"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_of_the_reference_are_accepted_in_go_form() {
        let args = Args::read([
            "controller",
            "--concurrent=1",
            "--metrics-addr=:9090",
            "--enable-leader-election=true",
            "--client-qps=50",
            "--enable-flood-gate=false",
            "--store-requeue-interval=1m30s",
            "--enable-cluster-store-reconciler",
            "--unsafe-allow-generic-targets",
        ])
        .unwrap();
        assert!(args.unsafe_allow_generic_targets && !Args::read(["controller"]).unwrap().unsafe_allow_generic_targets);
        assert_eq!(args.concurrent, 1);
        assert!(!args.enable_flood_gate && args.enable_cluster_store_reconciler);
        assert_eq!(args.store_requeue_interval, Duration::from_secs(90));
        assert_eq!(args.ignored, ["client-qps"]);
    }

    #[test]
    fn an_election_has_the_names_and_times_of_the_reference() {
        let mode = |line: &[&str]| Args::read(["controller"].iter().chain(line)).unwrap().mode();
        assert_eq!(mode(&["--leader-election-id=unused"]).unwrap(), Mode::Alone);
        let timing = Timing {
            lease: Duration::from_secs(15),
            renew_deadline: Duration::from_secs(10),
            retry: Duration::from_secs(2),
        };
        let lease = "external-secrets-controller".to_owned();
        assert_eq!(mode(&["--enable-leader-election"]).unwrap(), Mode::Election { lease, timing });
        let error = mode(&["--enable-leader-election=true", "--leader-election-lease-duration=5s"]).unwrap_err();
        assert!(error.contains("--leader-election-lease-duration"), "{error}");
        assert!(matches!(mode(&["--shards=64"]), Ok(Mode::Shards(sharding)) if sharding.buckets == 64));
        let error = mode(&["--shards=64", "--enable-leader-election"]).unwrap_err();
        assert!(error.contains("--shards") && error.contains("--enable-leader-election"), "{error}");
        assert!(Args::read(["controller", "--shards=5000"]).is_err());
    }

    #[test]
    fn what_is_safer_than_the_reference_is_asked_for() {
        let read = |line: &[&str]| Args::read(["controller"].iter().chain(line));
        let default = read(&[]).unwrap();
        assert!(default.adopt_existing_secrets && default.brake().is_none());
        let safer =
            read(&["--adopt-existing-secrets=false", "--deletion-brake=20%", "--deletion-brake-least=3"]).unwrap();
        assert!(!safer.adopt_existing_secrets);
        assert_eq!(safer.brake(), Some(Brake { share: "20%".parse().unwrap(), least: 3 }));
        for wrong in ["20", "200%", "some"] {
            let error = read(&[&format!("--deletion-brake={wrong}")]).unwrap_err().to_string();
            assert!(error.contains("--deletion-brake") && error.contains("such as 20%, or off"), "{error}");
        }
    }

    #[test]
    fn cluster_wide_declarations_are_for_whoever_sees_all_namespaces() {
        let kinds = |line: &[&str]| {
            let args = Args::read(["controller"].iter().chain(line)).unwrap();
            [args.cluster_external_secrets(), args.cluster_push_secrets()]
        };
        assert_eq!(kinds(&[]), [true, true]);
        assert_eq!(kinds(&["--enable-cluster-external-secret-reconciler=false"]), [false, true]);
        assert_eq!(kinds(&["--enable-cluster-push-secret-reconciler=false"]), [true, false]);
        assert_eq!(kinds(&["--namespace=shop", "--enable-cluster-push-secret-reconciler"]), [false, false]);
    }

    #[test]
    fn an_unknown_flag_is_fatal() {
        assert!(Args::read(["controller", "--no-such-flag"]).is_err());
    }

    #[test]
    fn addresses_are_read_as_go_reads_them() {
        let cases = [
            (":8080", Some("0.0.0.0:8080")),
            ("127.0.0.1:0", Some("127.0.0.1:0")),
            ("0", None),
            ("localhost:1", Some("127.0.0.1:1")),
        ];
        for (text, want) in cases {
            assert_eq!(listen_address("--metrics-addr", text).unwrap().map(|a| a.to_string()).as_deref(), want);
        }
        assert!(listen_address("--metrics-addr", "8080").unwrap_err().contains("--metrics-addr=8080"));
    }
}
