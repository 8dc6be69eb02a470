//! Go's own answers, read from files: `go.jsonl` are those of the project's shared corpus, `recorded.jsonl` those of a run of
//! `sigs.k8s.io/yaml` v1.6.0 with go.yaml.in/yaml/v2 v2.4.4 over documents where the two once differed or might.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use std::error::Error;

/// Go gives `float64` for every number.
fn as_floats(value: &Value) -> Value {
    match value {
        Value::Number(number) => json!(number.as_f64()),
        Value::Array(items) => items.iter().map(as_floats).collect(),
        Value::Object(map) => Value::Object(map.iter().map(|(key, value)| (key.clone(), as_floats(value))).collect()),
        other => other.clone(),
    }
}

fn outcome(answer: Result<Value, goyaml::Error>) -> Result<Value, String> {
    answer.map(|value| as_floats(&value)).map_err(|error| error.to_string())
}

/// What Go answered; an error that isn't there or empty means none.
fn wanted(case: &Value, value: &str, error: &str) -> Result<Value, String> {
    match case[error].as_str().unwrap_or_default() {
        "" => Ok(as_floats(&case[value])),
        error => Err(error.into()),
    }
}

fn check(case: &Value) -> Result<(), String> {
    let compare = |what: &str, got: Result<Value, String>, want: Result<Value, String>| {
        if got == want { Ok(()) } else { Err(format!("{what} of {case}\n got {got:?}\nwant {want:?}\n")) }
    };
    if let Some(value) = case.get("emit") {
        return compare("emit", Ok(json!(goyaml::emit(value))), Ok(case["yaml"].clone()));
    }
    let text = match (&case["parse"], &case["parse_base64"]) {
        (Value::String(text), _) => text.clone().into_bytes(),
        (_, packed) => STANDARD.decode(packed.as_str().unwrap_or_default()).map_err(|error| error.to_string())?,
    };
    compare("parse", outcome(goyaml::parse(&text)), wanted(case, "value", "error"))?;
    if case.get("map").is_some() || case.get("map_error").is_some() {
        let map = goyaml::parse_string_map(&text).map(|map| {
            let text = |value: &[u8]| Value::String(String::from_utf8_lossy(value).into_owned());
            Value::Object(map.iter().map(|(key, value)| (key.clone(), text(value))).collect())
        });
        compare("map", outcome(map), wanted(case, "map", "map_error"))?;
        let object = goyaml::parse_map(&text).map(|_| Value::Null);
        compare("object", outcome(object), wanted(case, "no value", "object_error"))?;
    }
    Ok(())
}

fn run(file: &str, least: usize) -> Result<(), Box<dyn Error>> {
    let text = std::fs::read_to_string(format!("{}/testdata/{file}", env!("CARGO_MANIFEST_DIR")))?;
    let cases: Vec<Value> = text.lines().map(serde_json::from_str).collect::<Result<_, _>>()?;
    let failures: Vec<String> = cases.iter().filter_map(|case| check(case).err()).collect();
    assert!(failures.is_empty(), "{} of {} differ:\n{}", failures.len(), cases.len(), failures.join("\n"));
    assert!(cases.len() >= least);
    Ok(())
}

#[test]
fn the_shared_corpus_is_answered_as_go_answers_it() -> Result<(), Box<dyn Error>> {
    run("go.jsonl", 83)
}

#[test]
fn recorded_documents_are_answered_as_go_answers_them() -> Result<(), Box<dyn Error>> {
    run("recorded.jsonl", 400)
}
