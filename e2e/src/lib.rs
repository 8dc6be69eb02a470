//! The harness of the end-to-end tests, the demo and the benchmark: a real control plane, real backends, our own
//! programs under their own service accounts.
//!
//! | module | what lives there |
//! |---|---|
//! | [`deps`] | where programs are, and building those that are missing |
//! | [`guarded`], [`leash`] | child processes that can't outlive us |
//! | [`controlplane`] | etcd, kube-apiserver, kube-controller-manager |
//! | [`cluster`] | clients, service account kubeconfigs, applying manifests |
//! | [`manifests`] | what a user applies, by what it is for; [`helm`] renders the chart |
//! | [`backend`] | OpenBao, moto, and a plain HTTP API |
//! | [`operator`] | controller and webhook as processes; [`proxy`] stands for the webhook's Service |
//! | [`testbed`] | all of these together; [`shared`] lets the cases of a test file share one |
//! | [`wait`] | waiting for states by watching |
//!
//! Not here: the cases (`tests/`), the programs `testbed` (demo, cluster, benchmark) and `answers` (`src/bin`).

pub mod backend;
pub mod cluster;
pub mod controlplane;
pub mod deps;
pub mod error;
pub mod guarded;
pub mod helm;
pub mod leash;
pub mod manifests;
pub mod operator;
pub mod pki;
pub mod ports;
pub mod proxy;
pub mod shared;
pub mod testbed;
pub mod wait;

pub use cluster::Cluster;
pub use error::{Context, Error, Result};
pub use testbed::Testbed;

/// The body of a successful GET.
///
/// # Errors
/// If the request fails or the answer isn't a success.
pub async fn http_get(url: &str) -> Result<String> {
    cluster::install_crypto();
    #[expect(clippy::disallowed_methods, reason = "plain loopback HTTP of the harness")]
    let client = reqwest::Client::builder().no_proxy().timeout(std::time::Duration::from_secs(10)).build()?;
    Ok(client.get(url).send().await?.error_for_status()?.text().await?)
}
