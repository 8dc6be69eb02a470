//! Finding, each backend against a stub that pages, refuses and loses things on the way.

use std::collections::BTreeMap;

use provider::{ErrorKind, Gathered};
use serde_json::{Value, json};

use crate::support::backends::Backend;
use crate::support::{Made, Reply, Seen, Stub, found, reference, value, wished};

/// A find and what it brings, or how its error begins.
type Case = (Value, Result<Vec<&'static str>, &'static str>);

async fn check(backend: Backend, stub: &Stub, cases: Vec<Case>) {
    let store = backend.opening(&stub.url()).open().await.unwrap();
    for (find, want) in cases {
        match (found(store.as_ref(), find.clone()).await, want) {
            (Ok(got), Ok(want)) => assert_eq!(got, want, "{backend:?} {find}"),
            (Err(error), Err(want)) => assert!(error.to_string().starts_with(want), "{backend:?} {find}: {error}"),
            (got, want) => panic!("{backend:?} {find}: {got:?}, not {want:?}"),
        }
    }
}

/// The requested operation of an AWS service.
fn operation(seen: &Seen) -> String {
    let target = seen.header("x-amz-target").unwrap_or_default();
    target.rsplit('.').next().unwrap_or_default().to_owned()
}

fn aws_error(code: &str) -> Reply {
    Reply::json(400, json!({"__type": code, "message": "canary"}))
}

fn operations(stub: &Stub) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for seen in stub.seen() {
        *counts.entry(operation(&seen)).or_default() += 1;
    }
    counts
}

fn counts(pairs: &[(&str, usize)]) -> BTreeMap<String, usize> {
    pairs.iter().map(|(name, count)| ((*name).to_owned(), *count)).collect()
}

fn owned(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

/// A Vault with some secrets below `kv`, of either version: path to tags; each secret is `{"k":"<path>"}`. A path that
/// begins with `lost` is listed but not there.
fn vault(secrets: Vec<(String, BTreeMap<String, String>)>) -> impl Fn(&Seen) -> Reply + Send + Sync + 'static {
    move |seen: &Seen| {
        let nothing = || Reply::json(404, json!({"errors": []}));
        let rest = seen.path.strip_prefix("/v1/kv").unwrap_or_default().trim_start_matches('/');
        let (path, v2) = match rest.split_once('/') {
            Some(("metadata" | "data", path)) => (path, true),
            None if rest.starts_with("metadata") => (rest.strip_prefix("metadata").unwrap(), true),
            _ => (rest, false),
        };
        if let Some(folder) = path.strip_suffix("?list=true") {
            let folder = if folder.is_empty() { String::new() } else { format!("{folder}/") };
            let below = secrets.iter().filter_map(|(path, _)| path.strip_prefix(folder.as_str()));
            let mut names: Vec<String> = below
                .map(|rest| rest.split_once('/').map_or(rest.to_owned(), |(folder, _)| format!("{folder}/")))
                .collect();
            names.dedup();
            return match names.is_empty() {
                true => nothing(),
                false => Reply::json(200, json!({"data": {"keys": names}})),
            };
        }
        let Some((_, tags)) = secrets.iter().find(|(known, _)| known == path && !path.starts_with("lost")) else {
            return nothing();
        };
        if path == "denied" {
            return Reply::json(403, json!({"errors": ["permission denied"]}));
        }
        match (v2, rest.starts_with("metadata")) {
            (true, true) => Reply::json(200, json!({"data": {"current_version": 3, "custom_metadata": tags}})),
            (true, false) => Reply::json(200, json!({"data": {"data": {"k": path}, "metadata": {}}})),
            (false, _) => Reply::json(200, json!({"data": {"k": path}})),
        }
    }
}

fn some_secrets() -> Vec<(String, BTreeMap<String, String>)> {
    let tagged = |path: &str, tags: &[(&str, &str)]| (path.to_owned(), owned(tags));
    vec![
        tagged("app", &[("env", "prod")]),
        tagged("lost", &[("env", "prod")]),
        tagged("team/a", &[("env", "prod"), ("team", "red")]),
        tagged("team/b/c", &[("env", "dev"), ("team", "red")]),
        tagged("team/b/lost", &[]),
    ]
}

