//! No secret value, token or password in any log, at any level, of any crate: HTTP, TLS and AWS's SDK included.

use std::io;
use std::sync::{Arc, Mutex, OnceLock};

use provider::{Place, Push, Pushed, Source};
use secret::SecretBytes;
use serde_json::json;
use tracing::Level;

use super::ntlm::{ADA, both};
use super::onepassword;
use super::push::{nothing, one, target};
use crate::support::backends::Backend;
use crate::support::crd::widget;
use crate::support::gcp::{everywhere, key_file, quiet_key, refused};
use crate::support::ntlm::Manner;
use crate::support::onepassword::Connect;
use crate::support::{Lookup, Made, Opening, Reply, Seen, Stub, found, reference};

#[derive(Clone, Default)]
struct Buffer(Arc<Mutex<Vec<u8>>>);

impl io::Write for Buffer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Buffer {
    fn text(&self) -> String {
        String::from_utf8_lossy(&self.0.lock().unwrap()).into_owned()
    }
}

/// Collects what the process logs, other tests included: their secrets are not these.
fn listen() -> Buffer {
    static BUFFER: OnceLock<Buffer> = OnceLock::new();
    let start = || {
        let buffer = Buffer::default();
        let writer = buffer.clone();
        let subscriber = tracing_subscriber::fmt().with_max_level(Level::TRACE).with_ansi(false);
        let subscriber = subscriber.with_writer(move || writer.clone()).finish();
        tracing::subscriber::set_global_default(subscriber).unwrap();
        buffer
    };
    BUFFER.get_or_init(start).clone()
}

/// A Google that holds a value.
fn google(seen: &Seen) -> Reply {
    match seen.path.as_str() {
        path if path.starts_with("/v1/projects/p/secrets?") => {
            Reply::json(200, json!({"secrets": [{"name": "projects/1/secrets/app"}]}))
        }
        _ => Reply::json(200, json!({"payload": {"data": "bGVha2VkLXZhbHVl"}})),
    }
}

/// A vault with an item `app` of one field and one file, whoever asks.
fn one_password(path: &str) -> Reply {
    let file = json!({"id": "f", "name": "v", "size": 12});
    let item = json!({"id": "i", "title": "app", "fields": [{"label": "v", "value": "leaked-value"}], "files": [file]});
    match path.rsplit('/').next() {
        Some("i") => Reply::json(200, item),
        Some("content") => Reply::text(200, "leaked-value"),
        _ => Reply::json(200, json!([{"id": "i", "title": "app", "name": "main"}])),
    }
}

#[tokio::test]
async fn reads_leave_no_value_and_no_credential_in_the_trace() {
    let buffer = listen();
    for backend in Backend::NETWORKED {
        let stub = Stub::start(move |seen| {
            if let Some(granted) = backend.login(seen) {
                return granted;
            }
            if backend == Backend::GcpSm {
                return google(seen);
            }
            if backend == Backend::Crd {
                return Reply::json(200, widget("remote", "app", json!({"v": "leaked-value"})));
            }
            let vault = json!({"data": {"v": "leaked-value"}});
            match (seen.path.as_str(), seen.header("x-amz-target").is_some()) {
                ("/v1/kv/app", _) => Reply::json(200, vault),
                ("/v1/kv/data/app", _) => Reply::json(200, json!({"data": vault})),
                ("/secrets/app?api-version=7.6", _) => Reply::json(200, json!({"value": "leaked-value"})),
                (path, _) if path.starts_with("/v1/vaults") => one_password(path),
                (_, true) => Reply::json(
                    200,
                    json!({"Name": "app", "SecretString": "leaked-value", "Parameter": {"Value": "leaked-value"}}),
                ),
                ("/v2/describe-item", _) => Reply::json(200, json!({"item_name": "app", "item_type": "STATIC_SECRET"})),
                ("/v2/get-secret-value", _) => Reply::json(200, json!({"app": "leaked-value"})),
                _ if backend == Backend::Ibm => {
                    Reply::json(200, json!({"secret_type": "kv", "data": {"v": "leaked-value"}}))
                }
                // "leaked-value" in base64
                _ => Reply::json(200, json!({"kind": "Secret", "metadata": {}, "data": {"v": "bGVha2VkLXZhbHVl"}})),
            }
        })
        .await;
        let mut opening = backend.opening(&stub.url());
        opening.lookup = Lookup::of(&[
            ("creds/token", "leaked-token"),
            ("creds/id", "AKID"),
            ("creds/key", "leaked-key"),
            ("creds/google", &quiet_key(&stub.url(), "leaked-token")),
            ("creds/type", "api_key"),
        ]);
        let store = opening.open().await.unwrap();
        let payload = store.read(&reference(&backend.key("app"), None, None).read).await.unwrap();
        assert!(!format!("{payload:?}").contains("leaked"));
        store.close().await;
    }
    let text = buffer.text();
    assert!(text.len() > 1000, "nothing was logged: {text}");
    for secret in ["leaked", "bGVha2VkLXZhbHVl"] {
        let line = text.lines().find(|line| line.contains(secret));
        assert_eq!(line, None);
    }
}

