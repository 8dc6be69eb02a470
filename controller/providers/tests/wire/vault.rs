//! Vault: logins, tokens and their ends, retries, headers, paths.

use std::collections::BTreeMap;
use std::io::Write;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use api::RetrySettings;
use provider::{ErrorKind, Validation};
use providers::AwsWebIdentity;
use serde_json::{Value, json};

use super::connection::{Authority, server};
use crate::support::sigv4::Passed;
use crate::support::{Lookup, Opening, Reply, Seen, Stub, reference, value};

/// A Vault with AppRole and Kubernetes logins whose tokens die when they are told to.
pub(super) struct World {
    /// Number of the newest token; tokens are `t1`, `t2`, …
    pub(super) issued: AtomicUsize,
    /// Tokens up to this one are refused.
    pub(super) revoked: AtomicUsize,
    pub(super) lease: AtomicU64,
    renewable: bool,
    /// Status of anything but reads, if they shall fail.
    auth_status: Mutex<Option<u16>>,
    /// Whether anything but reads stays without an answer.
    auth_hangs: AtomicBool,
    denied_key: &'static str,
}

impl World {
    pub(super) fn new(lease: u64, renewable: bool) -> Arc<Self> {
        Arc::new(Self {
            issued: AtomicUsize::new(0),
            revoked: AtomicUsize::new(0),
            lease: AtomicU64::new(lease),
            renewable,
            auth_status: Mutex::new(None),
            auth_hangs: AtomicBool::new(false),
            denied_key: "denied",
        })
    }

    fn auth(&self, token: &str) -> Reply {
        let lease = self.lease.load(Ordering::SeqCst);
        Reply::json(200, json!({"auth": {"client_token": token, "lease_duration": lease, "renewable": self.renewable}}))
    }

    pub(super) fn answer(&self, seen: &Seen) -> Reply {
        let denied = || Reply::json(403, json!({"errors": ["permission denied"]}));
        if self.auth_hangs.load(Ordering::SeqCst) && seen.path.starts_with("/v1/auth") {
            return Reply::Hang;
        }
        if let (Some(status), true) = (*self.auth_status.lock().unwrap(), seen.path.starts_with("/v1/auth")) {
            return Reply::json(status, json!({"errors": ["canary"]}));
        }
        if seen.path.contains("/login") {
            let number = self.issued.fetch_add(1, Ordering::SeqCst) + 1;
            return self.auth(&format!("t{number}"));
        }
        let token = seen.header("x-vault-token").unwrap_or_default();
        let number: usize = token.trim_start_matches('t').parse().unwrap_or_default();
        if number == 0 || number <= self.revoked.load(Ordering::SeqCst) {
            return denied();
        }
        match seen.path.as_str() {
            "/v1/auth/token/renew-self" => self.auth(token),
            "/v1/auth/token/revoke-self" => Reply::text(204, ""),
            "/v1/auth/token/lookup-self" => Reply::json(200, json!({"data": {"ttl": 1}})),
            path if path.ends_with(self.denied_key) => denied(),
            _ => Reply::json(200, json!({"data": {"data": {"v": token}, "metadata": {}}})),
        }
    }

    async fn stub(self: &Arc<Self>) -> Stub {
        let world = Arc::clone(self);
        Stub::start(move |seen| world.answer(seen)).await
    }
}

fn app_role(url: &str) -> Opening {
    let spec = json!({"vault": {"server": url, "path": "kv", "auth": {"appRole": {
        "path": "approle", "roleId": "role", "secretRef": {"name": "creds", "key": "secret"}}}}});
    Opening::of(spec, Lookup::of(&[("creds/secret", "s3cret\n")])).once()
}

const LOGIN: &str = "PUT /v1/auth/approle/login";
const READ: &str = "GET /v1/kv/data/k";

pub(super) fn count(stub: &Stub, line: &str) -> usize {
    stub.lines().iter().filter(|l| *l == line).count()
}

#[tokio::test]
async fn one_login_serves_many_reads_and_closing_revokes_its_token() {
    let stub = World::new(3600, true).stub().await;
    let store = app_role(&stub.url()).open().await.unwrap();
    let key = reference("k", None, Some("v"));
    let reads = (0..20).map(|_| value(store.as_ref(), &key));
    assert!(futures::future::join_all(reads).await.into_iter().all(|v| v.unwrap() == "t1"));
    assert_eq!((count(&stub, LOGIN), count(&stub, READ)), (1, 20));
    let login = stub.seen().remove(0);
    assert_eq!(login.json(), json!({"role_id": "role", "secret_id": "s3cret"}));
    assert_eq!(login.header("x-vault-token"), None);
    store.close().await;
    assert_eq!(stub.lines().last().unwrap(), "PUT /v1/auth/token/revoke-self");
}

