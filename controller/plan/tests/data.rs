//! From answers to data: what each kind of failure means, in which order entries count, and what the texts say.

#![expect(clippy::unwrap_used, reason = "a test ends at the first thing that is not as it should be")]

use api::ExternalSecretSpec;
use plan::data::{Assembled, Failure, Fetched, Need, What, generators, needs, stores};
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
    let shown: Vec<_> = stores(&spec).iter().map(|store| format!("{}/{}", store.kind, store.name)).collect();
    assert_eq!(shown, ["ClusterSecretStore/own", "SecretStore/default"]);
    let Need::Read { what: What::Value(second), .. } = &needs(&spec)[1] else { panic!("data brings values") };
    assert_eq!((second.property.as_deref(), second.read.version.as_deref()), (None, Some("2")));
}

#[test]
fn a_generator_s_values_take_their_place_among_the_entries() {
    let generator = json!({"generatorRef": {"kind": "UUID", "name": "u"}});
    let spec = spec(json!({"dataFrom": [
        {"extract": {"key": "a"}},
        {"sourceRef": generator.clone(), "rewrite": [{"regexp": {"source": "^", "target": "made-"}}]},
        {"extract": {"key": "b"}, "sourceRef": {"generatorRef": {"kind": "UUID", "name": "not-asked"}}},
    ]}));
    let asked: Vec<bool> = needs(&spec).iter().map(|need| matches!(need, Need::Generate(_))).collect();
    assert_eq!(asked, [false, true, false]);
    assert_eq!(generators(&spec).len(), 2, "each may belong to another controller");
    let Fetched::Map(values) = map(&[("id", "7")]) else { panic!("a map") };
    let answers = || vec![Ok(map(&[("id", "1")])), Ok(Fetched::Generated(values.clone())), Ok(map(&[("x", "2")]))];
    let made = assemble(&spec, answers()).unwrap();
    assert_eq!(made.data.into_keys().collect::<Vec<_>>(), ["id", "made-id", "x"]);

    let bad = json!({"dataFrom": [{"sourceRef": generator}]});
    let bad_key: ExternalSecretSpec = serde_json::from_value(bad).unwrap();
    let Fetched::Map(slashed) = map(&[("a/b", "v")]) else { panic!("a map") };
    let text = assemble(&bad_key, vec![Ok(Fetched::Generated(slashed))]).unwrap_err().text;
    let want = "error processing spec.dataFrom[0].sourceRef.generatorRef, err: invalid secret keys (TIP: use rewrite";
    assert!(text.starts_with(want), "not converted: {text}");

    let mut broken = answers();
    broken[1] = Err(Error::new(ErrorKind::Unsupported, "Generate", "why").context("error using generator"));
    let text = assemble(&spec, broken).unwrap_err().text;
    let want = "error processing spec.dataFrom[1].sourceRef.generatorRef, err: error using generator: ";
    assert!(text.starts_with(want), "{text}");
}

#[test]
fn a_failure_names_its_fetch_and_what_is_wrong_with_it() {
    let strict = |key: &str| json!({"key": key, "nullBytePolicy": "Fail"});
    let spec = spec(json!({
        // The first entry asks for nothing.
        "dataFrom": [{}, {"extract": strict("a")}, {"extract": strict("b")}],
        "data": [{"secretKey": "x", "remoteRef": strict("c")}, {"secretKey": "y", "remoteRef": strict("d")}],
    }));
    let places =
        ["spec.dataFrom[1].extract", "spec.dataFrom[2].extract", "spec.data[0] (key: c)", "spec.data[1] (key: d)"];
    for (need, place) in places.into_iter().enumerate() {
        let bad = |text| if need < 2 { map(&[("k", text)]) } else { value(text) };
        for answer in [Ok(bad("a\0b")), Err(Error::new(ErrorKind::Timeout, "Get", "slow"))] {
            let mut answers = vec![Ok(map(&[])), Ok(map(&[])), Ok(value("v")), Ok(value("v"))];
            answers[need] = answer;
            let Failure { cause: _, entry, text } = assemble(&spec, answers).unwrap_err();
            let entry = entry.unwrap();
            assert_eq!((entry.need, text), (need, format!("error processing {place}, err: {}", entry.reason)));
        }
    }
    let unfetched = assemble(&spec, vec![Ok(map(&[]))]).unwrap_err();
    assert_eq!(unfetched.entry.unwrap().need, 1);
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
