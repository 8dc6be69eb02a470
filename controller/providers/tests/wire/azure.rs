//! Azure Key Vault on the wire: logins, their renewal, the challenge, object kinds, finds and pushes.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use provider::{Error, ErrorKind, Place, Provider, Push, Pushed, Removed, Retry, Source, Validation};
use providers::AzureEnvironment;
use secret::SecretBytes;
use serde_json::{Value, json};

use crate::support::azure::{KeyVault, error, fields};
use crate::support::{Lookup, Made, Opening, Reply, Seen, Stub, found, map, reference, value, wished};

const CLIENT_PEM: &str = include_str!("../../testdata/azurekv/client.pem");
const EC_PEM: &str = include_str!("../../testdata/azurekv/ec.pem");
const TOKEN: &str = "POST /tenant/oauth2/v2.0/token";
const APP: &str = "GET /secrets/app?api-version=7.6";

fn patched(mut spec: Value, patch: Value) -> Value {
    spec.as_object_mut().unwrap().extend(patch.as_object().unwrap().clone());
    json!({"azurekv": spec})
}

fn secret(key: &str) -> Value {
    json!({"name": "creds", "key": key})
}

/// A store that logs in with a client secret.
fn principal(stub: &Stub, patch: Value) -> Opening {
    let spec = json!({"vaultUrl": stub.url(), "tenantId": "tenant", "useAzureSDK": true,
        "customCloudConfig": {"activeDirectoryEndpoint": stub.url()},
        "authSecretRef": {"clientId": secret("id"), "clientSecret": secret("secret")}});
    let lookup = Lookup::of(&[("creds/id", "app-id\n"), ("creds/secret", "s3cret +&\n"), ("creds/pem", CLIENT_PEM)]);
    Opening::of(patched(spec, patch), lookup)
}

/// A store as the reference's older client has it, which logs in as a managed identity.
fn legacy(stub: &Stub, patch: Value) -> Opening {
    let mut opening =
        Opening::of(patched(json!({"vaultUrl": stub.url(), "authType": "ManagedIdentity"}), patch), Lookup::of(&[]));
    opening.environment.azure.metadata_host = Some(stub.url());
    opening
}

/// A vault with a secret `app`.
fn vault() -> KeyVault {
    let vault = KeyVault::new();
    vault.put("secrets/app", json!({"value": "v"}));
    vault
}

async fn app(store: &dyn Provider) -> Result<String, Error> {
    value(store, &reference("app", None, None)).await
}

fn logins(stub: &Stub) -> Vec<Seen> {
    stub.seen().into_iter().filter(|seen| seen.path.contains("/token")).collect()
}

#[tokio::test]
async fn one_login_serves_many_reads_and_ends_with_the_store() {
    let stub = vault().stub().await;
    let store = principal(&stub, json!({})).open().await.unwrap();
    assert!(stub.lines().is_empty(), "a store that nobody uses doesn't log in");
    assert_eq!(store.validate().await, Validation::Ready);
    let reads = (0..20).map(|_| app(store.as_ref()));
    assert!(futures::future::join_all(reads).await.into_iter().all(|v| v.unwrap() == "v"));
    let lines = stub.lines();
    assert_eq!((lines.len(), lines[0].as_str()), (21, TOKEN));
    assert!(lines[1..].iter().all(|line| line == APP), "{lines:?}");
    store.close().await;
    app(store.as_ref()).await.unwrap();
    assert_eq!(logins(&stub).len(), 2);
}

#[tokio::test]
async fn a_certificate_signs_the_login() {
    let stub = vault().stub().await;
    let refs = json!({"authSecretRef": {"clientId": secret("id"), "clientCertificate": secret("pem")}});
    let store = principal(&stub, refs).open().await.unwrap();
    assert_eq!(app(store.as_ref()).await.unwrap(), "v");
    let assertion = fields(&logins(&stub)[0])["client_assertion"].clone();
    let claims: Vec<&str> = assertion.split('.').collect();
    let claims: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(claims[1]).unwrap()).unwrap();
    assert_eq!(claims["aud"], json!(format!("{}/tenant/oauth2/v2.0/token", stub.url())));
    assert_eq!((&claims["iss"], &claims["sub"]), (&json!("app-id"), &json!("app-id")));
    assert!(claims["exp"].as_i64().unwrap() > 1_700_000_000 && !claims["jti"].as_str().unwrap().is_empty());

    let mut opening =
        principal(&stub, json!({"authSecretRef": {"clientId": secret("id"), "clientCertificate": secret("id")}}));
    let error = opening.open().await.err().unwrap();
    assert!(error.to_string().contains("failed to decode certificate: neither PEM nor a PKCS#12"), "{error}");
    opening.lookup = Lookup::of(&[("creds/id", "a/b")]);
    let error = opening.open().await.err().unwrap();
    assert_eq!(error.to_string(), "spec.provider.azurekv.authSecretRef.clientId: the Secret's value is not an id");
}

