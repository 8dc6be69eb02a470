//! OpenBao: what its provider does otherwise than `vault`'s, whose code it shares.

use std::collections::BTreeMap;

use provider::{ErrorKind, Validation};
use serde_json::{Value, json};

use crate::support::{Lookup, Made, Opening, Reply, Seen, Stub, found, reference, value, wished};

fn store(url: &str, patch: Value) -> Opening {
    let mut bao = json!({"server": url, "path": "kv", "auth": {"tokenSecretRef": {"name": "creds"}}});
    bao.as_object_mut().unwrap().extend(patch.as_object().unwrap().clone());
    Opening::of(
        json!({ "openBao": bao }),
        Lookup::of(&[("creds/token", "t1"), ("creds/secret", "s3cret\n"), ("creds/password", " p4ss \r\n")]),
    )
    .once()
}

/// Grants any login; each secret is `{"v":"x"}`.
fn server(seen: &Seen) -> Reply {
    if seen.path.contains("/login") {
        return Reply::json(200, json!({"auth": {"client_token": "t1", "lease_duration": 3600}}));
    }
    match seen.path.contains("/data/") {
        true => Reply::json(200, json!({"data": {"data": {"v": "x"}, "metadata": {}}})),
        false => Reply::json(200, json!({"data": {"v": "x"}})),
    }
}

#[tokio::test]
async fn each_login_method_sends_what_the_api_asks_for() {
    let secret = json!({"name": "creds", "key": "secret"});
    let cases = [
        (
            json!({"appRole": {"path": "team/approle", "roleId": "r", "secretRef": secret}}),
            "PUT /v1/auth/team/approle/login",
            json!({"role_id": "r", "secret_id": "s3cret"}),
        ),
        (
            json!({"appRole": {"path": "approle", "roleRef": {"name": "creds", "key": "token"}, "secretRef": secret}}),
            "PUT /v1/auth/approle/login",
            json!({"role_id": "t1", "secret_id": "s3cret"}),
        ),
        (
            json!({"userPass": {"path": "userpass", "username": "ada", "secretRef": {"name": "creds", "key": "password"}}}),
            "PUT /v1/auth/userpass/login/ada",
            json!({"password": " p4ss "}),
        ),
    ];
    for (auth, line, body) in cases {
        let stub = Stub::start(server).await;
        let store = store(&stub.url(), json!({ "auth": auth })).open().await.unwrap();
        assert_eq!(value(store.as_ref(), &reference("k", None, Some("v"))).await.unwrap(), "x", "{auth}");
        store.close().await;
        let seen = stub.seen();
        assert_eq!((seen[0].line().as_str(), seen[0].json()), (line, body));
        assert_eq!(seen[1].header("x-vault-token"), Some("t1"));
        assert_eq!(seen[2].line(), "PUT /v1/auth/token/revoke-self");
    }
}

#[tokio::test]
async fn a_login_has_a_namespace_of_its_own_of_which_the_empty_one_is_the_root() {
    let cases = [
        (json!({}), None, None, None),
        (json!({"namespace": "team"}), None, Some("team"), Some("team")),
        (json!({"namespace": "team"}), Some(json!("admin")), Some("admin"), Some("team")),
        (json!({"namespace": "team"}), Some(json!("")), None, Some("team")),
        (json!({"namespace": ""}), Some(json!("admin")), Some("admin"), None),
    ];
    for (patch, own, login, reads) in cases {
        for provider in ["openBao", "vault"] {
            let stub = Stub::start(server).await;
            let mut spec = patch.clone();
            spec["auth"] = json!({"userPass": {"path": "userpass", "username": "ada",
                "secretRef": {"name": "creds", "key": "secret"}}});
            if let Some(own) = &own {
                spec["auth"]["namespace"] = own.clone();
            }
            let mut opening = store(&stub.url(), spec);
            opening.spec = json!({ provider: opening.spec["openBao"] });
            let opened = opening.open().await.unwrap();
            value(opened.as_ref(), &reference("k", None, None)).await.unwrap();
            let seen: Vec<_> = stub.seen().iter().map(|s| s.header("x-vault-namespace").map(str::to_owned)).collect();
            assert_eq!(seen, [login, reads].map(|it| it.map(str::to_owned)), "{provider} {patch} {own:?}");
        }
    }
}

