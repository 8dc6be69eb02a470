//! The provider `crd`: where a kind's objects are, what the account may do, whose objects a store can name, and what the
//! whitelist lets through.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use futures::future::join_all;
use provider::{ErrorKind, Validation};
use serde_json::{Value, json};

use crate::support::crd::{DISCOVERY, REVIEW, missing, prelude, reviewed, spec, widget};
use crate::support::{Lookup, Opening, Reply, Seen, Stub, found, map, reference, value};

fn store(url: &str, patch: Value) -> Opening {
    let mut spec = spec(url);
    spec["crd"].as_object_mut().unwrap().extend(patch.as_object().unwrap().clone());
    Opening::of(spec, Lookup::of(&[("creds/token", "good")]))
}

fn gears() -> Value {
    json!({"resource": {"group": "example.io", "version": "v1", "kind": "Gear"}})
}

fn whitelist(rules: Value) -> Value {
    json!({"whitelist": {"rules": rules}})
}

/// Objects `a` and `b` in the namespaces `shop` and `other`, in pages of one, and a cluster-scoped one.
fn server(seen: &Seen) -> Reply {
    let object = |namespace: &str, name: &str| widget(namespace, name, json!({"spec": {"user": name, "port": 5432}}));
    let all = [("shop", "a"), ("shop", "b"), ("other", "a")];
    let list = |items: Vec<Value>, next: &str| {
        Reply::json(
            200,
            json!({"apiVersion": "example.io/v1", "kind": "WidgetList", "metadata": {"continue": next}, "items": items}),
        )
    };
    prelude(seen).unwrap_or_else(|| match seen.path.as_str() {
        "/apis/example.io/v1/gears/app" => {
            let metadata = json!({"name": "app"});
            Reply::json(200, json!({"apiVersion": "example.io/v1", "kind": "Gear", "metadata": metadata, "teeth": 7}))
        }
        "/apis/example.io/v1/widgets?limit=128" => list(vec![object("shop", "a")], "1"),
        "/apis/example.io/v1/widgets?limit=128&continue=1" => list(vec![object("shop", "b"), object("other", "a")], ""),
        "/apis/example.io/v1/namespaces/shop/widgets?limit=128" => {
            list(vec![object("shop", "a"), object("shop", "b")], "")
        }
        path => {
            let at = |(namespace, name)| format!("/apis/example.io/v1/namespaces/{namespace}/widgets/{name}");
            match all.into_iter().find(|pair| at(*pair) == path) {
                Some((namespace, name)) => Reply::json(200, object(namespace, name)),
                None => missing(),
            }
        }
    })
}

#[tokio::test]
async fn a_store_names_its_own_namespace_and_a_cluster_store_any() {
    let stub = Stub::start(server).await;
    let fixed = "crd: remoteRef.key must not contain '/' for SecretStore; namespace is fixed to the store namespace";
    let needs = "crd: namespaced resource kind \"Widget\" requires remoteRef.key in the form namespace/objectName when \
                 using ClusterSecretStore";
    let without =
        "crd: cluster-scoped resource kind \"Gear\" does not allow '/' in remoteRef.key (use object name only)";
    let missing = "Secret does not exist";
    let cases = [
        (store(&stub.url(), json!({})).namespaced(), "a", "spec.user", Ok("a")),
        (store(&stub.url(), json!({})).namespaced(), "other/a", "spec.user", Err((ErrorKind::Invalid, fixed))),
        (store(&stub.url(), json!({})).namespaced(), "c", "spec.user", Err((ErrorKind::NotFound, missing))),
        (store(&stub.url(), json!({})), "other/a", "metadata.namespace", Ok("other")),
        (store(&stub.url(), json!({})), "none/a", "spec.user", Err((ErrorKind::NotFound, missing))),
        (store(&stub.url(), json!({})), "a", "spec.user", Err((ErrorKind::Invalid, needs))),
        (store(&stub.url(), gears()), "app", "teeth", Ok("7")),
        (store(&stub.url(), gears()), "shop/app", "teeth", Err((ErrorKind::Invalid, without))),
        (store(&stub.url(), gears()).namespaced(), "app", "teeth", Ok("7")),
    ];
    for (opening, key, property, want) in cases {
        let store = opening.open().await.unwrap();
        let got = value(store.as_ref(), &reference(key, None, Some(property))).await;
        let shown = got.as_deref().map_err(|error| (error.kind(), error.to_string()));
        assert_eq!(shown, want.map_err(|(kind, text)| (kind, text.to_owned())), "{key}");
    }
}

