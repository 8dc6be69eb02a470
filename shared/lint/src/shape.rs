//! A document against the schema of its kind, as the API server checks it, and the fields that it would silently drop.
//!
//! Not here: the rules of crate `validate`.

use crate::cel::holds;
use crate::finding::{Finding, Severity};
use crate::nearest::nearest;
use crate::yaml::{Content, Node};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use regex::Regex;
use serde_json::{Map, Value};

/// What the schema says about a document. Lines are those of the keys.
pub(crate) fn check(object: &Node, schema: &Value) -> Vec<Finding> {
    let mut check = Check { findings: Vec::new() };
    check.object("", object.line, object, schema);
    check.findings
}

struct Check {
    findings: Vec<Finding>,
}

impl Check {
    fn error(&mut self, line: u64, path: &str, text: String) {
        self.findings.push(Finding { line, path: path.to_owned(), severity: Severity::Error, text, code: "schema" });
    }

    fn node(&mut self, path: &str, line: u64, node: &Node, schema: &Value) {
        if schema["x-kubernetes-int-or-string"] == true {
            if !matches!(&node.content, Content::Scalar(Value::Number(_) | Value::String(_))) {
                self.error(line, path, format!("must be a number or a text, not {}", kind_of(node)));
            }
            return;
        }
        let Some(wanted) = schema["type"].as_str() else { return };
        match (wanted, &node.content) {
            ("object", Content::Map(_)) => self.object(path, line, node, schema),
            ("array", Content::List(items)) => self.list(path, line, items, schema),
            ("string", Content::Scalar(Value::String(text))) => self.text(path, line, text, schema),
            ("integer", Content::Scalar(Value::Number(number))) if is_whole(number) => {
                self.number(path, line, number.as_f64(), schema);
            }
            ("number", Content::Scalar(Value::Number(number))) => self.number(path, line, number.as_f64(), schema),
            ("boolean", Content::Scalar(Value::Bool(_))) => {}
            (wanted, content) => {
                let wanted = match wanted {
                    "object" => "a map",
                    "array" => "a list",
                    "string" => "a text",
                    "integer" => "a whole number",
                    "boolean" => "true or false",
                    other => other,
                };
                let hint = match content {
                    Content::Scalar(Value::Number(_) | Value::Bool(_)) if wanted == "a text" => "; put it in quotes",
                    Content::Scalar(_) | Content::List(_) | Content::Map(_) => "",
                };
                self.error(line, path, format!("must be {wanted}, not {}{hint}", kind_of(node)));
            }
        }
    }

