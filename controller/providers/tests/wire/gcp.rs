//! Google Secret Manager: logins, tokens and their ends, versions, locations, finds and pushes.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use provider::{Error, ErrorKind, Place, Provider, Push, Pushed, Removed, Source, Validation};
use secret::SecretBytes;
use serde_json::{Value, json};

use crate::support::gcp::{Google, Stored, everywhere, fields, key_file, refused};
use crate::support::sigv4::Passed;
use crate::support::{Lookup, Made, Opening, Reply, Stub, found, reference, value};

/// A store whose every server is at `url`.
fn store(url: &str, patch: Value, lookup: Arc<Lookup>) -> Opening {
    let mut spec = json!({"projectID": "p"});
    spec.as_object_mut().unwrap().extend(patch.as_object().unwrap().clone());
    let mut opening = Opening::of(json!({"gcpsm": spec}), lookup);
    opening.environment.gcp = everywhere(url);
    opening
}

fn key_auth() -> Value {
    json!({"secretRef": {"secretAccessKeySecretRef": {"name": "creds", "key": "google"}}})
}

/// With a service account key, of project `p`.
fn keyed(url: &str, patch: Value) -> Opening {
    let mut spec = json!({"auth": key_auth()});
    spec.as_object_mut().unwrap().extend(patch.as_object().unwrap().clone());
    store(url, spec, Lookup::of(&[("creds/google", &key_file(url))]))
}

fn app() -> Arc<Google> {
    Google::of(&[("app", Stored::of(&["v"]))])
}

async fn get(store: &dyn Provider, key: &str) -> Result<String, Error> {
    value(store, &reference(key, None, None)).await
}

fn annotated(secrets: &[(&'static str, &str)]) -> Arc<Lookup> {
    let secrets = secrets.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
    let annotations =
        BTreeMap::from([("iam.gke.io/gcp-service-account".to_owned(), "sa@p.iam.gserviceaccount.com".to_owned())]);
    Arc::new(Lookup { secrets, annotations, ..Lookup::default() })
}

#[tokio::test]
async fn a_key_logs_in_once_for_all_reads() {
    let google = app();
    let stub = google.stub().await;
    let store = keyed(&stub.url(), json!({})).open().await.unwrap();
    assert!(stub.lines().is_empty(), "nothing is asked before it is needed");
    let reads = (0..5).map(|_| async { get(store.as_ref(), "app").await.unwrap() });
    assert_eq!(futures::future::join_all(reads).await, ["v"; 5]);
    let logins = stub.lines().iter().filter(|line| *line == "POST /token").count();
    assert_eq!((logins, stub.lines().len()), (1, 6));
    let seen = stub.seen();
    assert_eq!(fields(&seen[0].body)["grant_type"], "urn:ietf:params:oauth:grant-type:jwt-bearer");
    assert_eq!(seen[1].line(), "GET /v1/projects/p/secrets/app/versions/latest:access");
    assert_eq!(seen[1].header("authorization"), Some("Bearer t1"));
}

#[tokio::test(start_paused = true)]
async fn a_token_is_replaced_before_its_end_and_trouble_shows_only_after_it() {
    let google = app();
    let stub = google.stub().await;
    let store = keyed(&stub.url(), json!({})).open().await.unwrap();
    let bearer = || stub.seen().last().unwrap().header("authorization").map(str::to_owned);
    get(store.as_ref(), "app").await.unwrap();
    tokio::time::advance(Duration::from_secs(3300)).await;
    get(store.as_ref(), "app").await.unwrap();
    assert_eq!(bearer().as_deref(), Some("Bearer t1"));
    *google.token_status.lock().unwrap() = Some(503);
    tokio::time::advance(Duration::from_secs(120)).await;
    get(store.as_ref(), "app").await.unwrap();
    assert_eq!(bearer().as_deref(), Some("Bearer t1"), "it is still good");
    *google.token_status.lock().unwrap() = None;
    tokio::time::advance(Duration::from_secs(11)).await;
    get(store.as_ref(), "app").await.unwrap();
    assert_eq!(bearer().as_deref(), Some("Bearer t2"));

    *google.token_status.lock().unwrap() = Some(503);
    tokio::time::advance(Duration::from_secs(4000)).await;
    let error = get(store.as_ref(), "app").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    let text = "unable to access Secret from SecretManager Client: unable to get credentials: ";
    assert!(error.to_string().starts_with(text), "{error}");
    let tries = stub.lines().len();
    get(store.as_ref(), "app").await.unwrap_err();
    assert_eq!(stub.lines().len(), tries, "many reads don't make many logins that fail");
    *google.token_status.lock().unwrap() = None;
    tokio::time::advance(Duration::from_secs(2)).await;
    assert_eq!(get(store.as_ref(), "app").await.unwrap(), "v");
}

#[tokio::test(start_paused = true)]
async fn a_login_that_hangs_delays_one_round_of_reads_while_the_token_lives() {
    let second = Duration::from_secs(1);
    let (google, hangs) = (app(), Arc::new(AtomicBool::new(false)));
    let stub = {
        let (google, hangs) = (Arc::clone(&google), Arc::clone(&hangs));
        Stub::start(move |seen| match seen.path.as_str() {
            "/token" if hangs.load(Ordering::SeqCst) => Reply::Hang,
            _ => google.answer(seen),
        })
        .await
    };
    let store = keyed(&stub.url(), json!({})).open().await.unwrap();
    let all = async || {
        let began = tokio::time::Instant::now();
        let reads = futures::future::join_all((0..20).map(|_| get(store.as_ref(), "app"))).await;
        assert!(reads.into_iter().all(|v| v.unwrap() == "v"), "the token is still good");
        began.elapsed()
    };
    all().await;
    hangs.store(true, Ordering::SeqCst);
    tokio::time::advance(3400 * second).await;
    let given_up = tokio::time::timeout(3 * second, get(store.as_ref(), "app")).await;
    assert!(given_up.is_err(), "it waits for the login");
    assert!(all().await < second, "who gave up has the others not wait");
    tokio::time::advance(11 * second).await;
    assert!(all().await < 15 * second, "one waits");
    assert!(all().await < second, "and then nobody");
    tokio::time::advance(200 * second).await;
    let error = get(store.as_ref(), "app").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout, "a dead token isn't used: {error}");
}

#[tokio::test(start_paused = true)]
async fn a_token_that_is_refused_is_replaced_once() {
    let google = app();
    let stub = google.stub().await;
    let store = keyed(&stub.url(), json!({})).open().await.unwrap();
    get(store.as_ref(), "app").await.unwrap();
    google.revoked.store(1, Ordering::SeqCst);
    assert_eq!(get(store.as_ref(), "app").await.unwrap(), "v");
    assert_eq!(google.issued.load(Ordering::SeqCst), 2);

    google.revoked.store(100, Ordering::SeqCst);
    for _ in 0..3 {
        let error = get(store.as_ref(), "app").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unauthenticated, "{error}");
    }
    assert_eq!(google.issued.load(Ordering::SeqCst), 2, "it has just been replaced: it isn't the token");
    tokio::time::advance(Duration::from_secs(31)).await;
    get(store.as_ref(), "app").await.unwrap_err();
    assert_eq!(google.issued.load(Ordering::SeqCst), 3);
}

