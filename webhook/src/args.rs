//! Every flag in one table, under the reference's names (its `webhook` and `certcontroller` commands are one here).
//!
//! Flags that have no meaning here are accepted, and [`Args::without_effect`] names those that were given.

use std::time::Duration;

use api::GoDuration;
use clap::{ArgAction, Parser};

use crate::address::ListenAddress;

/// Validates and defaults objects of external-secrets.io, and looks after its own certificates.
#[derive(Clone, Debug, Parser)]
#[command(name = "webhook", version, args_override_self = true)]
pub struct Args {
    /// Port on which the API server calls; 0 lets the system choose.
    #[arg(long, default_value_t = 10250)]
    pub port: u16,
    /// Host on which to listen; empty means all interfaces. (Not a flag of ESO.)
    #[arg(long, default_value = "")]
    pub bind_address: String,
    /// Further DNS names or IP addresses for the serving certificate; may be repeated or separated by commas.
    #[arg(long, value_delimiter = ',', default_value = "localhost")]
    pub dns_name: Vec<String>,
    /// Address of /healthz and /readyz.
    #[arg(long, default_value = ":8081")]
    pub healthz_addr: ListenAddress,
    /// Address of /metrics; 0 switches it off.
    #[arg(long, default_value = ":8080")]
    pub metrics_addr: ListenAddress,
    /// Name of the webhook's Service.
    #[arg(long, default_value = "external-secrets-webhook")]
    pub service_name: String,
    /// Namespace of the webhook's Service. Default: POD_NAMESPACE, else this pod's or the kubeconfig's namespace.
    #[arg(long)]
    pub service_namespace: Option<String>,
    /// Name of the Secret that holds the CA.
    #[arg(long, default_value = "external-secrets-webhook")]
    pub secret_name: String,
    /// Namespace of the Secret. Default: as for the Service.
    #[arg(long)]
    pub secret_namespace: Option<String>,
    /// How often everything is read again even if no watch reported a change, as a Go duration.
    #[arg(long, default_value = "5m", value_parser = duration)]
    pub check_interval: Duration,
    /// Cipher suites of TLS 1.2 under Go's names, separated by commas; empty means all that are safe.
    #[arg(long, value_delimiter = ',', default_value = "")]
    pub tls_ciphers: Vec<String>,
    /// Lowest TLS version: 1.2 or 1.3. Anything else counts as 1.3.
    #[arg(long, default_value = "1.2")]
    pub tls_min_version: String,
    /// Offer HTTP/2.
    #[arg(long, num_args = 0..=1, default_value_t = false, default_missing_value = "true", require_equals = true, action = ArgAction::Set)]
    pub enable_http2: bool,
    /// Serve metrics over TLS.
    #[arg(long, num_args = 0..=1, default_value_t = false, default_missing_value = "true", require_equals = true, action = ArgAction::Set)]
    pub metrics_secure: bool,
    /// Directory of the certificate for metrics; empty means the webhook's own certificate.
    #[arg(long, default_value = "")]
    pub metrics_cert_dir: String,
    /// File name of the certificate for metrics.
    #[arg(long, default_value = "tls.crt")]
    pub metrics_cert_name: String,
    /// File name of the key for metrics.
    #[arg(long, default_value = "tls.key")]
    pub metrics_key_name: String,
    /// Ask the API server who may read metrics. Not supported: metrics are not served if it is set.
    #[arg(long, num_args = 0..=1, default_value_t = false, default_missing_value = "true", require_equals = true, action = ArgAction::Set)]
    pub metrics_auth: bool,
    /// Log level: error, warn, info or debug.
    #[arg(long, default_value = "info")]
    pub loglevel: String,
    /// Time between "not ready" and the end of accepting connections at a shutdown, as a Go duration. (Not a flag of ESO.)
    #[arg(long, default_value = "5s", value_parser = duration)]
    pub shutdown_delay: Duration,
    /// Life of the CA, as a Go duration. (Not a flag of ESO.)
    #[arg(long, default_value = "8760h", value_parser = duration)]
    pub ca_lifetime: Duration,
    /// Life of each pod's serving certificate, as a Go duration. (Not a flag of ESO.)
    #[arg(long, default_value = "168h", value_parser = duration)]
    pub cert_lifetime: Duration,

