//! 1Password Connect: vaults and their order, items and files, what a read costs, finds and pushes.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use provider::{Error, ErrorKind, Place, Provider, Push, Pushed, Removed, Retry, Source, Validation};
use secret::SecretBytes;
use serde_json::{Value, json};

use crate::support::onepassword::{Connect, field, id, item, opening};
use crate::support::{Lookup, Made, Reply, Stub, found, map, reference, value, wished};

async fn serve(connect: &Connect) -> Stub {
    Stub::start(connect.handler()).await
}

async fn open(stub: &Stub, vaults: Value) -> Box<dyn Provider> {
    opening(&stub.url(), vaults).open().await.unwrap()
}

async fn get(store: &dyn Provider, key: &str, property: &str) -> Result<String, Error> {
    value(store, &reference(key, None, Some(property))).await
}

/// The lines that were sent since `before` of them.
fn since(stub: &Stub, before: usize) -> Vec<String> {
    stub.lines().split_off(before)
}

#[tokio::test]
async fn many_properties_of_one_item_cost_one_read_and_vaults_are_looked_up_once() {
    let labels: Vec<String> = (0..20).map(|n| format!("l{n}")).collect();
    let fields: Vec<(&str, &str)> = labels.iter().map(|label| (label.as_str(), "v")).collect();
    let connect = Connect::with(&[("main", vec![item("app", &fields)])]);
    let stub = serve(&connect).await;
    let store = open(&stub, json!({"main": 1})).await;
    let payload = store.read(&reference("app", None, None).read).await.unwrap();
    for label in &labels {
        let got = store.value(&payload, &reference("app", None, Some(label))).unwrap();
        assert_eq!(got.expose_str(), Some("v"));
    }
    let (vault, app) = (id("vault", 0), id("item", 0));
    let list = format!("GET /v1/vaults/{vault}/items?filter=title+eq+%22app%22");
    let read = format!("GET /v1/vaults/{vault}/items/{app}");
    let want = ["GET /v1/vaults?filter=name+eq+%22main%22".to_owned(), list.clone(), read.clone()];
    assert_eq!(stub.lines(), want);
    assert_eq!(stub.seen().remove(0).header("authorization"), Some("Bearer good"));

    store.read(&reference("app", None, None).read).await.unwrap();
    assert_eq!(since(&stub, 3), [list, read.clone()]);
    get(store.as_ref(), &app, "l1").await.unwrap();
    assert_eq!(since(&stub, 5), [read]);
}

#[tokio::test(start_paused = true)]
async fn a_vaults_name_is_looked_up_again_after_five_minutes() {
    let connect =
        Connect::with(&[("main", vec![item("app", &[("k", "old")])]), ("next", vec![item("app", &[("k", "new")])])]);
    let stub = serve(&connect).await;
    let store = open(&stub, json!({"main": 1})).await;
    assert_eq!(get(store.as_ref(), "app", "k").await.unwrap(), "old");
    connect.0.lock().unwrap().vaults = vec![(id("vault", 0), "before".to_owned()), (id("vault", 1), "main".to_owned())];
    tokio::time::advance(std::time::Duration::from_secs(301)).await;
    assert_eq!(get(store.as_ref(), "app", "k").await.unwrap(), "new");
}

#[tokio::test]
async fn vaults_are_searched_in_order_and_the_first_that_has_the_item_counts() {
    let connect = Connect::with(&[
        ("default", vec![item("app", &[("k", "default")]), item("shared", &[("k", "shared")])]),
        ("override", vec![item("app", &[("k", "override")])]),
    ]);
    let stub = serve(&connect).await;
    let cases = [
        (json!({"override": 1, "default": 2}), "app", "override"),
        (json!({"override": 2, "default": 1}), "app", "default"),
        (json!({"override": 1, "default": 2}), "shared", "shared"),
        (json!({id("vault", 1): 1, id("vault", 0): 2}), "shared", "shared"),
    ];
    for (vaults, key, want) in cases {
        let store = open(&stub, vaults.clone()).await;
        assert_eq!(get(store.as_ref(), key, "k").await.unwrap(), want, "{vaults} {key}");
    }
    // The item of the second vault, by its id.
    let store = open(&stub, json!({"override": 1, "default": 2})).await;
    assert_eq!(get(store.as_ref(), &id("item", 1), "k").await.unwrap(), "shared");
}