#[tokio::test]
async fn validation_asks_for_a_token_only() {
    let google = app();
    let stub = google.stub().await;
    let store = keyed(&stub.url(), json!({})).open().await.unwrap();
    assert_eq!(store.validate().await, Validation::Ready);
    assert_eq!(stub.lines(), ["POST /token"]);
    *google.token_status.lock().unwrap() = Some(400);
    let store = keyed(&stub.url(), json!({})).open().await.unwrap();
    let Validation::Failed(error) = store.validate().await else { panic!("it has no token") };
    assert_eq!(error.kind(), ErrorKind::Unauthenticated);
    let text =
        format!("unable to get credentials: {} answered 400: the credentials are not accepted; check ", stub.url());
    assert!(error.to_string().starts_with(&text) && !error.to_string().contains("canary"), "{error}");
}

#[tokio::test]
async fn the_project_is_that_of_the_store_the_key_or_the_cluster() {
    let google = app();
    let stub = google.stub().await;
    let url = stub.url();
    let identity = json!({"workloadIdentity": {"serviceAccountRef": {"name": "s"}, "clusterProjectID": "p"}});
    for auth in [key_auth(), identity, json!({"workloadIdentity": {"serviceAccountRef": {"name": "s"}}})] {
        let lookup = Lookup::of(&[("creds/google", &key_file(&url))]);
        let store = store(&url, json!({"projectID": null, "auth": auth}), lookup).open().await.unwrap();
        assert_eq!(get(store.as_ref(), "app").await.unwrap(), "v", "{auth}");
    }
    let mut nowhere = store(&url, json!({"projectID": null, "auth": {}}), Lookup::of(&[]));
    nowhere.environment.gcp.metadata_host = Some("127.0.0.1:1".to_owned());
    let error = nowhere.open().await.err().unwrap();
    assert!(error.to_string().starts_with("unable to find ProjectID in storeSpec: set spec.provider"), "{error}");
    assert_eq!(error.kind(), ErrorKind::Invalid);
}