#[tokio::test]
async fn a_static_token_is_not_revoked() {
    let stub = World::new(0, false).stub().await;
    let spec = json!({"vault": {"server": stub.url(), "path": "kv", "auth": {"tokenSecretRef": {"name": "creds"}}}});
    let store = Opening::of(spec, Lookup::of(&[("creds/token", "t9\n")])).open().await.unwrap();
    assert_eq!(value(store.as_ref(), &reference("k", None, Some("v"))).await.unwrap(), "t9");
    store.close().await;
    assert_eq!(stub.lines(), [READ]);
}

#[tokio::test]
async fn kubernetes_logs_in_with_a_requested_a_stored_or_the_own_token() {
    let account = json!({"name": "app", "audiences": ["vault"]});
    let cases = [
        (json!({"serviceAccountRef": account}), "jwt-app-vault-1"),
        (json!({"secretRef": {"name": "creds"}}), "stored"),
        (json!({}), "own-token"),
    ];
    for (source, jwt) in cases {
        let stub = World::new(3600, true).stub().await;
        let mut auth = json!({"mountPath": "team/k8s", "role": "r"});
        auth.as_object_mut().unwrap().extend(source.as_object().unwrap().clone());
        let spec = json!({"vault": {"server": stub.url(), "path": "kv", "auth": {"kubernetes": auth}}});
        let store = Opening::of(spec, Lookup::of(&[("creds/token", "stored")])).open().await.unwrap();
        value(store.as_ref(), &reference("k", None, None)).await.unwrap();
        let login = stub.seen().remove(0);
        assert_eq!(login.line(), "PUT /v1/auth/team/k8s/login");
        assert_eq!(login.json(), json!({"jwt": jwt, "role": "r"}));
    }
}

#[tokio::test]
async fn a_dead_token_is_replaced_once_for_all_reads() {
    let world = World::new(3600, true);
    let stub = world.stub().await;
    let store = app_role(&stub.url()).open().await.unwrap();
    world.revoked.store(1, Ordering::SeqCst);
    let key = reference("k", None, Some("v"));
    let reads = (0..10).map(|_| value(store.as_ref(), &key));
    assert!(futures::future::join_all(reads).await.into_iter().all(|v| v.unwrap() == "t2"));
    assert_eq!(count(&stub, LOGIN), 2);
}

#[tokio::test(start_paused = true)]
async fn a_denied_read_costs_a_login_only_where_the_token_is_not_fresh() {
    let stub = World::new(36_000, true).stub().await;
    let store = app_role(&stub.url()).open().await.unwrap();
    let denied = reference("denied", None, None).read;
    for _ in 0..3 {
        assert_eq!(store.read(&denied).await.unwrap_err().kind(), ErrorKind::AccessDenied);
    }
    assert_eq!(count(&stub, LOGIN), 1);
    tokio::time::advance(Duration::from_secs(60)).await;
    for _ in 0..3 {
        assert_eq!(store.read(&denied).await.unwrap_err().kind(), ErrorKind::AccessDenied);
    }
    assert_eq!(count(&stub, LOGIN), 2);
    assert_eq!(count(&stub, "PUT /v1/auth/token/revoke-self"), 1);
}

#[tokio::test(start_paused = true)]
async fn a_token_is_renewed_or_replaced_at_two_thirds_of_its_life() {
    for (renewable, renewals, logins, token) in [(true, 1, 1, "t1"), (false, 0, 2, "t2")] {
        let stub = World::new(90, renewable).stub().await;
        let store = app_role(&stub.url()).open().await.unwrap();
        let key = reference("k", None, Some("v"));
        tokio::time::advance(Duration::from_secs(59)).await;
        assert_eq!(value(store.as_ref(), &key).await.unwrap(), "t1");
        assert_eq!(stub.lines(), [LOGIN, READ]);
        tokio::time::advance(Duration::from_secs(2)).await;
        let reads = (0..5).map(|_| value(store.as_ref(), &key));
        assert!(futures::future::join_all(reads).await.into_iter().all(|v| v.unwrap() == token));
        assert_eq!(count(&stub, "PUT /v1/auth/token/renew-self"), renewals);
        assert_eq!(count(&stub, LOGIN), logins);
    }
}