#[tokio::test]
async fn a_key_is_a_path_below_the_mount_even_if_it_begins_like_it() {
    let cases = [
        (json!({}), "app", Some("GET /v1/kv/data/app")),
        (json!({}), "kv/app", Some("GET /v1/kv/data/kv/app")),
        (json!({}), "kv/data/app", Some("GET /v1/kv/data/kv/data/app")),
        (json!({"path": "team/kv/"}), "/a//b c/", Some("GET /v1/team/kv/data/a/b%20c")),
        (json!({"path": null}), "app", Some("GET /v1/kv/data/app")),
        (json!({"version": "v1"}), "kv/app", Some("GET /v1/kv/kv/app")),
        (json!({}), "../sys/mounts", None),
    ];
    for (patch, key, line) in cases {
        let stub = Stub::start(server).await;
        let store = store(&stub.url(), patch.clone()).open().await.unwrap();
        match (value(store.as_ref(), &reference(key, None, Some("v"))).await, line) {
            (Ok(_), Some(line)) => assert_eq!(stub.lines(), [line], "{patch} {key}"),
            (Err(error), None) => assert_eq!(error.kind(), ErrorKind::Invalid, "{patch} {key}: {error}"),
            (got, _) => panic!("{patch} {key}: {got:?}"),
        }
    }
}

#[tokio::test]
async fn a_version_is_a_number_and_metadata_policy_means_nothing() {
    let stub = Stub::start(server).await;
    let v2 = store(&stub.url(), json!({})).open().await.unwrap();
    for (version, line) in [("+07", "GET /v1/kv/data/k?version=7"), ("", "GET /v1/kv/data/k")] {
        v2.read(&reference("k", Some(version), None).read).await.unwrap();
        assert_eq!(stub.lines().last().unwrap(), line);
    }
    let mut metadata = reference("k", None, Some("v"));
    metadata.read.metadata = true;
    assert_eq!(v2.read_key(&metadata), reference("k", None, None).read);
    assert_eq!(value(v2.as_ref(), &metadata).await.unwrap(), "x");
    let asked = stub.lines().len();
    let v1 = store(&stub.url(), json!({"version": "v1"})).open().await.unwrap();
    for (store, version, text) in [
        (&v2, "latest", "invalid Ref.Version: strconv.Atoi: parsing \"latest\": invalid syntax"),
        (&v1, "1", "OpenBao KVv1 secrets do not support versioning (use KVv2)"),
    ] {
        let error = store.read(&reference("k", Some(version), None).read).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid);
        assert!(error.to_string().starts_with(text), "{error}");
    }
    assert_eq!(stub.lines().len(), asked);
}

/// A folder at the root and `team`, of either version. `lost` is listed and deleted; `both` is a secret and a folder.
fn folders(seen: &Seen) -> Reply {
    let list = |names: &[&str]| Reply::json(200, json!({"data": {"keys": names}}));
    let path = seen.path.strip_prefix("/v1/kv/").or(seen.path.strip_prefix("/v1/kv")).unwrap_or_default();
    let (path, part) = match path.split_once(['/', '?']) {
        Some((part @ ("data" | "metadata"), rest)) => (rest, part),
        _ => (path.trim_start_matches('?'), ""),
    };
    match (part, path) {
        (_, "list=true") => list(&["app", "both", "both/", "lost", "team/"]),
        (_, "team?list=true") => list(&["app", "db"]),
        (_, path) if path.ends_with("?list=true") => Reply::json(404, json!({"errors": []})),
        ("data", "lost") => Reply::json(404, json!({"data": {"data": null, "metadata": {"destroyed": false}}})),
        ("metadata", "app" | "team/app" | "lost") => {
            Reply::json(200, json!({"data": {"custom_metadata": {"env": "prod"}}}))
        }
        ("metadata", _) => Reply::json(200, json!({"data": {"custom_metadata": null}})),
        ("data", "app" | "both" | "team/app" | "team/db") => Reply::json(200, json!({"data": {"data": {"k": path}}})),
        ("", "app" | "both" | "team/app" | "team/db") => Reply::json(200, json!({"data": {"k": path}})),
        _ => Reply::json(404, json!({"errors": []})),
    }
}