fn annotations(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(name, id)| (format!("azure.workload.identity/{name}"), (*id).to_owned())).collect()
}

#[tokio::test]
async fn a_service_account_logs_in_as_the_client_of_its_annotations_or_of_the_store() {
    let both = [("client-id", "app-id"), ("tenant-id", "tenant")];
    let refs = json!({"clientId": secret("id"), "tenantId": secret("tenant")});
    let cases = [
        (&both[..], json!({}), None),
        (&both[..1], json!({"tenantId": "tenant"}), None),
        (&both[..], json!({"tenantId": "tenant"}), None),
        (&both[..1], json!({}), Some("tenant")),
        (&[], json!({"authSecretRef": refs}), None),
    ];
    for (annotated, patch, environment) in cases {
        let stub = vault().stub().await;
        let account = json!({"authType": "WorkloadIdentity", "authSecretRef": null, "tenantId": null,
            "serviceAccountRef": {"name": "reader", "audiences": ["more"]}});
        let mut opening = principal(&stub, account);
        opening.spec["azurekv"].as_object_mut().unwrap().extend(patch.as_object().unwrap().clone());
        let lookup = Lookup::of(&[("creds/id", "app-id"), ("creds/tenant", "tenant")]);
        opening.lookup = Arc::new(Lookup { annotations: annotations(annotated), ..Arc::into_inner(lookup).unwrap() });
        opening.environment.azure.tenant_id = environment.map(str::to_owned);
        let store = opening.open().await.unwrap();
        assert_eq!(app(store.as_ref()).await.unwrap(), "v", "{patch}");
        let login = &logins(&stub)[0];
        assert_eq!(login.line(), TOKEN);
        assert_eq!(fields(login)["client_assertion"], "jwt-reader-api://AzureADTokenExchange+more-1");
    }
}