#[tokio::test]
async fn vault_walks_the_folders_and_takes_what_matches() {
    let stub = Stub::start(vault(some_secrets())).await;
    let all = vec![
        r#"app={"k":"app"}"#,
        r#"team/a={"k":"team/a"}"#,
        r#"team/b/c={"k":"team/b/c"}"#,
        r#"team/b/lost={"k":"team/b/lost"}"#,
    ];
    let below: Vec<Case> = vec![
        (json!({"name": {"regexp": ""}}), Ok(all.clone())),
        (json!({}), Ok(all.clone())),
        (json!({"name": {"regexp": "^team/.*c$"}}), Ok(vec![all[2]])),
        (json!({"name": {"regexp": "^c$"}}), Ok(vec![])),
        (json!({"path": "team"}), Ok(vec![all[1], all[2], all[3]])),
        (json!({"path": "team", "name": {"regexp": "^team/a"}}), Ok(vec![all[1]])),
        (json!({"path": "team/b", "name": {"regexp": "c"}}), Ok(vec![all[2]])),
        (json!({"path": "none"}), Err("Secret does not exist")),
        (json!({"path": "../sys"}), Err("find.path must not have")),
    ];
    check(Backend::VaultV1, &stub, below.clone()).await;
    check(Backend::VaultV2, &stub, below).await;
    let tags: Vec<Case> = vec![
        (json!({"tags": {"team": "red"}}), Ok(vec![all[1], all[2]])),
        (json!({"tags": {"team": "red", "env": "prod"}}), Ok(vec![all[1]])),
        (json!({"tags": {"team": "re"}}), Ok(vec![])),
        (json!({"tags": {"current_version": "3", "env": "dev"}}), Ok(vec![all[2]])),
        (json!({"tags": {"env": "prod"}, "path": "team"}), Ok(vec![all[1]])),
        (json!({"tags": {"env": "none"}, "name": {"regexp": "^app$"}}), Ok(vec![all[0]])),
    ];
    check(Backend::VaultV2, &stub, tags).await;
    let refused: Vec<Case> =
        vec![(json!({"tags": {"a": "b"}}), Err("cannot perform find by tag operations with kv version v1"))];
    check(Backend::VaultV1, &stub, refused).await;
}

#[tokio::test]
async fn only_an_empty_place_is_not_found_and_a_secret_that_may_not_be_read_fails_the_find() {
    let stub =
        Stub::start(vault(vec![("denied".to_owned(), BTreeMap::new()), ("a".to_owned(), BTreeMap::new())])).await;
    for backend in [Backend::VaultV1, Backend::VaultV2] {
        let store = backend.opening(&stub.url()).open().await.unwrap();
        let error = found(store.as_ref(), json!({"name": {"regexp": ""}})).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::AccessDenied, "{error}");
        let error = found(store.as_ref(), json!({"path": "none"})).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound, "{error}");
    }
}

#[tokio::test(start_paused = true)]
async fn vault_is_asked_a_bounded_number_of_times_at_once() {
    let secrets = (0..200).map(|n| (format!("s{n}"), BTreeMap::new())).collect();
    let listing = vault(secrets);
    let stub =
        Stub::start(move |seen| if seen.path.ends_with("?list=true") { listing(seen) } else { Reply::Hang }).await;
    let store = Backend::VaultV2.opening(&stub.url()).open().await.unwrap();
    let error = found(store.as_ref(), json!({"name": {"regexp": "^s"}})).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout, "{error}");
    let reads = stub.lines().iter().filter(|line| line.starts_with("GET /v1/kv/data/")).count();
    assert!((2..=16).contains(&reads), "{reads}");
}

#[tokio::test]
async fn thousands_of_secrets_are_found_and_calls_are_counted() {
    let secrets = (0..2000).map(|n| (format!("f{}/s{n}", n / 100), BTreeMap::new())).collect();
    let stub = Stub::start(vault(secrets)).await;
    let store = Backend::VaultV2.opening(&stub.url()).open().await.unwrap();
    let made = Made::default();
    let got = store.find(&wished(json!({"name": {"regexp": "5$"}})), &made).await.unwrap();
    assert_eq!(got.len(), 200);
    assert_eq!(*made.0.lock().unwrap(), BTreeMap::from([("ListSecrets", 21), ("ReadSecretData", 200)]));
}

