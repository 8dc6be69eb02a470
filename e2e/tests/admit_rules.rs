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

/// Cases on which we differ from the reference, each with the reason. No other may.
const KNOWN_DIFFERENCES: &[&str] = &[];

#[test]
fn verdicts_and_messages_are_the_reference_s_on_the_whole_shared_corpus() -> Result {
    SUITE.run("corpus", async |bed, _| {
        let corpus = deps::repository().join("../shared/conformance/admission");
        let cases = corpus.join("cases.jsonl");
        if !cases.is_file() {
            eprintln!("the shared corpus isn't beside this checkout: skipped");
            return Ok(());
        }
        let mut check = Command::new("python3");
        check.arg(corpus.join("check.py")).arg(bed.cluster.kubeconfig()).arg(&cases);
        // Another thread keeps the webhook's proxy going.
        let done = tokio::task::spawn_blocking(move || check.output()).await??;
        let output = String::from_utf8_lossy(&done.stdout).into_owned();
        let report = deps::repository().join("target/admission-corpus.txt");
        std::fs::create_dir_all(deps::repository().join("target"))?;
        std::fs::write(&report, &output)?;
        let tally = output.lines().last().unwrap_or_default();
        eprintln!("admission corpus: {tally} (details: target/admission-corpus.txt)");
        let problem = String::from_utf8_lossy(&done.stderr);
        assert!(tally.starts_with("verdicts: "), "the checker failed: {problem}");
        let differing = differing(&output);
        let new: Vec<_> = differing.iter().filter(|id| !KNOWN_DIFFERENCES.contains(id)).collect();
        assert!(new.is_empty(), "{tally}; {} differ: {new:?}\n{}", new.len(), first_lines(&output, 40));
        let gone: Vec<_> = KNOWN_DIFFERENCES.iter().filter(|id| !differing.contains(id)).collect();
        assert!(gone.is_empty(), "these don't differ any more, strike them out: {gone:?}");
        Ok(())
    })
}

/// The ids whose verdict or webhook message differs, as the checker prints them.
fn differing(output: &str) -> Vec<&str> {
    let mut ids = Vec::new();
    let mut messages = false;
    for line in output.lines() {
        if let Some((id, _)) = line.strip_prefix("MISMATCH ").and_then(|rest| rest.split_once(": ")) {
            ids.push(id);
        }
        if line.ends_with(" that differ:") {
            messages = line.starts_with("webhook messages");
        } else if messages && line.starts_with("  ") && !line.starts_with("   ") {
            ids.push(line.trim().trim_end_matches(':'));
        }
    }
    ids
}

fn first_lines(text: &str, count: usize) -> String {
    text.lines().take(count).collect::<Vec<_>>().join("\n")
}