#[tokio::test(start_paused = true)]
async fn a_renewal_that_grants_too_little_leads_to_a_login() {
    let world = World::new(90, true);
    let stub = world.stub().await;
    let store = app_role(&stub.url()).open().await.unwrap();
    tokio::time::advance(Duration::from_secs(61)).await;
    world.lease.store(20, Ordering::SeqCst);
    assert_eq!(value(store.as_ref(), &reference("k", None, Some("v"))).await.unwrap(), "t2");
}

#[tokio::test(start_paused = true)]
async fn trouble_with_a_renewal_shows_only_when_the_token_is_dead() {
    let world = World::new(90, true);
    let stub = world.stub().await;
    let store = app_role(&stub.url()).open().await.unwrap();
    let key = reference("k", None, Some("v"));
    *world.auth_status.lock().unwrap() = Some(500);
    tokio::time::advance(Duration::from_secs(61)).await;
    assert_eq!(value(store.as_ref(), &key).await.unwrap(), "t1");
    let tries = stub.lines().len();
    assert_eq!(value(store.as_ref(), &key).await.unwrap(), "t1");
    assert_eq!(stub.lines().len(), tries + 1, "the next try is not made at once");
    tokio::time::advance(Duration::from_secs(40)).await;
    let error = value(store.as_ref(), &key).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    let text = "cannot read secret data from Vault: cannot log in to Vault at auth/approle: ";
    assert!(error.to_string().starts_with(text), "{error}");
    *world.auth_status.lock().unwrap() = None;
    assert_eq!(value(store.as_ref(), &key).await.unwrap(), "t2");
}

#[tokio::test(start_paused = true)]
async fn a_login_that_hangs_delays_one_round_of_reads_while_the_token_lives() {
    let second = Duration::from_secs(1);
    for renewable in [false, true] {
        let world = World::new(3600, renewable);
        let stub = world.stub().await;
        let store = app_role(&stub.url()).open().await.unwrap();
        let key = reference("k", None, Some("v"));
        let all = async || {
            let began = tokio::time::Instant::now();
            let reads = futures::future::join_all((0..20).map(|_| value(store.as_ref(), &key))).await;
            assert!(reads.into_iter().all(|v| v.unwrap() == "t1"), "it is still good");
            began.elapsed()
        };
        world.auth_hangs.store(true, Ordering::SeqCst);
        tokio::time::advance(2500 * second).await;
        let given_up = tokio::time::timeout(3 * second, value(store.as_ref(), &key)).await;
        assert!(given_up.is_err(), "it waits for the login");
        assert!(all().await < second, "who gave up has the others not wait: {renewable}");
        tokio::time::advance(11 * second).await;
        assert!(all().await < 25 * second, "one waits: {renewable}");
        assert!(all().await < second, "and then nobody: {renewable}");
    }
}

#[tokio::test]
async fn a_failed_login_says_where_and_what_to_check() {
    let cases = [
        (
            Reply::json(400, json!({"errors": ["invalid role or secret ID canary"]})),
            ErrorKind::Unauthenticated,
            "check the role id",
        ),
        (
            Reply::json(403, json!({"errors": ["permission denied canary"]})),
            ErrorKind::Unauthenticated,
            "check the role id",
        ),
        (Reply::json(404, json!({"errors": ["canary"]})), ErrorKind::Unauthenticated, "appRole.path"),
        (Reply::json(503, json!({"errors": ["Vault is sealed"]})), ErrorKind::Unavailable, "sealed"),
        (Reply::json(200, json!({"auth": null, "canary": 1})), ErrorKind::Malformed, "without a token"),
        (Reply::text(200, "<html>canary"), ErrorKind::Malformed, "without a token"),
        (Reply::Close, ErrorKind::Unavailable, "spec.provider.vault.server"),
    ];
    for (reply, kind, text) in cases {
        let shown = format!("{reply:?}");
        let stub = Stub::start(move |_| reply.clone()).await;
        let error = app_role(&stub.url()).open().await.err().unwrap();
        assert_eq!(error.kind(), kind, "{shown}: {error}");
        assert!(error.to_string().starts_with("cannot log in to Vault at auth/approle: "), "{error}");
        assert!(error.to_string().contains(text), "{shown}: {error}");
        assert!(!error.to_string().contains("canary"), "{error}");
    }
}

