//! Akeyless: logins, tokens and their ends, where the API is, each type of item, finding, pushing.

use std::io::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use provider::{ErrorKind, Gathered, Place, Provider, Push, Pushed, Removed, Retry, Source, Validation, Write};
use providers::AwsWebIdentity;
use secret::SecretBytes;
use serde_json::{Value, json};

use crate::support::akeyless::{AUTH, Account, Item, granted, item};
use crate::support::{Lookup, Made, Opening, Reply, Stub, found, map, reference, value, wished};

pub(super) fn keyed(url: &str, kind: &str) -> Opening {
    let secret = |key: &str| json!({"name": "creds", "key": key});
    let auth = json!({"secretRef": {"accessID": secret("id"), "accessType": secret("type"), "accessTypeParam": secret("key")}});
    let spec = json!({"akeyless": {"akeylessGWApiURL": url, "authSecretRef": auth}});
    Opening::of(spec, Lookup::of(&[("creds/id", "AKID\n"), ("creds/key", "SECRET\n"), ("creds/type", kind)]))
}

fn access_key(stub: &Stub) -> Opening {
    keyed(&format!("{}/v2", stub.url()), "api_key\n")
}

pub(super) fn one() -> Vec<(String, Item)> {
    vec![("/one".to_owned(), item("STATIC_SECRET", json!("v")))]
}

fn logins(stub: &Stub) -> usize {
    stub.lines().iter().filter(|line| *line == AUTH).count()
}

#[tokio::test]
async fn one_login_serves_many_reads() {
    for kind in ["api_key", "access_key"] {
        let stub = Account::of(one()).stub().await;
        let store = keyed(&format!("{}/v2", stub.url()), kind).open().await.unwrap();
        assert!(stub.lines().is_empty(), "the first who reads logs in");
        let key = reference("/one", None, None);
        let reads = (0..20).map(|_| value(store.as_ref(), &key));
        assert!(futures::future::join_all(reads).await.into_iter().all(|v| v.unwrap() == "v"));
        assert_eq!((logins(&stub), stub.lines().len()), (1, 41));
        let login = json!({"access-type": "access_key", "access-id": "AKID", "access-key": "SECRET"});
        assert_eq!(stub.seen()[0].json(), login);
        let read = stub.seen().into_iter().find(|seen| seen.path == "/v2/get-secret-value").unwrap();
        assert_eq!(read.json(), json!({"names": ["/one"], "version": 0, "token": "t-1"}));
        assert_eq!(read.header("content-type"), Some("application/json"));
    }
}

#[tokio::test(start_paused = true)]
async fn a_service_account_logs_in_with_a_fresh_token_each_time() {
    let account = Account::of(one());
    let stub = account.stub().await;
    let auth = |more: Value| {
        let mut auth = json!({"accessID": "p-k8s", "k8sConfName": "cluster"});
        auth.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let url = format!("{}/v2", stub.url());
        let spec = json!({"akeyless": {"akeylessGWApiURL": url, "authSecretRef": {"kubernetesAuth": auth}}});
        Opening::of(spec, Lookup::of(&[("jwt/token", "given\n")]))
    };
    let requested =
        json!({"serviceAccountRef": {"name": "sa", "audiences": ["akeyless"]}, "secretRef": {"name": "jwt"}});
    let store = auth(requested).open().await.unwrap();
    let key = reference("/one", None, None);
    for _ in 0..2 {
        assert_eq!(value(store.as_ref(), &key).await.unwrap(), "v");
        tokio::time::advance(Duration::from_secs(60)).await;
        account.revoked.store(1, Ordering::SeqCst);
    }
    let store = auth(json!({"secretRef": {"name": "jwt"}})).open().await.unwrap();
    assert_eq!(value(store.as_ref(), &key).await.unwrap(), "v");
    let sent: Vec<Value> = stub.seen().iter().filter(|seen| seen.line() == AUTH).map(|seen| seen.json()).collect();
    // jwt-sa-akeyless-1, jwt-sa-akeyless-2, given
    let jwts = ["and0LXNhLWFrZXlsZXNzLTE=", "and0LXNhLWFrZXlsZXNzLTI=", "Z2l2ZW4="];
    let want = jwts.map(|jwt| {
        json!({"access-type": "k8s", "access-id": "p-k8s", "k8s-service-account-token": jwt, "k8s-auth-config-name": "cluster"})
    });
    assert_eq!(sent, want);

    let missing = Lookup::of(&[]);
    let mut opening = auth(json!({"secretRef": {"name": "jwt"}}));
    opening.lookup = missing;
    assert_eq!(opening.open().await.err().unwrap().kind(), ErrorKind::Invalid);
}