#[tokio::test]
async fn a_title_of_the_form_of_an_id_and_one_with_quotes_are_found_too() {
    let titles = [&id("title", 1), "a\"b", "a\\b", "ü / & eq \u{e9}", "o'clock"];
    let items = titles.map(|title| item(title, &[("k", title)])).to_vec();
    let stub = serve(&Connect::with(&[("a \"quoted\" vault", items)])).await;
    let store = open(&stub, json!({"a \"quoted\" vault": 1})).await;
    for title in titles {
        assert_eq!(get(store.as_ref(), title, "k").await.unwrap(), title);
    }
}

#[tokio::test]
async fn an_item_is_missing_only_if_every_vault_was_seen_without_it() {
    let vaults = || vec![("a", vec![item("app", &[("k", "v")])]), ("b", vec![])];
    // Nothing was lost: each vault is searched, and was looked up for this very read or is looked at again.
    for order in [json!({"a": 1, "b": 2}), json!({id("vault", 0): 1, id("vault", 1): 2})] {
        let stub = serve(&Connect::with(&vaults())).await;
        let store = open(&stub, order).await;
        for key in ["none", &id("none", 0)] {
            for _ in 0..2 {
                let error = get(store.as_ref(), key, "k").await.unwrap_err();
                assert_eq!((error.kind(), error.to_string().as_str()), (ErrorKind::NotFound, "Secret does not exist"));
            }
        }
    }
    // What happens to the server, and what a store that knew the vault says then.
    type Change = fn(&Connect);
    let cases: [(Value, Change, ErrorKind); 6] = [
        (json!({"a": 1}), |c| c.0.lock().unwrap().denied.push(id("vault", 0)), ErrorKind::AccessDenied),
        (json!({id("vault", 0): 1}), |c| c.0.lock().unwrap().denied.push(id("vault", 0)), ErrorKind::AccessDenied),
        (json!({"a": 1}), |c| c.0.lock().unwrap().vaults.clear(), ErrorKind::Invalid),
        (json!({id("vault", 0): 1}), |c| c.0.lock().unwrap().vaults.clear(), ErrorKind::Invalid),
        (json!({"a": 1}), |c| c.0.lock().unwrap().vaults[0].1 = "renamed".to_owned(), ErrorKind::Invalid),
        (json!({"a": 1}), |c| c.0.lock().unwrap().vaults[1].1 = "a".to_owned(), ErrorKind::Invalid),
    ];
    for (number, (order, change, kind)) in cases.into_iter().enumerate() {
        let connect = Connect::with(&vaults());
        let stub = serve(&connect).await;
        let store = open(&stub, order).await;
        get(store.as_ref(), "app", "k").await.unwrap();
        change(&connect);
        let error = get(store.as_ref(), "none", "k").await.unwrap_err();
        assert_eq!(error.kind(), kind, "case {number}: {error}");
    }
}

/// A list that doesn't say that the token lost the vault must not be believed.
#[tokio::test]
async fn an_empty_list_of_a_vault_that_is_not_shown_any_more_misses_nothing() {
    for order in [json!({"main": 1}), json!({id("vault", 0): 1})] {
        let connect = Connect::with(&[("main", vec![item("app", &[("k", "v")])])]);
        let (handler, lost) = (connect.handler(), Arc::new(AtomicBool::new(false)));
        let is_lost = Arc::clone(&lost);
        let stub = Stub::start(move |seen| match (is_lost.load(Ordering::SeqCst), seen.path.contains("/items")) {
            (false, _) => handler(seen),
            (true, true) => Reply::json(200, json!([])),
            (true, false) => Reply::json(403, json!({"status": 403, "message": "vault x is not in scope"})),
        })
        .await;
        let store = open(&stub, order).await;
        get(store.as_ref(), "app", "k").await.unwrap();
        lost.store(true, Ordering::SeqCst);
        assert_eq!(get(store.as_ref(), "app", "k").await.unwrap_err().kind(), ErrorKind::AccessDenied);
    }
}

#[tokio::test]
async fn a_token_that_can_not_be_one_is_refused_without_being_shown() {
    let mut opening = opening("http://127.0.0.1:1", json!({"main": 1}));
    opening.lookup = Lookup::of(&[("creds/token", "canary\ncanary")]);
    let error = opening.open().await.err().unwrap();
    assert_eq!(error.kind(), ErrorKind::Unauthenticated);
    assert!(error.to_string().contains("connectTokenSecretRef") && !error.to_string().contains("canary"), "{error}");
}

