//! What `status.failures` says about each entry that failed.

#![expect(clippy::unwrap_used, reason = "a test ends at the first thing that is not as it should be")]

use api::{EntryFailure, ExternalSecretSpec};
use plan::data::{self, FailedEntry, Fetched};
use plan::failures::{MOST, RESOLVE, of_answers, of_data, of_template};
use plan::template;
use provider::{Error, ErrorKind};
use secret::SecretBytes;
use serde_json::{Value, json};

fn spec(policy: &str) -> ExternalSecretSpec {
    let spec = json!({
        "secretStoreRef": {"name": "vault", "kind": "ClusterSecretStore"},
        "target": {"deletionPolicy": policy},
        "dataFrom": [
            {"extract": {"key": "apps/all"}, "sourceRef": {"storeRef": {"name": "own"}}},
            {"find": {"path": "apps", "name": {"regexp": "^x"}}},
        ],
        "data": [
            {"secretKey": "a", "remoteRef": {"key": "apps/db", "property": "user"}},
            {"secretKey": "b", "remoteRef": {"key": "apps/gone"}},
        ],
    });
    serde_json::from_value(spec).unwrap()
}

fn fine() -> Result<Fetched, Error> {
    Ok(Fetched::Value(SecretBytes::from("canary-1f")))
}

fn told(failure: &EntryFailure) -> Value {
    serde_json::to_value(failure).unwrap()
}

#[test]
fn every_failing_entry_is_told_in_the_order_of_the_manifest() {
    let answers = vec![
        Err(Error::new(ErrorKind::AccessDenied, "ReadSecretData", "permission denied")),
        fine(),
        Err(Error::new(ErrorKind::BadProperty, "ReadSecretData", "key user does not exist in secret apps/db")),
        Err(Error::not_found("ReadSecretData")),
    ];
    let all: Vec<Value> = of_answers(&spec("Retain"), &answers).iter().map(told).collect();
    let want = [
        json!({
            "entry": "spec.dataFrom[0].extract", "store": "SecretStore/own", "remoteKey": "apps/all", "kind": "AccessDenied",
            "reason": "permission denied",
            "hint": "allow ReadSecretData on this key to the identity of SecretStore/own at the provider",
        }),
        json!({
            "entry": "spec.data[0]", "store": "ClusterSecretStore/vault", "remoteKey": "apps/db", "property": "user",
            "kind": "BadProperty", "reason": "key user does not exist in secret apps/db",
            "hint": "the key is there: check remoteRef.property, or leave it out to get the whole value",
        }),
        json!({
            "entry": "spec.data[1]", "store": "ClusterSecretStore/vault", "remoteKey": "apps/gone", "kind": "NotFound",
            "reason": "Secret does not exist",
            "hint": "check remoteRef.key and version: ClusterSecretStore/vault has no such key; a key that may be missing needs \
                     a deletionPolicy other than Retain",
        }),
    ];
    assert_eq!(all, want);
    let skipping = of_answers(&spec("Delete"), &answers);
    assert_eq!(
        skipping.iter().map(|failure| failure.kind.as_str()).collect::<Vec<_>>(),
        ["AccessDenied", "BadProperty"]
    );
    assert_eq!(of_answers(&spec("Delete"), &[fine(), fine(), fine(), Err(Error::not_found("x"))]), []);
}

#[test]
fn each_kind_says_what_to_do() {
    let resolve = |text: &str| Error::new(ErrorKind::Invalid, RESOLVE, text);
    let error = |kind| Error::new(kind, "Get", "no");
    let cases = [
        (resolve("ClusterSecretStore \"vault\" is not ready"), "kubectl describe clustersecretstore/vault"),
        (resolve("could not get ClusterSecretStore \"vault\", x not found"), "create ClusterSecretStore/vault"),
        (
            resolve("using cluster store \"vault\" is not allowed from namespace \"a\": denied by spec.condition"),
            "spec.conditions",
        ),
        (resolve("can not reference unmanaged store"), "spec.controller"),
        (error(ErrorKind::Unauthenticated), "check the credentials that ClusterSecretStore/vault refers to"),
        (error(ErrorKind::Throttled), "refreshInterval"),
        (error(ErrorKind::Unavailable), "tried again by itself"),
        (error(ErrorKind::Timeout), "tried again by itself"),
        (error(ErrorKind::Malformed), "what is stored under this key"),
        (error(ErrorKind::Invalid), "the settings of ClusterSecretStore/vault"),
        (error(ErrorKind::Unsupported), "this version"),
        (error(ErrorKind::NotFound), "remoteRef.key, version and property"),
    ];
    for (error, want) in cases {
        let all = of_answers(&spec("Retain"), &[fine(), fine(), Err(error.clone()), fine()]);
        let hint = all[0].hint.clone().unwrap();
        assert!(hint.contains(want), "{error:?}: {hint}");
    }
}

