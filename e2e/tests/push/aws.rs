//! Secrets Manager and Parameter Store of moto.

use std::collections::BTreeMap;
use std::sync::Arc;

use e2e::Result;
use e2e::backend::Moto;
use provider::{Pushed, Removed, Source};
use secret::SecretBytes;
use serde_json::{Value, json};

use super::store::{FOREIGN, Store, metadata, refused, value, whole, with};

/// Ids of all versions of a secret, and its tags.
async fn described(moto: &Moto, name: &str) -> Result<(Vec<String>, BTreeMap<String, String>, Value)> {
    let described = moto.call("DescribeSecret", json!({ "SecretId": name })).await?;
    let versions = described["VersionIdsToStages"].as_object().map(|ids| ids.keys().cloned().collect());
    let tags = described["Tags"].as_array().cloned().unwrap_or_default().into_iter();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let tags = tags.map(|tag| (text(&tag["Key"]), text(&tag["Value"]))).collect();
    Ok((versions.unwrap_or_default(), tags, described))
}

fn texts(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

const OURS: (&str, &str) = ("managed-by", "external-secrets");

#[test]
fn secrets_manager_gets_a_version_only_where_something_changed() -> Result {
    with(async |backends| {
        let moto = &backends.moto;
        let store = Store::aws(moto, json!({"prefix": "team/"})).await?;
        let push = |text: &str| value(text, "push/app", None);
        assert!(!store.exists("push/app", None).await.unwrap());
        store.calls();
        assert_eq!(store.push(push("canary")).await.unwrap(), Pushed::Written);
        assert_eq!(store.calls(), [("CreateSecret", 1), ("DescribeSecret", 1)]);
        let (first, tags, all) = described(moto, "team/push/app").await?;
        assert_eq!(
            (first.as_slice(), tags),
            (&["00000000-0000-0000-0000-000000000001".to_owned()][..], texts(&[OURS]))
        );
        assert_eq!(all["Description"], "secret 'managed-by:external-secrets'");

        assert_eq!(store.push(push("canary")).await.unwrap(), Pushed::Unchanged);
        assert_eq!(store.calls(), [("DescribeSecret", 1), ("GetResourcePolicy", 1), ("GetSecretValue", 1)]);
        assert_eq!(described(moto, "team/push/app").await?.0, first);

        assert_eq!(store.push(push("new")).await.unwrap(), Pushed::Written);
        assert_eq!(store.read("push/app").await.unwrap(), "new");
        assert_eq!(described(moto, "team/push/app").await?.0.len(), 2);
        let raw = moto.call("GetSecretValue", json!({"SecretId": "team/push/app"})).await?;
        assert_eq!((&raw["SecretBinary"], &raw["SecretString"]), (&json!("bmV3"), &Value::Null));

        let text = metadata(value("text", "push/app", None), json!({"secretPushFormat": "string"}));
        assert_eq!(store.push(text).await.unwrap(), Pushed::Written);
        let raw = moto.call("GetSecretValue", json!({"SecretId": "team/push/app"})).await?;
        assert_eq!((&raw["SecretBinary"], &raw["SecretString"]), (&Value::Null, &json!("text")));
        Ok(())
    })
}

#[test]
fn secrets_manager_sets_and_deletes_properties() -> Result {
    with(async |backends| {
        let moto = &backends.moto;
        let store = Store::aws(moto, json!({"secretsManager": {"forceDeleteWithoutRecovery": true}})).await?;
        let key = "push/properties";
        for (text, property, want) in [
            ("1", "a", r#"{"a":"1"}"#),
            ("2", "b.c", r#"{"a":"1","b":{"c":"2"}}"#),
            ("3", r"d\.e", r#"{"a":"1","b":{"c":"2"},"d.e":"3"}"#),
            ("4", "a", r#"{"a":"4","b":{"c":"2"},"d.e":"3"}"#),
        ] {
            assert_eq!(store.push(value(text, key, Some(property))).await.unwrap(), Pushed::Written, "{property}");
            assert_eq!(store.push(value(text, key, Some(property))).await.unwrap(), Pushed::Unchanged, "{property}");
            assert_eq!(store.read(key).await.unwrap(), want);
            assert!(store.exists(key, Some(property)).await.unwrap());
        }
        assert!(!store.exists(key, Some("z")).await.unwrap());
        for (property, want, left) in [
            ("z", Removed::Absent, r#"{"a":"4","b":{"c":"2"},"d.e":"3"}"#),
            ("b.c", Removed::Deleted, r#"{"a":"4","d.e":"3"}"#),
            ("a", Removed::Deleted, r#"{"d.e":"3"}"#),
        ] {
            assert_eq!(store.delete(key, Some(property)).await.unwrap(), want);
            assert_eq!(store.read(key).await.unwrap(), left);
        }
        assert_eq!(store.delete(key, Some(r"d\.e")).await.unwrap(), Removed::Deleted);
        assert!(described(moto, key).await.is_err(), "deleted for good");
        assert_eq!(store.delete(key, None).await.unwrap(), Removed::Absent);

        store.push(value("canary", "push/plain", None)).await.unwrap();
        refused(store.push(value("x", "push/plain", Some("a"))).await, "requires a json secret");
        Ok(())
    })
}

#[test]
fn secrets_manager_leaves_what_is_not_ours() -> Result {
    with(async |backends| {
        let moto = &backends.moto;
        let store = Store::aws(moto, json!({})).await?;
        moto.create("push/foreign", "theirs").await?;
        refused(store.push(value("canary", "push/foreign", None)).await, FOREIGN);
        assert_eq!(store.delete("push/foreign", None).await.unwrap(), Removed::Foreign);
        assert_eq!(store.read("push/foreign").await.unwrap(), "theirs");
        Ok(())
    })
}

#[test]
fn secrets_manager_deletes_as_the_store_says() -> Result {
    with(async |backends| {
        let moto = &backends.moto;
        let bad = Store::aws(moto, json!({"secretsManager": {"recoveryWindowInDays": 3}})).await?;
        bad.push(value("v", "push/window", None)).await.unwrap();
        refused(bad.delete("push/window", None).await, "RecoveryWindowInDays must be between 7 and 30 days");
        let store = Store::aws(moto, json!({"secretsManager": {"recoveryWindowInDays": 7}})).await?;
        assert_eq!(store.delete("push/window", None).await.unwrap(), Removed::Deleted);
        let (_, _, all) = described(moto, "push/window").await?;
        assert!(all["DeletedDate"].is_number(), "{all}");
        // It is deleted already; it can't be pushed to before it is restored or gone.
        assert_eq!(store.delete("push/window", None).await.unwrap(), Removed::Absent);
        refused(store.push(value("canary", "push/window", None)).await, "is scheduled for deletion: restore it");
        refused(store.exists("push/window", None).await, "scheduled for deletion");
        Ok(())
    })
}

#[test]
fn secrets_manager_keeps_tags_and_policy_in_step() -> Result {
    with(async |backends| {
        let moto = &backends.moto;
        let store = Store::aws(moto, json!({})).await?;
        let push = |spec: Value| metadata(value("v", "push/tags", None), spec);
        let cases = [
            (
                json!({"tags": {"a": "1", "b": "2"}, "description": "d"}),
                Pushed::Written,
                texts(&[("a", "1"), ("b", "2"), OURS]),
            ),
            (json!({"tags": {"a": "1", "b": "2"}}), Pushed::Unchanged, texts(&[("a", "1"), ("b", "2"), OURS])),
            (json!({"tags": {"a": "3"}}), Pushed::Written, texts(&[("a", "3"), OURS])),
            (json!({}), Pushed::Unchanged, texts(&[("a", "3"), OURS])),
        ];
        for (spec, want, tags) in cases {
            assert_eq!(store.push(push(spec.clone())).await.unwrap(), want, "{spec}");
            let (versions, held, all) = described(moto, "push/tags").await?;
            assert_eq!((versions.len(), held, &all["Description"]), (1, tags, &json!("d")), "{spec}");
        }
        let policy = json!({"resourcePolicy": {"blockPublicPolicy": true,
            "policySourceRef": {"kind": "ConfigMap", "name": "policy", "key": "k"}}});
        let held = async || -> Result<Value> {
            Ok(moto.call("GetResourcePolicy", json!({"SecretId": "push/tags"})).await?["ResourcePolicy"].clone())
        };
        for (spec, want, there) in [
            (policy.clone(), Pushed::Written, true),
            (policy, Pushed::Unchanged, true),
            (json!({}), Pushed::Written, false),
            (json!({}), Pushed::Unchanged, false),
        ] {
            assert_eq!(store.push(push(spec.clone())).await.unwrap(), want, "{spec}");
            assert_eq!(held().await?.is_string(), there, "{spec}");
        }
        Ok(())
    })
}

#[test]
fn secrets_manager_keeps_replicas_in_step() -> Result {
    with(async |backends| {
        let moto = &backends.moto;
        let force = json!({"secretsManager": {"forceDeleteWithoutRecovery": true}});
        let store = Store::aws(moto, force).await?;
        let cases = [
            (json!({"replicationLocations": ["us-east-1"]}), Pushed::Written, vec!["us-east-1"]),
            (json!({"replicationLocations": ["us-east-1"]}), Pushed::Unchanged, vec!["us-east-1"]),
            (json!({}), Pushed::Unchanged, vec!["us-east-1"]),
            (json!({"replicationLocations": ["us-east-2"]}), Pushed::Written, vec!["us-east-2"]),
            (json!({"replicationLocations": []}), Pushed::Written, vec![]),
            (json!({"replicationLocations": ["us-west-1"]}), Pushed::Written, vec!["us-west-1"]),
        ];
        for (spec, want, regions) in cases {
            let push = metadata(value("v", "push/replicas", None), spec.clone());
            assert_eq!(store.push(push).await.unwrap(), want, "{spec}");
            let (_, _, all) = described(moto, "push/replicas").await?;
            let held: Vec<_> = all["ReplicationStatus"].as_array().cloned().unwrap_or_default();
            let held: Vec<_> = held.iter().map(|replica| replica["Region"].as_str().unwrap_or_default()).collect();
            assert_eq!(held, regions, "{spec}");
        }
        assert_eq!(store.delete("push/replicas", None).await.unwrap(), Removed::Deleted);
        Ok(())
    })
}

#[test]
fn parameter_store_gets_a_version_only_where_something_changed() -> Result {
    with(async |backends| {
        let moto = &backends.moto;
        let store = Store::aws(moto, json!({"service": "ParameterStore", "prefix": "/team"})).await?;
        let push = |text: &str, spec: Value| metadata(value(text, "/push/app", Some("ignored")), spec);
        let secure = json!({"secretType": "SecureString", "tags": {"a": "1"}, "tier": {"type": "Advanced"}});
        let cases = [
            ("canary", secure.clone(), Pushed::Written, 1, texts(&[("a", "1"), OURS])),
            ("canary", secure.clone(), Pushed::Unchanged, 1, texts(&[("a", "1"), OURS])),
            (
                "canary",
                json!({"secretType": "SecureString", "tags": {"b": "2"}}),
                Pushed::Written,
                1,
                texts(&[("b", "2"), OURS]),
            ),
            ("new", json!({"secretType": "SecureString"}), Pushed::Written, 2, texts(&[("b", "2"), OURS])),
            ("new", json!({"secretType": "SecureString"}), Pushed::Unchanged, 2, texts(&[("b", "2"), OURS])),
        ];
        assert!(!store.exists("/push/app", None).await.unwrap());
        for (text, spec, want, version, tags) in cases {
            assert_eq!(store.push(push(text, spec.clone())).await.unwrap(), want, "{spec}");
            let held = moto.parameter("/team/push/app").await?;
            assert_eq!((held["Version"].as_i64(), held["Type"].as_str()), (Some(version), Some("SecureString")));
            assert_eq!(moto.parameter_tags("/team/push/app").await?, tags, "{spec}");
            assert_eq!(store.read("/push/app").await.unwrap(), text);
        }
        store.calls();
        assert!(store.exists("/push/app", None).await.unwrap());
        assert_eq!(store.delete("/push/app", Some("ignored")).await.unwrap(), Removed::Deleted);
        assert_eq!(store.calls(), [("DeleteParameter", 1), ("GetParameter", 2), ("ListTagsForResource", 1)]);
        assert_eq!(store.delete("/push/app", None).await.unwrap(), Removed::Absent);
        Ok(())
    })
}

#[test]
fn parameter_store_leaves_what_is_not_ours_and_takes_text_only() -> Result {
    with(async |backends| {
        let moto = &backends.moto;
        let store = Store::aws(moto, json!({"service": "ParameterStore"})).await?;
        moto.put_parameter("/push/foreign", "theirs", &[]).await?;
        refused(store.push(value("canary", "/push/foreign", None)).await, FOREIGN);
        assert_eq!(store.delete("/push/foreign", None).await.unwrap(), Removed::Foreign);
        assert_eq!(store.read("/push/foreign").await.unwrap(), "theirs");

        let mut binary = value("", "/push/binary", None);
        let data = [("k".to_owned(), SecretBytes::new(vec![0xff]))].into();
        binary.source = Arc::new(Source { data, ..Source::default() });
        refused(store.push(binary).await, "the value isn't text (UTF-8)");

        let list = metadata(value("a,b", "/push/list", None), json!({"secretType": "StringList"}));
        assert_eq!(store.push(list).await.unwrap(), Pushed::Written);
        assert_eq!(moto.parameter("/push/list").await?["Type"], "StringList");
        let cases = [(false, r#"{"a":"MQ==","b":"Mg=="}"#), (true, r#"{"a":"1","b":"2"}"#)];
        for (decoded, want) in cases {
            let push = metadata(whole(&[("a", "1"), ("b", "2")], "/push/all"), json!({"encodeAsDecoded": decoded}));
            assert_eq!(store.push(push).await.unwrap(), Pushed::Written);
            assert_eq!(store.read("/push/all").await.unwrap(), want);
        }
        Ok(())
    })
}
