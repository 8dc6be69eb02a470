//! What many objects cost at their provider, counted by the provider's own log.

use std::time::Duration;

use e2e::operator::Controller;
use e2e::testbed::{AWS_STORE, Parts, Testbed};
use e2e::{Result, wait};
use futures::{StreamExt, TryStreamExt, stream};
use serde_json::json;

const OBJECTS: usize = 1_000;
const VAULT_KEYS: usize = 100;
/// How long all of them may take together, on a machine that does much else.
const LONG: Duration = Duration::from_secs(180);

/// Cluster and backends, and no controller yet.
async fn before_the_controller() -> Result<Testbed> {
    Testbed::start(&Parts { backends: true, controller: None, webhooks: 0 }, |_| ()).await
}

/// ExternalSecrets `es-0` to `es-999` of this store, the n-th with the value of `key(n)`.
async fn declare(bed: &Testbed, namespace: &str, store: &str, key: impl Fn(usize) -> String) -> Result {
    let objects = (0..OBJECTS).map(|number| {
        json!({
            "apiVersion": "external-secrets.io/v1", "kind": "ExternalSecret",
            "metadata": {"name": format!("es-{number}"), "namespace": namespace},
            "spec": {
                "refreshInterval": "1h",
                "secretStoreRef": {"name": store},
                "data": [{"secretKey": "value", "remoteRef": {"key": key(number)}}],
            },
        })
    });
    stream::iter(objects).map(|it| bed.cluster.apply_json(it)).buffer_unordered(16).try_for_each(async |_| Ok(())).await
}

/// Waits for all of them, and looks whether the n-th Secret has `value(n)`.
async fn delivered(bed: &Testbed, namespace: &str, value: impl Fn(usize) -> String) -> Result {
    let objects = bed.cluster.objects("ExternalSecret", Some(namespace))?;
    for number in 0..OBJECTS {
        let name = format!("es-{number}");
        wait::ready_says(&objects, &name, LONG, "True SecretSynced: secret synced").await?;
    }
    let secrets = bed.cluster.secrets(namespace).list(&Default::default()).await?;
    let values = |name: &str| {
        let secret = secrets.iter().find(|it| it.metadata.name.as_deref() == Some(name));
        secret.and_then(|it| it.data.as_ref()?.get("value").map(|it| it.0.clone()))
    };
    for number in 0..OBJECTS {
        let name = format!("es-{number}");
        assert_eq!(values(&name), Some(value(number).into_bytes()), "{name}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_objects_over_a_hundred_vault_keys_log_in_once_and_read_each_key_once() -> Result {
    let bed = before_the_controller().await?;
    let ns = bed.cluster.namespace("vault-bill").await?;
    let openbao = bed.openbao()?;
    for number in 0..VAULT_KEYS {
        openbao.write(&format!("bill/{number}"), json!({"n": number})).await?;
    }
    bed.kubernetes_login(&ns, "bill").await?;
    bed.apply(
        &ns,
        "
apiVersion: external-secrets.io/v1
kind: SecretStore
metadata: {name: vault, namespace: $NS}
spec:
  provider:
    vault:
      server: $VAULT
      path: secret
      auth: {kubernetes: {mountPath: kubernetes, role: bill, serviceAccountRef: {name: app}}}
",
    )
    .await?;
    declare(&bed, &ns, "vault", |number| format!("bill/{}", number % VAULT_KEYS)).await?;
    let before = openbao.audit()?.len();
    let _controller = Controller::spawn(&bed.cluster, &[], &[]).await?;
    delivered(&bed, &ns, |number| format!(r#"{{"n":{}}}"#, number % VAULT_KEYS)).await?;
    let asked = openbao.audit()?.split_off(before);
    let count = |path: &str| asked.iter().filter(|it| it.path.starts_with(path)).count();
    let (logins, reads) = (count("auth/kubernetes/login"), count("secret/data/bill/"));
    println!("{OBJECTS} objects, {VAULT_KEYS} keys: {logins} logins, {reads} reads, {} requests in all", asked.len());
    assert_eq!(logins, 1);
    assert!((VAULT_KEYS..=110).contains(&reads), "{reads} reads");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_aws_keys_are_read_in_batches() -> Result {
    let bed = before_the_controller().await?;
    let ns = bed.cluster.namespace("aws-bill").await?;
    let moto = bed.moto()?;
    for number in 0..OBJECTS {
        moto.create(&format!("bill/{number}"), &format!("value {number}")).await?;
    }
    bed.apply(&ns, AWS_STORE).await?;
    declare(&bed, &ns, "aws", |number| format!("bill/{number}")).await?;
    let before = moto.calls();
    let _controller = Controller::spawn(&bed.cluster, &[], &moto.environment()).await?;
    delivered(&bed, &ns, |number| format!("value {number}")).await?;
    let calls = moto.calls() - before;
    println!("{OBJECTS} keys: {calls} calls");
    assert!((OBJECTS / 20..=60).contains(&calls), "{calls} calls");
    Ok(())
}