#[tokio::test]
async fn a_renamed_vault_is_noticed_before_an_item_is_missed() {
    let connect = Connect::with(&[("main", vec![]), ("next", vec![item("app", &[("k", "v")])])]);
    let stub = serve(&connect).await;
    let store = open(&stub, json!({"main": 1})).await;
    assert_eq!(get(store.as_ref(), "app", "k").await.unwrap_err().kind(), ErrorKind::NotFound);
    connect.0.lock().unwrap().vaults = vec![(id("vault", 0), "before".to_owned()), (id("vault", 1), "main".to_owned())];
    assert_eq!(get(store.as_ref(), "app", "k").await.unwrap(), "v");
}

#[tokio::test]
async fn items_of_one_title_and_versions_are_refused() {
    let connect = Connect::with(&[("main", vec![item("app", &[("k", "1")]), item("app", &[("k", "2")])])]);
    let stub = serve(&connect).await;
    let store = open(&stub, json!({"main": 1})).await;
    let error = get(store.as_ref(), "app", "k").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
    assert!(error.to_string().starts_with("expected one 1Password Item matching: 'app', got 2; "), "{error}");
    assert_eq!(get(store.as_ref(), &id("item", 1), "k").await.unwrap(), "2");

    let error = value(store.as_ref(), &reference("app", Some("3"), Some("k"))).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert!(
        error.to_string().starts_with("'remoteRef.version' is not implemented in the 1Password provider"),
        "{error}"
    );
    assert!(store.read(&reference("", None, None).read).await.unwrap_err().to_string().contains("remote key is empty"));
}

fn document(files: &[(&str, usize)]) -> Value {
    let file = |(name, size): &(&str, usize)| json!({"id": format!("{name}-id"), "name": name, "size": size});
    json!({"title": "cert", "category": "DOCUMENT", "fields": [field("note", "n")], "files": files.iter().map(file).collect::<Vec<_>>()})
}

#[tokio::test]
async fn files_are_read_with_their_item_and_their_trouble_is_their_own() {
    let connect = Connect::with(&[("main", vec![document(&[("tls.crt", 2), ("unsynced", 2), ("iso", 2 << 20)])])]);
    connect.0.lock().unwrap().files.insert("tls.crt-id".to_owned(), vec![0xff, 0]);
    let stub = serve(&connect).await;
    let store = open(&stub, json!({"main": 1})).await;
    let payload = store.read(&reference("cert", None, None).read).await.unwrap();
    assert_eq!(stub.lines().len(), 5, "the vault, the list, the item, two files: {:?}", stub.lines());
    let cases = [
        (None, Ok(&[0xff, 0][..])),
        (Some("tls.crt"), Ok(&[0xff, 0])),
        (Some("file/tls.crt"), Ok(&[0xff, 0])),
        (Some("field/note"), Ok(b"n")),
        (Some("unsynced"), Err(ErrorKind::Unavailable)),
        (Some("iso"), Err(ErrorKind::Invalid)),
        (Some("none"), Err(ErrorKind::BadProperty)),
    ];
    for (property, want) in cases {
        let got = store.value(&payload, &reference("cert", None, property));
        let got = got.as_ref().map(SecretBytes::expose).map_err(Error::kind);
        assert_eq!(got, want, "{property:?}");
    }
    let whole = store.map(&payload, &reference("cert", None, None));
    assert_eq!(whole.unwrap_err().kind(), ErrorKind::Unavailable, "no file must be left out");
    let fields = map(store.as_ref(), &reference("cert", None, Some("field/"))).await.unwrap();
    assert_eq!(fields, ["note=n"]);
}

