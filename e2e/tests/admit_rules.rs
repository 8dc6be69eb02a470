//! Admission through the real API server: what is refused and in which words, what is filled in, what is let through.

use std::process::Command;

use e2e::testbed::{Parts, Suite};
use e2e::{Context, Result, deps, wait};
use kube::api::DeleteParams;
use serde_json::{Value, json};

fn parts() -> Parts {
    Parts { backends: false, controller: None, webhooks: 1 }
}

static SUITE: Suite = Suite::new(parts);

fn external_secret(namespace: &str, spec: Value) -> Value {
    json!({
        "apiVersion": "external-secrets.io/v1", "kind": "ExternalSecret",
        "metadata": {"name": "es", "namespace": namespace}, "spec": spec,
    })
}

fn data() -> Value {
    json!([{"secretKey": "k", "remoteRef": {"key": "r"}}])
}

#[test]
fn a_bad_external_secret_is_refused_in_the_rule_s_words() -> Result {
    SUITE.run("refused", async |bed, ns| {
        let store = json!({"name": "s"});
        let rows = [
            (
                json!({"secretStoreRef": store, "data": data(), "target": {"creationPolicy": "Merge", "deletionPolicy": "Delete"}}),
                "deletionPolicy=Delete must not be used when the controller doesn't own the secret. Please set creationPolicy=Owner",
            ),
            (
                json!({"secretStoreRef": store, "data": data(), "target": {"creationPolicy": "None", "deletionPolicy": "Merge"}}),
                "deletionPolicy=Merge must not be used with creationPolicy=None. There is no Secret to merge with",
            ),
            (json!({"secretStoreRef": store}), "either data or dataFrom should be specified"),
            (
                json!({"secretStoreRef": store, "dataFrom": [{"extract": {"key": "a"}, "find": {"name": {"regexp": "a"}}}]}),
                "extract, find, or generatorRef cannot be set at the same time",
            ),
            (json!({"secretStoreRef": store, "dataFrom": [{}]}), "either extract, find, or sourceRef must be set to dataFrom"),
            (
                json!({"secretStoreRef": store, "data": [
                    {"secretKey": "k", "remoteRef": {"key": "r"}}, {"secretKey": "k", "remoteRef": {"key": "s"}},
                ]}),
                "duplicate secretKey found: k",
            ),
        ];
        for version in ["v1", "v1beta1"] {
            for (spec, message) in &rows {
                let mut object = external_secret(&ns, spec.clone());
                object["apiVersion"] = json!(format!("external-secrets.io/{version}"));
                let refusal = bed.cluster.create(object).await?.err().context(format!("{spec} was accepted"))?;
                let kube::Error::Api(status) = &refusal else { return Err(refusal.into()) };
                assert_eq!(status.code, 403, "{refusal}");
                let wished =
                    format!("admission webhook \"validate.externalsecret.external-secrets.io\" denied the request: {message}");
                assert_eq!(status.message, wished, "{version} {spec}");
            }
        }
        Ok(())
    })
}

#[test]
fn a_bad_store_is_refused() -> Result {
    SUITE.run("bad-store", async |bed, ns| {
        let store = json!({
            "apiVersion": "external-secrets.io/v1", "kind": "SecretStore",
            "metadata": {"name": "s", "namespace": ns},
            "spec": {"provider": {"vault": {
                "server": "http://127.0.0.1:9",
                "auth": {"tokenSecretRef": {"name": "t", "namespace": "somewhere-else", "key": "k"}},
            }}},
        });
        let refusal = bed.cluster.create(store).await?.err().context("it was accepted")?.to_string();
        let wished =
            "namespace should either be empty or match the namespace of the SecretStore for a namespaced SecretStore";
        assert!(refusal.contains(wished), "{refusal}");
        Ok(())
    })
}

#[test]
fn a_good_object_is_stored_as_it_is() -> Result {
    SUITE.run("accepted", async |bed, ns| {
        let spec = json!({"secretStoreRef": {"name": "s", "kind": "ClusterSecretStore"}, "data": data()});
        let stored = bed.cluster.create(external_secret(&ns, spec)).await??;
        assert_eq!(wait::field(&stored, "/spec/secretStoreRef/name"), "s");
        assert_eq!(wait::field(&stored, "/spec/refreshInterval"), "1h0m0s");
        Ok(())
    })
}

