//! Label selectors as Kubernetes reads them: what they select, and its texts about those that can't be used.

use std::collections::BTreeMap;

use gourl::quoted;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, LabelSelectorRequirement};

const NAME_LIMIT: usize = 63;
const PREFIX_LIMIT: usize = 253;
const NAME_FORM: &str = "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')";
const VALUE_FORM: &str = "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')";
const PREFIX_FORM: &str = "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";

/// Whether an object with these labels is selected. An empty selector selects everything.
///
/// # Errors
/// A selector that can't be used, with Kubernetes' text. Of several wrong `matchLabels` the first in key order is told
/// (Kubernetes: any).
pub fn selects(selector: &LabelSelector, labels: &BTreeMap<String, String>) -> Result<bool, String> {
    let mut selected = true;
    for (key, value) in selector.match_labels.iter().flatten() {
        told(complaints(key, std::slice::from_ref(value)))?;
        selected &= labels.get(key) == Some(value);
    }
    for rule in selector.match_expressions.iter().flatten() {
        selected &= fits(rule, labels)?;
    }
    Ok(selected)
}

fn fits(rule: &LabelSelectorRequirement, labels: &BTreeMap<String, String>) -> Result<bool, String> {
    let LabelSelectorRequirement { key, operator, values } = rule;
    let value = labels.get(key);
    let wanted = values.as_deref().unwrap_or_default();
    let listed = value.is_some_and(|value| wanted.contains(value));
    let (fit, valued) = match operator.as_str() {
        "In" => (listed, true),
        "NotIn" => (!listed, true),
        "Exists" => (value.is_some(), false),
        "DoesNotExist" => (value.is_none(), false),
        _ => return Err(format!("{} is not a valid label selector operator", quoted(operator))),
    };
    let mut found = complaints(key, wanted);
    // Said after what is wrong with the key, before what is wrong with single values.
    let place = found.iter().position(|text| !text.starts_with("key: ")).unwrap_or(found.len());
    if valued && wanted.is_empty() {
        let text = "values: Invalid value: null: for 'in', 'notin' operators, values set can't be empty";
        found.insert(place, text.to_owned());
    } else if !valued && !wanted.is_empty() {
        let list: Vec<String> = wanted.iter().map(quoted).collect();
        let text = "values set must be empty for exists and does not exist";
        found.insert(place, format!("values: Invalid value: [{}]: {text}", list.join(",")));
    }
    told(found)?;
    Ok(fit)
}

/// What is wrong with a key and its values.
fn complaints(key: &str, values: &[String]) -> Vec<String> {
    let mut found = Vec::new();
    let of_key = about_key(key);
    if !of_key.is_empty() {
        found.push(format!("key: Invalid value: {}: {}", quoted(key), of_key.join("; ")));
    }
    for (index, value) in values.iter().enumerate() {
        let of_value = about_value(value);
        if !of_value.is_empty() {
            let place = format!("values[{index}][{key}]");
            found.push(format!("{place}: Invalid value: {}: {}", quoted(value), of_value.join("; ")));
        }
    }
    found
}

fn told(found: Vec<String>) -> Result<(), String> {
    match found.as_slice() {
        [] => Ok(()),
        [one] => Err(one.clone()),
        more => Err(format!("[{}]", more.join(", "))),
    }
}

fn about_key(key: &str) -> Vec<String> {
    let mut found = Vec::new();
    let name = match key.split('/').collect::<Vec<_>>().as_slice() {
        [name] => *name,
        ["", name] => {
            found.push("prefix part must be non-empty".to_owned());
            *name
        }
        [prefix, name] => {
            if prefix.len() > PREFIX_LIMIT {
                found.push(format!("prefix part must be no more than {PREFIX_LIMIT} characters"));
            }
            if !prefix.split('.').all(is_prefix_part) {
                found.push(format!("prefix part {PREFIX_FORM}"));
            }
            *name
        }
        _ => {
            let text = "with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')";
            return vec![format!("a valid label key {NAME_FORM} {text}")];
        }
    };
    if name.is_empty() {
        found.push("name part must be non-empty".to_owned());
    } else if name.len() > NAME_LIMIT {
        found.push(format!("name part must be no more than {NAME_LIMIT} characters"));
    }
    if !is_name(name) {
        found.push(format!("name part {NAME_FORM}"));
    }
    found
}

fn about_value(value: &str) -> Vec<String> {
    let mut found = Vec::new();
    if value.len() > NAME_LIMIT {
        found.push(format!("must be no more than {NAME_LIMIT} characters"));
    }
    if !value.is_empty() && !is_name(value) {
        found.push(VALUE_FORM.to_owned());
    }
    found
}