    fn object(&mut self, path: &str, line: u64, node: &Node, schema: &Value) {
        let none = Map::new();
        let properties = schema["properties"].as_object().unwrap_or(&none);
        let present: Vec<_> = node.entries().iter().filter(|entry| !entry.node.is_null()).collect();
        for name in schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str) {
            let defaulted = properties.get(name).is_some_and(|property| property.get("default").is_some());
            if !defaulted && !present.iter().any(|entry| entry.key == name) {
                self.error(line, &join(path, name), "is required".to_owned());
            }
        }
        self.count(path, line, &present.iter().map(|entry| entry.key.as_str()).collect::<Vec<_>>(), schema);
        self.rules(path, line, node, schema);
        for entry in present {
            let below = join(path, &entry.key);
            let additional = schema.get("additionalProperties").filter(|schema| schema.is_object());
            if path.is_empty() && entry.key == "metadata" {
                continue;
            } else if let Some(schema) = properties.get(&entry.key).or(additional) {
                self.node(&below, entry.line, &entry.node, schema);
            } else if schema["x-kubernetes-preserve-unknown-fields"] != true {
                let meant = nearest(&entry.key, properties.keys().map(String::as_str));
                let meant = meant.map_or_else(String::new, |meant| format!("; did you mean \"{meant}\"?"));
                self.findings.push(Finding {
                    line: entry.line,
                    path: below,
                    severity: Severity::Warning,
                    text: format!("there is no such field; it would be dropped{meant}"),
                    code: "unknown-field",
                });
            }
        }
    }

    fn rules(&mut self, path: &str, line: u64, object: &Node, schema: &Value) {
        for validation in schema["x-kubernetes-validations"].as_array().into_iter().flatten() {
            let rule = validation["rule"].as_str().unwrap_or_default();
            if holds(rule, object) == Some(false) {
                self.error(line, path, validation["message"].as_str().unwrap_or(rule).to_owned());
            }
        }
    }

    fn count(&mut self, path: &str, line: u64, keys: &[&str], schema: &Value) {
        let named = || keys.iter().map(|key| format!("\"{key}\"")).collect::<Vec<_>>().join(", ");
        if schema["maxProperties"].as_u64().is_some_and(|most| keys.len() as u64 > most) {
            let most = &schema["maxProperties"];
            self.error(line, path, format!("takes {most} key at most, but has {}: keep one", named()));
        }
        if schema["minProperties"].as_u64().is_some_and(|least| (keys.len() as u64) < least) {
            self.error(line, path, format!("needs {} key at least", schema["minProperties"]));
        }
    }

    fn list(&mut self, path: &str, line: u64, items: &[Node], schema: &Value) {
        if schema["minItems"].as_u64().is_some_and(|least| (items.len() as u64) < least) {
            self.error(line, path, format!("needs {} entry at least", schema["minItems"]));
        }
        for (index, item) in items.iter().enumerate() {
            self.node(&format!("{path}[{index}]"), item.line, item, &schema["items"]);
        }
    }

    fn text(&mut self, path: &str, line: u64, text: &str, schema: &Value) {
        if let Some(allowed) = schema["enum"].as_array() {
            let allowed: Vec<&str> = allowed.iter().filter_map(Value::as_str).collect();
            if !allowed.contains(&text) {
                let meant = nearest(text, allowed.iter().copied());
                let meant = meant.map_or_else(String::new, |meant| format!("; did you mean \"{meant}\"?"));
                let listed: Vec<String> = allowed.iter().map(|word| format!("\"{word}\"")).collect();
                self.error(line, path, format!("must be one of {}{meant}", listed.join(", ")));
            }
        }
        let length = text.chars().count() as u64;
        if let Some(least) = schema["minLength"].as_u64().filter(|least| length < *least) {
            let text =
                if least == 1 { "must not be empty".to_owned() } else { format!("needs {least} characters at least") };
            self.error(line, path, text);
        }
        if let Some(most) = schema["maxLength"].as_u64().filter(|most| length > *most) {
            self.error(line, path, format!("takes {most} characters at most, but has {length}"));
        }
        match schema["format"].as_str() {
            Some("date-time") if text.parse::<jiff::Timestamp>().is_err() => {
                self.error(line, path, "must be a time such as 2030-12-31T23:59:59Z".to_owned());
            }
            Some("byte") if text.is_empty() || STANDARD.decode(text).is_err() => {
                self.error(line, path, "must be base64; PEM has to be encoded once more".to_owned());
            }
            Some(_) | None => {}
        }
        if let Some(pattern) = schema["pattern"].as_str()
            && !text.is_empty()
            && Regex::new(pattern).is_ok_and(|pattern| !pattern.is_match(text))
        {
            self.error(line, path, format!("must match the pattern {pattern}"));
        }
    }

    fn number(&mut self, path: &str, line: u64, number: Option<f64>, schema: &Value) {
        let Some(number) = number else { return };
        if schema["minimum"].as_f64().is_some_and(|least| number < least) {
            self.error(line, path, format!("must be {} or more", schema["minimum"]));
        }
        if schema["maximum"].as_f64().is_some_and(|most| number > most) {
            self.error(line, path, format!("must be {} or less", schema["maximum"]));
        }
    }
}

fn is_whole(number: &serde_json::Number) -> bool {
    number.is_i64() || number.is_u64() || number.as_f64().is_some_and(|number| number.fract() == 0.0)
}

/// What a value is, without the value: it may be secret.
fn kind_of(node: &Node) -> &'static str {
    match &node.content {
        Content::Map(_) => "a map",
        Content::List(_) => "a list",
        Content::Scalar(Value::String(_)) => "a text",
        Content::Scalar(Value::Number(number)) if !is_whole(number) => "a fraction",
        Content::Scalar(Value::Number(_)) => "a number",
        Content::Scalar(Value::Bool(_)) => "true or false",
        Content::Scalar(_) => "nothing",
    }
}

fn join(path: &str, key: &str) -> String {
    if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") }
}
