//! What every backend must do alike: the same cases, run over all of them through the door the controller uses.
//!
//! What only one backend does on the wire is in `wire/`.

#[cfg(test)]
mod support;
#[cfg(test)]
mod wire;

use std::collections::BTreeSet;
use std::time::Duration;

use provider::{Capabilities, ErrorKind, Retry, Validation};
use serde_json::json;
use support::backends::{Backend, DATA, WORD};
use support::{Reply, Stub, found, gzip_bomb, map, reference, value};

const CANARY: &str = "canary-0b5e7";

#[tokio::test]
async fn values_are_selected_alike() {
    for backend in Backend::ALL {
        let stub = backend.stub().await;
        let store = backend.opening(&stub.url()).open().await.unwrap();
        let cases = [
            (None, Ok("")),
            (Some(""), Ok("")),
            (Some("user"), Ok("u")),
            (Some("a.b"), Ok("exact")),
            (Some("word"), Ok(WORD)),
            (Some("doc.a.b"), Ok("c")),
            (Some("doc.a"), Ok(r#"{"b":"c"}"#)),
            (Some("none"), Err(())),
            (Some("doc.none"), Err(())),
        ];
        for (property, want) in cases {
            if matches!(backend, Backend::Fake | Backend::Crd) && property == Some("a.b") {
                continue; // It knows paths only.
            }
            if backend == Backend::OnePassword && matches!(property, None | Some("" | "doc.a.b" | "doc.a")) {
                continue; // Its values are fields, and nothing inside of them: see `wire/onepassword.rs`.
            }
            let got = value(store.as_ref(), &reference(&backend.key("app"), None, property)).await;
            match (got, want) {
                (Ok(text), Ok("")) => {
                    let whole = match backend {
                        Backend::Kubernetes => DATA.replace(r#"{"a":{"b":"c"}}"#, r#""{\"a\":{\"b\":\"c\"}}""#),
                        // The whole object, not what somebody put into it.
                        Backend::Crd => support::crd::app().to_string(),
                        _ => DATA.to_owned(),
                    };
                    assert_eq!(text, whole, "{backend:?}");
                }
                (Ok(text), Ok(want)) => assert_eq!(text, want, "{backend:?} {property:?}"),
                (Err(error), Err(())) => {
                    let kind = if backend == Backend::Fake { ErrorKind::NotFound } else { ErrorKind::BadProperty };
                    assert_eq!(error.kind(), kind, "{backend:?} {property:?}: {error}");
                }
                (got, want) => panic!("{backend:?} {property:?}: {got:?}, not {want:?}"),
            }
        }
    }
}

#[tokio::test]
async fn maps_are_selected_alike() {
    for backend in Backend::ALL {
        let stub = backend.stub().await;
        let store = backend.opening(&stub.url()).open().await.unwrap();
        let mut whole = map(store.as_ref(), &reference(&backend.key("app"), None, None)).await.unwrap();
        if backend == Backend::Crd {
            let own = ["apiVersion=", "kind=", "metadata="];
            whole.retain(|member| !own.iter().any(|name| member.starts_with(name)));
        }
        let word = format!("word={WORD}");
        assert_eq!(whole, ["a.b=exact", r#"doc={"a":{"b":"c"}}"#, "user=u", &word], "{backend:?}");
        if backend == Backend::OnePassword {
            continue; // A property names one field.
        }
        let nested = map(store.as_ref(), &reference(&backend.key("app"), None, Some("doc"))).await.unwrap();
        assert_eq!(nested, [r#"a={"b":"c"}"#], "{backend:?}");
        if backend == Backend::Crd {
            continue; // What is no object is one value with the key `value`.
        }
        let error = map(store.as_ref(), &reference(&backend.key("app"), None, Some("user"))).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Malformed, "{backend:?}: {error}");
    }
}

#[tokio::test]
async fn bytes_that_are_no_text_come_back_as_they_are_where_a_backend_holds_bytes() {
    let data = "/wD+gA=="; // ff 00 fe 80
    let bytes = [
        (Backend::Aws, None, json!({"Name": "app", "SecretBinary": data})),
        (Backend::Kubernetes, Some("user"), json!({"kind": "Secret", "data": {"user": data}})),
        (Backend::GcpSm, None, json!({"name": "projects/1/secrets/app/versions/1", "payload": {"data": data}})),
    ];
    for (backend, property, answer) in bytes {
        let stub =
            Stub::start(move |seen| backend.login(seen).unwrap_or_else(|| Reply::json(200, answer.clone()))).await;
        let store = backend.opening(&stub.url()).open().await.unwrap();
        let reference = reference(&backend.key("app"), None, property);
        let payload = store.read(&store.read_key(&reference)).await.unwrap();
        assert_eq!(store.value(&payload, &reference).unwrap().expose(), [0xff, 0, 0xfe, 0x80], "{backend:?}");
    }
}

#[tokio::test]
async fn a_missing_key_is_not_found_in_the_references_words() {
    for backend in Backend::ALL {
        let stub = backend.stub().await;
        let store = backend.opening(&stub.url()).open().await.unwrap();
        let error = store.read(&reference(&backend.key("none"), None, None).read).await.unwrap_err();
        assert_eq!(
            (error.kind(), error.to_string().as_str()),
            (ErrorKind::NotFound, "Secret does not exist"),
            "{backend:?}"
        );
    }
}

#[tokio::test]
async fn versions_are_kept_apart_where_there_are_any() {
    for backend in Backend::ALL {
        let Some(older) = backend.older_version() else { continue };
        let stub = backend.stub().await;
        let store = backend.opening(&stub.url()).open().await.unwrap();
        for (version, want) in [(None, "u"), (Some(""), "u"), (Some(older), "old")] {
            let got = value(store.as_ref(), &reference(&backend.key("app"), version, Some("user"))).await.unwrap();
            assert_eq!(got, want, "{backend:?} {version:?}");
        }
        let error = store.read(&reference(&backend.key("app"), Some("77"), None).read).await.unwrap_err();
        // These tell a missing version from a missing secret, and only the latter may delete.
        let told_apart = matches!(backend, Backend::ParameterStore | Backend::Akeyless);
        let kind = if told_apart { ErrorKind::Invalid } else { ErrorKind::NotFound };
        assert_eq!(error.kind(), kind, "{backend:?}: {error}");
    }
}

#[tokio::test]
async fn metadata_is_read_where_there_is_any() {
    for backend in Backend::ALL {
        let Some(owner) = backend.owner() else { continue };
        let stub = backend.stub().await;
        let store = backend.opening(&stub.url()).open().await.unwrap();
        let mut reference = reference(&backend.key("app"), None, Some(owner));
        reference.read.metadata = true;
        assert_eq!(value(store.as_ref(), &reference).await.unwrap(), "me", "{backend:?}");
    }
}

#[tokio::test]
async fn a_store_that_works_validates_and_names_its_calls() {
    for backend in Backend::ALL {
        let stub = backend.stub().await;
        let store = backend.opening(&stub.url()).open().await.unwrap();
        assert_eq!(store.validate().await, Validation::Ready, "{backend:?}");
        assert_eq!(store.capabilities(), backend.capabilities(), "{backend:?}");
        assert_eq!(store.writer().is_some(), backend.capabilities() == Capabilities::ReadWrite, "{backend:?}");
        let names = match backend {
            Backend::Fake => ("Fake", "GetSecret"),
            Backend::VaultV1 | Backend::VaultV2 => ("HashiCorp/Vault", "ReadSecretData"),
            Backend::OpenBao => ("OpenBao", "ReadSecretData"),
            Backend::Aws => ("AWS/SecretsManager", "GetSecretValue"),
            Backend::ParameterStore => ("AWS/ParameterStore", "GetParameter"),
            Backend::Kubernetes => ("Kubernetes", "GetSecret"),
            Backend::Crd => ("Kubernetes/CRD", "GetObject"),
            Backend::AzureKv => ("Azure/KeyVault", "GetSecret"),
            Backend::GcpSm => ("GCP/SecretManager", "AccessSecretVersion"),
            Backend::OnePassword => ("1Password/Connect", "GetItem"),
            Backend::Ibm => ("IBM/SecretsManager", "GetSecretByNameType"),
            Backend::Akeyless => ("AKEYLESSLESS/SecretsManager", "GetSecretValue"),
        };
        assert_eq!((store.metric_name(), store.call_name(&reference(&backend.key("a"), None, None).read)), names);
        store.close().await;
    }
}

#[tokio::test]
async fn wrong_credentials_are_never_taken_for_a_missing_secret() {
    for backend in Backend::NETWORKED {
        let stub = backend.stub().await;
        let mut opening = backend.opening(&stub.url());
        opening.lookup = Backend::wrong_credentials(&stub.url());
        let store = opening.open().await.unwrap();
        let error = store.read(&reference(&backend.key("app"), None, None).read).await.unwrap_err();
        let denial = matches!(error.kind(), ErrorKind::AccessDenied | ErrorKind::Unauthenticated);
        assert!(denial, "{backend:?}: {error:?}");
        assert!(!error.to_string().contains("1-2-3"), "a request id in {error}");
    }
}

#[tokio::test]
async fn a_missing_credential_is_named_when_the_store_is_opened() {
    for backend in Backend::NETWORKED {
        let mut opening = backend.opening("http://127.0.0.1:1");
        opening.lookup = support::Lookup::of(&[]);
        let error = opening.open().await.err().unwrap();
        assert_eq!(error.kind(), ErrorKind::Invalid, "{backend:?}");
        let text = "cannot get Kubernetes secret \"creds\" from namespace \"shop\"";
        assert!(error.to_string().contains(text), "{backend:?}: {error}");
    }
}

#[tokio::test]
async fn a_cluster_store_with_referent_credentials_says_nothing_by_itself() {
    for backend in Backend::NETWORKED {
        let mut opening = backend.opening("http://127.0.0.1:1");
        opening.lookup =
            std::sync::Arc::new(support::Lookup { cluster: true, no_consumer: true, ..support::Lookup::default() });
        let store = opening.open().await.unwrap();
        assert_eq!(store.validate().await, Validation::Unknown(None), "{backend:?}");
        assert_eq!(store.capabilities(), backend.capabilities(), "{backend:?}");
        let error = store.read(&reference(&backend.key("app"), None, None).read).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid, "{backend:?}");
    }
}

/// What a server does to every request, what that is, and whether `validate` needs the server to answer.
fn faults() -> Vec<(&'static str, Reply, ErrorKind)> {
    let html = format!("<html>{CANARY}</html>");
    let errors = format!(r#"{{"errors":["{CANARY}"],"message":"{CANARY}","__type":"{CANARY}"}}"#);
    let large = format!(r#"{{"data":"{}""#, CANARY.repeat(1_000_000));
    vec![
        ("500", Reply::text(500, &*errors), ErrorKind::Unavailable),
        ("502 html", Reply::text(502, &*html), ErrorKind::Unavailable),
        ("503", Reply::text(503, &*errors), ErrorKind::Unavailable),
        ("403", Reply::text(403, &*errors), ErrorKind::AccessDenied),
        ("404 html", Reply::text(404, &*html), ErrorKind::Malformed),
        ("404 empty", Reply::text(404, ""), ErrorKind::Malformed),
        ("404 json", Reply::text(404, &*errors), ErrorKind::Malformed),
        ("429 with a wait", Reply::text(429, &*errors).with("retry-after", "7"), ErrorKind::Throttled),
        ("200 html", Reply::text(200, &*html), ErrorKind::Malformed),
        ("200 empty", Reply::text(200, ""), ErrorKind::Malformed),
        ("200 cut json", Reply::text(200, format!(r#"{{"data":{{"data":{{"a":"{CANARY}"#)), ErrorKind::Malformed),
        ("200 other json", Reply::text(200, format!(r#""{CANARY}""#)), ErrorKind::Malformed),
        ("cut off", Reply::CutOff { claimed: 1000, body: html.clone().into_bytes() }, ErrorKind::Malformed),
        ("too large", Reply::text(200, large), ErrorKind::Malformed),
        ("announced too large", Reply::CutOff { claimed: 1 << 30, body: Vec::new() }, ErrorKind::Malformed),
        (
            "gzip bomb",
            Reply::Answer {
                status: 200,
                headers: vec![("content-encoding", "gzip".to_owned())],
                body: gzip_bomb(64 << 20),
            },
            ErrorKind::Malformed,
        ),
        ("hang up", Reply::Close, ErrorKind::Unavailable),
        ("redirect", Reply::text(307, "").with("location", "http://127.0.0.2:1/x"), ErrorKind::Unavailable),
    ]
}

#[tokio::test]
async fn faults_become_kinds_show_no_body_and_read_the_same_each_time() {
    for backend in Backend::NETWORKED {
        for (name, reply, kind) in faults() {
            let stub = Stub::start(move |seen| backend.login(seen).unwrap_or_else(|| reply.clone())).await;
            let store = backend.opening(&stub.url()).open().await.unwrap();
            let key = reference(&backend.key("app"), None, None).read;
            let error = store.read(&key).await.unwrap_err();
            assert_eq!(error.kind(), kind, "{backend:?}, {name}: {error}");
            let wait = if kind == ErrorKind::Throttled { Retry::After(Duration::from_secs(7)) } else { Retry::Backoff };
            assert_eq!(error.retry_when(), wait, "{backend:?}, {name}");
            for text in [error.to_string(), format!("{error:?}"), format!("{:?}", store.validate().await)] {
                assert!(!text.contains(CANARY) && !text.contains("html"), "{backend:?}, {name}: {text}");
            }
            assert_eq!(store.read(&key).await.unwrap_err().to_string(), error.to_string(), "{backend:?}, {name}");
        }
    }
}

#[tokio::test]
async fn a_find_never_takes_a_fault_for_an_empty_store() {
    let find = serde_json::json!({"name": {"regexp": ""}});
    for backend in Backend::NETWORKED.into_iter().filter(|backend| backend.finds()) {
        let empty = ("200 empty object", Reply::text(200, "{}"), ErrorKind::Malformed);
        // Google leaves out what is empty: this is how it says that there is nothing.
        let empty = Some(empty).filter(|_| backend != Backend::GcpSm);
        for (name, reply, kind) in faults().into_iter().chain(empty) {
            let stub = Stub::start(move |seen| backend.login(seen).unwrap_or_else(|| reply.clone())).await;
            let store = backend.opening(&stub.url()).open().await.unwrap();
            let error = found(store.as_ref(), find.clone()).await.unwrap_err();
            assert_eq!(error.kind(), kind, "{backend:?}, {name}: {error}");
            assert!(!error.to_string().contains(CANARY) && !error.to_string().contains("html"), "{error}");
        }
    }
}

#[tokio::test]
async fn a_find_without_criteria_or_with_a_bad_pattern_is_refused_before_any_call() {
    for backend in Backend::ALL.into_iter().filter(|backend| backend.finds()) {
        let stub = Stub::start(|_| Reply::Close).await;
        let store = backend.opening(&stub.url()).open().await.unwrap();
        let error = found(store.as_ref(), serde_json::json!({"name": {"regexp": "a(b"}})).await.unwrap_err();
        assert!(error.to_string().starts_with("could not compile find.name.regexp [a(b]: "), "{backend:?}: {error}");
        assert_eq!(error.kind(), ErrorKind::Invalid);
        if !matches!(backend, Backend::VaultV1 | Backend::VaultV2 | Backend::AzureKv | Backend::OnePassword) {
            let error = found(store.as_ref(), serde_json::json!({"path": "p"})).await.unwrap_err();
            assert!(error.to_string().contains("find operator"), "{backend:?}: {error}");
        }
        assert!(stub.lines().is_empty());
    }
}

#[tokio::test(start_paused = true)]
async fn a_server_that_never_answers_is_a_timeout_after_ten_seconds() {
    for backend in Backend::NETWORKED {
        let stub = Stub::start(|_| Reply::Hang).await;
        let store = backend.opening(&stub.url()).open().await.unwrap();
        let begun = tokio::time::Instant::now();
        let error = store.read(&reference(&backend.key("app"), None, None).read).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Timeout, "{backend:?}: {error}");
        assert!(error.to_string().contains("no answer within 10s"), "{backend:?}: {error}");
        assert!(begun.elapsed() < Duration::from_secs(12), "{backend:?}: {:?}", begun.elapsed());
    }
}

#[tokio::test]
async fn a_dead_endpoint_is_named_with_what_to_check() {
    for backend in Backend::NETWORKED {
        let address = Stub::start(|_| Reply::Close).await.address; // and gone
        let url = format!("http://{address}");
        let store = backend.opening(&url).open().await.unwrap();
        let error = loop {
            let error = store.read(&reference(&backend.key("app"), None, None).read).await.unwrap_err();
            // The listener goes away with its task, a moment later.
            if error.to_string().contains("refused") {
                break error;
            }
            tokio::task::yield_now().await;
        };
        let setting = match backend {
            Backend::VaultV1 | Backend::VaultV2 => "spec.provider.vault.server",
            Backend::OpenBao => "spec.provider.openBao.server",
            Backend::Aws => "AWS_SECRETSMANAGER_ENDPOINT",
            Backend::ParameterStore => "AWS_SSM_ENDPOINT",
            Backend::Kubernetes => "spec.provider.kubernetes.server.url",
            Backend::Crd => "spec.provider.crd.server.url",
            // Its login comes first.
            Backend::AzureKv => "spec.provider.azurekv.customCloudConfig.activeDirectoryEndpoint",
            Backend::GcpSm => {
                "whether the service account and its key exist, token_uri of the key, and the clock of the node"
            }
            Backend::OnePassword => "spec.provider.onepassword.connectHost",
            Backend::Ibm => "spec.provider.ibm.auth.secretRef.iamEndpoint",
            Backend::Akeyless => "spec.provider.akeyless.akeylessGWApiURL",
            Backend::Fake => "",
        };
        assert_eq!(error.kind(), ErrorKind::Unavailable);
        let want = format!("cannot reach {url}: connection refused; check {setting}");
        assert!(error.to_string().ends_with(&want), "{backend:?}: {error}");
    }
}

#[tokio::test]
async fn every_provider_is_in_this_suite_or_refused_in_the_references_words() {
    let mut tested = BTreeSet::from(["webhook".to_owned()]); // Its suite is `wire/webhook.rs`: templates say what it asks.
    for backend in Backend::ALL {
        let stub = backend.stub().await;
        tested.extend(backend.opening(&stub.url()).spec.as_object().unwrap().keys().cloned());
    }
    let samples: Vec<serde_json::Map<String, serde_json::Value>> =
        serde_json::from_str(include_str!("../../../shared/api/testdata/providers.json")).unwrap();
    for sample in samples {
        let spec = api::StoreProvider(sample).parse().unwrap();
        let key = spec.key();
        assert_eq!(
            providers::has_backend(&spec),
            tested.contains(key),
            "{key} opens and isn't in this suite, or the reverse"
        );
        if tested.contains(key) {
            continue;
        }
        let wire = serde_json::to_value(api::StoreProvider::from(spec)).unwrap();
        let Err(error) = support::Opening::of(wire, support::Lookup::of(&[])).open().await else {
            panic!("{key} opens");
        };
        let text = format!("failed to find registered store backend for type: {key}, name: store");
        assert_eq!((error.kind(), error.to_string()), (ErrorKind::Unsupported, text));
    }
}