#[tokio::test]
async fn the_kind_is_looked_up_once_a_store_and_again_at_its_checks() {
    let stub = Stub::start(server).await;
    let store = store(&stub.url(), json!({})).namespaced().open().await.unwrap();
    for name in ["a", "b", "a"] {
        value(store.as_ref(), &reference(name, None, None)).await.unwrap();
    }
    assert_eq!(store.validate().await, Validation::Ready);
    let object = |name: &str| format!("GET /apis/example.io/v1/namespaces/shop/widgets/{name}");
    let (discovery, review) = (DISCOVERY.to_owned(), REVIEW.to_owned());
    let want = [discovery.clone(), review.clone(), object("a"), object("b"), object("a"), discovery, review];
    assert_eq!(stub.lines(), want);
}

#[tokio::test]
async fn references_to_one_object_are_one_read_as_far_as_the_whitelist_lets_them() {
    let rules = json!([{"name": "^a$", "properties": ["^spec\\.user$", "^spec\\.port$"]}, {"name": "^b$"}]);
    let store = store("http://127.0.0.1:1", whitelist(rules)).namespaced().open().await.unwrap();
    let key = |name: &str, property: Option<&str>| store.read_key(&reference(name, Some("7"), property));
    assert_eq!(key("a", Some("spec.user")), key("a", Some("spec.port")));
    assert_ne!(key("a", Some("spec.user")), key("a", None));
    assert_eq!(key("b", Some("spec.user")), key("b", None));
}

#[tokio::test]
async fn what_the_whitelist_does_not_name_is_never_asked_for() {
    let stub = Stub::start(server).await;
    let rules = json!([
        {"namespace": "^shop$", "properties": ["^spec\\.user$"]},
        {"namespace": "^other$", "name": "^a$"},
    ]);
    let store = store(&stub.url(), whitelist(rules)).open().await.unwrap();
    let denied = |key: &str| Err(format!("crd: request for \"{key}\" denied by whitelist rules"));
    let cases = [
        ("shop/a", Some("spec.user"), Ok("a")),
        ("shop/a", Some("spec.port"), denied("shop/a")),
        ("shop/a", None, denied("shop/a")),
        ("shop/a", Some(""), denied("shop/a")),
        ("shop/none", Some("spec"), denied("shop/none")),
        ("other/a", Some("spec.port"), Ok("5432")),
        ("other/b", Some("spec.user"), denied("other/b")),
    ];
    for (key, property, want) in cases {
        let asked = stub.lines().len();
        // The version has no meaning, whatever is written there.
        let reference = reference(key, Some("allowed by its property"), property);
        let got = value(store.as_ref(), &reference).await;
        let shown = got.as_deref().map_err(|error| (error.kind(), error.to_string()));
        assert_eq!(shown, want.clone().map_err(|text| (ErrorKind::Invalid, text)), "{key} {property:?}");
        assert_eq!(stub.lines().len() > asked, want.is_ok(), "{key} {property:?}");
        let mapped = map(store.as_ref(), &reference).await;
        assert_eq!(mapped.is_ok(), want.is_ok(), "{key} {property:?}");
    }
    let all = found(store.as_ref(), json!({"name": {"regexp": ""}})).await.unwrap();
    let names: Vec<_> = all.iter().map(|found| found.split('=').next().unwrap()).collect();
    assert_eq!(names, ["other/a"], "a rule about properties allows no whole object");
}