    /// Directory of a certificate that somebody else keeps, such as cert-manager: tls.crt, tls.key and ca.crt are served and
    /// read again as they change. Empty, missing, or with a ca.key: the webhook looks after its own certificates.
    #[arg(long)]
    pub cert_dir: Option<String>,
    /// No effect: certificates are renewed at two thirds of their life.
    #[arg(long)]
    pub lookahead_interval: Option<String>,
    /// No effect: logs carry epoch seconds.
    #[arg(long)]
    pub zap_time_encoding: Option<String>,
    /// No effect: the CRDs have no conversion webhook.
    #[arg(long)]
    pub crd_names: Vec<String>,
    /// No effect: the CRDs have no conversion webhook.
    #[arg(long)]
    pub crd_requeue_interval: Option<String>,
    /// No effect: only named objects are watched.
    #[arg(long, num_args = 0..=1, default_missing_value = "true", require_equals = true)]
    pub enable_partial_cache: Option<String>,
    /// No effect: replicas need no leader, writes are preconditioned.
    #[arg(long, num_args = 0..=1, default_missing_value = "true", require_equals = true)]
    pub enable_leader_election: Option<String>,
}

impl Args {
    /// The flags that were given and have no effect.
    pub fn without_effect(&self) -> Vec<&'static str> {
        [
            ("--lookahead-interval", self.lookahead_interval.is_some()),
            ("--zap-time-encoding", self.zap_time_encoding.as_deref().is_some_and(|e| e != "epoch")),
            ("--crd-names", !self.crd_names.is_empty()),
            ("--crd-requeue-interval", self.crd_requeue_interval.is_some()),
            ("--enable-partial-cache", self.enable_partial_cache.is_some()),
            ("--enable-leader-election", self.enable_leader_election.is_some()),
        ]
        .into_iter()
        .filter_map(|(flag, given)| given.then_some(flag))
        .collect()
    }
}

/// A Go duration greater than zero.
fn duration(text: &str) -> Result<Duration, String> {
    let GoDuration(nanoseconds) = text.parse::<GoDuration>().map_err(|e| e.to_string())?;
    match u64::try_from(nanoseconds) {
        Ok(0) | Err(_) => Err("must be greater than zero, such as 5m".to_owned()),
        Ok(nanoseconds) => Ok(Duration::from_nanos(nanoseconds)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(flags: &[&str]) -> Result<Args, String> {
        Args::try_parse_from(std::iter::once("webhook").chain(flags.iter().copied())).map_err(|e| e.to_string())
    }

    #[test]
    fn defaults_are_the_references() {
        let args = parse(&[]).unwrap();
        assert_eq!(
            (args.port, args.healthz_addr, args.metrics_addr),
            (10250, ListenAddress::All(8081), ListenAddress::All(8080))
        );
        assert_eq!(args.dns_name, ["localhost"]);
        assert_eq!(
            (args.service_name.as_str(), args.secret_name.as_str()),
            ("external-secrets-webhook", "external-secrets-webhook")
        );
        assert_eq!((args.check_interval, args.tls_min_version.as_str()), (Duration::from_secs(300), "1.2"));
        assert!(!args.enable_http2 && !args.metrics_secure && !args.metrics_auth);
    }

    #[test]
    fn the_references_chart_starts_it_and_is_told_what_has_no_effect() {
        let args = parse(&[
            "--port=10250",
            "--dns-name=external-secrets-webhook.default.svc",
            "--cert-dir=/tmp/certs",
            "--check-interval=5m",
            "--lookahead-interval=2160h",
            "--metrics-addr=:8080",
            "--healthz-addr=:8081",
            "--loglevel=info",
            "--zap-time-encoding=epoch",
            "--enable-leader-election=true",
            "--enable-partial-cache=true",
            "--crd-requeue-interval=5m",
            "--crd-names",
            "a,b",
            "--crd-names=c",
        ])
        .unwrap();
        assert_eq!(
            args.without_effect(),
            [
                "--lookahead-interval",
                "--crd-names",
                "--crd-requeue-interval",
                "--enable-partial-cache",
                "--enable-leader-election"
            ]
        );
    }

    #[test]
    fn names_come_repeated_or_with_commas_and_switches_with_or_without_a_value() {
        let args = parse(&[
            "--dns-name=a.example,10.0.0.1",
            "--dns-name",
            "b.example",
            "--enable-http2",
            "--metrics-secure=false",
        ])
        .unwrap();
        assert_eq!(args.dns_name, ["a.example", "10.0.0.1", "b.example"]);
        assert!(args.enable_http2 && !args.metrics_secure);
    }

    #[test]
    fn bad_flags_are_named() {
        for (flag, part) in [
            ("--check-interval=1d", "unknown unit \"d\""),
            ("--check-interval=0", "greater than zero"),
            ("--healthz-addr=8081", "listen address"),
            ("--port=99999", "--port"),
            ("--no-such-flag", "--no-such-flag"),
        ] {
            let error = parse(&[flag]).unwrap_err();
            assert!(error.contains(part), "{flag}: {error}");
        }
    }
}