#[tokio::test(start_paused = true)]
async fn the_controllers_identity_of_aws_is_proved_anew_at_each_login() {
    let account = Account::of(one());
    let stub = account.stub().await;
    let aws = Stub::start(super::aws::sts).await;
    let mut file = tempfile::NamedTempFile::new().unwrap();
    writeln!(file, "web-token").unwrap();
    let mut opening = keyed(&format!("{}/v2", stub.url()), "aws_iam\n");
    opening.lookup = Lookup::of(&[("creds/id", "p-aws\n"), ("creds/type", "aws_iam\n"), ("creds/key", "")]);
    opening.environment.aws.sts_endpoint = Some(aws.url());
    opening.environment.aws.web_identity =
        Some(AwsWebIdentity { token_file: file.path().to_owned(), role_arn: "pod".to_owned(), session_name: None });
    for region in [None, Some("eu-west-1"), Some("cn-north-1")] {
        opening.environment.aws.region = region.map(str::to_owned);
        let store = opening.open().await.unwrap();
        let key = reference("/one", None, None);
        for _ in 0..2 {
            assert_eq!(value(store.as_ref(), &key).await.unwrap(), "v");
            tokio::time::advance(Duration::from_secs(60)).await;
            account.revoked.store(account.issued.load(Ordering::SeqCst), Ordering::SeqCst);
        }
    }
    assert_eq!((logins(&stub), aws.lines().len()), (6, 3), "one exchange a store");
    assert!(aws.seen()[0].body.contains("RoleSessionName=external-secrets-provider-akeyless"), "{:?}", aws.seen()[0]);
    let urls = stub.seen().into_iter().filter(|seen| seen.line() == AUTH).map(|seen| {
        let decoded = STANDARD.decode(seen.json()["cloud-id"].as_str().unwrap()).unwrap();
        let parts: Value = serde_json::from_slice(&decoded).unwrap();
        String::from_utf8(STANDARD.decode(parts["sts_request_url"].as_str().unwrap()).unwrap()).unwrap()
    });
    let (global, china) = ("https://sts.amazonaws.com/", "https://sts.cn-north-1.amazonaws.com.cn/");
    assert_eq!(urls.collect::<Vec<_>>(), [global, global, global, global, china, china]);

    // A key that the method doesn't admit.
    opening.environment.aws.web_identity.as_mut().unwrap().role_arn = "other".to_owned();
    let store = opening.open().await.unwrap();
    let error = value(store.as_ref(), &reference("/one", None, None)).await.unwrap_err();
    assert!(error.to_string().contains("which identities of AWS this authentication method admits"), "{error}");
    // No identity at all.
    drop(file);
    let store = opening.open().await.unwrap();
    let error = value(store.as_ref(), &reference("/one", None, None)).await.unwrap_err();
    assert!(error.to_string().starts_with("authentication failed: Require Cloud ID: "), "{error}");
}

