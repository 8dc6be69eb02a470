//! IBM: logins, tokens and their ends, reads by id and by name, each type of secret, retries.

use std::sync::atomic::Ordering;
use std::time::Duration;

use api::RetrySettings;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use provider::{ErrorKind, Retry, Validation};
use serde_json::{Value, json};

use crate::support::ibm::{Cloud, TOKEN, granted, id, secret};
use crate::support::{Lookup, Opening, Reply, Stub, found, map, reference, value};

fn api_key(url: &str) -> Opening {
    let key = json!({"name": "creds", "key": "token"});
    let auth = json!({"secretRef": {"secretApiKeySecretRef": key, "iamEndpoint": url}});
    Opening::of(
        json!({"ibm": {"serviceUrl": format!("{url}/"), "auth": auth}}),
        Lookup::of(&[("creds/token", "good\n")]),
    )
}

fn one() -> Vec<Value> {
    vec![secret("arbitrary", "one", json!({"payload": "v"}))]
}

fn logins(stub: &Stub) -> usize {
    stub.lines().iter().filter(|line| *line == TOKEN).count()
}

#[tokio::test]
async fn one_login_serves_many_reads() {
    let stub = Cloud::of(one(), 3600).stub().await;
    let store = api_key(&stub.url()).open().await.unwrap();
    assert!(stub.lines().is_empty(), "the first who reads logs in");
    let key = reference("team/arbitrary/one", None, None);
    let reads = (0..20).map(|_| value(store.as_ref(), &key));
    assert!(futures::future::join_all(reads).await.into_iter().all(|v| v.unwrap() == "v"));
    assert_eq!((logins(&stub), stub.lines().len()), (1, 21));
    let body = "response_type=cloud_iam&grant_type=urn%3Aibm%3Aparams%3Aoauth%3Agrant-type%3Aapikey&apikey=good";
    assert_eq!(stub.seen()[0].body, body);
    let line = "GET /api/v2/secret_groups/team/secret_types/arbitrary/secrets/one";
    assert_eq!(stub.lines()[1], line);
    assert_eq!(store.call_name(&key.read), "GetSecretByNameType");
}

