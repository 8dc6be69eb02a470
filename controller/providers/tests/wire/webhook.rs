//! The provider `webhook`: what it sends for reads and writes, whom it lets use its Secrets, and servers that misbehave.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use provider::{ErrorKind, Place, Push, Pushed, Removed, Source, Validation};
use secret::SecretBytes;
use serde_json::{Value, json};

use crate::support::{Lookup, Made, Opening, Reply, Seen, Stub, gzip_bomb, map, reference, value};

const LOGIN: [(&str, &str); 3] = [("login/label", "webhook"), ("login/user", "ada"), ("login/password", "pw-canary")];

/// A store with a Secret `auth`, at `url`, with more settings.
fn store(url: &str, settings: Value) -> Opening {
    let mut spec = json!({
        "url": format!("{url}/secret?id={{{{ .remoteRef.key }}}}"),
        "headers": {"Authorization": "Basic {{ print .auth.user \":\" .auth.password | b64enc }}"},
        "secrets": [{"name": "auth", "secretRef": {"name": "login", "namespace": "shop"}}],
    });
    spec.as_object_mut().unwrap().extend(settings.as_object().unwrap().clone());
    Opening::of(json!({"webhook": spec}), Lookup::of(&LOGIN))
}

fn place(key: &str) -> Place {
    Place { key: key.to_owned(), property: None }
}

fn push(secret_key: Option<&str>, key: &str) -> Push {
    let data = [("user", "ada"), ("password", "hunter2-canary")];
    let data = data.map(|(key, value)| (key.to_owned(), SecretBytes::from(value))).into();
    let source = Arc::new(Source { data, ..Source::default() });
    Push { source, secret_key: secret_key.map(str::to_owned), place: place(key), metadata: None }
}

#[tokio::test]
async fn a_read_sends_what_the_templates_say_and_takes_what_the_path_says() {
    let stub = Stub::start(|_| Reply::json(200, json!({"data": {"user": "ada", "port": 5432}}))).await;
    let settings = json!({
        "method": "POST",
        "body": "{\"key\": \"{{ .remoteRef.key }}\", \"ns\": \"{{ .remoteRef.namespace }}\"}",
        "result": {"jsonPath": "$.data{{ if .remoteRef.property }}.{{ .remoteRef.property }}{{ end }}"},
    });
    let opened = store(&stub.url(), settings).open().await.unwrap();
    assert_eq!(value(opened.as_ref(), &reference("team/db", None, Some("port"))).await.unwrap(), "5432");
    assert_eq!(map(opened.as_ref(), &reference("team/db", None, None)).await.unwrap(), ["port=5432", "user=ada"]);
    let error = value(opened.as_ref(), &reference("team/db", None, Some("none"))).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::BadProperty);
    assert_eq!(error.to_string(), "failed to get response path $.data.none: unknown key none");

    let seen = stub.seen().remove(0);
    assert_eq!(seen.line(), "POST /secret?id=team%2Fdb");
    // ada:pw-canary
    assert_eq!(seen.header("authorization"), Some("Basic YWRhOnB3LWNhbmFyeQ=="));
    assert_eq!(seen.json(), json!({"key": "team/db", "ns": "shop"}));
}

#[tokio::test]
async fn references_share_a_read_unless_their_property_is_part_of_the_request() {
    let stub = Stub::start(|seen: &Seen| Reply::text(200, seen.path.clone())).await;
    let cases = [
        (json!({}), 1),
        (json!({"result": {"jsonPath": "$.{{ .remoteRef.property }}"}}), 1),
        (json!({"url": format!("{}/{{{{ .remoteRef.property }}}}", stub.url())}), 2),
        (json!({"body": "{{ .remoteRef.property }}"}), 2),
        (json!({"headers": {"X": "{{ .remoteRef.property }}"}}), 2),
    ];
    for (settings, want) in cases {
        let opened = store(&stub.url(), settings.clone()).open().await.unwrap();
        let keys = ["a", "b"].map(|property| opened.read_key(&reference("k", None, Some(property))));
        assert_eq!(BTreeSet::from(keys).len(), want, "{settings}");
    }
    let settings = json!({"url": format!("{}/{{{{ .remoteRef.version }}}}/{{{{ .remoteRef.property }}}}", stub.url())});
    let opened = store(&stub.url(), settings).open().await.unwrap();
    assert_eq!(value(opened.as_ref(), &reference("k", Some("v1"), Some("a"))).await.unwrap(), "/v1/a");
}