/// Nothing is there yet, and whatever is written is taken.
fn takes_anything(seen: &Seen) -> Reply {
    match (seen.method.as_str(), target(seen)) {
        ("GET", _) | (_, "DescribeSecret" | "GetSecretValue" | "GetParameter") => nothing(seen),
        _ => {
            let version = if seen.path.ends_with(":addVersion") { "/versions/1" } else { "" };
            Reply::json(
                200,
                json!({"kind": "Other", "data": {"version": 1}, "ARN": "arn:app", "Name": "app", "Version": 1,
                    "name": format!("projects/1/secrets/app{version}")}),
            )
        }
    }
}

#[tokio::test]
async fn pushes_leave_no_value_in_the_trace() {
    let buffer = listen();
    for backend in Backend::pushed() {
        let stub = Stub::start(takes_anything).await;
        let store = backend.opening(&stub.url()).open().await.unwrap();
        let push = one(r#"{"v":"leaked-value"}"#, "app", (backend == Backend::Kubernetes).then_some("p"));
        assert!(!format!("{push:?}").contains("leaked"));
        let pushed = store.writer().unwrap().push(&push, &Made::default()).await;
        // To these that answer is no Secret and no item: a failed push must not leak either.
        let fails = matches!(backend, Backend::Kubernetes | Backend::OnePassword);
        assert_eq!(pushed.is_ok(), !fails, "{backend:?}: {pushed:?}");
        assert!(stub.seen().iter().any(|seen| seen.method != "GET"), "{backend:?}");
    }
    let text = buffer.text();
    assert!(text.len() > 1000, "nothing was logged: {text}");
    // As it is, and in base64 wherever it begins.
    for secret in ["leaked", "bGVha2Vk", "xlYWtlZC", "ZWFrZWQtd"] {
        assert_eq!(text.lines().find(|line| line.contains(secret)), None);
    }
}

#[tokio::test]
async fn finds_leave_no_value_in_the_trace() {
    let buffer = listen();
    for backend in Backend::NETWORKED.into_iter().filter(|backend| backend.finds()) {
        let stub = Stub::start(move |seen| {
            if let Some(granted) = backend.login(seen) {
                return granted;
            }
            if backend == Backend::GcpSm {
                return google(seen);
            }
            if backend == Backend::Crd {
                let items = [widget("remote", "app", json!({"v": "leaked-value"}))];
                return Reply::json(200, json!({"apiVersion": "example.io/v1", "kind": "WidgetList", "items": items}));
            }
            let value = || json!({"Name": "app", "SecretString": "leaked-value", "Value": "leaked-value"});
            let vault = json!({"data": {"v": "leaked-value"}});
            let secret = json!({"metadata": {"name": "app"}, "data": {"v": "bGVha2VkLXZhbHVl"}});
            match (seen.path.as_str(), seen.header("x-amz-target").is_some()) {
                ("/v1/kv?list=true" | "/v1/kv/metadata?list=true", _) => {
                    Reply::json(200, json!({"data": {"keys": ["app"]}}))
                }
                ("/v2/list-items", _) => {
                    Reply::json(200, json!({"items": [{"item_name": "/app", "item_type": "STATIC_SECRET"}]}))
                }
                ("/v2/get-secret-value", _) => Reply::json(200, json!({"/app": "leaked-value"})),
                ("/v1/kv/app", _) => Reply::json(200, vault),
                ("/v1/kv/data/app", _) => Reply::json(200, json!({"data": vault})),
                ("/secrets?api-version=7.6", _) => Reply::json(200, json!({"value": [{"id": "http://v/secrets/app"}]})),
                ("/secrets/app?api-version=7.6", _) => Reply::json(200, json!({"value": "leaked-value"})),
                (path, _) if path.starts_with("/v1/vaults") => one_password(path),
                (_, true) => Reply::json(200, json!({"SecretValues": [value()], "Parameters": [value()]})),
                _ => Reply::json(200, json!({"kind": "SecretList", "metadata": {}, "items": [secret]})),
            }
        })
        .await;
        let store = backend.opening(&stub.url()).open().await.unwrap();
        let got = found(
            store.as_ref(),
            json!({"name": {"regexp": ""}, "path": if backend == Backend::Aws { Some("a") } else { None }}),
        );
        assert_eq!(got.await.unwrap().len(), 1, "{backend:?}");
    }
    let text = buffer.text();
    assert!(text.len() > 1000, "nothing was logged: {text}");
    for secret in ["leaked", "bGVha2VkLXZhbHVl"] {
        assert_eq!(text.lines().find(|line| line.contains(secret)), None);
    }
}

#[tokio::test]
async fn pushes_to_1password_leave_no_value_in_the_trace() {
    let buffer = listen();
    let connect = Connect::with(&[("main", vec![])]);
    let stub = Stub::start(connect.handler()).await;
    let store = Backend::OnePassword.opening(&stub.url()).open().await.unwrap();
    for (value, property) in [("leaked-one", None), ("leaked-two", None), ("leaked-three", Some("p"))] {
        let push = onepassword::one(value.as_bytes(), "app", property, None);
        assert!(!format!("{push:?}").contains("leaked"));
        store.writer().unwrap().push(&push, &Made::default()).await.unwrap();
    }
    store.writer().unwrap().delete(&onepassword::place("app", None), &Made::default()).await.unwrap();
    assert_eq!(connect.items()[0]["fields"][0]["value"], "leaked-three");
    let text = buffer.text();
    assert!(text.len() > 1000, "nothing was logged: {text}");
    assert_eq!(text.lines().find(|line| line.contains("leaked")), None);
}

#[tokio::test]
async fn logins_leave_no_credential_in_the_trace() {
    let buffer = listen();
    let stub = Stub::start(|seen| match seen.path.as_str() {
        "/v1/auth/approle/login" => {
            Reply::json(200, json!({"auth": {"client_token": "leaked-token", "lease_duration": 9}}))
        }
        _ => Reply::json(200, json!({"data": {"data": {"v": "leaked-value"}}})),
    })
    .await;
    let spec = json!({"vault": {"server": stub.url(), "path": "kv", "auth": {"appRole": {
        "path": "approle", "roleId": "role", "secretRef": {"name": "creds", "key": "secret"}}}}});
    let store = Opening::of(spec, Lookup::of(&[("creds/secret", "leaked-secret-id")])).open().await.unwrap();
    store.read(&reference("app", None, None).read).await.unwrap();
    store.close().await;
    let text = buffer.text();
    assert!(text.len() > 500, "nothing was logged: {text}");
    assert_eq!(text.lines().find(|line| line.contains("leaked")), None);
}

#[tokio::test]
async fn vault_logins_by_google_leave_no_credential_in_the_trace() {
    let buffer = listen();
    let stub = Stub::start(|seen| match seen.path.as_str() {
        "/token" => Reply::json(200, json!({"access_token": "leaked-access-token", "expires_in": 3600})),
        path if path.ends_with(":signJwt") => Reply::json(200, json!({"signedJwt": "leaked-jwt"})),
        path if path.contains("/identity?") => Reply::text(200, "leaked-jwt"),
        path if path.ends_with("/login") => Reply::json(200, json!({"auth": {"client_token": "leaked-token"}})),
        _ => Reply::json(200, json!({"data": {"data": {"v": "leaked-value"}}})),
    })
    .await;
    let secret = json!({"secretAccessKeySecretRef": {"name": "creds", "key": "google"}});
    for identity in [json!({"role": "r", "secretRef": secret}), json!({"role": "r"})] {
        let spec = json!({"vault": {"server": stub.url(), "path": "kv", "auth": {"gcp": identity}}});
        let mut opening = Opening::of(spec, Lookup::of(&[("creds/google", &key_file(&stub.url()))]));
        opening.environment.gcp = everywhere(&stub.url());
        let store = opening.open().await.unwrap();
        store.read(&reference("app", None, None).read).await.unwrap();
        store.close().await;
    }
    let text = buffer.text();
    assert!(text.len() > 500, "nothing was logged: {text}");
    assert_eq!(text.lines().find(|line| line.contains("leaked") || line.contains("PRIVATE KEY")), None);
}

#[tokio::test]
async fn templated_requests_leave_no_value_in_the_trace() {
    let buffer = listen();
    let stub = Stub::start(|_| Reply::text(200, "leaked-value")).await;
    let spec = json!({"webhook": {
        "url": format!("{}/{{{{ .remoteRef.key }}}}", stub.url()),
        "headers": {"X-Key": "{{ .auth.token }}"},
        "body": "{{ .auth.token }}",
        "secrets": [{"name": "auth", "secretRef": {"name": "login"}}],
    }});
    let lookup = Lookup::of(&[("login/label", "webhook"), ("login/token", "leaked-token")]);
    let store = Opening::of(spec, lookup).open().await.unwrap();
    let payload = store.read(&reference("app", None, None).read).await.unwrap();
    assert!(!format!("{payload:?}").contains("leaked"));
    assert_eq!(stub.seen()[0].header("x-key"), Some("leaked-token"));
    let text = buffer.text();
    assert!(text.len() > 500, "nothing was logged: {text}");
    assert_eq!(text.lines().find(|line| line.contains("leaked")), None);
}

#[tokio::test]
async fn azures_logins_and_pushes_leave_no_credential_and_no_value_in_the_trace() {
    let buffer = listen();
    let stub = Stub::start(|seen| match seen.method.as_str() {
        "GET" => Reply::json(404, json!({"error": {"code": "SecretNotFound", "message": "leaked-message"}})),
        "POST" => Reply::json(200, json!({"access_token": "leaked-access-token", "expires_in": 3600})),
        _ => Reply::json(200, json!({"value": "leaked-value"})),
    })
    .await;
    let certificate = include_str!("../../testdata/azurekv/client.pem");
    let secrets = [("creds/id", "app"), ("creds/secret", "leaked-secret"), ("creds/pem", certificate)];
    for proof in ["clientSecret", "clientCertificate"] {
        let key = if proof == "clientSecret" { "secret" } else { "pem" };
        let spec = json!({"azurekv": {"vaultUrl": stub.url(), "tenantId": "t", "useAzureSDK": true,
            "customCloudConfig": {"activeDirectoryEndpoint": stub.url()},
            "authSecretRef": {"clientId": {"name": "creds", "key": "id"}, proof: {"name": "creds", "key": key}}}});
        let store = Opening::of(spec, Lookup::of(&secrets)).open().await.unwrap();
        let data = [("k".to_owned(), "leaked-value".into())].into();
        let push = Push {
            source: Arc::new(Source { data, ..Source::default() }),
            secret_key: None,
            place: Place { key: "app".to_owned(), property: None },
            metadata: None,
        };
        assert!(store.writer().unwrap().push(&push, &Made::default()).await.is_ok());
        store.close().await;
    }
    let mut assertions =
        stub.seen().into_iter().filter_map(|seen| Some(seen.body.split_once("client_assertion=")?.1.to_owned()));
    let signature = assertions.next_back().unwrap().split(['&', '.']).nth(2).unwrap().to_owned();
    let text = buffer.text();
    assert!(text.len() > 500, "nothing was logged: {text}");
    for secret in ["leaked", &signature, "bGVha2Vk"] {
        assert_eq!(text.lines().find(|line| line.contains(secret)), None);
    }
}

#[tokio::test]
async fn federated_logins_and_pushes_to_google_leave_no_secret_in_the_trace() {
    let buffer = listen();
    let stub = Stub::start(|seen| match (seen.method.as_str(), seen.path.as_str()) {
        ("POST", "/v1/token") => Reply::json(200, json!({"access_token": "leaked-token", "expires_in": 3600})),
        ("POST", path) if path.ends_with(":generateAccessToken") => {
            Reply::json(200, json!({"accessToken": "leaked-token-2"}))
        }
        ("POST", path) if path.ends_with(":addVersion") => {
            Reply::json(200, json!({"name": "projects/1/secrets/app/versions/1"}))
        }
        ("POST", _) => Reply::json(200, json!({"name": "projects/1/secrets/app"})),
        _ => refused(404, "NOT_FOUND", "Secret [projects/1/secrets/app] not found."),
    })
    .await;
    let aws = json!({"region": "eu-west-1", "awsCredentialsSecretRef": {"name": "aws"}});
    let spec = json!({"gcpsm": {"projectID": "p", "auth": {"workloadIdentityFederation": {"audience": "a",
        "gcpServiceAccountEmail": "sa@p.iam.gserviceaccount.com", "awsSecurityCredentials": aws}}}});
    let lookup = Lookup::of(&[
        ("aws/aws_access_key_id", "AKID"),
        ("aws/aws_secret_access_key", "leaked-key"),
        ("aws/aws_session_token", "leaked-session"),
    ]);
    let mut opening = Opening::of(spec, lookup);
    opening.environment.gcp.secret_manager_endpoint = Some(stub.url());
    opening.environment.gcp.sts_endpoint = Some(stub.url());
    opening.environment.gcp.iam_credentials_endpoint = Some(stub.url());
    let store = opening.open().await.unwrap();
    let source = Arc::new(Source { data: [("k".to_owned(), "leaked-value".into())].into(), ..Source::default() });
    let place = Place { key: "app".to_owned(), property: None };
    let push = Push { source, secret_key: None, place, metadata: None };
    assert_eq!(store.writer().unwrap().push(&push, &Made::default()).await.unwrap(), Pushed::Written);
    let text = buffer.text();
    assert!(text.len() > 500, "nothing was logged: {text}");
    // As it is, and in base64 wherever it begins.
    for secret in ["leaked", "bGVha2Vk", "xlYWtlZC", "ZWFrZWQtd"] {
        assert_eq!(text.lines().find(|line| line.contains(secret)), None);
    }
}

#[tokio::test]
async fn akeyless_logins_by_clouds_leave_no_token_in_the_trace() {
    let buffer = listen();
    let stub = Stub::start(|seen| match seen.path.as_str() {
        path if path.contains("/identity/oauth2/") => Reply::json(200, json!({"access_token": "leaked-token"})),
        path if path.contains("/default/identity?") => Reply::text(200, "leaked-token"),
        "/v2/auth" => Reply::json(200, json!({"token": "leaked-t"})),
        "/v2/describe-item" => Reply::json(200, json!({"item_name": "/app", "item_type": "STATIC_SECRET"})),
        _ => Reply::json(200, json!({"/app": "leaked-value"})),
    })
    .await;
    for kind in ["gcp", "azure_ad"] {
        let secret = |key: &str| json!({"name": "creds", "key": key});
        let auth = json!({"secretRef": {"accessID": secret("id"), "accessType": secret("type")}});
        let url = format!("{}/v2", stub.url());
        let spec = json!({"akeyless": {"akeylessGWApiURL": url, "authSecretRef": auth}});
        let mut opening = Opening::of(spec, Lookup::of(&[("creds/id", "p-1"), ("creds/type", kind)]));
        opening.environment.gcp = everywhere(&stub.url());
        opening.environment.azure.metadata_host = Some(stub.url());
        let store = opening.open().await.unwrap();
        store.read(&reference("/app", None, None).read).await.unwrap();
    }
    let text = buffer.text();
    assert!(text.len() > 500, "nothing was logged: {text}");
    // As it is, and in base64.
    for secret in ["leaked", "bGVha2Vk"] {
        assert_eq!(text.lines().find(|line| line.contains(secret)), None);
    }
}

#[tokio::test]
async fn pushes_to_akeyless_leave_no_value_in_the_trace() {
    let buffer = listen();
    let stub = crate::support::akeyless::Account::of(Vec::new()).stub().await;
    let store = Backend::Akeyless.opening(&stub.url()).open().await.unwrap();
    let writer = store.writer().unwrap();
    let place = Place { key: "/app".to_owned(), property: Some("p".to_owned()) };
    for value in ["leaked-one", "leaked-two"] {
        let data = [("k".to_owned(), SecretBytes::from(value))].into_iter().collect();
        let source = Arc::new(Source { data, ..Source::default() });
        let push = Push { source, secret_key: Some("k".to_owned()), place: place.clone(), metadata: None };
        assert_eq!(writer.push(&push, &Made::default()).await.unwrap(), Pushed::Written);
    }
    writer.delete(&place, &Made::default()).await.unwrap();
    let text = buffer.text();
    assert!(text.len() > 1000, "nothing was logged: {text}");
    assert_eq!(text.lines().find(|line| line.contains("leaked")), None);
}

#[tokio::test]
async fn ntlm_logins_leave_no_password_and_no_proof_of_it_in_the_trace() {
    let buffer = listen();
    let (server, opening) = both(Manner::GOOD, "CORP\\ada", ADA[2], json!({})).await;
    let store = opening.open().await.unwrap();
    store.read(&reference("k", None, None).read).await.unwrap();
    assert_eq!(server.handshakes().last(), Some(&(0, 3)));
    let text = buffer.text();
    assert!(text.len() > 1000, "nothing was logged: {text}");
    // The password, and how a third message of NTLM begins in base64.
    for secret in ["leaked", "TlRMTVNTUAADAAAA"] {
        assert_eq!(text.lines().find(|line| line.contains(secret)), None);
    }
}
