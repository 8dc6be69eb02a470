//! Kubernetes: requested tokens and their ends, reviews, kubeconfigs.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use provider::{ErrorKind, Validation};
use serde_json::{Value, json};

use crate::support::{Lookup, Opening, Reply, Seen, Stub, reference};

fn secret() -> Reply {
    Reply::json(200, json!({"kind": "Secret", "metadata": {}, "data": {"a": "Yg=="}}))
}

fn store(url: &str, auth: Value, lookup: Arc<Lookup>) -> Opening {
    let spec = json!({"kubernetes": {"server": {"url": url}, "remoteNamespace": "remote", "auth": auth}});
    Opening::of(spec, lookup)
}

fn token(seen: &Seen) -> String {
    seen.header("authorization").unwrap_or_default().to_owned()
}

#[tokio::test(start_paused = true)]
async fn a_requested_token_is_kept_for_two_thirds_of_its_life_or_until_it_is_refused() {
    let stub = Stub::start(|seen| match token(seen).as_str() {
        "Bearer jwt-reader-api-2" => Reply::json(401, json!({"kind": "Status", "code": 401})),
        _ => secret(),
    })
    .await;
    let lookup = Lookup::of(&[]);
    let auth = json!({"serviceAccount": {"name": "reader", "audiences": ["api"]}});
    let opened = store(&stub.url(), auth, Arc::clone(&lookup)).open().await.unwrap();
    let key = reference("app", None, None).read;
    for _ in 0..3 {
        opened.read(&key).await.unwrap();
    }
    assert_eq!(lookup.tokens.load(Ordering::SeqCst), 1);
    tokio::time::advance(Duration::from_secs(2401)).await;
    opened.read(&key).await.unwrap();
    let tokens: Vec<_> = stub.seen().iter().map(token).collect();
    let name = |n: u32| format!("Bearer jwt-reader-api-{n}");
    assert_eq!(tokens, [name(1), name(1), name(1), name(2), name(3)]);
}

#[tokio::test]
async fn a_key_that_is_no_name_never_becomes_a_request() {
    let stub = Stub::start(|_| secret()).await;
    let auth = json!({"token": {"bearerToken": {"name": "creds", "key": "token"}}});
    let opened = store(&stub.url(), auth, Lookup::of(&[("creds/token", "t")])).open().await.unwrap();
    for key in ["", "..", "a/b", "../pods", "A", "a?b", "a\nb"] {
        let error = opened.read(&reference(key, None, None).read).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid, "{key:?}");
        assert!(error.to_string().contains("remoteRef.key"), "{error}");
    }
    assert!(stub.lines().is_empty());
}

#[tokio::test]
async fn validation_asks_for_the_rules_then_for_the_access() {
    let rules = |rules: Value| Reply::json(201, json!({"status": {"resourceRules": rules, "incomplete": true}}));
    let access = |allowed: bool| Reply::json(201, json!({"status": {"allowed": allowed}}));
    let rule = |verb: &str, group: &str, resource: &str| json!([{"verbs": [verb], "apiGroups": [group], "resources": [resource]}]);
    let broken = || Reply::json(500, json!({"message": "canary"}));
    let cases = [
        (rules(rule("get", "", "secrets")), broken(), "ready"),
        (rules(rule("*", "*", "*")), broken(), "ready"),
        (rules(rule("list", "", "secrets")), access(true), "ready"),
        (rules(rule("get", "apps", "secrets")), access(false), "client is not allowed to get secrets"),
        (rules(json!(null)), access(false), "client is not allowed to get secrets"),
        (rules(json!([])), broken(), "could not verify if client is valid"),
        (broken(), access(true), "could not verify if client is valid"),
    ];
    for (rules, access, want) in cases {
        let shown = format!("{rules:?} {access:?}");
        let stub = Stub::start(move |seen| match seen.line().as_str() {
            "POST /apis/authorization.k8s.io/v1/selfsubjectrulesreviews" => {
                assert_eq!(seen.json()["spec"], json!({"namespace": "remote"}));
                rules.clone()
            }
            "POST /apis/authorization.k8s.io/v1/selfsubjectaccessreviews" => {
                let attributes = json!({"namespace": "remote", "resource": "secrets", "verb": "get"});
                assert_eq!(seen.json()["spec"], json!({"resourceAttributes": attributes}));
                access.clone()
            }
            _ => Reply::Close,
        })
        .await;
        let auth = json!({"token": {"bearerToken": {"name": "creds", "key": "token"}}});
        let opened = store(&stub.url(), auth, Lookup::of(&[("creds/token", "t")])).open().await.unwrap();
        match opened.validate().await {
            Validation::Ready => assert_eq!(want, "ready", "{shown}"),
            Validation::Failed(error) => {
                assert_eq!(error.kind(), ErrorKind::AccessDenied);
                assert!(error.to_string().starts_with(want), "{shown}: {error}");
            }
            Validation::Unknown(Some(error)) => {
                assert!(error.to_string().starts_with(want), "{shown}: {error}");
                assert!(!error.to_string().contains("canary"), "{error}");
            }
            Validation::Unknown(None) => panic!("{shown}"),
        }
    }
}