#[tokio::test]
async fn workload_identity_binds_the_account_and_acts_as_the_one_of_its_annotation() {
    let google = app();
    for (lookup, token) in [(Lookup::of(&[]), "t1"), (annotated(&[]), "t3")] {
        let stub = google.stub().await;
        let account = json!({"name": "s", "audiences": ["more"]});
        let spec = json!({"auth": {"workloadIdentity": {"serviceAccountRef": account}}});
        let store = store(&stub.url(), spec, lookup).open().await.unwrap();
        assert_eq!(get(store.as_ref(), "app").await.unwrap(), "v");
        let seen = stub.seen();
        assert_eq!(seen.last().unwrap().header("authorization"), Some(format!("Bearer {token}").as_str()));
        let bind = seen.iter().find(|seen| seen.path == "/v1/identitybindingtoken").unwrap();
        let cluster = "https://container.googleapis.com/v1/projects/p/locations/europe-west1/clusters/c";
        assert_eq!(
            bind.json(),
            json!({
                "audience": format!("identitynamespace:p.svc.id.goog:{cluster}"),
                "grant_type": "urn:ietf:params:oauth:grant-type:token-exchange",
                "requested_token_type": "urn:ietf:params:oauth:token-type:access_token",
                "scope": "https://www.googleapis.com/auth/cloud-platform",
                "subject_token": "jwt-s-p.svc.id.goog+more-1",
                "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
            })
        );
        let acting = seen.iter().find(|seen| seen.path.ends_with(":generateAccessToken"));
        assert_eq!(acting.is_some(), token == "t3");
        if let Some(acting) = acting {
            let path = "/v1/projects/-/serviceAccounts/sa@p.iam.gserviceaccount.com:generateAccessToken";
            assert_eq!((acting.path.as_str(), acting.header("authorization")), (path, Some("Bearer t2")));
            let want = json!({"scope": ["https://www.googleapis.com/auth/cloud-platform"], "lifetime": "3600s"});
            assert_eq!(acting.json(), want);
        }
    }
}

#[tokio::test]
async fn what_workload_identity_lacks_is_named() {
    let stub = Stub::start(|_| Reply::text(404, "<html>canary")).await;
    let spec = json!({"auth": {"workloadIdentity": {"serviceAccountRef": {"name": "s"}, "clusterProjectID": "p"}}});
    let store = store(&stub.url(), spec, Lookup::of(&[])).open().await.unwrap();
    let error = get(store.as_ref(), "app").await.unwrap_err();
    let text = "unable to lookup workload identity: unable to determine cluster location: ";
    assert!(error.to_string().contains(text), "{error}");
    assert!(error.to_string().contains("auth.workloadIdentity.clusterLocation"), "{error}");
    assert!(!error.to_string().contains("canary"), "{error}");
}

const AUDIENCE: &str = "//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/a/providers/b";

#[tokio::test]
async fn federation_exchanges_the_token_of_an_account() {
    let email = "named@p.iam.gserviceaccount.com";
    let cases = [
        (None, Lookup::of(&[]), None),
        (None, annotated(&[]), Some("sa@p.iam.gserviceaccount.com")),
        (Some(email), annotated(&[]), Some(email)),
    ];
    for (given, lookup, acting) in cases {
        let google = app();
        let stub = google.stub().await;
        let account = json!({"name": "s", "audiences": ["mine"]});
        let federation = json!({"audience": AUDIENCE, "serviceAccountRef": account, "gcpServiceAccountEmail": given});
        let spec = json!({"auth": {"workloadIdentityFederation": federation}});
        let store = store(&stub.url(), spec, lookup).open().await.unwrap();
        assert_eq!(get(store.as_ref(), "app").await.unwrap(), "v");
        let seen = stub.seen();
        assert_eq!(seen[0].line(), "POST /v1/token");
        let form = fields(&seen[0].body);
        assert_eq!((form["audience"].as_str(), form["subject_token"].as_str()), (AUDIENCE, "jwt-s-mine-1"));
        assert_eq!(form["subject_token_type"], "urn:ietf:params:oauth:token-type:jwt");
        let path = acting.map(|email| format!("/v1/projects/-/serviceAccounts/{email}:generateAccessToken"));
        let found = seen.iter().find(|seen| seen.path.ends_with(":generateAccessToken")).map(|seen| seen.path.clone());
        assert_eq!(found, path);
    }
}

