//! The target Secret: every case file under `testdata/target` is a list of situations with the decision that is due.
#![expect(clippy::unwrap_used, reason = "a test ends at the first thing that is not as it should be")]

use std::fs;
use std::path::Path;

use api::ExternalSecretSpec;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use plan::secret_object::SecretObject;
use plan::status::{Again, Verdict};
use plan::target::{Write, decide, is_intact, needs_rendering};
use plan::template::{Failure, Rendered};
use secret::{SecretBytes, SecretMap};
use serde::Deserialize;
use serde_json::{Value, json};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    name: String,
    /// Metadata of the ExternalSecret; `db` in `shop` where nothing is said.
    #[serde(default)]
    owner: Value,
    /// The ExternalSecret's `spec.target`.
    #[serde(default)]
    target: Value,
    /// What the provider brought.
    #[serde(default)]
    data: std::collections::BTreeMap<String, String>,
    /// What the template made, `{error: text}` if it failed; nothing without a template.
    rendered: Option<Value>,
    /// The live Secret.
    existing: Option<Value>,
    want: Want,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Want {
    /// `nothing`, `create`, `update` or `delete`.
    write: String,
    /// What the written Secret holds at least; `null` means that it mustn't be there.
    #[serde(default)]
    secret: Value,
    /// `Reason: message`, or `failed: message: detail`, or `stuck: message: detail`.
    verdict: String,
}

fn check(case: Case) {
    let Case { name, owner, target, data, rendered, existing, want } = case;
    let mut meta = json!({"name": "db", "namespace": "shop", "uid": "es-uid"});
    overlay(&mut meta, &owner);
    let owner: ObjectMeta = serde_json::from_value(meta).unwrap();
    let mut wished = json!({"creationPolicy": "Owner", "deletionPolicy": "Retain"});
    overlay(&mut wished, &target);
    let spec: ExternalSecretSpec = serde_json::from_value(json!({"target": wished})).unwrap();
    let data: SecretMap = data.into_iter().map(|(key, value)| (key, SecretBytes::from(value))).collect();
    let existing: Option<SecretObject> = existing.map(|value| serde_json::from_value(value).unwrap());

    let rendered = rendered.map(outcome);
    let decision = decide(&owner, &spec, data.clone(), rendered.clone(), existing.as_ref());

    let (write, secret) = match &decision.write {
        Write::Nothing => ("nothing", Value::Null),
        Write::Create(secret) => ("create", serde_json::to_value(secret).unwrap()),
        Write::Update(secret) => ("update", serde_json::to_value(secret).unwrap()),
        Write::Delete { uid, resource_version } => ("delete", json!({"uid": uid, "resourceVersion": resource_version})),
    };
    let verdict = match &decision.verdict {
        Verdict::Done { reason, message } => format!("{}: {message}", reason.as_str()),
        Verdict::Failed { reason: _, message, text, detail: _, again: Again::Backoff } => {
            format!("failed: {message}: {text}")
        }
        Verdict::Failed { reason: _, message, text, detail: _, again: Again::OnChange } => {
            format!("stuck: {message}: {text}")
        }
    };
    assert_eq!((write, verdict.as_str()), (want.write.as_str(), want.verdict.as_str()), "{name}: {secret}");
    contains(&name, "secret", &secret, &want.secret);

    // Whatever is written is found intact afterwards, unless it couldn't be all, and deciding again writes nothing.
    if let Write::Create(secret) | Write::Update(secret) = &decision.write {
        let intact = is_intact(spec.target.creation_policy, Some(secret));
        assert_eq!(intact, decision.fulfilled, "{name}: whether it is intact after its own write");
        let again = decide(&owner, &spec, data, rendered, Some(secret));
        assert_eq!(again.write, Write::Nothing, "{name}: a second decision writes again");
    }
}

fn outcome(rendered: Value) -> Result<Rendered, Failure> {
    if let Some(text) = rendered["error"].as_str() {
        return Err(Failure { text: text.into(), ..Failure::default() });
    }
    let map = |field: &str| {
        let entries = rendered[field].as_object().into_iter().flatten();
        entries.map(|(key, value)| (key.clone(), SecretBytes::from(value.as_str().unwrap()))).collect()
    };
    let finalizers = rendered["finalizers"].as_array().into_iter().flatten();
    Ok(Rendered {
        data: map("data"),
        labels: map("labels"),
        annotations: map("annotations"),
        finalizers: finalizers.map(|text| text.as_str().unwrap().to_owned()).collect(),
        type_: rendered["type"].as_str().map(str::to_owned),
    })
}

fn overlay(base: &mut Value, over: &Value) {
    if let (Some(base), Some(over)) = (base.as_object_mut(), over.as_object()) {
        base.extend(over.clone());
    }
}

fn contains(name: &str, path: &str, have: &Value, want: &Value) {
    match want {
        Value::Object(fields) => {
            for (key, value) in fields {
                contains(name, &format!("{path}.{key}"), have.get(key).unwrap_or(&Value::Null), value);
            }
        }
        other => assert_eq!(have, other, "{name}: {path}"),
    }
}

#[test]
fn the_target_is_decided_as_the_cases_say() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/target");
    let mut count = 0;
    for entry in fs::read_dir(folder).unwrap() {
        let text = fs::read_to_string(entry.unwrap().path()).unwrap();
        let cases: Vec<Case> = serde_saphyr::from_str(&text).unwrap();
        count += cases.len();
        cases.into_iter().for_each(check);
    }
    assert!(count >= 15, "only {count} cases were found");
}

#[test]
fn a_template_without_effect_need_not_be_rendered() {
    let rendered = |target: Value, data: &str, exists: Option<bool>| {
        let mut wished = json!({"template": {"data": {"a": "b"}}});
        overlay(&mut wished, &target);
        let spec: ExternalSecretSpec = serde_json::from_value(json!({"target": wished})).unwrap();
        let data = data.split_terminator(' ').map(|key| (key.to_owned(), SecretBytes::from("v"))).collect();
        needs_rendering(&spec, &data, exists)
    };
    let cases = [
        (json!({}), "k", None, true),
        (json!({"template": null}), "k", None, false),
        (json!({}), "", None, false),
        (json!({"deletionPolicy": "Delete"}), "", None, false),
        (json!({"deletionPolicy": "Merge"}), "", None, true),
        (json!({"creationPolicy": "None"}), "k", Some(true), false),
        (json!({"creationPolicy": "Merge"}), "k", None, true),
        (json!({"creationPolicy": "Merge"}), "k", Some(false), false),
        (json!({"immutable": true}), "k", Some(true), false),
        (json!({"immutable": true}), "k", Some(false), true),
    ];
    for (target, data, exists, want) in cases {
        assert_eq!(rendered(target.clone(), data, exists), want, "{target} {data:?} {exists:?}");
    }
}