#[tokio::test]
async fn a_kubeconfig_says_where_and_with_what() {
    let stub = Stub::start(|_| secret()).await;
    let kubeconfig = json!({
        "current-context": "c",
        "contexts": [{"name": "c", "context": {"cluster": "k", "user": "u"}}],
        "clusters": [{"name": "k", "cluster": {"server": stub.url()}}],
        "users": [{"name": "u", "user": {"token": "from-kubeconfig"}}],
    });
    let lookup = Lookup::of(&[("creds/config", &kubeconfig.to_string())]);
    let spec = json!({"kubernetes": {"authRef": {"name": "creds", "key": "config"}, "remoteNamespace": "remote"}});
    let opened = Opening::of(spec, lookup).open().await.unwrap();
    opened.read(&reference("app", None, None).read).await.unwrap();
    let seen = stub.seen().remove(0);
    assert_eq!(seen.line(), "GET /api/v1/namespaces/remote/secrets/app");
    assert_eq!(token(&seen), "Bearer from-kubeconfig");
}

#[tokio::test]
async fn a_refusal_points_to_the_setting_that_the_store_has() {
    let inline = json!({"auth": {"token": {"bearerToken": {"name": "creds", "key": "token"}}}});
    let by_reference = json!({"authRef": {"name": "creds", "key": "config"}});
    let cases = [
        (401, &inline, "check spec.provider.kubernetes.auth"),
        (404, &inline, "check spec.provider.kubernetes.server.url"),
        (418, &inline, "check spec.provider.kubernetes.server.url"),
        (401, &by_reference, "check spec.provider.kubernetes.authRef"),
        (404, &by_reference, "check spec.provider.kubernetes.authRef"),
        (418, &by_reference, "check spec.provider.kubernetes.authRef"),
    ];
    for (status, auth, want) in cases {
        let stub = Stub::start(move |_| Reply::text(status, "canary")).await;
        let kubeconfig = json!({
            "current-context": "c",
            "contexts": [{"name": "c", "context": {"cluster": "k", "user": "u"}}],
            "clusters": [{"name": "k", "cluster": {"server": stub.url()}}],
            "users": [{"name": "u", "user": {"token": "t"}}],
        });
        let lookup = Lookup::of(&[("creds/config", &kubeconfig.to_string()), ("creds/token", "t")]);
        let mut spec = json!({"server": {"url": stub.url()}, "remoteNamespace": "remote"});
        spec.as_object_mut().unwrap().extend(auth.as_object().unwrap().clone());
        let opened = Opening::of(json!({"kubernetes": spec}), lookup).open().await.unwrap();
        let error = opened.read(&reference("app", None, None).read).await.unwrap_err();
        assert!(error.to_string().ends_with(want), "{status} {auth}: {error}");
    }
}
