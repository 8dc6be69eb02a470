//! Vault, logged in to by identities of Google: service accounts that IAM signs for, and machines.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use provider::ErrorKind;
use serde_json::{Value, json};

use super::vault::{World, count};
use crate::support::gcp::{Google, claims, everywhere, key_file, refused};
use crate::support::{Lookup, Opening, Reply, Seen, Stub, reference, value};

const LOGIN: &str = "PUT /v1/auth/gcp/login";
const EMAIL: &str = "sa@p.iam.gserviceaccount.com";

/// Vault and all of Google, at one place.
async fn both(world: &Arc<World>, google: &Arc<Google>) -> Stub {
    let (world, google) = (Arc::clone(world), Arc::clone(google));
    Stub::start(move |seen| google.login(seen).unwrap_or_else(|| world.answer(seen))).await
}

/// A store with this login, and a service account that acts as `email`.
fn store(url: &str, auth: Value, email: Option<&str>) -> Opening {
    let mut gcp = json!({"role": "sync"});
    gcp.as_object_mut().unwrap().extend(auth.as_object().unwrap().clone());
    let annotation = |email: &str| ("iam.gke.io/gcp-service-account".to_owned(), email.to_owned());
    let lookup = Lookup {
        secrets: BTreeMap::from([("creds/google", key_file(url)), ("creds/bad", "canary".to_owned())]),
        annotations: email.map(annotation).into_iter().collect(),
        ..Lookup::default()
    };
    let spec = json!({"vault": {"server": format!("{url}/"), "path": "kv", "auth": {"gcp": gcp}}});
    let mut opening = Opening::of(spec, Arc::new(lookup)).once();
    opening.environment.gcp = everywhere(url);
    opening
}

fn key() -> Value {
    json!({"secretRef": {"secretAccessKeySecretRef": {"name": "creds", "key": "google"}}})
}

fn bound() -> Value {
    json!({"workloadIdentity": {"serviceAccountRef": {"name": "s"}}})
}

fn lines(stub: &Stub) -> Vec<String> {
    stub.lines().into_iter().filter(|line| !line.contains("/attributes/") && !line.contains("project-id")).collect()
}

#[tokio::test]
async fn a_service_account_shows_a_jwt_that_google_signed_for_it() {
    let sign = format!("POST /v1/projects/-/serviceAccounts/{EMAIL}:signJwt");
    let act = format!("POST /v1/projects/-/serviceAccounts/{EMAIL}:generateAccessToken");
    let cases = [
        (key(), vec!["POST /token", &sign, LOGIN]),
        (bound(), vec!["POST /v1/identitybindingtoken", &act, &sign, LOGIN]),
    ];
    for (auth, want) in cases {
        let stub = both(&World::new(3600, true), &Google::of(&[])).await;
        let store = store(&stub.url(), auth.clone(), Some(EMAIL)).open().await.unwrap();
        assert_eq!(lines(&stub), want, "{auth}");
        let login = stub.seen().pop().unwrap();
        assert_eq!((login.json()["role"].as_str(), login.header("x-vault-token")), (Some("sync"), None));
        let (claims, signer) = claims(login.json()["jwt"].as_str().unwrap());
        assert_eq!((claims["aud"].as_str(), claims["sub"].as_str()), (Some("vault/sync"), Some(EMAIL)));
        assert_eq!(signer, EMAIL);
        assert_eq!(value(store.as_ref(), &reference("k", None, Some("v"))).await.unwrap(), "t1");
        store.close().await;
        assert_eq!(stub.lines().pop().unwrap(), "PUT /v1/auth/token/revoke-self");
    }
}

#[tokio::test]
async fn without_credentials_the_controllers_own_machine_logs_in() {
    for auth in [json!({"path": "team/gcp"}), json!({"path": "team/gcp", "serviceAccountRef": {"name": "any"}})] {
        let stub = both(&World::new(3600, true), &Google::of(&[])).await;
        let store = store(&stub.url(), auth.clone(), None).open().await.unwrap();
        assert_eq!(value(store.as_ref(), &reference("k", None, Some("v"))).await.unwrap(), "t1");
        let seen = stub.seen();
        assert_eq!(seen[0].header("metadata-flavor"), Some("Google"));
        assert_eq!(seen[1].line(), "PUT /v1/auth/team/gcp/login");
        let (claims, _) = claims(seen[1].json()["jwt"].as_str().unwrap());
        assert_eq!(claims, json!({"audience": format!("{}/vault/sync", stub.url()), "format": "full"}), "{auth}");
    }
}

