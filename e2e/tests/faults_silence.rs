//! The network between controller and API server forgets the connections, without telling either end.

use std::net::SocketAddr;
use std::time::Duration;

use e2e::operator::Controller;
use e2e::proxy::Proxy;
use e2e::testbed::{SOON, Testbed};
use e2e::{Cluster, Context, Result, wait};

const STORE: &str = "
apiVersion: external-secrets.io/v1
kind: SecretStore
metadata: {name: fake, namespace: $NS}
spec:
  provider: {fake: {data: [{key: k, value: v}]}}
";

/// Until something that is written behind the silence must have become a Secret.
const NOTICED: Duration = Duration::from_secs(60);

/// The second one meets watches that were replaced once already.
const ROUNDS: usize = 2;

#[tokio::test(flavor = "multi_thread")]
async fn connections_that_die_silently_are_replaced_within_a_minute_without_a_listing() -> Result {
    let cluster = Cluster::audited().await?;
    cluster.install().await?;
    let address: SocketAddr = cluster.server().trim_start_matches("https://").parse()?;
    let proxy = Proxy::start(vec![address]).await?;
    let by = format!("https://127.0.0.1:{}", proxy.port());
    let controller = Controller::spawn_by(&cluster, &by, &["--concurrent=4", "--loglevel=debug"], &[]).await?;
    let bed = Testbed { webhook: None, controller: Some(controller), backends: None, cluster };
    let ns = bed.cluster.namespace("silence").await?;
    bed.apply(&ns, STORE).await?;
    bed.apply(&ns, &external_secret("before")).await?;
    bed.synced(&ns, "before").await?;

    for round in 0..ROUNDS {
        proxy.silence();
        let name = format!("behind-{round}");
        bed.apply(&ns, &external_secret(&name)).await?;
        wait::exists(&bed.cluster.secrets(&ns), &name, NOTICED, "to be written", |_| true).await?;
    }

    let alive = e2e::http_get(&bed.controller()?.alive_url()).await?;
    assert_eq!(alive, "ok", "a network that was away is no reason to restart");
    let interrupted = bed.controller()?.metric("external_secrets_watch_interruptions_total", &[]).await?;
    assert!(interrupted > 0.0, "the interruptions are counted");
    bed.apply(&ns, &external_secret("after")).await?;
    wait::exists(&bed.cluster.secrets(&ns), "after", SOON, "to be written", |_| true).await?;

    let metrics = e2e::http_get(bed.controller()?.metrics_url()).await?;
    let silences = metrics.lines().filter(|line| line.starts_with("external_secrets_watch_silence_seconds{"));
    let silences: Vec<(&str, u64)> =
        silences.filter_map(|line| Some((line, line.rsplit(' ').next()?.parse().ok()?))).collect();
    assert!(silences.len() >= 6 && silences.iter().all(|(_, seconds)| *seconds <= 45), "{silences:?}");

    let told = bed.cluster.audit()?;
    for resource in ["secrets", "externalsecrets", "secretstores", "clustersecretstores"] {
        let of = |verb: &str| {
            let ours = told.iter().filter(|it| it.user.ends_with(Controller::ACCOUNT) && it.namespace.is_empty());
            ours.filter(|it| it.resource == resource && it.verb == verb).count()
        };
        assert_eq!(of("list"), 1, "{resource}: a watch goes on where it was");
        assert!(of("watch") > ROUNDS, "{resource}: it was watched anew");
    }
    bed.controller.context("no controller")?.stop(Duration::from_secs(10)).await?;
    Ok(())
}

fn external_secret(name: &str) -> String {
    format!(
        "
apiVersion: external-secrets.io/v1
kind: ExternalSecret
metadata: {{name: {name}, namespace: $NS}}
spec:
  secretStoreRef: {{name: fake}}
  data: [{{secretKey: k, remoteRef: {{key: k}}}}]
"
    )
}