fn token_store(url: &str, patch: Value) -> Opening {
    let mut vault = json!({"server": url, "path": "kv", "auth": {"tokenSecretRef": {"name": "creds"}}});
    vault.as_object_mut().unwrap().extend(patch.as_object().unwrap().clone());
    Opening::of(json!({"vault": vault}), Lookup::of(&[("creds/token", "t1")]))
}

#[tokio::test(start_paused = true)]
async fn answers_that_pass_are_tried_again_as_the_store_says() {
    let settings =
        |max_retries, interval: &str| RetrySettings { max_retries, retry_interval: Some(interval.to_owned()) };
    let cases = [
        (None, 503, 3, 2),
        (None, 412, 3, 2),
        (None, 501, 1, 0),
        (None, 403, 1, 0),
        (None, 429, 1, 0),
        (Some(settings(None, "5s")), 503, 1, 0),
        (Some(settings(Some(4), "5s")), 503, 5, 20),
    ];
    for (retry, status, tries, seconds) in cases {
        let stub = Stub::start(move |_| Reply::json(status, json!({"errors": []}))).await;
        let mut opening = token_store(&stub.url(), json!({}));
        opening.retry = retry;
        let store = opening.open().await.unwrap();
        let begun = tokio::time::Instant::now();
        store.read(&reference("k", None, None).read).await.unwrap_err();
        assert_eq!((stub.lines().len(), begun.elapsed().as_secs()), (tries, seconds), "{status}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_read_that_fails_once_succeeds() {
    let failed = AtomicUsize::new(0);
    let stub = Stub::start(move |_| match failed.fetch_add(1, Ordering::SeqCst) {
        0 => Reply::text(502, "<html>"),
        _ => Reply::json(200, json!({"data": {"data": {"v": "x"}}})),
    })
    .await;
    let store = token_store(&stub.url(), json!({})).open().await.unwrap();
    assert_eq!(value(store.as_ref(), &reference("k", None, Some("v"))).await.unwrap(), "x");
}

#[tokio::test]
async fn requests_bear_the_stores_headers_and_namespaces() {
    let stub = World::new(3600, true).stub().await;
    let spec = json!({"vault": {"server": format!("{}/base/", stub.url()), "path": "kv", "namespace": "team", "headers": {"X-Own": "1"},
        "readYourWrites": true, "forwardInconsistent": true,
        "auth": {"namespace": "admin", "appRole": {"path": "approle", "roleRef": {"name": "creds", "key": "role"},
            "secretRef": {"name": "creds", "key": "secret"}}}}});
    let lookup = Lookup::of(&[("creds/secret", "s"), ("creds/role", "r")]);
    let store = Opening::of(spec, lookup).open().await.unwrap();
    value(store.as_ref(), &reference("k", None, None)).await.unwrap();
    let seen = stub.seen();
    let show = |seen: &Seen| -> BTreeMap<String, String> {
        let ours = |(name, value): (&String, &String)| name.starts_with("x-").then(|| (name.clone(), value.clone()));
        seen.headers.iter().filter_map(ours).collect()
    };
    let common = [("x-own", "1"), ("x-vault-inconsistent", "forward-active-node"), ("x-vault-request", "true")];
    let want = |more: &[(&str, &str)]| -> BTreeMap<String, String> {
        common.iter().chain(more).map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect()
    };
    assert_eq!(seen[0].line(), "PUT /base/v1/auth/approle/login");
    assert_eq!(show(&seen[0]), want(&[("x-vault-namespace", "admin")]));
    assert_eq!(show(&seen[1]), want(&[("x-vault-namespace", "team"), ("x-vault-token", "t1")]));
}

#[tokio::test]
async fn each_login_method_sends_what_the_api_asks_for() {
    let authority = Authority::new();
    let (certificate, key) = authority.issue("client");
    let secrets = [("creds/secret", "s3cret\n"), ("c/tls.crt", certificate.as_str()), ("c/tls.key", key.as_str())];
    let secret = json!({"name": "creds", "key": "secret"});
    let account = json!({"serviceAccountRef": {"name": "app"}});
    let pair = json!({"clientCert": {"name": "c"}, "secretRef": {"name": "c"}});
    let with = |mut auth: Value, name: &str, value: Value| {
        auth[name] = value;
        auth
    };
    let cases = [
        (
            json!({"ldap": {"path": "corp/ldap", "username": "ada b", "secretRef": secret}}),
            "auth/corp/ldap/login/ada%20b",
            json!({"password": "s3cret"}),
        ),
        (
            json!({"userPass": {"username": "ada", "secretRef": secret}}),
            "auth/userpass/login/ada",
            json!({"password": "s3cret"}),
        ),
        (
            json!({"jwt": {"role": "sync", "secretRef": secret}}),
            "auth/jwt/login",
            json!({"jwt": "s3cret", "role": "sync"}),
        ),
        (
            json!({"jwt": {"kubernetesServiceAccountToken": account}}),
            "auth/jwt/login",
            json!({"jwt": "jwt-app-vault-1"}),
        ),
        (
            json!({"jwt": {"path": "oidc", "kubernetesServiceAccountToken": with(account, "audiences", json!(["bao"]))}}),
            "auth/oidc/login",
            json!({"jwt": "jwt-app-bao-1"}),
        ),
        (json!({ "cert": pair }), "auth/cert/login", json!({})),
        (json!({"cert": with(pair, "vaultRole", json!("web"))}), "auth/cert/login", json!({"name": "web"})),
    ];
    for (auth, path, body) in cases {
        let stub = World::new(3600, true).stub().await;
        let spec = json!({"vault": {"server": stub.url(), "path": "kv", "auth": auth}});
        let store = Opening::of(spec, Lookup::of(&secrets)).open().await.unwrap();
        assert_eq!(value(store.as_ref(), &reference("k", None, Some("v"))).await.unwrap(), "t1", "{auth}");
        let seen = stub.seen();
        assert_eq!((seen[0].line(), seen[0].json()), (format!("PUT /v1/{path}"), body), "{auth}");
        assert_eq!(seen[0].header("x-vault-token"), None);
        store.close().await;
        assert_eq!(stub.seen().last().unwrap().line(), "PUT /v1/auth/token/revoke-self", "{auth}");
    }
}

/// A Vault, and an STS at `/`.
async fn with_sts(world: &Arc<World>) -> Stub {
    let world = Arc::clone(world);
    Stub::start(move |seen| if seen.path == "/" { super::aws::sts(seen) } else { world.answer(seen) }).await
}

fn iam(stub: &Stub, auth: Value, lookup: Lookup) -> Opening {
    let spec = json!({"vault": {"server": stub.url(), "path": "kv", "auth": {"iam": auth}}});
    let mut opening = Opening::of(spec, Arc::new(lookup)).once();
    opening.environment.aws.sts_endpoint = Some(stub.url());
    opening
}

fn static_keys() -> Lookup {
    let secrets = [("aws/id", "AKID\n"), ("aws/key", "SECRET\n"), ("aws/session", "SESSION")];
    Lookup { secrets: secrets.map(|(name, value)| (name, value.to_owned())).into(), ..Lookup::default() }
}

fn key_refs(session: bool) -> Value {
    let secret = |key: &str| json!({"name": "aws", "key": key});
    let mut keys = json!({"accessKeyIDSecretRef": secret("id"), "secretAccessKeySecretRef": secret("key")});
    if session {
        keys["sessionTokenSecretRef"] = secret("session");
    }
    keys
}

/// The request that Vault is to pass on to AWS.
fn passed(login: &Value) -> Passed {
    assert_eq!(login["iam_http_request_method"], "POST");
    Passed::decoded(&login["iam_request_url"], &login["iam_request_headers"], &login["iam_request_body"])
}

fn logins(stub: &Stub) -> Vec<Seen> {
    stub.seen().into_iter().filter(|seen| seen.path.ends_with("/login")).collect()
}

#[tokio::test]
async fn an_identity_of_aws_is_proved_by_a_signed_request() {
    let plain = "content-type;host;x-amz-date";
    // Settings, path, role, address, names of the signed headers.
    let cases = [
        (json!({"vaultRole": "r"}), false, "aws", json!("r"), "https://sts.amazonaws.com/", plain.to_owned()),
        (
            json!({"vaultRole": "r", "path": "team/aws", "region": "eu-west-1", "vaultAwsIamServerID": "vault.example.org"}),
            true,
            "team/aws",
            json!("r"),
            "https://sts.eu-west-1.amazonaws.com/",
            format!("{plain};x-amz-security-token;x-vault-aws-iam-server-id"),
        ),
        (
            json!({"vaultRole": "", "region": "cn-north-1"}),
            false,
            "aws",
            Value::Null,
            "https://sts.cn-north-1.amazonaws.com.cn/",
            plain.to_owned(),
        ),
    ];
    for (mut auth, session, path, role, url, names) in cases {
        let stub = with_sts(&World::new(3600, true)).await;
        auth["secretRef"] = key_refs(session);
        let store = iam(&stub, auth.clone(), static_keys()).open().await.unwrap();
        assert_eq!(value(store.as_ref(), &reference("k", None, Some("v"))).await.unwrap(), "t1", "{auth}");
        let seen = stub.seen().remove(0);
        assert_eq!(seen.line(), format!("PUT /v1/auth/{path}/login"));
        let login = seen.json();
        assert_eq!(login["role"], role);
        let passed = passed(&login);
        assert_eq!((passed.url.as_str(), passed.body.as_str()), (url, "Action=GetCallerIdentity&Version=2011-06-15"));
        assert_eq!(passed.authorization().unwrap().1, names);
        assert_eq!(passed.headers.get("x-amz-security-token").map(String::as_str), session.then_some("SESSION"));
        assert_eq!(passed.signer("SECRET").as_deref(), Some("AKID"), "{passed:?}");
        let server = passed.headers.get("x-vault-aws-iam-server-id").map(String::as_str);
        assert_eq!(server, auth["vaultAwsIamServerID"].as_str());

        let mut changed = vec![
            Passed { body: "Action=GetCallerIdentity&Version=2011-06-16".to_owned(), ..passed.clone() },
            Passed { url: "https://sts.evil.org/".to_owned(), ..passed.clone() },
        ];
        for name in names.split(';').filter(|name| *name != "host") {
            let mut other = passed.clone();
            other.headers.insert(name.to_owned(), "19700101T000000Z".to_owned());
            changed.push(other);
        }
        for changed in changed {
            assert_eq!(changed.signer("SECRET"), None, "{changed:?}");
        }
        assert_eq!(passed.signer("OTHER"), None);
        assert!(!login.to_string().contains("SECRET"), "{login}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_role_of_a_service_account_logs_in_and_its_credentials_are_kept() {
    let world = World::new(3600, true);
    let stub = with_sts(&world).await;
    let auth = json!({"vaultRole": "r", "role": "last", "externalID": "ext", "secretRef": key_refs(false),
        "jwt": {"serviceAccountRef": {"name": "app"}}});
    let annotations = BTreeMap::from([("eks.amazonaws.com/role-arn".to_owned(), "app-role".to_owned())]);
    let store = iam(&stub, auth.clone(), Lookup { annotations, ..static_keys() }).open().await.unwrap();
    let key = reference("k", None, Some("v"));
    let reads = (0..20).map(|_| value(store.as_ref(), &key));
    assert!(futures::future::join_all(reads).await.into_iter().all(|v| v.unwrap() == "t1"));
    let seen = stub.seen();
    for part in [
        "Action=AssumeRoleWithWebIdentity",
        "RoleArn=app-role",
        "RoleSessionName=external-secrets-provider-vault",
        "WebIdentityToken=jwt-app-sts.amazonaws.com-1",
    ] {
        assert!(seen[0].body.contains(part), "{part} in {}", seen[0].body);
    }
    for part in
        ["Action=AssumeRole&", "RoleArn=last", "ExternalId=ext", "RoleSessionName=external-secrets-provider-vault"]
    {
        assert!(seen[1].body.contains(part), "{part} in {}", seen[1].body);
    }
    assert!(seen[1].header("authorization").unwrap().contains("Credential=KEY-app-role/"));

    // Another login needs no other credentials.
    tokio::time::advance(Duration::from_secs(60)).await;
    world.revoked.store(1, Ordering::SeqCst);
    assert_eq!(value(store.as_ref(), &key).await.unwrap(), "t2");
    assert_eq!((count(&stub, "POST /"), logins(&stub).len()), (2, 2));
    for login in logins(&stub) {
        assert_eq!(passed(&login.json()).signer("s").as_deref(), Some("KEY-last"));
    }
    store.close().await;
    assert_eq!(stub.lines().last().unwrap(), "PUT /v1/auth/token/revoke-self");

    let error = iam(&stub, auth, static_keys()).open().await.err().unwrap();
    let text = "unable to create session: an IAM role must be associated with service account app (namespace: shop)";
    assert!(error.to_string().starts_with(text), "{error}");
}

#[tokio::test(start_paused = true)]
async fn credentials_whose_login_is_refused_are_replaced_once_they_are_old() {
    for (age, exchanges) in [(60, 1), (310, 2)] {
        let world = World::new(3600, true);
        let stub = with_sts(&world).await;
        let auth = json!({"vaultRole": "r", "role": "last", "secretRef": key_refs(false)});
        let store = iam(&stub, auth, static_keys()).open().await.unwrap();
        let key = reference("k", None, Some("v"));
        value(store.as_ref(), &key).await.unwrap();
        tokio::time::advance(Duration::from_secs(age)).await;
        *world.auth_status.lock().unwrap() = Some(400);
        world.revoked.store(1, Ordering::SeqCst);
        value(store.as_ref(), &key).await.unwrap_err();
        *world.auth_status.lock().unwrap() = None;
        // A login that was refused isn't tried again at once.
        tokio::time::advance(Duration::from_secs(120)).await;
        assert_eq!(value(store.as_ref(), &key).await.unwrap(), "t2");
        assert_eq!(count(&stub, "POST /"), exchanges, "after {age} s");
    }
}

#[tokio::test]
async fn an_identity_of_aws_that_cannot_be_had_is_explained() {
    let world = World::new(3600, true);
    let stub = with_sts(&world).await;
    let own = json!({"vaultRole": "r"});
    let error = iam(&stub, own.clone(), Lookup::default()).open().await.err().unwrap();
    let text = "no AWS authentication method found: expected either IRSA or Pod Identity";
    assert!(error.kind() == ErrorKind::Invalid && error.to_string().starts_with(text), "{error}");

    let mut file = tempfile::NamedTempFile::new().unwrap();
    writeln!(file, "web-token").unwrap();
    let mut opening = iam(&stub, own, Lookup::default());
    opening.environment.aws.web_identity =
        Some(AwsWebIdentity { token_file: file.path().to_owned(), role_arn: "pod".to_owned(), session_name: None });
    opening.open().await.unwrap();
    assert_eq!(passed(&logins(&stub)[0].json()).signer("s").as_deref(), Some("KEY-pod"));

    let denied = json!({"vaultRole": "r", "role": "denied", "secretRef": key_refs(false)});
    let error = iam(&stub, denied, static_keys()).open().await.err().unwrap();
    assert_eq!(error.kind(), ErrorKind::AccessDenied);
    assert!(error.to_string().contains("AssumeRole") && !error.to_string().contains("canary"), "{error}");

    *world.auth_status.lock().unwrap() = Some(400);
    let keys = json!({"vaultRole": "r", "secretRef": key_refs(false)});
    let error = iam(&stub, keys, static_keys()).open().await.err().unwrap();
    assert!(error.to_string().starts_with("cannot log in to Vault at auth/aws: "), "{error}");
    assert!(error.to_string().contains("auth.iam") && !error.to_string().contains("canary"), "{error}");
}

#[tokio::test]
async fn the_certificate_that_is_logged_in_with_is_that_of_the_connection() {
    let (ours, clients) = (Authority::new(), Authority::new());
    let stub = server(&ours, "localhost", Some(&clients)).await;
    let (certificate, key) = clients.issue("client");
    let secrets = [("c/tls.crt", certificate.as_str()), ("c/tls.key", key.as_str())];
    let spec = json!({"vault": {"server": format!("https://localhost:{}", stub.address.port()), "path": "kv",
        "caBundle": ours.pem(), "auth": {"cert": {"clientCert": {"name": "c"}, "secretRef": {"name": "c"}}}}});
    let error = Opening::of(spec, Lookup::of(&secrets)).open().await.err().unwrap();
    // That server took the certificate and answered something; it knows no logins.
    assert_eq!(stub.seen()[0].line(), "PUT /v1/auth/cert/login");
    assert!(error.to_string().starts_with("cannot log in to Vault at auth/cert: "), "{error}");
}

#[tokio::test]
async fn the_replication_index_is_played_back_only_where_asked_for() {
    // v1:c:5:0:m
    const INDEX: &str = "djE6Yzo1OjA6bQ==";
    for (ask, want) in [(true, Some(INDEX)), (false, None)] {
        let stub = Stub::start(|_| Reply::json(200, json!({"data": {"data": {}}})).with("x-vault-index", INDEX)).await;
        let store = token_store(&stub.url(), json!({"readYourWrites": ask})).open().await.unwrap();
        for _ in 0..2 {
            store.read(&reference("k", None, None).read).await.unwrap();
        }
        let indexes: Vec<_> = stub.seen().iter().map(|s| s.header("x-vault-index").map(str::to_owned)).collect();
        assert_eq!(indexes, [None, want.map(str::to_owned)]);
    }
}

#[tokio::test]
async fn keys_are_encoded_and_stay_in_the_mount() {
    let stub = World::new(0, false).stub().await;
    let store = token_store(&stub.url(), json!({})).open().await.unwrap();
    let cases = [
        ("a b/ü?x#y", Some("GET /v1/kv/data/a%20b/%C3%BC%3Fx%23y")),
        ("%2e%2e/x", Some("GET /v1/kv/data/%252e%252e/x")),
        ("a/../../sys/mounts", None),
        ("../../sys/mounts", None),
    ];
    for (key, want) in cases {
        let before = stub.lines().len();
        let outcome = store.read(&reference(key, None, None).read).await;
        match want {
            Some(line) => assert_eq!(stub.lines().last().unwrap(), line),
            None => {
                assert_eq!(outcome.unwrap_err().kind(), ErrorKind::Invalid, "{key}");
                assert_eq!(stub.lines().len(), before, "{key}");
            }
        }
    }
}

#[tokio::test]
async fn metadata_is_looked_for_at_its_older_place_too() {
    let stub = Stub::start(|seen| match seen.path.as_str() {
        "/v1/kv/metadata/kv/app" => Reply::json(200, json!({"data": {"custom_metadata": {"owner": "me"}}})),
        _ => Reply::json(404, json!({"errors": []})),
    })
    .await;
    let store = token_store(&stub.url(), json!({})).open().await.unwrap();
    let mut key = reference("kv/app", None, Some("owner"));
    key.read.metadata = true;
    assert_eq!(value(store.as_ref(), &key).await.unwrap(), "me");
    key.read.key = "none".to_owned();
    let error = store.read(&key.read).await.unwrap_err();
    assert_eq!((error.kind(), error.to_string().as_str()), (ErrorKind::Invalid, "secret not found"));
}

#[tokio::test]
async fn version_1_has_no_metadata() {
    let store = token_store("http://127.0.0.1:1", json!({"version": "v1"})).open().await.unwrap();
    let mut key = reference("k", None, None).read;
    key.metadata = true;
    let error = store.read(&key).await.unwrap_err();
    assert_eq!(error.to_string(), "cannot perform metadata fetch operations with kv version v1");
}

#[tokio::test]
async fn validation_asks_vault_about_the_token() {
    let failed = |validation: Validation| match validation {
        Validation::Failed(error) => error,
        other => panic!("{other:?}"),
    };
    let stub = World::new(0, false).stub().await;
    let mut opening = token_store(&stub.url(), json!({}));
    assert_eq!(opening.open().await.unwrap().validate().await, Validation::Ready);
    assert_eq!(stub.lines(), ["GET /v1/auth/token/lookup-self"]);

    opening.lookup = Lookup::of(&[("creds/token", "wrong")]);
    let error = failed(opening.open().await.unwrap().validate().await);
    assert_eq!(error.kind(), ErrorKind::AccessDenied);
    assert!(error.to_string().starts_with("invalid vault credentials: "), "{error}");

    let error = failed(token_store("http://127.0.0.1:1", json!({})).open().await.unwrap().validate().await);
    let text = "invalid vault credentials: cannot reach http://127.0.0.1:1: connection refused; check spec.provider.vault.server";
    assert_eq!(error.to_string(), text);
}

#[tokio::test]
async fn without_auth_the_environments_token_is_used() {
    let stub = World::new(0, false).stub().await;
    let mut opening = Opening::of(json!({"vault": {"server": stub.url(), "path": "kv"}}), Lookup::of(&[]));
    opening.environment.vault.token = Some("t7".into());
    let store = opening.open().await.unwrap();
    assert_eq!(value(store.as_ref(), &reference("k", None, Some("v"))).await.unwrap(), "t7");
}