#[test]
fn the_list_and_its_texts_are_bounded() {
    let data: Vec<Value> =
        (0..100).map(|n| json!({"secretKey": format!("k{n}"), "remoteRef": {"key": "ä".repeat(2000)}})).collect();
    let spec: ExternalSecretSpec = serde_json::from_value(json!({"data": data})).unwrap();
    let answers: Vec<_> = (0..100).map(|_| Err(Error::new(ErrorKind::Invalid, "Get", "ä".repeat(2000)))).collect();
    let all = of_answers(&spec, &answers);
    assert_eq!(all.len(), MOST);
    assert!(serde_json::to_string(&all).unwrap().len() < MOST * 1500);
}

#[test]
fn values_that_cannot_be_used_are_told_before_what_did_not_come() {
    let gone = of_answers(&spec("Retain"), &[fine(), fine(), fine(), Err(Error::not_found("Get"))]);
    let cases = [
        (
            Some(2),
            "failed to decode: illegal base64 data at input byte 4",
            Some((
                "spec.data[0]",
                Some("apps/db"),
                Some("the value isn't encoded as decodingStrategy says: correct it, or set it to None"),
            )),
        ),
        (
            Some(0),
            // However much it looks like one of our own texts.
            "error applying rewrite to keys: error processing spec.data[1], err: x",
            Some((
                "spec.dataFrom[0].extract",
                Some("apps/all"),
                Some("correct the operation of rewrite that the reason names"),
            )),
        ),
        (Some(7), "why", None),
        (None, "something else", None),
    ];
    for (need, text, want) in cases {
        let entry = need.map(|need| FailedEntry { need, reason: text.into() });
        let failure = data::Failure { cause: None, entry, text: format!("in front of it: {text}") };
        let all = of_data(&spec("Retain"), gone.clone(), &failure);
        assert_eq!(all.last(), gone.last());
        match want {
            Some((entry, key, hint)) => {
                assert_eq!(all.len(), 2, "{text}");
                let EntryFailure { entry: told, remote_key, hint: said, kind, .. } = &all[0];
                assert_eq!((told.as_str(), remote_key.as_deref(), said.as_deref()), (entry, key, hint), "{text}");
                assert_eq!((kind.as_str(), all[0].reason.as_str()), ("InvalidValue", text));
            }
            None => assert_eq!(all, gone),
        }
    }
    let entry = Some(FailedEntry { need: 3, reason: "x".into() });
    let failure = data::Failure { cause: Some(Error::not_found("Get")), entry, text: "x".into() };
    assert_eq!(of_data(&spec("Retain"), gone.clone(), &failure), gone, "told once");
}

#[test]
fn a_template_is_told_with_its_place_and_never_with_a_text_that_values_may_show_in() {
    let full = template::Failure {
        text: "unable to execute template at key password: canary".into(),
        field: "spec.target.template.data[password]".into(),
        position: Some((2, 5)),
        reason: Some("there is no key \"passwrd\"".into()),
        hint: Some("did you mean .password?".into()),
    };
    let want = json!({
        "entry": "spec.target.template.data[password]", "kind": "Template", "line": 2, "column": 5,
        "reason": "there is no key \"passwrd\"", "hint": "did you mean .password?",
    });
    assert_eq!(told(&of_template(&full)), want);
    let unexplained = template::Failure { reason: None, hint: None, position: None, ..full };
    assert!(!told(&of_template(&unexplained)).to_string().contains("canary"));
    let bare = template::Failure { text: "configmaps \"t\" not found".into(), ..template::Failure::default() };
    let want = json!({"entry": "spec.target.template", "kind": "Template", "reason": "configmaps \"t\" not found"});
    assert_eq!(told(&of_template(&bare)), want);
}