fn is_name(text: &str) -> bool {
    let inner = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    ends_are(text, |byte| byte.is_ascii_alphanumeric()) && text.bytes().all(inner)
}

fn is_prefix_part(text: &str) -> bool {
    let outer = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    ends_are(text, outer) && text.bytes().all(|byte| outer(byte) || byte == b'-')
}

fn ends_are(text: &str, fine: impl Fn(u8) -> bool) -> bool {
    let bytes = text.as_bytes();
    bytes.first().zip(bytes.last()).is_some_and(|(first, last)| fine(*first) && fine(*last))
}

/// The selector as Go prints it.
pub fn shown(selector: &LabelSelector) -> String {
    let labels: String =
        selector.match_labels.iter().flatten().map(|(key, value)| format!("{key}: {value},")).collect();
    let rules: String = selector
        .match_expressions
        .iter()
        .flatten()
        .map(|LabelSelectorRequirement { key, operator, values }| {
            let values = values.as_deref().unwrap_or_default().join(" ");
            format!("LabelSelectorRequirement{{Key:{key},Operator:{operator},Values:[{values}],}},")
        })
        .collect();
    format!(
        "&LabelSelector{{MatchLabels:map[string]string{{{labels}}},MatchExpressions:[]LabelSelectorRequirement{{{rules}}},}}"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn selector(json: &str) -> LabelSelector {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn labels_and_rules_must_all_fit() {
        let labels = BTreeMap::from([("team".to_owned(), "a".to_owned())]);
        let rule = |text: &str| format!(r#"{{"matchExpressions": [{text}]}}"#);
        for (json, want) in [
            ("{}".to_owned(), true),
            (r#"{"matchLabels": {"team": "a"}}"#.to_owned(), true),
            (r#"{"matchLabels": {"team": "b"}}"#.to_owned(), false),
            (r#"{"matchLabels": {"team": "a", "example.com/tier": ""}}"#.to_owned(), false),
            (rule(r#"{"key": "team", "operator": "In", "values": ["b", "a"]}"#), true),
            (rule(r#"{"key": "team", "operator": "NotIn", "values": ["a"]}"#), false),
            (rule(r#"{"key": "tier", "operator": "NotIn", "values": ["a"]}"#), true),
            (rule(r#"{"key": "team", "operator": "Exists"}"#), true),
            (rule(r#"{"key": "team", "operator": "DoesNotExist"}"#), false),
            (rule(r#"{"key": "team", "operator": "Exists"}, {"key": "tier", "operator": "Exists"}"#), false),
        ] {
            assert_eq!(selects(&selector(&json), &labels), Ok(want), "{json}");
        }
    }

    #[test]
    fn a_selector_that_cannot_be_used_is_told_in_kubernetes_words() {
        let name = format!("name part {NAME_FORM}");
        let rule = |text: &str| format!(r#"{{"matchExpressions": [{text}]}}"#);
        let cases = [
            (rule(r#"{"key": "team", "operator": "in"}"#), r#""in" is not a valid label selector operator"#.to_owned()),
            (
                rule(r#"{"key": "team", "operator": "In"}"#),
                "values: Invalid value: null: for 'in', 'notin' operators, values set can't be empty".into(),
            ),
            (
                rule(r#"{"key": "team", "operator": "Exists", "values": ["a", "b"]}"#),
                r#"values: Invalid value: ["a","b"]: values set must be empty for exists and does not exist"#.into(),
            ),
            (r#"{"matchLabels": {"a b": "x"}}"#.into(), format!(r#"key: Invalid value: "a b": {name}"#)),
            (
                r#"{"matchLabels": {"/a": "x"}}"#.into(),
                r#"key: Invalid value: "/a": prefix part must be non-empty"#.into(),
            ),
            (
                r#"{"matchLabels": {"": "-"}}"#.into(),
                format!(
                    r#"[key: Invalid value: "": name part must be non-empty; {name}, values[0][]: Invalid value: "-": {VALUE_FORM}]"#
                ),
            ),
        ];
        for (json, want) in cases {
            assert_eq!(selects(&selector(&json), &BTreeMap::new()), Err(want), "{json}");
        }
    }

    #[test]
    fn a_selector_is_shown_as_go_does() {
        let json = r#"{"matchLabels": {"b": "2", "a": "1"}, "matchExpressions": [{"key": "k", "operator": "In", "values": ["x", "y"]}]}"#;
        let want = "&LabelSelector{MatchLabels:map[string]string{a: 1,b: 2,},MatchExpressions:[]LabelSelectorRequirement{LabelSelectorRequirement{Key:k,Operator:In,Values:[x y],},},}";
        assert_eq!(shown(&selector(json)), want);
    }
}