#[tokio::test]
async fn finds_list_what_the_store_can_name_under_its_keys() {
    let stub = Stub::start(server).await;
    let names = async |opening: Opening, pattern: &str| {
        let store = opening.open().await.unwrap();
        let all = found(store.as_ref(), json!({"name": {"regexp": pattern}})).await.unwrap();
        all.iter().map(|found| found.split('=').next().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(names(store(&stub.url(), json!({})), "").await, ["other/a", "shop/a", "shop/b"]);
    assert_eq!(names(store(&stub.url(), json!({})), "^shop/").await, ["shop/a", "shop/b"]);
    assert_eq!(names(store(&stub.url(), json!({})).namespaced(), "^a").await, ["a"]);
    let opened = store(&stub.url(), json!({})).namespaced().open().await.unwrap();
    let whole = found(opened.as_ref(), json!({"name": {"regexp": "^a$"}})).await.unwrap();
    let want = r#"a={"apiVersion":"example.io/v1","kind":"Widget","metadata":{"name":"a","namespace":"shop"},"spec":{"port":5432,"user":"a"}}"#;
    assert_eq!(whole, [want]);
    let all = found(opened.as_ref(), json!({})).await.unwrap();
    assert_eq!(all.len(), 2, "without a name everything, as in the reference");
    for find in [json!({"tags": {"a": "b"}}), json!({"name": {"regexp": ""}, "path": "p"})] {
        let error = found(opened.as_ref(), find).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid);
    }
}

#[tokio::test]
async fn what_the_account_may_not_do_is_told_before_it_is_tried() {
    let denied = |verb: &str| {
        format!("crd: serviceaccount is not allowed to \"{verb}\" resource \"widgets\" in apiGroup \"example.io\"; ")
    };
    let stub = Stub::start(|seen| match seen.json()["spec"]["resourceAttributes"]["verb"].as_str() {
        Some(verb) => reviewed(verb == "get"),
        None => server(seen),
    })
    .await;
    for (opening, namespace) in
        [(store(&stub.url(), json!({})), ""), (store(&stub.url(), json!({})).namespaced(), "shop")]
    {
        let store = opening.open().await.unwrap();
        assert_eq!(store.validate().await, Validation::Ready);
        let error = found(store.as_ref(), json!({"name": {"regexp": ""}})).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::AccessDenied);
        assert!(error.to_string().starts_with(&denied("list")), "{error}");
        let attributes = stub.seen().pop().unwrap().json()["spec"]["resourceAttributes"].clone();
        let want = json!({"group": "example.io", "version": "v1", "resource": "widgets", "verb": "list",
            "namespace": namespace});
        assert_eq!(attributes, want);
    }

    let stub = Stub::start(|seen| if seen.line() == REVIEW { reviewed(false) } else { server(seen) }).await;
    let store = store(&stub.url(), json!({})).namespaced().open().await.unwrap();
    let Validation::Failed(error) = store.validate().await else { panic!("a store that may not read is ready") };
    assert!(error.to_string().starts_with(&denied("get")), "{error}");
    let error = store.read(&reference("a", None, None).read).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AccessDenied);
    assert!(!stub.lines().iter().any(|line| line.contains("/widgets")), "{:?}", stub.lines());
}

#[tokio::test]
async fn a_kind_that_is_not_there_is_told_from_an_address_where_no_api_server_is() {
    let unregistered = "crd: group \"example.io\" version \"v1\" kind \"Widget\" is not registered in the cluster; ";
    let groups = || Reply::json(200, json!({"kind": "APIGroupList", "groups": []}));
    let others =
        || Reply::json(200, json!({"kind": "APIResourceList", "resources": [{"name": "gears", "kind": "Gear"}]}));
    let not_found = || Reply::text(404, "404 page not found");
    let secrets = || {
        let resources = json!([{"name": "secrets", "kind": "Widget", "namespaced": true}]);
        Reply::json(200, json!({"kind": "APIResourceList", "resources": resources}))
    };
    let cases = [
        (not_found(), groups(), "failed", unregistered),
        (others(), Reply::Close, "failed", unregistered),
        (not_found(), not_found(), "unknown", "cannot look up the kind \"Widget\": "),
        (not_found(), Reply::text(403, "canary"), "failed", "cannot look up the kind \"Widget\": "),
        (not_found(), Reply::text(504, "canary"), "unknown", "cannot look up the kind \"Widget\": "),
        (not_found(), Reply::Close, "unknown", "cannot reach "),
        (Reply::text(200, "canary"), groups(), "unknown", "the answer of "),
        (Reply::json(200, json!({})), groups(), "unknown", "the answer of "),
        (Reply::text(503, "canary"), groups(), "unknown", "cannot look up the kind \"Widget\": "),
        (Reply::text(401, "canary"), groups(), "failed", "cannot look up the kind \"Widget\": "),
        (secrets(), groups(), "read", "Secret does not exist"),
    ];
    for (discovery, root, want, text) in cases {
        let shown = format!("{discovery:?} {root:?}");
        let stub = Stub::start(move |seen| match seen.line().as_str() {
            DISCOVERY => discovery.clone(),
            "GET /apis" => root.clone(),
            REVIEW => reviewed(true),
            _ => Reply::json(404, json!({"kind": "Status", "reason": "NotFound", "details": {"kind": "secrets"}})),
        })
        .await;
        let store = store(&stub.url(), json!({})).namespaced().open().await.unwrap();
        let error = store.read(&reference("a", None, None).read).await.unwrap_err();
        assert!(error.to_string().starts_with(text), "{shown}: {error}");
        assert!(!error.to_string().contains("canary"), "{error}");
        assert_eq!(error.kind() == ErrorKind::NotFound, want == "read", "{shown}");
        match (store.validate().await, want) {
            (Validation::Failed(again), "failed") | (Validation::Unknown(Some(again)), "unknown") => {
                assert_eq!(again.to_string(), error.to_string(), "{shown}");
            }
            (Validation::Ready, "read") => {}
            (got, _) => panic!("{shown}: {got:?}"),
        }
    }
}