#[tokio::test(start_paused = true)]
async fn one_login_serves_all_reads_and_each_login_shows_a_fresh_jwt() {
    let (world, google) = (World::new(90, false), Google::of(&[]));
    let stub = both(&world, &google).await;
    let store = store(&stub.url(), key(), None).open().await.unwrap();
    let key = reference("k", None, Some("v"));
    let all = async |want: &str| {
        let reads = (0..10).map(|_| value(store.as_ref(), &key));
        assert!(futures::future::join_all(reads).await.into_iter().all(|v| v.unwrap() == want));
    };
    all("t1").await;
    assert_eq!((count(&stub, LOGIN), count(&stub, "POST /token")), (1, 1));
    tokio::time::advance(Duration::from_secs(61)).await;
    all("t2").await;
    world.revoked.store(2, Ordering::SeqCst);
    all("t3").await;
    assert_eq!((count(&stub, LOGIN), count(&stub, "POST /token")), (3, 3));
}

#[tokio::test]
async fn a_clusters_store_looks_into_its_consumers_namespace() {
    let cases = [(key(), true), (bound(), true), (json!({"serviceAccountRef": {"name": "s"}}), false)];
    for (auth, referent) in cases {
        let stub = both(&World::new(3600, true), &Google::of(&[])).await;
        let mut opening = store(&stub.url(), auth.clone(), Some(EMAIL));
        let lookup = Arc::get_mut(&mut opening.lookup).unwrap();
        (lookup.cluster, lookup.no_consumer) = (true, true);
        let store = opening.open().await.unwrap();
        assert_eq!(stub.lines().is_empty(), referent, "{auth}");
        assert_eq!(store.read(&reference("k", None, None).read).await.is_err(), referent, "{auth}");
    }
}

#[tokio::test]
async fn an_annotation_that_is_no_address_is_named() {
    let stub = both(&World::new(3600, true), &Google::of(&[])).await;
    let error = store(&stub.url(), bound(), Some("sync")).open().await.err().unwrap().to_string();
    let at = "the annotation iam.gke.io/gcp-service-account of the service account in \
              spec.provider.vault.auth.gcp.workloadIdentity.serviceAccountRef: ";
    assert!(error.contains(at) && !error.contains("gcpServiceAccountEmail"), "{error}");
}

#[tokio::test]
async fn what_fails_says_where_and_what_to_check() {
    let answers = |path: &'static str, reply: fn() -> Reply| move |seen: &Seen| seen.path.contains(path).then(reply);
    let denied = || refused(403, "PERMISSION_DENIED", "canary");
    type Fault = Box<dyn Fn(&Seen) -> Option<Reply> + Send + Sync>;
    let cases: Vec<(Value, Fault, ErrorKind, &str, &str)> = vec![
        (
            json!({"secretRef": {"secretAccessKeySecretRef": {"name": "creds", "key": "bad"}}}),
            Box::new(|_| None),
            ErrorKind::Invalid,
            "failed to set up GCP authentication: failed to process the provided JSON credentials: ",
            "store the whole file",
        ),
        (
            key(),
            Box::new(answers("/token", || Reply::json(400, json!({"error": "canary"})))),
            ErrorKind::Unauthenticated,
            "failed to set up GCP authentication: ",
            "the service account and its key exist",
        ),
        (
            bound(),
            Box::new(|_| None),
            ErrorKind::Invalid,
            "failed to set up GCP authentication: spec.provider.vault.auth.gcp.workloadIdentity.serviceAccountRef: ",
            "iam.gke.io/gcp-service-account",
        ),
        (
            key(),
            Box::new(answers(":signJwt", denied)),
            ErrorKind::AccessDenied,
            "unable to sign JWT for authenticating to GCP: ",
            "roles/iam.serviceAccountTokenCreator",
        ),
        (
            key(),
            Box::new(answers(":signJwt", || Reply::json(200, json!({"canary": 1})))),
            ErrorKind::Malformed,
            "unable to sign JWT for authenticating to GCP: ",
            "without a token",
        ),
        (
            json!({}),
            Box::new(answers("/identity", || Reply::text(404, "<html>canary"))),
            ErrorKind::Malformed,
            "unable to retrieve JWT from GCE metadata service: ",
            "spec.provider.vault.auth.gcp: as it is, it stands for",
        ),
        (
            json!({}),
            Box::new(answers("/identity", || Reply::text(200, "<html>canary"))),
            ErrorKind::Malformed,
            "unable to retrieve JWT from GCE metadata service: ",
            "without a token",
        ),
        (
            key(),
            Box::new(answers("/auth/gcp/login", || Reply::json(400, json!({"errors": ["canary"]})))),
            ErrorKind::Unauthenticated,
            "cannot log in to Vault at auth/gcp: ",
            "spec.provider.vault.auth.gcp (path, role)",
        ),
    ];
    for (auth, fault, kind, start, hint) in cases {
        let (world, google) = (World::new(3600, true), Google::of(&[]));
        let answer =
            move |seen: &Seen| fault(seen).or_else(|| google.login(seen)).unwrap_or_else(|| world.answer(seen));
        let stub = Stub::start(answer).await;
        let error = store(&stub.url(), auth.clone(), None).open().await.err().unwrap();
        assert_eq!(error.kind(), kind, "{auth}: {error}");
        let text = error.to_string();
        assert!(text.starts_with(start) && text.contains(hint) && !text.contains("canary"), "{auth}: {error}");
    }
}
