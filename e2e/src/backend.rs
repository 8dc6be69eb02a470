//! The secret backends that tests and the demo read from: real servers on loopback ports, each throw-away, and a plain
//! HTTP API.

mod moto;
mod openbao;
mod shelf;

pub use moto::Moto;
pub use openbao::{AppRole, OpenBao};
pub use shelf::Shelf;

use std::time::Duration;

use reqwest::Client;
use serde_json::Value;

use crate::error::{Context, Error, Result};
use crate::guarded::Guarded;

/// How long a backend may take to answer at all.
const READY_WITHIN: Duration = Duration::from_secs(60);

fn http_client() -> Result<Client> {
    crate::cluster::install_crypto();
    #[expect(clippy::disallowed_methods, reason = "the harness must not share code with the providers that it tests")]
    let client = Client::builder().no_proxy().timeout(Duration::from_secs(30)).build();
    client.context("HTTP client")
}

/// Waits until `url` answers anything.
async fn answering(client: &Client, url: &str, server: &mut Guarded) -> Result<()> {
    let started = tokio::time::Instant::now();
    while client.get(url).send().await.is_err() {
        if let Some(status) = server.exited() {
            return Err(Error::new(format!("{} ended, {status}:\n{}", server.name(), server.log_tail(20))));
        }
        if started.elapsed() > READY_WITHIN {
            return Err(Error::new(format!("{} doesn't answer after {READY_WITHIN:?}", server.name())));
        }
        tokio::time::sleep(Duration::from_millis(30)).await;
    }
    Ok(())
}

/// The JSON of a successful answer, `null` if it has no body.
async fn json_of(response: reqwest::Response, what: &str) -> Result<Value> {
    let status = response.status();
    let body = response.text().await?;
    if !status.is_success() {
        return Err(Error::new(format!("{what}: {status}: {body}")));
    }
    Ok(if body.is_empty() { Value::Null } else { serde_json::from_str(&body)? })
}
