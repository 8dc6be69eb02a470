//! `dataFrom[].find`: what is asked for, in which order its results are treated, and what its failures mean.

#![expect(clippy::unwrap_used, reason = "a test ends at the first thing that is not as it should be")]

use api::ExternalSecretSpec;
use plan::data::{Assembled, Failure, Fetched, Need, What, needs};
use provider::{Error, ErrorKind, Find};
use secret::{SecretBytes, SecretMap};
use serde_json::{Value, json};
use support::engine;

mod support;

/// As `plan`'s own, with an engine.
fn assemble(spec: &ExternalSecretSpec, answers: Vec<Result<Fetched, Error>>) -> Result<Assembled, Failure> {
    let (engine, env) = engine();
    plan::data::assemble(spec, answers, &engine, &env)
}

/// A spec with one `find` under a deletion policy.
fn spec(deletion: &str, find: Value) -> ExternalSecretSpec {
    serde_json::from_value(json!({"target": {"deletionPolicy": deletion}, "dataFrom": [{"find": find}]})).unwrap()
}

fn found(pairs: &[(&str, &str)], convert_first: bool) -> Fetched {
    let values = pairs.iter().map(|(key, value)| ((*key).to_owned(), SecretBytes::from(*value)));
    Fetched::Found { values: values.collect::<SecretMap>(), convert_first }
}

#[test]
fn a_find_asks_for_path_name_and_tags() {
    let text = |text: &str| Some(text.to_owned());
    let cases = [
        (json!({}), Find::default()),
        (json!({"name": {}}), Find { name: text(""), ..Find::default() }),
        (
            json!({"name": {"regexp": "^a"}, "path": "/p"}),
            Find { name: text("^a"), path: text("/p"), ..Find::default() },
        ),
        (
            json!({"tags": {"k": "v"}, "conversionStrategy": "Unicode", "decodingStrategy": "Auto"}),
            Find { tags: [("k".to_owned(), "v".to_owned())].into(), ..Find::default() },
        ),
    ];
    for (given, want) in cases {
        let spec = spec("Retain", given.clone());
        let needs = needs(&spec);
        assert!(matches!(&needs[0], Need::Read { what: What::Find(find), .. } if *find == want), "{given}: {needs:?}");
    }
}

#[test]
fn find_goes_before_extract_in_one_entry() {
    let both: ExternalSecretSpec =
        serde_json::from_value(json!({"dataFrom": [{"extract": {"key": "a"}, "find": {"path": "p"}}]})).unwrap();
    let needs = needs(&both);
    assert_eq!(needs.len(), 1);
    assert!(matches!(needs[0], Need::Read { what: What::Find(_), .. }));
    let data = assemble(&both, vec![Ok(found(&[("k", "v")], false))]).unwrap().data;
    assert_eq!(data.keys().collect::<Vec<_>>(), ["k"]);
    let wrong = assemble(&both, vec![Ok(Fetched::Map(SecretMap::new()))]).unwrap_err();
    assert_eq!(wrong.text, "an entry was fetched in the wrong shape");
}

#[test]
fn found_names_are_converted_then_checked_and_values_decoded_then_searched_for_null_bytes() {
    let at = "error processing spec.dataFrom[0].find, err: ";
    let long = "n".repeat(254);
    let cases = [
        (json!({}), vec![("/a/b", "1"), ("c", "2")], Ok(vec![("_a_b", "1"), ("c", "2")])),
        (json!({"conversionStrategy": "Unicode"}), vec![("/a", "1")], Ok(vec![("_U002f_a", "1")])),
        (json!({"decodingStrategy": "Base64"}), vec![("a", "MQ==")], Ok(vec![("a", "1")])),
        (json!({}), vec![], Ok(vec![])),
        (
            json!({"conversionStrategy": "Default"}),
            vec![("a/b", "1"), ("a?b", "2")],
            Err("error applying conversion strategy Default to keys: secret name collision during conversion: a_b"),
        ),
        (
            json!({}),
            vec![(long.as_str(), "1")],
            Err("invalid secret keys (TIP: use rewrite or conversionStrategy to change keys): key has length 254"),
        ),
        (
            json!({"decodingStrategy": "Base64", "nullBytePolicy": "Fail"}),
            vec![("a", "?")],
            Err("error applying decoding strategy Base64 to data: failure decoding key a: illegal base64 data"),
        ),
        (
            json!({"decodingStrategy": "Base64", "nullBytePolicy": "Fail"}),
            vec![("a", "AAA=")],
            Err("fetched secret value for key \"a\" contains null bytes"),
        ),
    ];
    for (find, pairs, want) in cases {
        let got = assemble(&spec("Retain", find.clone()), vec![Ok(found(&pairs, false))]);
        match (got, want) {
            (Ok(got), Ok(want)) => {
                let got: Vec<_> = got.data.iter().map(|(k, v)| (k.as_str(), v.expose_str().unwrap())).collect();
                assert_eq!(got, want, "{find}");
            }
            (Err(failure), Err(want)) => {
                assert!(failure.text.starts_with(&format!("{at}{want}")), "{find}: {}", failure.text);
                assert_eq!(failure.cause, None);
            }
            (got, want) => panic!("{find}: {got:?}, not {want:?}"),
        }
    }
}

#[test]
fn names_that_the_references_provider_converts_by_itself_collide_in_its_words() {
    let names = [("a/b", "1"), ("a?b", "2")];
    let failure = assemble(&spec("Retain", json!({})), vec![Ok(found(&names, true))]).unwrap_err();
    let want = "error processing spec.dataFrom[0].find, err: error getting all secrets: \
                secret name collision during conversion: a_b";
    assert_eq!(failure.text, want);
    let once = spec("Retain", json!({"conversionStrategy": "Unicode"}));
    let data = assemble(&once, vec![Ok(found(&[("a/b", "1")], true))]).unwrap().data;
    assert_eq!(data.keys().collect::<Vec<_>>(), ["a_U002f_b"]);
}

#[test]
fn only_a_place_that_is_gone_is_skipped_and_never_under_retain() {
    for policy in ["Retain", "Delete", "Merge"] {
        for kind in [ErrorKind::NotFound, ErrorKind::AccessDenied, ErrorKind::Unavailable, ErrorKind::Invalid] {
            let error = Error::new(kind, "List", "no").context("error getting all secrets");
            let got = assemble(&spec(policy, json!({"path": "p"})), vec![Err(error.clone())]);
            match got {
                Ok(got) => {
                    assert_eq!((kind, policy == "Retain"), (ErrorKind::NotFound, false));
                    let notes: Vec<_> = got.notes.iter().map(|note| note.message.as_str()).collect();
                    assert_eq!(notes, ["secret does not exist at provider using spec.dataFrom[0]"]);
                }
                Err(failure) => {
                    assert!(kind != ErrorKind::NotFound || policy == "Retain", "{policy}");
                    let want = "error processing spec.dataFrom[0].find, err: error getting all secrets: no";
                    assert_eq!((failure.text.as_str(), failure.cause), (want, Some(error)));
                }
            }
        }
    }
}