#[tokio::test]
async fn more_matches_than_a_find_may_have_are_refused_before_they_are_read() {
    let names: Vec<String> = (0..=Gathered::MAX_VALUES).map(|n| format!("s{n}")).collect();
    let stub = Stub::start(move |seen| match seen.path.as_str() {
        "/v1/kv/metadata?list=true" => Reply::json(200, json!({"data": {"keys": names}})),
        _ => Reply::Close,
    })
    .await;
    let refused: Vec<Case> =
        vec![(json!({"name": {"regexp": ""}}), Err("find matches more than 10000 secrets; narrow"))];
    check(Backend::VaultV2, &stub, refused).await;
    assert_eq!(stub.lines().len(), 1);
}

/// An API server with secrets `a`, `b`, `c` and a large one, in pages; what doesn't fit into 8 MiB is asked for in less.
fn kubernetes(seen: &Seen) -> Reply {
    let url = reqwest::Url::parse(&format!("http://k{}", seen.path)).unwrap();
    let query: BTreeMap<String, String> = url.query_pairs().into_owned().collect();
    let secret = |name: &str, value: &str| json!({"metadata": {"name": name, "labels": {"team": name}}, "data": {"v": value}, "type": "Opaque"});
    let all = [secret("a", "MQ=="), secret("b", "Mjw="), json!({"metadata": {"name": "c"}})];
    let start: usize = query.get("continue").map_or(0, |token| token.parse().unwrap());
    let limit: usize = query["limit"].parse().unwrap();
    if limit > 2 {
        return Reply::CutOff { claimed: 1 << 30, body: Vec::new() };
    }
    let items: Vec<&Value> = match query.get("labelSelector").map(String::as_str) {
        None => all.iter().collect(),
        Some("team=b") => vec![&all[1]],
        Some(_) => Vec::new(),
    };
    let page: Vec<&Value> = items.iter().skip(start).take(limit).copied().collect();
    let next = if start + page.len() < items.len() { format!("{}", start + page.len()) } else { String::new() };
    Reply::json(200, json!({"kind": "SecretList", "metadata": {"continue": next}, "items": page}))
}

#[tokio::test]
async fn kubernetes_lists_in_pages_that_fit_by_label_or_by_name() {
    let stub = Stub::start(kubernetes).await;
    let (a, b, c) = (r#"a={"v":"1"}"#, r#"b={"v":"2<"}"#, "c={}");
    let cases: Vec<Case> = vec![
        (json!({"name": {"regexp": ""}}), Ok(vec![a, b, c])),
        (json!({"name": {"regexp": "^[ab]$"}, "path": "ignored"}), Ok(vec![a, b])),
        (json!({"tags": {"team": "b"}}), Ok(vec![b])),
        (json!({"tags": {"team": "b"}, "name": {"regexp": "^a$"}}), Ok(vec![b])),
        (json!({"tags": {"team": "x"}}), Ok(vec![])),
        (json!({"tags": {"team": "x,y"}}), Err("unable to validate selector tags: ")),
    ];
    check(Backend::Kubernetes, &stub, cases).await;
    let first: Vec<String> = stub.lines().into_iter().take(5).collect();
    let line = |query: &str| format!("GET /api/v1/namespaces/remote/secrets?{query}");
    let pages = ["limit=128", "limit=32", "limit=8", "limit=2", "limit=2&continue=2"];
    assert_eq!(first, pages.map(line));

    for (status, kind) in [(410, ErrorKind::Unavailable), (403, ErrorKind::AccessDenied), (404, ErrorKind::Malformed)] {
        let stub = Stub::start(move |_| Reply::json(status, json!({"kind": "Status"}))).await;
        let store = Backend::Kubernetes.opening(&stub.url()).open().await.unwrap();
        let error = found(store.as_ref(), json!({"name": {"regexp": ""}})).await.unwrap_err();
        assert_eq!(error.kind(), kind);
        assert!(error.to_string().starts_with("unable to list secrets: "), "{error}");
    }
}

/// What a stub of Secrets Manager allows.
#[derive(Clone, Copy, Default)]
struct Policy {
    no_batch: bool,
    /// Secrets whose value may not be read.
    denied: &'static [&'static str],
    /// Secrets that AWS can't read now.
    broken: &'static [&'static str],
    /// Secrets that are listed but not there any more.
    lost: &'static [&'static str],
}

