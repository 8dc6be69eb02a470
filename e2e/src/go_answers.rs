//! Answers to cases about Go itself: regular expressions, gjson paths, YAML and durations, in the fields of the corpus's
//! files. An error is a field like others there. Not here: the reference's functions (`conformance`).

use api::GoDuration;
use serde_json::{Map, Number, Value, json};

/// The kinds of cases that are answered, each the name of a file of the corpus.
pub(crate) const KINDS: &[&str] = &["duration_go", "gjson", "regex", "yaml"];

/// The case with its results.
pub(crate) fn completed(case: &Value) -> Value {
    let mut fields = case.as_object().cloned().unwrap_or_default();
    if let Value::Object(results) = results(case) {
        fields.extend(results);
    }
    Value::Object(fields)
}

/// The results for a case's inputs: what it asks for shows in the fields that it has.
pub(crate) fn results(case: &Value) -> Value {
    let text = |name: &str| case.get(name).and_then(Value::as_str);
    if let Some(pattern) = text("pattern") {
        match text("template") {
            Some(template) => replaced(pattern, template, text("input").unwrap_or_default()),
            None => found(pattern, case.get("inputs").and_then(Value::as_array).map_or(&[], Vec::as_slice)),
        }
    } else if let Some(document) = text("document") {
        selected(document, text("path").unwrap_or_default())
    } else if let Some(value) = case.get("emit") {
        json!({ "yaml": goyaml::emit(value) })
    } else if let Some(document) = text("parse") {
        parsed(document)
    } else {
        duration(text("text").unwrap_or_default())
    }
}

fn replaced(pattern: &str, template: &str, input: &str) -> Value {
    match goregexp::compile(pattern.as_bytes()) {
        Ok(regexp) => json!({ "result": shown(&regexp.replace_all(input.as_bytes(), template.as_bytes())) }),
        Err(error) => json!({ "error": error.to_string() }),
    }
}

fn found(pattern: &str, inputs: &[Value]) -> Value {
    let regexp = match goregexp::compile(pattern.as_bytes()) {
        Ok(regexp) => regexp,
        Err(error) => return json!({ "error": error.to_string(), "find_all": [] }),
    };
    let find_all = |input: &Value| {
        let input = input.as_str().unwrap_or_default().as_bytes();
        let found = regexp.find_all(input, usize::MAX);
        found.into_iter().map(|span| shown(&input[span])).collect::<Value>()
    };
    json!({ "error": "", "find_all": inputs.iter().map(find_all).collect::<Value>() })
}

fn selected(document: &str, path: &str) -> Value {
    let found = gojson::get(document.as_bytes(), path);
    json!({
        "exists": found.exists(),
        "kind": found.kind().as_str(),
        "raw": shown(found.raw()),
        "str": shown(found.text()),
    })
}

fn parsed(document: &str) -> Value {
    match goyaml::parse(document.as_bytes()) {
        Ok(value) => json!({ "value": with_floats(value), "error": "" }),
        Err(error) => json!({ "value": null, "error": error.to_string() }),
    }
}

/// Go's `sigs.k8s.io/yaml` reads every number for an untyped target as a 64 bit float; its JSON shows a whole one as an
/// integer.
fn with_floats(value: Value) -> Value {
    match value {
        Value::Number(number) => float(&number).map_or(Value::Number(number), Value::Number),
        Value::Array(items) => items.into_iter().map(with_floats).collect(),
        Value::Object(fields) => {
            Value::Object(fields.into_iter().map(|(key, value)| (key, with_floats(value))).collect::<Map<_, _>>())
        }
        plain @ (Value::Null | Value::Bool(_) | Value::String(_)) => plain,
    }
}

fn float(number: &Number) -> Option<Number> {
    let float = number.as_f64()?;
    if float.fract() == 0.0 && float.abs() < 1e21 {
        let digits = float.to_string();
        return digits.parse::<i64>().map(Number::from).or_else(|_| digits.parse::<u64>().map(Number::from)).ok();
    }
    Number::from_f64(float)
}

fn duration(text: &str) -> Value {
    match text.parse::<GoDuration>() {
        Ok(duration) => json!({ "ns": duration.as_nanos(), "go_text": duration.to_string(), "error": "" }),
        Err(error) => json!({ "ns": 0, "go_text": GoDuration::ZERO.to_string(), "error": error.to_string() }),
    }
}

fn shown(bytes: &[u8]) -> Value {
    String::from_utf8_lossy(bytes).into()
}
