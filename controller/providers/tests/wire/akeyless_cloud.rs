//! Akeyless, logged in to by identities of clouds: Google's, and Azure's.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use provider::ErrorKind;
use providers::AzureEnvironment;
use serde_json::{Value, json};

use super::akeyless::{keyed, one};
use crate::support::akeyless::{AUTH, Account};
use crate::support::azure::fields;
use crate::support::gcp::{Google, claims, everywhere, key_file};
use crate::support::{Lookup, Opening, Reply, Seen, Stub, reference, value};

const EMAIL: &str = "sa@p.iam.gserviceaccount.com";

/// Akeyless, and a cloud's logins at the same place.
async fn beside(cloud: impl Fn(&Seen) -> Option<Reply> + Send + Sync + 'static) -> Stub {
    let account = Account::of(one());
    Stub::start(move |seen| cloud(seen).unwrap_or_else(|| account.answer(seen))).await
}

/// A store with this type of access and parameter.
fn store(url: &str, kind: &str, parameter: Option<&str>, annotations: &[(&str, &str)]) -> Opening {
    let mut opening = keyed(&format!("{url}/v2"), kind);
    let mut secrets = BTreeMap::from([("creds/id", "AKID\n".to_owned()), ("creds/type", kind.to_owned())]);
    match parameter {
        Some(parameter) => drop(secrets.insert("creds/key", parameter.to_owned())),
        None => {
            let auth = &mut opening.spec["akeyless"]["authSecretRef"]["secretRef"];
            auth.as_object_mut().unwrap().remove("accessTypeParam");
        }
    }
    let annotations = annotations.iter().map(|(name, id)| ((*name).to_owned(), (*id).to_owned())).collect();
    opening.lookup = Arc::new(Lookup { secrets, annotations, ..Lookup::default() });
    opening.environment.gcp = everywhere(url);
    opening.environment.azure = AzureEnvironment {
        metadata_host: Some(url.to_owned()),
        authority_host: Some(url.to_owned()),
        ..AzureEnvironment::default()
    };
    opening
}

/// The login's body; the cloud id is decoded.
fn login(stub: &Stub) -> Value {
    let logins: Vec<Seen> = stub.seen().into_iter().filter(|seen| seen.line() == AUTH).collect();
    assert_eq!(logins.len(), 1, "{:?}", stub.lines());
    let mut body = logins[0].json();
    let id = STANDARD.decode(body["cloud-id"].as_str().unwrap()).unwrap();
    body["cloud-id"] = String::from_utf8(id).unwrap().into();
    body
}