/// Secrets Manager with 45 secrets `db/1`, …: lists in pages of 30, filters and batches as AWS does.
fn secrets_manager(policy: Policy) -> impl Fn(&Seen) -> Reply + Send + Sync + 'static {
    move |seen: &Seen| {
        let body = seen.json();
        let names: Vec<String> =
            (1..=45).map(|n| if n > 40 { format!("mail/{n}") } else { format!("db/{n}") }).collect();
        let wanted = |name: &str| {
            let filters = body["Filters"].as_array().cloned().unwrap_or_default();
            filters.iter().all(|filter| {
                let value = filter["Values"][0].as_str().unwrap();
                match filter["Key"].as_str().unwrap() {
                    "name" => name.starts_with(value),
                    "tag-key" => "env".starts_with(value),
                    "tag-value" => value == name.rsplit('/').next().unwrap() || value == "all",
                    other => panic!("{other}"),
                }
            })
        };
        let entry = |name: &str| json!({"Name": name, "SecretString": format!("value of {name}")});
        let trouble = |name: &str| {
            let is = |list: &[&str]| list.contains(&name);
            match (is(policy.denied), is(policy.broken), is(policy.lost)) {
                (true, ..) => Some("AccessDeniedException"),
                (_, true, _) => Some("InternalServiceError"),
                (.., true) => Some("ResourceNotFoundException"),
                _ => None,
            }
        };
        let page = |names: Vec<&String>, size: usize| {
            let start: usize = body["NextToken"].as_str().map_or(0, |token| token.parse().unwrap());
            let next = (start + size < names.len()).then(|| format!("{}", start + size));
            (names.into_iter().skip(start).take(size).cloned().collect::<Vec<_>>(), next)
        };
        let filtered: Vec<&String> = names.iter().filter(|name| wanted(name)).collect();
        match operation(seen).as_str() {
            "ListSecrets" => {
                let (names, next) = page(filtered, 30);
                let list: Vec<Value> = names.iter().map(|name| json!({"Name": name})).collect();
                Reply::json(200, json!({"SecretList": list, "NextToken": next}))
            }
            "BatchGetSecretValue" if policy.no_batch => aws_error("AccessDeniedException"),
            "BatchGetSecretValue" => {
                let (names, next) = match body["SecretIdList"].as_array() {
                    Some(ids) => {
                        assert!(ids.len() <= 20);
                        (ids.iter().map(|id| id.as_str().unwrap().to_owned()).collect(), None)
                    }
                    None => page(filtered, 20),
                };
                let good: Vec<Value> = names.iter().filter(|n| trouble(n).is_none()).map(|n| entry(n)).collect();
                let bad = names.iter().filter_map(|name| Some((name, trouble(name)?)));
                let bad: Vec<Value> =
                    bad.map(|(name, code)| json!({"SecretId": name, "ErrorCode": code, "Message": "canary"})).collect();
                Reply::json(200, json!({"SecretValues": good, "Errors": bad, "NextToken": next}))
            }
            "GetSecretValue" => {
                let name = body["SecretId"].as_str().unwrap();
                match trouble(name) {
                    Some(code) => aws_error(code),
                    None => Reply::json(200, entry(name)),
                }
            }
            other => panic!("{other}"),
        }
    }
}

#[tokio::test]
async fn secrets_manager_finds_with_as_few_calls_as_it_may() {
    let cases = [
        (json!({"name": {"regexp": "^db/"}}), false, 40, counts(&[("BatchGetSecretValue", 3), ("ListSecrets", 2)])),
        (json!({"name": {"regexp": "^db/1$"}}), false, 1, counts(&[("GetSecretValue", 1), ("ListSecrets", 2)])),
        (
            json!({"name": {"regexp": "^mail"}}),
            true,
            5,
            counts(&[("BatchGetSecretValue", 1), ("GetSecretValue", 5), ("ListSecrets", 2)]),
        ),
        (json!({"name": {"regexp": "1$"}, "path": "db/"}), false, 4, counts(&[("BatchGetSecretValue", 2)])),
        (json!({"tags": {"env": "all"}}), false, 45, counts(&[("BatchGetSecretValue", 3)])),
        (json!({"tags": {"env": "7"}, "path": "db"}), false, 1, counts(&[("BatchGetSecretValue", 1)])),
        (
            json!({"tags": {"env": "all"}, "path": "mail/"}),
            true,
            5,
            counts(&[("BatchGetSecretValue", 2), ("GetSecretValue", 5), ("ListSecrets", 1)]),
        ),
        (
            json!({"tags": {"env": "all"}, "name": {"regexp": "^mail"}}),
            false,
            5,
            counts(&[("BatchGetSecretValue", 1), ("ListSecrets", 2)]),
        ),
    ];
    for (find, no_batch, found_count, calls) in cases {
        let stub = Stub::start(secrets_manager(Policy { no_batch, ..Policy::default() })).await;
        let store = Backend::Aws.opening(&stub.url()).open().await.unwrap();
        let got = found(store.as_ref(), find.clone()).await.unwrap();
        assert_eq!((got.len(), operations(&stub)), (found_count, calls), "{find}");
        let named =
            |text: &String| text.split_once('=').is_some_and(|(name, value)| value == format!("value of {name}"));
        assert!(got.iter().all(named), "{got:?}");
    }
}