#[tokio::test]
async fn federation_proves_an_identity_of_aws() {
    let keys = [("aws/aws_access_key_id", "AKID"), ("aws/aws_secret_access_key", "SECRET")];
    for session in [None, Some(("aws/aws_session_token", "SESSION"))] {
        let google = app();
        let stub = google.stub().await;
        let aws = json!({"region": "eu-west-1", "awsCredentialsSecretRef": {"name": "aws"}});
        let federation = json!({"audience": AUDIENCE, "awsSecurityCredentials": aws});
        let spec = json!({"auth": {"workloadIdentityFederation": federation}});
        let secrets: Vec<_> = keys.into_iter().chain(session).collect();
        let store = store(&stub.url(), spec, Lookup::of(&secrets)).open().await.unwrap();
        assert_eq!(get(store.as_ref(), "app").await.unwrap(), "v");
        let form = fields(&stub.seen()[0].body);
        assert_eq!(form["subject_token_type"], "urn:ietf:params:aws:token-type:aws4_request");
        let proof = fields(&format!("x={}", form["subject_token"]));
        let proof: Value = serde_json::from_str(&proof["x"]).unwrap();
        assert_eq!(proof["url"], "https://sts.eu-west-1.amazonaws.com/?Action=GetCallerIdentity&Version=2011-06-15");
        assert_eq!(proof.to_string().contains("SESSION"), session.is_some());
        assert!(!proof.to_string().contains("\"SECRET"));
        let headers = proof["headers"].as_array().unwrap().iter();
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let headers = headers.map(|header| (text(&header["key"]), text(&header["value"]))).collect();
        let passed = Passed { url: text(&proof["url"]), headers, body: String::new() };
        assert_eq!(passed.signer("SECRET").as_deref(), Some("AKID"));
        assert_eq!(Passed { body: "x".to_owned(), ..passed }.signer("SECRET"), None);
    }
    let spec = json!({"auth": {"workloadIdentityFederation": {"audience": AUDIENCE, "awsSecurityCredentials": {
        "region": "eu-west-1", "awsCredentialsSecretRef": {"name": "aws"}}}}});
    let store = store("http://127.0.0.1:1", spec, Lookup::of(&keys[..1])).open().await.unwrap();
    let error = get(store.as_ref(), "app").await.unwrap_err();
    let text =
        "failed to fetch AwsSecurityCredentials secret: cannot find secret data for key: \"aws_secret_access_key\"";
    assert!(error.to_string().ends_with(text), "{error}");
}

fn external(source: Value) -> String {
    json!({"type": "external_account", "audience": AUDIENCE, "token_url": "https://sts.googleapis.com/v1/token",
        "subject_token_type": "urn:ietf:params:oauth:token-type:id_token", "credential_source": source})
    .to_string()
}