#[tokio::test]
async fn what_cannot_log_in_is_refused_by_name() {
    let cases = [
        ("k8s", ErrorKind::Invalid, "kubernetes auth configuration is required"),
        ("canary", ErrorKind::Invalid, "unable to determine provider"),
        ("", ErrorKind::Invalid, "unable to determine provider"),
    ];
    for (kind, want, text) in cases {
        let error = keyed("http://127.0.0.1:1", kind).open().await.err().unwrap();
        assert_eq!(error.kind(), want, "{kind}");
        assert!(error.to_string().starts_with(text) && !error.to_string().contains("canary"), "{error}");
    }
    let mut opening = keyed("http://127.0.0.1:1", "api_key");
    opening.spec["akeyless"]["authSecretRef"]["secretRef"].as_object_mut().unwrap().remove("accessTypeParam");
    let error = opening.open().await.err().unwrap();
    assert!(error.to_string().starts_with("missing AccessTypeParam for Akeyless access key auth"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_token_is_replaced_once_when_it_is_refused() {
    let account = Account::of(one());
    let stub = account.stub().await;
    let store = access_key(&stub).open().await.unwrap();
    let key = reference("/one", None, None);
    value(store.as_ref(), &key).await.unwrap();
    tokio::time::advance(Duration::from_secs(7200)).await;
    account.revoked.store(1, Ordering::SeqCst);
    let reads = (0..5).map(|_| value(store.as_ref(), &key));
    assert!(futures::future::join_all(reads).await.into_iter().all(|v| v.unwrap() == "v"));
    assert_eq!(logins(&stub), 2);

    // Refused whatever the token: no login for each read.
    account.revoked.store(1000, Ordering::SeqCst);
    for _ in 0..3 {
        let error = store.read(&key.read).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unauthenticated);
    }
    assert_eq!(logins(&stub), 2);
}

#[tokio::test]
async fn a_failed_login_says_where_and_what_to_check() {
    let cases = [
        (
            Reply::json(401, json!({"error": "canary"})),
            ErrorKind::Unauthenticated,
            "check the access id and access key",
        ),
        (Reply::json(404, json!({"error": "canary"})), ErrorKind::Unauthenticated, "login refused"),
        (Reply::text(404, "<html>canary"), ErrorKind::Malformed, "that is not Akeyless"),
        (Reply::json(503, json!({"error": "canary"})), ErrorKind::Unavailable, "can't answer now"),
        (Reply::json(429, json!({})).with("retry-after", "7"), ErrorKind::Throttled, "too many requests"),
        (Reply::json(200, json!({"token": null, "canary": 1})), ErrorKind::Malformed, "without a token"),
        (Reply::text(200, "<html>canary"), ErrorKind::Malformed, "without a token"),
        (Reply::Close, ErrorKind::Unavailable, "spec.provider.akeyless.akeylessGWApiURL"),
    ];
    for (reply, kind, text) in cases {
        let shown = format!("{reply:?}");
        let stub = Stub::start(move |_| reply.clone()).await;
        let store = access_key(&stub).open().await.unwrap();
        let error = store.read(&reference("/one", None, None).read).await.unwrap_err();
        assert_eq!(error.kind(), kind, "{shown}: {error}");
        assert!(
            error.to_string().starts_with("authentication failed: ") && error.to_string().contains(text),
            "{error}"
        );
        assert!(!error.to_string().contains("canary"), "{error}");
        assert_eq!(error.retry_when() == Retry::After(Duration::from_secs(7)), kind == ErrorKind::Throttled);
        assert_eq!(store.validate().await, Validation::Failed(error), "{shown}");
    }
}

#[tokio::test]
async fn the_api_is_where_it_answers() {
    let unknown = || Reply::json(200, json!({"error": "unknown command"}));
    let cases: [(&str, Reply, &str); 5] = [
        ("", unknown(), "POST /auth"),
        ("/", unknown(), "POST /auth"),
        ("/gateway", unknown(), "POST /gateway/auth"),
        ("", Reply::text(404, "<html>"), "POST /v2/auth"),
        ("/gateway", Reply::text(200, ""), "POST /v2/auth"),
    ];
    for (path, reply, want) in cases {
        let shown = format!("{path} {reply:?}");
        let stub =
            Stub::start(move |seen| if seen.path.ends_with("/auth") { granted("t-1") } else { reply.clone() }).await;
        let store = keyed(&format!("{}{path}", stub.url()), "api_key").open().await.unwrap();
        for _ in 0..2 {
            assert_eq!(store.validate().await, Validation::Ready, "{shown}");
        }
        let root = if path == "/gateway" { "POST /gateway" } else { "POST /" };
        assert_eq!(stub.lines(), [root, want], "{shown}");
    }

    // A gateway that isn't up yet says nothing about where its API is.
    let asked = AtomicUsize::new(0);
    let stub = Stub::start(move |seen| match (seen.path.as_str(), asked.fetch_add(1, Ordering::SeqCst)) {
        ("/", 0) => Reply::text(502, "<html>"),
        ("/", _) => Reply::json(200, json!({"error": "unknown command"})),
        _ => granted("t-1"),
    })
    .await;
    let store = keyed(&stub.url(), "api_key").open().await.unwrap();
    assert!(matches!(store.validate().await, Validation::Failed(error) if error.kind() == ErrorKind::Unavailable));
    assert_eq!(store.validate().await, Validation::Ready);
    assert_eq!(stub.lines(), ["POST /", "POST /", "POST /auth"]);
}

#[tokio::test]
async fn each_type_of_item_is_read() {
    let account = Account::of(vec![
        ("/s".to_owned(), Item { versions: vec![json!("old"), json!("ü")], ..item("STATIC_SECRET", json!("")) }),
        ("/empty".to_owned(), item("STATIC_SECRET", json!(""))),
        ("/odd".to_owned(), item("STATIC_SECRET", json!({"canary": 1}))),
        ("/d".to_owned(), item("DYNAMIC_SECRET", json!({"user": "u", "password": "p"}))),
        ("/r".to_owned(), item("ROTATED_SECRET", json!({"value": {"username": "u", "password": "p"}}))),
        ("/c".to_owned(), item("CERTIFICATE", json!({"certificate_pem": "C", "private_key_pem": "K"}))),
        ("/k".to_owned(), item("AES256GCM", json!({}))),
        ("/locked/x".to_owned(), item("STATIC_SECRET", json!("x"))),
    ]);
    let stub = account.stub().await;
    let mut opening = access_key(&stub);
    opening.spec["akeyless"]["ignoreCache"] = json!(true);
    let store = opening.open().await.unwrap();
    let cases = [
        ("/s", None, "", Ok("ü")),
        ("/s", Some("0"), "", Ok("ü")),
        ("/s", Some("1"), "", Ok("old")),
        ("/s", Some("9"), "", Err((ErrorKind::Invalid, "can't get secret value: the item has no version 9"))),
        ("/s", Some("v1"), "", Err((ErrorKind::Invalid, "remoteRef.version: \"v1\" is not the number of a version"))),
        ("/empty", None, "", Err((ErrorKind::Malformed, "invalid value received, found no value string : /empty"))),
        ("/odd", None, "", Err((ErrorKind::Malformed, "can't get secret value: the answer of"))),
        ("/d", None, "", Ok(r#"{"password":"p","user":"u"}"#)),
        ("/d", None, "user", Ok("u")),
        ("/r", None, "username", Ok("u")),
        ("/c", None, "certificate_pem", Ok("C")),
        ("/c", None, "none", Err((ErrorKind::BadProperty, "key none does not exist in value /c"))),
        ("/k", None, "", Err((ErrorKind::Invalid, "invalid item type: "))),
        ("/none", None, "", Err((ErrorKind::NotFound, "Secret does not exist"))),
        ("/locked/x", None, "", Err((ErrorKind::AccessDenied, "can't describe item: "))),
    ];
    for (key, version, property, want) in cases {
        let got = value(store.as_ref(), &reference(key, version, Some(property))).await;
        match (got, want) {
            (Ok(got), Ok(want)) => assert_eq!(got, want, "{key}"),
            (Err(error), Err((kind, text))) => {
                assert_eq!(error.kind(), kind, "{key}: {error}");
                assert!(error.to_string().starts_with(text) && !error.to_string().contains("canary"), "{key}: {error}");
            }
            (got, want) => panic!("{key}: {got:?}, not {want:?}"),
        }
    }
    let pem = ["certificate_pem=C", "private_key_pem=K"];
    assert_eq!(map(store.as_ref(), &reference("/c", None, None)).await.unwrap(), pem);
    let caches: Vec<(String, Value)> = stub
        .seen()
        .iter()
        .filter(|seen| seen.path.ends_with("-value"))
        .map(|seen| (seen.path.clone(), seen.json()["ignore-cache"].clone()))
        .collect();
    let heeded = |(path, cache): &(String, Value)| (*cache == "true") != path.contains("dynamic");
    assert!(caches.len() > 8 && caches.iter().all(heeded), "{caches:?}");
}

#[tokio::test(start_paused = true)]
async fn a_value_that_is_made_when_asked_for_has_longer() {
    let stub = Stub::start(|seen| match seen.path.as_str() {
        "/v2/auth" => granted("t-1"),
        "/v2/describe-item" => Reply::json(200, json!({"item_name": "/d", "item_type": "DYNAMIC_SECRET"})),
        _ => Reply::Hang,
    })
    .await;
    let store = access_key(&stub).open().await.unwrap();
    let error = store.read(&reference("/d", None, None).read).await.unwrap_err();
    assert!(error.to_string().contains("no answer within 30s"), "{error}");
    // Up to four requests for a cloud id, the login, and the description.
    assert!(store.patience().unwrap() >= Duration::from_secs(6 * 10 + 30));
}

#[tokio::test]
async fn items_are_found_by_name_path_and_tag_over_several_pages() {
    let named = |name: &str| (name.to_owned(), item("STATIC_SECRET", json!(format!("of {name}"))));
    let tagged = |name: &str, tags: &[&str]| {
        let (name, item) = named(name);
        (name, Item { tags: tags.iter().map(|tag| (*tag).to_owned()).collect(), ..item })
    };
    let mut items: Vec<_> = (0..7).map(|n| named(&format!("/team/db{n}"))).collect();
    items.extend([
        tagged("/team/web", &["prod", "eu"]),
        tagged("/other/web", &["prod"]),
        tagged("/x/team/web", &["eu"]),
        ("/team/rotated".to_owned(), item("ROTATED_SECRET", json!({"value": {"payload": "r"}}))),
        ("/team/cert".to_owned(), item("CERTIFICATE", json!({"certificate_pem": "C"}))),
        ("/team/empty".to_owned(), item("STATIC_SECRET", json!(""))),
    ]);
    let account = Account::of(items);
    let stub = account.stub().await;
    let store = access_key(&stub).open().await.unwrap();
    let dbs: Vec<String> = (0..7).map(|n| format!("/team/db{n}=of /team/db{n}")).collect();
    let cases = [
        (json!({"name": {"regexp": "^/team/db"}}), dbs.clone()),
        (json!({"path": "team", "name": {"regexp": "db[12]$"}}), dbs[1..3].to_vec()),
        (
            json!({"path": "/team/", "name": {"regexp": "web|rotated|cert|empty"}}),
            vec!["/team/rotated=r".to_owned(), "/team/web=of /team/web".to_owned()],
        ),
        (
            json!({"tags": {"any": "prod", "region": "eu"}}),
            ["/other/web", "/team/web", "/x/team/web"].map(|name| format!("{name}=of {name}")).to_vec(),
        ),
        (json!({"path": "other", "tags": {"any": "prod"}}), vec!["/other/web=of /other/web".to_owned()]),
        (json!({"tags": {"any": "none"}}), vec![]),
    ];
    for (find, want) in cases {
        assert_eq!(found(store.as_ref(), find.clone()).await.unwrap(), want, "{find}");
    }
    let calls = Made::default();
    store.find(&wished(json!({"name": {"regexp": "^/team/db"}})), &calls).await.unwrap();
    let counts: Vec<_> = calls.0.lock().unwrap().iter().map(|(name, count)| (*name, *count)).collect();
    assert_eq!(counts, [("DescribeItem", 7), ("GetSecretValue", 7), ("ListItems", 4)]);
}

#[tokio::test]
async fn a_find_leaves_out_what_goes_away_and_fails_for_anything_else() {
    let answering = |reply: Reply| {
        Stub::start(move |seen| match (seen.path.as_str(), seen.json()["name"].as_str()) {
            ("/v2/auth", _) => granted("t-1"),
            ("/v2/list-items", _) => Reply::json(200, json!({"items": [{"item_name": "/a"}, {"item_name": "/b"}]})),
            ("/v2/describe-item", Some("/b")) => reply.clone(),
            ("/v2/describe-item", _) => Reply::json(200, json!({"item_name": "/a", "item_type": "STATIC_SECRET"})),
            _ => Reply::json(200, json!({"/a": "v"})),
        })
    };
    let all = || json!({"name": {"regexp": ""}});
    let stub = answering(Reply::json(404, json!({"error": "gone"}))).await;
    let store = access_key(&stub).open().await.unwrap();
    assert_eq!(found(store.as_ref(), all()).await.unwrap(), ["/a=v"]);
    for (reply, kind) in [
        (Reply::json(403, json!({"error": "canary"})), ErrorKind::AccessDenied),
        (Reply::text(404, "<html>canary"), ErrorKind::Malformed),
        (Reply::json(200, json!({"item_name": "/b"})), ErrorKind::Malformed),
        (Reply::json(200, json!({"item_name": "/b", "item_type": "AES256GCM"})), ErrorKind::Invalid),
        (Reply::text(503, ""), ErrorKind::Unavailable),
    ] {
        let shown = format!("{reply:?}");
        let stub = answering(reply).await;
        let store = access_key(&stub).open().await.unwrap();
        let error = found(store.as_ref(), all()).await.unwrap_err();
        assert_eq!(error.kind(), kind, "{shown}: {error}");
    }
}

#[tokio::test]
async fn lists_that_go_round_or_are_too_long_end() {
    let stub = Stub::start(|seen| match seen.path.as_str() {
        "/v2/auth" => granted("t-1"),
        _ => Reply::json(200, json!({"items": [], "next_page": "again"})),
    })
    .await;
    let store = access_key(&stub).open().await.unwrap();
    let error = found(store.as_ref(), json!({"name": {"regexp": ""}})).await.unwrap_err();
    assert_eq!((error.kind(), stub.lines().len()), (ErrorKind::Malformed, 3));

    let stub = Stub::start(|seen| match seen.path.as_str() {
        "/v2/auth" => granted("t-1"),
        _ => {
            let items: Vec<_> = (0..=Gathered::MAX_VALUES).map(|n| json!({"item_name": format!("/{n}")})).collect();
            Reply::json(200, json!({"items": items}))
        }
    })
    .await;
    let store = access_key(&stub).open().await.unwrap();
    let error = found(store.as_ref(), json!({"name": {"regexp": ""}})).await.unwrap_err();
    assert_eq!((error.kind(), stub.lines().len()), (ErrorKind::Invalid, 2), "no value is read");
}

fn place(key: &str, property: Option<&str>) -> Place {
    Place { key: key.to_owned(), property: property.map(str::to_owned) }
}

fn push(key: &str, property: Option<&str>, secret_key: Option<&str>, data: &[(&str, &str)]) -> Push {
    let data = data.iter().map(|(key, value)| ((*key).to_owned(), SecretBytes::from(*value))).collect();
    let source = Arc::new(Source { data, ..Source::default() });
    Push { source, secret_key: secret_key.map(str::to_owned), place: place(key, property), metadata: None }
}

struct Pushing {
    account: Arc<Account>,
    stub: Stub,
    store: Box<dyn Provider>,
}

impl Pushing {
    async fn on(items: Vec<(String, Item)>) -> Self {
        let account = Account::of(items);
        let stub = account.stub().await;
        let store = access_key(&stub).open().await.unwrap();
        Self { account, stub, store }
    }

    fn writer(&self) -> &dyn Write {
        self.store.writer().unwrap()
    }

    /// The commands since `before`, without their slashes.
    fn since(&self, before: usize) -> Vec<String> {
        self.stub.seen()[before..].iter().map(|seen| seen.path.replacen("/v2/", "", 1)).collect()
    }
}

#[tokio::test]
async fn a_push_creates_leaves_alone_and_changes() {
    let world = Pushing::on(vec![]).await;
    let calls = Made::default();
    let data: &[(&str, &str)] = &[("a", "1"), ("b", "ü\"")];
    let steps: [(Push, Pushed, &str, &[&str]); 6] = [
        (
            push("/n", None, None, data),
            Pushed::Written,
            r#"{"a":"1","b":"ü\""}"#,
            &["auth", "describe-item", "create-secret"],
        ),
        (
            push("/n", None, None, data),
            Pushed::Unchanged,
            r#"{"a":"1","b":"ü\""}"#,
            &["describe-item", "get-secret-value"],
        ),
        (
            push("/n", None, None, &[("a", "2")]),
            Pushed::Written,
            r#"{"a":"2","b":"ü\""}"#,
            &["describe-item", "get-secret-value", "update-secret-val"],
        ),
        (
            push("/n", Some("p.q"), Some("a"), data),
            Pushed::Written,
            r#"{"a":"2","b":"ü\"","p.q":"1"}"#,
            &["describe-item", "get-secret-value", "update-secret-val"],
        ),
        (
            push("/n", Some("p.q"), Some("a"), data),
            Pushed::Unchanged,
            r#"{"a":"2","b":"ü\"","p.q":"1"}"#,
            &["describe-item", "get-secret-value"],
        ),
        (push("/m", None, Some("a"), data), Pushed::Written, r#"{"a":"1"}"#, &["describe-item", "create-secret"]),
    ];
    for (push, want, held, commands) in steps {
        let before = world.stub.seen().len();
        assert_eq!(world.writer().push(&push, &calls).await.unwrap(), want, "{push:?}");
        assert_eq!(world.account.value(&push.place.key).as_deref(), Some(held));
        assert_eq!(world.since(before), commands);
    }
    let created = world.stub.seen().into_iter().find(|seen| seen.path == "/v2/create-secret").unwrap();
    let want =
        json!({"name": "/n", "value": r#"{"a":"1","b":"ü\""}"#, "tags": ["k8s-external-secrets"], "token": "t-1"});
    assert_eq!(created.json(), want);
    let counts: Vec<_> = calls.0.lock().unwrap().iter().map(|(name, count)| (*name, *count)).collect();
    assert_eq!(counts, [("CreateSecret", 2), ("DescribeItem", 6), ("GetSecretValue", 4), ("UpdateSecretVal", 2)]);

    let error = world.writer().push(&push("/n", Some("p"), Some("none"), data), &calls).await.unwrap_err();
    assert_eq!(error.to_string(), "failed to find secret key in secret with key: none");
}

#[tokio::test]
async fn a_push_to_what_it_did_not_make_merges_or_is_refused() {
    let plain = item("STATIC_SECRET", json!(r#"{"mine": 1}"#));
    let world = Pushing::on(vec![
        ("/theirs".to_owned(), plain),
        ("/text".to_owned(), item("STATIC_SECRET", json!("canary"))),
        ("/dynamic".to_owned(), item("DYNAMIC_SECRET", json!({"u": "v"}))),
        ("/locked/x".to_owned(), item("STATIC_SECRET", json!("{}"))),
    ])
    .await;
    let calls = Made::default();
    let data: &[(&str, &str)] = &[("a", "1")];
    assert_eq!(world.writer().push(&push("/theirs", None, None, data), &calls).await.unwrap(), Pushed::Written);
    assert_eq!(world.account.value("/theirs").as_deref(), Some(r#"{"a":"1","mine":1}"#));
    assert_eq!(world.writer().delete(&place("/theirs", None), &calls).await.unwrap(), Removed::Foreign);
    assert_eq!(world.writer().delete(&place("/theirs", Some("a")), &calls).await.unwrap(), Removed::Foreign);

    let cases = [
        ("/text", ErrorKind::Invalid, "failed to unmarshal remote secret: invalid JSON format"),
        ("/dynamic", ErrorKind::Invalid, "the item is not a static secret"),
        ("/locked/x", ErrorKind::AccessDenied, "can't describe item: "),
    ];
    for (key, kind, text) in cases {
        let error = world.writer().push(&push(key, None, None, data), &calls).await.unwrap_err();
        assert_eq!(error.kind(), kind, "{key}");
        assert!(error.to_string().starts_with(text) && !error.to_string().contains("canary"), "{error}");
    }
    assert!(!world.stub.lines().iter().any(|line| line.contains("dynamic-secret-value")), "no credentials are made");
}

#[tokio::test]
async fn a_deletion_takes_what_was_pushed_and_no_more() {
    let ours =
        |value: &str| Item { tags: vec!["k8s-external-secrets".to_owned()], ..item("STATIC_SECRET", json!(value)) };
    let world = Pushing::on(vec![
        ("/whole".to_owned(), ours("anything")),
        ("/two".to_owned(), ours(r#"{"a":"1","n":12345678901234567890}"#)),
        ("/one".to_owned(), ours(r#"{"a":"1"}"#)),
        ("/text".to_owned(), ours("canary")),
    ])
    .await;
    let calls = Made::default();
    let cases = [
        ("/none", None, Ok(Removed::Absent), None),
        ("/none", Some("a"), Ok(Removed::Absent), None),
        ("/whole", None, Ok(Removed::Deleted), None),
        ("/two", Some("z"), Ok(Removed::Absent), Some(r#"{"a":"1","n":12345678901234567890}"#)),
        ("/two", Some("a"), Ok(Removed::Deleted), Some(r#"{"n":12345678901234567890}"#)),
        ("/one", Some("a"), Ok(Removed::Deleted), None),
        ("/text", Some("a"), Err("failed to unmarshal secret for deletion: invalid JSON format"), Some("canary")),
    ];
    for (key, property, want, left) in cases {
        let got = world.writer().delete(&place(key, property), &calls).await;
        match (got, want) {
            (Ok(got), Ok(want)) => assert_eq!(got, want, "{key} {property:?}"),
            (Err(error), Err(text)) => {
                assert!(error.to_string().starts_with(text) && !error.to_string().contains("canary"), "{error}");
            }
            (got, want) => panic!("{key}: {got:?}, not {want:?}"),
        }
        assert_eq!(world.account.value(key).as_deref(), left, "{key} {property:?}");
    }
}

#[tokio::test]
async fn what_is_there_is_told_without_making_it() {
    let world = Pushing::on(vec![
        ("/s".to_owned(), item("STATIC_SECRET", json!(r#"{"a.b":"1","c":{"d":1}}"#))),
        ("/empty".to_owned(), item("STATIC_SECRET", json!(""))),
        ("/dynamic".to_owned(), item("DYNAMIC_SECRET", json!({"u": "v"}))),
    ])
    .await;
    let calls = Made::default();
    let cases = [
        ("/s", None, Ok(true)),
        ("/s", Some("a.b"), Ok(true)),
        ("/s", Some("c.d"), Ok(false)),
        ("/none", None, Ok(false)),
        ("/none", Some("a"), Ok(false)),
        ("/empty", None, Ok(true)),
        ("/empty", Some("a"), Err("failed to unmarshal secret: invalid JSON format")),
        ("/dynamic", None, Ok(true)),
        ("/dynamic", Some("u"), Err("the item is a dynamic secret")),
    ];
    for (key, property, want) in cases {
        let got = world.writer().exists(&place(key, property), &calls).await;
        match (got, want) {
            (Ok(got), Ok(want)) => assert_eq!(got, want, "{key} {property:?}"),
            (Err(error), Err(text)) => assert!(error.to_string().starts_with(text), "{error}"),
            (got, want) => panic!("{key}: {got:?}, not {want:?}"),
        }
    }
    assert!(!world.stub.lines().iter().any(|line| line.contains("dynamic-secret-value")));
}

#[tokio::test]
async fn a_write_that_something_else_answers_has_not_happened() {
    let cases = [
        (Reply::text(200, "<html>canary"), ErrorKind::Malformed),
        (Reply::text(204, ""), ErrorKind::Malformed),
        (Reply::json(409, json!({"error": "canary"})), ErrorKind::Invalid),
        (Reply::json(403, json!({"error": "canary"})), ErrorKind::AccessDenied),
        (Reply::Close, ErrorKind::Unavailable),
    ];
    for (reply, kind) in cases {
        let shown = format!("{reply:?}");
        let stub = Stub::start(move |seen| match seen.path.as_str() {
            "/v2/auth" => granted("t-1"),
            "/v2/describe-item" => Reply::json(404, json!({"error": "no such item"})),
            _ => reply.clone(),
        })
        .await;
        let store = access_key(&stub).open().await.unwrap();
        let pushed = store.writer().unwrap().push(&push("/n", None, None, &[("a", "1")]), &Made::default()).await;
        let error = pushed.unwrap_err();
        assert_eq!(error.kind(), kind, "{shown}: {error}");
        assert!(!error.to_string().contains("canary"), "{error}");
    }
}

#[tokio::test]
async fn a_fault_while_pushing_is_an_error_and_shows_nothing() {
    let small = |name: &str| !matches!(name, "too large" | "announced too large" | "gzip bomb");
    let writes = |path: &str| ["create-secret", "update-secret-val", "delete-item"].iter().any(|it| path.ends_with(it));
    for (name, reply, kind) in crate::faults().into_iter().filter(|(name, ..)| small(name)) {
        // While it looks: nothing is written.
        let answer = reply.clone();
        let stub = Stub::start(move |seen| if seen.line() == AUTH { granted("t-1") } else { answer.clone() }).await;
        let store = access_key(&stub).open().await.unwrap();
        let (writer, calls, at) = (store.writer().unwrap(), Made::default(), place("/n", Some("p")));
        let outcomes = [
            writer.push(&push("/n", None, None, &[("a", "1")]), &calls).await.map(|_| ()),
            writer.delete(&at, &calls).await.map(|_| ()),
            writer.exists(&at, &calls).await.map(|_| ()),
        ];
        for outcome in outcomes {
            let error = outcome.expect_err(name);
            assert_eq!(error.kind(), kind, "{name}: {error}");
            assert!(!error.to_string().contains(crate::CANARY) && !error.to_string().contains("html"), "{error}");
        }
        assert!(!stub.lines().iter().any(|line| writes(line)), "{name}: {:?}", stub.lines());

        // While it writes.
        let stub = Stub::start(move |seen| match seen.path.as_str() {
            "/v2/auth" => granted("t-1"),
            "/v2/describe-item" => {
                let tags = ["k8s-external-secrets"];
                Reply::json(200, json!({"item_name": "/n", "item_type": "STATIC_SECRET", "item_tags": tags}))
            }
            "/v2/get-secret-value" => Reply::json(200, json!({"/n": r#"{"a":"0"}"#})),
            _ => reply.clone(),
        })
        .await;
        let store = access_key(&stub).open().await.unwrap();
        let writer = store.writer().unwrap();
        let pushed = writer.push(&push("/n", None, None, &[("a", "1")]), &calls).await.map(|_| ());
        let deleted = writer.delete(&place("/n", None), &calls).await.map(|_| ());
        for outcome in [pushed, deleted] {
            let error = outcome.expect_err(name);
            assert_eq!(error.kind(), kind, "{name}: {error}");
            assert!(!error.to_string().contains(crate::CANARY) && !error.to_string().contains("html"), "{error}");
        }
    }
}