#[tokio::test(start_paused = true)]
async fn a_refusal_that_passes_is_tried_again_twice_and_no_other_is() {
    let cases = [
        ("Authorization: token does not have access to vault", 2, 1, true),
        ("Authorization: canary", 3, 3, false),
        ("vault canary is not in scope", 1, 1, false),
    ];
    for (message, refusals, calls, good) in cases {
        let connect = Connect::with(&[("main", vec![item("app", &[("k", "v")])])]);
        let (handler, left) = (connect.handler(), std::sync::Mutex::new(refusals));
        let stub = Stub::start(move |seen| {
            let mut left = left.lock().unwrap();
            if *left == 0 {
                return handler(seen);
            }
            *left -= 1;
            Reply::json(403, json!({"status": 403, "message": message}))
        })
        .await;
        let store = open(&stub, json!({"main": 1})).await;
        match get(store.as_ref(), "app", "k").await {
            Ok(got) => assert!(good && got == "v", "{message}"),
            Err(error) => {
                assert!(!good && error.kind() == ErrorKind::AccessDenied, "{message}: {error}");
                assert!(error.to_string().starts_with("error finding 1Password Vault: "), "{error}");
                assert!(!error.to_string().contains("canary"), "{error}");
                assert_eq!(stub.lines().len(), calls, "{message}");
            }
        }
    }
}

#[tokio::test]
async fn validation_looks_at_each_vault() {
    let connect = Connect::with(&[("a", vec![]), ("b", vec![]), ("twice", vec![]), ("twice", vec![])]);
    connect.0.lock().unwrap().denied.push(id("vault", 1));
    let stub = serve(&connect).await;
    let cases = [
        (json!({"a": 1}), None),
        (json!({id("vault", 0): 1}), None),
        (
            json!({"a": 1, "b": 2}),
            Some((ErrorKind::Invalid, "error finding 1Password Vault: Found 0 vaults with title \"b\"; check")),
        ),
        (json!({"a": 1, id("vault", 1): 2}), Some((ErrorKind::AccessDenied, "error finding 1Password Vault: http://"))),
        (json!({"twice": 1}), Some((ErrorKind::Invalid, "error finding 1Password Vault: Found 2 vaults"))),
        (json!({id("none", 1): 1}), Some((ErrorKind::Invalid, "error finding 1Password Vault: http://"))),
    ];
    for (vaults, want) in cases {
        let store = open(&stub, vaults.clone()).await;
        match (store.validate().await, want) {
            (Validation::Ready, None) => {}
            (Validation::Failed(error), Some((kind, text))) => {
                assert_eq!(error.kind(), kind, "{error}");
                assert!(error.to_string().starts_with(text), "{error}");
            }
            (got, want) => panic!("{vaults}: {got:?}, not {want:?}"),
        }
    }
}

#[tokio::test]
async fn finds_go_by_title_or_tags_and_name_fields_by_their_label() {
    let tagged = |title: &str, tags: Value, fields: &[(&str, &str)]| {
        let mut item = item(title, fields);
        item["tags"] = tags;
        item
    };
    let main = vec![
        tagged("app", json!(["prod", "eu"]), &[("user", "u"), ("password", "p")]),
        tagged("app", json!(["prod"]), &[("user", "second"), ("host", "h")]),
        tagged("other", json!(null), &[("user", "o"), ("twice", "1"), ("twice", "2"), ("", "unlabelled")]),
    ];
    let connect = Connect::with(&[("main", main), ("late", vec![tagged("app", json!(["prod"]), &[("late", "l")])])]);
    let stub = serve(&connect).await;
    let store = open(&stub, json!({"main": 1, "late": 2})).await;
    let cases: Vec<(Value, Result<Vec<&str>, &str>)> = vec![
        (json!({"path": "app"}), Ok(vec!["host=h", "late=l", "password=p", "user=u"])),
        (json!({"path": "app", "name": {"regexp": "^(user|late)$"}}), Ok(vec!["late=l", "user=u"])),
        (json!({"path": "none"}), Ok(vec![])),
        (json!({"path": "other", "name": {"regexp": "user"}}), Ok(vec!["user=o"])),
        (json!({"name": {"regexp": "^(user|late|host)$"}}), Ok(vec!["host=h", "late=l", "user=u"])),
        (json!({"tags": {"prod": "", "eu": "any"}}), Ok(vec!["password=p", "user=u"])),
        (json!({"tags": {"prod": ""}, "path": "none"}), Ok(vec!["host=h", "password=p", "user=u"])),
        (json!({"tags": {"none": ""}}), Ok(vec![])),
        (json!({"path": "other"}), Err("expected one 1Password ItemField matching: 'twice' in 'other', got 2")),
    ];
    for (find, want) in cases {
        match (found(store.as_ref(), find.clone()).await, want) {
            (Ok(got), Ok(want)) => assert_eq!(got, want, "{find}"),
            (Err(error), Err(want)) => assert!(error.to_string().starts_with(want), "{find}: {error}"),
            (got, want) => panic!("{find}: {got:?}, not {want:?}"),
        }
    }
    let (calls, before) = (Made::default(), stub.lines().len());
    store.find(&wished(json!({"path": "app"})), &calls).await.unwrap();
    assert_eq!(*calls.0.lock().unwrap(), BTreeMap::from([("GetItems", 2), ("GetItem", 3)]));
    assert_eq!(since(&stub, before).len(), 5);
}