#[tokio::test]
async fn answers_that_are_no_success_are_sorted() {
    let cases = [
        (404, ErrorKind::NotFound, "Secret does not exist"),
        (304, ErrorKind::Invalid, "endpoint gave error 304 Not Modified"),
        (401, ErrorKind::Unauthenticated, "endpoint gave error 401 Unauthorized"),
        (500, ErrorKind::Unavailable, "endpoint gave error 500 Internal Server Error"),
    ];
    for (status, kind, text) in cases {
        let stub = Stub::start(move |_| Reply::text(status, "canary")).await;
        let opened = store(&stub.url(), json!({})).open().await.unwrap();
        let error = value(opened.as_ref(), &reference("k", None, None)).await.unwrap_err();
        assert_eq!(error.kind(), kind);
        assert!(error.to_string().starts_with(text) && !error.to_string().contains("canary"), "{error}");
    }
}

#[tokio::test]
async fn servers_that_misbehave_are_borne() {
    let other = Stub::start(|_| Reply::text(200, "taken")).await;
    let elsewhere = format!("{}/taken", other.url());
    let replies = [
        (
            Reply::text(302, "").with("location", elsewhere),
            ErrorKind::Unavailable,
            "the answer is a redirect to another host, which is not followed; check spec.provider.webhook.url",
        ),
        (Reply::CutOff { claimed: 9, body: b"canary".to_vec() }, ErrorKind::Malformed, "the answer broke off"),
        (
            Reply::Answer {
                status: 200,
                headers: vec![("content-encoding", "gzip".to_owned())],
                body: gzip_bomb(64 << 20),
            },
            ErrorKind::Malformed,
            "the answer is larger than 8 MiB",
        ),
        (Reply::Close, ErrorKind::Unavailable, "the connection was closed before an answer"),
        (
            Reply::Hang,
            ErrorKind::Timeout,
            "no answer within 200ms; check spec.provider.webhook.url, spec.provider.webhook.timeout",
        ),
    ];
    for (reply, kind, text) in replies {
        let shown = format!("{reply:?}").chars().take(80).collect::<String>();
        let stub = Stub::start(move |_| reply.clone()).await;
        let opened = store(&stub.url(), json!({"timeout": "200ms"})).open().await.unwrap();
        assert_eq!(opened.patience(), Some(Duration::from_millis(200)));
        let error = value(opened.as_ref(), &reference("k", None, None)).await.unwrap_err();
        assert_eq!(error.kind(), kind, "{shown}: {error}");
        assert!(error.to_string().starts_with("failed to call endpoint: "), "{error}");
        assert!(error.to_string().contains(text) && !error.to_string().contains("canary"), "{shown}: {error}");
    }
    assert!(other.lines().is_empty());
}

