//! What a PushSecret pushes: each case is a spec, the keys of its Secret, and the entries for the store `vault`.

#[cfg(test)]
mod pushing;
#[cfg(test)]
mod support;

use api::PushSecretDeletionPolicy;
use plan::push::{indistinct, unite};
use pushing::{Case, own, shown, spec, wanted};
use serde_json::{Value, json};

#[test]
fn entries_are_made_as_in_the_reference() {
    let text = include_str!("../testdata/push.yaml");
    let cases: Vec<Case> = serde_saphyr::from_str(text).unwrap();
    assert!(cases.len() > 15);
    for case in cases {
        let got = wanted(&spec(&case.data, &case.data_to), &case.keys).map(|entries| shown(&entries));
        let want = case.error.map_or_else(|| Ok(case.want.unwrap_or_default()), Err);
        assert_eq!(got, want, "{}", case.name);
    }
}

#[test]
fn several_secrets_are_one_unless_they_want_different_things_at_one_place() {
    let all = spec(&Value::Null, &json!([{}]));
    let keys = |keys: &[&str]| keys.iter().map(|key| (*key).to_owned()).collect::<Vec<_>>();
    let of = |secret: &str, names: &[&str]| (secret.to_owned(), wanted(&all, &keys(names)).unwrap());
    // The same key has the same value here.
    let united = unite(vec![of("one", &["a", "b"]), of("two", &["b", "c"])]);
    assert_eq!(shown(&united), ["a -> a = A", "b -> b = B", "c -> c = C"]);
    let data = |from: &str| spec(&own(&[(from, "app", "")]), &Value::Null);
    let one = ("one".to_owned(), wanted(&data("a"), &keys(&["a"])).unwrap());
    let two = ("two".to_owned(), wanted(&data("b"), &keys(&["b"])).unwrap());
    let want = r#"a -> app! duplicate remote key "app": Secrets "one" and "two" both map to the same destination"#;
    assert_eq!(shown(&unite(vec![one, two])), [want]);
}

#[test]
fn places_that_the_status_cannot_tell_apart_are_refused_where_it_says_what_to_delete() {
    let spec = spec(&own(&[("k", "a", "b"), ("k", "a/b", "")]), &Value::Null);
    for (policy, refused) in [(PushSecretDeletionPolicy::None, false), (PushSecretDeletionPolicy::Delete, true)] {
        let mut entries = wanted(&spec, &["k".to_owned()]).unwrap();
        indistinct(policy, &mut entries);
        assert!(entries[0].push.is_ok());
        let why = entries[1].push.as_ref().err().cloned().unwrap_or_default();
        assert_eq!(
            why.contains(r#"remote key "a" with property "b" and remote key "a/b" cannot be told apart"#),
            refused
        );
    }
}