#[tokio::test]
async fn an_item_that_goes_away_during_a_find_is_left_out_and_trouble_is_not() {
    let connect = Connect::with(&[("main", vec![item("a", &[("a", "1")]), item("b", &[("b", "2")])])]);
    for (status, message, want) in [
        (404, "item x not found", Ok(1)),
        (404, "vault x not found", Err(ErrorKind::Invalid)),
        (500, "item x not found", Err(ErrorKind::Unavailable)),
    ] {
        let (handler, lost) = (connect.handler(), id("item", 0));
        let stub = Stub::start(move |seen| match seen.path.ends_with(&lost) {
            true => Reply::json(status, json!({"status": status, "message": message})),
            false => handler(seen),
        })
        .await;
        let store = open(&stub, json!({"main": 1})).await;
        let got = found(store.as_ref(), json!({"name": {"regexp": ""}})).await;
        assert_eq!(got.map(|found| found.len()).map_err(|error| error.kind()), want, "{status} {message}");
    }
}

pub(super) fn place(key: &str, property: Option<&str>) -> Place {
    Place { key: key.to_owned(), property: property.map(str::to_owned) }
}

pub(super) fn one(bytes: &[u8], key: &str, property: Option<&str>, spec: Option<Value>) -> Push {
    let data = [("k".to_owned(), SecretBytes::new(bytes.to_vec()))].into();
    let source = Arc::new(Source { data, ..Source::default() });
    let version = "kubernetes.external-secrets.io/v1alpha1";
    let metadata = spec.map(|spec| json!({"apiVersion": version, "kind": "PushSecretMetadata", "spec": spec}));
    Push { source, secret_key: Some("k".to_owned()), place: place(key, property), metadata }
}

async fn push(store: &dyn Provider, push: Push) -> Result<Pushed, Error> {
    store.writer().unwrap().push(&push, &Made::default()).await
}

async fn delete(store: &dyn Provider, key: &str, property: Option<&str>) -> Result<Removed, Error> {
    store.writer().unwrap().delete(&place(key, property), &Made::default()).await
}

async fn exists(store: &dyn Provider, key: &str, property: Option<&str>) -> bool {
    store.writer().unwrap().exists(&place(key, property), &Made::default()).await.unwrap()
}

/// The lines that wrote something.
fn writes(stub: &Stub) -> Vec<String> {
    stub.lines().into_iter().filter(|line| !line.starts_with("GET ")).collect()
}

#[tokio::test]
async fn a_pushed_field_is_created_left_alone_changed_and_deleted() {
    let connect = Connect::with(&[("main", vec![]), ("late", vec![])]);
    let stub = serve(&connect).await;
    let store = open(&stub, json!({"main": 1, "late": 2})).await;
    let store = store.as_ref();
    assert!(!exists(store, "app", None).await);
    assert_eq!(delete(store, "app", None).await.unwrap(), Removed::Absent);
    assert!(writes(&stub).is_empty());

    assert_eq!(push(store, one(b"p", "app", None, None)).await.unwrap(), Pushed::Written);
    let created = json!({"title": "app", "vault": {"id": id("vault", 0)}, "category": "SERVER",
        "fields": [{"id": "", "label": "password", "type": "CONCEALED", "value": "p"}]});
    assert_eq!(stub.seen().into_iter().find(|seen| seen.method == "POST").unwrap().json(), created);
    assert_eq!(push(store, one(b"p", "app", None, None)).await.unwrap(), Pushed::Unchanged);
    assert_eq!(writes(&stub).len(), 1);

    assert_eq!(push(store, one("ü\n".as_bytes(), "app", Some("user"), None)).await.unwrap(), Pushed::Written);
    assert_eq!(push(store, one(b"q", "app", Some("password"), None)).await.unwrap(), Pushed::Written);
    assert_eq!(get(store, "app", "user").await.unwrap(), "ü\n");
    assert_eq!(get(store, "app", "").await.unwrap(), "q");
    let there = [
        exists(store, "app", None).await,
        exists(store, "app", Some("user")).await,
        exists(store, "app", Some("z")).await,
    ];
    assert_eq!(there, [true, true, false]);

    assert_eq!(delete(store, "app", Some("none")).await.unwrap(), Removed::Absent);
    assert_eq!(delete(store, "app", None).await.unwrap(), Removed::Deleted);
    assert_eq!(connect.items()[0]["fields"].as_array().unwrap().len(), 1);
    assert_eq!(delete(store, "app", Some("user")).await.unwrap(), Removed::Deleted);
    assert_eq!(connect.items(), Vec::<Value>::new());
    let (vault, item) = (id("vault", 0), id("item", 0));
    let put = format!("PUT /v1/vaults/{vault}/items/{item}");
    let want = [
        format!("POST /v1/vaults/{vault}/items"),
        put.clone(),
        put.clone(),
        put,
        format!("DELETE /v1/vaults/{vault}/items/{item}"),
    ];
    assert_eq!(writes(&stub), want);
}