#[tokio::test]
async fn a_find_looks_into_one_folder_and_names_are_those_in_it() {
    let stub = Stub::start(folders).await;
    let root = [r#"app={"k":"app"}"#, r#"both={"k":"both"}"#, r#"both/={"k":"both"}"#];
    let team = [r#"app={"k":"team/app"}"#, r#"db={"k":"team/db"}"#];
    let any = json!({"regexp": ""});
    for version in ["v1", "v2"] {
        let store = store(&stub.url(), json!({"version": version})).open().await.unwrap();
        let cases: [(Value, &[&str]); 7] = [
            (json!({"name": any}), &root),
            (json!({"name": {"regexp": "^both$"}}), &root[1..2]),
            (json!({"name": {"regexp": "^team"}}), &[]),
            (json!({"name": any, "path": "team"}), &team),
            (json!({"name": any, "path": "/team/"}), &team),
            (json!({"name": {"regexp": "^db$"}, "path": "team"}), &team[1..]),
            (json!({"name": any, "path": "none"}), &[]),
        ];
        for (find, want) in cases {
            assert_eq!(found(store.as_ref(), find.clone()).await.unwrap(), want, "{version} {find}");
        }
        let error = found(store.as_ref(), json!({"name": any, "path": "../sys"})).await.unwrap_err();
        assert!(error.to_string().starts_with("find.path must not have"), "{error}");
    }
    let v2 = store(&stub.url(), json!({})).open().await.unwrap();
    let tagged: [(Value, &[&str]); 4] = [
        (json!({"tags": {"env": "prod"}}), &root[..1]),
        (json!({"tags": {"env": "prod"}, "path": "team"}), &team[..1]),
        (json!({"tags": {"env": "prod"}, "name": {"regexp": "^db$"}, "path": "team"}), &[]),
        (json!({"tags": {"env": "dev"}}), &[]),
    ];
    for (find, want) in tagged {
        assert_eq!(found(v2.as_ref(), find.clone()).await.unwrap(), want, "{find}");
    }
    let v1 = store(&stub.url(), json!({"version": "v1"})).open().await.unwrap();
    let error = found(v1.as_ref(), json!({"tags": {"env": "prod"}})).await.unwrap_err();
    assert_eq!(error.to_string(), "cannot perform find by tag operations with kv version v1");
    let made = Made::default();
    v2.find(&wished(json!({"name": any, "path": "team"})), &made).await.unwrap();
    assert_eq!(*made.0.lock().unwrap(), BTreeMap::from([("ListSecrets", 1), ("ReadSecretData", 2)]));
}

#[tokio::test]
async fn validation_asks_about_the_mount() {
    const OPEN: &str = "/v1/sys/internal/ui/mounts/team/kv";
    const SYS: &str = "/v1/sys/mounts/team/kv";
    let kv = || Reply::json(200, json!({"data": {"type": "kv", "options": {"version": "1"}}}));
    let denied = || Reply::json(403, json!({"errors": ["permission denied"]}));
    let missing = || Reply::json(400, json!({"errors": ["No secret engine mount at canary/"]}));
    let cases = [
        (vec![(OPEN, kv())], "v1", Ok(())),
        (vec![(OPEN, denied()), (SYS, kv())], "v1", Ok(())),
        (
            vec![(OPEN, kv())],
            "v2",
            Err("expected kv engine version 2 found version 1; set spec.provider.openBao.version to v1"),
        ),
        (vec![(OPEN, denied()), (SYS, denied())], "v1", Err("answered 403: permission denied; check that the token")),
        (
            vec![(OPEN, denied()), (SYS, missing())],
            "v1",
            Err("answered 400: no secrets engine is mounted there; check spec.provider.openBao.path"),
        ),
        (
            vec![(OPEN, Reply::json(503, json!({"errors": ["Vault is sealed"]})))],
            "v1",
            Err("OpenBao is sealed; unseal it"),
        ),
        (vec![(OPEN, Reply::text(200, "<html>canary"))], "v1", Err("does something other than OpenBao answer there?")),
    ];
    for (answers, version, want) in cases {
        let lines: Vec<String> = answers.iter().map(|(path, _)| format!("GET {path}")).collect();
        let shown = format!("{answers:?}");
        let answers: BTreeMap<&str, Reply> = answers.into_iter().collect();
        let stub = Stub::start(move |seen| answers[seen.path.as_str()].clone()).await;
        let opened = store(&stub.url(), json!({"path": "team/kv", "version": version})).open().await.unwrap();
        match (opened.validate().await, want) {
            (Validation::Ready, Ok(())) => {}
            (Validation::Failed(error), Err(text)) => {
                let asked = error.to_string().starts_with(&format!("error while validating \"{}\": ", stub.url()));
                assert_eq!(asked, !text.starts_with("expected"), "{shown}: {error}");
                assert!(error.to_string().contains(text) && !error.to_string().contains("canary"), "{shown}: {error}");
            }
            (got, _) => panic!("{shown}: {got:?}"),
        }
        assert_eq!(stub.lines(), lines);
    }
}

#[tokio::test]
async fn texts_name_openbao_and_its_settings() {
    let login = json!({"appRole": {"path": "approle", "roleId": "r", "secretRef": {"name": "creds", "key": "secret"}}});
    let cases = [
        (json!({"server": "ftp://b"}), None, "spec.provider.openBao.server: neither http:// nor https://"),
        (json!({"path": "a/../b"}), None, "spec.provider.openBao.path: "),
        (json!({"namespace": "a\nb"}), None, "spec.provider.openBao.namespace: "),
        (json!({"auth": login}), Some(Reply::json(400, json!({}))), "cannot log in to OpenBao at auth/approle: "),
        (
            json!({"auth": login}),
            Some(Reply::json(400, json!({}))),
            "check the role id, the secret id and spec.provider.openBao.auth.appRole.path",
        ),
        (json!({}), Some(Reply::text(404, "<html>")), "cannot read secret data from OpenBao: "),
        (
            json!({}),
            Some(Reply::text(404, "<html>")),
            "not as OpenBao does for a missing secret; check spec.provider.openBao.server and spec.provider.openBao.path",
        ),
        (
            json!({}),
            Some(Reply::text(200, "<html>")),
            "does something other than OpenBao answer there? check spec.provider.openBao.server",
        ),
        (
            json!({}),
            Some(Reply::json(200, json!({"data": {}}))),
            "failed to find data field; check that the mount has KV version v2, as spec.provider.openBao.version says",
        ),
        (
            json!({"version": "v1"}),
            Some(Reply::json(404, json!({"warnings": ["Invalid path for a versioned K/V secrets engine"]}))),
            "the mount has KV version 2; set spec.provider.openBao.version to v2",
        ),
        (json!({}), Some(Reply::Close), "check spec.provider.openBao.server"),
    ];
    for (patch, reply, want) in cases {
        let shown = format!("{patch} {reply:?}");
        let stub = Stub::start(move |_| reply.clone().unwrap_or(Reply::Close)).await;
        let mut opening = store(&stub.url(), json!({}));
        opening.spec["openBao"].as_object_mut().unwrap().extend(patch.as_object().unwrap().clone());
        let error = match opening.open().await {
            Ok(store) => store.read(&reference("k", None, None).read).await.unwrap_err(),
            Err(error) => error,
        };
        let text = error.to_string();
        assert!(text.contains(want), "{shown}: {text}");
        assert!(!text.contains("Vault") && !text.contains("spec.provider.vault"), "{shown}: {text}");
    }
}

#[tokio::test]
async fn without_auth_the_environments_token_and_namespace_are_used() {
    let stub = Stub::start(server).await;
    let mut opening = store(&stub.url(), json!({}));
    opening.spec["openBao"].as_object_mut().unwrap().remove("auth");
    opening.environment.openbao.token = Some("t7".into());
    opening.environment.openbao.namespace = Some("team".to_owned());
    opening.environment.vault.token = Some("t8".into());
    let opened = opening.open().await.unwrap();
    value(opened.as_ref(), &reference("k", None, Some("v"))).await.unwrap();
    let seen = stub.seen().remove(0);
    assert_eq!((seen.header("x-vault-token"), seen.header("x-vault-namespace")), (Some("t7"), Some("team")));
}