#[tokio::test]
async fn a_service_account_without_or_with_two_identities_is_refused_in_the_references_words() {
    let both = [("client-id", "app-id"), ("tenant-id", "tenant")];
    let cases = [
        (
            &[][..],
            json!({}),
            "missing clientID: either serviceAccountRef or service account annotation 'azure.workload.identity/client-id' is missing",
        ),
        (&both[..1], json!({}), "missing tenantID in store config"),
        (
            &both[..],
            json!({"tenantId": "tenant"}),
            "multiple tenantID found. Check secretRef, 'spec.provider.azurekv.tenantId'",
        ),
        (
            &both[..],
            json!({"authSecretRef": {"clientId": secret("id")}}),
            "multiple clientID found. Check secretRef and serviceAccountRef",
        ),
        (
            &[("client-id", "../x"), ("tenant-id", "t")][..],
            json!({}),
            "the annotation azure.workload.identity/client-id of the service account: \"../x\" is not the id of a client",
        ),
    ];
    for (annotated, patch, text) in cases {
        let spec =
            json!({"vaultUrl": "https://v", "authType": "WorkloadIdentity", "serviceAccountRef": {"name": "reader"}});
        let lookup = Lookup {
            annotations: annotations(annotated),
            ..Arc::into_inner(Lookup::of(&[("creds/id", "i")])).unwrap()
        };
        let error = Opening::of(patched(spec, patch), Arc::new(lookup)).open().await.err().unwrap();
        assert_eq!(error.kind(), ErrorKind::Invalid);
        assert!(error.to_string().starts_with(text), "{error}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_pods_own_token_is_read_anew_for_each_login() {
    let stub = vault().stub().await;
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(b"first\n").unwrap();
    let mut opening = principal(&stub, json!({"authType": "WorkloadIdentity"}));
    opening.environment.azure = AzureEnvironment {
        client_id: Some("app-id".to_owned()),
        tenant_id: Some("tenant".to_owned()),
        federated_token_file: Some(file.path().to_owned()),
        metadata_host: None,
        ..AzureEnvironment::default()
    };
    let store = opening.open().await.unwrap();
    app(store.as_ref()).await.unwrap();
    std::fs::write(file.path(), "second").unwrap();
    tokio::time::advance(Duration::from_secs(3600)).await;
    app(store.as_ref()).await.unwrap();
    let sent: Vec<String> = logins(&stub).iter().map(|seen| fields(seen)["client_assertion"].clone()).collect();
    assert_eq!(sent, ["first", "second"]);
    drop(file);
    tokio::time::advance(Duration::from_secs(3600)).await;
    let error = app(store.as_ref()).await.unwrap_err();
    assert!(error.to_string().starts_with("unable to read token file /"), "{error}");
}

#[tokio::test]
async fn a_managed_identity_asks_the_node() {
    for (patch, more) in [(json!({}), ""), (json!({"identityId": "mine"}), "&client_id=mine")] {
        let vault = vault();
        vault.change(|state| state.lifetime = json!("86399"));
        let stub = vault.stub().await;
        let store = legacy(&stub, patch).open().await.unwrap();
        assert_eq!(app(store.as_ref()).await.unwrap(), "v");
        let path = "/metadata/identity/oauth2/token?api-version=2018-02-01&resource=https%3A%2F%2Fvault.azure.net";
        assert_eq!(stub.lines(), [format!("GET {path}{more}"), "GET /secrets/app?api-version=7.0".to_owned()]);
    }
    let stub =
        Stub::start(|_| Reply::json(400, json!({"error": "invalid_request", "error_description": "canary"}))).await;
    let error = app(legacy(&stub, json!({})).open().await.unwrap().as_ref()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unauthenticated);
    let text = format!(
        "cannot get a token of the managed identity: {} answered 400: login refused; check that the identity",
        stub.url()
    );
    assert!(error.to_string().starts_with(&text), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_token_is_replaced_before_it_ends_once_for_all_reads() {
    for (lifetime, early) in [(3600, 300), (90, 30)] {
        let vault = vault();
        vault.change(|state| state.lifetime = json!(lifetime));
        let stub = vault.stub().await;
        let store = principal(&stub, json!({})).open().await.unwrap();
        app(store.as_ref()).await.unwrap();
        tokio::time::advance(Duration::from_secs(lifetime - early - 1)).await;
        app(store.as_ref()).await.unwrap();
        assert_eq!(logins(&stub).len(), 1);
        tokio::time::advance(Duration::from_secs(2)).await;
        let reads = (0..5).map(|_| app(store.as_ref()));
        assert!(futures::future::join_all(reads).await.into_iter().all(|v| v.is_ok()));
        assert_eq!(logins(&stub).len(), 2);
        assert_eq!(stub.seen().last().unwrap().header("authorization"), Some("Bearer t2"));
    }
}

#[tokio::test(start_paused = true)]
async fn trouble_with_a_login_shows_only_when_the_token_is_dead() {
    let vault = vault();
    let stub = vault.stub().await;
    let store = principal(&stub, json!({})).open().await.unwrap();
    app(store.as_ref()).await.unwrap();
    vault.change(|state| state.no_login = Some(Reply::text(503, "canary")));
    tokio::time::advance(Duration::from_secs(3400)).await;
    for _ in 0..3 {
        app(store.as_ref()).await.unwrap();
    }
    assert_eq!(logins(&stub).len(), 2, "the next try is not made at once");
    tokio::time::advance(Duration::from_secs(200)).await;
    let error = app(store.as_ref()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    let text = format!(
        "cannot log in to Entra ID as client app-id of tenant tenant: {} answered 503: the login service can't answer now",
        stub.url()
    );
    assert_eq!(error.to_string(), text);
    assert_eq!(store.validate().await, Validation::Failed(error));
    vault.change(|state| state.no_login = None);
    app(store.as_ref()).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_refused_token_is_replaced_once_for_all_reads_unless_it_is_fresh() {
    let vault = vault();
    let stub = vault.stub().await;
    let store = principal(&stub, json!({})).open().await.unwrap();
    app(store.as_ref()).await.unwrap();
    vault.change(|state| state.good = 2..=2);
    let error = app(store.as_ref()).await.unwrap_err();
    assert_eq!((error.kind(), logins(&stub).len()), (ErrorKind::Unauthenticated, 1));
    tokio::time::advance(Duration::from_secs(31)).await;
    let reads = (0..10).map(|_| app(store.as_ref()));
    assert!(futures::future::join_all(reads).await.into_iter().all(|v| v.unwrap() == "v"));
    assert_eq!(logins(&stub).len(), 2);
}

#[tokio::test]
async fn the_vaults_challenge_says_whom_tokens_are_for_but_never_where_to_log_in() {
    let stack = json!({"environmentType": "AzureStackCloud"});
    // A resource that the store doesn't know, and one that it guesses wrong.
    for (patch, first) in [(stack, APP), (json!({}), TOKEN)] {
        let vault = vault();
        vault.change(|state| state.resource = "https://127.0.0.1/guid");
        let stub = vault.stub().await;
        // The wrong guess is a token that the vault doesn't accept.
        if first == TOKEN {
            vault.change(|state| {
                state.good = 2..=2;
                state.logins = 0;
                state.no_login = Some(Reply::json(200, json!({"access_token": "t1", "expires_in": 3600})));
            });
        }
        let store = principal(&stub, patch).open().await.unwrap();
        if first == TOKEN {
            store.validate().await;
            vault.change(|state| {
                state.no_login = None;
                state.logins = 1;
            });
        }
        assert_eq!(app(store.as_ref()).await.unwrap(), "v");
        assert_eq!(stub.lines()[0], first);
        assert_eq!(fields(logins(&stub).last().unwrap())["scope"], "https://127.0.0.1/guid/.default");
        app(store.as_ref()).await.unwrap();
        assert_eq!(stub.lines().last().unwrap(), APP);
    }
    let vault = vault();
    vault.change(|state| state.resource = "https://management.azure.com");
    let stub = vault.stub().await;
    let store = principal(&stub, json!({"environmentType": "AzureStackCloud"})).open().await.unwrap();
    assert_eq!(app(store.as_ref()).await.unwrap_err().kind(), ErrorKind::Unauthenticated);
    assert_eq!(stub.lines(), [APP], "no token for another service");
}

#[tokio::test]
async fn a_failed_login_says_as_whom_and_what_to_check() {
    let said = |number: u64| json!({"error": "e", "error_description": "canary 1-2-3", "error_codes": [number]});
    let cases = [
        (Reply::json(401, said(7_000_222)), ErrorKind::Unauthenticated, "AADSTS7000222: the client secret has expired"),
        (Reply::json(400, said(700_016)), ErrorKind::Unauthenticated, "check spec.provider.azurekv.tenantId"),
        (Reply::text(403, "<html>canary"), ErrorKind::AccessDenied, "login refused"),
        (Reply::text(404, "<html>canary"), ErrorKind::Malformed, "no login service"),
        (Reply::text(200, "<html>canary"), ErrorKind::Malformed, "without a token"),
        (Reply::json(200, json!({"access_token": ""})), ErrorKind::Malformed, "without a token"),
        (Reply::text(429, "canary").with("retry-after", "7"), ErrorKind::Throttled, "too many requests"),
        (Reply::Close, ErrorKind::Unavailable, "customCloudConfig.activeDirectoryEndpoint"),
    ];
    for (reply, kind, text) in cases {
        let vault = vault();
        vault.change(|state| state.no_login = Some(reply));
        let stub = vault.stub().await;
        let store = principal(&stub, json!({})).open().await.unwrap();
        let error = app(store.as_ref()).await.unwrap_err();
        assert_eq!(error.kind(), kind, "{error}");
        assert!(
            error.to_string().starts_with("cannot log in to Entra ID as client app-id of tenant tenant: "),
            "{error}"
        );
        assert!(error.to_string().contains(text) && !error.to_string().contains("canary"), "{error}");
        if kind == ErrorKind::Throttled {
            assert_eq!(error.retry_when(), Retry::After(Duration::from_secs(7)));
        }
        assert!(matches!(store.validate().await, Validation::Failed(_)));
    }
}

#[tokio::test]
async fn kinds_versions_and_metadata_are_read_each_at_its_place() {
    let vault = vault();
    vault.put(
        "secrets/app",
        json!({"value": "newer", "tags": {"owner": "me"}, "attributes": {"exp": 0, "enabled": true}}),
    );
    vault.put("keys/app", json!({"key": {"kty": "RSA", "n": "N", "e": "AQAB"}, "tags": {"owner": "you"}}));
    vault.put("certificates/app", json!({"cer": STANDARD.encode("der")}));
    vault.put("secrets/off", json!({"value": "canary", "attributes": {"enabled": false}}));
    let stub = vault.stub().await;
    let store = legacy(&stub, json!({})).open().await.unwrap();
    let cases = [
        ("app", None, false, Ok("newer")),
        ("secret/app", Some("1"), false, Ok("v")),
        ("key/app", None, false, Ok(r#"{"kty":"RSA","n":"N","e":"AQAB"}"#)),
        ("cert/app", None, false, Ok("der")),
        ("app", None, true, Ok(r#"{"attribute.expires":"1970-01-01T00:00:00Z","owner":"me"}"#)),
        ("key/app", None, true, Ok(r#"{"owner":"you"}"#)),
        ("cert/none", None, false, Err(ErrorKind::NotFound)),
        ("key/app", Some("7"), false, Err(ErrorKind::NotFound)),
        ("other/app", None, false, Err(ErrorKind::Invalid)),
        ("app", Some("../x"), false, Err(ErrorKind::Invalid)),
        ("off", None, false, Err(ErrorKind::Invalid)),
    ];
    for (key, version, metadata, want) in cases {
        let mut reference = reference(key, version, None);
        reference.read.metadata = metadata;
        let got = value(store.as_ref(), &reference).await;
        let shown = got.as_deref().map_err(Error::kind);
        assert_eq!(shown, want, "{key} {version:?}");
        let call = match key.split_once('/') {
            Some(("key", _)) => "GetKey",
            Some(("cert", _)) => "GetCertificate",
            _ => "GetSecret",
        };
        assert_eq!(store.call_name(&reference.read), call);
    }
    assert!(stub.lines().contains(&"GET /secrets/app/1?api-version=7.0".to_owned()));
    let error = app(store.as_ref()).await.map(|_| ()).and(value(store.as_ref(), &reference("off", None, None)).await);
    assert!(error.unwrap_err().to_string().ends_with("403: SecretDisabled: it is there but disabled; enable it"));
    let error = map(store.as_ref(), &reference("cert/app", None, None)).await.unwrap_err();
    assert!(error.to_string().starts_with("cannot get use dataFrom to get certificate secret"), "{error}");
    let mut tags = reference("app", None, None);
    tags.read.metadata = true;
    let got = map(store.as_ref(), &tags).await.unwrap();
    assert_eq!(got, ["app_attribute.expires=1970-01-01T00:00:00Z", "app_owner=me"]);
}

#[tokio::test]
async fn a_find_takes_what_is_enabled_and_matches_from_all_pages() {
    let vault = KeyVault::new();
    vault.change(|state| state.page = 2);
    for (name, tags, enabled) in [
        ("db-a", json!({"env": "prod", "team": "red"}), true),
        ("db-b", json!({"env": "prod"}), true),
        ("lost", json!({}), true),
        ("mail", json!({"env": "dev"}), true),
        ("off", json!({"env": "prod"}), false),
    ] {
        vault.put(
            &format!("secrets/{name}"),
            json!({"value": format!("value of {name}"), "tags": tags, "attributes": {"enabled": enabled}}),
        );
    }
    vault.change(|state| drop(state.instead.insert("/secrets/lost".to_owned(), error(404, "SecretNotFound", ""))));
    let stub = vault.stub().await;
    let store = principal(&stub, json!({})).open().await.unwrap();
    let (a, b, mail) = ("db-a=value of db-a", "db-b=value of db-b", "mail=value of mail");
    let cases = [
        (json!({"name": {"regexp": ""}}), vec![a, b, mail]),
        (json!({"path": "ignored"}), vec![a, b, mail]),
        (json!({"name": {"regexp": "^db"}}), vec![a, b]),
        (json!({"tags": {"env": "prod"}}), vec![a, b]),
        (json!({"tags": {"env": "prod", "team": "red"}}), vec![a]),
        (json!({"tags": {"env": "prod"}, "name": {"regexp": "b$"}}), vec![b]),
        (json!({"tags": {"env": "pro"}}), vec![]),
    ];
    for (find, want) in cases {
        assert_eq!(found(store.as_ref(), find.clone()).await.unwrap(), want, "{find}");
    }
    let made = Made::default();
    store.find(&wished(json!({"name": {"regexp": "db"}})), &made).await.unwrap();
    assert_eq!(*made.0.lock().unwrap(), BTreeMap::from([("GetSecrets", 3), ("GetSecret", 2)]));

    vault.change(|state| {
        drop(state.instead.insert("/secrets/db-a".to_owned(), error(403, "Forbidden", "ForbiddenByPolicy")))
    });
    let error = found(store.as_ref(), json!({"name": {"regexp": ""}})).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AccessDenied, "{error}");

    for (page, text) in [
        (json!({"value": [], "nextLink": "https://evil.example/secrets?api-version=7.0"}), "lists on at another host"),
        (json!({"value": [{"id": "canary/.."}]}), "is not a list of Key Vault"),
        (json!({"value": [{"tags": {}}]}), "is not a list of Key Vault"),
    ] {
        vault.change(|state| drop(state.instead.insert("/secrets".to_owned(), Reply::json(200, page))));
        let error = found(store.as_ref(), json!({"name": {"regexp": ""}})).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Malformed);
        assert!(error.to_string().contains(text) && !error.to_string().contains("canary"), "{error}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_find_asks_a_bounded_number_of_times_at_once() {
    let stub = Stub::start(|seen| {
        let ids: Vec<Value> = (0..100).map(|n| json!({"id": format!("https://v/secrets/s{n}")})).collect();
        match seen.path.split_once('?').unwrap().0 {
            "/tenant/oauth2/v2.0/token" => Reply::json(200, json!({"access_token": "t", "expires_in": 3600})),
            "/secrets" => Reply::json(200, json!({"value": ids})),
            _ => Reply::Hang,
        }
    });
    let stub = stub.await;
    let mut opening = principal(&stub, json!({}));
    opening.spec["azurekv"]["tenantId"] = json!(crate::support::azure::QUIET_TENANT);
    opening.lookup = Lookup::of(&[("creds/id", "app-id"), ("creds/secret", "good")]);
    let store = opening.open().await.unwrap();
    let error = found(store.as_ref(), json!({"name": {"regexp": ""}})).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout, "{error}");
    let reads = stub.lines().iter().filter(|line| line.starts_with("GET /secrets/s")).count();
    assert!((2..=16).contains(&reads), "{reads}");
}

fn entry(key: &str, value: impl Into<SecretBytes>, spec: Value) -> Push {
    let source = Arc::new(Source { data: [("k".to_owned(), value.into())].into(), ..Source::default() });
    let version = "kubernetes.external-secrets.io/v1alpha1";
    let metadata = Some(json!({"apiVersion": version, "kind": "PushSecretMetadata", "spec": spec}));
    Push { source, secret_key: Some("k".to_owned()), place: Place { key: key.to_owned(), property: None }, metadata }
}

async fn push(store: &dyn Provider, key: &str, value: impl Into<SecretBytes>, spec: Value) -> Result<Pushed, Error> {
    store.writer().unwrap().push(&entry(key, value, spec), &Made::default()).await
}

async fn delete(store: &dyn Provider, key: &str) -> Result<Removed, Error> {
    store.writer().unwrap().delete(&Place { key: key.to_owned(), property: None }, &Made::default()).await
}

async fn exists(store: &dyn Provider, key: &str) -> Result<bool, Error> {
    store.writer().unwrap().exists(&Place { key: key.to_owned(), property: None }, &Made::default()).await
}

#[tokio::test]
async fn a_secret_is_written_when_it_is_new_or_changed_and_only_then() {
    let vault = KeyVault::new();
    let stub = vault.stub().await;
    let store = legacy(&stub, json!({})).open().await.unwrap();
    let dated = json!({"expirationDate": "2024-12-31T20:00:00Z"});
    let steps = [
        ("v", json!({}), Pushed::Written),
        ("v", json!({}), Pushed::Unchanged),
        ("w", json!({"contentType": "text/plain"}), Pushed::Written),
        ("w", json!({}), Pushed::Unchanged),
        ("w", dated.clone(), Pushed::Written),
        ("w", dated.clone(), Pushed::Unchanged),
        ("w", json!({"tags": {"owner": "me"}, "expirationDate": "2024-12-31T20:00:00Z"}), Pushed::Written),
        ("w", json!({"tags": {"owner": "me"}}), Pushed::Written),
        ("w", json!({"tags": {"owner": "me"}}), Pushed::Unchanged),
    ];
    for (step, (value, spec, want)) in steps.into_iter().enumerate() {
        assert_eq!(push(store.as_ref(), "app", value, spec).await.unwrap(), want, "step {step}");
    }
    let held = vault.get("secrets/app").unwrap();
    assert_eq!(held["tags"], json!({"managed-by": "external-secrets", "owner": "me"}));
    // What isn't said isn't changed, but a date that isn't said any more goes.
    assert_eq!((&held["contentType"], &held["attributes"]), (&json!("text/plain"), &json!({"enabled": true})));
    assert_eq!(vault.versions("secrets/app"), 5);

    let made = Made::default();
    store.writer().unwrap().push(&entry("app", "x", json!({})), &made).await.unwrap();
    assert_eq!(*made.0.lock().unwrap(), BTreeMap::from([("GetSecret", 1), ("SetSecret", 1)]));
}

#[tokio::test]
async fn with_the_newer_client_a_date_that_somebody_set_stays() {
    let vault = KeyVault::new();
    let mark = json!({"managed-by": "external-secrets"});
    vault.put("secrets/app", json!({"value": "v", "tags": mark, "attributes": {"exp": 9, "enabled": true}}));
    let stub = vault.stub().await;
    let store = principal(&stub, json!({})).open().await.unwrap();
    assert_eq!(push(store.as_ref(), "app", "v", json!({})).await.unwrap(), Pushed::Unchanged);
    assert_eq!(push(store.as_ref(), "app", "w", json!({})).await.unwrap(), Pushed::Written);
    assert_eq!(vault.get("secrets/app").unwrap()["attributes"]["exp"], json!(9));
}

#[tokio::test]
async fn keys_and_certificates_are_imported_when_they_are_new_or_changed() {
    let vault = KeyVault::new();
    let stub = vault.stub().await;
    let store = legacy(&stub, json!({})).open().await.unwrap();
    let der = |pem: &str| {
        let body = pem.split("-----BEGIN CERTIFICATE-----").nth(1).unwrap().split("-----").next().unwrap();
        STANDARD.decode(body.replace('\n', "")).unwrap()
    };
    let steps: [(&str, Vec<u8>, Pushed); 7] = [
        ("key/app", CLIENT_PEM.into(), Pushed::Written),
        ("key/app", CLIENT_PEM.into(), Pushed::Unchanged),
        ("key/app", EC_PEM.into(), Pushed::Written),
        ("key/app", EC_PEM.into(), Pushed::Unchanged),
        ("cert/app", der(CLIENT_PEM), Pushed::Written),
        ("cert/app", der(CLIENT_PEM), Pushed::Unchanged),
        ("cert/app", der(EC_PEM), Pushed::Written),
    ];
    for (step, (key, value, want)) in steps.into_iter().enumerate() {
        assert_eq!(push(store.as_ref(), key, value, json!({})).await.unwrap(), want, "step {step}");
    }
    let key = vault.get("keys/app").unwrap();
    assert_eq!((&key["key"]["kty"], &key["key"]["crv"]), (&json!("EC"), &json!("P-256")));
    assert_eq!(key["tags"], json!({"managed-by": "external-secrets"}));
    assert_eq!(vault.get("certificates/app").unwrap()["tags"], json!({"managed-by": "external-secrets"}));
    assert!(stub.lines().contains(&"POST /certificates/app/import?api-version=7.0".to_owned()));
}

#[tokio::test]
async fn what_is_not_ours_is_neither_written_nor_deleted() {
    let vault = KeyVault::new();
    vault.put("secrets/app", json!({"value": "v"}));
    vault.put("keys/app", json!({"key": {"kty": "RSA", "n": "N", "e": "AQAB"}, "tags": {"managed-by": "me"}}));
    vault.put("certificates/app", json!({"cer": "aGk="}));
    let stub = vault.stub().await;
    let store = legacy(&stub, json!({})).open().await.unwrap();
    for (key, word) in [("app", "secret"), ("key/app", "key"), ("cert/app", "certificate")] {
        let error = push(store.as_ref(), key, CLIENT_PEM, json!({})).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid);
        assert_eq!(error.to_string(), format!("cannot get {word} app: secret not managed by external-secrets"));
        assert_eq!(delete(store.as_ref(), key).await.unwrap(), Removed::Foreign);
        assert!(exists(store.as_ref(), key).await.unwrap());
    }
    assert!(stub.lines().iter().all(|line| line.starts_with("GET ")), "{:?}", stub.lines());
}

#[tokio::test]
async fn what_is_ours_is_deleted_and_its_name_stays_taken_until_it_is_purged() {
    let vault = KeyVault::new();
    let stub = vault.stub().await;
    let store = legacy(&stub, json!({})).open().await.unwrap();
    for (key, path) in [("app", "secrets/app"), ("key/app", "keys/app"), ("cert/app", "certificates/app")] {
        assert_eq!(delete(store.as_ref(), key).await.unwrap(), Removed::Absent, "{key}");
        assert!(!exists(store.as_ref(), key).await.unwrap());
        push(store.as_ref(), key, CLIENT_PEM, json!({})).await.unwrap();
        // The stub shows no certificate but what it was sent.
        vault.change(|state| {
            if let Some(certificate) = state.objects.get_mut("certificates/app") {
                certificate[0]["cer"] = json!("aGk=");
            }
        });
        assert!(exists(store.as_ref(), key).await.unwrap());
        assert_eq!(delete(store.as_ref(), key).await.unwrap(), Removed::Deleted, "{key}");
        assert_eq!(vault.versions(path), 0);
        assert!(!exists(store.as_ref(), key).await.unwrap());
        let error = push(store.as_ref(), key, CLIENT_PEM, json!({})).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid);
        assert!(error.to_string().contains("409: ObjectIsDeletedButRecoverable: "), "{error}");
    }
    vault.put("secrets/off", json!({"value": "v", "attributes": {"enabled": false}}));
    assert!(exists(store.as_ref(), "off").await.unwrap(), "what is disabled is there");
    let error = delete(store.as_ref(), "off").await.unwrap_err();
    assert!(error.to_string().starts_with("error getting secret off: "), "{error}");
}

#[tokio::test]
async fn a_fault_while_looking_or_writing_is_an_error_that_writes_no_more() {
    for (method, reply, kind) in [
        ("GET", Reply::text(404, "<html>canary"), ErrorKind::Malformed),
        ("GET", error(403, "Forbidden", "ForbiddenByRbac"), ErrorKind::AccessDenied),
        ("GET", Reply::text(200, "\"canary\""), ErrorKind::Malformed),
        ("PUT", error(403, "Forbidden", "ForbiddenByRbac"), ErrorKind::AccessDenied),
        ("PUT", error(429, "Throttled", "").with("retry-after", "7"), ErrorKind::Throttled),
        ("PUT", Reply::text(200, "<html>canary"), ErrorKind::Malformed),
        ("PUT", Reply::Close, ErrorKind::Unavailable),
    ] {
        let stub = Stub::start(move |seen| match seen.method.as_str() {
            asked if asked == method => reply.clone(),
            "GET" => error(404, "SecretNotFound", ""),
            _ => panic!("{}", seen.line()),
        })
        .await;
        let mut opening = principal(&stub, json!({"tenantId": crate::support::azure::QUIET_TENANT}));
        opening.lookup = Lookup::of(&[("creds/id", "app-id"), ("creds/secret", "good")]);
        let store = opening.open().await.unwrap();
        let failure = push(store.as_ref(), "app", "canary", json!({})).await.unwrap_err();
        assert_eq!(failure.kind(), kind, "{failure}");
        let text = if method == "GET" { "cannot get secret app: " } else { "could not set secret app: " };
        assert!(failure.to_string().starts_with(text) && !failure.to_string().contains("canary"), "{failure}");
    }
}