#[tokio::test]
async fn a_trusted_profile_logs_in_with_the_pods_token_for_iam_and_no_other() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let token = |claims: &str| format!("e30.{}.c2ln\n", URL_SAFE_NO_PAD.encode(claims));
    let good = file("good", &token(r#"{"aud":["iam"]}"#));
    let stub = Cloud::of(one(), 3600).stub().await;
    let opening = |profile: &str, path: &str| {
        let auth = json!({"containerAuth": {"profile": profile, "tokenLocation": path, "iamEndpoint": stub.url()}});
        Opening::of(json!({"ibm": {"serviceUrl": stub.url(), "auth": auth}}), Lookup::of(&[]))
    };
    let store = opening("team", &good).open().await.unwrap();
    assert_eq!(value(store.as_ref(), &reference(&id("one"), None, None)).await.unwrap(), "v");
    let want = format!(
        "grant_type=urn%3Aibm%3Aparams%3Aoauth%3Agrant-type%3Acr-token&cr_token={}&profile_name=team",
        token(r#"{"aud":["iam"]}"#).trim_end()
    );
    assert_eq!(stub.seen()[0].body, want);

    let before = stub.lines().len();
    let cases = [
        (file("api-server", &token(r#"{"aud":["https://kubernetes.default.svc"]}"#)), "the token is not for IAM"),
        (file("passwords", "root:canary:0:0"), "this is not a service account's token"),
        (file("long", &"a".repeat(70_000)), "this is not a file with a token"),
        (folder.path().to_str().unwrap().to_owned(), "this is not a file with a token"),
        ("/dev/zero".to_owned(), "this is not a file with a token"),
        (format!("{good}-none"), "there is no such file"),
    ];
    for (path, text) in cases {
        let store = opening("team", &path).open().await.unwrap();
        let error = store.read(&reference(&id("one"), None, None).read).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid, "{path}");
        let start = format!("cannot read container auth token {path}: ");
        assert!(error.to_string().starts_with(&start) && error.to_string().contains(text), "{error}");
        assert!(!error.to_string().contains("canary"), "{error}");
        assert!(matches!(store.validate().await, Validation::Failed(_)));
    }
    assert_eq!(stub.lines().len(), before, "nothing of these files was sent anywhere");

    let store = opening("other", &good).open().await.unwrap();
    let error = store.read(&reference(&id("one"), None, None).read).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unauthenticated);
    assert!(error.to_string().contains("check spec.provider.ibm.auth.containerAuth.profile"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_token_is_replaced_before_its_end_and_once_when_it_is_refused() {
    let cloud = Cloud::of(one(), 3600);
    let stub = cloud.stub().await;
    let store = api_key(&stub.url()).open().await.unwrap();
    let key = reference("team/arbitrary/one", None, None);
    value(store.as_ref(), &key).await.unwrap();
    tokio::time::advance(Duration::from_secs(2879)).await;
    value(store.as_ref(), &key).await.unwrap();
    assert_eq!(logins(&stub), 1);
    tokio::time::advance(Duration::from_secs(2)).await;
    value(store.as_ref(), &key).await.unwrap();
    assert_eq!(logins(&stub), 2);

    tokio::time::advance(Duration::from_secs(60)).await;
    cloud.revoked.store(2, Ordering::SeqCst);
    let reads = (0..5).map(|_| value(store.as_ref(), &key));
    assert!(futures::future::join_all(reads).await.into_iter().all(|v| v.unwrap() == "v"));
    assert_eq!(logins(&stub), 3);

    // Refused whatever the token: no login for each read.
    cloud.revoked.store(1000, Ordering::SeqCst);
    for _ in 0..3 {
        let error = store.read(&key.read).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unauthenticated);
        assert!(error.to_string().ends_with("are of one account"), "{error}");
    }
    assert_eq!(logins(&stub), 3);
}

#[tokio::test]
async fn a_failed_login_says_where_and_what_to_check() {
    let cases = [
        (
            Reply::json(400, json!({"errorCode": "BXNIM0415E", "errorMessage": "canary"})),
            ErrorKind::Unauthenticated,
            "the API key is unknown (BXNIM0415E)",
        ),
        (Reply::json(403, json!({"errorMessage": "canary"})), ErrorKind::Unauthenticated, "login refused"),
        (Reply::json(404, json!({"canary": 1})), ErrorKind::Malformed, "auth.secretRef.iamEndpoint"),
        (Reply::json(503, json!({"canary": 1})), ErrorKind::Unavailable, "can't answer now"),
        (Reply::json(200, json!({"access_token": null, "canary": 1})), ErrorKind::Malformed, "without a token"),
        (Reply::text(200, "<html>canary"), ErrorKind::Malformed, "without a token"),
        (Reply::Close, ErrorKind::Unavailable, "auth.secretRef.iamEndpoint"),
        (granted("a\nb", 3600), ErrorKind::Malformed, "a character that a token can't have"),
    ];
    for (reply, kind, text) in cases {
        let shown = format!("{reply:?}");
        let stub = Stub::start(move |_| reply.clone()).await;
        let store = api_key(&stub.url()).open().await.unwrap();
        let error = store.read(&reference("team/arbitrary/one", None, None).read).await.unwrap_err();
        assert_eq!(error.kind(), kind, "{shown}: {error}");
        assert!(error.to_string().contains(text) && !error.to_string().contains("canary"), "{shown}: {error}");
        match (store.validate().await, kind) {
            (Validation::Failed(error), ErrorKind::Unauthenticated) => {
                assert!(
                    error.to_string().starts_with("invalid IBM credentials: cannot get a token of IBM IAM: "),
                    "{error}"
                );
            }
            (Validation::Unknown(Some(_)), ErrorKind::Unavailable | ErrorKind::Malformed) => {}
            (Validation::Ready, _) => assert!(text.contains("character"), "{shown}"),
            (other, _) => panic!("{shown}: {other:?}"),
        }
    }
}

#[tokio::test]
async fn each_type_is_read_by_id_and_by_name() {
    let secrets = vec![
        secret("arbitrary", "arb", json!({"payload": "p"})),
        secret("username_password", "up", json!({"username": "u", "password": "ü"})),
        secret("iam_credentials", "iam", json!({"api_key": "k"})),
        secret("service_credentials", "sc", json!({"credentials": {"apikey": "k"}})),
        secret("imported_cert", "ic", json!({"certificate": "C"})),
        secret("public_cert", "pc", json!({"certificate": "C", "intermediate": "I", "private_key": "K"})),
        secret("private_cert", "pr", json!({"certificate": "C", "private_key": "K", "ca_chain": ["A"]})),
        secret("kv", "kv", json!({"data": {"a": {"b": "c"}}})),
        secret("custom_credentials", "cc", json!({"credentials_content": {"a": "b"}})),
    ];
    let stub = Cloud::of(secrets, 3600).stub().await;
    let store = api_key(&stub.url()).open().await.unwrap();
    let cases: [(&str, &str, &str, &[&str]); 9] = [
        ("arbitrary/arb", "", "p", &["arbitrary=p"]),
        ("username_password/up", "password", "ü", &["password=ü", "username=u"]),
        ("iam_credentials/iam", "", "k", &["apikey=k"]),
        ("service_credentials/sc", "", r#"{"apikey":"k"}"#, &["credentials=map[apikey:k]"]),
        ("imported_cert/ic", "private_key", "", &["certificate=C", "intermediate=", "private_key="]),
        ("public_cert/pc", "intermediate", "I", &["certificate=C", "intermediate=I", "private_key=K"]),
        ("private_cert/pr", "private_key", "K", &["certificate=C", "private_key=K"]),
        ("kv/kv", "a.b", "c", &[r#"a={"b":"c"}"#]),
        ("custom_credentials/cc", "a", "b", &["a=b"]),
    ];
    for (key, property, want, all) in cases {
        let (kind, name) = key.split_once('/').unwrap();
        for key in [format!("team/{key}"), format!("{kind}/{}", id(name)), format!("team/{kind}/{}", id(name))] {
            assert_eq!(value(store.as_ref(), &reference(&key, None, Some(property))).await.unwrap(), want, "{key}");
            assert_eq!(map(store.as_ref(), &reference(&key, None, None)).await.unwrap(), all, "{key}");
        }
    }
    let mut fetch = reference("team/arbitrary/arb", None, None);
    fetch.read.metadata = true;
    let all = map(store.as_ref(), &fetch).await.unwrap();
    let want = [
        "arbitrary=p".to_owned(),
        "custom_metadata=map[k:v]".to_owned(),
        format!("id={}", id("arb")),
        "labels=[a b]".to_owned(),
        "name=arb".to_owned(),
        "payload=p".to_owned(),
        "secret_group_id=default".to_owned(),
        "secret_type=arbitrary".to_owned(),
        "versions_total=1".to_owned(),
    ];
    assert_eq!(all, want);
}

#[tokio::test]
async fn what_is_missing_refused_or_misspelt_is_told_apart() {
    let cloud = Cloud::of(one(), 3600);
    let stub = cloud.stub().await;
    let store = api_key(&stub.url()).open().await.unwrap();
    cloud.remove("one");
    let cases = [
        ("team/arbitrary/one".to_owned(), ErrorKind::NotFound, "Secret does not exist"),
        (id("one"), ErrorKind::NotFound, "Secret does not exist"),
        ("locked/arbitrary/one".to_owned(), ErrorKind::AccessDenied, "the role SecretsReader"),
        ("one".to_owned(), ErrorKind::Invalid, "secret group name is missing"),
        ("team/tls/one".to_owned(), ErrorKind::Invalid, "unknown secret type tls"),
        ("../arbitrary/one".to_owned(), ErrorKind::Invalid, "must not be empty, . or .."),
    ];
    for (key, kind, text) in cases {
        let error = store.read(&reference(&key, None, None).read).await.unwrap_err();
        assert_eq!(error.kind(), kind, "{key}: {error}");
        assert!(error.to_string().contains(text) && !error.to_string().contains("canary"), "{key}: {error}");
    }
    let error = found(store.as_ref(), json!({"name": {"regexp": ""}})).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert!(store.writer().is_none());
}

#[tokio::test]
async fn names_are_encoded() {
    let stub = Stub::start(|seen| match seen.path.as_str() {
        "/base/identity/token" => granted("iam-1", 3600),
        _ => Reply::json(200, json!({"secret_type": "arbitrary", "payload": "v"})),
    })
    .await;
    let store = api_key(&format!("{}/base", stub.url())).open().await.unwrap();
    value(store.as_ref(), &reference("my team/arbitrary/a?b#ü%2e", None, None)).await.unwrap();
    let want = "GET /base/api/v2/secret_groups/my%20team/secret_types/arbitrary/secrets/a%3Fb%23%C3%BC%252e";
    assert_eq!(stub.lines().last().unwrap(), want);
}

#[tokio::test(start_paused = true)]
async fn answers_that_pass_are_tried_again_as_the_store_says() {
    let settings = |max_retries, interval: Option<&str>| {
        Some(RetrySettings { max_retries, retry_interval: interval.map(str::to_owned) })
    };
    let cases = [
        (None, 503, 1, 0, None),
        (settings(None, None), 503, 4, 7, Some(47)),
        (settings(Some(5), Some("5s")), 503, 6, 17, Some(77)),
        (settings(Some(0), None), 503, 1, 0, None),
        (settings(None, None), 501, 1, 0, Some(47)),
        (settings(None, None), 429, 1, 0, Some(47)),
        (settings(None, None), 403, 1, 0, Some(47)),
    ];
    for (retry, status, tries, seconds, patience) in cases {
        let stub = Stub::start(move |seen| match seen.path.as_str() {
            "/identity/token" => granted("iam-1", 3600),
            _ => Reply::text(status, "").with("retry-after", "9"),
        })
        .await;
        let mut opening = api_key(&stub.url());
        opening.retry = retry;
        let store = opening.open().await.unwrap();
        let begun = tokio::time::Instant::now();
        let error = store.read(&reference(&id("one"), None, None).read).await.unwrap_err();
        assert_eq!((stub.lines().len() - 1, begun.elapsed().as_secs()), (tries, seconds), "{status}");
        assert_eq!(store.patience(), patience.map(Duration::from_secs));
        if status == 429 {
            assert_eq!(error.retry_when(), Retry::After(Duration::from_secs(9)));
        }
    }
}
