//! KV version 1 and 2 of OpenBao.

use std::time::Duration;

use e2e::backend::OpenBao;
use e2e::{Context, Result, deps};
use provider::{ErrorKind, Pushed, Removed};
use reqwest::Method;
use serde_json::{Value, json};

use super::store::{FOREIGN, Store, refused, value, whole, with};

/// Number of the newest version and the custom metadata.
async fn kv(bao: &OpenBao, key: &str) -> Result<(u64, Value)> {
    let metadata = bao.call(Method::GET, &format!("secret/metadata/{key}"), Value::Null).await?;
    let version = metadata["data"]["current_version"].as_u64().context("a version")?;
    Ok((version, metadata["data"]["custom_metadata"].clone()))
}

#[test]
fn a_version_appears_only_where_something_changed() -> Result {
    with(async |backends| {
        let bao = &backends.bao;
        let store = Store::vault(bao, json!({})).await?;
        let push = || whole(&[("user", "u"), ("password", "canary")], "push/whole");
        assert!(!store.exists("push/whole", None).await.unwrap());
        assert_eq!(store.push(push()).await.unwrap(), Pushed::Written);
        assert_eq!(kv(bao, "push/whole").await?, (1, json!({"managed-by": "external-secrets"})));
        assert_eq!(store.read("push/whole").await.unwrap(), r#"{"password":"canary","user":"u"}"#);
        assert_eq!(store.calls(), [("ReadSecretData", 3), ("WriteSecretData", 2)]);

        assert_eq!(store.push(push()).await.unwrap(), Pushed::Unchanged);
        assert_eq!((kv(bao, "push/whole").await?.0, store.calls()), (1, vec![("ReadSecretData", 2)]));

        assert_eq!(store.push(value("new", "push/whole", Some("more"))).await.unwrap(), Pushed::Written);
        assert_eq!(store.push(value("new", "push/whole", Some("more"))).await.unwrap(), Pushed::Unchanged);
        assert_eq!(kv(bao, "push/whole").await?.0, 2);
        let all = r#"{"more":"new","password":"canary","user":"u"}"#;
        assert_eq!(store.read("push/whole").await.unwrap(), all);
        for (property, there) in [(None, true), (Some("more"), true), (Some("none"), false)] {
            assert_eq!(store.exists("push/whole", property).await.unwrap(), there, "{property:?}");
        }
        Ok(())
    })
}

#[test]
fn nested_values_and_numbers_are_compared() -> Result {
    with(async |backends| {
        let store = Store::vault(&backends.bao, json!({})).await?;
        let json = r#"{"z": {"list": [1, {"a": null}], "on": true}, "n": 12345678901234567890, "f": 1.50, "e": 1e3}"#;
        let other = r#"{"e":1e3,"f":1.50,"n":12345678901234567890,"z":{"on":true,"list":[1,{"a":null}]}}"#;
        assert_eq!(store.push(value(json, "push/nested", None)).await.unwrap(), Pushed::Written);
        for again in [json, other] {
            assert_eq!(store.push(value(again, "push/nested", None)).await.unwrap(), Pushed::Unchanged);
        }
        assert_eq!(kv(&backends.bao, "push/nested").await?.0, 1);
        assert_eq!(store.push(value("p", "push/nested", Some("p.q"))).await.unwrap(), Pushed::Written);
        // Version 2 keeps numbers as float64.
        let want = r#"{"e":1000,"f":1.5,"n":12345678901234567000,"p.q":"p","z":{"list":[1,{"a":null}],"on":true}}"#;
        assert_eq!(store.read("push/nested").await.unwrap(), want);
        refused(store.push(value("canary", "push/nested", Some("n"))).await, "error converting n to string");
        refused(store.push(value("canary", "push/nested", None)).await, "error unmarshalling vault secret");
        Ok(())
    })
}

#[test]
fn what_is_not_ours_stays_and_so_does_other_metadata() -> Result {
    with(async |backends| {
        let bao = &backends.bao;
        let store = Store::vault(bao, json!({})).await?;
        bao.write("push/foreign", json!({"a": "theirs"})).await?;
        for property in [None, Some("a"), Some("b")] {
            refused(store.push(value("{}", "push/foreign", property)).await, FOREIGN);
            assert_eq!(store.delete("push/foreign", property).await.unwrap(), Removed::Foreign);
        }
        assert_eq!(store.read("push/foreign").await.unwrap(), r#"{"a":"theirs"}"#);

        let custom = json!({"custom_metadata": {"owner": "me"}, "max_versions": 3});
        bao.call(Method::POST, "secret/metadata/push/described", custom).await?;
        assert_eq!(store.push(whole(&[("a", "1")], "push/described")).await.unwrap(), Pushed::Written);
        let metadata = bao.call(Method::GET, "secret/metadata/push/described", Value::Null).await?;
        let want = json!({"managed-by": "external-secrets", "owner": "me"});
        assert_eq!((&metadata["data"]["custom_metadata"], &metadata["data"]["max_versions"]), (&want, &json!(3)));

        // As the reference marks a key that begins with the mount.
        bao.write("push/older", json!({"a": "1"})).await?;
        let mark = json!({"custom_metadata": {"managed-by": "external-secrets"}});
        bao.call(Method::POST, "secret/metadata/secret/push/older", mark).await?;
        assert_eq!(store.push(value("2", "secret/push/older", Some("a"))).await.unwrap(), Pushed::Written);
        refused(store.push(value("2", "secret/push/foreign", Some("a"))).await, FOREIGN);
        Ok(())
    })
}

#[test]
fn a_property_is_deleted_and_with_the_last_one_everything() -> Result {
    with(async |backends| {
        let bao = &backends.bao;
        let store = Store::vault(bao, json!({})).await?;
        let gone =
            async |key: &str| bao.call(Method::GET, &format!("secret/metadata/{key}"), Value::Null).await.is_err();
        store.push(whole(&[("a", "1"), ("b", "2")], "push/deleted")).await.unwrap();
        assert_eq!(store.delete("push/deleted", Some("c")).await.unwrap(), Removed::Absent);
        assert_eq!(kv(bao, "push/deleted").await?.0, 1);
        assert_eq!(store.delete("push/deleted", Some("a")).await.unwrap(), Removed::Deleted);
        assert_eq!(store.read("push/deleted").await.unwrap(), r#"{"b":"2"}"#);
        assert_eq!(store.delete("push/deleted", Some("b")).await.unwrap(), Removed::Deleted);
        assert!(gone("push/deleted").await);
        assert_eq!(store.delete("push/deleted", Some("b")).await.unwrap(), Removed::Absent);

        store.push(whole(&[("a", "1"), ("b", "2")], "push/deleted")).await.unwrap();
        store.calls();
        assert_eq!(store.delete("push/deleted", None).await.unwrap(), Removed::Deleted);
        assert_eq!(store.calls(), [("DeleteSecret", 1), ("ReadSecretData", 2)]);
        assert!(gone("push/deleted").await);
        assert_eq!(store.delete("push/deleted", None).await.unwrap(), Removed::Absent);

        // Deleted by hand, so that its versions could be restored: a push makes the next one.
        store.push(whole(&[("a", "1")], "push/undone")).await.unwrap();
        bao.call(Method::DELETE, "secret/data/push/undone", Value::Null).await?;
        assert!(!store.exists("push/undone", None).await.unwrap());
        assert_eq!(store.push(whole(&[("a", "1")], "push/undone")).await.unwrap(), Pushed::Written);
        assert_eq!(kv(bao, "push/undone").await?.0, 2);
        Ok(())
    })
}

#[test]
fn check_and_set_may_be_required() -> Result {
    with(async |backends| {
        let bao = &backends.bao;
        bao.call(Method::POST, "sys/mounts/cas", json!({"type": "kv", "options": {"version": "2"}})).await?;
        let required = json!({"cas_required": true});
        while bao.call(Method::POST, "cas/config", required.clone()).await.is_err() {
            // A new mount is being upgraded for a moment.
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        for path in [json!({"path": "cas"}), json!({"path": "cas", "checkAndSet": {"required": true}})] {
            let store = Store::vault(bao, path).await?;
            for (push, want) in [
                (whole(&[("a", "1"), ("b", "2")], "app"), Pushed::Written),
                (whole(&[("a", "1"), ("b", "2")], "app"), Pushed::Unchanged),
                (value("3", "app", Some("a")), Pushed::Written),
            ] {
                assert_eq!(store.push(push).await.unwrap(), want);
            }
            assert_eq!(store.delete("app", Some("a")).await.unwrap(), Removed::Deleted);
            assert_eq!(store.read("app").await.unwrap(), r#"{"b":"2"}"#);
            assert_eq!(store.delete("app", Some("b")).await.unwrap(), Removed::Deleted);
        }
        Ok(())
    })
}

#[test]
fn version_1_holds_the_mark_in_the_data() -> Result {
    with(async |backends| {
        let bao = &backends.bao;
        let store = Store::vault(bao, json!({"path": "kv1", "version": "v1"})).await?;
        let data = async |key: &str| -> Result<Value> {
            Ok(bao.call(Method::GET, &format!("kv1/{key}"), Value::Null).await?["data"].clone())
        };
        let mark = json!({"managed-by": "external-secrets"});
        let push = || whole(&[("a", "1"), ("b", "2")], "push/app");
        assert_eq!(store.push(push()).await.unwrap(), Pushed::Written);
        assert_eq!(data("push/app").await?, json!({"a": "1", "b": "2", "custom_metadata": mark}));
        store.calls();
        assert_eq!(store.push(push()).await.unwrap(), Pushed::Unchanged);
        assert_eq!(store.calls(), [("ReadSecretData", 1)]);
        assert_eq!(store.push(value("3", "push/app", Some("c"))).await.unwrap(), Pushed::Written);
        assert_eq!(store.delete("push/app", Some("a")).await.unwrap(), Removed::Deleted);
        assert_eq!(data("push/app").await?, json!({"b": "2", "c": "3", "custom_metadata": mark}));
        assert_eq!(store.delete("push/app", Some("b")).await.unwrap(), Removed::Deleted);
        assert_eq!(store.delete("push/app", Some("c")).await.unwrap(), Removed::Deleted);
        assert!(data("push/app").await.is_err());
        assert_eq!(store.delete("push/app", None).await.unwrap(), Removed::Absent);

        bao.write_v1("push/foreign", json!({"a": "theirs"})).await?;
        refused(store.push(value("x", "push/foreign", Some("a"))).await, FOREIGN);
        assert_eq!(store.delete("push/foreign", None).await.unwrap(), Removed::Foreign);
        refused(store.push(value("x", "push/app", Some("custom_metadata"))).await, "property custom_metadata");
        Ok(())
    })
}

#[test]
fn the_documented_policy_is_enough() -> Result {
    with(async |backends| {
        let bao = &backends.bao;
        let docs = std::fs::read_to_string(deps::repository().join("docs/providers/vault.md"))?;
        let policy = docs.split("```hcl").nth(1).and_then(|rest| rest.split("```").next()).context("a policy")?;
        let v1 = r#"path "kv1/team/*" { capabilities = ["create", "update", "read", "delete"] }"#;
        let policy = format!("{policy}\n{v1}");
        bao.call(Method::PUT, "sys/policies/acl/pusher", json!({ "policy": policy })).await?;
        let body = json!({"policies": ["pusher"], "no_parent": true, "ttl": "1h"});
        let made = bao.call(Method::POST, "auth/token/create", body).await?;
        let token = made["auth"]["client_token"].as_str().context("a token")?;
        for mount in [json!({}), json!({"path": "kv1", "version": "v1"})] {
            let store = Store::vault_as(bao, mount, token).await?;
            assert_eq!(store.push(whole(&[("a", "1"), ("b", "2")], "team/app")).await.unwrap(), Pushed::Written);
            assert_eq!(store.push(value("3", "team/app", Some("a"))).await.unwrap(), Pushed::Written);
            for property in ["a", "b"] {
                assert_eq!(store.delete("team/app", Some(property)).await.unwrap(), Removed::Deleted);
            }
            let error = store.push(value("canary", "other/app", Some("a"))).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::AccessDenied, "{error}");
        }
        Ok(())
    })
}
