//! No secret value, token or password in any log, at any level, of any crate: HTTP, TLS and AWS's SDK included.

use std::io;
use std::sync::{Arc, Mutex, OnceLock};

use provider::{Place, Push, Pushed, Source};
use secret::SecretBytes;
use serde_json::json;
use tracing::Level;

use crate::support::backends::Backend;
use crate::support::{Lookup, Made, Opening, Reply, Stub, found, reference};

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

#[tokio::test]
async fn reads_leave_no_value_and_no_credential_in_the_trace() {
    let buffer = listen();
    for backend in Backend::NETWORKED {
        let stub = Stub::start(move |seen| {
            if let Some(granted) = backend.login(seen) {
                return granted;
            }
            let vault = json!({"data": {"v": "leaked-value"}});
            match (seen.path.as_str(), seen.header("x-amz-target").is_some()) {
                ("/v1/kv/app", _) => Reply::json(200, vault),
                ("/v1/kv/data/app", _) => Reply::json(200, json!({"data": vault})),
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

#[tokio::test]
async fn finds_leave_no_value_in_the_trace() {
    let buffer = listen();
    for backend in Backend::NETWORKED.into_iter().filter(|backend| backend.finds()) {
        let stub = Stub::start(move |seen| {
            if let Some(granted) = backend.login(seen) {
                return granted;
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