#[tokio::test]
async fn secrets_of_the_core_group_are_not_read_whatever_the_kind_is_called() {
    let stub = Stub::start(|seen| match seen.line().as_str() {
        "GET /api/v1" => Reply::json(
            200,
            json!({"kind": "APIResourceList", "resources": [{"name": "secrets", "kind": "Disguised", "namespaced": true},
                {"name": "configmaps", "kind": "ConfigMap", "namespaced": true}]}),
        ),
        REVIEW => reviewed(true),
        "GET /api/v1/namespaces/shop/configmaps?limit=128" => {
            let item = json!({"metadata": {"name": "a", "namespace": "shop"}, "data": {"k": "v"}});
            Reply::json(200, json!({"apiVersion": "v1", "kind": "ConfigMapList", "items": [item]}))
        }
        _ => Reply::Close,
    })
    .await;
    let core = |kind: &str| store(&stub.url(), json!({"resource": {"group": "", "version": "v1", "kind": kind}}));
    let text = "use the Kubernetes provider to read Kubernetes Secrets";
    let error = core("secret").namespaced().open().await.err().unwrap();
    assert!(error.to_string().ends_with(text), "{error}");
    let disguised = core("Disguised").namespaced().open().await.unwrap();
    let error = disguised.read(&reference("a", None, None).read).await.unwrap_err();
    assert!(error.to_string().ends_with(text), "{error}");
    let maps = core("ConfigMap").namespaced().open().await.unwrap();
    // Objects in a list of a kind that is built in don't say what they are.
    let want =
        r#"a={"apiVersion":"v1","data":{"k":"v"},"kind":"ConfigMap","metadata":{"name":"a","namespace":"shop"}}"#;
    assert_eq!(found(maps.as_ref(), json!({"name": {"regexp": ""}})).await.unwrap(), [want]);
}

#[tokio::test]
async fn only_the_api_servers_word_about_this_kind_makes_an_object_missing() {
    let gone = |details: Value| Reply::json(404, json!({"kind": "Status", "reason": "NotFound", "details": details}));
    let cases = [
        (gone(json!({"kind": "widgets", "group": "example.io"})), ErrorKind::NotFound),
        (gone(json!({"kind": "gears", "group": "example.io"})), ErrorKind::Malformed),
        (gone(json!({})), ErrorKind::Malformed),
        (Reply::text(404, "404 page not found"), ErrorKind::Malformed),
    ];
    for (reply, want) in cases {
        let stub = Stub::start(move |seen| prelude(seen).unwrap_or_else(|| reply.clone())).await;
        let store = store(&stub.url(), json!({})).namespaced().open().await.unwrap();
        let error = store.read(&reference("a", None, None).read).await.unwrap_err();
        assert_eq!(error.kind(), want, "{error}");
    }
}

/// A stub whose definition of the kind is replaced when the flag is set: `before` and `after` answer what [`server`] would.
async fn replaced(
    before: impl Fn(&Seen) -> Option<Reply> + Send + Sync + 'static,
    after: impl Fn(&Seen) -> Option<Reply> + Send + Sync + 'static,
) -> (Stub, Arc<AtomicBool>) {
    let flag = Arc::new(AtomicBool::new(false));
    let done = Arc::clone(&flag);
    let stub = Stub::start(move |seen| {
        let reply = if done.load(Ordering::SeqCst) { after(seen) } else { before(seen) };
        reply.unwrap_or_else(|| server(seen))
    })
    .await;
    (stub, flag)
}

fn discovered(plural: &str, namespaced: bool) -> Option<Reply> {
    let resources = json!([{"name": plural, "kind": "Widget", "namespaced": namespaced}]);
    Some(Reply::json(200, json!({"kind": "APIResourceList", "resources": resources})))
}

