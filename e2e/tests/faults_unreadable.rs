//! Objects that the schema should have refused, as an older or hand-edited definition lets them in.

use e2e::operator::Controller;
use e2e::testbed::{Parts, Testbed};
use e2e::{Result, deps};
use serde_json::json;

/// Lets any object in: the definitions as they are, without their schemas.
async fn drop_schemas(bed: &Testbed) -> Result {
    for file in e2e::cluster::yaml_files(&deps::manifests().join("crds"))? {
        for mut definition in e2e::cluster::documents(&std::fs::read_to_string(file)?)? {
            for version in definition["spec"]["versions"].as_array_mut().into_iter().flatten() {
                version["schema"] =
                    json!({"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": true}});
                // Selecting by a field needs its schema.
                if let Some(version) = version.as_object_mut() {
                    version.remove("selectableFields");
                }
            }
            bed.cluster.apply_json(definition).await?;
        }
    }
    Ok(())
}

/// Creates an object as soon as the API server serves the definition without its schema.
async fn let_in(bed: &Testbed, object: serde_json::Value) -> Result {
    let mut last = Ok(());
    for _ in 0..200 {
        match bed.cluster.apply_json(object.clone()).await {
            Ok(_) => return Ok(()),
            Err(refused) => last = Err(refused),
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    last
}

#[tokio::test(flavor = "multi_thread")]
async fn what_should_not_have_got_in_is_told_on_itself_and_harms_nobody_else() -> Result {
    // The controller comes last: a watch that began under the schema would go on seeing objects through it.
    let mut bed = Testbed::start(&Parts { backends: false, controller: None, webhooks: 0 }, |_| ()).await?;
    let ns = bed.cluster.namespace("unreadable").await?;
    drop_schemas(&bed).await?;
    let object = |kind: &str, name: &str, spec: serde_json::Value| {
        json!({
            "apiVersion": "external-secrets.io/v1", "kind": kind,
            "metadata": {"name": name, "namespace": ns}, "spec": spec,
        })
    };
    let fake = json!({"data": [{"key": "k", "value": "v"}]});
    let stores = [
        (
            "two",
            json!({"fake": fake, "kubernetes": {}}),
            "store error for two: secret stores must only have exactly one backend specified, found 2",
        ),
        (
            "none",
            json!({}),
            "store error for none: secret stores must only have exactly one backend specified, found 0",
        ),
        ("unknown", json!({"nosuch": {}}), "failed to find registered store backend for type: nosuch, name: unknown"),
    ];
    for (name, provider, _) in &stores {
        let_in(&bed, object("SecretStore", name, json!({ "provider": provider }))).await?;
    }
    // A number that fits no 32 bits, and a text for a list: as with the objects below, nobody else may notice.
    let endless = json!({"provider": {"fake": {"data": []}}, "refreshInterval": 3_000_000_000_u64});
    let_in(&bed, object("SecretStore", "endless", endless)).await?;
    let shapeless = json!({"provider": {"fake": {"data": []}}, "conditions": "text"});
    let_in(&bed, object("SecretStore", "shapeless", shapeless)).await?;
    let_in(&bed, object("ExternalSecret", "text-for-a-list", json!({"secretStoreRef": {"name": "s"}, "data": "text"})))
        .await?;
    let_in(&bed, object("ExternalSecret", "number-for-a-text", json!({"secretStoreRef": {"name": 7}, "data": []})))
        .await?;

    bed.controller = Some(Controller::spawn(&bed.cluster, &["--loglevel=debug"], &[]).await?);

    for (name, _, event) in &stores {
        bed.store_says(&ns, name, "False InvalidProviderConfig: unable to create client").await?;
        let text = bed.event(&ns, name, "Warning").await?;
        assert!(text.contains(event), "{name}: {text}");
    }

    for name in ["endless", "shapeless"] {
        bed.event(&ns, name, "the object cannot be read").await?;
    }
    for name in ["text-for-a-list", "number-for-a-text"] {
        bed.says(&ns, name, "False SecretSyncedError: the object cannot be read").await?;
        bed.event(&ns, name, "the object cannot be read").await?;
    }

    let_in(&bed, object("SecretStore", "good", json!({"provider": {"fake": fake}}))).await?;
    let reference = json!([{"secretKey": "k", "remoteRef": {"key": "k"}}]);
    let_in(&bed, object("ExternalSecret", "good", json!({"secretStoreRef": {"name": "good"}, "data": reference})))
        .await?;
    bed.synced(&ns, "good").await?;
    Ok(())
}