#[tokio::test]
async fn federation_takes_a_token_from_a_file_or_a_url_of_a_configuration() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("token");
    std::fs::write(&file, r#"{"id_token":"mine"}"#).unwrap();
    let format = json!({"type": "json", "subject_token_field_name": "id_token"});
    for by_url in [false, true] {
        let google = app();
        let stub = google.stub().await;
        let tokens = Stub::start(|seen| match (seen.path.as_str(), seen.header("x-own")) {
            ("/t", Some("1")) => Reply::text(200, r#"{"id_token":"mine"}"#),
            _ => Reply::text(404, "canary"),
        })
        .await;
        let url = format!("{}/t", tokens.url());
        let source = match by_url {
            true => json!({"url": url, "headers": {"X-Own": "1"}, "format": format}),
            false => json!({"file": file, "format": format}),
        };
        let config = json!({"name": "cfg", "key": "k", "namespace": "n"});
        let mut federation = json!({"credConfig": config});
        if by_url {
            federation["externalTokenEndpoint"] = json!(url);
        }
        let spec = json!({"auth": {"workloadIdentityFederation": federation}});
        let store = store(&stub.url(), spec, Lookup::of(&[("cfg", &external(source))])).open().await.unwrap();
        assert_eq!(get(store.as_ref(), "app").await.unwrap(), "v", "{by_url}");
        let form = fields(&stub.seen()[0].body);
        assert_eq!(form["subject_token"], "mine");
        assert_eq!(form["subject_token_type"], "urn:ietf:params:oauth:token-type:id_token");
    }
}

#[tokio::test]
async fn a_stores_file_is_not_one_that_the_environment_names() {
    type Named = fn(&mut providers::Environment, std::path::PathBuf);
    let cases: [Option<Named>; 4] = [
        None,
        Some(|environment, file| environment.identity_files = vec!["/none".into(), file]),
        Some(|environment, file| environment.gcp.application_credentials = Some(file)),
        Some(|environment, file| {
            let credentials = file.with_file_name("credentials");
            std::fs::write(&credentials, external(json!({"file": file}))).unwrap();
            environment.gcp.application_credentials = Some(credentials);
        }),
    ];
    let directory = tempfile::tempdir().unwrap();
    let (file, sub) = (directory.path().join("token"), directory.path().join("sub"));
    std::fs::write(&file, "mine").unwrap();
    std::fs::create_dir(&sub).unwrap();
    for (number, named) in cases.into_iter().enumerate() {
        let stub = app().stub().await;
        let around = json!({"file": sub.join("../token")});
        let config = json!({"credConfig": {"name": "cfg", "key": "k", "namespace": "n"}});
        let spec = json!({"auth": {"workloadIdentityFederation": config}});
        let mut opening = store(&stub.url(), spec, Lookup::of(&[("cfg", &external(around))]));
        if let Some(named) = named {
            named(&mut opening.environment, file.clone());
        }
        let got = get(opening.open().await.unwrap().as_ref(), "app").await;
        match got {
            Ok(value) => assert_eq!((value.as_str(), number), ("v", 0)),
            Err(error) => {
                assert!(number > 0 && error.to_string().contains("this file is the operator's own"), "{error}")
            }
        }
    }
}

#[tokio::test]
async fn a_configuration_that_is_refused_says_so_when_the_store_is_opened() {
    let config = |name: &str, namespace: Option<&str>| json!({"auth": {"workloadIdentityFederation": {"credConfig": {"name": name, "key": "k", "namespace": namespace}}}});
    let lookup = |cluster: bool| {
        let secrets = BTreeMap::from([("exec", external(json!({"executable": {"command": "/bin/canary"}})))]);
        Arc::new(Lookup { secrets, cluster, ..Lookup::default() })
    };
    let cases = [
        (config("exec", None), false, "credential_source.executable.command is not allowed"),
        (config("exec", None), true, "a ClusterSecretStore must name the ConfigMap's namespace"),
        (config("none", Some("n")), true, "failed to get caProvider configMap none"),
    ];
    for (spec, cluster, text) in cases {
        let error = store("http://127.0.0.1:1", spec, lookup(cluster)).open().await.err().unwrap();
        assert_eq!(error.kind(), ErrorKind::Invalid);
        let field = "spec.provider.gcpsm.auth.workloadIdentityFederation.credConfig: ";
        assert!(error.to_string().contains(field) && error.to_string().contains(text), "{error}");
        assert!(!error.to_string().contains("canary"), "{error}");
    }
}

#[tokio::test]
async fn federation_takes_the_identity_of_a_machine_of_aws() {
    let google = app();
    // Its metadata server has a fixed address; the proxy of the environment leads here.
    let stub = {
        let google = Arc::clone(&google);
        Stub::start(move |seen| {
            let has_session = seen.header("x-aws-ec2-metadata-token") == Some("session");
            match (seen.method.as_str(), seen.path.strip_prefix("http://169.254.169.254/latest/")) {
                ("PUT", Some("api/token")) => Reply::text(200, "session"),
                ("GET", Some(_)) if !has_session => Reply::text(401, "canary"),
                (_, Some("meta-data/placement/availability-zone")) => Reply::text(200, "eu-west-1b"),
                (_, Some("meta-data/iam/security-credentials")) => Reply::text(200, "role\n"),
                (_, Some("meta-data/iam/security-credentials/role")) => {
                    Reply::json(200, json!({"AccessKeyId": "AKID", "SecretAccessKey": "SECRET", "Token": "SESSION"}))
                }
                _ => google.answer(seen),
            }
        })
        .await
    };
    let imds = "http://169.254.169.254/latest";
    let source = json!({"environment_id": "aws1", "url": format!("{imds}/meta-data/iam/security-credentials"),
        "region_url": format!("{imds}/meta-data/placement/availability-zone"),
        "imdsv2_session_token_url": format!("{imds}/api/token")});
    let spec =
        json!({"auth": {"workloadIdentityFederation": {"credConfig": {"name": "cfg", "key": "k", "namespace": "n"}}}});
    let mut opening = store(&stub.url(), spec, Lookup::of(&[("cfg", &external(source))]));
    opening.environment.proxy.http = Some(stub.url());
    let store = opening.open().await.unwrap();
    assert_eq!(get(store.as_ref(), "app").await.unwrap(), "v");
    let exchange = stub.seen().into_iter().find(|seen| seen.path == "/v1/token").unwrap();
    let proof = fields(&format!("x={}", fields(&exchange.body)["subject_token"]));
    assert!(proof["x"].contains("Credential=AKID/") && proof["x"].contains("sts.eu-west-1.amazonaws.com"), "{proof:?}");
}

#[tokio::test]
async fn without_auth_the_environment_decides() {
    let google = app();
    let stub = google.stub().await;
    let url = stub.url();
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("key.json");
    std::fs::write(&file, key_file(&url)).unwrap();
    // A store without auth behind http:// is an emulator's, which wants no token.
    let emulator = {
        let google = Arc::clone(&google);
        Stub::start(move |seen| match seen.header("authorization") {
            None => google.secret_manager(seen),
            Some(_) => Reply::text(400, ""),
        })
        .await
    };
    let anonymous = store(&emulator.url(), json!({}), Lookup::of(&[])).open().await.unwrap();
    assert_eq!(get(anonymous.as_ref(), "app").await.unwrap(), "v");
    assert_eq!(anonymous.validate().await, Validation::Ready);

    for with_file in [false, true] {
        // Nothing answers at this https, but the tokens can be seen being asked for.
        let mut opening = store(&url, json!({}), Lookup::of(&[]));
        opening.environment.gcp.secret_manager_endpoint = Some("https://127.0.0.1:1".to_owned());
        opening.environment.gcp.application_credentials = with_file.then(|| file.clone());
        let default = opening.open().await.unwrap();
        let before = stub.lines().len();
        assert_eq!(default.validate().await, Validation::Ready, "{with_file}");
        let want = match with_file {
            true => "POST /token",
            false => "GET /computeMetadata/v1/instance/service-accounts/default/token",
        };
        assert_eq!(stub.lines()[before..], [want]);
    }
}

#[tokio::test]
async fn a_disabled_latest_version_fails_or_gives_way_to_the_newest_enabled_one() {
    let mut stored = Stored::of(&["1", "2", "3", "4"]);
    stored.versions[0].1 = "DESTROYED";
    stored.versions[3].1 = "DISABLED";
    let mut dead = Stored::of(&["1"]);
    dead.versions[0].1 = "DESTROYED";
    let google = Google::of(&[("app", stored), ("dead", dead), ("empty", Stored::of(&[]))]);
    let stub = google.stub().await;
    let fails = keyed(&stub.url(), json!({})).open().await.unwrap();
    let fetches = keyed(&stub.url(), json!({"secretVersionSelectionPolicy": "LatestOrFetch"})).open().await.unwrap();
    let off = "unable to access Secret from SecretManager Client: ";
    let cases = [
        (&fails, "app", None, Err(off)),
        (&fetches, "app", None, Ok("3")),
        (&fetches, "app", Some("latest"), Err(off)),
        (&fetches, "app", Some("1"), Err(off)),
        (&fetches, "app", Some("2"), Ok("2")),
        (&fetches, "dead", None, Err(off)),
        (&fetches, "empty", None, Err("Secret does not exist")),
    ];
    for (store, key, version, want) in cases {
        match (value(store.as_ref(), &reference(key, version, None)).await, want) {
            (Ok(got), Ok(want)) => assert_eq!(got, want, "{key} {version:?}"),
            (Err(error), Err(text)) => {
                assert!(error.to_string().starts_with(text) && !error.to_string().contains("canary"), "{error}");
                let missing = error.kind() == ErrorKind::NotFound;
                assert_eq!(missing, key == "empty", "a version that is switched off is no sign of a deletion: {error}");
                assert!(missing || error.to_string().contains("disabled or destroyed"), "{error}");
            }
            (got, want) => panic!("{key} {version:?}: {got:?}, not {want:?}"),
        }
    }
}

#[tokio::test]
async fn a_location_is_part_of_every_name_and_finds_stay_in_it() {
    let google = Google::of(&[("app", Stored::of(&["v"]).labelled(&[("a", "b")]))]);
    let stub = google.stub().await;
    let store = keyed(&stub.url(), json!({"location": "l"})).open().await.unwrap();
    assert_eq!(get(store.as_ref(), "app").await.unwrap(), "v");
    assert_eq!(found(store.as_ref(), json!({"tags": {"a": "b"}})).await.unwrap(), ["app=v"]);
    let api: Vec<_> = stub.lines().into_iter().filter(|line| line.starts_with("GET")).collect();
    assert!(api.iter().all(|line| line.starts_with("GET /v1/projects/p/locations/l/secrets")), "{api:?}");
}

#[tokio::test]
async fn a_damaged_payload_and_a_key_that_cannot_be_are_refused() {
    let google = Arc::new(Google { damaged: true, ..Arc::into_inner(app()).unwrap() });
    let stub = google.stub().await;
    let store = keyed(&stub.url(), json!({})).open().await.unwrap();
    let error = get(store.as_ref(), "app").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Malformed);
    assert!(error.to_string().contains("dataCrc32c"), "{error}");
    let before = stub.lines().len();
    for key in ["../app", "projects/p/secrets/app", ""] {
        assert_eq!(get(store.as_ref(), key).await.unwrap_err().kind(), ErrorKind::Invalid, "{key}");
    }
    assert_eq!(stub.lines().len(), before);
}