#[tokio::test]
async fn an_item_that_is_gone_when_it_is_deleted_was_absent_and_answers_to_writes_are_looked_at() {
    let gone = Reply::json(404, json!({"status": 404, "message": "item x not found"}));
    let html = Reply::text(200, "<html>canary</html>");
    for (reply, want) in [(gone, Ok(Removed::Absent)), (html.clone(), Ok(Removed::Deleted))] {
        let handler = Connect::with(&[("main", vec![item("app", &[("k", "v")])])]).handler();
        let stub = Stub::start(move |seen| if seen.method == "DELETE" { reply.clone() } else { handler(seen) }).await;
        let store = open(&stub, json!({"main": 1})).await;
        assert_eq!(delete(store.as_ref(), "app", Some("k")).await, want);
    }
    for (key, text) in [("new", "error creating 1Password Item: "), ("app", "error updating 1Password Item: ")] {
        let (handler, html) = (Connect::with(&[("main", vec![item("app", &[("k", "v")])])]).handler(), html.clone());
        let stub = Stub::start(move |seen| if seen.method == "GET" { handler(seen) } else { html.clone() }).await;
        let store = open(&stub, json!({"main": 1})).await;
        let error = push(store.as_ref(), one(b"p", key, Some("k"), None)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Malformed);
        assert!(error.to_string().starts_with(text) && !error.to_string().contains("canary"), "{error}");
    }
}

#[tokio::test]
async fn metadata_of_a_push_sets_tags_and_the_vault_of_a_new_item() {
    let connect = Connect::with(&[("main", vec![]), ("late", vec![])]);
    let stub = serve(&connect).await;
    let store = open(&stub, json!({"main": 1, "late": 2})).await;
    let store = store.as_ref();
    let wish = |tags: Value| Some(json!({"vault": "late", "tags": tags}));
    assert_eq!(push(store, one(b"p", "app", None, wish(json!(["a", "b"])))).await.unwrap(), Pushed::Written);
    assert_eq!(connect.items()[0]["vault"]["id"], id("vault", 1));
    assert_eq!(push(store, one(b"p", "app", None, wish(json!(["b", "a"])))).await.unwrap(), Pushed::Unchanged);
    assert_eq!(push(store, one(b"p", "app", None, None)).await.unwrap(), Pushed::Unchanged);
    assert_eq!(push(store, one(b"p", "app", None, wish(json!(["b"])))).await.unwrap(), Pushed::Written);
    assert_eq!(connect.items()[0]["tags"], json!(["b"]));

    let cases = [
        (one(b"p", "new", None, Some(json!({"vault": "else"}))), "metadata vault 'else' not in provider vaults"),
        (
            one(b"p", "new", None, Some(json!({"vaults": "main"}))),
            "failed to parse kubernetes.external-secrets.io/v1alpha1",
        ),
        (one(&[0xff], "new", None, None), "the value is not UTF-8"),
        (Push { secret_key: Some("z".to_owned()), ..one(b"p", "new", None, None) }, "failed to find secret key"),
    ];
    let before = writes(&stub).len();
    for (given, text) in cases {
        let error = push(store, given).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid);
        assert!(error.to_string().starts_with(text), "{error}");
    }
    assert_eq!(writes(&stub).len(), before);
    let whole = Push { secret_key: None, ..one(b"p", "whole", None, None) };
    push(store, whole).await.unwrap();
    assert_eq!(get(store, "whole", "password").await.unwrap(), r#"{"k":"p"}"#);
}

