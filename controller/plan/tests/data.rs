//! From answers to data: what each kind of failure means, in which order entries count, and what the texts say.

#![expect(clippy::unwrap_used, reason = "a test ends at the first thing that is not as it should be")]

use api::ExternalSecretSpec;
use plan::data::{Assembled, Failure, Fetched, What, generated, needs, stores, unsupported};
use provider::{Error, ErrorKind};
use secret::{SecretBytes, SecretMap};
use serde_json::{Value, json};
use support::engine;

mod support;

fn spec(value: Value) -> ExternalSecretSpec {
    serde_json::from_value(value).unwrap()
}

/// As `plan`'s own, with an engine.
fn assemble(spec: &ExternalSecretSpec, answers: Vec<Result<Fetched, Error>>) -> Result<Assembled, Failure> {
    let (engine, env) = engine();
    plan::data::assemble(spec, answers, &engine, &env)
}

fn one_value(deletion: &str) -> ExternalSecretSpec {
    spec(json!({
        "target": {"deletionPolicy": deletion},
        "data": [{"secretKey": "k", "remoteRef": {"key": "apps/db"}}],
    }))
}

fn map(pairs: &[(&str, &str)]) -> Fetched {
    Fetched::Map(pairs.iter().map(|(key, value)| ((*key).to_owned(), SecretBytes::from(*value))).collect::<SecretMap>())
}

fn value(text: &str) -> Fetched {
    Fetched::Value(SecretBytes::from(text))
}

#[test]
fn only_not_found_is_ever_skipped_and_never_under_retain() {
    let kinds = [
        ErrorKind::NotFound,
        ErrorKind::AccessDenied,
        ErrorKind::Unauthenticated,
        ErrorKind::Throttled,
        ErrorKind::Unavailable,
        ErrorKind::Timeout,
        ErrorKind::Malformed,
        ErrorKind::BadProperty,
        ErrorKind::Invalid,
        ErrorKind::Unsupported,
    ];
    for policy in ["Retain", "Delete", "Merge"] {
        for kind in kinds {
            let answer = Err(Error::new(kind, "Get", "no"));
            let skipped = assemble(&one_value(policy), vec![answer]).is_ok_and(|got| got.data.is_empty());
            assert_eq!(skipped, kind == ErrorKind::NotFound && policy != "Retain", "{kind:?} under {policy}");
        }
    }
}

#[test]
fn data_counts_after_data_from_and_later_entries_after_earlier_ones() {
    let spec = spec(json!({
        "dataFrom": [{"extract": {"key": "a"}}, {"extract": {"key": "b"}}],
        "data": [{"secretKey": "x", "remoteRef": {"key": "c"}}],
    }));
    let answers =
        vec![Ok(map(&[("x", "1"), ("y", "1"), ("z", "1")])), Ok(map(&[("x", "2"), ("y", "2")])), Ok(value("3"))];
    let data = assemble(&spec, answers).unwrap().data;
    let shown: Vec<_> = data.iter().map(|(key, value)| (key.as_str(), value.expose_str().unwrap())).collect();
    assert_eq!(shown, [("x", "3"), ("y", "2"), ("z", "1")]);
}

#[test]
fn texts_lead_from_the_entry_to_the_cause() {
    let extract = |more: Value| {
        let mut entry = json!({"key": "apps/db"});
        entry.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        spec(json!({"dataFrom": [{"extract": entry}]}))
    };
    let long = "k".repeat(254);
    let too_long = format!(
        "error processing spec.dataFrom[0].extract, err: invalid secret keys (TIP: use rewrite or conversionStrategy to \
         change keys): key has length 254 but max is 253: (following is truncated): {}",
        "k".repeat(253)
    );
    let cases = [
        (
            one_value("Retain"),
            Err(Error::not_found("Get")),
            "error processing spec.data[0] (key: apps/db), err: Secret does not exist",
        ),
        (
            extract(json!({})),
            Err(Error::not_found("Get")),
            "error processing spec.dataFrom[0].extract, err: Secret does not exist",
        ),
        (extract(json!({})), Ok(map(&[(long.as_str(), "1")])), too_long.as_str()),
        (
            extract(json!({"conversionStrategy": "Default"})),
            Ok(map(&[("a/b", "1"), ("a?b", "2")])),
            "error processing spec.dataFrom[0].extract, err: error applying conversion strategy Default to keys: secret name collision during conversion: a_b",
        ),
        (
            extract(json!({"nullBytePolicy": "Fail"})),
            Ok(map(&[("k", "a\0b")])),
            "error processing spec.dataFrom[0].extract, err: fetched secret value for key \"k\" contains null bytes; use a text-safe format such as PEM/base64 or leave nullBytePolicy unset for intentional binary data",
        ),
    ];
    for (spec, answer, want) in cases {
        assert_eq!(assemble(&spec, vec![answer]).unwrap_err().text, want);
    }
}