#[tokio::test]
async fn a_secret_is_used_only_with_its_label_and_from_a_cluster_store_with_its_namespace() {
    let secret = |secret: Value| json!({"secrets": [{"name": "auth", "secretRef": secret}]});
    let named = json!({"name": "login", "namespace": "shop"});
    let cases = [
        (false, secret(json!({"name": "login"})), &LOGIN[..], None),
        (true, secret(named.clone()), &LOGIN[..], None),
        (
            true,
            secret(json!({"name": "login"})),
            &LOGIN[..],
            Some("no namespace on ClusterScoped webhook secret login"),
        ),
        (false, secret(named.clone()), &[], Some("cannot get Kubernetes secret \"login\"")),
        (false, secret(named), &[("login/label", "other")], Some("secret type is not 'webhook'")),
    ];
    for (cluster, settings, secrets, want) in cases {
        let mut opening = store("http://h", settings);
        opening.lookup =
            Arc::new(Lookup { secrets: Lookup::of(secrets).secrets.clone(), cluster, ..Lookup::default() });
        match (opening.open().await.map(drop), want) {
            (Ok(()), None) => {}
            (Err(error), Some(text)) => {
                let text = format!("spec.provider.webhook.secrets[auth]: {text}");
                assert!(error.to_string().starts_with(&text), "{error}");
                assert_eq!(error.kind(), ErrorKind::Invalid);
            }
            (got, want) => panic!("{got:?}, not {want:?}"),
        }
    }
}

#[tokio::test]
async fn validation_connects_to_the_host_unless_that_is_a_template() {
    let stub = Stub::start(|_| Reply::text(200, "")).await;
    let settings = |url: String| json!({"url": url});
    let verdict = async |settings: Value, proxy: Option<&str>| {
        let mut opening = store(&stub.url(), settings);
        opening.environment.proxy.http = proxy.map(str::to_owned);
        opening.open().await.unwrap().validate().await
    };
    assert_eq!(verdict(json!({}), None).await, Validation::Ready);
    let refused = settings("http://127.0.0.1:1/{{ .remoteRef.key }}".to_owned());
    assert_eq!(verdict(refused.clone(), Some("http://127.0.0.1:9")).await, Validation::Unknown(None));
    let templated = settings("http://{{ .auth.user }}.invalid/".to_owned());
    assert_eq!(verdict(templated, None).await, Validation::Unknown(None));
    match verdict(refused, None).await {
        Validation::Failed(error) => assert_eq!(
            (error.kind(), error.to_string().as_str()),
            (
                ErrorKind::Unavailable,
                "error accessing external store: cannot reach http://127.0.0.1:1: connection refused; \
                 check spec.provider.webhook.url"
            )
        ),
        other => panic!("{other:?}"),
    }
    // Not a single request.
    assert!(stub.lines().is_empty());
}

#[tokio::test]
async fn a_host_that_is_made_of_a_secret_is_not_shown() {
    let settings = json!({"url": "http://{{ .auth.password }}.invalid/", "timeout": "5s"});
    let opened = store("http://h", settings).open().await.unwrap();
    let error = value(opened.as_ref(), &reference("k", None, None)).await.unwrap_err().to_string();
    assert!(error.contains("cannot reach the host that spec.provider.webhook.url names: "), "{error}");
    assert!(!error.contains("canary"), "{error}");
}