#[test]
fn a_namespace_s_default_store_fills_a_missing_reference() -> Result {
    SUITE.run("defaulted", async |bed, ns| {
        for (annotation, kind, name) in
            [("main", "SecretStore", "main"), ("ClusterSecretStore/shared", "ClusterSecretStore", "shared")]
        {
            bed.cluster
                .apply_json(json!({
                    "apiVersion": "v1", "kind": "Namespace",
                    "metadata": {"name": ns, "annotations": {"external-secrets.io/default-store": annotation}},
                }))
                .await?;
            let objects = bed.cluster.objects("ExternalSecret", Some(&ns))?;
            // The webhook may look the namespace up in a watch: it follows, but not in the same instant.
            let mut filled = Value::Null;
            for _ in 0..50 {
                let stored = bed.cluster.create(external_secret(&ns, json!({ "data": data() }))).await??;
                filled = wait::field(&stored, "/spec/secretStoreRef").clone();
                objects.delete("es", &DeleteParams::default()).await?;
                if filled["name"] == name {
                    break;
                }
                tokio::time::sleep(std::time::Duration::from_millis(50)).await;
            }
            assert_eq!((filled["kind"].as_str(), filled["name"].as_str()), (Some(kind), Some(name)), "{annotation}");
        }
        let own = json!({"secretStoreRef": {"name": "own"}, "data": data()});
        let stored = bed.cluster.create(external_secret(&ns, own)).await??;
        assert_eq!(wait::field(&stored, "/spec/secretStoreRef/name"), "own", "a given reference stays");
        Ok(())
    })
}

#[test]
fn what_is_stored_can_always_be_deleted() -> Result {
    SUITE.run("deletable", async |bed, ns| {
        let spec = json!({"secretStoreRef": {"name": "s"}, "data": data()});
        bed.cluster.create(external_secret(&ns, spec)).await??;
        let objects = bed.cluster.objects("ExternalSecret", Some(&ns))?;
        objects.delete("es", &DeleteParams::default()).await?;
        wait::until(&objects, "es", e2e::testbed::SOON, "to be gone", |it| it.is_none()).await?;
        Ok(())
    })
}

/// Kinds and providers that this release judges; the others' cases wait for them.
fn concerns_this_release(case: &Value) -> bool {
    let manifest = &case["manifest"];
    let kind = manifest["kind"].as_str().unwrap_or_default();
    let provider = manifest["spec"]["provider"].as_object().and_then(|it| it.keys().next());
    let known = provider.is_none_or(|it| ["aws", "vault", "fake", "kubernetes"].contains(&it.as_str()));
    ["ExternalSecret", "SecretStore", "ClusterSecretStore"].contains(&kind) && known
}

#[test]
fn verdicts_are_the_reference_s_on_the_shared_corpus() -> Result {
    SUITE.run("corpus", async |bed, _| {
        let corpus = deps::repository().join("../shared/conformance/admission");
        let Ok(cases) = std::fs::read_to_string(corpus.join("cases.jsonl")) else {
            eprintln!("the shared corpus isn't beside this checkout: skipped");
            return Ok(());
        };
        let mut chosen = Vec::new();
        for line in cases.lines().filter(|line| !line.trim().is_empty()) {
            if concerns_this_release(&serde_json::from_str(line)?) {
                chosen.push(line);
            }
        }
        let file = bed.cluster.folder().join("cases.jsonl");
        std::fs::write(&file, chosen.join("\n"))?;
        let mut check = Command::new("python3");
        check.arg(corpus.join("check.py")).arg(bed.cluster.kubeconfig()).arg(&file);
        // Another thread keeps the webhook's proxy going.
        let done = tokio::task::spawn_blocking(move || check.output()).await??;
        let output = String::from_utf8_lossy(&done.stdout).into_owned();
        let report = deps::repository().join("target/admission-corpus.txt");
        std::fs::write(&report, &output)?;
        let tally = output.lines().last().unwrap_or_default();
        eprintln!("admission corpus: {tally} (details: target/admission-corpus.txt)");
        let problem = String::from_utf8_lossy(&done.stderr);
        assert!(done.status.success(), "{tally}; the first that differ:\n{}\n{problem}", first_lines(&output, 20));
        Ok(())
    })
}

fn first_lines(text: &str, count: usize) -> String {
    text.lines().take(count).collect::<Vec<_>>().join("\n")
}