#[tokio::test(start_paused = true)]
async fn a_write_is_waited_for_so_that_the_next_one_builds_on_it() {
    let connect = Connect::with(&[("main", vec![])]);
    connect.0.lock().unwrap().lag = 4;
    let stub = serve(&connect).await;
    let store = open(&stub, json!({"main": 1})).await;
    let store = store.as_ref();
    for label in ["a", "b", "c"] {
        assert_eq!(push(store, one(b"v", "app", Some(label), None)).await.unwrap(), Pushed::Written);
    }
    assert_eq!(connect.items().len(), 1, "no second item of this title");
    assert_eq!(delete(store, "app", Some("a")).await.unwrap(), Removed::Deleted);
    assert_eq!(delete(store, "app", Some("b")).await.unwrap(), Removed::Deleted);
    let labels: Vec<Value> =
        connect.items()[0]["fields"].as_array().unwrap().iter().map(|f| f["label"].clone()).collect();
    assert_eq!(labels, ["c"]);

    connect.0.lock().unwrap().lag = 1000;
    let begun = tokio::time::Instant::now();
    let error = push(store, one(b"w", "app", Some("c"), None)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert!(error.to_string().ends_with("took what was written, but doesn't show it after 5s"), "{error}");
    assert!(begun.elapsed() < std::time::Duration::from_secs(6), "{:?}", begun.elapsed());
}

#[tokio::test]
async fn trouble_while_looking_writes_nothing_and_a_refused_write_is_told() {
    let faults = [
        (404, "vault x not found", ErrorKind::Invalid),
        (404, "canary", ErrorKind::Malformed),
        (401, "canary", ErrorKind::Unauthenticated),
        (403, "vault canary is not in scope", ErrorKind::AccessDenied),
        (429, "canary", ErrorKind::Throttled),
        (500, "canary", ErrorKind::Unavailable),
    ];
    for (status, message, kind) in faults {
        let reply = move || Reply::json(status, json!({"status": status, "message": message})).with("retry-after", "7");
        let stub = Stub::start(move |_| reply()).await;
        let store = open(&stub, json!({id("vault", 0): 1})).await;
        let store = store.as_ref();
        let there = store.writer().unwrap().exists(&place("app", None), &Made::default()).await.map(drop);
        let outcomes = [
            push(store, one(b"p", "app", None, None)).await.map(drop),
            delete(store, "app", None).await.map(drop),
            there,
        ];
        for outcome in outcomes {
            let error = outcome.unwrap_err();
            assert_eq!(error.kind(), kind, "{status} {message}: {error}");
            assert!(!error.to_string().contains("canary"), "{error}");
            let wait = matches!(kind, ErrorKind::Throttled | ErrorKind::Unavailable);
            assert_eq!(
                error.retry_when(),
                if wait { Retry::After(std::time::Duration::from_secs(7)) } else { Retry::Backoff }
            );
        }
        assert!(writes(&stub).is_empty(), "{status} {message}");

        let connect = Connect::with(&[("main", vec![item("app", &[("k", "v")])])]);
        let handler = connect.handler();
        let stub = Stub::start(move |seen| if seen.method == "GET" { handler(seen) } else { reply() }).await;
        let store = open(&stub, json!({"main": 1})).await;
        let outcomes = [
            (
                push(store.as_ref(), one(b"canary", "new", None, None)).await.map(drop),
                "error creating 1Password Item: ",
            ),
            (
                push(store.as_ref(), one(b"canary", "app", Some("k"), None)).await.map(drop),
                "error updating 1Password Item: ",
            ),
            (delete(store.as_ref(), "app", Some("k")).await.map(drop), "error deleting 1Password Item: "),
        ];
        for (outcome, text) in outcomes {
            let error = outcome.unwrap_err();
            assert_eq!(error.kind(), kind, "{status} {message}: {error}");
            assert!(error.to_string().starts_with(text) && !error.to_string().contains("canary"), "{error}");
        }
        assert_eq!(connect.items()[0]["fields"], json!([field("k", "v")]));
    }
}
