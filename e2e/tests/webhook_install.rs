//! An install in any order converges: controller and webhook wait, without exiting, for whatever isn't there yet.

use std::time::Duration;

use e2e::manifests::{self, Part};
use e2e::operator::{Controller, Webhook};
use e2e::proxy::Proxy;
use e2e::testbed::SOON;
use e2e::{Cluster, Context, Result};
use serde_json::json;
use tokio::time::Instant;

async fn controller_ready(controller: &mut Controller, within: Duration) -> Result {
    let begun = Instant::now();
    while let Err(error) = e2e::http_get(controller.ready_url()).await {
        controller.alive()?;
        if begun.elapsed() > within {
            return Err(e2e::Error::new(format!("not ready: {error}:\n{}", controller.log_tail(30))));
        }
        tokio::time::sleep(Duration::from_millis(30)).await;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_starts_before_everything_else_waits_and_is_ready_soon_after() -> Result {
    let cluster = Cluster::start().await?;
    let controller_parts = manifests::installed(Part::Controller)?;
    for part in controller_parts.iter().filter(|part| part["kind"] == "Namespace") {
        cluster.apply_json(part.clone()).await?;
    }
    // Whoever starts a pod has its account; the roles come later.
    cluster
        .apply_json(json!({
            "apiVersion": "v1", "kind": "ServiceAccount",
            "metadata": {"name": Controller::ACCOUNT, "namespace": e2e::operator::NAMESPACE},
        }))
        .await?;
    let api_server = cluster.server().rsplit('/').next().context("no server")?.parse()?;
    let road = Proxy::start(vec![api_server]).await?;
    road.cut();
    let server = format!("https://127.0.0.1:{}", road.port());
    let webhook = Webhook::uninstalled(&cluster, &server, 2, &[]).await?;
    webhook.start(0)?;
    webhook.start(1)?;
    let mut controller = Controller::spawn_by(&cluster, &server, &[], &[]).await?;

    // Long enough for pauses between tries to have grown as long as they get.
    tokio::time::sleep(Duration::from_secs(12)).await;
    webhook.alive().context("without an API server")?;
    controller.alive().context("without an API server")?;
    road.mend();
    // There is an API server now, but no role, no definition, no configuration.
    tokio::time::sleep(Duration::from_secs(12)).await;
    webhook.alive().context("without roles")?;
    controller.alive().context("without roles")?;

    webhook.install(&cluster).await?;
    let begun = Instant::now();
    webhook.ready(SOON).await?;
    println!("webhook ready {} ms after its manifests", begun.elapsed().as_millis());
    for part in controller_parts.into_iter().chain(manifests::installed(Part::Definitions)?) {
        cluster.apply_json(part).await?;
    }
    let begun = Instant::now();
    controller_ready(&mut controller, SOON).await?;
    println!("controller ready {} ms after the definitions", begun.elapsed().as_millis());
    let namespace = cluster.namespace("order").await?;
    Webhook::judges_soon(&cluster, &namespace, SOON).await?;
    webhook.alive()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_api_server_that_comes_late_is_all_that_is_waited_for() -> Result {
    let cluster = Cluster::start().await?;
    cluster.install().await?;
    let api_server = cluster.server().rsplit('/').next().context("no server")?.parse()?;
    let road = Proxy::start(vec![api_server]).await?;
    road.cut();
    let server = format!("https://127.0.0.1:{}", road.port());
    let webhook = Webhook::uninstalled(&cluster, &server, 1, &[]).await?;
    webhook.install(&cluster).await?;
    let mut controller = Controller::spawn_by(&cluster, &server, &[], &[]).await?;
    webhook.start(0)?;
    tokio::time::sleep(Duration::from_secs(15)).await;
    road.mend();
    let begun = Instant::now();
    webhook.ready(SOON).await?;
    println!("webhook ready {} ms after the API server", begun.elapsed().as_millis());
    controller_ready(&mut controller, SOON).await?;
    println!("controller ready {} ms after the API server", begun.elapsed().as_millis());
    Ok(())
}