#[tokio::test]
async fn pushes_deletions_and_looks_send_what_the_templates_say() {
    let stub = Stub::start(|_| Reply::text(200, "")).await;
    let url = format!("{}/s/{{{{ .remoteRef.remoteKey }}}}", stub.url());
    let body = "{\"v\": {{ index .remoteRef .remoteRef.remoteKey | toJson }}}";
    let calls = Made::default();

    let opened = store(&stub.url(), json!({"url": url})).open().await.unwrap();
    let write = opened.writer().unwrap();
    assert_eq!(write.push(&push(Some("password"), "a/b"), &calls).await.unwrap(), Pushed::Written);
    assert_eq!(write.push(&push(None, "a/b"), &calls).await.unwrap(), Pushed::Written);
    assert_eq!(write.delete(&place("a/b"), &calls).await.unwrap(), Removed::Deleted);
    assert!(write.exists(&place("a/b"), &calls).await.unwrap());

    let opened = store(&stub.url(), json!({"url": url, "method": "PUT", "body": body})).open().await.unwrap();
    let write = opened.writer().unwrap();
    write.push(&push(Some("password"), "k"), &calls).await.unwrap();
    write.delete(&place("k"), &calls).await.unwrap();
    write.exists(&place("k"), &calls).await.unwrap();

    let seen: Vec<(String, String)> = stub.seen().into_iter().map(|seen| (seen.line(), seen.body)).collect();
    let want = [
        ("POST /s/a%2Fb", "hunter2-canary"),
        ("POST /s/a%2Fb", r#"{"password":"hunter2-canary","user":"ada"}"#),
        ("DELETE /s/a%2Fb", ""),
        ("GET /s/a%2Fb", ""),
        ("PUT /s/k", r#"{"v": "hunter2-canary"}"#),
        ("DELETE /s/k", ""),
        ("GET /s/k", ""),
    ];
    assert_eq!(seen, want.map(|(line, body)| (line.to_owned(), body.to_owned())));
    let logged_in = |seen: &Seen| seen.header("authorization") == Some("Basic YWRhOnB3LWNhbmFyeQ==");
    assert!(stub.seen().iter().all(logged_in), "each with its credentials");
    assert_eq!(calls.0.lock().unwrap().get("HTTPRequest"), Some(&7));
}

#[tokio::test]
async fn what_is_not_there_is_no_error_of_a_deletion_and_one_of_a_push() {
    let stub = Stub::start(|seen: &Seen| {
        let status = seen.path.rsplit('=').next().and_then(|status| status.parse().ok());
        Reply::text(status.unwrap_or(200), "canary")
    })
    .await;
    let url = format!("{}/s?status={{{{ .remoteRef.remoteKey }}}}", stub.url());
    let opened = store(&stub.url(), json!({"url": url})).open().await.unwrap();
    let (write, calls) = (opened.writer().unwrap(), Made::default());
    let pushed = async |key: &str| write.push(&push(None, key), &calls).await.map_err(|e| (e.kind(), e.to_string()));
    let deleted = async |key: &str| write.delete(&place(key), &calls).await.map_err(|e| (e.kind(), e.to_string()));
    let exists = async |key: &str| write.exists(&place(key), &calls).await.map_err(|e| (e.kind(), e.to_string()));

    assert_eq!(deleted("404").await, Ok(Removed::Absent));
    assert_eq!(exists("404").await, Ok(false));
    let failures = [
        pushed("404").await.map(drop),
        pushed("500").await.map(drop),
        deleted("500").await.map(drop),
        exists("500").await.map(drop),
        pushed("").await.map(drop),
        pushed("remoteKey").await.map(drop),
    ];
    let want = [
        (
            ErrorKind::Invalid,
            "failed to push webhook data: endpoint gave error 404 Not Found; check spec.provider.webhook.url and spec.provider.webhook.method",
        ),
        (ErrorKind::Unavailable, "failed to push webhook data: endpoint gave error 500 Internal Server Error"),
        (ErrorKind::Unavailable, "failed to delete secret: endpoint gave error 500 Internal Server Error"),
        (ErrorKind::Unavailable, "endpoint gave error 500 Internal Server Error"),
        (ErrorKind::Invalid, "remote key must be defined"),
        (
            ErrorKind::Invalid,
            "the remote key remoteKey can't be pushed here: the store's templates use .remoteRef.remoteKey for something else; choose another remoteKey",
        ),
    ];
    assert_eq!(failures, want.map(|(kind, text)| Err((kind, text.to_owned()))));
}

#[tokio::test]
async fn a_key_that_the_source_lacks_is_named_and_nothing_is_sent() {
    let stub = Stub::start(|_| Reply::text(200, "")).await;
    let opened = store(&stub.url(), json!({"url": stub.url()})).open().await.unwrap();
    let error = opened.writer().unwrap().push(&push(Some("none"), "k"), &Made::default()).await.unwrap_err();
    assert_eq!(error.to_string(), "failed to find secret key in secret with key: none");
    assert!(stub.lines().is_empty());
}
