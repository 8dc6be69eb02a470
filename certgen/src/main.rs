//! One-shot: makes sure that the webhook's CA exists and that the webhook configurations carry it, then exits.
//!
//! For installs that want certificates before the webhook starts (a Helm hook, an init container). The webhook does the
//! same by itself, and keeps doing it.

use std::process::ExitCode;
use std::time::Duration;

use certgen::inject::{Publisher, Service};
use certgen::secret::Store;
use certgen::{Bundle, Clock, Lifetimes, Names, secret};
use clap::Parser;

/// Time for the whole run: longer than an API server's restart, shorter than a patient operator.
const DEADLINE: Duration = Duration::from_secs(60);

/// Issues the webhook's CA if it is needed and publishes it in the webhook configurations.
#[derive(Parser)]
#[command(name = "certgen", version)]
struct Args {
    /// Name of the webhook's Service.
    #[arg(long, default_value = "external-secrets-webhook")]
    service_name: String,
    /// Namespace of the webhook's Service. Default: the namespace of this pod or of the kubeconfig's context.
    #[arg(long, env = "POD_NAMESPACE")]
    service_namespace: Option<String>,
    /// Name of the Secret that holds the CA.
    #[arg(long, default_value = "external-secrets-webhook")]
    secret_name: String,
    /// Namespace of the Secret. Default: the Service's.
    #[arg(long)]
    secret_namespace: Option<String>,
    /// Further DNS names or IP addresses for the serving certificate in the Secret; may be repeated.
    #[arg(long, value_delimiter = ',')]
    dns_name: Vec<String>,
    /// Log level: error, warn, info, debug or trace.
    #[arg(long, default_value = "info")]
    loglevel: String,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let args = Args::parse();
    telemetry::init_logs("certgen", &args.loglevel);
    // rustls needs one provider for the whole process; a second installation is harmless and can't happen here.
    if rustls::crypto::aws_lc_rs::default_provider().install_default().is_err() {
        tracing::debug!("a crypto provider was installed already");
    }
    let outcome = match tokio::time::timeout(DEADLINE, run(args)).await {
        Ok(outcome) => outcome,
        Err(_) => Err(format!("gave up after {} s: the API server doesn't answer", DEADLINE.as_secs())),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(error, "could not set up the webhook's certificates");
            ExitCode::FAILURE
        }
    }
}

async fn run(args: Args) -> Result<(), String> {
    let config = kube::Config::infer()
        .await
        .map_err(|e| format!("no cluster: {e}; set KUBECONFIG or run inside of a cluster"))?;
    let client = kube::Client::try_from(config).map_err(|e| format!("no client for the cluster: {e}"))?;
    let service_namespace = args.service_namespace.unwrap_or_else(|| client.default_namespace().to_owned());
    let secret_namespace = args.secret_namespace.unwrap_or_else(|| service_namespace.clone());
    let names = Names::for_service(&args.service_name, &service_namespace, &args.dns_name)
        .map_err(|e| format!("--dns-name: {e}"))?;
    let store = Store::new(client.clone(), &secret_namespace, &args.secret_name);

    let (authority, replaced) =
        secret::ensure(&store, &Bundle::default(), &names, &Clock::system(), &Lifetimes::default())
            .await
            .map_err(|e| e.to_string())?;
    match replaced {
        Some(reason) => tracing::info!(secret = %store, reason = reason.as_str(), "issued a new CA"),
        None => tracing::info!(secret = %store, "the CA is in order"),
    }
    let service = Service { name: args.service_name, namespace: service_namespace };
    let changed =
        Publisher::new(client).publish(&service, authority.bundle.pem().as_bytes()).await.map_err(|e| e.to_string())?;
    for which in &changed {
        tracing::info!(configuration = %which, "published the CA");
    }
    if changed.is_empty() {
        tracing::info!("the webhook configurations are in order");
    }
    Ok(())
}