#[tokio::test]
async fn an_answer_about_something_else_is_no_missing_secret() {
    let cases = [
        (refused(404, "NOT_FOUND", "Secret [projects/1/secrets/app] not found."), ErrorKind::NotFound),
        (refused(404, "NOT_FOUND", "Secret [projects/1/secrets/app2] not found."), ErrorKind::Invalid),
        (refused(404, "NOT_FOUND", "Project not found."), ErrorKind::Invalid),
        (Reply::text(404, "secrets/app"), ErrorKind::Malformed),
    ];
    for (reply, kind) in cases {
        let stub = Stub::start(move |seen| app().login(seen).unwrap_or_else(|| reply.clone())).await;
        let store = keyed(&stub.url(), json!({})).open().await.unwrap();
        let mut key = reference("app", None, None).read;
        for metadata in [false, true] {
            key.metadata = metadata;
            assert_eq!(store.read(&key).await.unwrap_err().kind(), kind);
        }
    }
}

#[tokio::test]
async fn finds_go_by_name_or_labels_through_all_pages() {
    let labelled = |text: &str, team: &str| Stored::of(&[text]).labelled(&[("team", team)]);
    let google = Google::of(&[
        ("a-one", labelled("1", "x")),
        ("a-two", labelled("2", "y")),
        ("b-one", labelled("3", "x")),
        ("c-a-one", labelled("4", "x")),
        ("empty", Stored::of(&[])),
    ]);
    let stub = google.stub().await;
    let store = keyed(&stub.url(), json!({})).open().await.unwrap();
    let cases = [
        (json!({"name": {"regexp": ""}}), vec!["a-one=1", "a-two=2", "b-one=3", "c-a-one=4"], ""),
        (json!({"name": {"regexp": "one$"}}), vec!["a-one=1", "b-one=3", "c-a-one=4"], ""),
        (json!({"name": {"regexp": ""}, "path": "a-"}), vec!["a-one=1", "a-two=2"], "name%3Aa-"),
        (json!({"tags": {"team": "x"}}), vec!["a-one=1", "b-one=3", "c-a-one=4"], "labels.team%3Dx"),
        (json!({"tags": {"team": "x"}, "path": "b"}), vec!["b-one=3"], "labels.team%3Dx+name%3Ab"),
        (json!({"tags": {"team": "x"}, "name": {"regexp": "two"}}), vec!["a-two=2"], ""),
        (json!({"tags": {"team": "z"}}), vec![], "labels.team%3Dz"),
    ];
    for (find, want, filter) in cases {
        let before = stub.lines().len();
        assert_eq!(found(store.as_ref(), find.clone()).await.unwrap(), want, "{find}");
        let lines = stub.lines();
        let listed = lines[before..].iter().find(|line| line.contains("/secrets?")).unwrap();
        let filter = if filter.is_empty() { String::new() } else { format!("&filter={filter}") };
        assert_eq!(*listed, format!("GET /v1/projects/p/secrets?pageSize=500{filter}"), "{find}");
    }
    google.secrets.lock().unwrap().get_mut("a-two").unwrap().versions[0].1 = "DISABLED";
    let error = found(store.as_ref(), json!({"name": {"regexp": ""}})).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid, "a secret that can't be read is not left out: {error}");
}