fn names(found: Vec<String>) -> Vec<String> {
    found.iter().map(|found| found.split('=').next().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn a_kind_that_gets_namespaces_gives_no_store_the_objects_of_all_of_them() {
    let (stub, flag) = replaced(
        |seen| if seen.line() == DISCOVERY { discovered("widgets", false) } else { None },
        |seen| match seen.path.as_str() {
            "/apis/example.io/v1/widgets/a" => Some(Reply::json(200, widget("other", "a", json!({"spec": "canary"})))),
            _ => None,
        },
    )
    .await;
    let everything = json!({"name": {"regexp": ""}});
    let (reading, finding) = (store(&stub.url(), json!({})).namespaced(), store(&stub.url(), json!({})).namespaced());
    let (reading, finding) = (reading.open().await.unwrap(), finding.open().await.unwrap());
    assert_eq!(reading.validate().await, Validation::Ready);
    assert_eq!(finding.validate().await, Validation::Ready);
    flag.store(true, Ordering::SeqCst);
    let key = reference("a", None, Some("metadata.namespace"));
    let errors = [
        value(reading.as_ref(), &key).await.unwrap_err(),
        found(finding.as_ref(), everything.clone()).await.unwrap_err(),
    ];
    for error in errors {
        assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
        assert!(error.to_string().contains("\"Widget\" has been replaced"), "{error}");
    }
    assert_eq!(value(reading.as_ref(), &key).await.unwrap(), "shop");
    assert_eq!(names(found(finding.as_ref(), everything).await.unwrap()), ["a", "b"]);
}

#[tokio::test]
async fn a_definition_that_is_replaced_is_followed_and_one_that_is_gone_is_told() {
    let key = reference("a", None, None);
    let everything = json!({"name": {"regexp": ""}});
    let nowhere = || Some(Reply::text(404, "404 page not found"));
    let is_object = |seen: &Seen| seen.path.contains("/widgets");

    let (stub, flag) = replaced(
        |_| None,
        move |seen| match seen.line().as_str() {
            DISCOVERY => nowhere(),
            "GET /apis" => Some(Reply::json(200, json!({"kind": "APIGroupList", "groups": []}))),
            _ if is_object(seen) => nowhere(),
            _ => None,
        },
    )
    .await;
    let unregistered = "is not registered in the cluster; check spec.provider.crd.resource";
    for find in [false, true] {
        flag.store(false, Ordering::SeqCst);
        let store = store(&stub.url(), json!({})).namespaced().open().await.unwrap();
        store.read(&key.read).await.unwrap();
        flag.store(true, Ordering::SeqCst);
        let error = match find {
            true => found(store.as_ref(), everything.clone()).await.unwrap_err(),
            false => store.read(&key.read).await.map(drop).unwrap_err(),
        };
        assert_eq!(error.kind(), ErrorKind::Invalid, "{error}");
        assert!(error.to_string().contains(unregistered), "{error}");
    }

    let (stub, flag) = replaced(
        |_| None,
        move |seen| match seen.line().as_str() {
            DISCOVERY => discovered("wares", true),
            "GET /apis/example.io/v1/namespaces/shop/wares/a" => {
                Some(Reply::json(200, widget("shop", "a", json!({"spec": "new"}))))
            }
            "GET /apis/example.io/v1/namespaces/shop/wares?limit=128" => {
                let items = [widget("shop", "new", json!({}))];
                Some(Reply::json(200, json!({"apiVersion": "example.io/v1", "items": items})))
            }
            "GET /apis/example.io/v1/namespaces/shop/wares/b" => {
                let details = json!({"kind": "wares"});
                Some(Reply::json(404, json!({"kind": "Status", "reason": "NotFound", "details": details})))
            }
            _ if is_object(seen) => nowhere(),
            _ => None,
        },
    )
    .await;
    let opened = async || {
        flag.store(false, Ordering::SeqCst);
        let store = store(&stub.url(), json!({})).namespaced().open().await.unwrap();
        store.read(&key.read).await.unwrap();
        flag.store(true, Ordering::SeqCst);
        store
    };
    let new = reference("a", None, Some("spec"));
    assert_eq!(value(opened().await.as_ref(), &new).await.unwrap(), "new");
    assert_eq!(names(found(opened().await.as_ref(), everything).await.unwrap()), ["new"]);
    let error = opened().await.read(&reference("b", None, None).read).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable, "what a replacement took along isn't deleted at once: {error}");
}

#[tokio::test]
async fn who_waits_for_a_look_up_shares_its_failure() {
    let stub = Stub::start(|_| Reply::text(503, "canary")).await;
    let store = store(&stub.url(), json!({})).namespaced().open().await.unwrap();
    let key = reference("a", None, None).read;
    let reads = join_all((0..5).map(|_| store.read(&key))).await;
    assert!(reads.iter().all(|read| read.as_ref().is_err_and(|error| error.kind() == ErrorKind::Unavailable)));
    assert_eq!(stub.lines(), [DISCOVERY]);
    store.read(&key).await.unwrap_err();
    assert_eq!(stub.lines(), [DISCOVERY, DISCOVERY], "who comes later asks again");
}
