//! The samples of `testdata`: `accept` is let in, `reject` is refused with the texts of its leading comments,
//! `# deny: …` (a line each, in order), `# warn: …`, and `# advise: …` for what only a linter says.

#![expect(clippy::expect_used, clippy::panic, reason = "a test may stop at the first surprise")]

use api::{ClusterSecretStore, ExternalSecret, PushSecret, SecretStore, SecretStoreSpec};
use serde::de::DeserializeOwned;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use validate::{Code, Finding, Severity, Store, Unreadable, advice, denial, warnings};

fn samples(folder: &str) -> Vec<(String, String)> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("testdata").join(folder);
    let mut files: Vec<PathBuf> =
        std::fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path()).collect();
    files.sort();
    let name = |path: &Path| path.file_stem().expect("a name").to_string_lossy().into_owned();
    files.iter().map(|path| (name(path), std::fs::read_to_string(path).expect("readable"))).collect()
}

/// Go's decoder stops at the first bad field and says only what is wrong with it; so do we, but for the parser's position.
fn read<T: DeserializeOwned>(text: &str) -> Result<T, String> {
    let value: serde_json::Value = serde_saphyr::from_str(text).expect("YAML");
    serde_json::from_value(value).map_err(|e| e.to_string())
}

/// What the webhook says and what a linter adds to it.
fn findings(name: &str, text: &str) -> Result<Vec<Finding>, String> {
    let kind = text.lines().find_map(|line| line.strip_prefix("kind: "));
    match kind {
        Some("ExternalSecret") => read::<ExternalSecret>(text)
            .map(|object| [validate::external_secret(&object), advice::external_secret(&object.spec, "spec")].concat()),
        Some("SecretStore") => {
            read::<SecretStore>(text).map(|object| store_findings(text, &object.spec, Store::of_namespace(&object)))
        }
        Some("ClusterSecretStore") => read::<ClusterSecretStore>(text)
            .map(|object| store_findings(text, &object.spec, Store::of_cluster(&object))),
        Some("PushSecret") => read::<PushSecret>(text).map(|object| advice::push_secret(&object.spec, "spec")),
        other => panic!("{name}: kind {other:?}"),
    }
}

/// `# unreadable: …` says why the file that the store's rules ask for can't be read where they run.
fn store_findings(text: &str, spec: &SecretStoreSpec, store: Store<'_>) -> Vec<Finding> {
    let reason = text.lines().find_map(|line| line.strip_prefix("# unreadable: "));
    let file = validate::token_file(spec);
    let unreadable = file.as_deref().zip(reason).map(|(path, reason)| Unreadable { path, reason });
    [validate::store(spec, &Store { unreadable, ..store }), advice::store(spec, &store)].concat()
}

fn check(name: &str, text: &str) -> Vec<Code> {
    let comments = |mark: &str| -> Vec<String> {
        text.lines().filter_map(|line| line.strip_prefix(mark)).map(str::to_owned).collect()
    };
    let (deny, warn, advise) = (comments("# deny: "), comments("# warn: "), comments("# advise: "));
    let want = (!deny.is_empty()).then(|| deny.join("\n"));
    match findings(name, text) {
        Ok(findings) => {
            assert_eq!(denial(&findings), want, "{name}");
            assert_eq!(warnings(&findings), warn, "{name}");
            let advised = findings.iter().filter(|finding| finding.severity == Severity::Advice);
            assert_eq!(advised.map(|finding| finding.text.as_str()).collect::<Vec<_>>(), advise, "{name}");
            for finding in &findings {
                assert!(finding.path.starts_with("spec"), "{name}: path {:?}", finding.path);
            }
            findings.iter().map(|finding| finding.code).collect()
        }
        Err(error) => {
            assert_eq!(Some(error), want, "{name}");
            Vec::new()
        }
    }
}

#[test]
fn accepted_samples_are_accepted() {
    for (name, text) in samples("accept") {
        assert!(!text.contains("# deny: "), "{name} is in the wrong folder");
        check(&name, &text);
    }
}

#[test]
fn rejected_samples_are_rejected_with_their_texts() {
    for (name, text) in samples("reject") {
        assert!(text.starts_with("# deny: "), "{name} doesn't say why it is refused");
        check(&name, &text);
    }
}