fn place(key: &str, property: Option<&str>) -> Place {
    Place { key: key.to_owned(), property: property.map(str::to_owned) }
}

fn one(text: &str, property: Option<&str>, spec: Option<Value>) -> Push {
    let data = [("k".to_owned(), SecretBytes::from(text))].into();
    let metadata = spec.map(|spec| {
        json!({"apiVersion": "kubernetes.external-secrets.io/v1alpha1", "kind": "PushSecretMetadata", "spec": spec})
    });
    let source = Arc::new(Source { data, ..Source::default() });
    Push { source, secret_key: Some("k".to_owned()), place: place("app", property), metadata }
}

async fn push(store: &dyn Provider, text: &str, property: Option<&str>, spec: Option<Value>) -> Result<Pushed, Error> {
    store.writer().unwrap().push(&one(text, property, spec), &Made::default()).await
}

#[tokio::test]
async fn a_push_creates_changes_and_leaves_alone() {
    let google = Google::of(&[]);
    let stub = google.stub().await;
    let store = keyed(&stub.url(), json!({})).open().await.unwrap();
    let store = store.as_ref();
    let writes = || stub.lines().iter().filter(|line| !line.starts_with("GET") && !line.ends_with("/token")).count();
    let spec = || Some(json!({"labels": {"a": "b"}, "topics": ["projects/p/topics/t"], "replicationLocation": "l"}));
    assert_eq!(push(store, "one", None, spec()).await.unwrap(), Pushed::Written);
    let stored = google.stored("app").unwrap();
    let labels = BTreeMap::from([("a", "b"), ("managed-by", "external-secrets")].map(|(k, v)| (k.into(), v.into())));
    assert_eq!(stored.labels, labels);
    assert_eq!(stored.more["topics"], json!([{"name": "projects/p/topics/t"}]));
    assert_eq!(stored.more["replication"], json!({"userManaged": {"replicas": [{"location": "l"}]}}));
    assert_eq!((google.newest("app"), writes()), (Some(("one".to_owned(), 1)), 2));

    assert_eq!(push(store, "one", None, spec()).await.unwrap(), Pushed::Unchanged);
    assert_eq!(writes(), 2, "what is as wished is not written");
    assert_eq!(push(store, "two", None, spec()).await.unwrap(), Pushed::Written);
    assert_eq!((google.newest("app"), writes()), (Some(("two".to_owned(), 2)), 3));
    let merged = Some(json!({"mergePolicy": "Merge", "annotations": {"c": "d"}}));
    assert_eq!(push(store, "two", None, merged).await.unwrap(), Pushed::Written);
    let stored = google.stored("app").unwrap();
    assert_eq!((stored.labels, stored.annotations["c"].as_str(), stored.versions.len()), (labels, "d", 2));

    let made = Made::default();
    store.writer().unwrap().push(&one("three", None, None), &made).await.unwrap();
    let made = made.0.into_inner().unwrap();
    let want = [("AccessSecretVersion", 1), ("AddSecretVersion", 1), ("GetSecret", 1), ("UpdateSecret", 1)];
    assert_eq!(made, BTreeMap::from(want));
}