#[tokio::test]
async fn a_prefix_has_no_part_in_finding() {
    let stub = Stub::start(secrets_manager(Policy { no_batch: true, ..Policy::default() })).await;
    let mut opening = Backend::Aws.opening(&stub.url());
    opening.spec["aws"]["prefix"] = json!("db/");
    let store = opening.open().await.unwrap();
    let got = found(store.as_ref(), json!({"name": {"regexp": "^mail/45$"}})).await.unwrap();
    assert_eq!(got, ["mail/45=value of mail/45"]);
}

#[tokio::test]
async fn what_may_not_be_read_is_left_out_of_batches_and_fails_a_find_that_reads_by_name() {
    let by_tag = || json!({"tags": {"env": "all"}, "path": "mail/"});
    let by_name = || json!({"name": {"regexp": "^mail/"}});
    const ALL: &[&str] = &["mail/41", "mail/42", "mail/43", "mail/44", "mail/45"];
    let policy = Policy::default();
    let cases = [
        (by_tag(), Policy { denied: &["mail/41"], ..policy }, Ok(4)),
        (by_tag(), Policy { denied: &["mail/41"], no_batch: true, ..policy }, Ok(4)),
        (by_tag(), Policy { denied: ALL, ..policy }, Err(ErrorKind::AccessDenied)),
        (by_tag(), Policy { lost: &["mail/41"], ..policy }, Ok(4)),
        (by_tag(), Policy { lost: ALL, ..policy }, Ok(0)),
        (by_tag(), Policy { broken: &["mail/41"], ..policy }, Err(ErrorKind::Unavailable)),
        (by_name(), Policy { denied: &["mail/41"], ..policy }, Err(ErrorKind::AccessDenied)),
        (by_name(), Policy { denied: &["mail/41"], no_batch: true, ..policy }, Err(ErrorKind::AccessDenied)),
        (by_name(), Policy { lost: &["mail/41"], ..policy }, Ok(4)),
        (by_name(), Policy { lost: &["mail/41"], no_batch: true, ..policy }, Ok(4)),
    ];
    for (number, (find, policy, want)) in cases.into_iter().enumerate() {
        let stub = Stub::start(secrets_manager(policy)).await;
        let store = Backend::Aws.opening(&stub.url()).open().await.unwrap();
        let got = found(store.as_ref(), find).await.map(|found| found.len());
        if let Err(error) = &got {
            assert!(!error.to_string().contains("canary"), "{error}");
        }
        assert_eq!(got.map_err(|error| error.kind()), want, "case {number}");
    }
}