#[test]
fn every_rule_has_a_sample() {
    let all = samples("accept").into_iter().chain(samples("reject"));
    let seen: BTreeSet<Code> = all.flat_map(|(name, text)| check(&name, &text)).collect();
    let missing: Vec<&str> = Code::ALL.iter().filter(|code| !seen.contains(code)).map(|code| code.as_str()).collect();
    assert!(missing.is_empty(), "no sample shows {missing:?}");
    let names: BTreeSet<&str> = Code::ALL.iter().map(|code| code.as_str()).collect();
    assert_eq!(names.len(), Code::ALL.len(), "two rules share a name");
}

#[test]
fn paths_name_the_field() {
    let cases = [
        ("es-duplicate-keys", "spec.data[2].secretKey"),
        ("es-template-target", "spec.target.template.templateFrom[0].target"),
        ("store-regexes", "spec.conditions[0].namespaceRegexes[1]"),
        ("store-vault-iam-keys-namespace", "spec.provider.vault.auth.iam.secretRef.secretAccessKeySecretRef.namespace"),
        ("store-kubernetes-cert-key", "spec.provider.kubernetes.auth.cert.clientCert.key"),
        ("store-akeyless-type-namespace", "spec.provider.akeyless.authSecretRef.secretRef.accessType.namespace"),
        ("store-crd-rule-property", "spec.provider.crd.whitelist.rules[0].properties[1]"),
        ("store-gitlab-no-key", "spec.provider.gitlab.auth.SecretRef.accessToken.key"),
        ("store-oracle-key-no-name", "spec.provider.oracle.auth.secretRef.privatekey.name"),
        ("store-webhook-timeout", "spec.provider.webhook"),
    ];
    let samples = samples("reject");
    for (name, path) in cases {
        let (_, text) = samples.iter().find(|(sample, _)| sample == name).expect(name);
        let findings = findings(name, text).expect("reads");
        assert!(findings.iter().any(|finding| finding.path == path), "{name}: {findings:?}");
    }
}

/// Whoever reads a path can find the field: in the manifest, or in the CRD to add it.
#[test]
fn paths_of_stores_are_in_the_schema() {
    let crds = api::crd::all();
    let stores = crds.iter().find(|crd| crd.plural == "secretstores").expect("a CRD");
    let schema = &stores.document["spec"]["versions"][0]["schema"]["openAPIV3Schema"];
    let all = samples("accept").into_iter().chain(samples("reject"));
    for (name, text) in all.filter(|(name, _)| name.starts_with("store-") || name.starts_with("css-")) {
        for finding in findings(&name, &text).into_iter().flatten() {
            let unknown = matches!(finding.code, Code::ProviderUnknown | Code::ProviderCount);
            let step = |schema: &serde_json::Value, step: &str| {
                let (field, items) = step.split_once('[').map_or((step, false), |(field, _)| (field, true));
                // A map takes any field.
                let property = match &schema["properties"][field] {
                    serde_json::Value::Null => &schema["additionalProperties"],
                    property => property,
                };
                if items { property["items"].clone() } else { property.clone() }
            };
            let found = finding.path.split('.').fold(schema.clone(), |schema, field| step(&schema, field));
            assert!(unknown || found["type"].is_string() || found["anyOf"].is_array(), "{name}: {}", finding.path);
        }
    }
}

/// The reconciler refuses less than the webhook: what would be dangerous.
#[test]
fn the_reconciler_refuses_dangerous_templates_only() {
    let cases = [
        ("es-bootstrap-token", vec![Code::PrivilegedTemplate]),
        ("es-service-account-token", vec![Code::PrivilegedTemplate]),
        ("es-bootstrap-token-in-configmap", vec![]),
        ("es-template-target", vec![Code::TemplateTarget, Code::TemplateTarget]),
        ("es-duplicate-keys", vec![]),
        ("es-delete-with-merge", vec![]),
    ];
    let samples = samples("reject");
    for (name, want) in cases {
        let (_, text) = samples.iter().find(|(sample, _)| sample == name).expect(name);
        let object: ExternalSecret = read(text).expect("reads");
        let got: Vec<Code> =
            validate::runtime_external_secret(&object.spec).into_iter().map(|finding| finding.code).collect();
        assert_eq!(got, want, "{name}");
    }
}