#[tokio::test]
async fn a_property_is_joined_with_what_is_there() {
    let google = Google::of(&[]);
    let stub = google.stub().await;
    let store = keyed(&stub.url(), json!({})).open().await.unwrap();
    let store = store.as_ref();
    push(store, "u", Some("user"), None).await.unwrap();
    push(store, "x", Some("db.pass"), None).await.unwrap();
    assert_eq!(push(store, "x", Some("db.pass"), None).await.unwrap(), Pushed::Unchanged);
    assert_eq!(google.newest("app"), Some((r#"{"user":"u","db":{"pass":"x"}}"#.to_owned(), 2)));
    let error = push(store, "x", Some("user"), Some(json!({}))).await.unwrap_err();
    assert_eq!(error.to_string(), "cannot specify metadata and property at the same time");

    let writer = store.writer().unwrap();
    let calls = &Made::default();
    assert_eq!(writer.delete(&place("app", Some("none")), calls).await.unwrap(), Removed::Absent);
    assert_eq!(writer.delete(&place("app", Some("db.pass")), calls).await.unwrap(), Removed::Deleted);
    assert_eq!(google.newest("app"), Some((r#"{"user":"u"}"#.to_owned(), 3)));
    assert_eq!(writer.delete(&place("app", Some("user")), calls).await.unwrap(), Removed::Deleted);
    assert!(google.stored("app").is_none(), "the secret goes with its last property");
}

#[tokio::test]
async fn what_is_not_ours_or_cannot_be_written_stays() {
    let mut off = Stored::of(&["1"]).ours();
    off.versions[0].1 = "DISABLED";
    let cases = [
        (Stored::of(&["old"]), "new", None, ErrorKind::Invalid, "secret app is not managed by external secrets"),
        (Stored::of(&["{}"]), "new", Some("p"), ErrorKind::Invalid, "secret app is not managed by external secrets"),
        (Stored::of(&["canary"]).ours(), "new", Some("p"), ErrorKind::Invalid, "property \"p\": "),
        (off, "new", None, ErrorKind::Invalid, "unable to access Secret from SecretManager Client: "),
    ];
    for (stored, text, property, kind, want) in cases {
        let google = Google::of(&[("app", stored)]);
        let stub = google.stub().await;
        let store = keyed(&stub.url(), json!({})).open().await.unwrap();
        let error = push(store.as_ref(), text, property, None).await.unwrap_err();
        assert_eq!(error.kind(), kind);
        assert!(error.to_string().starts_with(want) && !error.to_string().contains("canary"), "{error}");
        let lines = stub.lines();
        assert!(lines.iter().all(|line| line.starts_with("GET") || line.ends_with("/token")), "{lines:?}");
    }
    let google = Google::of(&[("app", Stored::of(&["old"]).ours())]);
    let stub = google.stub().await;
    let store = keyed(&stub.url(), json!({})).open().await.unwrap();
    let error = push(store.as_ref(), &"x".repeat(70_000), None, None).await.unwrap_err();
    assert!(error.to_string().contains("takes up to 65536"), "{error}");
    google.faults.lock().unwrap().push(("POST", ":addVersion", 503));
    let error = push(store.as_ref(), "new", None, None).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert_eq!(google.newest("app"), Some(("old".to_owned(), 1)));
}

#[tokio::test]
async fn deletions_take_only_what_is_ours_and_has_not_changed() {
    let google = Google::of(&[("mine", Stored::of(&["v"]).ours()), ("theirs", Stored::of(&["v"]))]);
    let stub = google.stub().await;
    let store = keyed(&stub.url(), json!({})).open().await.unwrap();
    let delete = async |key: &str| store.writer().unwrap().delete(&place(key, None), &Made::default()).await;
    assert_eq!(delete("none").await.unwrap(), Removed::Absent);
    assert_eq!(delete("theirs").await.unwrap(), Removed::Foreign);
    assert_eq!(delete("mine").await.unwrap(), Removed::Deleted);
    assert_eq!(google.secrets.lock().unwrap().keys().collect::<Vec<_>>(), ["theirs"]);
    assert_eq!(stub.lines().last().unwrap(), "DELETE /v1/projects/p/secrets/mine?etag=%220%22");
}

#[tokio::test]
async fn a_secret_exists_if_a_version_can_be_read() {
    let mut half = Stored::of(&["1", "2", "3", "4"]);
    half.versions[3].1 = "DISABLED";
    let mut off = Stored::of(&["1"]);
    off.versions[0].1 = "DISABLED";
    let google = Google::of(&[("half", half), ("off", off), ("empty", Stored::of(&[]))]);
    let stub = google.stub().await;
    let store = keyed(&stub.url(), json!({})).open().await.unwrap();
    for (key, want) in [("half", Ok(true)), ("off", Err(ErrorKind::Invalid)), ("empty", Ok(false)), ("none", Ok(false))]
    {
        let got = store.writer().unwrap().exists(&place(key, None), &Made::default()).await;
        assert_eq!(got.map_err(|error| error.kind()), want, "{key}");
    }
}