/// Parameter Store with `/app/db`, `/app/mail/user` and `/other`; tag `env` is the first part of the name.
fn parameter_store(by_path: bool) -> impl Fn(&Seen) -> Reply + Send + Sync + 'static {
    move |seen: &Seen| {
        let body = seen.json();
        let names = ["/app/db", "/app/mail/user", "/lost", "/other"];
        let below = |name: &str, path: &str| name.starts_with(&format!("{}/", path.trim_end_matches('/')));
        let page = |names: Vec<&str>, entry: fn(&str) -> Value| {
            let start: usize = body["NextToken"].as_str().map_or(0, |token| token.parse().unwrap());
            let next = (start + 1 < names.len()).then(|| format!("{}", start + 1));
            let entries: Vec<Value> = names.into_iter().skip(start).take(1).map(entry).collect();
            Reply::json(200, json!({"Parameters": entries, "NextToken": next}))
        };
        match operation(seen).as_str() {
            "GetParametersByPath" if !by_path => aws_error("AccessDeniedException"),
            "GetParametersByPath" => {
                assert_eq!((&body["Recursive"], &body["WithDecryption"]), (&json!(true), &json!(true)));
                let path = body["Path"].as_str().unwrap();
                let found = names.into_iter().filter(|name| below(name, path) && *name != "/lost").collect();
                page(found, |name| json!({"Name": name, "Value": format!("value of {name}")}))
            }
            "DescribeParameters" => {
                let filters = body["ParameterFilters"].as_array().cloned().unwrap_or_default();
                let passes = |name: &str| {
                    filters.iter().all(|filter| {
                        let (key, value) = (filter["Key"].as_str().unwrap(), filter["Values"][0].as_str().unwrap());
                        match (key, filter["Option"].as_str().unwrap()) {
                            ("Path", "Recursive") => below(name, value),
                            ("tag:env", "Equals") => name.split('/').nth(1) == Some(value) || value == "all",
                            other => panic!("{other:?}"),
                        }
                    })
                };
                page(names.into_iter().filter(|name| passes(name)).collect(), |name| json!({"Name": name}))
            }
            "GetParameter" => match body["Name"].as_str().unwrap() {
                "/lost" => aws_error("ParameterNotFound"),
                name => {
                    assert_eq!(body["WithDecryption"], json!(true));
                    Reply::json(200, json!({"Parameter": {"Name": name, "Value": format!("value of {name}")}}))
                }
            },
            other => panic!("{other}"),
        }
    }
}

#[tokio::test]
async fn parameter_store_finds_by_path_and_name_or_by_tags() {
    let (db, mail, other) =
        ("/app/db=value of /app/db", "/app/mail/user=value of /app/mail/user", "/other=value of /other");
    let cases: Vec<Case> = vec![
        (json!({"name": {"regexp": ""}}), Ok(vec![db, mail, other])),
        (json!({"name": {"regexp": "user$"}}), Ok(vec![mail])),
        (json!({"name": {"regexp": ""}, "path": "/app"}), Ok(vec![db, mail])),
        (json!({"name": {"regexp": "db"}, "path": "/app", "tags": {"env": "none"}}), Ok(vec![db])),
        (json!({"tags": {"env": "app"}}), Ok(vec![db, mail])),
        (json!({"tags": {"env": "all"}}), Ok(vec![db, mail, other])),
        (json!({"tags": {"env": "all"}, "path": "/app/mail"}), Ok(vec![mail])),
    ];
    for by_path in [true, false] {
        let stub = Stub::start(parameter_store(by_path)).await;
        check(Backend::ParameterStore, &stub, cases.clone()).await;
        let used = operations(&stub).contains_key("GetParametersByPath");
        assert!(used, "by path first");
    }
    let stub = Stub::start(|_| aws_error("ThrottlingException")).await;
    let refused: Vec<Case> = vec![(
        json!({"name": {"regexp": ""}, "path": "/p"}),
        Err("fetching parameters by path /p: operation error SSM"),
    )];
    check(Backend::ParameterStore, &stub, refused).await;
}

#[tokio::test]
async fn a_parameter_is_read_by_name_and_version_below_the_prefix() {
    let stub = Stub::start(|seen| {
        let body = seen.json();
        Reply::json(
            200,
            json!({"Parameter": {"Value": body["Name"]}, "TagList": [{"Key": "id", "Value": body["ResourceId"]}]}),
        )
    })
    .await;
    let mut opening = Backend::ParameterStore.opening(&stub.url());
    opening.spec["aws"]["prefix"] = json!("/team/");
    let store = opening.open().await.unwrap();
    for (version, want) in
        [(None, "/team/app"), (Some(""), "/team/app"), (Some("3"), "/team/app:3"), (Some("live"), "/team/app:live")]
    {
        assert_eq!(value(store.as_ref(), &reference("app", version, None)).await.unwrap(), want);
    }
    let mut tags = reference("app", Some("3"), Some("id"));
    tags.read.metadata = true;
    assert_eq!(value(store.as_ref(), &tags).await.unwrap(), "/team/app");
}

#[tokio::test]
async fn a_missing_secret_of_kubernetes_is_missing_to_extract_alone() {
    let stub = Backend::Kubernetes.stub().await;
    let store = Backend::Kubernetes.opening(&stub.url()).open().await.unwrap();
    let missing = reference("none", None, None);
    let error = store.read(&missing.read).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    let error = store.missing_value(error, &missing);
    assert_eq!((error.kind(), error.to_string().as_str()), (ErrorKind::Invalid, "secrets \"none\" not found"));
}