#[tokio::test]
async fn google_says_who_the_controller_is() {
    let directory = tempfile::tempdir().unwrap();
    let federation = |url: &str| {
        let acting =
            format!("https://iamcredentials.googleapis.com/v1/projects/-/serviceAccounts/{EMAIL}:generateAccessToken");
        json!({"type": "external_account", "audience": "a", "credential_source": {"url": format!("{url}/theirs")},
            "service_account_impersonation_url": acting})
        .to_string()
    };
    type File<'f> = Option<&'f dyn Fn(&str) -> String>;
    let cases: [(File<'_>, Option<&str>, &str, Value); 4] = [
        (None, None, "machine", json!({"audience": "akeyless.io", "format": "full"})),
        (None, Some("mine\n"), "machine", json!({"audience": "mine", "format": "full"})),
        (Some(&key_file), Some("mine"), "token", json!({"iss": EMAIL, "target_audience": "mine"})),
        (Some(&federation), None, EMAIL, json!({"audience": "akeyless.io", "includeEmail": true})),
    ];
    for (file, parameter, signer, want) in cases {
        let google = Google::of(&[]);
        let stub = beside(move |seen| match seen.path.as_str() {
            "/theirs" => Some(Reply::text(200, "theirs")),
            _ => google.login(seen),
        })
        .await;
        let mut opening = store(&stub.url(), "gcp\n", parameter, &[]);
        opening.environment.gcp.application_credentials = file.map(|file| {
            let path = directory.path().join("credentials");
            std::fs::write(&path, file(&stub.url())).unwrap();
            path
        });
        let store = opening.open().await.unwrap();
        assert!(stub.lines().is_empty(), "the first who reads logs in");
        let key = reference("/one", None, None);
        let reads = (0..10).map(|_| value(store.as_ref(), &key));
        assert!(futures::future::join_all(reads).await.into_iter().all(|v| v.unwrap() == "v"));
        let login = login(&stub);
        assert_eq!((login["access-type"].as_str(), login["access-id"].as_str()), (Some("gcp"), Some("AKID")));
        let (claims, signed) = claims(login["cloud-id"].as_str().unwrap());
        assert_eq!(signed, signer, "{claims}");
        for (claim, value) in want.as_object().unwrap() {
            assert_eq!(&claims[claim], value, "{signer}");
        }
        assert_eq!(claims.get("scope"), None);
    }
}

#[tokio::test]
async fn the_operators_file_may_name_private_endpoints_of_google() {
    let directory = tempfile::tempdir().unwrap();
    let google = Google::of(&[]);
    let stub = beside(move |seen| match seen.path.as_str() {
        "/theirs" => Some(Reply::text(200, "theirs")),
        _ => google.login(seen),
    })
    .await;
    let url = stub.url();
    let file = json!({"type": "external_account", "audience": "a", "token_url": format!("{url}/v1/token"),
        "credential_source": {"url": format!("{url}/theirs")}, "service_account_impersonation_url":
        format!("{url}/v1/projects/-/serviceAccounts/{EMAIL}:generateAccessToken")});
    let path = directory.path().join("credentials");
    std::fs::write(&path, file.to_string()).unwrap();
    let mut opening = store(&url, "gcp", None, &[]);
    let gcp = &mut opening.environment.gcp;
    (gcp.sts_endpoint, gcp.iam_credentials_endpoint, gcp.application_credentials) = (None, None, Some(path));
    let store = opening.open().await.unwrap();
    assert_eq!(value(store.as_ref(), &reference("/one", None, None)).await.unwrap(), "v");
    let (_, signer) = claims(login(&stub)["cloud-id"].as_str().unwrap());
    assert_eq!(signer, EMAIL);
}

/// The cloud ids of all logins so far.
fn cloud_ids(stub: &Stub) -> Vec<String> {
    let logins = stub.seen().into_iter().filter(|seen| seen.line() == AUTH);
    let id = |seen: Seen| STANDARD.decode(seen.json()["cloud-id"].as_str().unwrap()).unwrap();
    logins.map(|seen| String::from_utf8(id(seen)).unwrap()).collect()
}

#[tokio::test(start_paused = true)]
async fn each_login_shows_a_fresh_cloud_id() {
    for kind in ["gcp", "azure_ad"] {
        let (account, asked) = (Account::of(one()), AtomicUsize::new(0));
        let stub = {
            let account = Arc::clone(&account);
            Stub::start(move |seen| {
                let fresh = || format!("id-{}", asked.fetch_add(1, Ordering::SeqCst) + 1);
                match seen.path.as_str() {
                    path if path.contains("/default/identity?") => Reply::text(200, fresh()),
                    path if path.starts_with("/metadata/identity/") => {
                        Reply::json(200, json!({"access_token": fresh(), "expires_in": "3600"}))
                    }
                    _ => account.answer(seen),
                }
            })
            .await
        };
        let store = store(&stub.url(), kind, None, &[]).open().await.unwrap();
        let key = reference("/one", None, None);
        assert_eq!(value(store.as_ref(), &key).await.unwrap(), "v");
        account.revoked.store(1, Ordering::SeqCst);
        tokio::time::advance(Duration::from_secs(11)).await;
        assert_eq!(value(store.as_ref(), &key).await.unwrap(), "v");
        assert_eq!(cloud_ids(&stub), ["id-1", "id-2"], "{kind}");
    }
}

/// Entra ID and the metadata service of a node in this cloud.
fn azure(cloud: &'static str) -> impl Fn(&Seen) -> Option<Reply> {
    move |seen| {
        if seen.path.starts_with("/metadata/") && seen.header("metadata") != Some("true") {
            return Some(Reply::text(400, "canary"));
        }
        let path = seen.path.split('?').next().unwrap_or_default();
        Some(match path {
            "/metadata/instance" => Reply::json(200, json!({"compute": {"azEnvironment": cloud}})),
            "/metadata/identity/oauth2/token" => {
                Reply::json(200, json!({"access_token": "node", "expires_in": "3600"}))
            }
            path if path.ends_with("/oauth2/v2.0/token") => {
                Reply::json(200, json!({"access_token": "client", "expires_in": 3600}))
            }
            _ => return None,
        })
    }
}

const CLIENT: (&str, &str) = ("azure.workload.identity/client-id", "annotated");
const TENANT: (&str, &str) = ("azure.workload.identity/tenant-id", "theirs");

#[tokio::test]
async fn azure_grants_a_token_to_the_account_that_the_store_names() {
    let public = "https://management.azure.com/.default";
    let cases = [
        (vec![CLIENT, TENANT], Some("given"), None, "/theirs", "annotated", public),
        (vec![], Some("given"), None, "/own", "given", public),
        (
            vec![CLIENT],
            None,
            Some("AzureUSGovernment"),
            "/own",
            "annotated",
            "https://management.usgovcloudapi.net/.default",
        ),
    ];
    for (annotations, parameter, cloud, tenant, client, scope) in cases {
        let stub = beside(azure("AzureChinaCloud")).await;
        let mut opening = store(&stub.url(), "azure_ad", parameter, &annotations);
        opening.spec["akeyless"]["authSecretRef"]["serviceAccountRef"] = json!({"name": "s", "audiences": ["more"]});
        opening.environment.azure.tenant_id = Some("own".to_owned());
        opening.environment.azure.cloud_names = cloud.into_iter().map(str::to_owned).collect();
        let store = opening.open().await.unwrap();
        assert_eq!(value(store.as_ref(), &reference("/one", None, None)).await.unwrap(), "v");
        assert_eq!(login(&stub), json!({"access-type": "azure_ad", "access-id": "AKID", "cloud-id": "client"}));
        let asked = &stub.seen()[0];
        assert_eq!(asked.line(), format!("POST {tenant}/oauth2/v2.0/token"));
        let form = fields(asked);
        assert_eq!((form["client_id"].as_str(), form["scope"].as_str()), (client, scope));
        assert_eq!(form["client_assertion"], "jwt-s-api://AzureADTokenExchange+more-1");
    }
}

#[tokio::test]
async fn azure_grants_a_token_to_the_controllers_own_identity() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("token");
    std::fs::write(&file, "federated\n").unwrap();
    let (id, tenant) = (Some("c".to_owned()), Some("own".to_owned()));
    let pod = |file: Option<PathBuf>, secret: Option<&str>| AzureEnvironment {
        client_id: id.clone(),
        tenant_id: tenant.clone(),
        federated_token_file: file,
        client_secret: secret.map(Into::into),
        ..AzureEnvironment::default()
    };
    let node = |more: &str, resource: &str| {
        format!(
            "GET /metadata/identity/oauth2/token?api-version=2018-02-01&resource=https%3A%2F%2Fmanagement.{resource}%2F{more}"
        )
    };
    let instance = "GET /metadata/instance?api-version=2021-02-01&format=json".to_owned();
    let (public, china) = ("azure.com", "chinacloudapi.cn");
    let entra = "POST /own/oauth2/v2.0/token".to_owned();
    let cases = [
        (None, AzureEnvironment::default(), vec![instance.clone(), node("", china)], None),
        (Some("object"), pod(Some(file.clone()), None), vec![instance.clone(), node("&object_id=object", china)], None),
        (
            None,
            AzureEnvironment { cloud_names: vec!["Mars".to_owned(), "AzureCloud".to_owned()], ..pod(None, None) },
            vec![node("&client_id=c", public)],
            None,
        ),
        (
            None,
            pod(Some(file.clone()), None),
            vec![instance.clone(), entra.clone()],
            Some(("client_assertion", "federated")),
        ),
        (None, pod(Some(file.clone()), Some("hush")), vec![instance, entra], Some(("client_secret", "hush"))),
    ];
    for (parameter, environment, want, proof) in cases {
        let stub = beside(azure("AzureChinaCloud")).await;
        let mut opening = store(&stub.url(), "azure_ad", parameter, &[]);
        let here = opening.environment.azure.clone();
        opening.environment.azure =
            AzureEnvironment { metadata_host: here.metadata_host, authority_host: here.authority_host, ..environment };
        let store = opening.open().await.unwrap();
        assert_eq!(value(store.as_ref(), &reference("/one", None, None)).await.unwrap(), "v");
        let lines: Vec<String> = stub.lines().into_iter().take_while(|line| line != AUTH).collect();
        assert_eq!(lines, want);
        assert_eq!(login(&stub)["cloud-id"], if proof.is_some() { "client" } else { "node" });
        if let Some((field, value)) = proof {
            let form = fields(&stub.seen()[lines.len() - 1]);
            assert_eq!(
                (form[field].as_str(), form["scope"].as_str()),
                (value, "https://management.chinacloudapi.cn/.default")
            );
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_node_that_did_not_tell_its_cloud_is_asked_again_and_one_that_did_is_not() {
    let second = Duration::from_secs(1);
    type Case = (fn() -> Reply, Duration);
    let cases: [Case; 4] = [
        (|| Reply::text(429, "canary"), Duration::ZERO),
        (|| Reply::text(404, "canary"), Duration::ZERO),
        (|| Reply::text(200, "<html>"), Duration::ZERO),
        (|| Reply::Hang, 5 * second),
    ];
    for (fault, delay) in cases {
        let (account, asked) = (Account::of(one()), AtomicUsize::new(0));
        let stub = {
            let account = Arc::clone(&account);
            let good = azure("AzureChinaCloud");
            Stub::start(move |seen| match seen.path.starts_with("/metadata/instance") {
                true if asked.fetch_add(1, Ordering::SeqCst) == 0 => fault(),
                _ => good(seen).unwrap_or_else(|| account.answer(seen)),
            })
            .await
        };
        let mut opening = store(&stub.url(), "azure_ad", None, &[]);
        opening.environment.azure.authority_host = None;
        let store = opening.open().await.unwrap();
        let began = tokio::time::Instant::now();
        for number in 1..=3 {
            assert_eq!(value(store.as_ref(), &reference("/one", None, None)).await.unwrap(), "v");
            if number == 1 {
                assert!((delay..delay + second).contains(&began.elapsed()), "{:?}", began.elapsed());
            }
            account.revoked.store(number, Ordering::SeqCst);
            tokio::time::advance(11 * second).await;
        }
        let lines = stub.lines();
        let resources: Vec<&str> = lines
            .iter()
            .filter_map(|line| line.split_once("&resource=https%3A%2F%2Fmanagement.")?.1.split('%').next())
            .collect();
        assert_eq!(resources, ["azure.com", "chinacloudapi.cn", "chinacloudapi.cn"]);
        assert_eq!(lines.iter().filter(|line| line.contains("/metadata/instance")).count(), 2);
    }
}

#[tokio::test]
async fn what_an_identity_lacks_is_named() {
    let account = json!({"name": "s"});
    type Case<'c> = (&'c str, Option<&'c str>, Option<&'c Value>, Vec<(&'c str, &'c str)>, ErrorKind, &'c str);
    let failed = "authentication failed: Require Cloud ID: ";
    let cases: [Case<'_>; 8] = [
        (
            "azure_ad",
            None,
            Some(&account),
            vec![TENANT],
            ErrorKind::Invalid,
            "missing Azure client ID: set accessTypeParam",
        ),
        ("azure_ad", None, Some(&account), vec![CLIENT], ErrorKind::Invalid, "missing Azure tenant ID: annotate"),
        (
            "azure_ad",
            Some("a/b"),
            Some(&account),
            vec![],
            ErrorKind::Invalid,
            "spec.provider.akeyless.authSecretRef.secretRef.accessTypeParam: the Secret's value is not",
        ),
        // The annotation goes before it.
        ("azure_ad", Some("a/b"), Some(&account), vec![CLIENT, TENANT], ErrorKind::Unauthenticated, "login refused"),
        (
            "azure_ad",
            None,
            Some(&account),
            vec![("azure.workload.identity/client-id", "a/b"), TENANT],
            ErrorKind::Invalid,
            "the annotation azure.workload.identity/client-id of the service account: \"a/b\" is not the id of a client",
        ),
        ("azure_ad", None, Some(&account), vec![CLIENT, TENANT], ErrorKind::Unauthenticated, "login refused"),
        (
            "azure_ad",
            None,
            None,
            vec![],
            ErrorKind::Unauthenticated,
            "check that the identity is assigned to the nodes",
        ),
        ("gcp", None, None, vec![], ErrorKind::Malformed, "spec.provider.akeyless.authSecretRef: as it is, it stands"),
    ];
    for (kind, parameter, account, annotations, want, text) in cases {
        let stub = beside(|seen| match seen.path.as_str() {
            path if path.contains("/computeMetadata/") => Some(Reply::text(404, "canary")),
            path if path.contains("/oauth2/") => Some(Reply::json(400, json!({"error": "canary"}))),
            path if path.starts_with("/metadata/instance") => Some(Reply::text(404, "canary")),
            _ => None,
        })
        .await;
        let mut opening = store(&stub.url(), kind, parameter, &annotations);
        if let Some(account) = account {
            opening.spec["akeyless"]["authSecretRef"]["serviceAccountRef"] = account.clone();
        }
        let error = match opening.open().await {
            Err(error) => error,
            Ok(store) => {
                let error = value(store.as_ref(), &reference("/one", None, None)).await.unwrap_err();
                assert!(error.to_string().contains(failed), "{error}");
                error
            }
        };
        assert_eq!(error.kind(), want, "{error}");
        assert!(error.to_string().contains(text) && !error.to_string().contains("canary"), "{error}, not {text}");
    }
}