#[test]
fn a_skipped_key_is_told() {
    let notes = assemble(&one_value("Delete"), vec![Err(Error::not_found("Get"))]).unwrap().notes;
    let texts: Vec<_> = notes.iter().map(|note| note.message.as_str()).collect();
    // The reference says dataFrom for data as well.
    assert_eq!(texts, ["secret does not exist at provider using spec.dataFrom[0] (key=apps/db)"]);
}

#[test]
fn an_entry_s_own_store_goes_before_the_default_one() {
    let spec = spec(json!({
        "secretStoreRef": {"name": "default"},
        "dataFrom": [{"extract": {"key": "a"}, "sourceRef": {"storeRef": {"name": "own", "kind": "ClusterSecretStore"}}}],
        "data": [{"secretKey": "x", "remoteRef": {"key": "c", "property": "", "version": "2"}}],
    }));
    let shown: Vec<_> = needs(&spec).iter().map(|need| format!("{}/{}", need.store.kind, need.store.name)).collect();
    assert_eq!(shown, ["ClusterSecretStore/own", "SecretStore/default"]);
    let What::Value(second) = &needs(&spec)[1].what else { panic!("data brings values") };
    assert_eq!((second.property.as_deref(), second.read.version.as_deref()), (None, Some("2")));
    assert_eq!(stores(&spec).len(), 2);
}

#[test]
fn what_is_not_supported_is_named() {
    let cases = [(
        json!({"dataFrom": [{"sourceRef": {"generatorRef": {"kind": "UUID", "name": "u"}}}]}),
        "spec.dataFrom[0].sourceRef.generatorRef",
    )];
    for (given, field) in cases {
        assert_eq!(
            unsupported(&spec(given)),
            Some(format!("{field} is not supported by this version of the controller"))
        );
    }
    assert_eq!(unsupported(&one_value("Retain")), None);
}

#[test]
fn keys_are_rewritten_in_place_of_being_converted_and_then_validated() {
    let keys = |rewrite: Value| {
        let extract = json!({"key": "a", "conversionStrategy": "Unicode", "decodingStrategy": "Base64"});
        let spec = spec(json!({"dataFrom": [{"extract": extract, "rewrite": rewrite}]}));
        let done = assemble(&spec, vec![Ok(map(&[("x/a", "MQ=="), ("x/b", "Mg==")]))]);
        done.map(|made| made.data.into_keys().collect::<Vec<_>>().join(" ")).map_err(|failure| failure.text)
    };
    let place = "error processing spec.dataFrom[0].extract, err: ";
    let cases = [
        (json!([]), Ok("x_U002f_a x_U002f_b".to_owned())),
        (json!([{"regexp": {"source": "^x/", "target": ""}}]), Ok("a b".to_owned())),
        (
            json!([{"regexp": {"source": "^x", "target": "y"}}]),
            Err(format!(
                "{place}invalid secret keys (TIP: use rewrite or conversionStrategy to change keys): key has invalid \
                 character /, only alphanumeric, '-', '.' and '_' are allowed: y/a"
            )),
        ),
        (
            json!([{"regexp": {"source": "^x/", "target": ""}}, {"transform": {"template": "{{ .value "}}]),
            Err(format!(
                "{place}error applying rewrite to keys: failed rewrite operation[1]: transform failed with failed to parse \
                 template: template: transform:1: unclosed action"
            )),
        ),
    ];
    for (rewrite, want) in cases {
        assert_eq!(keys(rewrite.clone()), want, "{rewrite}");
    }
}

#[test]
fn what_a_generator_brings_is_rewritten_and_validated_and_not_converted() {
    let (engine, env) = engine();
    let done = |rewrite: Value, key: &str| {
        let entry = serde_json::from_value(json!({"rewrite": rewrite})).unwrap();
        let Fetched::Map(made) = map(&[(key, "v")]) else { unreachable!() };
        generated(&entry, made, &engine, &env).map(|made| made.into_keys().next().unwrap_or_default())
    };
    let upper = json!([{"transform": {"template": "{{ .value | upper }}"}}]);
    assert_eq!(done(upper, "password"), Ok("PASSWORD".to_owned()));
    assert!(done(json!([]), "a/b").unwrap_err().starts_with("invalid secret keys (TIP: use rewrite"));
}
